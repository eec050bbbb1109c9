/**
 * Makes listpack items one behind the other in a buffer of its own, which grows: for items that belong together (an entry
 * of a stream) and are then put into a listpack as a whole.
 */
import { LISTPACK_END, LISTPACK_HEADER_BYTES } from './listpack.ts'
import { listpackWriteHeader, listpackWriteInt64, listpackWriteItem } from './listpack-edit.ts'

const FIRST_BYTES = 4096
/** A longer buffer is not kept. */
const KEPT_BYTES_MAX = 1 << 18
/** Most bytes around the content: first byte and length, back length; or a whole integer. */
const FRAME_BYTES_MAX = 10

export class ListpackBuffer {
  /** What was written: `bytes[0 .. length)`. */
  bytes: Uint8Array = new Uint8Array(FIRST_BYTES)
  length = 0
  /** Items written. */
  count = 0

  clear(): void {
    this.length = 0
    this.count = 0
    if (this.bytes.length > KEPT_BYTES_MAX) this.bytes = new Uint8Array(FIRST_BYTES)
  }

  /** Begins a whole listpack: leaves room for the header. */
  begin(): void {
    this.clear()
    this.length = LISTPACK_HEADER_BYTES
  }

  /** Ends a whole listpack: end byte and header. */
  finish(): void {
    this.#reserve(1)
    const { bytes } = this
    bytes[this.length++] = LISTPACK_END
    bytes[4] = bytes[5] = 0
    listpackWriteHeader(bytes, 0, this.length, this.count)
  }

  /** One item: the string `source[start .. end)`, as an integer if it reads as one. */
  string(source: Uint8Array, start: number, end: number): void {
    this.#reserve(end - start + FRAME_BYTES_MAX)
    this.length = listpackWriteItem(source, start, end, this.bytes, this.length)
    this.count++
  }

  /** One item: the integer `hi * 2^32 + (lo >>> 0)`. */
  integer(lo: number, hi: number): void {
    this.#reserve(FRAME_BYTES_MAX)
    this.length = listpackWriteInt64(lo, hi, this.bytes, this.length)
    this.count++
  }

  /** One item: an int32. */
  int32(value: number): void {
    this.integer(value, value >> 31)
  }

  #reserve(more: number): void {
    const need = this.length + more
    if (need <= this.bytes.length) return
    const grown = new Uint8Array(Math.max(need, this.bytes.length * 2))
    grown.set(this.bytes.subarray(0, this.length))
    this.bytes = grown
  }
}
