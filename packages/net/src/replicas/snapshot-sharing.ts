/**
 * Which replica gets which snapshot, and when one is begun. Replicas that want the same are given the same one, whether they take it
 * as it is made or need its length: those that wait when it is begun, and those that come while all of it and of the stream
 * behind it can still be had.
 *
 * repl-diskless-sync-delay: for replicas that take a snapshot as it is made Redis waits a while, so that more may come. The
 * delay is kept, as operators count on it; with `repl-diskless-sync no` nobody waits.
 *
 * Source: redis 7.0 replication.c syncCommand(), shouldStartChildReplication().
 */
import type { SnapshotPosition } from '@understudy/core/internal'
import type { Snapshot, SnapshotContent, SnapshotRequest, SnapshotSource, SnapshotWish } from './snapshot-source.ts'

export interface SharingTimes {
  /** How long the first may have to wait for others, milliseconds. */
  readonly delayMs: number
  /** So many need not wait; 0: no number is enough. */
  readonly enoughReplicas: number
}

/** A replica that waits for a snapshot. */
export interface Waiting<Replica> {
  readonly replica: Replica
  readonly wish: SnapshotWish
  readonly sinceMs: number
}

/** Replicas that get one snapshot that is to be begun. */
export interface DueSnapshot<Replica> {
  readonly request: SnapshotRequest
  readonly waiting: readonly Waiting<Replica>[]
}

/** A snapshot under way, or kept. */
export interface SharedSnapshot {
  readonly snapshot: Snapshot
  readonly content: SnapshotContent
  readonly position: SnapshotPosition
  /** Replicas that have it yet to read, or read it. */
  users: number
}

export function isSame(one: SnapshotContent, other: SnapshotContent): boolean {
  return (
    one.rdbVersion === other.rdbVersion &&
    one.filter.data === other.filter.data &&
    one.filter.functions === other.filter.functions
  )
}

/** How many may be begun beside those that there are: slow replicas must not keep others from getting any. */
export function roomForSnapshots(
  shared: readonly SharedSnapshot[],
  { snapshotsMax, snapshotsAtWorkMax }: Pick<SnapshotSource, 'snapshotsMax' | 'snapshotsAtWorkMax'>,
): number {
  const underWay = shared.filter(({ snapshot }) => snapshot.isUnderWay)
  const atWork = underWay.filter(({ snapshot }) => !snapshot.isHeldUp)
  return Math.min(snapshotsMax - underWay.length, snapshotsAtWorkMax - atWork.length)
}

/** What is to be begun now; those who are to wait stay out of it. */
export function dueSnapshots<Replica>(
  waiting: readonly Waiting<Replica>[],
  nowMs: number,
  times: SharingTimes,
): DueSnapshot<Replica>[] {
  const groups: Waiting<Replica>[][] = []
  for (const one of waiting) {
    const group = groups.find(([first]) => isSame(first!.wish, one.wish))
    if (group === undefined) groups.push([one])
    else group.push(one)
  }
  return groups
    .filter((group) => isDue(group, nowMs, times))
    .map((group) => ({ request: requestOf(group.map(({ wish }) => wish)), waiting: group }))
}

/** A snapshot for all of them. */
function requestOf(wishes: readonly SnapshotWish[]): SnapshotRequest {
  const { rdbVersion, filter } = wishes[0]!
  const isLive = wishes.some(({ needsLength }) => !needsLength)
  return { rdbVersion, filter, isLive, isCounted: wishes.some(({ needsLength }) => needsLength) }
}

function isDue<Replica>(group: readonly Waiting<Replica>[], nowMs: number, times: SharingTimes): boolean {
  if (times.enoughReplicas > 0 && group.length >= times.enoughReplicas) return true
  return group.some(({ sinceMs, wish }) => wish.needsLength || nowMs - sinceMs >= times.delayMs)
}
