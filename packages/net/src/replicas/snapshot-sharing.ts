/**
 * Which replica gets which snapshot, and when one is begun. Replicas that want the same are given the same one: those that
 * wait when it is begun, and those that come while all of it and of the stream behind it can still be had.
 *
 * repl-diskless-sync-delay: for replicas that take a snapshot as it is made Redis waits a while, so that more may come. The
 * delay is kept, as operators count on it; with `repl-diskless-sync no` nobody waits.
 *
 * Source: redis 7.0 replication.c syncCommand(), shouldStartChildReplication().
 */
import type { SnapshotPosition } from '@understudy/core/internal'
import type { Snapshot, SnapshotRequest } from './snapshot-source.ts'

export interface SharingTimes {
  /** How long the first may have to wait for others, milliseconds. */
  readonly delayMs: number
  /** So many need not wait; 0: no number is enough. */
  readonly enoughReplicas: number
}

/** A replica that waits for a snapshot. */
export interface Waiting<Replica> {
  readonly replica: Replica
  readonly request: SnapshotRequest
  readonly sinceMs: number
}

/** Replicas that get one snapshot that is to be begun. */
export interface DueSnapshot<Replica> {
  readonly request: SnapshotRequest
  readonly replicas: readonly Replica[]
}

/** A snapshot under way, or kept. */
export interface SharedSnapshot {
  readonly snapshot: Snapshot
  readonly request: SnapshotRequest
  readonly position: SnapshotPosition
  /** Replicas that have it yet to read, or read it. */
  users: number
}

export function wantsSame(one: SnapshotRequest, other: SnapshotRequest): boolean {
  return (
    one.rdbVersion === other.rdbVersion &&
    one.needsLength === other.needsLength &&
    one.filter.data === other.filter.data &&
    one.filter.functions === other.filter.functions
  )
}

/** What is to be begun now; those who are to wait stay out of it. */
export function dueSnapshots<Replica>(
  waiting: readonly Waiting<Replica>[],
  nowMs: number,
  times: SharingTimes,
): DueSnapshot<Replica>[] {
  const groups: Waiting<Replica>[][] = []
  for (const one of waiting) {
    const group = groups.find(([first]) => wantsSame(first!.request, one.request))
    if (group === undefined) groups.push([one])
    else group.push(one)
  }
  return groups
    .filter((group) => isDue(group, nowMs, times))
    .map((group) => ({ request: group[0]!.request, replicas: group.map(({ replica }) => replica) }))
}

function isDue<Replica>(group: readonly Waiting<Replica>[], nowMs: number, times: SharingTimes): boolean {
  if (times.enoughReplicas > 0 && group.length >= times.enoughReplicas) return true
  return group.some(({ sinceMs, request }) => request.needsLength || nowMs - sinceMs >= times.delayMs)
}
