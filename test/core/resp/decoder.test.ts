import {
  COMMAND,
  EMPTY_REQUEST,
  INLINE_BYTES_MAX,
  NEED_MORE,
  PROTOCOL_ERROR,
  RequestDecoder,
  UNAUTHENTICATED_BULK_BYTES_MAX,
} from '@understudy/core/internal'
import { describe, expect, test } from 'vitest'
import { CpuTime } from '../../support/cpu-time.ts'
import { encodeCommand } from '../../support/raw-client.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { cuttings, feed } from '../../support/short-reads.ts'

/** Everything the decoder finds, commands as latin1 texts; a protocol error ends the list. */
function drain(decoder: RequestDecoder, into: (string[] | string)[], looksAhead = false): number {
  for (;;) {
    if (looksAhead && decoder.aheadCount === 0) decoder.lookAhead()
    const found = decoder.next()
    if (found === COMMAND) {
      const command: string[] = []
      for (let i = 0; i < decoder.count; i++) {
        command.push(Buffer.from(decoder.bytes.subarray(decoder.start[i], decoder.end[i])).toString('latin1'))
      }
      into.push(command)
    } else {
      if (found === PROTOCOL_ERROR) into.push(decoder.error)
      return found
    }
  }
}

/** One by one and looking ahead, which must come to the same. */
function decode(bytes: Uint8Array | string, prepare?: (decoder: RequestDecoder) => void): (string[] | string)[] {
  const found = decodeOnce(bytes, prepare, false)
  expect(decodeOnce(bytes, prepare, true)).toEqual(found)
  return found
}

function decodeOnce(
  bytes: Uint8Array | string,
  prepare: ((decoder: RequestDecoder) => void) | undefined,
  looksAhead: boolean,
): (string[] | string)[] {
  const decoder = new RequestDecoder()
  prepare?.(decoder)
  const out: (string[] | string)[] = []
  decoder.feed(Buffer.from(bytes))
  drain(decoder, out, looksAhead)
  return out
}

function decodeCut(pieces: Parameters<typeof feed>[0], prepare?: (decoder: RequestDecoder) => void): unknown[] {
  const found = decodeCutOnce(pieces, prepare, false)
  expect(decodeCutOnce(pieces, prepare, true)).toEqual(found)
  return found
}

function decodeCutOnce(
  pieces: Parameters<typeof feed>[0],
  prepare: ((decoder: RequestDecoder) => void) | undefined,
  looksAhead: boolean,
): unknown[] {
  const decoder = new RequestDecoder()
  prepare?.(decoder)
  const out: (string[] | string)[] = []
  let failed = false
  feed(pieces, (piece) => {
    if (failed) return
    decoder.feed(piece)
    failed = drain(decoder, out, looksAhead) === PROTOCOL_ERROR
  })
  return out
}

const MIXED: Buffer = Buffer.concat([
  encodeCommand('PING'),
  Buffer.from('SET "a b" \'c\\\'d\' "\\x41\\n"\r\n'),
  encodeCommand('SET', 'key', Buffer.alloc(3000, 'v')),
  Buffer.from('\r\n\n*0\r\n*-1\r\n'),
  encodeCommand('', '\r\n$5\r\n', Buffer.from([0, 255, 10, 13])),
  Buffer.from('  ping  \n'),
  encodeCommand(...Array.from({ length: 40 }, (_, i) => `argument-${i}`)),
  encodeCommand('GET', 'last'),
])

const MIXED_COMMANDS = [
  ['PING'],
  ['SET', 'a b', "c'd", 'A\n'],
  ['SET', 'key', 'v'.repeat(3000)],
  ['', '\r\n$5\r\n', '\x00\xff\n\r'],
  ['ping'],
  Array.from({ length: 40 }, (_, i) => `argument-${i}`),
  ['GET', 'last'],
]

describe('commands', () => {
  test('multibulk and inline, mixed', () => {
    expect(decode(MIXED)).toEqual(MIXED_COMMANDS)
  })

  test.each(cuttings(MIXED, { seed: 11, rounds: 60 }))('$name', (cutting) => {
    expect(decodeCut(cutting)).toEqual(MIXED_COMMANDS)
  })

  test.each(cuttings(MIXED, { seed: 12, rounds: 60 }))('$name, all read into one buffer, looking ahead', (cutting) => {
    const shared = Buffer.alloc(65_536)
    const decoder = new RequestDecoder()
    const out: (string[] | string)[] = []
    feed(cutting, (piece) => {
      // What stands behind a piece is from reads before, or looks like a command.
      shared.fill('\r\nPING\r\n', piece.length)
      shared.set(piece)
      decoder.feed(shared, piece.length)
      drain(decoder, out, true)
      decoder.keep()
    })
    expect(out).toEqual(MIXED_COMMANDS)
    expect(decoder.heldBytes).toBeLessThan(shared.length)
  })

  test.each([
    ['PING', [['PING']]],
    ['a"b c"d\r\n', ['Protocol error: unbalanced quotes in request']],
    ['a"b c" d\r\n', [['ab c', 'd']]],
    ['"\\t\\b\\a\\r\\q\\x4g"\r\n', [['\t\b\x07\rqx4g']]],
    ["'\\n\\''\r\n", [["\\n'"]]],
    ['""\r\n', [['']]],
    ['"open\r\n', ['Protocol error: unbalanced quotes in request']],
    ['"a"b\r\n', ['Protocol error: unbalanced quotes in request']],
    ["'a'b\r\n", ['Protocol error: unbalanced quotes in request']],
    ['"a\\"\r\n', ['Protocol error: unbalanced quotes in request']],
    ['   \r\nPING\n', [['PING']]],
  ] as [string, unknown[]][])('inline %j', (line, expected) => {
    expect(decode(line.includes('\n') ? line : `${line}\r\n`)).toEqual(expected)
  })

  // As strchr() finds no end of such a line, so Redis never does: it waits until the line is too long.
  test.each(['\0\r\n', 'MGET a\0b\r\n', 'PING\0\r\n', '"a"\0\r\n', ' \0 x\n'])(
    'a zero byte in %j: the line has no end',
    (line) => {
      const decoder = new RequestDecoder()
      const out: (string[] | string)[] = []
      for (const piece of ['PING\r\n', ...line.split(''), 'PING\r\n']) {
        decoder.feed(Buffer.from(piece, 'latin1'))
        drain(decoder, out)
      }
      expect(out).toEqual([['PING']])
      decoder.feed(Buffer.from('\r\n'.repeat(INLINE_BYTES_MAX / 2)))
      drain(decoder, out)
      expect(out).toEqual([['PING'], 'Protocol error: too big inline request'])
    },
  )

  test('a command can be had again', () => {
    const decoder = new RequestDecoder()
    decoder.feed(Buffer.concat([encodeCommand('SET', 'k', 'v'), Buffer.from('GET "a b"\r\n'), encodeCommand('PING')]))
    const out: (string[] | string)[] = []
    expect(decoder.next()).toBe(COMMAND)
    decoder.rewind()
    expect(decoder.next()).toBe(COMMAND)
    expect(decoder.count).toBe(3)
    expect(decoder.next()).toBe(COMMAND)
    decoder.rewind()
    drain(decoder, out)
    expect(out).toEqual([['GET', 'a b'], ['PING']])
  })

  test('input that comes while a command is held back is kept behind it', () => {
    const decoder = new RequestDecoder()
    decoder.feed(Buffer.concat([encodeCommand('ONE', '1'), encodeCommand('TWO')]))
    expect(decoder.next()).toBe(COMMAND)
    expect(decoder.hasMore).toBe(true)
    decoder.rewind()
    decoder.feed(encodeCommand('THREE'))
    const out: (string[] | string)[] = []
    drain(decoder, out)
    expect(out).toEqual([['ONE', '1'], ['TWO'], ['THREE']])
    expect(decoder.hasMore).toBe(false)
    expect(decoder.pendingBytes).toBe(0)
  })
})

describe('limits', () => {
  const big = 'x'.repeat(INLINE_BYTES_MAX)
  test.each([
    ['*1\r\n+4\r\nPING\r\n', "Protocol error: expected '$', got '+'"],
    ['*1\r\n\xe9\r\n', "Protocol error: expected '$', got '\xe9'"],
    ['*x\r\n', 'Protocol error: invalid multibulk length'],
    ['*01\r\n', 'Protocol error: invalid multibulk length'],
    ['*+1\r\n', 'Protocol error: invalid multibulk length'],
    ['* 1\r\n', 'Protocol error: invalid multibulk length'],
    ['*\r\n', 'Protocol error: invalid multibulk length'],
    ['*2147483648\r\n', 'Protocol error: invalid multibulk length'],
    ['*9223372036854775808\r\n', 'Protocol error: invalid multibulk length'],
    ['*99999999999999999999999999999999999\r\n', 'Protocol error: invalid multibulk length'],
    ['*1\r\n$-1\r\n', 'Protocol error: invalid bulk length'],
    ['*1\r\n$x\r\n', 'Protocol error: invalid bulk length'],
    ['*1\r\n$536870913\r\n', 'Protocol error: invalid bulk length'],
    ['*1\r\n$18446744073709551616\r\n', 'Protocol error: invalid bulk length'],
    [`*${'1'.repeat(INLINE_BYTES_MAX + 1)}`, 'Protocol error: too big mbulk count string'],
    [`*1\r\n$${'1'.repeat(INLINE_BYTES_MAX + 1)}`, 'Protocol error: too big bulk count string'],
    [`${big}x`, 'Protocol error: too big inline request'],
  ])('%.40j', (bytes, error) => {
    const input = Buffer.from(bytes, 'latin1')
    expect(decode(input)).toEqual([error])
    for (const cutting of cuttings(input, { seed: 5, rounds: 3 })) expect(decodeCut(cutting)).toEqual([error])
  })

  test('a line of exactly the limit still waits', () => {
    expect(decode(big)).toEqual([])
    expect(decode(`${big}\n`)).toHaveLength(1)
  })

  test('requests without arguments are passed over, or found', () => {
    const bytes = Buffer.from('\r\n*0\r\n  \r\nPING\r\n*-1\r\n*1\r\n$4\r\nPING\r\n\r\n')
    const found: number[] = []
    const sources: string[] = []
    const decoder = new RequestDecoder()
    decoder.findsEmpty = true
    decoder.feed(bytes)
    for (let result = decoder.next(); result !== NEED_MORE; result = decoder.next()) {
      found.push(result)
      sources.push(decoder.sourceBytes.toString('latin1', decoder.sourceStart, decoder.sourceEnd))
    }
    expect(found.map((result) => result === EMPTY_REQUEST)).toEqual([true, true, true, false, true, false, true])
    expect(sources.join('')).toBe(bytes.toString())
    expect(decode(bytes)).toEqual([['PING'], ['PING']])
  })

  test('an error spoils what follows', () => {
    const decoder = new RequestDecoder()
    decoder.feed(Buffer.from('*x\r\n*1\r\n$4\r\nPING\r\n'))
    expect(decoder.next()).toBe(PROTOCOL_ERROR)
    decoder.feed(encodeCommand('PING'))
    expect(decoder.next()).toBe(PROTOCOL_ERROR)
  })

  test('before AUTH: ten arguments of 16384 bytes', () => {
    const locked = (decoder: RequestDecoder): void => {
      decoder.authRequired = true
    }
    expect(decode('*11\r\n', locked)).toEqual(['Protocol error: unauthenticated multibulk length'])
    expect(decode('*10\r\n', locked)).toEqual([])
    const longest = encodeCommand('AUTH', Buffer.alloc(UNAUTHENTICATED_BULK_BYTES_MAX))
    expect(decode(longest, locked)).toHaveLength(1)
    expect(decode('*2\r\n$4\r\nAUTH\r\n$16385\r\n', locked)).toEqual(['Protocol error: unauthenticated bulk length'])
  })

  test('what is too much before AUTH is found once that is over', () => {
    const many = Buffer.concat([
      encodeCommand('PING'),
      encodeCommand('MGET', ...Array<string>(11).fill('k')),
      encodeCommand('PING'),
    ])
    const long = encodeCommand('SET', 'k', Buffer.alloc(20_000, 'v'))
    for (const bytes of [many, long]) {
      for (const cut of [bytes.length, bytes.length - 9, 64]) {
        const decoder = new RequestDecoder()
        decoder.authRequired = true
        const found: (string[] | string)[] = []
        const chunk = Buffer.from(bytes)
        decoder.feed(chunk, cut)
        expect(drain(decoder, found)).toBe(PROTOCOL_ERROR)
        expect(decoder.next()).toBe(PROTOCOL_ERROR)
        decoder.keep()
        chunk.fill(0, 0, cut)
        decoder.feed(chunk.subarray(cut))
        expect(decoder.next()).toBe(PROTOCOL_ERROR)
        decoder.authRequired = false
        found.pop()
        expect(drain(decoder, found)).toBe(NEED_MORE)
        expect(found).toEqual(decode(bytes))
      }
    }
  })

  test('proto-max-bulk-len', () => {
    const small = (decoder: RequestDecoder): void => {
      decoder.bulkBytesMax = 100
    }
    expect(decode('*1\r\n$100\r\n', small)).toEqual([])
    expect(decode('*1\r\n$101\r\n', small)).toEqual(['Protocol error: invalid bulk length'])
  })
})

describe('memory and time', () => {
  test('lengths alone allocate nothing', () => {
    for (const header of ['*1\r\n$536870912\r\n', '*2147483647\r\n', '*2147483647\r\n$3\r\nSET\r\n$536870912\r\n']) {
      const decoder = new RequestDecoder()
      decoder.feed(Buffer.from(header))
      expect(decoder.next()).toBe(NEED_MORE)
      expect(decoder.heldBytes).toBeLessThan(8192)
    }
  })

  test('memory follows what arrived', () => {
    const decoder = new RequestDecoder()
    decoder.feed(Buffer.from('*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000000\r\n'))
    expect(decoder.next()).toBe(NEED_MORE)
    const piece = Buffer.alloc(10_000, 'x')
    for (let i = 1; i <= 50; i++) {
      decoder.feed(piece)
      expect(decoder.next()).toBe(NEED_MORE)
      expect(decoder.heldBytes).toBeLessThan(2 * i * piece.length + 4096)
    }
  })

  test('a value of 64 MB in pieces of 1 KB, and a million arguments byte by byte, take linear time', () => {
    const value = Buffer.alloc(64 * 1024 * 1024, 'y')
    const request = encodeCommand('SET', 'k', value)
    const decoder = new RequestDecoder()
    const out: (string[] | string)[] = []
    const cpu = new CpuTime()
    for (let at = 0; at < request.length; at += 1024) {
      decoder.feed(request.subarray(at, Math.min(request.length, at + 1024)))
      if (at + 1024 < request.length) expect(decoder.next() === NEED_MORE).toBe(true)
    }
    expect(decoder.next()).toBe(COMMAND)
    expect(decoder.end[2]! - decoder.start[2]!).toBe(value.length)
    expect(decoder.next()).toBe(NEED_MORE)
    expect(decoder.heldBytes).toBeLessThan(64 * 1024)

    const many = Buffer.concat([Buffer.from('*200000\r\n'), Buffer.alloc(200_000 * 7, '$1\r\na\r\n')])
    for (let at = 0; at < many.length; at += 3) {
      decoder.feed(many.subarray(at, Math.min(many.length, at + 3)))
      if (drain(decoder, out) === PROTOCOL_ERROR) break
    }
    expect(out).toHaveLength(1)
    expect(out[0]).toHaveLength(200_000)
    expect(cpu.ms).toBeLessThan(10_000)
  })

  test('an idle connection gives its memory back', () => {
    const decoder = new RequestDecoder()
    const out: (string[] | string)[] = []
    decoder.feed(Buffer.from('*1\r\n$4\r\nPI'))
    drain(decoder, out)
    decoder.feed(Buffer.from('NG\r\n'))
    drain(decoder, out)
    decoder.shrink()
    expect(decoder.heldBytes).toBeLessThan(256)
    decoder.feed(encodeCommand('GET', 'x'))
    drain(decoder, out)
    expect(out).toEqual([['PING'], ['GET', 'x']])
  })
})

test('mutations: never a crash, and the same result however the bytes are cut', () => {
  const random = new SeededRandom(20_260)
  for (let round = 0; round < 400; round++) {
    const bytes = Buffer.from(MIXED)
    const changes = random.int(1, 6)
    for (let i = 0; i < changes; i++) bytes[random.int(0, bytes.length - 1)] = random.int(0, 255)
    const input = random.chance(0.3) ? bytes.subarray(0, random.int(1, bytes.length)) : bytes
    const whole = decode(input)
    for (const cutting of cuttings(input, { seed: round, rounds: 2 })) {
      // Text of 64 KB without a line end is noticed when it is there: all our inputs are shorter.
      expect(decodeCut(cutting), cutting.name).toEqual(whole)
    }
  }
})
