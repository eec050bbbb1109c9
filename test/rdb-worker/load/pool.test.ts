/** The loader threads as a user of the package has them: from the built output, through the public class. */
import { execFile } from 'node:child_process'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { RdbLoad, RdbLoadOptions, RdbLoadResult } from '@understudy/core/internal'
import { RdbLoaderPool, type RdbLoaderPoolOptions } from '@understudy/rdb-worker'
import { afterAll, afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { adopt, keyspaceDigest } from '../../support/keyspace-digest.ts'
import { RdbBuilder } from '../../support/rdb-builder.ts'
import { scanBytes } from '../../support/scan-rdb.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

const hashSeed = new SeededRandom(41).bytes(16)
const endMark = Buffer.from('0123456789abcdef0123456789abcdef01234567')

let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'rdb-load-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

function options(framing: RdbLoadOptions['framing'], more: Partial<RdbLoadOptions> = {}): RdbLoadOptions {
  return { framing, databaseCount: 16, hashSeed, verifyChecksum: true, ...more }
}

/** Feeds as a socket would: pieces of random size, waiting for room. @returns how often there was none */
async function feed(load: RdbLoad, bytes: Uint8Array, pieceBytesMax: number = 1 << 16): Promise<number> {
  const random = new SeededRandom(42)
  let waits = 0
  const state = { failed: false }
  load.result.catch(() => {
    state.failed = true
  })
  for (let at = 0; at < bytes.length && !state.failed;) {
    const target = load.writable(random.int(1, pieceBytesMax))
    if (target === undefined) {
      waits++
      const space = new Promise<void>((resolve) => {
        load.onSpace = resolve
      })
      await Promise.race([
        space,
        load.result.then(
          () => {},
          () => {},
        ),
      ])
      if (load.writable(1) === undefined) return waits
      continue
    }
    const count = Math.min(target.length, bytes.length - at)
    target.set(bytes.subarray(at, at + count))
    load.produced(count)
    at += count
    if (random.chance(0.05)) await new Promise(setImmediate)
  }
  return waits
}

const snapshots = new Map<number, Buffer>()

/** Many keys of several types, some longer than the ring. The same for all tests, which do not change it. */
function snapshot(keys: number): Buffer {
  const bytes = snapshots.get(keys) ?? makeSnapshot(keys)
  snapshots.set(keys, bytes)
  return bytes
}

function makeSnapshot(keys: number): Buffer {
  const builder = new RdbBuilder().aux('repl-stream-db', '0').selectDb(0)
  const random = new SeededRandom(43)
  for (let i = 0; i < keys; i++) {
    if (i % 10 === 0) builder.expireAtMs(2_000_000_000_000n)
    if (i % 3 === 0) {
      builder.entry(
        4,
        `hash ${i}`,
        new RdbBuilder('').length(2).string('a').string(`${i}`).string('b').string('x').bytes(),
      )
    } else {
      builder.text(`key ${i}`, random.text(random.int(0, 40)))
    }
  }
  return builder.selectDb(2).text('long', random.text(200_000)).text('z', '1').end()
}

function failure(load: RdbLoad): Promise<unknown> {
  return load.result.then(
    () => expect.unreachable('the load succeeded'),
    (error: unknown) => error,
  )
}

function expectContent(result: RdbLoadResult, bytes: Uint8Array): void {
  const { sink, keyCount } = scanBytes(bytes)
  expect(result.keyCount).toBe(keyCount)
  const keyspace = adopt(result.generation, hashSeed)
  expect(keyspace.keyCount).toBe(keyCount)
  expect(keyspaceDigest(keyspace)).toBe(sink.digest())
}

describe.each([1, 2, 4])('with threads: %i,', (threads) => {
  /** Closed with its test. */
  function newPool(options: RdbLoaderPoolOptions = {}): RdbLoaderPool {
    const made = new RdbLoaderPool({ threads, parallelBytesMin: 0, awaitInserters: true, ...options })
    onTestFinished(() => made.close())
    return made
  }

  // One for all loads that need no other: starting its threads takes longer than they do.
  const pool = new RdbLoaderPool({ threads, parallelBytesMin: 0, awaitInserters: true })
  afterAll(() => pool.close())

  describe('a load of known length', () => {
    it('fills a generation through a ring that is much smaller', async () => {
      const bytes = snapshot(20_000)
      const load = newPool({ ringBytes: 1 << 14 }).load(options({ kind: 'length', byteLength: bytes.length }))
      const waits = await feed(load, bytes)
      const result = await load.result
      expect(waits).toBeGreaterThan(5)
      expect(result.summary).toMatchObject({ version: 10, byteCount: bytes.length, checksumVerified: true })
      expect(result.summary.aux).toEqual([['repl-stream-db', '0']])
      expect(load.progress()).toEqual({ loadedBytes: bytes.length, loadedKeys: result.keyCount })
      expectContent(result, bytes)
    })

    it('does not give out room beyond the length', async () => {
      const bytes = snapshot(10)
      const load = pool.load(options({ kind: 'length', byteLength: bytes.length }))
      await feed(load, bytes)
      expect(load.writable()).toBeUndefined()
      await load.result
    })

    it('takes bytes behind the end of the snapshot as part of the transfer', async () => {
      const bytes = snapshot(10)
      const load = pool.load(options({ kind: 'length', byteLength: bytes.length + 5000 }))
      await feed(load, Buffer.concat([bytes, Buffer.alloc(5000)]))
      expect((await load.result).summary.byteCount).toBe(bytes.length)
    })

    it('that ends early is truncated', async () => {
      const bytes = snapshot(100)
      for (const cut of [0, 5, 1000, bytes.length - 1]) {
        const load = pool.load(options({ kind: 'length', byteLength: bytes.length }))
        await feed(load, bytes.subarray(0, cut))
        load.end()
        expect(await failure(load)).toMatchObject({ name: 'RdbError', code: 'RDB_TRUNCATED', byteOffset: cut })
      }
    })

    it('that is damaged says where', async () => {
      const bytes = snapshot(100)
      const damaged = Buffer.from(bytes)
      damaged[bytes.length - 3]! ^= 1
      const load = pool.load(options({ kind: 'length', byteLength: bytes.length }))
      await feed(load, damaged)
      expect(await failure(load)).toMatchObject({
        code: 'RDB_BAD_CHECKSUM',
        byteOffset: bytes.length - 8,
        retryable: false,
      })
      const twice = new RdbBuilder().selectDb(0).text('k', '1').text('k', '2').end()
      const again = pool.load(options({ kind: 'length', byteLength: twice.length }))
      await feed(again, twice)
      expect(await failure(again)).toMatchObject({ name: 'RdbError', code: 'RDB_DUPLICATE_KEY' })
    })
  })

  describe('a load up to an end mark', () => {
    it('hands back what follows the mark, wherever the pieces were cut', async () => {
      const bytes = snapshot(50)
      const stream = Buffer.from('*1\r\n$4\r\nPING\r\n'.repeat(100))
      const narrow = newPool({ ringBytes: 1 << 12 })
      for (const pieceBytesMax of [1, 7, 39, 500, 4096]) {
        const load = narrow.load(options({ kind: 'mark', endMark }))
        const all = Buffer.concat([bytes, endMark, stream])
        await feed(load, all, pieceBytesMax)
        expectContent(await load.result, bytes)
        const leftover = Buffer.concat(load.leftover())
        // What found no room any more stays with who has it.
        expect(all.subarray(bytes.length + 40, bytes.length + 40 + leftover.length).equals(leftover)).toBe(true)
        if (pieceBytesMax === 4096) expect(leftover.length).toBeGreaterThan(0)
      }
    })

    it('hands back bytes that are still in the ring', async () => {
      const bytes = snapshot(5)
      const load = pool.load(options({ kind: 'mark', endMark }))
      await feed(load, Buffer.concat([bytes, endMark]))
      await load.result
      const target = load.writable()!
      target.set(Buffer.from('late'))
      load.produced(4)
      expect(Buffer.concat(load.leftover()).toString()).toBe('late')
    })

    it('refuses another mark, with its place', async () => {
      const bytes = snapshot(5)
      const wrong = Buffer.from(endMark)
      wrong[39] = 0x21
      const load = pool.load(options({ kind: 'mark', endMark }))
      await feed(load, Buffer.concat([bytes, wrong]))
      expect(await failure(load)).toMatchObject({ code: 'RDB_BAD_END_MARK', byteOffset: bytes.length + 39 })
    })

    it('refuses half a mark', async () => {
      const bytes = snapshot(5)
      const load = pool.load(options({ kind: 'mark', endMark }))
      await feed(load, Buffer.concat([bytes, endMark.subarray(0, 20)]))
      load.end()
      expect(await failure(load)).toMatchObject({ code: 'RDB_TRUNCATED', byteOffset: bytes.length + 20 })
    })
  })

  describe('the file beside a load', () => {
    const path = (): string => join(directory, 'temp-1.rdb')

    it('is the snapshot, without mark and stream, for whoever asked to name it', async () => {
      const bytes = snapshot(20_000)
      const load = pool.load(options({ kind: 'mark', endMark }, { file: path() }))
      await feed(load, Buffer.concat([bytes, endMark, Buffer.from('stream')]))
      await load.result
      expect(readFileSync(path()).equals(bytes)).toBe(true)
      expect(readdirSync(directory)).toEqual(['temp-1.rdb'])
    })

    it('is removed when the load fails or is given up', async () => {
      const bytes = snapshot(1000)
      const damaged = Buffer.from(bytes)
      damaged[bytes.length - 1]! ^= 1
      const load = pool.load(options({ kind: 'length', byteLength: bytes.length }, { file: path() }))
      await feed(load, damaged)
      expect(await failure(load)).toMatchObject({ code: 'RDB_BAD_CHECKSUM' })
      const second = pool.load(options({ kind: 'length', byteLength: bytes.length }, { file: path() }))
      await feed(second, bytes.subarray(0, 9000))
      await expect.poll(() => existsSync(path()), { timeout: 20_000 }).toBe(true)
      second.abort()
      expect(await failure(second)).toMatchObject({ code: 'RDB_ABORTED' })
      expect(readdirSync(directory)).toEqual([])
    })

    it('that cannot be written costs the file, not the load', async () => {
      const bytes = snapshot(1000)
      const missing = join(directory, 'no', 'temp.rdb')
      const load = pool.load(options({ kind: 'length', byteLength: bytes.length }, { file: missing }))
      await feed(load, bytes)
      const first = await load.result
      expect(first.fileFault).toMatch(/cannot create .*temp\.rdb: no such file or directory \(ENOENT\)/)
      expect(keyspaceDigest(adopt(first.generation, hashSeed))).toBe(scanBytes(bytes).sink.digest())
      if (!existsSync('/dev/full')) return
      symlinkSync('/dev/full', path())
      const second = pool.load(options({ kind: 'length', byteLength: bytes.length }, { file: path() }))
      await feed(second, bytes)
      const result = await second.result
      expect(result.fileFault).toMatch(/cannot write .*no space left on the device \(ENOSPC\)/)
      expect(keyspaceDigest(adopt(result.generation, hashSeed))).toBe(scanBytes(bytes).sink.digest())
      expect(readdirSync(directory)).toEqual([])
      expect(statSync('/dev/full').isCharacterDevice()).toBe(true)
    })
  })

  describe('a load from a file', () => {
    it('says what is wrong with the file', async () => {
      const plain = { databaseCount: 16, hashSeed, verifyChecksum: true }
      await expect(pool.loadFile(join(directory, 'none'), plain)).rejects.toMatchObject({
        code: 'FILE_FAILED',
        message: expect.stringMatching(/cannot read .*none: no such file/),
      })
      await expect(pool.loadFile(directory, plain)).rejects.toMatchObject({ code: 'FILE_FAILED' })
      const loop = join(directory, 'loop')
      symlinkSync(loop, loop)
      await expect(pool.loadFile(loop, plain)).rejects.toMatchObject({ code: 'FILE_FAILED' })
      const path = join(directory, 'cut.rdb')
      writeFileSync(path, snapshot(100).subarray(0, 700))
      await expect(pool.loadFile(path, plain)).rejects.toMatchObject({ code: 'RDB_TRUNCATED', byteOffset: 700 })
      writeFileSync(path, new RdbBuilder().selectDb(3).end())
      await expect(pool.loadFile(path, { ...plain, databaseCount: 2 })).rejects.toMatchObject({
        code: 'KEYSPACE_BAD_DATABASE',
      })
    })

    it('reports progress', async () => {
      const path = join(directory, 'slow.rdb')
      const bytes = snapshot(3000)
      writeFileSync(path, bytes)
      const seen: number[][] = []
      const slow = { databaseCount: 16, hashSeed, verifyChecksum: true, keyLoadDelayMicros: 300 }
      await pool.loadFile(path, slow, (...numbers) => seen.push(numbers))
      expect(seen.length).toBeGreaterThan(2)
      expect(seen.every(([, total]) => total === bytes.length)).toBe(true)
      const keys = seen.map(([, , loaded]) => loaded!)
      expect(keys).toEqual([...keys].sort((a, b) => a - b))
      expect(keys.at(-1)).toBeGreaterThan(0)
    })
  })

  describe('a load that does not go well', () => {
    it('is given up soon, also when keys are loaded slowly', async () => {
      const bytes = snapshot(10_000)
      const load = pool.load(options({ kind: 'length', byteLength: bytes.length }, { keyLoadDelayMicros: 10_000 }))
      await feed(load, bytes)
      await expect.poll(() => load.progress().loadedKeys, { timeout: 20_000 }).toBeGreaterThan(0)
      const started = performance.now()
      load.abort()
      expect(await failure(load)).toMatchObject({ code: 'RDB_ABORTED' })
      expect(performance.now() - started).toBeLessThan(1000)
      load.abort()
      load.end()
    })

    it('is given up while it waits for bytes', async () => {
      const load = pool.load(options({ kind: 'mark', endMark }))
      await feed(load, snapshot(100).subarray(0, 1000))
      await expect.poll(() => load.progress().loadedBytes, { timeout: 20_000 }).toBeGreaterThan(0)
      load.abort()
      expect(await failure(load)).toMatchObject({ name: 'RdbError', code: 'RDB_ABORTED' })
    })

    it('survives the death of its thread, and the pool goes on', async () => {
      const mortal = newPool({ sinkModuleUrl: new URL('../../support/crashing-sink.mjs', import.meta.url).href })
      const bytes = snapshot(100)
      const framing = { kind: 'length', byteLength: bytes.length } as const
      const file = join(directory, 'temp.rdb')
      const crashing = mortal.load(options(framing, { databaseCount: 13, file }))
      await feed(crashing, bytes)
      expect(await failure(crashing)).toMatchObject({ name: 'RdbError', code: 'RDB_WORKER_FAILED' })
      expect(readdirSync(directory)).toEqual([])
      const buggy = mortal.load(options(framing, { databaseCount: 14 }))
      await feed(buggy, bytes)
      expect(await failure(buggy)).toMatchObject({
        code: 'RDB_WORKER_FAILED',
        message: expect.stringContaining('a bug in the sink'),
      })
      const good = mortal.load(options(framing))
      await feed(good, bytes)
      expectContent(await good.result, bytes)
    })

    it('ends when the pool is closed', async () => {
      const closed = newPool()
      const load = closed.load(options({ kind: 'mark', endMark }))
      await feed(load, snapshot(100).subarray(0, 1000))
      await expect.poll(() => load.progress().loadedBytes, { timeout: 20_000 }).toBeGreaterThan(0)
      const failed = failure(load)
      await closed.close()
      expect((await failed) as { code: string }).toMatchObject({
        code: expect.stringMatching(/^RDB_(ABORTED|WORKER_FAILED)$/),
      })
      await expect(closed.load(options({ kind: 'mark', endMark })).result).rejects.toMatchObject({
        code: 'RDB_WORKER_FAILED',
      })
    })
  })
})

it.each(['unprepared', 'prepared'])('a load says so when no thread can start (%s)', async (word) => {
  const script = fileURLToPath(new URL('../../support/barren-pool.mjs', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [script, word])
  expect(stdout).toBe('RDB_WORKER_FAILED, 0 keys')
})
