/** What a unit of compaction looks at, and what it leaves for later ones, when a single thing in a value is very large. */
import { strict as assert } from 'node:assert'
import {
  datasetDigest,
  keyCommands,
  listCommands,
  OrderedIndexCursor,
  REGION_COUNT,
  RegionView,
  streamCommands,
  stringCommands,
} from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'
import { checkKeyspace } from '../../support/keyspace-check.ts'

const NOW_MS = 1_800_000_000_000

function makeRunner(): CommandRunner {
  return new CommandRunner([stringCommands, keyCommands, streamCommands, listCommands], { nowMs: NOW_MS })
}

/** Makes keys between which the blocks of `make` lie, and deletes them. */
function scatter(runner: CommandRunner, count: number, make: (i: number) => void): void {
  for (let i = 0; i < count; i++) {
    for (let filler = 0; filler < 8; filler++) runner.run('SET', `filler:${i}:${filler}`, 'f'.repeat(filler * 30))
    make(i)
  }
  for (let i = 0; i < count; i++) for (let filler = 0; filler < 8; filler++) runner.run('DEL', `filler:${i}:${filler}`)
}

/** Compacts every region, worth it or not, a unit at a time. @param unit is called around each. */
function compactAll({ keyspace }: CommandRunner, unit: (step: () => boolean) => boolean): void {
  const { compaction } = keyspace
  for (let regions = 0; regions < REGION_COUNT; regions++) {
    while (keyspace.freeSlice(50));
    if (!compaction.begin(-1, -1)) continue
    // An evacuation waits for what is to be freed.
    while (unit(() => compaction.step(0))) keyspace.freeSlice(0)
  }
  while (keyspace.freeSlice(50));
}

interface Looks {
  /** Loads of index nodes, and the leaves among them. */
  nodes: number
  readonly leaves: Set<number>
  /** Nodes of chunked values. */
  chunks: number
}

/** Counts what `run` looks at, by wrapping the one way to get there. */
function counting(run: (looks: Looks) => void): void {
  const cursor = OrderedIndexCursor.prototype as unknown as { load: (node: number, level: number) => boolean }
  const region = RegionView.prototype as unknown as { nodeOf: (root: number, length: number, index: number) => number }
  const { load } = cursor
  const { nodeOf } = region
  const looks: Looks = { nodes: 0, leaves: new Set(), chunks: 0 }
  cursor.load = function (node, level) {
    looks.nodes++
    if (level === 0) looks.leaves.add(node)
    return load.call(this, node, level)
  }
  region.nodeOf = function (root, length, index) {
    looks.chunks++
    return nodeOf.call(this, root, length, index)
  }
  try {
    run(looks)
  } finally {
    cursor.load = load
    region.nodeOf = nodeOf
  }
}

const PENDING = 100_000

/** A stream of which everything is pending for two consumers. */
function makePending(runner: CommandRunner, entries: number): void {
  runner.run('XGROUP', 'CREATE', 's', 'g', '0', 'MKSTREAM')
  scatter(runner, entries / 100, (i) => {
    for (let entry = i * 100; entry < i * 100 + 100; entry++) runner.run('XADD', 's', `1-${entry + 1}`, 'f', entry)
    runner.run('XREADGROUP', 'GROUP', 'g', i % 10 === 0 ? 'few' : 'many', 'COUNT', 100, 'STREAMS', 's', '>')
  })
  while (runner.keyspace.freeSlice(50));
}

describe('a unit of compaction', () => {
  it('looks at some leaves, however many entries are pending for a consumer', () => {
    const runner = makeRunner()
    makePending(runner, PENDING)
    const { keyspace } = runner
    const before = datasetDigest(keyspace)
    const all = new Set<number>()
    let nodes = 0
    let leaves = 0
    counting((looks) => {
      compactAll(runner, (step) => {
        looks.nodes = 0
        looks.leaves.clear()
        const goesOn = step()
        nodes = Math.max(nodes, looks.nodes)
        leaves = Math.max(leaves, looks.leaves.size)
        for (const leaf of looks.leaves) all.add(leaf)
        return goesOn
      })
    })
    expect(all.size).toBeGreaterThan(PENDING / 127)
    expect(leaves).toBeLessThan(200)
    expect(nodes).toBeLessThan(40_000)
    expect(keyspace.compaction).toMatchObject({ abandoned: 0, isRunning: false })
    expect(keyspace.compaction.droppedBytes).toBeGreaterThan(0)
    expect(datasetDigest(keyspace)).toBe(before)
    checkKeyspace(keyspace)
  })

  it('goes on in a long element of a list where the last one stopped', () => {
    const runner = makeRunner()
    const nodeCount = 1024
    scatter(runner, 100, (i) => {
      runner.run('RPUSH', 'l', `element:${i}`)
      if (i % 40 === 10) runner.run('RPUSH', 'l', 'e'.repeat(nodeCount * 16_384))
    })
    const { keyspace } = runner
    const before = datasetDigest(keyspace)
    let most = 0
    let sum = 0
    counting((looks) => {
      compactAll(runner, (step) => {
        looks.chunks = 0
        const goesOn = step()
        most = Math.max(most, looks.chunks)
        sum += looks.chunks
        return goesOn
      })
    })
    expect(most).toBeLessThan(nodeCount)
    expect(sum, 'some walks, each node once').toBeLessThan(nodeCount * 3 * 4)
    expect(datasetDigest(keyspace)).toBe(before)
    checkKeyspace(keyspace)
  })
})

describe('a consumer that is being moved', () => {
  const entries = 10_000

  /** The same commands with and without compaction between them. */
  function run(between: (compacted: CommandRunner, plain: CommandRunner, unit: number) => boolean): CommandRunner {
    const compacted = makeRunner()
    const plain = makeRunner()
    for (const runner of [compacted, plain]) makePending(runner, entries)
    let units = 0
    let goesOn = true
    compactAll(compacted, (step) => {
      if (!goesOn || !step()) return false
      goesOn = between(compacted, plain, units++)
      return goesOn
    })
    for (const runner of [compacted, plain]) while (runner.keyspace.freeSlice(50));
    expect(datasetDigest(compacted.keyspace)).toBe(datasetDigest(plain.keyspace))
    compacted.keyspace.compaction.cancel()
    checkKeyspace(compacted.keyspace)
    return compacted
  }

  it('is the consumer of what it had, and of what it gets meanwhile', () => {
    const both = (runners: readonly CommandRunner[], ...command: (string | number)[]): void => {
      const [first, ...others] = runners.map((runner) => runner.text(...command))
      for (const other of others) assert.equal(other, first)
    }
    let acknowledged = 1
    let added = entries
    run((compacted, plain, unit) => {
      const runners = [compacted, plain]
      both(runners, 'XPENDING', 's', 'g')
      both(runners, 'XPENDING', 's', 'g', '-', '+', 300)
      both(runners, 'XPENDING', 's', 'g', `1-${entries - 300}`, '+', 300)
      for (let i = 0; i < 20; i++) both(runners, 'XACK', 's', 'g', `1-${acknowledged++}`)
      both(
        runners,
        'XCLAIM',
        's',
        'g',
        ['few', 'many', 'new'][unit % 3]!,
        0,
        `1-${entries - unit * 3}`,
        `1-${unit * 50 + 7}`,
      )
      both(runners, 'XADD', 's', `1-${++added}`, 'f', 'v')
      both(runners, 'XREADGROUP', 'GROUP', 'g', unit % 2 === 0 ? 'few' : 'many', 'STREAMS', 's', '>')
      if (unit % 40 === 39) both(runners, 'XGROUP', 'DELCONSUMER', 's', 'g', 'new')
      return true
    })
  })

  it.each([
    ['its consumer', ['XGROUP', 'DELCONSUMER', 's', 'g', 'many']],
    ['its group', ['XGROUP', 'DESTROY', 's', 'g']],
    ['the stream', ['DEL', 's']],
  ])('leaves nothing behind when %s goes', (_, command) => {
    for (const stopAt of [5, 15, 30]) {
      run((compacted, plain, unit) => {
        if (unit !== stopAt) return true
        for (const runner of [compacted, plain]) runner.run(...command)
        return true
      })
    }
  })

  it('is moved on when compaction was called off', () => {
    for (const stopAt of [5, 15, 30]) {
      const compacted = run((_compacted, _plain, unit) => unit < stopAt)
      const { keyspace } = compacted
      const before = datasetDigest(keyspace)
      compactAll(compacted, (step) => step())
      expect(keyspace.compaction).toMatchObject({ abandoned: 0, isRunning: false })
      expect(datasetDigest(keyspace)).toBe(before)
      checkKeyspace(keyspace)
    }
  })
})
