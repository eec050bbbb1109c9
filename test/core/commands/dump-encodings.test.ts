/**
 * DUMP of every encoding restores into a stock redis-server of 7.0, and its DUMP here: the value, its encoding and its
 * digest stay. Then every encoding of older and newer versions, from the corpus of snapshots: RESTOREd here, it restores
 * from our DUMP into the stock server as that server's own reading of it.
 */
import { bytesSource, encodeDump } from '@understudy/core/internal'
import { describe, expect } from 'vitest'
import type { Argument } from '../../support/raw-client.ts'
import { corpus, corpusBytes } from '../../support/rdb-corpus.ts'
import { readAllReplies } from '../../support/resp-reader.ts'
import { scanBytes } from '../../support/scan-rdb.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { useStockPair } from '../../support/stock-pair.ts'
import { itOfReference as it } from '../../support/reference.ts'

const random = new SeededRandom(5)

const times = (count: number, make: (i: number) => readonly Argument[]): Argument[] =>
  Array.from({ length: count }, (_, i) => make(i)).flat()

interface Case {
  /** OBJECT ENCODING. */
  readonly encoding: string
  /** First byte of the payload. */
  readonly rdbType: number
  readonly commands: readonly (readonly Argument[])[]
  readonly settings?: Readonly<Record<string, string>>
}

/** All that redis-server 7.0 holds and writes. */
const CASES: Readonly<Record<string, Case>> = {
  'integer of 8 bits': { encoding: 'int', rdbType: 0, commands: [['SET', 'k', '-128']] },
  'integer of 16 bits': { encoding: 'int', rdbType: 0, commands: [['SET', 'k', '32767']] },
  'integer of 32 bits': { encoding: 'int', rdbType: 0, commands: [['SET', 'k', '-2147483648']] },
  'integer of 64 bits': { encoding: 'int', rdbType: 0, commands: [['SET', 'k', '9223372036854775807']] },
  'short string': { encoding: 'embstr', rdbType: 0, commands: [['SET', 'k', random.bytes(44)]] },
  'empty string': { encoding: 'embstr', rdbType: 0, commands: [['SET', 'k', '']] },
  'long string': { encoding: 'raw', rdbType: 0, commands: [['SET', 'k', random.bytes(45)]] },
  'string that compresses': { encoding: 'raw', rdbType: 0, commands: [['SET', 'k', 'ab'.repeat(40_000)]] },
  'string in nodes': { encoding: 'raw', rdbType: 0, commands: [['SET', 'k', random.bytes(70_000)]] },
  'sparse HyperLogLog': { encoding: 'raw', rdbType: 0, commands: [['PFADD', 'k', ...times(40, (i) => [`e${i}`])]] },
  'dense HyperLogLog': { encoding: 'raw', rdbType: 0, commands: [['PFADD', 'k', ...times(5000, (i) => [`e${i}`])]] },
  'list of one node': { encoding: 'quicklist', rdbType: 18, commands: [['RPUSH', 'k', 'a', '1', '', '-70000']] },
  'list of many nodes': { encoding: 'quicklist', rdbType: 18, commands: [['RPUSH', 'k', ...times(3000, (i) => [i])]] },
  'list with plain nodes': {
    encoding: 'quicklist',
    rdbType: 18,
    commands: [['RPUSH', 'k', 'a', 'x'.repeat(20_000), 'b', random.bytes(50_000)]],
  },
  'list of compressed nodes': {
    encoding: 'quicklist',
    rdbType: 18,
    commands: [['RPUSH', 'k', ...times(2000, (i) => [`element ${i % 9}`])]],
    settings: { 'list-compress-depth': '1' },
  },
  'integer set of 16 bits': { encoding: 'intset', rdbType: 11, commands: [['SADD', 'k', 1, -5, 300]] },
  'integer set of 32 bits': { encoding: 'intset', rdbType: 11, commands: [['SADD', 'k', 1, -70_000]] },
  'integer set of 64 bits': { encoding: 'intset', rdbType: 11, commands: [['SADD', 'k', 1, '5000000000']] },
  'set of text': { encoding: 'hashtable', rdbType: 2, commands: [['SADD', 'k', 'a', '', '12']] },
  'set of many': { encoding: 'hashtable', rdbType: 2, commands: [['SADD', 'k', ...times(3000, (i) => [`m${i}`])]] },
  'small hash': { encoding: 'listpack', rdbType: 16, commands: [['HSET', 'k', 'f', 'v', 'g', '-1', '', '']] },
  'hash of many': { encoding: 'hashtable', rdbType: 4, commands: [['HSET', 'k', ...times(2000, (i) => [`f${i}`, i])]] },
  'hash of a long value': { encoding: 'hashtable', rdbType: 4, commands: [['HSET', 'k', 'f', 'z'.repeat(65)]] },
  'small sorted set': {
    encoding: 'listpack',
    rdbType: 17,
    commands: [['ZADD', 'k', 1, 'a', '-inf', 'b', '0.1', 'c', '1e300', 'd', '-0', 'e']],
  },
  'sorted set of many': {
    encoding: 'skiplist',
    rdbType: 5,
    commands: [['ZADD', 'k', 'inf', 'x', ...times(2000, (i) => [i / 7, `m${i}`])]],
  },
  'sorted set of a long member': { encoding: 'skiplist', rdbType: 5, commands: [['ZADD', 'k', 3, 'y'.repeat(65)]] },
  stream: {
    encoding: 'stream',
    rdbType: 19,
    commands: Array.from({ length: 250 }, (_, i) => ['XADD', 'k', `${i + 1}-1`, 'f', i]),
  },
  'empty stream': {
    encoding: 'stream',
    rdbType: 19,
    commands: [
      ['XADD', 'k', '5-1', 'f', 'v'],
      ['XDEL', 'k', '5-1'],
    ],
  },
  'stream with groups': {
    encoding: 'stream',
    rdbType: 19,
    commands: [
      ...Array.from({ length: 120 }, (_, i) => ['XADD', 'k', `${i + 1}-0`, 'f', i, ...(i % 3 === 0 ? ['g', 'x'] : [])]),
      ['XDEL', 'k', '7-0', '8-0'],
      ['XGROUP', 'CREATE', 'k', 'g1', '0'],
      ['XGROUP', 'CREATE', 'k', 'g2', '$'],
      ['XGROUP', 'CREATECONSUMER', 'k', 'g1', 'idle'],
      ['XREADGROUP', 'GROUP', 'g1', 'alice', 'COUNT', 20, 'STREAMS', 'k', '>'],
      ['XACK', 'k', 'g1', '2-0', '3-0'],
    ],
  },
}

/** RDB types whose values are strings, lists, sets, sorted sets, hashes or streams, and which 7.0 can load. */
const TYPES_OF_7_0 = [0, 1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]

describe('DUMP and RESTORE beside a stock server', () => {
  const pair = useStockPair()

  const digestOf = async (key: string): Promise<string> => String(await pair.server.call('DEBUG', 'DIGEST-VALUE', key))
  const ourDump = (key: string): Buffer => readAllReplies(pair.runner.run('DUMP', key), true)[0] as Buffer

  it.each(Object.entries(CASES))('%s', async (name, { encoding, rdbType, commands, settings = {} }) => {
    await pair.begin(2, name)
    for (const [directive, value] of Object.entries(settings)) await pair.server.call('CONFIG', 'SET', directive, value)
    for (const command of commands) {
      pair.runner.run(...command)
      await pair.client.call(...command)
    }
    const theirs = (await pair.client.callBinary('DUMP', 'k')) as Buffer
    const ours = ourDump('k')
    expect([theirs[0], ours[0]]).toEqual([rdbType, rdbType])
    expect(await pair.server.call('RESTORE', 'ours', 0, ours)).toBe('OK')
    expect(pair.runner.text('RESTORE', 'theirs', 0, theirs)).toBe('+OK\r\n')
    expect(await pair.server.call('RESTORE', 'and back', 0, ourDump('theirs'))).toBe('OK')
    const encodings = [pair.runner.text('OBJECT', 'ENCODING', 'k'), pair.runner.text('OBJECT', 'ENCODING', 'theirs')]
    for (const key of ['k', 'ours', 'and back']) encodings.push(await pair.client.callExact('OBJECT', 'ENCODING', key))
    expect(new Set(encodings)).toEqual(new Set([`$${encoding.length}\r\n${encoding}\r\n`]))
    expect([await digestOf('ours'), await digestOf('and back')]).toEqual([await digestOf('k'), await digestOf('k')])
    for (const directive of Object.keys(settings)) await pair.server.call('CONFIG', 'SET', directive, '0')
  })

  it('are tried with every type of payload that 7.0 writes', () => {
    const types = new Set(Object.values(CASES).map(({ rdbType }) => rdbType))
    expect([...types].toSorted((a, b) => a - b)).toEqual([0, 2, 4, 5, 11, 16, 17, 18, 19])
  })

  it('every encoding of the corpus', async () => {
    await pair.begin(2, 'corpus')
    const seen = new Set<number>()
    for (const { file, redis_7_0_15: verdict } of corpus()) {
      if (verdict.refused !== undefined) continue
      for (const entries of scanBytes(corpusBytes(file)).sink.databases.values()) {
        for (const [key, { rdbType, value }] of entries) {
          if (!TYPES_OF_7_0.includes(rdbType)) continue
          const what = `${file} ${key}`
          const payload = encodeDump(rdbType, bytesSource(value))
          expect(pair.runner.text('RESTORE', 'k', 0, payload, 'REPLACE'), what).toBe('+OK\r\n')
          expect(await pair.server.call('RESTORE', 'k', 0, payload, 'REPLACE'), what).toBe('OK')
          expect(await pair.server.call('RESTORE', 'ours', 0, ourDump('k'), 'REPLACE'), what).toBe('OK')
          expect(await digestOf('ours'), what).toEqual(await digestOf('k'))
          seen.add(rdbType)
        }
      }
    }
    expect([...seen].toSorted((a, b) => a - b)).toEqual(TYPES_OF_7_0)
  })
})
