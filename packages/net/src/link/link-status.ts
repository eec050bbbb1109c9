/** What INFO and ROLE tell about the link, as plain numbers. Times are milliseconds ago; -1: never, or not so. */
import type { LinkCounters, LinkState, RoleState } from '@understudy/core/internal'

export interface LinkStatus {
  /** Undefined: this node is a primary. */
  readonly host: string | undefined
  readonly port: number | undefined
  readonly state: LinkState['name']
  /** As ROLE says it; 'none' for a primary. */
  readonly roleState: RoleState
  /** master_link_status:up. */
  readonly isUp: boolean
  /** master_sync_in_progress. */
  readonly isSyncing: boolean
  /** master_last_io_seconds_ago, in ms; -1 while the link is down. */
  readonly lastIoMsAgo: number
  /** master_link_down_since_seconds, in ms; -1 while it is up or was never up. */
  readonly downSinceMsAgo: number
  /** slave_read_repl_offset. */
  readonly receivedOffset: number
  /** slave_repl_offset and master_repl_offset. */
  readonly appliedOffset: number
  /** Selected database at the applied offset (repl-stream-db). */
  readonly db: number
  readonly replid: string
  readonly replid2: string
  /** second_repl_offset; -1 without replid2. */
  readonly secondReplOffset: number
  /** While a snapshot is awaited, received or loaded. `totalBytes` 0: not known ($EOF). */
  readonly sync:
    | { readonly totalBytes: number; readonly receivedBytes: number; readonly lastIoMsAgo: number }
    | undefined
  /** While a load is at work. `isAsync`: the old data are served meanwhile. */
  readonly loading:
    | {
        readonly isAsync: boolean
        readonly elapsedMs: number
        readonly totalBytes: number
        readonly loadedBytes: number
        readonly loadedKeys: number
      }
    | undefined
  /** What was received during a full resync and is not loaded or applied yet. */
  readonly waiting: {
    readonly bytes: number
    /** Of them in the file. */
    readonly fileBytes: number
    /** The most that waited, and what went through the file, in the last full resync. */
    readonly peakBytes: number
    readonly spilledBytes: number
    /** Until the stream is caught up with; -1: not catching up, or not known. */
    readonly catchUpEtaSeconds: number
  }
  /** Why the stream could not be kept in a file, last time; empty if it could or did not have to. */
  readonly spillFault: string
  /** Why the snapshot was not kept as a file, last time; empty if it was or did not have to. */
  readonly syncFileFault: string
  /** Why a full resync was refused, and nothing is tried since; empty: it was not. */
  readonly heldReason: string
  /** Why the last attempt failed; empty while the link works. */
  readonly lastFailure: string
  readonly counters: LinkCounters
}
