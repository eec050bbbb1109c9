/**
 * Reads of every type in two other threads, against a writer at full speed over the real path of the stream. What is written keeps
 * invariants that any moment between two units has and nearly no torn or halved one: sums that MULTI groups leave as they
 * are, lists that are only rotated, sets between which members move, fields written in pairs. Meanwhile values change form,
 * FLUSHALL and a whole rebuild come in one group, databases are swapped and generations taken over. `sabotage` leaves one
 * part of the protocol out; the test of the test uses it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Keyspace, Readers } from '@understudy/core/internal'
import { KeyspaceStream } from '../support/keyspace-stream.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import type { Soak, SoakOptions, SoakResult } from '../support/soak.ts'
import { ACCOUNTS, BALANCE, SHAPES, type Shape } from './reads-shapes.mjs'
import { type ReaderResult, ReadingThreads, type RaceOptions, sabotageWriter, widenWriter } from './reading-threads.ts'

const COMMANDS_PER_TURN = 64

export const soak: Soak = {
  about: 'two threads read all types while groups, growth, FLUSHALL, SWAPDB and new generations come',
  stated: { count: Infinity, seconds: 60 },
  slice: { count: Infinity, seconds: 7 },
  run: (options) => runReads(options),
}

interface Seen extends ReaderResult {
  readonly reads: Record<string, number>
}

/** @throws when a reader saw something it must not see. */
export async function runReads(options: SoakOptions, races: RaceOptions = {}): Promise<SoakResult> {
  const { sabotage = 'none', widened = false } = races
  const random = new SeededRandom(options.seed)
  const keyspace = new Keyspace({ databaseCount: 2 })
  const main = new KeyspaceStream(keyspace)
  const changes = new Changes(random)
  main.apply(changes.rebuild(0))
  main.apply(changes.rebuild(1))
  sabotageWriter(keyspace, sabotage)
  const readers = new Readers(keyspace)
  const threads = new ReadingThreads<Seen>('./reads-reader.mjs', readers, random, { ...races, widens: [false, true] })
  await threads.areReading()
  const deadline = performance.now() + options.seconds * 1000
  let turns = 0
  let swaps = 0
  const restore = widened ? widenWriter(random.fork()) : undefined
  try {
    while (performance.now() < deadline && turns < options.count && !threads.haveFailed) {
      turns++
      const parts: Buffer[] = []
      for (let i = 0; i < COMMANDS_PER_TURN; i++) parts.push(changes.next())
      main.apply(Buffer.concat(parts))
      if (random.chance(1 / 2000)) {
        swaps++
        const other = new Keyspace({ databaseCount: 2, hashSeed: keyspace.hashSeed })
        const loader = new KeyspaceStream(other)
        loader.apply(changes.rebuild(0))
        loader.apply(changes.rebuild(1))
        keyspace.adopt(other.generation.transfer())
      }
      keyspace.freeSlice(1)
      if (turns % 16 === 0) await nextTurn()
    }
  } finally {
    restore?.()
    threads.stop()
  }
  const seen = await threads.results()
  readers.close()
  const failed = seen.find((result) => result.failures > 0)
  if (failed !== undefined) {
    throw new Error(`seed ${options.seed}: readers saw impossible things; first: ${failed.firstFailure}`)
  }
  const counted: Record<string, number> = {
    commands: main.count,
    rebuilds: changes.rebuilds,
    swaps,
    retries: seen.reduce((sum, one) => sum + one.retries, 0),
    longestReadMs: Math.ceil(Math.max(...seen.map((one) => one.longestMs))),
  }
  for (const result of seen) {
    for (const [name, count] of Object.entries(result.reads)) counted[name] = (counted[name] ?? 0) + count
  }
  for (const shape of SHAPES) if (!(counted[shape.kind]! > 0)) throw new Error(`no ${shape.kind} was read`)
  return { count: turns, counted }
}

/** Makes commands that leave every invariant as it is. */
class Changes {
  rebuilds = 0
  readonly #random: SeededRandom
  #sequence = 0
  #entries = 0

  constructor(random: SeededRandom) {
    this.#random = random
  }

  next(): Buffer {
    const random = this.#random
    if (random.chance(1 / 60_000)) return this.rebuild(0)
    if (random.chance(1 / 20_000)) return command('SWAPDB', 0, 1)
    return this.#change(random.pick(SHAPES))
  }

  /** Everything anew in one group: FLUSHDB, then all values of all shapes. */
  rebuild(db: number): Buffer {
    this.rebuilds++
    const parts = [command('SELECT', db), command('MULTI'), command('FLUSHDB')]
    for (const shape of SHAPES) parts.push(...this.#make(shape))
    parts.push(command('EXEC'), command('SELECT', 0))
    return Buffer.concat(parts)
  }

  #make({ kind, key, size }: Shape): Buffer[] {
    const numbers = Array.from({ length: size }, (_, i) => i)
    switch (kind) {
      case 'accounts':
        return Array.from({ length: ACCOUNTS }, (_, i) => command('SET', `${key}:${i}`, BALANCE))
      case 'hash':
        return inLots(numbers, (lot) => command('HSET', key, ...lot.flatMap((i) => [`a${i}`, '0', `b${i}`, '0'])))
      case 'list':
        return inLots(numbers, (lot) => command('RPUSH', key, ...lot))
      case 'sets':
        return inLots(numbers, (lot) => command('SADD', `${key}:x`, ...lot.map((i) => `member ${i}`)))
      case 'zset':
        return inLots(numbers, (lot) => command('ZADD', key, ...lot.flatMap((i) => [BALANCE, `member ${i}`])))
      case 'stream':
        return numbers.flatMap(() => this.#entry(key))
    }
  }

  #change({ kind, key, size }: Shape): Buffer {
    const random = this.#random
    const some = random.int(0, size - 1)
    const other = (some + random.int(1, size - 1)) % size
    const amount = random.int(-50, 50)
    switch (kind) {
      case 'accounts': {
        const parts = [command('MULTI')]
        for (let i = random.int(1, random.chance(0.05) ? 100 : 3); i > 0; i--) {
          const from = random.int(0, ACCOUNTS - 1)
          parts.push(command('INCRBY', `${key}:${from}`, -amount))
          parts.push(command('INCRBY', `${key}:${(from + i) % ACCOUNTS}`, amount))
        }
        return Buffer.concat([...parts, command('EXEC')])
      }
      case 'hash': {
        // At times long enough to move records and to leave the packed form.
        const value = `${++this.#sequence}${'.'.repeat(random.chance(0.05) ? random.int(0, 300) : 0)}`
        return command('HSET', key, `a${some}`, value, `b${some}`, value)
      }
      case 'list':
        return random.chance(0.5)
          ? command('LMOVE', key, key, 'LEFT', 'RIGHT')
          : command('LMOVE', key, key, 'RIGHT', 'LEFT')
      case 'sets':
        return command(
          'SMOVE',
          ...(random.chance(0.5) ? [`${key}:x`, `${key}:y`] : [`${key}:y`, `${key}:x`]),
          `member ${some}`,
        )
      case 'zset':
        return Buffer.concat([
          command('MULTI'),
          command('ZINCRBY', key, amount, `member ${some}`),
          command('ZINCRBY', key, -amount, `member ${other}`),
          command('EXEC'),
        ])
      case 'stream':
        return Buffer.concat([
          command('MULTI'),
          ...this.#entry(key),
          command('XTRIM', key, 'MAXLEN', size),
          command('EXEC'),
        ])
    }
  }

  /** An entry, and its ID beside. */
  #entry(key: string): Buffer[] {
    const id = `${++this.#entries}-0`
    return [command('XADD', key, id, 'id', id), command('SET', `${key}:last`, id)]
  }
}

function inLots(numbers: readonly number[], make: (lot: number[]) => Buffer): Buffer[] {
  const made: Buffer[] = []
  for (let i = 0; i < numbers.length; i += 100) made.push(make(numbers.slice(i, i + 100)))
  return made
}

function command(...words: (string | number)[]): Buffer {
  const parts = words.map((word) => `$${Buffer.byteLength(String(word))}\r\n${word}\r\n`)
  return Buffer.from(`*${words.length}\r\n${parts.join('')}`)
}
