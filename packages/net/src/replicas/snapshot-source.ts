/**
 * Who makes the snapshots that replicas below are given in a full resync. The rest of this folder knows no RDB: it asks for
 * a snapshot of the data as they are in this turn of the event loop and passes bytes on, to one replica or to several.
 */
import type { SnapshotFilter } from './introduction.ts'

export interface SnapshotRequest {
  /** Version of the format that its readers know. */
  readonly rdbVersion: number
  readonly filter: SnapshotFilter
  /** Its readers have to be told its length before the first byte: they take no end mark. */
  readonly needsLength: boolean
}

export interface SnapshotSource {
  /**
   * Begins a snapshot of the data as they are now, with their position in the history; what is written afterwards is not in it.
   * Never throws: failing is the business of `ready` or of a reader.
   */
  begin(request: SnapshotRequest): Snapshot
}

/** One snapshot, until `close`. */
export interface Snapshot {
  /**
   * Fulfilled when readers can begin: with the length in bytes, or undefined when that is known only at the end (never if
   * `needsLength`).
   * @throws what it could not be made for: the data are not for this version, the disk is full.
   */
  readonly ready: Promise<number | undefined>
  /** May a replica that comes now still read all of it? */
  readonly isJoinable: boolean
  /** For one more target, which reads at its own pace. Once `ready`. */
  open(): SnapshotReader
  /** Nobody will open it any more; what it takes goes with the last reader. */
  close(): void
}

export interface SnapshotReader {
  /** The next piece, whose ownership moves; undefined at the end. */
  read(): Promise<Buffer | undefined>
  close(): void
}
