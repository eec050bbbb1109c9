/**
 * Snapshots of one value that is longer than everything it passes on its way: window, ring, queue. By file and by ring, with 1, 2 and 4
 * threads. It arrives whole, and the process never takes much more memory than the value itself: not its bytes and its form together.
 */
import { createReadStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  hashCommands,
  listCommands,
  type RdbLoadResult,
  setCommands,
  streamCommands,
  stringCommands,
  zsetCommands,
} from '@understudy/core/internal'
import { loadIterable, RdbLoaderPool } from '@understudy/rdb-worker'
import { CommandRunner } from '../support/command-runner.ts'
import { adopt, keyspaceDigest } from '../support/keyspace-digest.ts'
import { buildListpack } from '../support/packed-builder.ts'
import { RdbBuilder } from '../support/rdb-builder.ts'
import { scanBytes } from '../support/scan-rdb.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { rounds, type Soak, type SoakOptions, type SoakResult } from '../support/soak.ts'

export const soak: Soak = {
  about: 'a round loads one value of many MiB, by file or by ring: whole, and with no more memory than it takes itself',
  // Every kind by file and by ring, of the sizes of a slice and then of full ones.
  stated: { count: 24 },
  // Every kind once, every other one by file.
  slice: { count: 6 },
  run,
}

const THREADS = [1, 2, 4]
const COMMANDS = [stringCommands, hashCommands, setCommands, zsetCommands, listCommands, streamCommands]
const HEADER = new RdbBuilder().selectDb(0)
/** No checksum. */
const END = Buffer.concat([Buffer.of(255), Buffer.alloc(8)])
const PIECE_BYTES = 300_000
/** The scanner's window is 2 MiB: shorter values would pass it whole. */
const SHORTEST_BYTES: number = 2_200_000
/** Threads, rings, queues, windows, code; and what the collector has not looked at yet. */
const OVERHEAD_BYTES: number = 120 << 20
/** A block has more room than is asked for, and a table more slots than elements. */
const OVERHEAD_FACTOR = 1.15

interface Kind {
  readonly name: string
  /** The command that counts the elements. */
  readonly length: string
  readonly rdbType: number
  /** Elements, or bytes of a string, in a slice and in full. */
  readonly sizes: readonly [slice: number, full: number]
  /** Writes element `index` of `count`. */
  readonly element: (value: RdbBuilder, index: number, count: number) => void
  /** Elements that one call of `element` stands for. */
  readonly step: number
}

const STRING_STEP = 100_000
const NODE_ITEMS = 200

const KINDS: readonly Kind[] = [
  {
    name: 'string',
    length: 'STRLEN',
    rdbType: 0,
    sizes: [4_000_000, 512_000_000],
    step: STRING_STEP,
    element: (value, index) => value.raw(Buffer.alloc(STRING_STEP, `${index} `)),
  },
  {
    name: 'hash',
    length: 'HLEN',
    rdbType: 4,
    sizes: [120_000, 3_000_000],
    step: 1,
    element: (value, index) => value.string(`field:${index}`).string(`value ${index * 7}`),
  },
  {
    name: 'set',
    length: 'SCARD',
    rdbType: 2,
    sizes: [100_000, 3_000_000],
    step: 1,
    element: (value, index) => value.string(`member of the set:${index}`),
  },
  {
    name: 'sorted set',
    length: 'ZCARD',
    rdbType: 5,
    sizes: [120_000, 2_000_000],
    step: 1,
    element: (value, index, count) => {
      const score = Buffer.alloc(8)
      // From the greatest down, as Redis writes them.
      score.writeDoubleLE((count - index) * 1.5)
      value.string(`member:${index}`).raw(score)
    },
  },
  {
    name: 'list',
    length: 'LLEN',
    rdbType: 18,
    sizes: [200_000, 8_000_000],
    step: NODE_ITEMS,
    element: (value, index) => {
      const items = Array.from({ length: NODE_ITEMS }, (_, i) => `element ${index + i}`)
      value.length(2).string(buildListpack(items))
    },
  },
  {
    name: 'stream',
    length: 'XLEN',
    rdbType: 15,
    sizes: [120_000, 3_000_000],
    step: NODE_ITEMS,
    element: (value, index) => value.string(nodeId(index)).string(streamNode(index)),
  },
]

function nodeId(index: number): Buffer {
  const id = Buffer.alloc(16)
  id.writeBigUInt64BE(BigInt(index + 1), 0)
  return id
}

/** Entries of one field, each a millisecond after the one before. */
function streamNode(index: number): Buffer {
  const items: (string | bigint)[] = [BigInt(NODE_ITEMS), 0n, 1n, 'f', 0n]
  for (let i = 0; i < NODE_ITEMS; i++) items.push(2n, BigInt(i), 0n, `value ${index + i}`, 4n)
  return buildListpack(items)
}

/** The snapshot in pieces. */
function* snapshot({ name, rdbType, step, element }: Kind, size: number): Generator<Buffer> {
  const counted = name === 'list' || name === 'stream' ? size / step : size
  let part = new RdbBuilder('').raw(HEADER.bytes()).entry(rdbType, 'large').length(counted)
  let bytes = 0
  for (let index = 0; index < size; index += step) {
    element(part, index, size)
    bytes += step === 1 ? 40 : step * 20
    if (bytes < PIECE_BYTES) continue
    yield part.bytes()
    part = new RdbBuilder('')
    bytes = 0
  }
  // Length, last ID, no groups.
  if (name === 'stream') part.length(size).length(size).length(0).length(0)
  yield part.raw(END).bytes()
}

async function run(options: SoakOptions): Promise<SoakResult> {
  const random = new SeededRandom(options.seed)
  const directory = await mkdtemp(join(tmpdir(), 'large-values-'))
  let count = 0
  let loadedBytes = 0
  let mostGrownPercent = 0
  try {
    for (const round of rounds(options)) {
      const kind = KINDS[round % KINDS.length]!
      const size = kind.sizes[round < 2 * KINDS.length ? 0 : 1]
      // The other half of the kinds the next time.
      const byFile = (round + Math.floor(round / KINDS.length)) % 2 === 0
      const threads = random.pick(THREADS)
      const where = `seed ${options.seed}, round ${round}: ${kind.name} of ${size}, ${threads} threads, by ${byFile ? 'file' : 'ring'}`
      const pool = new RdbLoaderPool({ threads, parallelBytesMin: 0, awaitInserters: true })
      const hashSeed = random.bytes(16)
      const plain = { databaseCount: 16, hashSeed, verifyChecksum: true }
      const path = join(directory, 'large.rdb')
      // Before: what it takes to make the snapshot is not the loader's.
      await writeFile(path, snapshot(kind, size))
      const pieces = (): AsyncIterable<Buffer> => createReadStream(path, { highWaterMark: PIECE_BYTES })
      const measured = await peakGrowth(() =>
        byFile ? pool.loadFile(path, plain) : loadIterable(pool, pieces(), plain),
      )
      const { generation, summary, keyCount } = measured.result
      await pool.close()
      const keyspace = adopt(generation, hashSeed)
      const { usedBytes } = keyspace
      const most = Math.max(usedBytes, summary.byteCount) * OVERHEAD_FACTOR + OVERHEAD_BYTES
      if (measured.bytes > most) {
        throw new Error(`${where}: ${measured.bytes} bytes more were resident, the value takes ${usedBytes}`)
      }
      if (summary.byteCount < SHORTEST_BYTES) throw new Error(`${where}: ${summary.byteCount} bytes are not long`)
      if (keyCount !== 1) throw new Error(`${where}: ${keyCount} keys`)
      const runner = new CommandRunner(COMMANDS, { keyspace })
      const length = runner.run(kind.length, 'large').toString()
      if (length !== `:${size}\r\n`) throw new Error(`${where}: ${kind.length} says ${length}`)
      // Every element of the shorter ones; of millions it would take minutes.
      if (size === kind.sizes[0]) {
        const expected = scanBytes(Buffer.concat([...snapshot(kind, size)])).sink.digest()
        if (keyspaceDigest(keyspace) !== expected) throw new Error(`${where}: another value was loaded`)
      }
      options.log(`round ${round}: ${kind.name}, ${usedBytes} bytes used, ${measured.bytes} more resident at the most`)
      loadedBytes += summary.byteCount
      mostGrownPercent = Math.max(mostGrownPercent, Math.round((100 * measured.bytes) / usedBytes))
      count++
    }
    return { count, counted: { loadedBytes, mostGrownPercent } }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Runs a load and looks at the memory of the process all the while. */
async function peakGrowth(load: () => Promise<RdbLoadResult>): Promise<{ result: RdbLoadResult; bytes: number }> {
  const before = process.memoryUsage.rss()
  let peak = before
  const look = (): void => {
    peak = Math.max(peak, process.memoryUsage.rss())
  }
  const timer = setInterval(look, 5)
  try {
    const result = await load()
    look()
    return { result, bytes: peak - before }
  } finally {
    clearInterval(timer)
  }
}
