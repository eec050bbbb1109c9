import {
  dataCommandFamilies,
  Keyspace,
  LibraryStore,
  type MemoryFacts,
  RDB_TYPE_HASH,
  RDB_TYPE_HASH_LISTPACK,
  RDB_TYPE_STREAM_LISTPACKS_2,
  RDB_TYPE_STREAM_LISTPACKS_3,
  RDB_TYPE_ZSET_2,
  RDB_TYPE_ZSET_LISTPACK,
  PinnedKeyspace,
  RdbVersionError,
  Readers,
  SharedKeyspace,
} from '@understudy/core/internal'
import { loadIterable, RdbLoaderPool } from '@understudy/rdb-worker'
import { afterAll, describe, expect, it } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'
import { adopt, keyspaceDigest } from '../../support/keyspace-digest.ts'
import { corpus, corpusBytes } from '../../support/rdb-corpus.ts'
import { scanBytes } from '../../support/scan-rdb.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { FACTS, snapshotBytes } from '../../support/snapshot-bytes.ts'

function newRunner(): CommandRunner {
  const memory = (): MemoryFacts => {
    throw new Error('nobody asks for memory here')
  }
  return new CommandRunner(dataCommandFamilies({ libraries: new LibraryStore(), memory }))
}

/** Every type in every form, short and long, in two databases. */
function fill(runner: CommandRunner): void {
  const random = new SeededRandom(11)
  const times = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i))
  runner.run('SET', 'int', 12_345)
  runner.run('SET', 'negative', -2_147_483_648)
  runner.run('SET', 'no int', '0012')
  runner.run('SET', '', 'an empty name')
  runner.run('SET', 'empty', '')
  runner.run('SET', '77', 'a name that is an integer', 'PXAT', 1_900_000_000_123)
  runner.run('SET', 'a name that can be compressed'.repeat(4), 'x'.repeat(100))
  runner.run('SET', 'n'.repeat(40_000), 'a name in nodes')
  runner.run('SET', random.bytes(30_000), random.bytes(100_000))
  runner.run('SET', 'long and dull', random.text(97).repeat(5000))
  runner.run('SETRANGE', 'holes', 300_000, 'end')
  runner.run('RPUSH', 'list', ...times(20, (i) => i))
  runner.run('RPUSH', 'list of nodes', ...times(3000, () => random.text(30)))
  runner.run('RPUSH', 'list of long', 'a', 'b'.repeat(20_000), random.bytes(70_000), 'c')
  runner.run('SADD', 'intset', 1, -5, 70_000, 2 ** 40)
  runner.run('SADD', 'small set', 'a', 'b', 3)
  runner.run('SADD', 'set', ...times(3000, () => random.text(20)), 'm'.repeat(50_000))
  runner.run('HSET', 'small hash', 'f', 'v', 'n', 12, 'compressible', 'y'.repeat(60))
  runner.run(
    'HSET',
    'hash',
    ...times(3000, (i) => [`f${i}`, random.text(9)]).flat(),
    'g'.repeat(20_000),
    'w'.repeat(60_000),
  )
  runner.run('HSET', 'hash for large', ...times(200, (i) => [`f${i}`, i]).flat())
  runner.run('ZADD', 'small zset', 1, 'a', 2.5, 'b', '-inf', 'c', 'inf', 'd')
  runner.run('ZADD', 'zset for large', ...times(200, (i) => [i / 3, `m${i}`]).flat())
  runner.run('ZADD', 'zset', ...times(3000, (i) => [i / 7, random.text(12)]).flat(), 0, 'z'.repeat(30_000))
  for (let i = 0; i < 400; i++) runner.run('XADD', 'stream', `${1000 + i}-${i % 3}`, 'field', random.text(20), 'n', i)
  runner.run('XADD', 'stream', '*', 'long', 'l'.repeat(90_000))
  runner.run('XDEL', 'stream', '1003-0')
  runner.run('XGROUP', 'CREATE', 'stream', 'group', '0')
  runner.run('XREADGROUP', 'GROUP', 'group', 'c\u0000', 'COUNT', 9, 'STREAMS', 'stream', '>')
  runner.run('XACK', 'stream', 'group', '1000-0')
  runner.run('XGROUP', 'CREATECONSUMER', 'stream', 'group', 'idle')
  runner.run('XADD', 'only deleted', '1-1', 'a', 'b')
  runner.run('XDEL', 'only deleted', '1-1')
  runner.run('PFADD', 'hll', ...times(500, (i) => i))
  runner.db = 9
  runner.run('SET', 'other', 'database', 'PXAT', 1_600_000_000_000)
  runner.db = 0
}

const full = newRunner()
fill(full)
const digest = keyspaceDigest(full.keyspace)

const pool = new RdbLoaderPool({ threads: 1 })
afterAll(() => pool.close())
const loadOptions = { databaseCount: 16, hashSeed: full.keyspace.hashSeed, verifyChecksum: true }

describe('a snapshot that was written', () => {
  it.each([
    [128, true],
    [1000, false],
    [4096, true],
    [65_536, false],
    [undefined, true],
    [undefined, false],
  ])('in chunks of %s bytes, compressed: %s, has every key and value', async (chunkBytes, compress) => {
    const written = snapshotBytes(full.keyspace, { compress, ...(chunkBytes === undefined ? {} : { chunkBytes }) })
    for (const length of written.chunkLengths) expect(length).toBeLessThanOrEqual(chunkBytes ?? 256 << 10)
    const { sink, keyCount, summary } = scanBytes(written.bytes)
    expect(sink.digest()).toBe(digest)
    expect([keyCount, written.keys]).toEqual([full.keyspace.keyCount, full.keyspace.keyCount])
    expect(summary).toMatchObject({ version: 12, checksumVerified: true, emptyKeysDropped: 0 })
    expect(summary.announcedKeys).toEqual([
      [0, full.keyspace.size(0)],
      [9, 1],
    ])
    const { generation } = await loadIterable(pool, [written.bytes], loadOptions)
    const again = adopt(generation, full.keyspace.hashSeed)
    expect(keyspaceDigest(again)).toBe(digest)
    // What was loaded is written as the same bytes, whatever the order of the tables: so forms and encodings came back, too.
    const second = snapshotBytes(again, { compress, ...(chunkBytes === undefined ? {} : { chunkBytes }) })
    expect(second.bytes.length).toBe(written.bytes.length)
  })

  it('has the content of what was loaded, for every file of the corpus', async () => {
    let compared = 0
    for (const { file } of corpus()) {
      const loaded = await loadIterable(pool, [corpusBytes(file)], loadOptions).catch(() => undefined)
      if (loaded === undefined) continue
      const keyspace = adopt(loaded.generation, full.keyspace.hashSeed)
      const { bytes } = snapshotBytes(keyspace)
      expect(scanBytes(bytes).sink.digest(), file).toBe(keyspaceDigest(keyspace))
      compared++
    }
    expect(compared).toBeGreaterThan(50)
  })

  it('is shorter when strings may be compressed, long ones in pieces among them', () => {
    const runner = newRunner()
    runner.run('SET', 'dull', 'a dull text '.repeat(200_000))
    const plain = snapshotBytes(runner.keyspace, { compress: false }).bytes
    expect(plain.length).toBeGreaterThan(2_400_000)
    const packed = snapshotBytes(runner.keyspace).bytes
    expect(packed.length).toBeLessThan(plain.length / 20)
    const small = snapshotBytes(runner.keyspace, { chunkBytes: 4096 }).bytes
    expect(small.length).toBeLessThan(plain.length / 20)
    expect(scanBytes(small).sink.digest()).toBe(keyspaceDigest(runner.keyspace))
  })

  it('leaves long strings plain that cannot be compressed', () => {
    const runner = newRunner()
    const noise = new SeededRandom(5).bytes(1_000_000)
    runner.run('SET', 'noise', noise)
    expect(snapshotBytes(runner.keyspace).bytes.includes(noise)).toBe(true)
  })

  it('says who wrote it, and where in the stream the data are', () => {
    const code = Buffer.from("#!lua name=lib\nredis.register_function('f', function() return 1 end)")
    const { bytes } = snapshotBytes(new Keyspace({ databaseCount: 1 }), {
      rdbVersion: 10,
      facts: { ...FACTS, streamDb: 3, position: { replid: 'ab'.repeat(20), offset: 2 ** 40 } },
      libraries: [code],
    })
    expect(bytes.subarray(0, 9).toString()).toBe('REDIS0010')
    const { summary } = scanBytes(bytes)
    expect(summary.aux).toEqual([
      ['redis-ver', '7.0.15'],
      ['redis-bits', '64'],
      ['ctime', '1700000000'],
      ['used-mem', '4711'],
      ['repl-stream-db', '3'],
      ['repl-id', 'ab'.repeat(20)],
      ['repl-offset', String(2 ** 40)],
      ['aof-base', '0'],
    ])
    expect(summary.functions.map((library) => Buffer.from(library))).toEqual([code])
  })

  it('has no position when the data belong to no history', () => {
    const { summary } = scanBytes(snapshotBytes(new Keyspace({ databaseCount: 1 })).bytes)
    expect(summary.aux.map(([name]) => name)).toEqual(['redis-ver', 'redis-bits', 'ctime', 'used-mem', 'aof-base'])
  })

  it('ends with eight zeros when no checksum is wanted', () => {
    const { bytes } = snapshotBytes(full.keyspace, { checksum: false })
    expect(bytes.subarray(-9)).toEqual(Buffer.from([255, 0, 0, 0, 0, 0, 0, 0, 0]))
    expect(scanBytes(bytes).summary.checksumVerified).toBe(false)
  })

  it('tells how keys were used when the policy asks for it', () => {
    const runner = newRunner()
    runner.run('SET', 'k', 'v')
    const keyspace = runner.keyspace
    expect(keyspace.lookup(0, Buffer.from('k'), 0, 1)).toBe(true)
    keyspace.setAccess(120, -1)
    const entry = (access: 'none' | 'idle' | 'frequency'): object =>
      scanBytes(snapshotBytes(keyspace, { access }).bytes).sink.databases.get(0)!.get('k')!
    expect(entry('none')).toMatchObject({ idleSeconds: -1, freq: -1 })
    expect(entry('idle')).toMatchObject({ idleSeconds: 120, freq: -1 })
    keyspace.access.tracksFrequency = true
    keyspace.lookup(0, Buffer.from('k'), 0, 1)
    keyspace.setAccess(-1, 42)
    expect(entry('frequency')).toMatchObject({ idleSeconds: -1, freq: 42 })
    // A pin tells of the moment at which it began, by the rules of then.
    keyspace.access.decayMinutes = 3
    keyspace.access.minute += 7
    const handle = keyspace.pin({ bytesMax: Infinity, durationMsMax: Infinity }, 0)
    keyspace.access.minute += 100
    const pinned = new PinnedKeyspace(handle)
    pinned.lookup(0, Buffer.from('k'), 0, 1)
    expect(pinned.access.frequency(pinned.entry)).toBe(40)
    pinned.close()
  })
})

describe('written by a thread that only reads', () => {
  it('is the same, key for key', () => {
    const shared = new SharedKeyspace(new Readers(full.keyspace).attach())
    let bytes: Buffer = Buffer.alloc(0)
    const undo = (): void => {
      bytes = Buffer.alloc(0)
    }
    shared.attempt({ run: () => (bytes = snapshotBytes(shared, { rdbVersion: 10 }).bytes), undo }, 0)
    expect(bytes).toEqual(snapshotBytes(full.keyspace, { rdbVersion: 10 }).bytes)
    shared.close()
  })
})

describe('a large value that Redis would hold packed', () => {
  it('is written packed, and in its plain form when the listpack would be too long', () => {
    const runner = newRunner()
    Object.assign(runner.settings.encodings, { hashMaxListpackEntries: 9000, hashMaxListpackValue: 9000 })
    Object.assign(runner.settings.encodings, { zsetMaxListpackEntries: 9000, zsetMaxListpackValue: 9000 })
    for (const [name, members, bytes] of [
      ['packed', 500, 30],
      ['too long', 500, 3000],
    ] as const) {
      for (let i = 0; i < members; i++) {
        runner.run('HSET', `${name} hash`, `f${i}`, 'v'.repeat(bytes))
        runner.run('ZADD', `${name} zset`, i, `${i}`.padEnd(bytes, 'm'))
      }
      expect(runner.text('OBJECT', 'ENCODING', `${name} hash`)).toBe('$8\r\nlistpack\r\n')
      expect(runner.text('OBJECT', 'ENCODING', `${name} zset`)).toBe('$8\r\nlistpack\r\n')
    }
    const { sink } = scanBytes(snapshotBytes(runner.keyspace, { rdbVersion: 10 }).bytes)
    const types = [...sink.databases.get(0)!].map(([key, { rdbType }]) => [key, rdbType])
    expect(Object.fromEntries(types)).toEqual({
      'packed hash': RDB_TYPE_HASH_LISTPACK,
      'packed zset': RDB_TYPE_ZSET_LISTPACK,
      'too long hash': RDB_TYPE_HASH,
      'too long zset': RDB_TYPE_ZSET_2,
    })
    expect(sink.digest()).toBe(keyspaceDigest(runner.keyspace))
  })
})

describe('the version of the target', () => {
  it('is refused by the first key that it does not know, by name', () => {
    const runner = newRunner()
    runner.run('HSET', 'has\u0001ttl', 'f', 'v')
    runner.run('HPEXPIREAT', 'has\u0001ttl', 1_900_000_000_000, 'FIELDS', 1, 'f')
    const write = (rdbVersion: number) => () => snapshotBytes(runner.keyspace, { rdbVersion })
    for (const version of [10, 11]) {
      expect(write(version)).toThrow(RdbVersionError)
      expect(write(version)).toThrow(`key 'has\\x01ttl' needs RDB version 12, and the target reads ${version}`)
    }
    expect(scanBytes(write(12)().bytes).sink.digest()).toBe(keyspaceDigest(runner.keyspace))
  })

  it('decides whether streams tell when consumers were active', async () => {
    const bytes = corpusBytes('hdt/stream_listoacks_3.rdb')
    const { generation } = await loadIterable(pool, [bytes], loadOptions)
    const keyspace = adopt(generation, full.keyspace.hashSeed)
    const types = (rdbVersion: number): number[] =>
      [...scanBytes(snapshotBytes(keyspace, { rdbVersion }).bytes).sink.databases.values()]
        .flatMap((keys) => [...keys.values()])
        .map(({ rdbType }) => rdbType)
    expect(types(10)).toContain(RDB_TYPE_STREAM_LISTPACKS_2)
    expect(types(10)).not.toContain(RDB_TYPE_STREAM_LISTPACKS_3)
    expect(types(11)).toContain(RDB_TYPE_STREAM_LISTPACKS_3)
  })
})
