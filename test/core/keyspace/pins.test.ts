/** Pins: what a reader sees of a dataset that goes on changing is what it was when the pin began, and nothing is left behind. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import {
  CopyMemory,
  dataCommandFamilies,
  datasetDigest,
  EVERY_REGION,
  Keyspace,
  type KeyspaceReads,
  LibraryStore,
  PinnedKeyspace,
  PINS_MAX,
  type PinHandle,
} from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { allGrammars } from '../../fuzz/grammars/index.ts'
import { Generator } from '../../fuzz/generator.ts'
import { collidingKeys } from '../../support/colliding-keys.ts'
import { CommandRunner } from '../../support/command-runner.ts'
import { contentsOf } from '../../support/keyspace-contents.ts'
import { checkKeyspace } from '../../support/keyspace-check.ts'
import { LargeValueLoad } from '../../support/large-value-load.ts'
import { PinAudit } from '../../support/pin-audit.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { snapshotBytes } from '../../support/snapshot-bytes.ts'

interface ThreadResult {
  readonly digest?: string
  readonly code?: string
  readonly keptReads: number
}

const LIMITS = { bytesMax: 1 << 30, durationMsMax: 3_600_000 }
const families = dataCommandFamilies({
  libraries: new LibraryStore(),
  memory: () => {
    throw new Error('nobody asks')
  },
})

function makeRunner(segmentBytesMax = 16 << 20): CommandRunner {
  const keyspace = new Keyspace({
    databaseCount: 4,
    hashSeed: new Uint8Array(16).map((_, i) => i + 1),
    segmentBytesMax,
  })
  return new CommandRunner(families, { keyspace, nowMs: 1_900_000_000_000 })
}

function pinAll(keyspace: Keyspace): PinHandle {
  return keyspace.pins.begin(keyspace.generation, EVERY_REGION, LIMITS, 0)
}

/** The ports of closed pins tell the writer in a later turn. */
async function allEnded(keyspace: Keyspace): Promise<void> {
  const until = performance.now() + 10_000
  while (keyspace.pins.count > 0 && performance.now() < until) await new Promise((resolve) => setImmediate(resolve))
  expect(keyspace.pins.count).toBe(0)
  freeAll(keyspace)
}

function freeAll(keyspace: Keyspace): void {
  while (keyspace.freeSlice(1000));
}

describe('a pin of everything', () => {
  it('shows the dataset as it was, while every form of value changes', async () => {
    for (let seed = 1; seed <= 2; seed++) {
      const runner = makeRunner()
      const { keyspace } = runner
      const load = new LargeValueLoad(runner, new SeededRandom(seed))
      load.fill()
      freeAll(keyspace)
      const before = contentsOf(keyspace)
      const usedBefore = keyspace.usedBytes
      const pinned = new PinnedKeyspace(pinAll(keyspace))
      expect(contentsOf(pinned)).toEqual(before)
      for (let round = 0; round < 3; round++) {
        load.run(1200)
        freeAll(keyspace)
        expect(contentsOf(pinned)).toEqual(before)
      }
      expect(pinned.keptReads).toBeGreaterThan(500)
      expect(contentsOf(keyspace)).not.toEqual(before)
      const after = contentsOf(keyspace)
      pinned.close()
      await allEnded(keyspace)
      expect(contentsOf(keyspace)).toEqual(after)
      checkKeyspace(keyspace)
      expect(keyspace.usedBytes).toBeLessThan(usedBefore * 3)
    }
  })
})

describe('the memory of who reads a pin', () => {
  it('stays as it is, however many groups and consumers a stream has', async () => {
    const runner = makeRunner()
    const { keyspace } = runner
    runner.run('XADD', 'stream', '1-0', 'field', 'value')
    for (let group = 0; group < 40; group++) {
      runner.run('XGROUP', 'CREATE', 'stream', `group ${group}`, '0')
      for (let i = 0; i < 100; i++) runner.run('XGROUP', 'CREATECONSUMER', 'stream', `group ${group}`, `consumer ${i}`)
      runner.run('XREADGROUP', 'GROUP', `group ${group}`, 'consumer 7', 'STREAMS', 'stream', '>')
    }
    const before = snapshotBytes(keyspace).bytes
    const copies = new CopyMemory()
    const bytesOf = (): number => copies.region.segments.reduce((sum, segment) => sum + segment.byteLength, 0)
    const bytes = bytesOf()
    const pinned = new PinnedKeyspace(pinAll(keyspace), copies)
    for (let group = 0; group < 40; group += 2) runner.run('XGROUP', 'DESTROY', 'stream', `group ${group}`)
    expect(snapshotBytes(pinned).bytes.equals(before)).toBe(true)
    expect(bytesOf()).toBe(bytes)
    pinned.close()
    await allEnded(keyspace)
  })
})

describe('what a pin keeps', () => {
  it('is every block that any command changes or frees', async () => {
    for (let seed = 1; seed <= 2; seed++) {
      const runner = makeRunner()
      const { keyspace } = runner
      const random = new SeededRandom(seed)
      const generator = new Generator(random, allGrammars([]), (row) => runner.has(row.split(' ')[0]!))
      const load = new LargeValueLoad(runner, random)
      let errors = 0
      const runSome = (count: number): void => {
        for (let i = 0; i < count; i++) {
          for (const { words } of generator.step()) {
            if (runner.has(String(words[0]).toUpperCase()) && runner.run(...words)[0] === 0x2d) errors++
          }
        }
      }
      load.fill()
      runSome(3000)
      for (let round = 0; round < 4; round++) {
        // In every other round, while values wait to be freed.
        if (round % 2 === 0) freeAll(keyspace)
        const audit = new PinAudit(keyspace)
        const handle = pinAll(keyspace)
        const { generation } = keyspace
        runSome(500)
        if (keyspace.generation === generation) load.run(500)
        freeAll(keyspace)
        if (keyspace.generation === generation) expect(audit.lost(handle)).toEqual([])
        handle.port.close()
        await allEnded(keyspace)
      }
      expect(errors).toBeLessThan(3000)
      checkKeyspace(keyspace)
    }
  })
})

describe('a change that is the first one of a pin', () => {
  /** Runs each command beside a pin of its own, and asks for every block of the key's region. */
  async function auditEach(
    runner: CommandRunner,
    key: string,
    commands: readonly (readonly string[])[],
  ): Promise<void> {
    const { keyspace } = runner
    for (const [index, command] of commands.entries()) {
      runner.isAlive(Buffer.from(key))
      const regions = 1 << keyspace.entry.region.index
      const audit = new PinAudit(keyspace, regions)
      const handle = keyspace.pins.begin(keyspace.generation, regions, LIMITS, 0)
      runner.run(...command)
      expect(audit.lost(handle), `${index} ${command.join(' ')}`).toEqual([])
      keyspace.pins.breakAll()
      freeAll(keyspace)
    }
  }

  it('may split or merge a page, or grow or halve a directory', async () => {
    const runner = makeRunner(1 << 20)
    const value = 'v'.repeat(30)
    const fields = Array.from({ length: 900 }, (_, i) => `f${i}`)
    for (const field of fields.slice(0, 400)) runner.run('HSET', 'h', field, value)
    await auditEach(
      runner,
      'h',
      fields.slice(400).map((field) => ['HSET', 'h', field, value]),
    )
    await auditEach(
      runner,
      'h',
      fields.slice(0, 890).map((field) => ['HDEL', 'h', field]),
    )
    checkKeyspace(runner.keyspace)
  })

  it('may split, fill, empty or merge nodes of an index', async () => {
    const runner = makeRunner(1 << 20)
    const members = Array.from({ length: 700 }, (_, i) => [String((i * 7919) % 700), `m${i}${'x'.repeat(20)}`])
    for (const [score, member] of members.slice(0, 300)) runner.run('ZADD', 'z', score!, member!)
    const adding = members.slice(300).map(([score, member]) => ['ZADD', 'z', score!, member!])
    await auditEach(runner, 'z', adding)
    await auditEach(
      runner,
      'z',
      members.slice(0, 690).map(([, member]) => ['ZREM', 'z', member!]),
    )
    checkKeyspace(runner.keyspace)
  })

  it('may lengthen a long string, node by node and index by index', async () => {
    const runner = makeRunner(1 << 20)
    runner.run('SET', 's', Buffer.alloc(20_000))
    const lengths = Array.from({ length: 120 }, (_, i) => 20_000 + i * 9_000)
    await auditEach(
      runner,
      's',
      lengths.map((length) => ['SETRANGE', 's', String(length), 'x']),
    )
    await auditEach(
      runner,
      's',
      lengths.map((length) => ['SETRANGE', 's', String(length - 5000), 'y']),
    )
    checkKeyspace(runner.keyspace)
  })

  it('may make, fill or leave overflow pages', async () => {
    const hashSeed = new SeededRandom(11).bytes(16)
    const keyspace = new Keyspace({ databaseCount: 1, hashSeed })
    const runner = new CommandRunner(families, { keyspace })
    const keys = collidingKeys(hashSeed, 300, new SeededRandom(12))
    const valuesIn = (of: KeyspaceReads): (string | undefined)[] =>
      keys.map((key) => (of.lookup(0, key, 0, key.length) ? of.entry.toBuffer().toString() : undefined))
    for (const key of keys) runner.run('SET', key, 'v')
    for (const command of ['DEL', 'SET']) {
      const before = valuesIn(keyspace)
      const pinned = new PinnedKeyspace(pinAll(keyspace))
      for (const key of keys.slice(20)) runner.run(command, key, ...(command === 'SET' ? ['w'.repeat(40)] : []))
      expect(valuesIn(pinned)).toEqual(before)
      expect(valuesIn(keyspace)).not.toEqual(before)
      pinned.close()
      await allEnded(keyspace)
    }
  })
})

describe('a pin in another thread', () => {
  const makeWorker = (): Worker => new Worker(new URL('../../support/pin-reader.mjs', import.meta.url))

  /** What the thread made of a pin, while `write` was called again and again; undefined: it came to no end in that time. */
  async function readBeside(
    worker: Worker,
    handle: PinHandle,
    write: () => void,
    timeoutMs = 30_000,
  ): Promise<ThreadResult | undefined> {
    let result: ThreadResult | undefined
    worker.once('message', (message: ThreadResult) => {
      result = message
    })
    worker.postMessage(handle, [handle.port])
    for (const endMs = performance.now() + timeoutMs; result === undefined && performance.now() < endMs;) {
      write()
      await new Promise((resolve) => setImmediate(resolve))
    }
    return result
  }

  it('is of one moment', async () => {
    const runner = makeRunner()
    const { keyspace } = runner
    const load = new LargeValueLoad(runner, new SeededRandom(11))
    load.fill()
    const worker = makeWorker()
    let keptReads = 0
    for (let round = 0; round < 6; round++) {
      const expected = datasetDigest(keyspace)
      const result = await readBeside(worker, pinAll(keyspace), () => {
        load.run(100)
        keyspace.freeSlice(1)
      })
      expect(result?.digest).toBe(expected)
      keptReads += result?.keptReads ?? 0
      await allEnded(keyspace)
    }
    expect(keptReads).toBeGreaterThan(0)
    checkKeyspace(keyspace)
    await worker.terminate()
  })

  it('is read wrongly when changes are not told', async () => {
    const runner = makeRunner()
    const { keyspace } = runner
    const load = new LargeValueLoad(runner, new SeededRandom(12))
    load.fill()
    const expected = datasetDigest(keyspace)
    const worker = makeWorker()
    const handle = pinAll(keyspace)
    for (const { memory } of keyspace.generation.regions) memory.keep = () => {}
    load.run(2000)
    // Nodes of a list that changes can lead in a circle, for ever: that, too, is no digest of the dataset.
    const result = await readBeside(worker, handle, () => load.run(100), 5000)
    await worker.terminate()
    expect(result?.digest).not.toBe(expected)
  })

  it('ends with the thread', async () => {
    const runner = makeRunner()
    const { keyspace } = runner
    new LargeValueLoad(runner, new SeededRandom(13)).fill()
    const worker = new Worker('setInterval(() => {}, 1000)', { eval: true })
    await once(worker, 'online')
    const handle = pinAll(keyspace)
    worker.postMessage(handle, [handle.port])
    expect(keyspace.pins.count).toBe(1)
    await worker.terminate()
    await allEnded(keyspace)
  })
})

describe('the limits of pins', () => {
  it('break a pin for which too much would be kept, and free that', async () => {
    const runner = makeRunner()
    const { keyspace } = runner
    const load = new LargeValueLoad(runner, new SeededRandom(21))
    load.fill()
    freeAll(keyspace)
    const limits = { ...LIMITS, bytesMax: 64 << 10 }
    const pinned = new PinnedKeyspace(keyspace.pins.begin(keyspace.generation, EVERY_REGION, limits, 0))
    expect(pinned.keyCount).toBe(keyspace.keyCount)
    load.run(5000)
    expect(keyspace.pins.broken).toBe(1)
    expect(keyspace.pins.count).toBe(0)
    expect(() => contentsOf(pinned)).toThrow(expect.objectContaining({ code: 'PIN_BROKEN' }))
    freeAll(keyspace)
    checkKeyspace(keyspace)
  })

  it('break a pin that lasts too long, and only that', () => {
    const runner = makeRunner()
    const { keyspace } = runner
    runner.run('SET', 'key', 'value')
    const limits = { ...LIMITS, durationMsMax: 1000 }
    const short = new PinnedKeyspace(keyspace.pins.begin(keyspace.generation, EVERY_REGION, limits, 5000))
    const long = new PinnedKeyspace(keyspace.pins.begin(keyspace.generation, EVERY_REGION, LIMITS, 5000))
    keyspace.pins.breakOverdue(6000)
    expect(keyspace.pins.count).toBe(2)
    keyspace.pins.breakOverdue(6001)
    expect(() => contentsOf(short)).toThrow(expect.objectContaining({ code: 'PIN_BROKEN' }))
    expect(contentsOf(long)).toEqual(contentsOf(keyspace))
  })

  it('break one pin that has to give way', () => {
    const { keyspace } = makeRunner()
    const [first, second] = [keyspace.pin(LIMITS, 0), keyspace.pin(LIMITS, 0)]
    keyspace.pins.breakOne(first.serial)
    keyspace.pins.breakOne(first.serial)
    expect(keyspace.pins).toMatchObject({ broken: 1, count: 1 })
    expect(new PinnedKeyspace(first).isBroken).toBe(true)
    expect(new PinnedKeyspace(second).isBroken).toBe(false)
  })

  it('refuse more pins than there are words for', () => {
    const runner = makeRunner()
    const { keyspace } = runner
    for (let i = 0; i < PINS_MAX; i++) pinAll(keyspace)
    expect(() => pinAll(keyspace)).toThrow(expect.objectContaining({ code: 'PIN_LIMIT' }))
    keyspace.pins.breakAll()
    expect(keyspace.pins.count).toBe(0)
    pinAll(keyspace)
  })

  it('break pins, and not the writer, when memory ends', () => {
    const runner = makeRunner(1 << 20)
    const { keyspace } = runner
    const value = Buffer.alloc(9_000_000, 1)
    runner.run('SET', 'large', value)
    const before = keyspace.usedBytes
    pinAll(keyspace)
    for (let at = 0; at < value.length; at += 16_384) {
      expect(runner.text('SETRANGE', 'large', at, 'x')).toBe(`:${value.length}\r\n`)
    }
    expect(keyspace.pins.broken).toBe(1)
    expect(keyspace.pins.count).toBe(0)
    freeAll(keyspace)
    checkKeyspace(keyspace)
    expect(keyspace.usedBytes).toBeLessThan(before * 2)
  })

  it('break pins when the writer has no memory for what is new', () => {
    const runner = makeRunner(1 << 20)
    const { keyspace } = runner
    const value = Buffer.alloc(9_000_000, 1)
    runner.run('SET', 'large', value)
    pinAll(keyspace)
    expect(runner.text('DEL', 'large')).toBe(':1\r\n')
    freeAll(keyspace)
    expect(keyspace.usedBytes).toBeGreaterThan(value.length)
    expect(runner.text('SET', 'large', value.fill(2))).toBe('+OK\r\n')
    expect(keyspace.pins).toMatchObject({ broken: 1, count: 0 })
    freeAll(keyspace)
    expect(runner.run('GET', 'large').includes(value)).toBe(true)
    checkKeyspace(keyspace)
  })

  it.each([0, 1])('hold nothing that the writer needs once they have ended, with %i that go on', (goOn) => {
    const runner = makeRunner(1 << 20)
    const { keyspace } = runner
    const value = Buffer.alloc(9_000_000, 1)
    runner.run('SET', 'large', value)
    pinAll(keyspace)
    runner.run('DEL', 'large')
    freeAll(keyspace)
    keyspace.pins.breakAll()
    if (goOn === 1) pinAll(keyspace)
    // Before the slices that would have freed what was kept.
    expect(runner.text('SET', 'large', value.fill(2))).toBe('+OK\r\n')
    expect(keyspace.pins).toMatchObject({ broken: 1, count: goOn })
    keyspace.pins.breakAll()
    freeAll(keyspace)
    expect(keyspace.keptForPinsBytes).toBe(0)
    checkKeyspace(keyspace)
  })

  it('leave nothing behind when a flush comes before what they left is freed, nor do those after', () => {
    const runner = makeRunner(1 << 20)
    const { keyspace } = runner
    const { generation } = keyspace
    const value = Buffer.alloc(9_000_000, 1)
    runner.run('SET', 'large', value)
    keyspace.pinKey(0, Buffer.from('large'), LIMITS, 0)
    runner.run('DEL', 'large')
    freeAll(keyspace)
    // The writer needs the memory at once: nothing is left for the slice that waits.
    runner.run('SET', 'large', value)
    expect(keyspace.pins.isHolding(generation)).toBe(false)
    expect(keyspace.lazyFreePending).toBeGreaterThan(0)
    runner.run('FLUSHALL')
    expect(keyspace.generation, 'flushed in place').toBe(generation)
    expect(keyspace.lazyFreePending).toBe(0)
    pinAll(keyspace)
    runner.run('SET', 'key', 'value')
    keyspace.pins.breakAll()
    expect(keyspace.pins.isHolding(generation)).toBe(true)
    freeAll(keyspace)
    expect(keyspace.pins.isHolding(generation)).toBe(false)
    expect(keyspace.keptForPinsBytes).toBe(0)
    checkKeyspace(keyspace)
  })
})

describe('several pins', () => {
  it('show each its own moment, in whatever order they end', async () => {
    const runner = makeRunner()
    const { keyspace } = runner
    const random = new SeededRandom(31)
    const load = new LargeValueLoad(runner, random)
    load.fill()
    const open: { pinned: PinnedKeyspace; contents: ReadonlyMap<string, string> }[] = []
    for (let round = 0; round < 12; round++) {
      if (open.length < 4) open.push({ contents: contentsOf(keyspace), pinned: new PinnedKeyspace(pinAll(keyspace)) })
      load.run(300)
      if (round % 3 === 2) {
        const [ended] = open.splice(random.int(0, open.length - 1), 1)
        ended!.pinned.close()
        await new Promise((resolve) => setImmediate(resolve))
      }
      keyspace.freeSlice(1)
      for (const { pinned, contents } of open) expect(contentsOf(pinned)).toEqual(contents)
    }
    for (const { pinned } of open) pinned.close()
    await allEnded(keyspace)
    checkKeyspace(keyspace)
  })

  it('outlive a flush, which leaves their generation alone', async () => {
    const runner = makeRunner()
    const { keyspace } = runner
    const load = new LargeValueLoad(runner, new SeededRandom(32))
    load.fill()
    const before = contentsOf(keyspace)
    const pinned = new PinnedKeyspace(pinAll(keyspace))
    keyspace.begin()
    keyspace.swapDatabases(0, 2)
    keyspace.end()
    load.run(500)
    keyspace.begin()
    keyspace.flushAll()
    keyspace.end()
    load.run(500)
    expect(contentsOf(pinned)).toEqual(before)
    pinned.close()
    await allEnded(keyspace)
    checkKeyspace(keyspace)
  })
})
