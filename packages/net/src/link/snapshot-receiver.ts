/**
 * Carries one snapshot from the connection into an RdbLoad: counts, keeps what belongs to the stream apart, and holds
 * back the connection while the loader has no room. It knows no RDB.
 *
 *     socket ──view()──► load.writable()   (shared memory of the loader; the normal way, nothing is copied)
 *            ──view()──► spill             (loader full: what was under way lands here and is copied when there is room)
 *
 * With a counted snapshot the bytes behind it are the stream's; with an end mark the loader finds them (`leftover()`).
 */
import { TURN_BYTES_MAX } from '@understudy/core/internal'
import type { RdbLoad, SnapshotFraming } from '@understudy/core/internal'

const SPILL_BYTES = 64 * 1024

export class SnapshotReceiver {
  readonly load: RdbLoad
  /** Bytes of the snapshot received so far. */
  receivedBytes = 0
  /** Length of a counted snapshot; Infinity with an end mark. */
  readonly totalBytes: number
  #lent: Uint8Array | undefined
  #spill: Uint8Array | undefined
  #held: Uint8Array[] = []
  #stream: Uint8Array[] = []

  /** @param onSpace called when a receiver that answered false can take bytes again. */
  constructor(load: RdbLoad, framing: SnapshotFraming, onSpace: () => void) {
    this.load = load
    this.totalBytes = framing.kind === 'length' ? framing.byteLength : Infinity
    load.onSpace = (): void => {
      if (this.#drainHeld()) onSpace()
    }
  }

  get isComplete(): boolean {
    return this.receivedBytes >= this.totalBytes
  }

  /** Where the next bytes go. */
  view(): Uint8Array {
    if (this.#held.length === 0 && !this.isComplete) {
      const view = this.load.writable(Math.min(this.totalBytes - this.receivedBytes, TURN_BYTES_MAX))
      if (view !== undefined) {
        this.#lent = view
        return view
      }
    }
    this.#lent = undefined
    this.#spill ??= new Uint8Array(SPILL_BYTES)
    return this.#spill
  }

  /** `view[0 .. count)` was filled. False: no room, or complete; read no more. */
  received(count: number, view: Uint8Array): boolean {
    if (view === this.#lent) {
      this.#lent = undefined
      this.receivedBytes += count
      this.load.produced(count)
      return !this.isComplete
    }
    return this.push(view.subarray(0, count))
  }

  /** Bytes that arrived elsewhere; copied. */
  push(bytes: Uint8Array): boolean {
    this.#lent = undefined
    const mine = Math.min(bytes.length, this.totalBytes - this.receivedBytes)
    if (mine > 0) {
      this.receivedBytes += mine
      this.#held.push(bytes.slice(0, mine))
    }
    if (mine < bytes.length) this.#stream.push(bytes.slice(mine))
    return this.#drainHeld() && !this.isComplete
  }

  /** The connection ended: what is held must still go in before the loader hears of the end. */
  finish(): void {
    if (this.#drainHeld()) this.load.end()
    else
      this.load.onSpace = (): void => {
        if (this.#drainHeld()) this.load.end()
      }
  }

  /** After the load: bytes that belong to the stream, in order. */
  leftover(): Uint8Array[] {
    return this.totalBytes === Infinity ? [this.load.leftover(), ...this.#held, ...this.#stream] : this.#stream
  }

  /** True when nothing is held back any more. */
  #drainHeld(): boolean {
    while (this.#held.length > 0) {
      const bytes = this.#held[0]!
      const view = this.load.writable(bytes.length)
      if (view === undefined) return false
      const count = Math.min(view.length, bytes.length)
      view.set(bytes.subarray(0, count))
      this.load.produced(count)
      if (count === bytes.length) this.#held.shift()
      else this.#held[0] = bytes.subarray(count)
    }
    return true
  }
}
