/**
 * Writes the applied stream into segments: a reader of the backlog like a replica below, so the bytes are neither copied on the hot
 * path nor kept twice, and what the disk has not taken yet waits behind the ring. One write or sync is under way at a time, in libuv's
 * threads; the thread that owns this one copies and checksums at most RECORD_PAYLOAD_MAX bytes between two of them.
 */
import {
  BacklogCursor,
  type BacklogWriter,
  type Clock,
  encodeHistory,
  encodeSegmentStart,
  type LoggedHistory,
  RECORD_HEADER_BYTES,
  RECORD_PAYLOAD_MAX,
  ReplicaError,
  sealBytes,
  type StreamHistory,
} from '@understudy/core/internal'
import type { LogFiles, SegmentFile } from './log-files.ts'

/** When what was written is synced: `repl-stream-log-fsync`. */
export type LogSync = 'always' | 'everysec' | 'no'

/** Read at every use. */
export interface LogWriterSettings {
  readonly sync: LogSync
  /** A longer segment gets no more records. */
  readonly segmentBytesMax: number
}

/** A segment on the disk. */
export interface LogSegment {
  readonly sequence: number
  /** Number of the last byte of the stream before it. */
  readonly startOffset: number
  fileBytes: number
}

export interface LogWriterPorts {
  readonly files: LogFiles
  readonly backlog: BacklogWriter
  readonly clock: Clock
  readonly settings: () => LogWriterSettings
  /** Those that it makes are added. */
  readonly segments: LogSegment[]
  /** Bytes were written or synced. */
  readonly onProgress: () => void
  /** A write or sync failed: nothing more is written, and the writer is abandoned. */
  readonly onFault: (error: unknown) => void
}

const SYNC_EVERY_MS = 1000

type Step = 'open-segment' | 'finish-segment' | 'sync' | 'write-history' | 'write-bytes'

export class LogWriter {
  readonly #ports: LogWriterPorts
  readonly #cursor: BacklogCursor
  readonly #buffer: Buffer = Buffer.allocUnsafe(RECORD_HEADER_BYTES + RECORD_PAYLOAD_MAX)
  #nextSequence: number
  /** Of the bytes written last. */
  #history: StreamHistory
  #beginsRun: boolean
  /** Changes of the history that bytes not yet written stand before. */
  #changes: LoggedHistory[] = []
  #file: SegmentFile | undefined
  #syncedOffset: number
  #syncedMs: number
  #isClosing = false
  #isOver = false
  /** Whatever is under way; undefined: nothing is to be done. */
  #work: Promise<void> | undefined

  /** Begins behind the backlog's end. @param start `offset` is that end. @param firstSequence no segment has it, or a higher one */
  constructor(ports: LogWriterPorts, start: LoggedHistory, firstSequence: number) {
    this.#ports = ports
    this.#cursor = new BacklogCursor(start.offset + 1)
    ports.backlog.overflow.add(this.#cursor)
    this.#history = start.history
    this.#beginsRun = start.beginsRun
    this.#nextSequence = firstSequence
    this.#syncedOffset = start.offset
    this.#syncedMs = ports.clock.monotonicMs()
    this.wake()
  }

  /** Number of the last byte of the stream that was written. */
  get writtenOffset(): number {
    return this.#cursor.offset - 1
  }

  /** Number of the last one that is on the disk for certain: with `repl-stream-log-fsync no` that stands still. */
  get syncedOffset(): number {
    return this.#syncedOffset
  }

  /** Bytes that are to be written; they are kept in memory. */
  get behindBytes(): number {
    return this.#ports.backlog.endOffset - this.writtenOffset
  }

  get nextSequence(): number {
    return this.#nextSequence
  }

  /** There are bytes to write, or time has passed. */
  wake(): void {
    if (this.#isOver) return
    this.#work ??= this.#next() === undefined ? undefined : this.#run()
  }

  /** From the backlog's end on the bytes are of another history, which has all that the one before had. */
  historyChanged(history: StreamHistory): void {
    this.#changes.push({ offset: this.#ports.backlog.endOffset, beginsRun: false, history })
    this.wake()
  }

  /** Nothing more is written; bytes are not kept for it any more when this returns. */
  abandon(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#ports.backlog.overflow.remove(this.#cursor)
    if (this.#work === undefined) void this.#closeFile()
  }

  /** Writes and syncs what there is, and ends. A fault is told as always. */
  async close(): Promise<void> {
    this.#isClosing = true
    this.wake()
    await this.#work
    this.abandon()
  }

  async #run(): Promise<void> {
    try {
      for (let step = this.#next(); step !== undefined; step = this.#next()) {
        await this.#do(step)
        if (!this.#isOver) this.#ports.onProgress()
      }
      this.#work = undefined
    } catch (error) {
      this.#work = undefined
      if (!this.#isOver) {
        this.abandon()
        this.#ports.onFault(error)
      }
    }
    if (this.#isOver) await this.#closeFile()
  }

  /** What is to be done now. */
  #next(): Step | undefined {
    if (this.#isOver) return undefined
    if (this.#file === undefined) return 'open-segment'
    if (this.#isSyncDue()) return 'sync'
    const change = this.#changes[0]
    if (change === undefined && this.behindBytes === 0) return undefined
    if (this.#ports.segments.at(-1)!.fileBytes >= this.#ports.settings().segmentBytesMax) return 'finish-segment'
    return change?.offset === this.writtenOffset ? 'write-history' : 'write-bytes'
  }

  #do(step: Step): Promise<void> {
    switch (step) {
      case 'open-segment':
        return this.#openSegment()
      case 'finish-segment':
        return this.#finishSegment()
      case 'sync':
        return this.#sync()
      case 'write-history':
        return this.#writeHistory()
      case 'write-bytes':
        return this.#writeBytes()
    }
  }

  #isSyncDue(): boolean {
    if (this.#syncedOffset === this.writtenOffset) return false
    const { sync } = this.#ports.settings()
    if (sync === 'always') return true
    if (sync === 'no') return false
    const isLast = this.#isClosing && this.behindBytes === 0
    return isLast || this.#ports.clock.monotonicMs() - this.#syncedMs >= SYNC_EVERY_MS
  }

  async #openSegment(): Promise<void> {
    const { files, settings } = this.#ports
    const sequence = this.#nextSequence++
    const file = await files.create(sequence)
    this.#file = file
    // Abandoned meanwhile: nobody knows of the file.
    if (this.#isOver) return files.remove(sequence)
    this.#takeChanges()
    const segment: LogSegment = { sequence, startOffset: this.writtenOffset, fileBytes: 0 }
    // Before it is written: a file that stays empty has to be removed, too.
    this.#ports.segments.push(segment)
    const start = { offset: segment.startOffset, beginsRun: this.#beginsRun, history: this.#history }
    await this.#append(encodeSegmentStart(start))
    this.#beginsRun = false
    if (settings().sync !== 'no') await file.sync()
  }

  async #finishSegment(): Promise<void> {
    if (this.#ports.settings().sync !== 'no' && this.#syncedOffset !== this.writtenOffset) await this.#sync()
    await this.#closeFile()
  }

  async #sync(): Promise<void> {
    const offset = this.writtenOffset
    await this.#file!.sync()
    this.#syncedOffset = offset
    this.#syncedMs = this.#ports.clock.monotonicMs()
  }

  async #writeHistory(): Promise<void> {
    this.#takeChanges()
    await this.#append(encodeHistory({ offset: this.writtenOffset, beginsRun: false, history: this.#history }))
  }

  /** The history of what is written next. */
  #takeChanges(): void {
    while (this.#changes[0]?.offset === this.writtenOffset) this.#history = this.#changes.shift()!.history
  }

  async #writeBytes(): Promise<void> {
    const { backlog } = this.#ports
    const cursor = this.#cursor
    if (cursor.isOverrun) {
      throw new ReplicaError('BACKLOG_OVERRUN', 'there was no memory to keep what is to be written', {
        retryable: true,
      })
    }
    const end = this.#changes[0]?.offset ?? backlog.endOffset
    const room = Math.min(end - this.writtenOffset, RECORD_PAYLOAD_MAX)
    const target = this.#buffer.subarray(RECORD_HEADER_BYTES, RECORD_HEADER_BYTES + room)
    const count = backlog.read(cursor.offset, target)
    await this.#append(sealBytes(this.#buffer, this.writtenOffset, count))
    cursor.offset += count
    if (!this.#isOver) backlog.overflow.moved()
  }

  async #append(record: Uint8Array): Promise<void> {
    await this.#file!.append(record)
    this.#ports.segments.at(-1)!.fileBytes += record.length
  }

  async #closeFile(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    // What was to be kept is synced; what closing could say nobody can act on.
    await file?.close().catch(() => {})
  }
}
