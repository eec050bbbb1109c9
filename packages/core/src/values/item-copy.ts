/**
 * A copy of an item that is needed for a moment longer than the bytes that were lent: in a buffer that is used again. One that a long item
 * has made large is not kept.
 */
import { copyBytes, viewOf } from '../memory/copy-bytes.ts'

const FIRST_BYTES = 256
const KEPT_BYTES_MAX = 65_536

export class ItemCopy {
  /** The copy is `bytes[0 .. length)`. */
  bytes: Uint8Array = new Uint8Array(FIRST_BYTES)
  length = 0
  #view: DataView = new DataView(this.bytes.buffer)

  /** Copies `source[start .. end)` in place of what was there. */
  take(source: Uint8Array, start: number, end: number): void {
    const length = end - start
    if (length > this.bytes.length) this.#resize(length <= KEPT_BYTES_MAX ? KEPT_BYTES_MAX : length)
    copyBytes(source, viewOf(source), start, end, this.bytes, this.#view, 0)
    this.length = length
  }

  /** The copy is not needed any more. */
  release(): void {
    this.length = 0
    if (this.bytes.length > KEPT_BYTES_MAX) this.#resize(FIRST_BYTES)
  }

  #resize(bytes: number): void {
    this.bytes = new Uint8Array(bytes)
    this.#view = new DataView(this.bytes.buffer)
  }
}
