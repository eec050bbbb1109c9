/**
 * One end of the channel between the link thread and an I/O thread: collects frames and sends them once per turn of the
 * event loop, receives batches, and knows how much of what it sent the other side has not taken yet.
 *
 * It is bounded: beyond `CHANNEL_BYTES_MAX` not yet received `isFull` says so, and whoever would write more asks for
 * `whenRoom`. What is received says in every batch how far it came; if there is nothing else to say, a batch without
 * frames does, once a quarter of the bound is reached.
 */
import type { TransferListItem } from 'node:worker_threads'
import { FrameReader, FrameWriter } from './frames.ts'

/** Frames sent and not yet received by the other side. One frame may go beyond. */
const CHANNEL_BYTES_MAX: number = 1024 * 1024

/** A MessagePort, or the worker on whose default port the other end is. */
export interface BatchPort {
  postMessage(batch: Uint8Array, transfer: readonly TransferListItem[]): void
}

export class Channel {
  readonly frames: FrameWriter = new FrameWriter()
  readonly #port: BatchPort
  #sentBytes = 0
  #takenBytes = 0
  #receivedBytes = 0
  #toldBytes = 0
  /** Told when there is room again. */
  #roomless = new Set<() => void>()
  #isClosed = false

  constructor(port: BatchPort) {
    this.#port = port
  }

  /** Frames written and not yet received by the other side, in bytes. */
  get pendingBytes(): number {
    return this.#sentBytes - this.#takenBytes + this.frames.length
  }

  /** Nothing more should be written until there is room. */
  get isFull(): boolean {
    return !this.#isClosed && this.pendingBytes > CHANNEL_BYTES_MAX
  }

  /** Calls `done` now, or once there is room. Who asks again before that, with the same function, is called once. */
  whenRoom(done: () => void): void {
    if (this.isFull) this.#roomless.add(done)
    else done()
  }

  /** The other side is gone and takes nothing more: nobody waits for it. */
  close(): void {
    this.#isClosed = true
    this.#tellRoom()
  }

  /** Bytes of a connection (`FrameWriter.bytes`). A long batch leaves at once: a buffer holds no more than some gigabytes. */
  bytes(kind: number, id: number, source: Uint8Array, start = 0, end: number = source.length): void {
    this.frames.bytes(kind, id, source, start, end)
    if (this.frames.length > CHANNEL_BYTES_MAX) this.send()
  }

  /** Sends what was written. Call at the end of each turn. */
  send(): void {
    const { frames } = this
    if (frames.isEmpty && this.#receivedBytes - this.#toldBytes < CHANNEL_BYTES_MAX / 4) return
    this.#sentBytes += frames.length
    this.#toldBytes = this.#receivedBytes
    const batch = frames.take(this.#receivedBytes)
    this.#port.postMessage(batch, [batch.buffer])
  }

  /** A batch came. @returns its frames. The caller calls `send()` when the turn ends. */
  receive(batch: Uint8Array<ArrayBuffer>): FrameReader {
    const reader = new FrameReader(batch)
    this.#receivedBytes += batch.length - 8
    this.#takenBytes = reader.receivedBytes
    if (this.#roomless.size > 0 && this.pendingBytes * 2 < CHANNEL_BYTES_MAX) this.#tellRoom()
    return reader
  }

  #tellRoom(): void {
    const roomless = this.#roomless
    this.#roomless = new Set()
    for (const done of roomless) done()
  }
}
