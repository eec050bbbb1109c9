import {
  dueSnapshots,
  roomForSnapshots,
  type SharedSnapshot,
  type SharingTimes,
  type SnapshotRequest,
  type SnapshotWish,
  type Waiting,
} from '@understudy/net/internal'
import { expect, it } from 'vitest'

const EVERYTHING = { data: true, functions: true }
const MARK: SnapshotWish = { rdbVersion: 10, filter: EVERYTHING, needsLength: false }
const LENGTH: SnapshotWish = { rdbVersion: 10, filter: EVERYTHING, needsLength: true }
const NEWER: SnapshotWish = { ...MARK, rdbVersion: 12 }
const NO_KEYS: SnapshotWish = { ...MARK, filter: { data: false, functions: true } }
const LIVE: SnapshotRequest = { rdbVersion: 10, filter: EVERYTHING, isLive: true, isCounted: false }

const waits = (replica: string, wish: SnapshotWish, sinceMs: number): Waiting<string> => ({ replica, wish, sinceMs })

/** What is begun, and who gets it. */
function due(waiting: readonly Waiting<string>[], nowMs: number, times: SharingTimes): [SnapshotRequest, string[]][] {
  return dueSnapshots(waiting, nowMs, times).map((one) => [one.request, one.waiting.map(({ replica }) => replica)])
}

it('replicas that want the same get one snapshot, when the first has waited long enough', () => {
  const waiting = [waits('a', MARK, 1000), waits('b', NEWER, 5000), waits('c', MARK, 5500), waits('d', NO_KEYS, 5500)]
  const times = { delayMs: 5000, enoughReplicas: 0 }
  expect(due(waiting, 5999, times)).toEqual([])
  expect(due(waiting, 6000, times)).toEqual([[LIVE, ['a', 'c']]])
  expect(due(waiting, 10_000, times)).toEqual([
    [LIVE, ['a', 'c']],
    [{ ...LIVE, rdbVersion: 12 }, ['b']],
  ])
})

it('enough replicas do not wait', () => {
  const times = { delayMs: 5000, enoughReplicas: 2 }
  expect(due([waits('a', MARK, 0)], 1, times)).toEqual([])
  expect(due([waits('a', MARK, 0), waits('b', MARK, 0)], 1, times)).toHaveLength(1)
})

it('nor do those that have to be told the length, nor who shares with them', () => {
  const times = { delayMs: 5000, enoughReplicas: 0 }
  const counted = { ...LIVE, isLive: false, isCounted: true }
  expect(due([waits('a', LENGTH, 0)], 0, times)).toEqual([[counted, ['a']]])
  const both = [waits('a', MARK, 0), waits('b', LENGTH, 1)]
  expect(due(both, 1, times)).toEqual([[{ ...counted, isLive: true }, ['a', 'b']]])
})

it('snapshots that wait for slow replicas keep no others from being begun, up to a bound', () => {
  const snapshot = (isUnderWay: boolean, isHeldUp: boolean): SharedSnapshot => ({
    snapshot: { isUnderWay, isHeldUp, open: () => undefined, close: () => {} },
    content: LIVE,
    position: { replid: 'a'.repeat(40), offset: 0, db: 0 },
    users: 1,
  })
  const room = (made: number, atWork: number, heldUp: number): number => {
    const shared = [
      ...Array.from({ length: made }, () => snapshot(false, false)),
      ...Array.from({ length: atWork }, () => snapshot(true, false)),
      ...Array.from({ length: heldUp }, () => snapshot(true, true)),
    ]
    return roomForSnapshots(shared, { snapshotsMax: 8, snapshotsAtWorkMax: 4 })
  }
  expect(room(9, 0, 0)).toBe(4)
  expect(room(0, 4, 0)).toBe(0)
  expect(room(0, 1, 3)).toBe(3)
  expect(room(0, 0, 4)).toBe(4)
  expect(room(0, 1, 6)).toBe(1)
  expect(room(0, 0, 8)).toBe(0)
})
