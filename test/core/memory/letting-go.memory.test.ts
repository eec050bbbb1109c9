/** A generation that was replaced is let go of: nothing of this thread holds its memory once it has collected. */
import {
  dataCommandFamilies,
  ElementTable,
  Keyspace,
  LibraryStore,
  PinnedKeyspace,
  READ_PATIENCE_MS,
  Readers,
  SharedKeyspace,
} from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { collectUntil } from '../../support/collected.ts'
import { CommandRunner } from '../../support/command-runner.ts'
import { LargeValueLoad } from '../../support/large-value-load.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

const LIMITS = { bytesMax: 1 << 30, durationMsMax: 3_600_000 }
const families = dataCommandFamilies({
  libraries: new LibraryStore(),
  memory: () => {
    throw new Error('nobody asks')
  },
})

function loaded(): CommandRunner {
  const runner = new CommandRunner(families, {
    keyspace: new Keyspace({ databaseCount: 2, segmentBytesMax: 16 << 20 }),
    nowMs: 1_900_000_000_000,
  })
  const load = new LargeValueLoad(runner, new SeededRandom(5))
  load.fill()
  load.run(800)
  // Long keys have registers of their own.
  runner.run('SET', 'k'.repeat(20_000), 'v'.repeat(100_000))
  runner.run('APPEND', 'k'.repeat(20_000), 'w')
  return runner
}

/** Every segment of the generation at hand. */
function segmentsOf({ generation }: Keyspace): WeakRef<SharedArrayBuffer>[] {
  return generation.regions.flatMap(({ memory }) => memory.segments.map((segment) => new WeakRef(segment)))
}

/** How many of them are still there when this thread has collected. */
async function heldOf(segments: WeakRef<SharedArrayBuffer>[]): Promise<number> {
  let held = segments.length
  await collectUntil(() => (held = segments.filter((segment) => segment.deref() !== undefined).length) === 0)
  return held
}

/** Registers that are garbage themselves keep nothing alive. */
it('what is collected includes registers, and what they name', async () => {
  const named = (): WeakRef<object> => {
    const table = new ElementTable()
    const value = {}
    Object.assign(table, { named: value })
    return new WeakRef(value)
  }
  const references = Array.from({ length: 10 }, named)
  expect(await collectUntil(() => references.every((reference) => reference.deref() === undefined))).toBe(true)
})

function keysOf(pinned: PinnedKeyspace): number {
  let keys = 0
  pinned.forEach(0, () => keys++)
  return keys
}

function replace(keyspace: Keyspace): void {
  keyspace.begin()
  keyspace.swapGeneration(keyspace.newGeneration(2))
  keyspace.end()
}

describe('a generation that was replaced', () => {
  it('is held by no register of the commands that ran over it', async () => {
    const { keyspace } = loaded()
    const segments = segmentsOf(keyspace)
    replace(keyspace)
    expect(await heldOf(segments)).toBe(0)
    expect(keyspace.keyCount).toBe(0)
  })

  it('is not held by compaction, whether it was at work or had finished', async () => {
    for (const steps of [1, 10_000]) {
      const { keyspace } = loaded()
      keyspace.compaction.begin(0, 0)
      for (let i = 0; i < steps && keyspace.compaction.isRunning; i++) keyspace.compaction.step(1)
      const segments = segmentsOf(keyspace)
      replace(keyspace)
      expect(await heldOf(segments)).toBe(0)
      expect(keyspace.keyCount).toBe(0)
    }
  })

  it('is not held by a reader that has heard of the next one', async () => {
    const { keyspace } = loaded()
    // Kept, as what is in `workerData` is.
    const handle = new Readers(keyspace).attach()
    const reader = new SharedKeyspace(handle)
    const keysOfReader = (): number => {
      let keys = 0
      const run = (): void => {
        keys = 0
        reader.forEach(0, ({ isLarge }) => {
          keys++
          if (isLarge) reader.openLarge()
        })
      }
      reader.attempt({ run, undo: () => {} }, READ_PATIENCE_MS)
      return keys
    }
    expect(keysOfReader()).toBe(keyspace.size(0))
    const segments = segmentsOf(keyspace)
    replace(keyspace)
    expect(keysOfReader()).toBe(0)
    expect(await heldOf(segments)).toBe(0)
    expect(handle.port).toBeDefined()
    reader.close()
  })

  it('is held by its pins, and not when they have ended', async () => {
    const { keyspace } = loaded()
    const pinned: PinnedKeyspace[] = []
    for (let i = 0; i < 2; i++) pinned.push(new PinnedKeyspace(keyspace.pin(LIMITS, 0)))
    // Something is kept, and something waits to be freed.
    keyspace.begin()
    keyspace.delete(0, Buffer.from('s:0'), 0, 3)
    keyspace.end()
    pinned.pop()?.close()
    await new Promise((resolve) => setTimeout(resolve, 20))
    const keys = pinned[0]!.size(0)
    const segments = segmentsOf(keyspace)
    replace(keyspace)
    expect(await heldOf(segments)).toBe(segments.length)
    expect(keysOf(pinned[0]!)).toBe(keys)
    pinned[0]!.close()
    expect(await heldOf(segments)).toBe(0)
    expect(keyspace.pins.count).toBe(0)
  })
})

describe('what a reader builds in an attempt', () => {
  const BLOCK_BYTES = 16_384

  /** Takes so many blocks for a result, in one attempt. */
  function segmentsOfResult(reader: SharedKeyspace, blocks: number): WeakRef<SharedArrayBuffer>[] {
    let segments: WeakRef<SharedArrayBuffer>[] = []
    const run = (): void => {
      const { arena, memory } = reader.targetRegion
      for (let i = 0; i < blocks; i++) arena.allocate(BLOCK_BYTES)
      segments = memory.segments.map((segment) => new WeakRef(segment))
    }
    reader.attempt({ run, undo: () => {} }, READ_PATIENCE_MS)
    return segments
  }

  it('goes back to the system when it was much, and is used again when it was not', async () => {
    const { keyspace } = loaded()
    const reader = new SharedKeyspace(new Readers(keyspace).attach())
    const little = segmentsOfResult(reader, 4)
    expect(segmentsOfResult(reader, 4)[0]!.deref()).toBe(little[0]!.deref())
    expect(await heldOf(segmentsOfResult(reader, 1000))).toBe(0)
    expect(keyspace.keyCount).toBeGreaterThan(0)
  })
})
