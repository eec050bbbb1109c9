/**
 * Intset: reading and checking. Follows redis 7.0 intset.c.
 *
 *   | width u32 LE: 2, 4 or 8 | count u32 LE | count integers LE of that width, ascending, no two equal |
 */
import type { PackedItem } from './packed-item.ts'

export const INTSET_HEADER_BYTES = 8

/** Number of integers. The blob must have passed `intsetCheck`, or the result be used with care. */
export function intsetCount(bytes: Uint8Array, start: number): number {
  return (bytes[start + 4]! | (bytes[start + 5]! << 8) | (bytes[start + 6]! << 16)) + bytes[start + 7]! * 0x1000000
}

/** Reads integer `index` into `item`. @returns false if it lies outside the blob or the width is none. */
export function intsetRead(bytes: Uint8Array, start: number, end: number, index: number, item: PackedItem): boolean {
  const width = bytes[start]!
  const at = start + INTSET_HEADER_BYTES + index * width
  if (at + width > end) return false
  if (width === 2) {
    item.setInt32(((bytes[at]! << 16) | (bytes[at + 1]! << 24)) >> 16)
    return true
  }
  const lo = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
  if (width === 4) {
    item.setInt32(lo)
    return true
  }
  if (width !== 8) return false
  item.setInt64(lo, bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24))
  return true
}

/**
 * Checks all of `bytes[start .. end)`: known width, count fits the length, integers strictly ascending.
 * @returns the number of integers, or `-1 - position` of what is wrong.
 */
export function intsetCheck(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < INTSET_HEADER_BYTES) return -1 - start
  const width = bytes[start]!
  if ((width !== 2 && width !== 4 && width !== 8) || bytes[start + 1] || bytes[start + 2] || bytes[start + 3]) {
    return -1 - start
  }
  const count = intsetCount(bytes, start)
  if (INTSET_HEADER_BYTES + count * width !== end - start) return -1 - (start + 4)
  let at = start + INTSET_HEADER_BYTES
  let previousHi = 0
  let previousLo = 0
  for (let index = 0; index < count; index++, at += width) {
    let hi: number
    let lo: number
    if (width === 2) {
      hi = 0
      lo = (((bytes[at]! << 16) | (bytes[at + 1]! << 24)) >> 16) + 0x8000
    } else {
      lo = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
      if (width === 4) {
        hi = lo
        lo = 0
      } else {
        hi = bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24)
        lo >>>= 0
      }
    }
    if (index > 0 && (hi < previousHi || (hi === previousHi && lo <= previousLo))) return -1 - at
    previousHi = hi
    previousLo = lo
  }
  return count
}
