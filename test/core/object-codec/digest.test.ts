/** DEBUG DIGEST-VALUE and DUMP of every type and encoding, against a real redis-server. */
import {
  bytesSource,
  DatasetDigest,
  decodeRestore,
  digestKey,
  digestText,
  digestValue,
  encodeDump,
} from '@understudy/core/internal'
import type { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { startRedisServer } from '../../support/redis-server.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import type { TestServer } from '../../support/test-server.ts'
import { itOfReference as it } from '../../support/reference.ts'

let redis: TestServer
let client: Redis

beforeAll(async () => {
  redis = await startRedisServer()
  client = redis.client()
})
afterAll(() => redis.stop())

async function dump(key: string): Promise<Buffer> {
  const payload = await client.dumpBuffer(key)
  if (payload === null) throw new Error(`no key '${key}'`)
  return payload
}

type Command = (string | number | Buffer)[]

/** By name of the key: how it is made, and its OBJECT ENCODING. */
const random = new SeededRandom(31)
const many = (count: number, make: (index: number) => (string | number)[]): (string | number)[] =>
  Array.from({ length: count }, (_, i) => make(i)).flat()
const CASES: Record<string, [encoding: string, ...commands: Command[]]> = {
  'string int': ['int', ['SET', 'string int', '-12345']],
  'string embstr': ['embstr', ['SET', 'string embstr', 'short']],
  'string empty': ['embstr', ['SET', 'string empty', '']],
  'string raw': ['raw', ['SET', 'string raw', random.bytes(100_000)]],
  'string lzf': ['raw', ['SET', 'string lzf', 'abcdefgh'.repeat(20_000)]],
  'string ttl': ['embstr', ['SET', 'string ttl', 'v', 'EX', 10_000]],
  'list one': ['quicklist', ['RPUSH', 'list one', 'a']],
  'list small': [
    'quicklist',
    ['RPUSH', 'list small', ...many(100, (i) => [i % 2 === 0 ? i * 1_000_000 : `item ${i}`])],
  ],
  'list large': ['quicklist', ['RPUSH', 'list large', ...many(5000, (i) => [`item ${i}`, i * 7919 ** 3])]],
  'list plain node': ['quicklist', ['RPUSH', 'list plain node', 'a', 'x'.repeat(20_000), random.text(70_000), 'b']],
  'set intset 16': ['intset', ['SADD', 'set intset 16', -3, 0, 32767]],
  'set intset 32': ['intset', ['SADD', 'set intset 32', -3, 0, 2147483647]],
  'set intset 64': ['intset', ['SADD', 'set intset 64', -3, 0, '9223372036854775807', '-9223372036854775808']],
  'set hashtable': ['hashtable', ['SADD', 'set hashtable', 'a', 'b', 12, ...many(50, (i) => [`member ${i}`])]],
  'zset listpack': [
    'listpack',
    [
      'ZADD',
      'zset listpack',
      1,
      'a',
      -2.5,
      'b',
      0.1,
      'c',
      'inf',
      'd',
      '-inf',
      'e',
      3.14e100,
      'f',
      1e-7,
      5,
      '-0',
      'z',
      1 + 2 ** -17,
      't',
    ],
  ],
  'zset skiplist': [
    'skiplist',
    ['ZADD', 'zset skiplist', 'inf', 'x', '-inf', 'y', ...many(400, (i) => [i / 7 - 20, `member ${i}`])],
  ],
  'hash listpack': ['listpack', ['HSET', 'hash listpack', 'f', 'v', 1, 2, -70_000, 123456789012, '', 'empty', 'e', '']],
  'hash hashtable': [
    'hashtable',
    ['HSET', 'hash hashtable', ...many(600, (i) => [`field ${i}`, i % 2 === 0 ? i * 99_991 : `value ${i}`])],
  ],
  'hash long value': ['hashtable', ['HSET', 'hash long value', 'f', 'x'.repeat(100), 'g', random.text(5000)]],
  'stream empty': ['stream', ['XADD', 'stream empty', '1-1', 'a', 'b'], ['XDEL', 'stream empty', '1-1']],
  'stream small': [
    'stream',
    ['XADD', 'stream small', '1-1', 'a', 'b', 5, 6],
    ['XADD', 'stream small', '1-2', 'a', 'c', 5, 7],
    ['XADD', 'stream small', '18446744073709551615-18446744073709551614', 'other', 'fields'],
  ],
  'stream large': [
    'stream',
    ...Array.from({ length: 300 }, (_, i): Command => [
      'XADD',
      'stream large',
      `${1_700_000_000_000 + i * 17}-${i % 3}`,
      'same',
      i,
      'field',
      `value ${i}`,
      ...(i % 5 === 0 ? ['more', i] : []),
    ]),
    ['XDEL', 'stream large', '1700000000017-1', `${1_700_000_000_000 + 50 * 17}-2`],
    ['XGROUP', 'CREATE', 'stream large', 'group', '0'],
    ['XREADGROUP', 'GROUP', 'group', 'consumer', 'COUNT', 10, 'STREAMS', 'stream large', '>'],
    ['XGROUP', 'CREATECONSUMER', 'stream large', 'group', 'idle'],
  ],
}

describe('a value DUMPed by redis-server', () => {
  for (const [key, [encoding, ...commands]] of Object.entries(CASES)) {
    it(`${key}: has the same digest, and can be restored from our payload`, async () => {
      for (const command of commands) await redis.call(...command)
      expect(String(await redis.call('OBJECT', 'ENCODING', key))).toBe(encoding)
      const payload = await dump(key)
      const expires = Number(await redis.call('PTTL', key)) > 0
      const expected = String(((await redis.call('DEBUG', 'DIGEST-VALUE', key)) as unknown[])[0])

      const { rdbType, bytes, start, end } = decodeRestore(payload)
      const value = bytesSource(bytes, start, end)
      expect(digestText(digestValue(rdbType, value, expires))).toBe(expected)

      const ours = encodeDump(rdbType, value)
      if (rdbType !== 0) expect(Buffer.compare(ours, payload)).toBe(0)
      await redis.call('RESTORE', `copy of ${key}`, expires ? 100_000 : 0, Buffer.from(ours), 'REPLACE')
      const restored = String(((await redis.call('DEBUG', 'DIGEST-VALUE', `copy of ${key}`)) as unknown[])[0])
      expect(restored).toBe(expected)
    })
  }

  it('digests of whole datasets agree, with several databases and TTLs', async () => {
    await redis.call('SELECT', '3')
    await redis.call('MSET', 'a', '1', 'b', '2')
    await redis.call('PEXPIRE', 'a', '1000000')
    await redis.call('SELECT', '0')
    const digest = new DatasetDigest()
    for (const db of [0, 3]) {
      await client.select(db)
      for (const key of await client.keys('*')) {
        const { rdbType, bytes, start, end } = decodeRestore(await dump(key))
        const expires = (await client.pttl(key)) > 0
        digest.add(db, digestKey(Buffer.from(key), rdbType, bytesSource(bytes, start, end), expires))
      }
    }
    expect(digestText(digest.value())).toBe(String(await redis.call('DEBUG', 'DIGEST')))
    expect(digestText(new DatasetDigest().value())).toBe('0'.repeat(40))
  })
})
