import { dueSnapshots, type SnapshotRequest, type Waiting } from '@understudy/net/internal'
import { expect, it } from 'vitest'

const EVERYTHING = { data: true, functions: true }
const MARK: SnapshotRequest = { rdbVersion: 10, filter: EVERYTHING, needsLength: false }
const LENGTH: SnapshotRequest = { rdbVersion: 10, filter: EVERYTHING, needsLength: true }
const NEWER: SnapshotRequest = { ...MARK, rdbVersion: 12 }

const waits = (replica: string, request: SnapshotRequest, sinceMs: number): Waiting<string> => ({
  replica,
  request,
  sinceMs,
})

it('replicas that want the same get one snapshot, when the first has waited long enough', () => {
  const waiting = [waits('a', MARK, 1000), waits('b', NEWER, 5000), waits('c', MARK, 5500)]
  const times = { delayMs: 5000, enoughReplicas: 0 }
  expect(dueSnapshots(waiting, 5999, times)).toEqual([])
  expect(dueSnapshots(waiting, 6000, times)).toEqual([{ request: MARK, replicas: ['a', 'c'] }])
  expect(dueSnapshots(waiting, 10_000, times)).toEqual([
    { request: MARK, replicas: ['a', 'c'] },
    { request: NEWER, replicas: ['b'] },
  ])
})

it('enough replicas do not wait, nor do those that have to be told the length', () => {
  const times = { delayMs: 5000, enoughReplicas: 2 }
  expect(dueSnapshots([waits('a', MARK, 0)], 1, times)).toEqual([])
  expect(dueSnapshots([waits('a', MARK, 0), waits('b', MARK, 0)], 1, times)).toHaveLength(1)
  expect(dueSnapshots([waits('a', LENGTH, 0)], 0, { delayMs: 5000, enoughReplicas: 0 })).toHaveLength(1)
})
