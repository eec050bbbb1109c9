/**
 * The value that a walk passes, written once more with its compressed blobs as plain strings: the walk has to decode them anyway
 * to check them, and whoever takes the value need not do it again. Short values that are walked in one call only.
 */
import { lzfDecompress } from '../encoding/lzf.ts'
import { copyBytes, viewOf } from '../memory/copy-bytes.ts'
import { checkBlob } from './blob-check.ts'
import type { StringSlot } from './string-codec.ts'

/** Longest value that is unpacked. */
const UNPACKED_BYTES_MAX: number = 32 << 10
/** A plain string's header with a length of 32 bits. */
const RAW_HEADER_BYTES = 5

/** Memory for unpacked values: `bytes[used …]` after `reserve(count)` has room for `count` bytes. */
export interface UnpackTarget {
  readonly bytes: Uint8Array
  used: number
  reserve(count: number): void
}

// Results of `add` beside the number of elements.
/** The value is not unpacked, or not any more: the blob was not looked at. */
export const UNPACK_OFF = -1
export const UNPACK_BAD_COMPRESSION = -2
const UNPACK_BAD_BLOB = -3

export class ValueUnpacker {
  #target: UnpackTarget | undefined
  /** Bytes written so far, 0 before the first compressed blob. */
  #written = 0
  /** Up to where the walked bytes are in it. */
  #passedTo = 0

  /** Starts a value. @param target undefined: it is not to be unpacked. */
  begin(target: UnpackTarget | undefined): void {
    this.#target = target
    this.#written = 0
  }

  /** The value's first byte is at `at`. */
  startAt(at: number): void {
    this.#passedTo = at
  }

  /** The value comes in pieces, and is taken in pieces. */
  giveUp(): void {
    this.#target = undefined
  }

  /**
   * Decodes and checks the compressed blob whose header is at `at`. Its length needs no check before: the decoder stays within
   * memory that is there already.
   * @returns the blob's elements, or UNPACK_…
   */
  add(bytes: Uint8Array, at: number, string: StringSlot, kind: number): number {
    const target = this.#target
    if (target === undefined) return UNPACK_OFF
    const { start, end, length } = string
    if (this.#written + (at - this.#passedTo) + RAW_HEADER_BYTES + length > UNPACKED_BYTES_MAX) {
      this.giveUp()
      return UNPACK_OFF
    }
    if (this.#written === 0) target.reserve(UNPACKED_BYTES_MAX)
    this.#copyPassed(bytes, at, target)
    const unpacked = target.bytes
    const headerAt = target.used + this.#written
    unpacked[headerAt] = 0x80
    for (let i = 1; i < RAW_HEADER_BYTES; i++) unpacked[headerAt + i] = length >>> (8 * (4 - i))
    const from = headerAt + RAW_HEADER_BYTES
    if (!lzfDecompress(bytes, start, end, unpacked, from, from + length)) return UNPACK_BAD_COMPRESSION
    this.#written += RAW_HEADER_BYTES + length
    this.#passedTo = end
    const count = checkBlob(kind, unpacked, from, from + length)
    return count < 0 ? UNPACK_BAD_BLOB : count
  }

  /** Completes a value that ends at `end`. @returns its length from the target's `used` on; 0: it is as it was. */
  finish(bytes: Uint8Array, end: number): number {
    const target = this.#target
    if (target === undefined || this.#written === 0) return 0
    if (this.#written + (end - this.#passedTo) > UNPACKED_BYTES_MAX) return 0
    this.#copyPassed(bytes, end, target)
    return this.#written
  }

  /** Adds what was passed up to `end`, as it is. */
  #copyPassed(bytes: Uint8Array, end: number, target: UnpackTarget): void {
    const at = target.used + this.#written
    const from = this.#passedTo
    copyBytes(bytes, viewOf(bytes), from, end, target.bytes, viewOf(target.bytes), at)
    this.#written += end - from
    this.#passedTo = end
  }
}
