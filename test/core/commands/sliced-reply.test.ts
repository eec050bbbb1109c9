/**
 * Long replies in slices: byte for byte what the command replies at once, however much each slice takes, and whatever is changed
 * between two of them.
 */
import {
  ALWAYS_WHOLE,
  CommandRegistry,
  dataCommandFamilies,
  Keyspace,
  LibraryStore,
  LONG_REPLY,
  LONG_REPLY_BYTES,
  LONG_REPLY_ITEMS,
  ReplyEncoder,
  SliceBounds,
  SlicedReply,
} from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'
import { LargeValueLoad } from '../../support/large-value-load.ts'
import { encodeCommand } from '../../support/raw-client.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

const LIMITS = { bytesMax: 1 << 30, durationMsMax: 3_600_000 }
const NOW_MS = 1_900_000_000_000
const families = dataCommandFamilies({
  libraries: new LibraryStore(),
  memory: () => {
    throw new Error('nobody asks')
  },
})
const registry = new CommandRegistry(families)

type Command = readonly (string | number)[]

/** Every command that can be made in slices, on values of the `LargeValueLoad` and on those of `fillOddities`. */
const COMMANDS: readonly Command[] = [
  ['GET', 's:2'],
  ['GETRANGE', 's:2', 5, -7],
  ['SUBSTR', 's:2', 100_000, 170_000],
  ...['l:1', 'odd:list'].flatMap((key) => [
    ['LRANGE', key, 0, -1],
    ['LRANGE', key, 17, -300],
  ]),
  ...['h:1', 'odd:hash', 'odd:expiring'].flatMap((key) => [
    ['HGETALL', key],
    ['HKEYS', key],
    ['HVALS', key],
  ]),
  ['SMEMBERS', 'e:1'],
  ['SMEMBERS', 'odd:set'],
  ...['z:1', 'odd:zset'].flatMap((key) => [
    ['ZRANGE', key, 0, -1],
    ['ZRANGE', key, 0, -1, 'WITHSCORES'],
    ['ZRANGE', key, 5, 900, 'REV', 'WITHSCORES'],
    ['ZREVRANGE', key, 3, -4],
    ['ZRANGEBYSCORE', key, '(1', '+inf', 'WITHSCORES', 'LIMIT', 3, 700],
    ['ZREVRANGEBYSCORE', key, '+inf', '-inf'],
    ['ZRANGEBYLEX', key, '-', '+'],
    ['ZREVRANGEBYLEX', key, '+', '-', 'LIMIT', 2, 50],
  ]),
  ...['x:1', 'odd:stream'].flatMap((key) => [
    ['XRANGE', key, '-', '+'],
    ['XRANGE', key, '(5-0', '+', 'COUNT', 90],
    ['XREVRANGE', key, '+', '-'],
    ['XREVRANGE', key, '+', '7', 'COUNT', 40],
  ]),
  ['KEYS', '*'],
  ['KEYS', '*1*'],
]

/** Elements, fields, members and keys that are longer than a block, and what is hidden because its time has come. */
function fillOddities(runner: CommandRunner): void {
  const long = (letter: string): string => letter.repeat(70_000)
  const numbers = Array.from({ length: 1500 }, (_, i) => i)
  runner.run('RPUSH', 'odd:list', long('a'), ...numbers, long('b'), 'c', long('d'))
  runner.run('HSET', 'odd:hash', long('f'), 1, 'g', long('h'), long('i'), long('j'), ...numbers.flatMap((i) => [i, -i]))
  runner.run('HSET', 'odd:expiring', ...numbers.flatMap((i) => [`field ${i}`, i]))
  for (let i = 0; i < 1500; i += 3) runner.run('HPEXPIRE', 'odd:expiring', 1, 'FIELDS', 1, `field ${i}`)
  runner.run('SADD', 'odd:set', long('m'), long('n'), ...numbers.map((i) => `member ${i}`))
  runner.run('ZADD', 'odd:zset', 1, long('p'), ...numbers.flatMap((i) => [i / 8, `member ${i}`]), 200, long('q'))
  for (const i of numbers)
    runner.run('XADD', 'odd:stream', `${i + 1}-${i}`, 'field', i === 700 ? long('v') : `value ${i}`)
  for (let i = 0; i < 1500; i += 7) runner.run('XDEL', 'odd:stream', `${i + 1}-${i}`)
  runner.run('SET', `key 1 ${long('k')}`, 'at a long key')
  runner.run('SET', 'key 1 expired', 'soon gone', 'PX', 1)
  runner.nowMs = NOW_MS + 2
}

interface Dataset {
  readonly runner: CommandRunner
  readonly load: LargeValueLoad
}

function fill(seed: number): Dataset {
  const keyspace = new Keyspace({ databaseCount: 2, hashSeed: new Uint8Array(16).fill(7), segmentBytesMax: 64 << 20 })
  const runner = new CommandRunner(families, { keyspace, nowMs: NOW_MS })
  const load = new LargeValueLoad(runner, new SeededRandom(seed))
  load.fill()
  fillOddities(runner)
  return { runner, load }
}

function begin({ runner }: Dataset, command: Command, resp: 2 | 3 = 2): SlicedReply {
  const { keyspace, settings } = runner
  const hasKey = registry.findName(String(command[0]))!.row.keys[0] > 0
  const pin = hasKey ? keyspace.pinKey(0, Buffer.from(String(command[1])), LIMITS, 0) : keyspace.pin(LIMITS, 0)
  return new SlicedReply(
    { pin, command: new Uint8Array(encodeCommand(...command)), db: 0, resp, nowMs: runner.nowMs! },
    registry,
    settings,
  )
}

/** All slices of a reply. @param take bytes of each slice. */
function readAll(reply: SlicedReply, take: () => number): Buffer {
  const encoder = new ReplyEncoder(64)
  const slice = new SliceBounds()
  const pieces: Buffer[] = []
  for (let isDone = false; !isDone;) {
    const lengthMax = take()
    isDone = reply.write(encoder, slice.begin(lengthMax, Infinity))
    if (encoder.length === 0 && !isDone) throw new Error('a slice without an end to its time made nothing')
    pieces.push(Buffer.from(encoder.pending()))
    encoder.clear()
  }
  return Buffer.concat(pieces)
}

/** The ports of closed pins tell the writer in a later turn. */
async function allEnded(keyspace: Keyspace): Promise<void> {
  const until = performance.now() + 10_000
  while (keyspace.pins.count > 0 && performance.now() < until) await new Promise((resolve) => setImmediate(resolve))
  expect(keyspace.pins.count).toBe(0)
}

function freeAll(keyspace: Keyspace): void {
  while (keyspace.freeSlice(1000));
}

/** For those who change nothing. */
const still: Dataset = fill(1)

describe('a reply in slices', () => {
  it('is what the command replies at once: whole, item by item, and in pieces of every length', async () => {
    const dataset = still
    const random = new SeededRandom(2)
    for (const resp of [2, 3] as const) {
      dataset.runner.resp = resp
      for (const command of COMMANDS) {
        const expected = dataset.runner.run(...command)
        const name = `RESP${resp} ${command.join(' ')}`
        expect(expected.length, name).toBeGreaterThan(100)
        const takes = [() => ALWAYS_WHOLE, () => random.int(1, 5000), () => random.int(1, 200_000)]
        if (resp === 2) takes.push(() => 1)
        for (const take of takes) {
          const reply = begin(dataset, command, resp)
          expect(readAll(reply, take).equals(expected), name).toBe(true)
          reply.close()
        }
        await allEnded(dataset.runner.keyspace)
      }
    }
    dataset.runner.resp = 2
  })

  it('is of the moment of its pin, while everything is changed and at last deleted', async () => {
    const random = new SeededRandom(3)
    const dataset = fill(3)
    const { runner, load } = dataset
    const { keyspace } = runner
    const encoder = new ReplyEncoder(64)
    const slice = new SliceBounds()
    // As many as there may be pins, each a little later than the one before.
    let left = COMMANDS.map((command) => {
      load.run(20)
      const expected = runner.run(...command)
      return { command, expected, reply: begin(dataset, command), pieces: [] as Buffer[] }
    })
    for (let round = 0; left.length > 0; round++) {
      left = left.filter(({ command, expected, reply, pieces }) => {
        const isDone = reply.write(encoder, slice.begin(random.int(1, Math.ceil(expected.length / 6)), Infinity))
        pieces.push(Buffer.from(encoder.pending()))
        encoder.clear()
        if (!isDone) return true
        expect(Buffer.concat(pieces).equals(expected), command.join(' ')).toBe(true)
        reply.close()
        return false
      })
      if (round < 5) load.run(400)
      if (round === 2) {
        for (const key of ['odd:list', 'odd:hash', 'odd:set', 'odd:zset', 'odd:stream']) runner.run('DEL', key)
      }
      if (round === 5) runner.run('FLUSHALL')
      freeAll(keyspace)
    }
    await allEnded(keyspace)
  })

  it('is no longer than it was asked to be, but for the item that was begun', () => {
    const dataset = still
    const encoder = new ReplyEncoder(64)
    const slice = new SliceBounds()
    for (const command of [
      ['GET', 's:2'],
      ['LRANGE', 'odd:list', 0, -1],
      ['HGETALL', 'odd:hash'],
      ['SMEMBERS', 'odd:set'],
    ]) {
      const reply = begin(dataset, command)
      let longest = 0
      for (let isDone = false; !isDone; encoder.clear()) {
        isDone = reply.write(encoder, slice.begin(4096, Infinity))
        longest = Math.max(longest, encoder.length)
      }
      // Strings, elements, names and values of 70 KB go in parts of 16 KiB.
      expect(longest, command.join(' ')).toBeLessThan(4096 + 16_384 + 64)
      reply.close()
    }
  })

  it('goes on after slices whose time was over', async () => {
    const dataset = still
    for (const command of COMMANDS) {
      const expected = dataset.runner.run(...command)
      const reply = begin(dataset, command)
      const encoder = new ReplyEncoder(64)
      const slice = new SliceBounds()
      let slices = 0
      // Time that was over before it began: so many looks are made nevertheless.
      while (!reply.write(encoder, slice.begin(ALWAYS_WHOLE, 0))) slices++
      expect(Buffer.from(encoder.pending()).equals(expected), command.join(' ')).toBe(true)
      if (command[0] !== 'GET' && command[0] !== 'SUBSTR' && command[0] !== 'GETRANGE')
        expect(slices).toBeGreaterThan(0)
      reply.close()
    }
    await allEnded(dataset.runner.keyspace)
  })

  it('ends with PIN_BROKEN when the pin does', () => {
    const dataset = fill(6)
    const reply = begin(dataset, ['LRANGE', 'l:1', 0, -1])
    const encoder = new ReplyEncoder(64)
    const slice = new SliceBounds()
    expect(reply.write(encoder, slice.begin(100, Infinity))).toBe(false)
    expect(reply.isBroken).toBe(false)
    dataset.runner.keyspace.pins.breakAll()
    expect(reply.isBroken).toBe(true)
    expect(() => reply.write(encoder, slice.begin(ALWAYS_WHOLE, Infinity))).toThrow(
      expect.objectContaining({ code: 'PIN_BROKEN' }),
    )
    reply.close()
  })

  it('is what there is now, when the value is not what it was taken for', async () => {
    const dataset = fill(7)
    const { runner } = dataset
    runner.run('DEL', 'l:1', 'h:1', 'e:1', 'z:1', 'x:1', 's:2')
    for (const setUp of [() => {}, () => runner.run('SET', 'l:1', 'no list'), () => runner.run('DEL', 'l:1')]) {
      setUp()
      for (const command of COMMANDS.filter(([, key]) => /^[lhezxs]:/.test(String(key)))) {
        const reply = begin(dataset, command)
        expect(readAll(reply, () => 1000).equals(runner.run(...command)), command.join(' ')).toBe(true)
        reply.close()
      }
      await allEnded(runner.keyspace)
    }
    runner.run('RPUSH', 'l:1', 'a')
    runner.run('HSET', 'h:1', 'f', 'v')
    runner.run('SADD', 'e:1', 1)
    runner.run('ZADD', 'z:1', 1, 'm')
    runner.run('XADD', 'x:1', '1-1', 'f', 'v')
    runner.run('SET', 's:2', 'short')
    for (const command of COMMANDS.filter(([, key]) => /^[lhezxs]:/.test(String(key)))) {
      const reply = begin(dataset, command)
      expect(readAll(reply, () => 1000).equals(runner.run(...command)), command.join(' ')).toBe(true)
      reply.close()
    }
  })
})

describe('a reply that is built whole', () => {
  /** Runs a command as the server does, where its reply may be made in slices. */
  function runBounded({ context }: CommandRunner, run: () => void): void {
    context.reply.longFrom = LONG_REPLY_BYTES
    try {
      run()
    } finally {
      context.reply.longFrom = ALWAYS_WHOLE
    }
  }

  it('is given up when it has too many items, or becomes too long', () => {
    const { runner } = fill(8)
    const items = Array.from({ length: LONG_REPLY_ITEMS + 1 }, (_, i) => i)
    runner.run('RPUSH', 'many', ...items)
    runner.run('SADD', 'many:set', ...items.map((i) => `m${i}`))
    runner.run('HSET', 'many:hash', ...items.flatMap((i) => [i, i]))
    runner.run('ZADD', 'many:zset', ...items.flatMap((i) => [i, i]))
    for (let i = 0; i < 300; i++) runner.run('XADD', 'much:stream', '*', 'f', 'x'.repeat(5000))
    runner.run('SET', 'much', 'x'.repeat(LONG_REPLY_BYTES))
    runner.run('RPUSH', 'much:list', ...Array.from({ length: 300 }, () => 'y'.repeat(5000)))
    const long: Command[] = [
      ['LRANGE', 'many', 0, -1],
      ['SMEMBERS', 'many:set'],
      ['HGETALL', 'many:hash'],
      ['HVALS', 'many:hash'],
      ['ZRANGE', 'many:zset', 0, -1],
      ['XRANGE', 'much:stream', '-', '+'],
      ['GET', 'much'],
      ['LRANGE', 'much:list', 0, -1],
    ]
    for (const command of long) {
      expect(() => runBounded(runner, () => runner.run(...command)), command.join(' ')).toThrow(LONG_REPLY)
      expect(runner.run(...command).length).toBeGreaterThan(100_000)
    }
    for (const command of [
      ['LRANGE', 'many', 0, -2],
      ['GETRANGE', 'much', 20, -1],
      ['LLEN', 'many'],
    ]) {
      runBounded(runner, () => runner.run(...command))
    }
  })
})
