/**
 * One item of a packed value (listpack, ziplist, intset, zipmap): a range of bytes or a 64-bit integer. A reader makes
 * one and has it filled again and again, so that walking a value allocates nothing.
 */
import { parseBigInteger, parseInteger } from './integer.ts'

export class PackedItem {
  isInteger = false
  /** A byte item is `bytes[start .. end)` of the array that was read. */
  start = 0
  end = 0
  /** An integer item is `hi * 2^32 + (lo >>> 0)`; both are int32. */
  lo = 0
  hi = 0

  setBytes(start: number, end: number): void {
    this.isInteger = false
    this.start = start
    this.end = end
  }

  setInt32(value: number): void {
    this.isInteger = true
    this.lo = value
    this.hi = value >> 31
  }

  setInt64(lo: number, hi: number): void {
    this.isInteger = true
    this.lo = lo
    this.hi = hi
  }

  /** The integer as a number; exact up to 2^53. */
  toNumber(): number {
    return this.hi * 0x100000000 + (this.lo >>> 0)
  }

  toBigInt(): bigint {
    return (BigInt(this.hi) << 32n) | BigInt(this.lo >>> 0)
  }
}

/** Longest decimal text of a 64-bit integer. */
export const INT64_TEXT_BYTES_MAX = 20

/**
 * Writes the integer `hi:lo` in decimal at `target[at]`; at most 20 bytes.
 * @returns the position behind it.
 */
export function writeInt64Text(lo: number, hi: number, target: Uint8Array, at: number): number {
  if (hi === lo >> 31) return writeInt32Text(lo, target, at)
  const text = ((BigInt(hi) << 32n) | BigInt(lo >>> 0)).toString()
  for (let i = 0; i < text.length; i++) target[at + i] = text.charCodeAt(i)
  return at + text.length
}

/** Writes an int32 in decimal at `target[at]`; at most 11 bytes. @returns the position behind it. */
export function writeInt32Text(value: number, target: Uint8Array, at: number): number {
  let to = at
  let left = value
  if (value < 0) {
    target[to++] = 0x2d
    left = -value
  }
  let digits = 1
  for (let power = 10; power <= left; power *= 10) digits++
  const end = to + digits
  for (let i = end - 1; i >= to; i--) {
    const tenth = Math.floor(left / 10)
    target[i] = 0x30 + (left - tenth * 10)
    left = tenth
  }
  return end
}

export let int64Lo = 0
export let int64Hi = 0

/**
 * Does the text `bytes[start .. end)` read as an int64 (redis 7.0 util.c string2ll())? Then `int64Lo` and `int64Hi` are its
 * halves.
 */
export function parseInt64(bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start
  if (length === 0 || length > INT64_TEXT_BYTES_MAX) return false
  const first = bytes[start]!
  if (first > 0x39 || (first < 0x30 && first !== 0x2d)) return false
  const value = parseInteger(bytes, start, end)
  if (Number.isNaN(value)) return false
  if (Number.isSafeInteger(value)) {
    int64Lo = value | 0
    int64Hi = Math.floor(value / 0x100000000)
  } else {
    const exact = parseBigInteger(bytes, start, end)!
    int64Lo = Number(BigInt.asIntN(32, exact))
    int64Hi = Number(exact >> 32n)
  }
  return true
}

/** The bytes of an item: a view of `bytes` for a byte item, new bytes with the decimal text for an integer. */
export function itemBytes(bytes: Uint8Array, item: PackedItem): Uint8Array {
  if (!item.isInteger) return bytes.subarray(item.start, item.end)
  const text = new Uint8Array(INT64_TEXT_BYTES_MAX)
  return text.subarray(0, writeInt64Text(item.lo, item.hi, text, 0))
}
