/**
 * The log of the applied stream (`repl-stream-log`): when it is written, which snapshot goes with it, and what is removed. Snapshot and
 * log together are the data: a start loads the one and applies the other (`log-replay.ts`). How bytes get to the disk is
 * `log-writer.ts`; docs/persistence.md tells the rules.
 *
 *   off ──► waiting ──► on ◄──────► failed
 *           no data     │  ▲ a new run, and a snapshot of its beginning
 *                       └──┘ data replaced: a new run
 *
 * Belongs to the link thread.
 */
import type { BacklogWriter, Clock, Logger, SnapshotPosition, StreamHistory } from '@understudy/core/internal'
import { errorText } from '../error-text.ts'
import type { FoundSegment, LogFiles } from './log-files.ts'
import { type LogSegment, type LogSync, LogWriter } from './log-writer.ts'

export interface StreamLogSettings {
  readonly isOn: boolean
  readonly sync: LogSync
  readonly segmentBytesMax: number
  /** Of a run: `repl-stream-log-max-size`. */
  readonly bytesMax: number
  /** What is kept in memory for a disk that is slower than the stream. */
  readonly behindBytesMax: number
}

export interface StreamLogPorts {
  readonly backlog: BacklogWriter
  readonly clock: Clock
  readonly logger: Logger
  /** In the directory and beside the snapshot of now. */
  readonly files: () => LogFiles
  readonly settings: () => StreamLogSettings
  /** Of the backlog's bytes; what is returned does not change. */
  readonly history: () => StreamHistory
  /** Is there a stream whose bytes are kept in the backlog? A primary may have to begin with one. */
  readonly ensureStream: () => boolean
  /** Saves a snapshot beside the writer; not called while one is under way. */
  readonly saveSnapshot: () => void
  readonly isSaving: () => boolean
  /** Whether clients' writes are refused has changed, perhaps. */
  readonly onOutcome: () => void
  /** More is on the disk. */
  readonly onProgress: () => void
}

/** Segments of one run, and the snapshot that they go with. */
interface KeptRun {
  readonly files: LogFiles
  readonly segments: LogSegment[]
  readonly startOffset: number
  /** Ids under which its bytes are known. */
  readonly replids: Set<string>
  /** Of the snapshot on the disk; undefined: that is of another run, or there is none. */
  snapshotOffset: number | undefined
}

/** A run that a start found, as far as it counts. */
export interface RestoredRun {
  readonly segments: readonly LogSegment[]
  readonly snapshotOffset: number
  /** False: behind it there is something else, and it cannot go on. */
  readonly isLast: boolean
}

/** After a fault, and after a snapshot that did not come, it is tried again so much later. */
const RETRY_MS = 5000

export type StreamLogState = 'off' | 'waiting' | 'on' | 'failed'

export class StreamLog {
  readonly #ports: StreamLogPorts
  /** Oldest first; the last one is written to while there is a writer. */
  #runs: KeptRun[] = []
  /** Found, and not of a run here: they go when one has its snapshot. */
  #leftBehind: { readonly files: LogFiles; readonly segments: readonly FoundSegment[] } | undefined
  #writer: LogWriter | undefined
  #nextSequence = 1
  #fault = ''
  #faults = 0
  /** Monotonic: nothing is tried before. */
  #beginAtMs = 0
  #saveAtMs = 0
  /** Counts calls of `reopen()`. */
  #openings = 0
  #immediate: NodeJS.Immediate | undefined
  #isStopped = false
  /** Bytes of the log that the last start applied. */
  replayedBytes = 0

  constructor(ports: StreamLogPorts) {
    this.#ports = ports
  }

  // ── what happens to this node ──

  /** What is on the disk. @param run what the data were made of; undefined: the log had no part in them */
  restore(files: LogFiles, found: readonly FoundSegment[], run: RestoredRun | undefined): void {
    // A segment of a writer that was given up may be about to be made, and to go.
    this.#nextSequence = Math.max(this.#nextSequence, (found.at(-1)?.sequence ?? 0) + 1)
    const kept = new Set(run?.segments.map(({ sequence }) => sequence))
    this.#leftBehind = { files, segments: found.filter(({ sequence }) => !kept.has(sequence)) }
    if (run === undefined || !this.#ports.ensureStream()) return
    const { replid, past } = this.#ports.history()
    const restored: KeptRun = {
      files,
      segments: [...run.segments],
      startOffset: run.segments[0]!.startOffset,
      replids: new Set([replid, ...past.map((one) => one.replid)]),
      snapshotOffset: run.snapshotOffset,
    }
    this.#runs = [restored]
    if (!run.isLast) return
    this.#removeLeftBehind()
    this.#write(restored, false)
  }

  /** The data are those of another history, or of another place in it, and the backlog is about to be replaced. */
  dataReplaced(): void {
    this.#giveUp()
  }

  /**
   * They are in place. @param file what the snapshot on the disk has since; undefined: it is not of these data, and with the log from
   * before it is what a start would go back to
   */
  dataAdopted(file: SnapshotPosition | undefined): void {
    this.#giveUp()
    this.#begin()
    if (file !== undefined) this.saved(file)
  }

  /** The bytes go on under another id. */
  historyChanged(): void {
    if (this.#writer === undefined) return
    const history = this.#ports.history()
    this.#runs.at(-1)!.replids.add(history.replid)
    this.#writer.historyChanged(history)
  }

  /** Something was done that the stream does not have: what follows is of use only behind a snapshot that has it. */
  interrupted(cause: string): void {
    if (this.#writer !== undefined) this.#failed(cause)
  }

  /** Bytes were added to the backlog. */
  appended(): void {
    if (this.#writer === undefined) return
    // What one turn of the event loop applies becomes one record, not one each command.
    this.#immediate ??= setImmediate(() => {
      this.#immediate = undefined
      this.#writer?.wake()
    })
  }

  /** A snapshot has the name that a start loads. @param position what it has; undefined: it belongs to no history */
  saved(position: SnapshotPosition | undefined): void {
    const run =
      position === undefined
        ? undefined
        : this.#runs.findLast(
            ({ startOffset, replids }) => replids.has(position.replid) && position.offset >= startOffset,
          )
    for (const one of this.#runs) one.snapshotOffset = one === run ? position!.offset : undefined
    this.#saveAtMs = 0
    if (run === undefined || run !== this.#runs.at(-1) || this.#writer === undefined) return
    this.#removeLeftBehind()
    for (const old of this.#runs.splice(0, this.#runs.length - 1)) this.#remove(old.files, old.segments)
    this.#removeCovered(run)
    if (this.#fault === '') return
    this.#fault = ''
    this.#ports.logger.notice('The stream log is whole again')
    this.#ports.onOutcome()
  }

  /** `repl-stream-log`, or where snapshots are, has changed. What is on the disk stays until a run here has its snapshot. */
  async reopen(): Promise<void> {
    const opening = ++this.#openings
    this.#giveUp()
    this.#runs = []
    this.#leftBehind = undefined
    this.#fault = ''
    this.#beginAtMs = Number.POSITIVE_INFINITY
    this.#ports.onOutcome()
    if (!this.#ports.settings().isOn) return
    const files = this.#ports.files()
    try {
      const found = await files.list()
      if (opening !== this.#openings) return
      this.restore(files, found, undefined)
      this.#beginAtMs = 0
    } catch (error) {
      if (opening === this.#openings) this.#failed(errorText(error))
    }
  }

  /** Called often. @param mayBegin there are data, and they are not being loaded */
  tick(mayBegin: boolean): void {
    if (this.#isStopped || !mayBegin || !this.#ports.settings().isOn) return
    const nowMs = this.#ports.clock.monotonicMs()
    if (this.#writer === undefined) {
      if (nowMs >= this.#beginAtMs) this.#begin()
      return
    }
    this.#writer.wake()
    this.#removeCovered(this.#runs.at(-1)!)
    const { behindBytes } = this.#writer
    if (behindBytes > Math.max(this.#ports.settings().behindBytesMax, this.#ports.backlog.capacityBytes)) {
      this.#failed(`the disk is slower than the stream: ${behindBytes} bytes wait to be written`)
    } else if (!this.#ports.isSaving()) this.#saveIfDue(this.#writer, this.#runs.at(-1)!, nowMs)
  }

  /** Everything is written and synced when it resolves; nothing is written afterwards. */
  async close(): Promise<void> {
    this.#isStopped = true
    clearImmediate(this.#immediate)
    await this.#writer?.close()
    this.#writer = undefined
  }

  // ── what others want to know ──

  get state(): StreamLogState {
    if (!this.#ports.settings().isOn) return 'off'
    if (this.#fault !== '') return 'failed'
    return this.#writer === undefined ? 'waiting' : 'on'
  }

  /** Why it is not whole; empty: it is, or is not wanted. */
  get fault(): string {
    return this.#fault
  }

  /** Must replies to clients wait? True: what they wrote is not on the disk yet, and `repl-stream-log-fsync always` wants it there. */
  get holdsReplies(): boolean {
    const writer = this.#writer
    if (writer === undefined || this.#ports.settings().sync !== 'always') return false
    writer.wake()
    return writer.syncedOffset < this.#ports.backlog.endOffset
  }

  /** Lines of INFO persistence. */
  get infoLines(): string[] {
    const writer = this.#writer
    const run = this.#runs.at(-1)
    let segments = 0
    let bytes = 0
    for (const one of this.#runs) {
      segments += one.segments.length
      bytes += bytesOf(one)
    }
    return [
      `stream_log_enabled:${this.#ports.settings().isOn ? 1 : 0}`,
      `stream_log_state:${this.state}`,
      `stream_log_last_write_status:${this.#fault === '' ? 'ok' : 'err'}`,
      ...(this.#fault === '' ? [] : [`stream_log_last_fault:${this.#fault.replace(/[\r\n]/g, ' ')}`]),
      `stream_log_faults:${this.#faults}`,
      `stream_log_segments:${segments}`,
      `stream_log_size:${bytes}`,
      `stream_log_start_offset:${run?.startOffset ?? -1}`,
      `stream_log_written_offset:${writer?.writtenOffset ?? -1}`,
      `stream_log_synced_offset:${writer?.syncedOffset ?? -1}`,
      `stream_log_behind_bytes:${writer?.behindBytes ?? 0}`,
      `stream_log_snapshot_offset:${run?.snapshotOffset ?? -1}`,
      `stream_log_replayed_bytes:${this.replayedBytes}`,
    ]
  }

  // ── inside ──

  /** A run that goes with a snapshot yet to be saved. Those without one that are there from before are of no use any more. */
  #begin(): void {
    const { settings, ensureStream, history, backlog } = this.#ports
    if (!settings().isOn || !ensureStream()) return
    for (const run of this.#runs) if (run.snapshotOffset === undefined) this.#remove(run.files, run.segments)
    const { replid, past } = history()
    const run: KeptRun = {
      files: this.#ports.files(),
      segments: [],
      startOffset: backlog.endOffset,
      replids: new Set([replid, ...past.map((one) => one.replid)]),
      snapshotOffset: undefined,
    }
    this.#runs = [...this.#runs.filter(({ snapshotOffset }) => snapshotOffset !== undefined), run]
    this.#saveAtMs = 0
    this.#write(run, true)
  }

  #write(run: KeptRun, beginsRun: boolean): void {
    const { backlog, clock, settings, history, onProgress } = this.#ports
    const writer = new LogWriter(
      {
        files: run.files,
        backlog,
        clock,
        settings,
        segments: run.segments,
        onProgress,
        onFault: (error) => this.#failed(errorText(error)),
      },
      { offset: backlog.endOffset, beginsRun, history: history() },
      this.#nextSequence,
    )
    this.#writer = writer
  }

  #giveUp(): void {
    const writer = this.#writer
    if (writer === undefined) return
    this.#writer = undefined
    writer.abandon()
    this.#nextSequence = writer.nextSequence
    // Nobody waits for what is not written.
    this.#ports.onProgress()
  }

  #failed(fault: string): void {
    this.#giveUp()
    this.#faults++
    // Until it is whole again that is told once, whatever else fails meanwhile.
    if (this.#fault === '') {
      this.#ports.logger.warning(
        `The stream log is not written: ${fault}. What is on the disk ends there; it is tried again`,
      )
    }
    this.#fault = fault
    this.#beginAtMs = this.#ports.clock.monotonicMs() + RETRY_MS
    this.#ports.onOutcome()
  }

  /** A run is worth nothing without a snapshot, and grows until there is another one. None is under way. */
  #saveIfDue(writer: LogWriter, run: KeptRun, nowMs: number): void {
    const { bytesMax } = this.#ports.settings()
    const { snapshotOffset, startOffset } = run
    const isWritten = bytesOf(run) > 0
    const isDue = snapshotOffset === undefined || writer.writtenOffset - snapshotOffset >= bytesMax / 2
    if (!isWritten || !isDue) return
    if (nowMs >= this.#saveAtMs) {
      this.#saveAtMs = nowMs + RETRY_MS
      this.#ports.saveSnapshot()
    } else if (bytesOf(run) > bytesMax) {
      // The last one has failed: that would have put the time to nothing.
      const offset = snapshotOffset ?? startOffset
      this.#failed(`repl-stream-log-max-size is reached, and no snapshot could be saved since offset ${offset}`)
    }
  }

  /** Segments go when the snapshot has all of them, but for what refills the backlog after a restart. */
  #removeCovered(run: KeptRun): void {
    if (run.snapshotOffset === undefined || run.segments.length < 2) return
    const { backlog, settings } = this.#ports
    const window = Math.min(backlog.capacityBytes, settings().bytesMax / 4)
    const neededFrom = Math.min(run.snapshotOffset, backlog.endOffset - window)
    const count = run.segments.findLastIndex(({ startOffset }) => startOffset <= neededFrom)
    if (count > 0) this.#remove(run.files, run.segments.splice(0, count))
  }

  #removeLeftBehind(): void {
    const leftBehind = this.#leftBehind
    this.#leftBehind = undefined
    if (leftBehind !== undefined) this.#remove(leftBehind.files, leftBehind.segments)
  }

  #remove(files: LogFiles, segments: readonly FoundSegment[]): void {
    if (segments.length === 0) return
    const sequences = segments.map(({ sequence }) => sequence)
    // A crash may bring back the snapshot that they go with, until the name of the next one is on the disk.
    files
      .syncNames()
      .then(() => Promise.all(sequences.map((sequence) => files.remove(sequence))))
      .catch((error: unknown) => this.#ports.logger.warning(errorText(error)))
  }
}

function bytesOf({ segments }: KeptRun): number {
  return segments.reduce((sum, { fileBytes }) => sum + fileBytes, 0)
}
