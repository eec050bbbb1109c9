import {
  ARGS_AHEAD_MAX,
  COMMAND,
  NEED_MORE,
  RequestDecoder,
  REQUESTS_AHEAD_MAX,
  RequestsAhead,
} from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { encodeCommand } from '../../support/raw-client.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

function requestsIn(bytes: Uint8Array, from = 0, limit = bytes.length): string[] {
  const ahead = new RequestsAhead()
  ahead.find(ahead, bytes, from, limit)
  return Array.from({ length: ahead.count }, (_, i) => {
    const args = Array.from({ length: ahead.counts[i]! }, (_unused, arg) => {
      const at = i * ARGS_AHEAD_MAX + arg
      return Buffer.from(bytes.subarray(ahead.starts[at], ahead.ends[at])).toString('latin1')
    })
    return args.join(' ')
  })
}

function commandOf(decoder: RequestDecoder): string {
  const args = Array.from({ length: decoder.count }, (_, i) =>
    Buffer.from(decoder.bytes.subarray(decoder.start[i], decoder.end[i])).toString('latin1'),
  )
  return args.join(' ')
}

function next(decoder: RequestDecoder): string | undefined {
  return decoder.next() === COMMAND ? commandOf(decoder) : undefined
}

const pipeline = Buffer.concat(Array.from({ length: 100 }, (_, i) => encodeCommand('GET', `key${i}`)))

describe('requests ahead', () => {
  it('are found of every length, as many as there is room for', () => {
    const bytes = Buffer.concat([
      encodeCommand('PING'),
      encodeCommand('HGET', 'two', 'field'),
      encodeCommand('ZRANGEBYSCORE', 'three', '-inf', '+inf', 'LIMIT', '0', '10'),
      encodeCommand('GET', ''),
      encodeCommand('GET', 'k'.repeat(9999)),
    ])
    const long = `GET ${'k'.repeat(9999)}`
    const expected = ['PING', 'HGET two field', 'ZRANGEBYSCORE three -inf +inf LIMIT 0 10', 'GET ', long]
    expect(requestsIn(bytes)).toEqual(expected)
    expect(requestsIn(bytes, encodeCommand('PING').length)).toEqual(expected.slice(1))
    expect(requestsIn(pipeline)).toEqual(Array.from({ length: REQUESTS_AHEAD_MAX }, (_, i) => `GET key${i}`))
  })

  it('end at what is not all here', () => {
    const first = encodeCommand('GET', 'first')
    const bytes = Buffer.concat([first, encodeCommand('GET', 'second')])
    for (let limit = 0; limit <= bytes.length; limit++) {
      const whole = limit === bytes.length ? ['GET first', 'GET second'] : limit >= first.length ? ['GET first'] : []
      expect(requestsIn(bytes, 0, limit), `${limit} bytes`).toEqual(whole)
    }
  })

  it.each([
    ['an inline command', Buffer.from('GET inline\r\n')],
    ['many arguments', encodeCommand('MGET', ...Array.from({ length: ARGS_AHEAD_MAX }, (_, i) => `key${i}`))],
    ['a long argument', encodeCommand('SET', 'key', 'x'.repeat(10_000))],
    ['a length with a leading zero', Buffer.from('*1\r\n$04\r\nPING\r\n')],
    ['a negative length', Buffer.from('*1\r\n$-1\r\n')],
    ['no arguments', Buffer.from('*0\r\n')],
    ['nonsense', Buffer.from('*2\r\n$x\r\nGET\r\n$3\r\nkey\r\n')],
  ])('end at %s', (_name, unusual) => {
    expect(requestsIn(Buffer.concat([encodeCommand('GET', 'a'), unusual, encodeCommand('GET', 'b')]))).toEqual([
      'GET a',
    ])
  })

  it('of any bytes at all are what the decoder finds in them', () => {
    const random = new SeededRandom(8)
    const pieces = [
      '*',
      '$',
      '\r\n',
      '1',
      '2',
      '9',
      '0',
      '-',
      'GET',
      '\0',
      '*1\r\n$0\r\n\r\n',
      '*2\r\n$3\r\nGET\r\n$1\r\n',
      'a\r\n',
    ]
    let found = 0
    for (let round = 0; round < 20_000; round++) {
      const bytes = Buffer.from(Array.from({ length: random.int(0, 30) }, () => random.pick(pieces)).join(''))
      const limit = random.int(0, bytes.length)
      const ahead = requestsIn(bytes, 0, limit)
      const decoder = new RequestDecoder()
      decoder.feed(bytes, limit)
      expect(ahead.map(() => next(decoder))).toEqual(ahead)
      found += ahead.length
    }
    expect(found).toBeGreaterThan(1000)
  })

  it('are taken one after the other, the decoder being where it would have been without', () => {
    const ahead = new RequestDecoder()
    const plain = new RequestDecoder()
    for (const decoder of [ahead, plain]) decoder.feed(Buffer.from(pipeline))
    expect(ahead.lookAhead()).toBe(REQUESTS_AHEAD_MAX)
    for (let i = 0; i < REQUESTS_AHEAD_MAX; i++) {
      expect(ahead.aheadCount).toBe(REQUESTS_AHEAD_MAX - i)
      expect(next(ahead)).toBe(next(plain))
      expect([ahead.sourceStart, ahead.sourceEnd, ahead.inputEnd, ahead.pendingBytes, ahead.hasMore]).toEqual([
        plain.sourceStart,
        plain.sourceEnd,
        plain.inputEnd,
        plain.pendingBytes,
        plain.hasMore,
      ])
    }
    expect(ahead.aheadCount).toBe(0)
    expect(next(ahead)).toBe(next(plain))
  })

  it('are not taken by a decoder that was given input since, went back, or did not look', () => {
    const decoder = new RequestDecoder()
    decoder.feed(Buffer.from(pipeline))
    decoder.lookAhead()
    expect(next(decoder)).toBe('GET key0')
    decoder.rewind()
    expect([next(decoder), next(decoder)]).toEqual(['GET key0', 'GET key1'])
    const other = new RequestDecoder()
    other.feed(Buffer.concat([encodeCommand('OTHER', '1'), encodeCommand('OTHER', '2')]))
    expect(next(other)).toBe('OTHER 1')
    other.lookAhead()
    expect(decoder.aheadCount).toBe(0)
    expect([next(decoder), next(other), next(decoder)]).toEqual(['GET key2', 'OTHER 2', 'GET key3'])
    decoder.lookAhead()
    decoder.feed(encodeCommand('LAST'))
    expect(decoder.aheadCount).toBe(0)
    expect([next(decoder), next(decoder)]).toEqual(['GET key4', 'GET key5'])
  })

  it('do not outlive the memory that they were read into', () => {
    const shared = Buffer.alloc(65_536)
    const decoder = new RequestDecoder()
    shared.set(pipeline)
    decoder.feed(shared, pipeline.length)
    decoder.lookAhead()
    expect(next(decoder)).toBe('GET key0')
    decoder.keep()
    shared.fill('x')
    for (let i = 1; i < 100; i++) expect(next(decoder)).toBe(`GET key${i}`)
    expect(decoder.next()).toBe(NEED_MORE)
  })
})
