/**
 * Byte strings one behind the other with their ends: what a command holds of many elements while it works. No object per element, which
 * would be some hundred bytes of the heap each.
 */
import { confirmRead } from '../keyspace/read-guard.ts'
import { copyBytes, viewOf } from '../memory/copy-bytes.ts'

const FIRST_BYTES = 4096
const FIRST_ITEMS = 64
/** As many fit a number exactly. */
const PREFIX_BYTES = 6
/** Of strings that have been forgotten. */
const KEPT_BYTES_MAX = 65_536
const KEPT_ITEMS_MAX = 4096

/** Byte strings, some of them missing. */
export class ByteItems {
  bytes: Uint8Array = new Uint8Array(FIRST_BYTES)
  count = 0
  #length = 0
  /** End of each in `bytes`; missing ones have the end of the one before, negated and less one. */
  #ends: Float64Array = new Float64Array(FIRST_ITEMS)

  /** Makes room for a string of `length` bytes more. @returns where to write it in `bytes`. */
  add(length: number): number {
    const at = this.#length
    const need = at + length
    if (need > this.bytes.length) {
      confirmRead(length)
      const grown = new Uint8Array(Math.max(this.bytes.length * 2, need))
      grown.set(this.bytes.subarray(0, at))
      this.bytes = grown
    }
    this.#length = need
    this.#addEnd(need)
    return at
  }

  addCopy(bytes: Uint8Array, start: number, end: number): void {
    const at = this.add(end - start)
    copyBytes(bytes, viewOf(bytes), start, end, this.bytes, viewOf(this.bytes), at)
  }

  /** Forgets all strings, and keeps the room. */
  clear(): void {
    this.count = 0
    this.#length = 0
  }

  /** Forgets all strings, and gives back what many took. */
  empty(): void {
    this.clear()
    if (this.bytes.length > KEPT_BYTES_MAX) this.bytes = new Uint8Array(FIRST_BYTES)
    if (this.#ends.length > KEPT_ITEMS_MAX) this.#ends = new Float64Array(FIRST_ITEMS)
  }

  addMissing(): void {
    this.#addEnd(-this.#length - 1)
  }

  #addEnd(end: number): void {
    if (this.count === this.#ends.length) {
      const grown = new Float64Array(this.count * 2)
      grown.set(this.#ends)
      this.#ends = grown
    }
    this.#ends[this.count++] = end
  }

  isMissing(index: number): boolean {
    return this.#ends[index]! < 0
  }

  startOf(index: number): number {
    if (index === 0) return 0
    const end = this.#ends[index - 1]!
    return end < 0 ? -end - 1 : end
  }

  endOf(index: number): number {
    const end = this.#ends[index]!
    return end < 0 ? -end - 1 : end
  }

  /**
   * The first bytes of an item as a number. Of two items that `compare` puts in an order, the first has no greater one.
   * @param isText of `compareAsText`
   */
  prefix(index: number, isText: boolean): number {
    const { bytes } = this
    const start = this.startOf(index)
    const end = this.endOf(index)
    let number = 0
    let at = start
    for (; at < start + PREFIX_BYTES && at < end; at++) {
      if (isText && bytes[at] === 0) break
      number = number * 256 + bytes[at]!
    }
    return number * 256 ** (start + PREFIX_BYTES - at)
  }

  /** Which of two comes first byte by byte, the shorter before the longer. */
  compare(left: number, right: number): number {
    const { bytes } = this
    const leftStart = this.startOf(left)
    const rightStart = this.startOf(right)
    const leftLength = this.endOf(left) - leftStart
    const rightLength = this.endOf(right) - rightStart
    const common = Math.min(leftLength, rightLength)
    for (let i = 0; i < common; i++) {
      const difference = bytes[leftStart + i]! - bytes[rightStart + i]!
      if (difference !== 0) return difference
    }
    return leftLength - rightLength
  }

  /** As C compares them in the locale of servers: only up to a zero byte. */
  compareAsText(left: number, right: number): number {
    const { bytes } = this
    const leftStart = this.startOf(left)
    const rightStart = this.startOf(right)
    const leftLength = this.endOf(left) - leftStart
    const rightLength = this.endOf(right) - rightStart
    for (let i = 0; ; i++) {
      const leftByte = i < leftLength ? bytes[leftStart + i]! : 0
      const rightByte = i < rightLength ? bytes[rightStart + i]! : 0
      if (leftByte !== rightByte || leftByte === 0) return leftByte - rightByte
    }
  }
}
