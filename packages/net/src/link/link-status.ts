/** What INFO and ROLE tell about the link, as plain numbers. Times are milliseconds ago; -1: never, or not so. */
import type { CommandStream, LinkCounters, LinkMachine, LinkState, RoleState } from '@understudy/core/internal'
import type { CatchUp } from './catch-up.ts'
import type { SnapshotReceiver } from './snapshot-receiver.ts'
import type { SpillQueue } from './spill-queue.ts'

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

/** Of the last full resync, by the link's clock. */
export interface FullSyncTimes {
  loadStartedMs: number
  /** The old data are served meanwhile. */
  loadIsAsync: boolean
  lastTransferIoMs: number
}

/** What the status is made of: the parts of a link as they are now. */
export interface LinkParts {
  readonly machine: LinkMachine
  readonly stream: CommandStream
  readonly receiver: SnapshotReceiver | undefined
  readonly catchUp: CatchUp | undefined
  /** Of the last full resync, in use or not. */
  readonly queue: SpillQueue | undefined
  readonly times: Readonly<FullSyncTimes>
  readonly spillFault: string
  readonly syncFileFault: string
}

export function linkStatus(parts: LinkParts, nowMs: number): LinkStatus {
  const { machine, stream, receiver, catchUp, queue, times } = parts
  const { state, history } = machine
  const isUp = state.name === 'connected'
  const isSyncing = machine.roleState === 'sync'
  const progress = receiver?.load.progress()
  const totalBytes = receiver === undefined || receiver.totalBytes === Infinity ? 0 : receiver.totalBytes
  return {
    host: machine.target?.host,
    port: machine.target?.port,
    state: state.name,
    roleState: machine.roleState,
    isUp,
    isSyncing,
    lastIoMsAgo: isUp ? nowMs - state.lastIoMs : -1,
    downSinceMsAgo: machine.downSinceMs === undefined ? -1 : nowMs - machine.downSinceMs,
    receivedOffset: Math.max(stream.receivedOffset, history.replOffset) + (catchUp?.byteLength ?? 0),
    appliedOffset: history.replOffset,
    db: stream.db,
    replid: history.replid,
    replid2: history.replid2,
    secondReplOffset: history.secondReplOffset,
    sync: isSyncing
      ? { totalBytes, receivedBytes: receiver?.receivedBytes ?? 0, lastIoMsAgo: nowMs - times.lastTransferIoMs }
      : undefined,
    loading:
      progress === undefined
        ? undefined
        : {
            isAsync: times.loadIsAsync,
            elapsedMs: nowMs - times.loadStartedMs,
            totalBytes,
            loadedBytes: progress.loadedBytes,
            loadedKeys: progress.loadedKeys,
          },
    waiting: {
      bytes: receiver?.waitingBytes ?? catchUp?.byteLength ?? 0,
      fileBytes: queue?.fileBytes ?? 0,
      peakBytes: queue?.peakBytes ?? 0,
      spilledBytes: queue?.spilledBytes ?? 0,
      catchUpEtaSeconds: catchUp?.etaSeconds(nowMs) ?? -1,
    },
    spillFault: parts.spillFault,
    syncFileFault: parts.syncFileFault,
    heldReason: state.name === 'held' ? state.reason : '',
    lastFailure: machine.lastFailure,
    counters: { ...machine.counters },
  }
}
