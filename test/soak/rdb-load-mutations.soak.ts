/**
 * Damaged snapshots through loader threads, by the file and by the socket's ring, with 1, 2 and 4 threads; every type and encoding of
 * the corpus. Each is taken or refused with an RdbError that says where; the data that were there before keep their digest; memory
 * stays bounded; and a thread that dies in the middle of a load costs that load and nothing else.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { RdbError, type RdbLoadResult } from '@understudy/core/internal'
import { loadIterable, RdbLoaderPool } from '@understudy/rdb-worker'
import { damageRdb } from '../support/damage-rdb.ts'
import { adopt, keyspaceDigest } from '../support/keyspace-digest.ts'
import { RdbBuilder } from '../support/rdb-builder.ts'
import { corpus, corpusBytes } from '../support/rdb-corpus.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { cutRandomly } from '../support/short-reads.ts'
import { rounds, type Soak, type SoakOptions, type SoakResult } from '../support/soak.ts'
import { damage } from './rdb-mutations.soak.ts'

export const soak: Soak = {
  about:
    'a round damages a snapshot and loads it with threads: taken, or refused at a byte; or a thread dies and the pool goes on',
  stated: { count: 20_000 },
  // Each pool once.
  slice: { count: 90, seconds: 25 },
  run,
}

const FILE_BYTES_MAX = 40_000
/** A load of this size takes milliseconds; a thread may have to start, on a busy machine. */
const ROUND_MS_MAX = 30_000
const DEATH_EVERY = 45
const POOL_EVERY = 30
const CHECK_EVERY = 100
const RESIDENT_GROWTH_BYTES_MAX: number = 1 << 30

async function run(options: SoakOptions): Promise<SoakResult> {
  const random = new SeededRandom(options.seed)
  const directory = await mkdtemp(join(tmpdir(), 'rdb-load-mutations-'))
  const hashSeed = random.bytes(16)
  const plain = { databaseCount: 16, hashSeed, verifyChecksum: true }
  const insertModuleUrl = new URL('../support/dying-inserter.mjs', import.meta.url).href
  const pools = [1, 2, 4].map((threads) => {
    // Waiting for the threads is for some of the rounds; in the others they come up in the middle.
    return new RdbLoaderPool({ threads, parallelBytesMin: 0, awaitInserters: threads === 2, insertModuleUrl })
  })
  const sources = corpus()
    .map(({ file }) => ({ file, bytes: corpusBytes(file) }))
    .filter(({ bytes }) => bytes.length > 40 && bytes.length <= FILE_BYTES_MAX)
  const counted = { taken: 0, refused: 0, deaths: 0 }
  try {
    const old = adopt((await loadIterable(pools[0]!, [manyKeys(3000)], plain)).generation, hashSeed)
    const digest = keyspaceDigest(old)
    const residentBefore = process.memoryUsage.rss()
    let count = 0
    for (const round of rounds(options)) {
      const { file, bytes } = random.pick(sources)
      // In turn, for some rounds each: threads that are idle for a second end, and starting them would take most of the time.
      const pool = pools[Math.floor(round / POOL_EVERY) % pools.length]!
      const damaged = random.chance(0.5) ? damageRdb(bytes, random).bytes : damage(bytes, random)
      const byFile = random.chance(0.5)
      const where = `seed ${options.seed}, round ${round}, ${file}, by ${byFile ? 'file' : 'ring'}`
      const started = performance.now()
      let loading: Promise<RdbLoadResult>
      if (byFile) {
        const path = join(directory, 'damaged.rdb')
        await writeFile(path, damaged)
        loading = pool.loadFile(path, plain)
      } else {
        loading = loadIterable(pool, cutRandomly(damaged, random), plain)
      }
      counted[await verdict(loading, damaged.length, where)]++
      if (round % DEATH_EVERY === DEATH_EVERY - 1) {
        await survivesDeath(pools[random.int(1, 2)]!, random, where)
        counted.deaths++
      }
      const elapsedMs = performance.now() - started
      if (elapsedMs > ROUND_MS_MAX) throw new Error(`${where}: took ${elapsedMs.toFixed(0)} ms`)
      if (round % CHECK_EVERY === 0) {
        if (keyspaceDigest(old) !== digest) throw new Error(`${where}: the data from before have changed`)
        collectGarbage()
        const grown = process.memoryUsage.rss() - residentBefore
        if (grown > RESIDENT_GROWTH_BYTES_MAX) throw new Error(`${where}: ${grown} bytes more are resident`)
      }
      count++
    }
    if (keyspaceDigest(old) !== digest) throw new Error('the data from before have changed')
    return { count, counted }
  } finally {
    await Promise.all(pools.map((pool) => pool.close()))
    await rm(directory, { recursive: true, force: true })
  }
}

/** What was loaded and dropped is garbage of this thread; only what stays after a collection has leaked. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  collect()
}

async function verdict(loading: Promise<RdbLoadResult>, length: number, where: string): Promise<'taken' | 'refused'> {
  try {
    const { generation, keyCount } = await loading
    const keyspace = adopt(generation, new Uint8Array(16))
    // Whatever the values hold now, looking at all of them harms nothing.
    keyspaceDigest(keyspace)
    if (keyspace.keyCount !== keyCount) throw new Error(`${where}: ${keyspace.keyCount} keys, told ${keyCount}`)
    return 'taken'
  } catch (error) {
    if (!(error instanceof RdbError)) throw new Error(`${where}: not an RdbError`, { cause: error })
    const { byteOffset, code, message } = error
    const isPlace = byteOffset >= 0 && byteOffset <= length
    if (code === 'RDB_WORKER_FAILED' || !isPlace || !message.includes(`(at byte ${byteOffset}`)) {
      throw new Error(`${where}: ${code} at ${byteOffset}: ${message}`, { cause: error })
    }
    return 'refused'
  }
}

/** 13 databases make the inserter die after some keys (dying-inserter.mjs); the next load of the same bytes is whole. */
async function survivesDeath(pool: RdbLoaderPool, random: SeededRandom, where: string): Promise<void> {
  const bytes = manyKeys(20_000)
  const hashSeed = random.bytes(16)
  const dying = loadIterable(pool, cutRandomly(bytes, random, 200_000), {
    databaseCount: 13,
    hashSeed,
    verifyChecksum: true,
  })
  const failure = await dying.then(
    ({ keyCount }) => `${keyCount} keys`,
    (error: { code?: string; message: string }) => error.code ?? error.message,
  )
  // A thread that came up late got too few keys to die of.
  if (failure !== 'RDB_WORKER_FAILED' && failure !== '20000 keys')
    throw new Error(`${where}: after a death: ${failure}`)
  const { keyCount } = await loadIterable(pool, [bytes], { databaseCount: 16, hashSeed, verifyChecksum: true })
  if (keyCount !== 20_000) throw new Error(`${where}: ${keyCount} keys after a death`)
}

function manyKeys(count: number): Buffer {
  const builder = new RdbBuilder().selectDb(0)
  for (let key = 0; key < count; key++) builder.text(`key ${key}`, `value ${key}`)
  return builder.end()
}
