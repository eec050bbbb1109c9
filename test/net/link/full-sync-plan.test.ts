/** What is done with a full resync, by mode, room, and whether a snapshot without keys would be refused. */
import { describe, expect, it } from 'vitest'
import type { FullSync } from '@understudy/core/internal'
import { type FullSyncFacts, fullSyncGate, type FullSyncQuestion, planFullSync } from '@understudy/net/internal'

const COUNTED = { kind: 'length', byteLength: 1000 } as const
const MARKED = { kind: 'mark', endMark: new Uint8Array(40) } as const

interface Case {
  readonly mode?: FullSyncQuestion['mode']
  readonly guards?: boolean
  /** Do two datasets fit? */
  readonly fits?: boolean
  readonly lowMemory?: 'flush' | 'hold' | 'load'
  readonly accepts?: boolean
  readonly keys?: number
  readonly framing?: FullSyncQuestion['framing']
  readonly sync?: FullSync
}

function plan(given: Case): ReturnType<typeof planFullSync> {
  const { mode = 'swapdb', guards = true, fits = false, lowMemory = 'flush', accepts = false, keys = 10 } = given
  const { sync = { replid: 'c', offset: 1, known: true } } = given
  const facts: FullSyncFacts = {
    policy: () => 'always',
    lowMemory: () => lowMemory,
    refusesEmptyPrimary: () => guards,
    maxmemory: () => (fits ? 1_000_000 : 1000),
    history: () => ({ replid: 'a', replid2: 'b' }),
    keyCount: () => keys,
    datasetBytes: () => 900,
  }
  const gate = fullSyncGate(facts)
  return planFullSync({ mode, framing: given.framing ?? MARKED, sync, wasEmpty: keys === 0, accepts, gate })
}

const BESIDE = { do: 'load', dropsFirst: false }
const DROPS = { do: 'load', dropsFirst: true }
const HELD = {
  do: 'hold',
  why: expect.stringMatching(
    /^the new data are estimated at .*maxmemory is .*full-sync-low-memory flush.*refuse-empty-primary yes.*FULLRESYNC ACCEPT/,
  ),
}

describe.each([
  ['counted', COUNTED],
  ['with an end mark', MARKED],
])('a snapshot that is %s', (_, framing) => {
  it.each(['disabled', 'swapdb', 'on-empty-db', 'flush-before-load', 'flushdb'] as const)(
    '%s: with refuse-empty-primary nothing is dropped before the new data are known',
    (mode) => {
      expect(plan({ mode, framing, fits: true })).toMatchObject(BESIDE)
      expect(plan({ mode, framing })).toEqual(HELD)
      expect(plan({ mode, framing, lowMemory: 'load' })).toMatchObject(BESIDE)
      expect(plan({ mode, framing, lowMemory: 'hold' })).toMatchObject({ do: 'hold' })
    },
  )
})

it.each(['disabled', 'swapdb', 'on-empty-db'] as const)('%s: whoever accepts accepts that they are dropped', (mode) => {
  expect(plan({ mode, accepts: true })).toMatchObject({ ...DROPS, shortage: expect.stringContaining('maxmemory') })
  expect(plan({ mode, accepts: true, lowMemory: 'hold' })).toMatchObject(BESIDE)
})

it.each(['flush-before-load', 'flushdb'] as const)('%s drops as ever when nothing is guarded', (mode) => {
  const fits = true
  expect(plan({ mode, fits, accepts: true })).toEqual({ ...DROPS, usesFile: false })
  expect(plan({ mode, fits, guards: false })).toEqual({ ...DROPS, usesFile: false })
  expect(plan({ mode, fits, keys: 0 })).toEqual({ ...DROPS, usesFile: false })
})

it('without the guard want of room drops the old data', () => {
  expect(plan({ guards: false })).toMatchObject({ ...DROPS, shortage: expect.any(String) })
  expect(plan({ keys: 0 })).toMatchObject(BESIDE)
})

describe('what the new data are taken for', () => {
  const DATASET_BYTES = 1_000_000
  const needed = (sync: FullSync, snapshotBytes: number | undefined): number => {
    const facts: FullSyncFacts = {
      policy: () => 'always',
      lowMemory: () => 'hold',
      refusesEmptyPrimary: () => false,
      maxmemory: () => 1,
      history: () => ({ replid: 'a', replid2: 'b' }),
      keyCount: () => 1,
      datasetBytes: () => DATASET_BYTES,
    }
    // What fits is not told, so the limit is moved until it does.
    const fits = (maxmemory: number): boolean =>
      fullSyncGate({ ...facts, maxmemory: () => maxmemory }).roomForTwo(sync, snapshotBytes).do === 'load'
    let [low, high] = [1, 1e9]
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if (fits(middle)) high = middle
      else low = middle + 1
    }
    return low - DATASET_BYTES
  }

  it.each(['a', 'b'])('%s, a history of ours: as much as the present data at least', (replid) => {
    const sync = { replid, offset: 1, known: true }
    expect(needed(sync, 1000)).toBe(DATASET_BYTES)
    expect(needed(sync, 2_000_000)).toBe(3_000_000)
    expect(needed(sync, undefined)).toBe(DATASET_BYTES)
  })

  it('another history, or none: by the length, if there is one', () => {
    for (const sync of [
      { replid: 'c', offset: 1, known: true },
      { replid: 'a', offset: 0, known: false },
    ]) {
      expect(needed(sync, 1000)).toBe(1500)
      expect(needed(sync, undefined)).toBe(DATASET_BYTES)
    }
  })
})
