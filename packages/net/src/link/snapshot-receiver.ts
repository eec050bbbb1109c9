/**
 * Carries one snapshot from the connection into an RdbLoad: counts, and keeps what the loader has no room for, and what stands
 * behind the snapshot, in a queue, so that the connection is read all the time. It knows no RDB.
 *
 *     socket ──view()──► load.writable()        (shared memory of the loader; the normal way, nothing is copied)
 *            ──view()──► queue ──► load          (loader full)
 *                              └─► the stream    (behind a counted snapshot; taken over when the load is done)
 *
 * With an end mark only the loader knows where the snapshot ends: it is given everything until it says so (`leftover()`).
 */
import { copyRange, TURN_BYTES_MAX } from '@understudy/core/internal'
import type { RdbLoad, SnapshotFraming } from '@understudy/core/internal'
import type { SpillQueue } from './spill-queue.ts'

/** When so much waits, the loader is too slow: more than comes while its first thread starts. */
const WAITING_BYTES_MAX: number = 16 << 20

export class SnapshotReceiver {
  readonly load: RdbLoad
  /** Bytes of the snapshot received so far; with an end mark, of what follows too. */
  receivedBytes = 0
  /** Length of a counted snapshot; Infinity with an end mark. */
  readonly totalBytes: number
  readonly #queue: SpillQueue
  #lent: Uint8Array | undefined
  /** Bytes given to the load. */
  #fedBytes = 0
  #isFinishing = false

  /** @param queue empty; `feed()` is to be called when it has become readable. It is the receiver's until `takeQueue()`. */
  constructor(load: RdbLoad, framing: SnapshotFraming, queue: SpillQueue) {
    this.load = load
    this.totalBytes = framing.kind === 'length' ? framing.byteLength : Infinity
    this.#queue = queue
    load.onSpace = (): void => this.feed()
  }

  get isComplete(): boolean {
    return this.receivedBytes >= this.totalBytes
  }

  /** Bytes that were received and neither loaded nor applied. */
  get waitingBytes(): number {
    return this.#queue.byteLength
  }

  /** May the connection be read? */
  get hasRoom(): boolean {
    return !this.#queue.isFull
  }

  /** Where the next bytes go. */
  view(): Uint8Array {
    if (this.#queue.byteLength === 0 && this.#fedBytes < this.totalBytes) {
      const view = this.load.writable(Math.min(this.totalBytes - this.#fedBytes, TURN_BYTES_MAX))
      if (view !== undefined) {
        this.#lent = view
        return view
      }
    }
    this.#lent = undefined
    return this.#queue.view()
  }

  /** `view[0 .. count)` was filled. False: no room; read no more until there is. */
  received(count: number, view: Uint8Array): boolean {
    this.receivedBytes = Math.min(this.receivedBytes + count, this.totalBytes)
    if (view === this.#lent) {
      this.#lent = undefined
      this.#fedBytes += count
      this.load.produced(count)
      return true
    }
    this.#lent = undefined
    this.#queue.received(count, view)
    return this.#queued()
  }

  /** Bytes that arrived elsewhere; copied. */
  push(bytes: Uint8Array): boolean {
    this.#lent = undefined
    this.receivedBytes = Math.min(this.receivedBytes + bytes.length, this.totalBytes)
    this.#queue.push(bytes)
    return this.#queued()
  }

  #queued(): boolean {
    this.feed()
    const { byteLength, bytesMax } = this.#queue
    if (!this.isComplete && byteLength > Math.min(WAITING_BYTES_MAX, bytesMax / 2)) this.load.useAllThreads()
    return this.hasRoom
  }

  /** The connection ended: what waits must still go in before the loader hears of the end. */
  finish(): void {
    this.#isFinishing = true
    this.feed()
  }

  /** Moves what waits to the loader, as far as it has room. */
  feed(): void {
    while (this.#fedBytes < this.totalBytes) {
      const bytes = this.#queue.peek()
      if (bytes === undefined) break
      const view = this.load.writable(Math.min(bytes.length, this.totalBytes - this.#fedBytes))
      if (view === undefined) return
      const count = Math.min(view.length, bytes.length)
      copyRange(bytes, 0, count, view, 0)
      this.load.produced(count)
      this.#fedBytes += count
      this.#queue.consume(count)
    }
    if (this.#isFinishing && this.#queue.byteLength === 0) this.load.end()
  }

  /** After the load: the beginning of the stream, which is what the load has left, and then the queue. */
  takeQueue(): { readonly queue: SpillQueue; readonly before: Uint8Array[] } {
    const before = this.totalBytes === Infinity ? this.load.leftover() : []
    return { queue: this.#queue, before }
  }

  /** The snapshot is not wanted any more. */
  abort(): void {
    this.load.abort()
    this.#queue.dispose()
  }
}
