/**
 * Damages snapshots and loads them into a generation of the keyspace: bits flipped, bytes lost or doubled, lengths inflated,
 * ends cut off. Each is taken or refused with an RdbError that says where; what is taken can be read; nothing crashes, hangs or
 * claims memory that no byte stands for.
 */
import {
  bytesSource,
  BulkWriter,
  countElements,
  digestValue,
  Generation,
  RdbError,
  RDB_TYPE_STRING,
} from '@understudy/core/internal'
import { RdbScanner, ScanWindow } from '@understudy/rdb-worker'
import { corpus, corpusBytes } from '../support/rdb-corpus.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { cutRandomly } from '../support/short-reads.ts'
import { rounds, type Soak, type SoakOptions, type SoakResult } from '../support/soak.ts'

export const soak: Soak = {
  about: 'a round damages a snapshot at random, loads it from random pieces and reads what was loaded',
  stated: { count: 100_000 },
  slice: { count: 300 },
  run,
}

/** One round must end within this; the longest take some hundred milliseconds. */
const ROUND_MS_MAX = 10_000
const MUTATED_BYTES_MAX = 40_000

async function run(options: SoakOptions): Promise<SoakResult> {
  const random = new SeededRandom(options.seed)
  const files = corpus()
    .map(({ file }) => ({ file, bytes: corpusBytes(file) }))
    .filter(({ bytes }) => bytes.length <= MUTATED_BYTES_MAX)
  let count = 0
  let taken = 0
  for (const round of rounds(options)) {
    const { file, bytes } = random.pick(files)
    const damaged = damage(bytes, random)
    const where = `seed ${options.seed}, round ${round}, ${file}`
    const started = performance.now()
    if (load(damaged, random, where)) taken++
    const elapsedMs = performance.now() - started
    if (elapsedMs > ROUND_MS_MAX) throw new Error(`${where}: took ${elapsedMs.toFixed(0)} ms`)
    count++
  }
  return { count, counted: { taken } }
}

/** A copy with one to four mistakes in it. */
export function damage(bytes: Uint8Array, random: SeededRandom): Buffer {
  let damaged = Buffer.from(bytes)
  for (let left = random.int(1, 4); left > 0 && damaged.length > 9; left--) {
    // The magic is left alone most of the time: behind a wrong one nothing is looked at.
    const at = random.int(random.chance(0.97) ? 9 : 0, damaged.length - 1)
    switch (random.int(0, 7)) {
      case 0:
      case 1:
        damaged[at]! ^= 1 << random.int(0, 7)
        break
      case 2:
        damaged[at] = random.int(0, 255)
        break
      case 3:
        damaged = damaged.subarray(0, at)
        break
      case 4: {
        // A length that nothing backs, in the place of whatever is there.
        const length = Buffer.from(
          random.pick([
            '80ffffffff',
            '8020000000',
            '810fffffffffffffff',
            '81ffffffffffffffff',
            '7fff',
            'bf',
            'c3',
            'c307',
          ]),
          'hex',
        )
        length.copy(damaged, at)
        break
      }
      case 5:
        damaged = Buffer.concat([damaged.subarray(0, at), damaged.subarray(at + random.int(1, 5))])
        break
      case 6:
        damaged = Buffer.concat([damaged.subarray(0, at), random.bytes(random.int(1, 5)), damaged.subarray(at)])
        break
      default: {
        const from = random.int(0, damaged.length - 1)
        damaged.copyWithin(at, from, from + random.int(1, 40))
      }
    }
  }
  return damaged
}

function load(bytes: Uint8Array, random: SeededRandom, where: string): boolean {
  const generation = Generation.create({ databaseCount: 16, hashSeed: Buffer.alloc(16, 1), segmentBytesMax: 64 << 20 })
  const sink = new ReadingWriter(generation)
  const scanner = new RdbScanner(sink, {
    verifyChecksum: random.chance(0.1),
    ...(random.chance(0.5) ? { totalBytes: bytes.length } : {}),
  })
  const window = new ScanWindow(scanner, random.pick([1024, 5000, 70_000]))
  try {
    for (const piece of cutRandomly(bytes, random)) window.write(piece, 0, piece.length)
    window.finish()
    sink.flush()
  } catch (error) {
    if (!(error instanceof RdbError)) throw new Error(`${where}: not an RdbError`, { cause: error })
    const { byteOffset, message } = error
    if (!(byteOffset >= 0 && byteOffset <= bytes.length)) {
      throw new Error(`${where}: no such place: ${message}`, { cause: error })
    }
    return false
  }
  if (sink.keyCount !== scanner.keyCount) throw new Error(`${where}: keys were lost`)
  return true
}

/** Reads every value that was found right: counting and digesting it must not fail. */
class ReadingWriter extends BulkWriter {
  override put(
    db: number,
    rdbType: number,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
    expireAtMs: number,
    idleSeconds: number,
    freq: number,
  ): void {
    const source = bytesSource(value, valueStart, valueEnd)
    try {
      if (rdbType !== RDB_TYPE_STRING) countElements(rdbType, source)
      digestValue(rdbType, source, false)
    } catch (error) {
      throw new Error(`a value of type ${rdbType} was found right and cannot be read`, { cause: error })
    }
    super.put(db, rdbType, key, keyStart, keyEnd, value, valueStart, valueEnd, expireAtMs, idleSeconds, freq)
  }
}
