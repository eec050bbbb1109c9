/**
 * Who makes the snapshots that replicas below are given in a full resync. The rest of this folder knows no RDB: it asks for
 * a snapshot of the data as they are in this turn of the event loop and passes bytes on, to one replica or to several.
 */
import type { SnapshotFilter } from './introduction.ts'

/** What is in a snapshot, and how it is written. */
export interface SnapshotContent {
  /** Version of the format that its readers know. */
  readonly rdbVersion: number
  readonly filter: SnapshotFilter
}

/** What a replica wants. */
export interface SnapshotWish extends SnapshotContent {
  /** It has to be told the length before the first byte: it takes no end mark, or is not to (repl-diskless-sync). */
  readonly needsLength: boolean
}

export interface SnapshotRequest extends SnapshotContent {
  /** There are readers that take it as it is made. */
  readonly isLive: boolean
  /** There are readers that need its length. */
  readonly isCounted: boolean
}

export interface SnapshotSource {
  /** Snapshots that may be under way. */
  readonly snapshotsMax: number
  /** Those of them that do not wait for their readers. */
  readonly snapshotsAtWorkMax: number
  /**
   * Begins a snapshot of the data as they are now, with their position in the history; what is written afterwards is not in it.
   * Never throws: failing is the business of its readers.
   */
  begin(request: SnapshotRequest): Snapshot
}

/** One snapshot, until `close`. */
export interface Snapshot {
  /** Is it still being made? */
  readonly isUnderWay: boolean
  /** Is it not being made at the moment, because a reader is slower? */
  readonly isHeldUp: boolean
  /**
   * For one more target, which reads at its own pace; always in the turn in which the snapshot was begun, and later as long as
   * all of it can still be had.
   */
  open(needsLength: boolean): SnapshotReader | undefined
  /** Nobody will open it any more, and nobody reads it: it is given up. */
  close(): void
}

export interface SnapshotReader {
  /**
   * Fulfilled when there is something to read: with the length in bytes, or undefined when that is known only at the end.
   * @throws what it could not be made for: the data are not for this version, the disk is full.
   */
  readonly ready: Promise<number | undefined>
  /** Milliseconds that others had to wait for this reader, in all. */
  readonly heldUpMs: number
  /** The next piece, borrowed until the next call; undefined at the end. */
  read(): Promise<Buffer | undefined>
  close(): void
}
