/** Loads by several threads give what one thread gives, and fail as one thread fails. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { listpackAppend, listpackCreate, lzfCompress, type RdbError, REGION_COUNT } from '@understudy/core/internal'
import { checkSnapshotFile, inserterShares, RdbLoaderPool, type RdbLoaderPoolOptions } from '@understudy/rdb-worker'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { damageRdb } from '../../support/damage-rdb.ts'
import { adopt, keyspaceDigest } from '../../support/keyspace-digest.ts'
import { RdbBuilder } from '../../support/rdb-builder.ts'
import { corpus, corpusBytes } from '../../support/rdb-corpus.ts'
import { scanBytes } from '../../support/scan-rdb.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

const hashSeed = new SeededRandom(61).bytes(16)
const plain = { databaseCount: 16, hashSeed, verifyChecksum: true }

let directory: string
const pools: RdbLoaderPool[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'rdb-parallel-'))
})
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()))
  rmSync(directory, { recursive: true, force: true })
})

function newPool(options: RdbLoaderPoolOptions): RdbLoaderPool {
  const pool = new RdbLoaderPool({ parallelBytesMin: 0, awaitInserters: true, ...options })
  pools.push(pool)
  return pool
}

function fileWith(bytes: Uint8Array, name = 'dump.rdb'): string {
  const path = join(directory, name)
  writeFileSync(path, bytes)
  return path
}

/** Strings, compressed ones, lists longer than the scanner's window, keys longer than a chunk, in several databases. */
function mixed(keys: number, seed: number): Buffer {
  const random = new SeededRandom(seed)
  const builder = new RdbBuilder().selectDb(0)
  const hint = (count: number): unknown => builder.raw(251).length(count).length(0)
  hint(keys / 3)
  for (let i = 0; i < keys; i++) {
    if (i === Math.floor(keys / 3) || i === Math.floor((2 * keys) / 3)) {
      builder.selectDb(1 + (i % 13))
      hint(i % 2 === 0 ? keys : 2 ** 31)
    }
    if (random.chance(0.1)) builder.expireAtMs(BigInt(2 ** 41 + i))
    if (random.chance(0.1)) builder.raw(248).length(random.int(0, 100_000))
    const key = i % 401 === 7 ? `${i} ${'long key '.repeat(random.int(1, 30_000))}` : `key ${i}`
    switch (i % 100 === 3 ? random.int(0, 4) : 5) {
      case 0:
        builder.text(key, random.bytes(random.int(0, 300_000)))
        break
      case 1: {
        // Decoded it is longer than the window.
        const text = Buffer.from(random.text(20).repeat(random.int(100, 120_000)))
        compressed(builder.raw(0).string(key), text)
        break
      }
      case 2: {
        const count = random.int(1, 3000)
        const items = new RdbBuilder('').length(count)
        for (let item = 0; item < count; item++) items.string(random.text(random.int(0, 1500)))
        builder.entry(1, key, items.bytes())
        break
      }
      case 3:
        builder
          .raw(0)
          .string(key)
          .raw(0xc1, i & 0xff, i >>> 8)
        break
      default:
        builder.text(key, random.text(random.int(0, 60)))
    }
  }
  return builder.end()
}

/** Adds a string that is compressed. */
function compressed(builder: RdbBuilder, text: Uint8Array): void {
  const packed = Buffer.alloc(text.length)
  const length = lzfCompress(text, 0, text.length, packed, 0, packed.length)
  builder.raw(0xc3).length(length).length(text.length).raw(packed.subarray(0, length))
}

/** The listpack of a hash of so many fields, which compresses a little. */
function packedHash(fields: number, random: SeededRandom): Buffer {
  const bytes = Buffer.alloc(256 * fields)
  let length = listpackCreate(bytes, 0)
  for (let i = 0; i < fields; i++) {
    for (const text of [`field:${i}`, random.text(60) + '-'.repeat(60)]) {
      length = listpackAppend(bytes, 0, Buffer.from(text), 0, text.length)
    }
  }
  return bytes.subarray(0, length)
}

/** Threads that wait for each other need many turns of a processor, and get few where it is busy. */
const PATIENT = { timeout: 180_000 }

describe('a load by several threads', PATIENT, () => {
  describe('gives the same dataset', () => {
    const bytes = mixed(6000, 62)
    const { sink, keyCount } = scanBytes(bytes)
    const digest = sink.digest()

    it.each([1, 2, 3, 4, 8])('(%i)', async (threads) => {
      const pool = newPool({ threads })
      const result = await pool.loadFile(fileWith(bytes), plain)
      expect(result.keyCount).toBe(keyCount)
      const keyspace = adopt(result.generation, hashSeed)
      expect(keyspace.keyCount).toBe(keyCount)
      expect(keyspaceDigest(keyspace)).toBe(digest)
    })
  })

  it.each([1, 3])('keeps how keys were used, as the policy wants it (%i)', async (threads) => {
    const builder = new RdbBuilder().selectDb(0)
    // A key has one or the other in a file; the other policy knows nothing of it.
    for (let i = 0; i < 200; i++) builder.raw(249, i).text(`often ${i}`, 'v')
    for (let i = 0; i < 200; i++)
      builder
        .raw(248)
        .length(i * 100)
        .text(`idle ${i}`, 'v')
    const path = fileWith(builder.end())
    const pool = newPool({ threads })
    for (const tracksFrequency of [true, false]) {
      const keyspace = adopt((await pool.loadFile(path, { ...plain, tracksFrequency })).generation, hashSeed)
      keyspace.access.tracksFrequency = tracksFrequency
      const useOf = (name: string): number => {
        expect(keyspace.lookup(0, Buffer.from(name), 0, name.length)).toBe(true)
        return tracksFrequency ? keyspace.access.frequency(keyspace.entry) : keyspace.access.idleSeconds(keyspace.entry)
      }
      for (let i = 10; i < 200; i += 7) {
        const [often, idle] = [useOf(`often ${i}`), useOf(`idle ${i}`)]
        if (tracksFrequency) {
          // The minute may have gone on.
          expect(i - often).toBeLessThanOrEqual(1)
          expect(often).toBeLessThanOrEqual(i)
          expect(idle).toBeLessThanOrEqual(5)
        } else {
          expect(often).toBeLessThan(60)
          expect(idle).toBeGreaterThanOrEqual(i * 100)
          expect(idle).toBeLessThan(i * 100 + 60)
        }
      }
    }
  })

  it('gives the same dataset when threads come up in the middle of it', async () => {
    const bytes = mixed(3000, 63)
    const digest = scanBytes(bytes).sink.digest()
    for (const [delayMs, from] of [
      [0, 0],
      [10, 0],
      [40, 0],
      [10, bytes.length / 2],
    ] as const) {
      const pool = newPool({ threads: 4, awaitInserters: false })
      const load = pool.load({ ...plain, framing: { kind: 'length', byteLength: bytes.length } })
      for (let at = 0; at < bytes.length;) {
        if (at >= from) load.useAllThreads()
        const target = load.writable(1 << 20)
        if (target === undefined) {
          await new Promise<void>((resolve) => {
            load.onSpace = resolve
          })
          continue
        }
        target.set(bytes.subarray(at, at + target.length))
        load.produced(target.length)
        at += target.length
        if (delayMs > 0) await sleep(delayMs)
      }
      expect(keyspaceDigest(adopt((await load.result).generation, hashSeed)), `${delayMs} ms`).toBe(digest)
    }
  })

  it('takes one thread for what comes slowly, until it is told that more comes', async () => {
    // A database count that its inserter dies of.
    const insertModuleUrl = new URL('../../support/crashing-inserter.mjs', import.meta.url).href
    const pool = newPool({ threads: 2, awaitInserters: false, insertModuleUrl })
    const builder = new RdbBuilder().selectDb(0)
    for (let key = 0; key < 50_000; key++) builder.text(`key ${key}`, 'value')
    const bytes = builder.end()
    const load = pool.load({ ...plain, databaseCount: 13, framing: { kind: 'length', byteLength: bytes.length } })
    for (let at = 0; at < bytes.length;) {
      const target = load.writable(1 << 16)!
      target.set(bytes.subarray(at, at + target.length))
      load.produced(target.length)
      at += target.length
      await expect.poll(() => load.progress().loadedBytes, { timeout: 20_000 }).toBeGreaterThan(at - (1 << 10))
    }
    const { generation } = await load.result
    expect(keyspaceDigest(adopt(generation, hashSeed))).toBe(scanBytes(bytes).sink.digest())
  })

  it('takes and refuses what one thread takes and refuses', async () => {
    const random = new SeededRandom(64)
    const files = corpus().filter(({ bytes }) => bytes > 40 && bytes < 40_000)
    const alone = newPool({ threads: 1 })
    const several = newPool({ threads: 3 })
    const verdict = async (pool: RdbLoaderPool, path: string): Promise<string> =>
      pool.loadFile(path, plain).then(
        ({ generation, keyCount, summary }) =>
          `${keyspaceDigest(adopt(generation, hashSeed))} ${keyCount} ${summary.emptyKeysDropped} ${JSON.stringify(summary.keysByType)}`,
        // The same mistake at the same byte, whichever thread has met it.
        (error: RdbError) => `${error.name} ${error.code} ${error.byteOffset} ${error.opcode}`,
      )
    const seen = new Set<boolean>()
    // Many more are loaded by the soak rdb-load-mutations.
    for (let i = 0; i < 60; i++) {
      const { file } = random.pick(files)
      const { bytes, kind } = damageRdb(corpusBytes(file), random)
      const path = fileWith(bytes)
      const expected = await verdict(alone, path)
      const actual = await verdict(several, path)
      seen.add(expected.startsWith('RdbError'))
      // Another thread may notice its duplicate when the scanner has met the next mistake.
      if (expected.startsWith('RdbError RDB_DUPLICATE_KEY'))
        expect(actual, `${file}, ${kind}`).toMatch(/^RdbError RDB_/)
      else expect(actual, `${file}, ${kind}`).toBe(expected)
    }
    expect(seen.size).toBe(2)
  })

  it('checks and unpacks in either thread what the inserters are too slow for', async () => {
    // To find the end of a compressed hash costs nothing beside unpacking it, and all of them are more than a queue holds.
    const keys = 5000
    const damagedKey = keys - 100
    const hash = packedHash(8, new SeededRandom(65))
    const damaged = Buffer.from(hash)
    damaged[4]!++
    for (const isDamaged of [false, true]) {
      const builder = new RdbBuilder().selectDb(0)
      for (let i = 0; i < keys; i++) {
        compressed(builder.raw(16).string(`hash ${i}`), isDamaged && i === damagedKey ? damaged : hash)
      }
      const path = fileWith(builder.end())
      const [alone, several] = await Promise.all(
        [1, 2].map((threads) =>
          newPool({ threads })
            .loadFile(path, plain)
            .then(
              ({ generation }) => keyspaceDigest(adopt(generation, hashSeed)),
              ({ code, byteOffset, key }: RdbError) => ({ code, byteOffset, key }),
            ),
        ),
      )
      expect(several).toEqual(alone)
      if (isDamaged) expect(several).toMatchObject({ code: 'RDB_BAD_VALUE', key: `hash ${damagedKey}` })
      else expect(several).toBeTypeOf('string')
    }
  })

  it.each([1, 3])(
    'drops a list without elements, however long it is, as a short one (threads: %i)',
    async (threads) => {
      const ziplist = Buffer.of(11, 11, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0xff)
      const listpack = Buffer.of(2, 7, 7, 0, 0, 0, 0, 0, 0xff)
      const lists = (nodes: number): Buffer => {
        const builder = new RdbBuilder().selectDb(0)
        for (const [rdbType, node] of [
          [14, ziplist],
          [18, listpack],
        ] as const) {
          const value = new RdbBuilder('').length(nodes).raw(Buffer.alloc(nodes * node.length, node))
          // Of some of them this thread is the owner, of others another one.
          for (let i = 0; i < 4; i++)
            builder.expireAtMs(2_000_000_000_000n).entry(rdbType, `l${rdbType} ${i}`, value.bytes())
        }
        return builder.text('k', 'v').end()
      }
      const pool = newPool({ threads })
      for (const [name, bytes] of [
        ['short', lists(3)],
        ['long', lists(300_000)],
      ] as const) {
        const path = fileWith(bytes, name)
        const { generation, keyCount, summary } = await pool.loadFile(path, plain)
        expect({ keyCount, dropped: summary.emptyKeysDropped, types: summary.keysByType }).toEqual({
          keyCount: 1,
          dropped: 8,
          types: { 0: 1 },
        })
        const keyspace = adopt(generation, hashSeed)
        expect({ keys: keyspace.keyCount, expires: keyspace.expires(0) }).toEqual({ keys: 1, expires: 0 })
        expect(checkSnapshotFile(path).databases).toEqual([{ db: 0, keys: 1, expires: 0, announced: undefined }])
      }
    },
  )

  it('refuses a key that comes twice, whoever meets it', async () => {
    const pool = newPool({ threads: 3 })
    // In short snapshots and in long ones, the first key or the last, the second time in one piece or in several.
    for (let i = 0; i < 18; i++) {
      const builder = new RdbBuilder().selectDb(0)
      const isLong = i >= 12
      const count = isLong ? 50_000 : 3
      for (let key = 0; key < count; key++) builder.text(`twice ${i} ${key}`, 'value')
      const again = i % 3 === 0 ? 0 : count - 1
      builder.text(`twice ${i} ${again}`, i % 2 === 0 ? 'short' : 'long'.repeat(600_000))
      if (isLong) for (let key = 0; key < count; key++) builder.text(`after ${i} ${key}`, 'value')
      const bytes = builder.end()
      await expect(pool.loadFile(fileWith(bytes), plain)).rejects.toMatchObject({
        name: 'RdbError',
        code: 'RDB_DUPLICATE_KEY',
        message: expect.stringContaining(`'twice ${i} ${again}' comes twice in database 0`),
        byteOffset: expect.toSatisfy((offset: number) => offset > 0 && offset <= bytes.length),
      })
    }
  })

  it('survives the death of an inserter, and the pool goes on', async () => {
    const insertModuleUrl = new URL('../../support/crashing-inserter.mjs', import.meta.url).href
    const pool = newPool({ threads: 2, insertModuleUrl })
    // More than fits into a queue, and less: the death is met while rows are handed over, and at the end.
    for (const keys of [50_000, 50]) {
      const builder = new RdbBuilder().selectDb(0)
      for (let key = 0; key < keys; key++) builder.text(`key ${key}`, 'value')
      const bytes = builder.end()
      const path = fileWith(bytes)
      const dead = { name: 'RdbError', code: 'RDB_WORKER_FAILED', message: expect.stringMatching(/thread died/) }
      await expect(pool.loadFile(path, { ...plain, databaseCount: 13 })).rejects.toMatchObject(dead)
      const buggy = { name: 'RdbError', code: 'RDB_WORKER_FAILED', message: expect.stringMatching(/a bug in the ins/) }
      await expect(pool.loadFile(path, { ...plain, databaseCount: 14 })).rejects.toMatchObject(buggy)
      const { generation } = await pool.loadFile(path, plain)
      expect(keyspaceDigest(adopt(generation, hashSeed))).toBe(scanBytes(bytes).sink.digest())
    }
  })

  it('is given up by all of its threads', async () => {
    const pool = newPool({ threads: 4 })
    const bytes = mixed(3000, 65)
    for (let i = 0; i < 4; i++) {
      const load = pool.load({ ...plain, framing: { kind: 'length', byteLength: bytes.length } })
      const target = load.writable(200_000)!
      target.set(bytes.subarray(0, target.length))
      load.produced(target.length)
      if (i > 0) await expect.poll(() => load.progress().loadedKeys, { timeout: 20_000 }).toBeGreaterThan(0)
      load.abort()
      await expect(load.result).rejects.toMatchObject({ name: 'RdbError', code: 'RDB_ABORTED' })
    }
    const { generation } = await pool.loadFile(fileWith(bytes), plain)
    expect(keyspaceDigest(adopt(generation, hashSeed))).toBe(scanBytes(bytes).sink.digest())
    const started = performance.now()
    await pool.close()
    // No thread had to be ended, which is done after 2 s: they had let go.
    expect(performance.now() - started).toBeLessThan(1990)
  })

  it('runs beside another, and queues behind two', async () => {
    // Two at a time get threads: one that waited for inserters could wait for those of a load behind it.
    const pool = newPool({ threads: 3, awaitInserters: false })
    const bytes = mixed(1000, 66)
    const digest = scanBytes(bytes).sink.digest()
    const path = fileWith(bytes)
    const results = await Promise.all([1, 2, 3, 4, 5].map(() => pool.loadFile(path, plain)))
    for (const { generation } of results) expect(keyspaceDigest(adopt(generation, hashSeed))).toBe(digest)
  })
})

describe('the shares of the threads', () => {
  it('are disjoint, and none is empty', () => {
    for (let threads = 1; threads <= REGION_COUNT; threads++) {
      const shares = inserterShares(threads)
      expect(shares).toHaveLength(threads - 1)
      const bits = shares.map((share) => share.toString(2).replaceAll('0', '').length)
      expect(Math.min(8, ...bits)).toBeGreaterThan(0)
      const union = shares.reduce((all, share) => all | share, 0)
      expect(union.toString(2).replaceAll('0', '')).toHaveLength(bits.reduce((sum, count) => sum + count, 0))
      expect(union).toBeLessThan(1 << REGION_COUNT)
    }
  })
})
