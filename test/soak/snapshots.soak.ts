/**
 * Keyspaces of random values, whose lengths lie around everything that has a bound (integers, compression, packed values, blocks,
 * chunks), are written with random options and chunks, scanned and loaded again. Digests are equal, nothing is longer than a chunk, and
 * what was loaded is written again with the same types.
 */
import { DEFAULT_THRESHOLDS, dataCommandFamilies, LibraryStore } from '@understudy/core/internal'
import { loadIterable, RdbLoaderPool } from '@understudy/rdb-worker'
import { CommandRunner } from '../support/command-runner.ts'
import { adopt, keyspaceDigest } from '../support/keyspace-digest.ts'
import { scanBytes } from '../support/scan-rdb.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { snapshotBytes } from '../support/snapshot-bytes.ts'
import { rounds, type Soak, type SoakOptions, type SoakResult } from '../support/soak.ts'

export const soak: Soak = {
  about: 'a round writes a random keyspace as a snapshot, scans and loads it: the digests are equal',
  stated: { count: 500 },
  slice: { count: 25, seconds: 20 },
  run,
}

const BOUNDS = [0, 1, 11, 20, 64, 250, 4096, 8000, 16_384, 65_536, 131_072] as const
const KEYS_MAX = 40
const EXPIRE_AT_MS = 1_900_000_000_000

async function run(options: SoakOptions): Promise<SoakResult> {
  const pool = new RdbLoaderPool({ threads: 1 })
  let count = 0
  let bytesWritten = 0
  try {
    for (const round of rounds(options)) {
      try {
        bytesWritten += await roundTrip(pool, new SeededRandom(options.seed * 1_000_003 + round))
      } catch (error) {
        throw new Error(`seed ${options.seed}, round ${round}: ${String(error)}`, { cause: error })
      }
      count++
    }
  } finally {
    await pool.close()
  }
  return { count, counted: { bytesWritten } }
}

/** @returns length of the snapshot */
async function roundTrip(pool: RdbLoaderPool, random: SeededRandom): Promise<number> {
  const runner = filled(random)
  const { keyspace } = runner
  const digest = keyspaceDigest(keyspace)
  const chunkBytes = random.pick([128, 129, 1000, 4096, 65_537, 256 << 10])
  const write = {
    chunkBytes,
    compress: random.int(0, 1) === 1,
    checksum: random.int(0, 3) > 0,
    access: 'idle',
  } as const
  const { bytes, chunkLengths } = snapshotBytes(keyspace, write)
  const longest = Math.max(...chunkLengths)
  if (longest > chunkBytes) throw new Error(`a chunk of ${longest} bytes, of ${chunkBytes}`)
  same('keys', scanBytes(bytes).keyCount, keyspace.keyCount)
  same('digest of the bytes', scanBytes(bytes).sink.digest(), digest)
  const loading = {
    databaseCount: keyspace.databaseCount,
    hashSeed: keyspace.hashSeed,
    verifyChecksum: true,
    encodings: runner.settings.encodings,
  }
  const { generation } = await loadIterable(pool, [bytes], loading)
  const again = adopt(generation, keyspace.hashSeed)
  same('digest of what was loaded', keyspaceDigest(again), digest)
  same('types', typesIn(snapshotBytes(again, write).bytes), typesIn(bytes))
  return bytes.length
}

/** The RDB type of every key. */
function typesIn(bytes: Uint8Array): string {
  const types: string[] = []
  for (const [db, entries] of scanBytes(bytes).sink.databases) {
    for (const [key, { rdbType }] of entries) types.push(`${db} ${rdbType} ${key}`)
  }
  return types.toSorted().join('\n')
}

function same(what: string, found: unknown, expected: unknown): void {
  if (found !== expected) throw new Error(`${what}: ${String(found)}, not ${String(expected)}`)
}

function filled(random: SeededRandom): CommandRunner {
  const memory = (): never => {
    throw new Error('nobody asks for memory here')
  }
  const runner = new CommandRunner(dataCommandFamilies({ libraries: new LibraryStore(), memory }))
  const { encodings } = runner.settings
  for (const name of Object.keys(DEFAULT_THRESHOLDS) as (keyof typeof DEFAULT_THRESHOLDS)[]) {
    if (name.includes('Max') && name !== 'listMaxListpackSize' && random.int(0, 2) === 0) {
      encodings[name] = random.pick([1, 3, 100, 5000])
    }
  }
  const keys = random.int(1, KEYS_MAX)
  for (let i = 0; i < keys; i++) {
    runner.db = random.pick([0, 0, 0, 4, 15])
    const key = random.int(0, 9) === 0 ? text(random) : Buffer.from(`key:${i}`)
    put(runner, random, key)
    if (random.int(0, 4) === 0) runner.run('PEXPIREAT', key, EXPIRE_AT_MS + i)
  }
  return runner
}

function put(runner: CommandRunner, random: SeededRandom, key: Uint8Array): void {
  // A few long elements, or many short ones.
  const isLong = random.int(0, 3) === 0
  const times = isLong ? random.int(1, 3) : random.int(1, 400)
  const element = (i: number): Uint8Array => (isLong ? text(random) : shortText(random, i))
  const each = (command: (i: number) => readonly (string | number | Uint8Array)[]): void => {
    for (let i = 0; i < times; i++) runner.run(...command(i))
  }
  switch (random.int(0, 5)) {
    case 0:
      runner.run('SET', key, random.int(0, 1) === 0 ? text(random) : shortText(random, 5))
      return
    case 1:
      return each((i) => ['RPUSH', key, element(i)])
    case 2:
      return each((i) => ['SADD', key, element(i)])
    case 3:
      return each((i) => ['ZADD', key, random.float() * 10 ** random.int(-3, 18), element(i)])
    case 4:
      each((i) => ['HSET', key, element(i), element(i)])
      if (random.int(0, 2) === 0) {
        runner.run('HSET', key, 'with a time', 'v')
        runner.run('HPEXPIREAT', key, EXPIRE_AT_MS, 'FIELDS', 1, 'with a time')
      }
      return
    default:
      each((i) => ['XADD', key, `${i + 1}-${random.int(0, 9)}`, element(i), element(i)])
      runner.run('XGROUP', 'CREATE', key, shortText(random, 1), '0')
  }
}

/** Of a length around a bound; noise, or something that can be compressed. */
function text(random: SeededRandom): Uint8Array {
  const length = Math.max(0, random.pick(BOUNDS) + random.int(-12, 12))
  if (random.int(0, 1) === 0) return random.bytes(length)
  return Buffer.alloc(length, random.text(random.int(1, 30)))
}

/** Small integers, integers around the bounds of encodings, words. */
function shortText(random: SeededRandom, i: number): Uint8Array {
  const kind = random.int(0, 3)
  if (kind === 0) return Buffer.from(String(i))
  if (kind === 1) return Buffer.from(String(random.pick([1, -1]) * (2 ** random.int(5, 52) + random.int(-1, 1))))
  return Buffer.from(random.text(random.int(0, 30)))
}
