/**
 * The read commands over a dataset that another thread writes: the same replies as on the writer's thread, whole ones when it
 * changes in between, and never lost in memory that makes no sense.
 */
import {
  CommandRegistry,
  dataCommandFamilies,
  type GenerationView,
  Keyspace,
  LibraryStore,
  NeedsWriter,
  READ_ATTEMPTS_MS_MAX,
  Readers,
  ReadTooLong,
  ROOT_WORDS,
  SHARD_COUNT,
} from '@understudy/core/internal'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { fillAllTypes, READ_COMMANDS, SharedRunner } from '../../support/shared-runner.ts'

const NO_FACTS = {
  usedBytes: 0,
  peakBytes: 0,
  startupBytes: 0,
  residentBytes: 0,
  backlogBytes: 0,
  replicaBytes: 0,
  clientBytes: 0,
  functionBytes: 0,
}
const families = dataCommandFamilies({ libraries: new LibraryStore(), memory: () => NO_FACTS })
const registry = new CommandRegistry(families)
/** Their replies are chosen at random. */
const RANDOM = new Set(['RANDOMKEY', 'HRANDFIELD', 'SRANDMEMBER', 'ZRANDMEMBER'])

let keyspace: Keyspace
let writer: CommandRunner
let shared: SharedRunner

beforeEach(() => {
  vi.spyOn(Date, 'now').mockReturnValue(1_900_000_000_000)
  keyspace = new Keyspace({ databaseCount: 2, hashSeed: new Uint8Array(16).map((_, i) => i + 1) })
  writer = new CommandRunner(families, { keyspace })
  writer.writable = false
  shared = new SharedRunner(registry, new Readers(keyspace).attach())
  fillAllTypes(writer)
})

afterEach(() => {
  vi.restoreAllMocks()
  shared.keyspace.close()
})

describe('over a shared dataset', () => {
  it('every command that reads replies what it does on the writer', () => {
    const covered = new Set<string>()
    for (const command of READ_COMMANDS) {
      const name = String(command[0])
      const args = {
        bytes: Buffer.from(command.slice(0, 2).join('')),
        count: 2,
        start: new Int32Array(2),
        end: new Int32Array(2),
      }
      args.end[0] = args.start[1] = name.length
      args.end[1] = args.bytes.length
      covered.add(registry.resolve(args)!.name)
      const reply = shared.run(command)
      if (RANDOM.has(name)) continue
      expect(reply.toString('latin1'), command.join(' ').slice(0, 100)).toBe(writer.run(...command).toString('latin1'))
    }
    const missing = registry.byId.filter((entry) => entry.read !== undefined && !covered.has(entry.name))
    // HELP reads nothing.
    expect(missing.map((entry) => entry.name).filter((name) => !name.endsWith('|help'))).toEqual([])
  })

  it('a reply is taken back when the data change under it, and made again', () => {
    let attempts = 0
    const reply = shared.run(['MGET', 'string', 'string:2'], (read) => {
      read()
      if (attempts++ < 3) writer.run('MSET', 'string', `new ${attempts}`, 'string:2', `new ${attempts}`)
    })
    expect([reply.toString(), attempts]).toEqual(['*2\r\n$5\r\nnew 3\r\n$5\r\nnew 3\r\n', 4])
    expect([shared.keyspace.hits, shared.keyspace.misses]).toEqual([2, 0])
  })

  it('several commands in one are of one moment', () => {
    let attempts = 0
    const reply = shared.run(['GET', 'string'], (read) => {
      read()
      // A transfer between the two halves.
      if (attempts++ === 0) writer.run('MSET', 'string', 'b', 'string:2', 'a')
      read()
    })
    expect([reply.toString(), attempts]).toEqual(['$1\r\nb\r\n$1\r\nb\r\n', 2])
  })

  it('an error reply is no failure, and is taken back like any other', () => {
    let attempts = 0
    const reply = shared.run(['GET', 'hash'], (read) => {
      read()
      if (attempts++ === 0) writer.run('SET', 'hash', 'a string now')
    })
    expect([reply.toString(), shared.context.reply.errorCount]).toEqual(['$12\r\na string now\r\n', 0])
  })

  it('what turns out to change or to wait asks for the writer, with nothing replied', () => {
    for (const command of [['XREAD', 'BLOCK', 0, 'STREAMS', 'stream', '$']]) {
      expect(() => shared.run(command), command.join(' ')).toThrow(NeedsWriter)
      expect(shared.context.reply.length).toBe(0)
    }
  })

  it('a read whose data change all the time gives up, with nothing replied', () => {
    let value = 0
    const run = (): Buffer =>
      shared.run(['GET', 'string'], (read) => {
        read()
        writer.run('SET', 'string', value++)
      })
    expect(run).toThrow(ReadTooLong)
    expect([shared.context.reply.length, shared.keyspace.hits]).toEqual([0, 0])
  })

  it('a read that takes long by itself gives up after the second attempt', () => {
    const sleeping = new Int32Array(new SharedArrayBuffer(4))
    let attempts = 0
    const run = (): Buffer =>
      shared.run(['GET', 'string'], (read) => {
        read()
        attempts++
        Atomics.wait(sleeping, 0, 0, READ_ATTEMPTS_MS_MAX + 5)
        writer.run('SET', 'string', attempts)
      })
    expect(run).toThrow(ReadTooLong)
    expect(attempts).toBe(2)
  })

  it('what a command throws over whole data is thrown, over torn data it is not', () => {
    const fault = new Error('a fault')
    const disturbed = (changes: number): (() => Buffer) => {
      let attempts = 0
      return () =>
        shared.run(['GET', 'string'], (read) => {
          read()
          if (attempts++ < changes) {
            writer.run('SET', 'string', 'changed')
            throw fault
          }
          if (changes === 0) throw fault
        })
    }
    expect(disturbed(0)).toThrow(fault)
    expect(disturbed(2)().toString()).toBe('$7\r\nchanged\r\n')
  })

  it('the position of the stream is of the moment that was read', () => {
    const at = (offset: number, appliedAtMs: number): void => {
      keyspace.begin()
      keyspace.position.note(offset, appliedAtMs)
      keyspace.end()
    }
    for (const offset of [7, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 12_345]) {
      at(offset, 1_900_000_000_000 + offset)
      shared.run(['GET', 'string'])
      expect([shared.keyspace.offset, shared.keyspace.appliedAtMs]).toEqual([offset, 1_900_000_000_000 + offset])
    }
    keyspace.begin()
    keyspace.position.setReplid('0123456789abcdef0123456789abcdef01234567')
    const next = keyspace.newGeneration(2)
    keyspace.position.copyTo(next)
    keyspace.swapGeneration(next)
    keyspace.end()
    let replid = ''
    shared.keyspace.attempt({ run: () => (replid = shared.keyspace.replidNow()), undo: () => {} }, 1000)
    expect(replid).toBe('0123456789abcdef0123456789abcdef01234567')
    expect(shared.run(['DBSIZE']).toString()).toBe(':0\r\n')
    expect(shared.keyspace.offset).toBe(2 ** 40 + 12_345)
  })
})

describe('in memory that makes no sense', () => {
  it('every read comes to an end, asks for no absurd amount of memory, and is made again', { timeout: 120_000 }, () => {
    const random = new SeededRandom(20_261_121)
    const { generation } = shared.keyspace
    const expected = new Map<readonly (string | number)[], string>()
    for (const command of READ_COMMANDS) expected.set(command, shared.run(command).toString('latin1'))
    let longestMs = 0
    let largestBytes = 0
    let threw = 0
    for (let round = 0; round < 800; round++) {
      const command = random.pick(READ_COMMANDS)
      let attempts = 0
      const reply = shared.run(command, (read) => {
        if (attempts++ > 0) {
          Reflect.deleteProperty(generation, 'validate')
          read()
          return
        }
        // As if the writer were in the middle of changing what is read.
        const repair = damage(random, generation)
        Object.assign(generation, { validate: () => false })
        const { arrayBuffers } = process.memoryUsage()
        const began = performance.now()
        try {
          read()
        } catch (error) {
          threw++
          throw error
        } finally {
          longestMs = Math.max(longestMs, performance.now() - began)
          largestBytes = Math.max(largestBytes, process.memoryUsage().arrayBuffers - arrayBuffers)
          repair()
        }
      })
      expect(attempts, command.join(' ').slice(0, 100)).toBe(2)
      if (!RANDOM.has(String(command[0]))) expect(reply.toString('latin1')).toBe(expected.get(command))
    }
    expect(threw).toBeGreaterThan(50)
    expect(longestMs).toBeLessThan(1000)
    expect(largestBytes).toBeLessThan(64 << 20)
  })

  it('no length is believed before memory is taken for it', () => {
    const { generation } = shared.keyspace
    // The first read makes this thread's views.
    shared.run(['DBSIZE'])
    const lengths = placesOfLengths(generation)
    for (const command of READ_COMMANDS) {
      let attempts = 0
      let takenBytes = 0
      shared.run(command, (read) => {
        if (attempts++ > 0) {
          Reflect.deleteProperty(generation, 'validate')
          read()
          return
        }
        for (const { words, at } of lengths) words[at] = TORN_LENGTH
        Object.assign(generation, { validate: () => false })
        const { arrayBuffers } = process.memoryUsage()
        try {
          read()
        } finally {
          takenBytes = process.memoryUsage().arrayBuffers - arrayBuffers
          for (const { words, at, length } of lengths) words[at] = length
        }
      })
      expect(takenBytes, command.join(' ').slice(0, 100)).toBeLessThan(16 << 20)
    }
  })
})

/** Lengths of what `fillAllTypes` makes in nodes: keys, fields, values, elements. */
const LONG_LENGTHS = [60_000, 40_000, 20_000, 12_000, 9000]
const TORN_LENGTH: number = 400 << 20

interface LengthWord {
  readonly words: Int32Array
  readonly at: number
  readonly length: number
}

/** Where in memory the lengths of what is long are. */
function placesOfLengths(generation: GenerationView): LengthWord[] {
  const places: LengthWord[] = []
  for (const { memory } of generation.regions) {
    for (const words of memory.i32) {
      for (const length of LONG_LENGTHS) {
        for (let at = words.indexOf(length); at >= 0; at = words.indexOf(length, at + 1))
          places.push({ words, at, length })
      }
    }
  }
  expect(places.length).toBeGreaterThanOrEqual(LONG_LENGTHS.length)
  return places
}

const RECORDS_AT = 0x110000

/** Overwrites words of a region at random, and at times of the roots of its tables. @returns what repairs them. */
function damage(random: SeededRandom, generation: GenerationView): () => void {
  const undo: (() => void)[] = []
  const spoil = (words: Int32Array, from: number, to: number): void => {
    const at = random.int(from, to)
    const before = words[at]!
    undo.push(() => (words[at] = before))
    const kind = random.int(0, 4)
    if (kind === 0) words[at] = random.uint32()
    else if (kind === 1) words[at] = words[random.int(from, to)]!
    else if (kind === 2) words[at] = 0
    else if (kind === 3) words[at] = -1
    else words[at] = before ^ (1 << random.int(0, 31))
  }
  for (const region of generation.regions) {
    for (const words of region.memory.i32) {
      let last = words.length - 1
      while (last > RECORDS_AT / 4 && words[last] === 0) last--
      if (last > RECORDS_AT / 4) for (let i = random.int(1, 1000); i > 0; i--) spoil(words, RECORDS_AT / 4, last)
    }
  }
  const roots = generation.roots
  for (let i = random.int(0, 4) === 0 ? 20 : 0; i > 0; i--)
    spoil(generation.control, roots, roots + SHARD_COUNT * ROOT_WORDS - 1)
  return () => {
    for (const restore of undo.toReversed()) restore()
  }
}
