/**
 * The full resyncs of a link, one at a time: what becomes of the old data before, the load of the snapshot, and the swap at its end. How the
 * bytes get to the loader is `snapshot-receiver.ts`; when a resync begins and what the primary is told decides core's LinkMachine, and
 * the link reads the connection.
 *
 *     begin() ──► `receiver` takes bytes, the load works ──┬─► events.adopted   the data are in place
 *                                                          ├─► events.refused   they are not wanted after all
 *                                                          ├─► events.failed
 *                                                          └─► abort()
 */
import {
  type CommandStream,
  type FullSync,
  type RdbLoadResult,
  ReplicaError,
  type ReplicationHistory,
  type SnapshotFraming,
  type SnapshotPosition,
  snapshotPosition,
  streamDb,
} from '@understudy/core/internal'
import { errorText } from '../error-text.ts'
import type { FullSyncGate } from './full-sync-gate.ts'
import { loadOptionsOf, planFullSync } from './full-sync-plan.ts'
import type { FullSyncTimes, LinkParts } from './link-status.ts'
import type { ReplicaLinkConfig, ReplicaLinkPorts } from './replica-link-ports.ts'
import { SnapshotReceiver } from './snapshot-receiver.ts'
import type { SpillQueue } from './spill-queue.ts'
import { newStreamQueue, type StreamQueueEvents } from './stream-queue.ts'
import { SyncFile } from './sync-file.ts'

/** The parts of the link that a full resync works on. */
export interface FullResyncParts {
  readonly config: ReplicaLinkConfig
  readonly ports: ReplicaLinkPorts
  readonly gate: FullSyncGate
  readonly history: ReplicationHistory
  readonly stream: CommandStream
  /** Is the next one taken, whatever is against it? */
  readonly accepts: () => boolean
}

export interface FullResyncEvents extends Pick<StreamQueueEvents, 'onRoom' | 'onReadable'> {
  /**
   * Data, backlog and stream are the new ones; the history has to follow in this call. @param receiver has the beginning of what comes
   * behind. @param file what the file that a start loads has; undefined: it is not of these data
   */
  readonly adopted: (receiver: SnapshotReceiver, file: SnapshotPosition | undefined) => void
  readonly refused: (why: string) => void
  readonly failed: (fault: ReplicaError) => void
  /** Bytes that waited in a file cannot be read back. */
  readonly lost: (why: string) => void
}

export class FullResync {
  /** Takes the bytes of the connection; undefined while no snapshot is loaded. */
  receiver: SnapshotReceiver | undefined
  readonly #parts: FullResyncParts
  readonly #events: FullResyncEvents
  readonly #times: FullSyncTimes = { loadStartedMs: 0, loadIsAsync: false, lastTransferIoMs: 0 }
  /** Of the last one, for INFO. */
  #queue: SpillQueue | undefined
  /** Of the last one that was adopted and used a file. */
  #syncFile: SyncFile | undefined
  #spillFault = ''
  #progressBytes = 0

  constructor(parts: FullResyncParts, events: FullResyncEvents) {
    this.#parts = parts
    this.#events = events
  }

  /** For INFO. */
  get facts(): Pick<LinkParts, 'receiver' | 'queue' | 'times' | 'spillFault' | 'syncFileFault'> {
    return {
      receiver: this.receiver,
      queue: this.#queue,
      times: this.#times,
      spillFault: this.#spillFault,
      syncFileFault: this.#syncFile?.fault ?? '',
    }
  }

  /** The snapshot's header is here. @param sync what the data will be. @returns why it is not taken; undefined: it is */
  begin(framing: SnapshotFraming, sync: FullSync): string | undefined {
    const { accepts, config, gate, ports } = this.#parts
    const wasEmpty = ports.isEmpty()
    const plan = planFullSync({ mode: config.disklessLoad, framing, sync, wasEmpty, accepts: accepts(), gate })
    if (plan.do === 'hold') return plan.why
    const { dropsFirst, shortage, usesFile } = plan
    if (shortage !== undefined) {
      ports.logger.warning(
        `Old and new data do not fit into memory together: ${shortage}. The old data are dropped first`,
      )
    }
    if (dropsFirst) this.#dropData()
    const loadIsAsync = !dropsFirst && !wasEmpty
    const file = usesFile ? new SyncFile(config, ports.clock, ports.logger) : undefined
    const options = { ...loadOptionsOf(config, framing, file?.temporaryPath), givesWay: loadIsAsync }
    const nowMs = ports.clock.monotonicMs()
    Object.assign(this.#times, {
      loadStartedMs: nowMs,
      lastTransferIoMs: nowMs,
      loadIsAsync,
    } satisfies FullSyncTimes)
    this.#progressBytes = 0
    const load = ports.loader.load(options)
    const queue = this.#newQueue()
    const receiver = new SnapshotReceiver(load, framing, queue)
    this.#queue = queue
    this.receiver = receiver
    load.result.then(
      (result) => {
        if (!this.#loaded(receiver, sync, result, file)) file?.discard()
      },
      (error: unknown) => this.#loadFailed(receiver, error),
    )
    return undefined
  }

  /** It is not wanted any more. */
  abort(): void {
    this.receiver?.abort()
    this.receiver = undefined
  }

  /** Bytes came. */
  noteIo(nowMs: number): void {
    this.#times.lastTransferIoMs = nowMs
  }

  /** Has the load got on since the last time? */
  takeProgress(): boolean {
    const before = this.#progressBytes
    this.#progressBytes = this.receiver?.load.progress().loadedBytes ?? 0
    return this.#progressBytes !== before
  }

  /** Whatever becomes of the snapshot, nothing can go on from the old data: neither this node nor replicas below. */
  #dropData(): void {
    const { history, ports } = this.#parts
    const { backlog, dropData, logger, onHistoryChanged } = ports
    logger.notice('MASTER <-> REPLICA sync: Flushing old data')
    dropData()
    history.forget()
    backlog.restart(history.replOffset)
    onHistoryChanged?.()
  }

  #newQueue(): SpillQueue {
    const { config, ports } = this.#parts
    const { onRoom, onReadable, lost } = this.#events
    return newStreamQueue(config, ports, {
      onRoom,
      onReadable: () => {
        if (this.receiver === undefined) onReadable()
        else this.receiver.feed()
      },
      onFault: (why, isLost) => {
        this.#spillFault = why
        if (isLost) lost(why)
      },
    })
  }

  /** @returns true: the data are in place, and `file` is theirs */
  #loaded(
    receiver: SnapshotReceiver,
    { offset }: FullSync,
    result: RdbLoadResult,
    file: SyncFile | undefined,
  ): boolean {
    if (this.receiver !== receiver) return false
    const { accepts, gate, ports, stream } = this.#parts
    const { aux } = result.summary
    const refusal = accepts() ? undefined : gate.refuseLoaded(result.keyCount)
    if (refusal !== undefined) {
      this.#events.refused(refusal)
      return false
    }
    try {
      ports.onFullSync(result)
    } catch (error) {
      this.#loadFailed(receiver, error)
      return false
    }
    this.receiver = undefined
    if (file !== undefined) {
      file.keep(result)
      this.#syncFile = file
    }
    ports.backlog.restart(offset)
    ports.onBacklogReplaced?.()
    stream.begin(offset, streamDb(aux))
    this.#events.adopted(receiver, file?.isKept === true ? snapshotPosition(aux) : undefined)
    return true
  }

  #loadFailed(receiver: SnapshotReceiver, error: unknown): void {
    if (this.receiver !== receiver) return
    receiver.abort()
    const isKnown = error instanceof ReplicaError
    this.#events.failed(isKnown ? error : new ReplicaError('RDB_WORKER_FAILED', errorText(error), { cause: error }))
  }
}
