/**
 * One item of a packed value (listpack, ziplist, intset, zipmap): a range of bytes or a 64-bit integer. A reader makes
 * one and has it filled again and again, so that walking a value allocates nothing.
 */
import { INTEGER_TEXT_BYTES_MAX, writeInt64 } from './integer.ts'

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

/** The bytes of an item: a view of `bytes` for a byte item, new bytes with the decimal text for an integer. */
export function itemBytes(bytes: Uint8Array, item: PackedItem): Uint8Array {
  if (!item.isInteger) return bytes.subarray(item.start, item.end)
  const text = new Uint8Array(INTEGER_TEXT_BYTES_MAX)
  return text.subarray(0, writeInt64(item.lo, item.hi, text, 0))
}
