/**
 * What SORT holds while it works: byte strings one behind the other with their ends, scores, and the order found. No object
 * per element.
 *
 * Source: redis 7.0 sort.c sortCompare().
 */
import { confirmRead } from '../keyspace/read-guard.ts'

const FIRST_BYTES = 4096
const FIRST_ITEMS = 64

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
    this.bytes.set(bytes.subarray(start, end), at)
  }

  /** Forgets all strings, and keeps the room. */
  clear(): void {
    this.count = 0
    this.#length = 0
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

/** Smallest number that C's strtod does not call out of range. */
const NORMAL_MIN: number = 2 ** -1022
const SPACES = '[ \\t\\n\\v\\f\\r]*'
// A run of digits ends in one place only, as in encoding/score-text.ts: else a long text that is no number takes the square of its length.
const DECIMAL = new RegExp(`^${SPACES}[+-]?(?:\\d+(?:\\.\\d*)?|\\.\\d+)(?:e[+-]?\\d+)?$`, 'i')
const HEXADECIMAL = new RegExp(`^${SPACES}([+-]?)0x([\\da-f]*)(?:\\.([\\da-f]*))?(?:p([+-]?\\d+))?$`, 'i')
const INFINITE = new RegExp(`^${SPACES}([+-]?)inf(?:inity)?$`, 'i')
const MANTISSA_NONZERO = /^[^e]*[1-9]/i

/** The number that C's strtod reads in `bytes[start .. end)` up to a zero byte; NaN when SORT would not take it. */
export function sortScore(bytes: Uint8Array, start: number, end: number): number {
  let to = start
  let integer = 0
  // The common case: a few digits.
  for (; to < end && to - start < 15; to++) {
    const digit = bytes[to]! - 48
    if (digit < 0 || digit > 9) break
    integer = integer * 10 + digit
  }
  if (to === end) return integer
  while (to < end && bytes[to] !== 0) to++
  if (to === start) return 0
  const text = Buffer.from(bytes.subarray(start, to)).toString('latin1')
  if (DECIMAL.test(text)) {
    const value = Number(text.trim())
    const isTooSmall = Math.abs(value) < NORMAL_MIN && MANTISSA_NONZERO.test(text)
    return isTooSmall || !Number.isFinite(value) ? NaN : value
  }
  const infinite = INFINITE.exec(text)
  if (infinite !== null) return infinite[1] === '-' ? -Infinity : Infinity
  const hexadecimal = HEXADECIMAL.exec(text)
  if (hexadecimal === null) return NaN
  const [, sign, whole = '', fraction = '', power = '0'] = hexadecimal
  if (whole === '' && fraction === '') return NaN
  const value = Number(BigInt(`0x${whole}${fraction}`)) * 2 ** (Number(power) - 4 * fraction.length)
  return Number.isFinite(value) ? (sign === '-' ? -value : value) : NaN
}
