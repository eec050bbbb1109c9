/**
 * Readers in other threads against a writer at full speed, over the real path: RESP bytes through the command stream and
 * the stream applier into the keyspace, while tables grow, values change size, keys expire, FLUSHALL comes and
 * generations are swapped. `sabotage` leaves one part of the protocol out; the test of the test uses it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { BulkWriter, Keyspace, Readers } from '@understudy/core/internal'
import { KeyspaceStream } from '../support/keyspace-stream.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import type { Soak, SoakOptions, SoakResult } from '../support/soak.ts'
import { checksum } from './consistency-values.mjs'
import { type ReaderResult, ReadingThreads, type RaceOptions, sabotageWriter, widenWriter } from './reading-threads.ts'

const SINGLES = 20_000
const PAIRS = 2_000
const GROUP_PAIRS_MAX = 40

export const soak: Soak = {
  about:
    'two threads read while the stream applies, tables grow, memory is compacted, FLUSHALL comes and generations are swapped',
  stated: { count: Infinity, seconds: 60 },
  slice: { count: Infinity, seconds: 7 },
  run: (options) => runConsistency(options),
}

interface Seen extends ReaderResult {
  readonly reads: number
  readonly pairReads: number
  readonly found: number
}

/** @throws when a reader saw something it must not see. */
export async function runConsistency(options: SoakOptions, races: RaceOptions = {}): Promise<SoakResult> {
  const { sabotage = 'none', widened = false } = races
  const random = new SeededRandom(options.seed)
  const keyspace = new Keyspace({ databaseCount: 2 })
  const readers = new Readers(keyspace)
  sabotageWriter(keyspace, sabotage)
  const stream = new KeyspaceStream(keyspace)
  const threads = new ReadingThreads<Seen>('./consistency-reader.mjs', readers, random, {
    ...races,
    widens: [false, true],
    facts: { singles: SINGLES, pairs: PAIRS },
  })

  const writer = new WriteLoad(random)
  await threads.areReading()
  const deadline = performance.now() + options.seconds * 1000
  let turns = 0
  let swaps = 0
  const restore = widened ? widenWriter(random.fork()) : undefined
  try {
    while (performance.now() < deadline && turns < options.count && !threads.haveFailed) {
      turns++
      stream.apply(writer.commands(64))
      if (random.chance(1 / 4000)) {
        swaps++
        const generation = keyspace.newGeneration(2)
        const bulk = new BulkWriter(generation)
        for (const [key, value] of writer.dataset()) {
          bulk.put(0, 0, key, 0, key.length, value, 0, value.length, -1, -1, -1)
        }
        bulk.flush()
        keyspace.adopt(generation.transfer())
      }
      keyspace.freeSlice(1)
      // Whatever is worth it a little: segments come and go all the time.
      if (!keyspace.compaction.isRunning) keyspace.compaction.begin(0.02, 0)
      keyspace.compaction.step(0.1)
      if (turns % 32 === 0) await nextTurn()
    }
  } finally {
    restore?.()
    threads.stop()
  }
  const seen = await threads.results()
  readers.close()
  const failures = seen.filter((result) => result.failures > 0)
  const sum = (pick: (result: Seen) => number): number => seen.reduce((total, one) => total + pick(one), 0)
  if (failures.length > 0) {
    throw new Error(
      `seed ${options.seed}: readers saw ${sum((one) => one.failures)} impossible things in ` +
        `${sum((one) => one.reads + one.pairReads)} reads; first: ${failures[0]!.firstFailure}`,
    )
  }
  if (sabotage === 'none' && keyspace.compaction.droppedBytes === 0) throw new Error('no segment was dropped')
  if (stream.count < 1000 || sum((one) => one.found) < 1000) throw new Error('hardly anything was written or read')
  return {
    count: turns,
    counted: {
      commands: stream.count,
      flushes: writer.flushes,
      swaps,
      moves: keyspace.compaction.moves,
      droppedSegmentBytes: keyspace.compaction.droppedBytes,
      reads: sum((one) => one.reads),
      pairReads: sum((one) => one.pairReads),
      found: sum((one) => one.found),
      retries: sum((one) => one.retries),
      longestReadMs: Math.ceil(Math.max(...seen.map((one) => one.longestMs))),
    },
  }
}

/** Makes RESP commands and remembers nothing but sequence numbers: they grow over flushes and swaps. */
class WriteLoad {
  flushes = 0
  #sequence = 0
  readonly #random: SeededRandom
  readonly #payload: Buffer

  constructor(random: SeededRandom) {
    this.#random = random
    this.#payload = random.bytes(64 * 1024)
  }

  commands(count: number): Buffer {
    const random = this.#random
    const parts: Buffer[] = []
    for (let i = 0; i < count; i++) {
      const kind = random.int(0, 99)
      if (kind < 60) this.#pairs(parts, random.int(1, random.chance(0.1) ? GROUP_PAIRS_MAX : 3))
      else if (kind < 90) {
        const key = `single:${random.int(0, SINGLES - 1)}`
        if (random.chance(0.15))
          parts.push(command('SET', key, this.#value(), 'PXAT', String(Date.now() + random.int(0, 30))))
        else parts.push(command('SET', key, this.#value()))
      } else if (kind < 97) parts.push(command('DEL', `single:${random.int(0, SINGLES - 1)}`))
      else if (kind < 99) {
        const index = random.int(0, PAIRS - 1)
        parts.push(command('DEL', `pair:${index}:a`, `pair:${index}:b`))
      } else if (random.chance(1 / 500)) {
        this.flushes++
        parts.push(command('FLUSHALL'))
      }
    }
    return Buffer.concat(parts)
  }

  /** A dataset whose pairs agree, for a generation of its own. */
  *dataset(): Generator<[Buffer, Buffer]> {
    for (let i = 0; i < PAIRS; i++) {
      const sequence = ++this.#sequence
      yield [Buffer.from(`pair:${i}:a`), this.#value(sequence)]
      yield [Buffer.from(`pair:${i}:b`), this.#value(sequence)]
    }
  }

  #pairs(parts: Buffer[], count: number): void {
    parts.push(command('MULTI'))
    for (let i = 0; i < count; i++) {
      const index = this.#random.int(0, PAIRS - 1)
      const sequence = ++this.#sequence
      parts.push(command('SET', `pair:${index}:a`, this.#value(sequence)))
      parts.push(command('SET', `pair:${index}:b`, this.#value(sequence)))
    }
    parts.push(command('EXEC'))
  }

  /** Mostly small, at times longer than a node, so that records move, grow and become chunked. */
  #value(sequence: number = ++this.#sequence): Buffer {
    const random = this.#random
    const length = random.chance(0.02) ? random.int(9_000, 60_000) : random.int(0, random.chance(0.2) ? 2_000 : 64)
    const value = Buffer.allocUnsafe(8 + length)
    value.writeUInt32LE(sequence >>> 0, 4)
    const from = random.int(0, this.#payload.length - length)
    this.#payload.copy(value, 8, from, from + length)
    value.writeUInt32LE(checksum(value), 0)
    return value
  }
}

function command(...words: (string | Buffer)[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${words.length}\r\n`)]
  for (const word of words) {
    const bytes = Buffer.from(word as string)
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'))
  }
  return Buffer.concat(parts)
}
