/**
 * Listpack: reading and checking. Nothing is written here. Follows redis 7.0 listpack.c.
 *
 *   | total bytes u32 LE | items u16 LE, 65535 = unknown | item … | 0xff |
 *   item: | encoding and data | length of both, 7 bits a byte, most significant first, for walking backwards |
 *
 * Every function is safe on arbitrary bytes: positions are checked against `end`, which lies behind the whole blob.
 */
import type { PackedItem } from './packed-item.ts'

export const LISTPACK_HEADER_BYTES = 6
export const LISTPACK_END = 0xff
const COUNT_UNKNOWN = 0xffff

/** Position of the first item, or of the end byte. */
export function listpackFirst(start: number): number {
  return start + LISTPACK_HEADER_BYTES
}

/**
 * Length in bytes of encoding and data of the item at `at` (its back length excluded).
 * @returns -1 if the first byte is no encoding or the length field is cut by `end`.
 */
function contentBytes(bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at]!
  if (first < 0x80) return 1
  if (first < 0xc0) return 1 + (first & 0x3f)
  if (first < 0xe0) return 2
  if (first < 0xf0) return at + 2 > end ? -1 : 2 + (((first & 0x0f) << 8) | bytes[at + 1]!)
  switch (first) {
    case 0xf0:
      if (at + 5 > end) return -1
      return 5 + (bytes[at + 1]! | (bytes[at + 2]! << 8) | (bytes[at + 3]! << 16)) + bytes[at + 4]! * 0x1000000
    case 0xf1:
      return 3
    case 0xf2:
      return 4
    case 0xf3:
      return 5
    case 0xf4:
      return 9
    default:
      return -1
  }
}

/**
 * Position of the item after the one at `at` (which must not be the end byte).
 * @returns -1 if the item is malformed, its back length is wrong or it reaches `end` (an end byte must still follow).
 */
export function listpackNext(bytes: Uint8Array, at: number, end: number): number {
  const content = contentBytes(bytes, at, end)
  if (content < 0) return -1
  const back = at + content
  if (content < 128) return back + 1 < end && bytes[back] === content ? back + 1 : -1
  // The groups of 7 bits stand most significant first; all but the first carry the high bit. Redis takes one group more than
  // needed for the last length of each (lpEncodeBacklen()).
  const groups = content < 16_383 ? 2 : content < 2_097_151 ? 3 : content < 268_435_455 ? 4 : 5
  if (back + groups >= end) return -1
  let left = content
  for (let i = groups - 1; i > 0; i--) {
    if (bytes[back + i] !== ((left & 127) | 128)) return -1
    left = Math.floor(left / 128)
  }
  return bytes[back] === left ? back + groups : -1
}

/**
 * Reads the item at `at` into `item`.
 * @returns the position of the next item, or -1 if the item is malformed (`item` is then undefined).
 */
export function listpackRead(bytes: Uint8Array, at: number, end: number, item: PackedItem): number {
  const next = listpackNext(bytes, at, end)
  if (next < 0) return -1
  const first = bytes[at]!
  if (first < 0x80) {
    item.setInt32(first)
  } else if (first < 0xc0) {
    item.setBytes(at + 1, at + 1 + (first & 0x3f))
  } else if (first < 0xe0) {
    item.setInt32((((first & 0x1f) << 27) | (bytes[at + 1]! << 19)) >> 19)
  } else if (first < 0xf0) {
    item.setBytes(at + 2, at + 2 + (((first & 0x0f) << 8) | bytes[at + 1]!))
  } else if (first === 0xf0) {
    item.setBytes(at + 5, at + contentBytes(bytes, at, end))
  } else if (first === 0xf1) {
    item.setInt32(((bytes[at + 1]! << 16) | (bytes[at + 2]! << 24)) >> 16)
  } else if (first === 0xf2) {
    item.setInt32(((bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >> 8)
  } else {
    const lo = bytes[at + 1]! | (bytes[at + 2]! << 8) | (bytes[at + 3]! << 16) | (bytes[at + 4]! << 24)
    if (first === 0xf3) item.setInt32(lo)
    else item.setInt64(lo, bytes[at + 5]! | (bytes[at + 6]! << 8) | (bytes[at + 7]! << 16) | (bytes[at + 8]! << 24))
  }
  return next
}

/** Number of items as the header says it, or -1 when the header does not know. */
export function listpackHeaderCount(bytes: Uint8Array, start: number): number {
  const count = bytes[start + 4]! | (bytes[start + 5]! << 8)
  return count === COUNT_UNKNOWN ? -1 : count
}

/**
 * Walks all of `bytes[start .. end)`: header length is the blob's length, every item is well-formed and within it, the
 * end byte is the last one, the count is right or unknown.
 * @returns the number of items, or `-1 - position` of what is wrong.
 */
export function listpackCheck(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < LISTPACK_HEADER_BYTES + 1) return -1 - start
  const total = (bytes[start]! | (bytes[start + 1]! << 8) | (bytes[start + 2]! << 16)) + bytes[start + 3]! * 0x1000000
  if (total !== end - start) return -1 - start
  if (bytes[end - 1] !== LISTPACK_END) return -1 - (end - 1)
  let at = start + LISTPACK_HEADER_BYTES
  let count = 0
  const last = end - 1
  while (at < last) {
    count++
    const first = bytes[at]!
    if (first < 0xc0) {
      // Nearly all items: short strings and small integers, the length behind them in one byte.
      const content = first < 0x80 ? 1 : 1 + (first & 0x3f)
      const back = at + content
      if (back >= last || bytes[back] !== content) return -1 - at
      at = back + 1
      continue
    }
    const next = listpackNext(bytes, at, end)
    if (next < 0) return -1 - at
    at = next
  }
  const told = listpackHeaderCount(bytes, start)
  return told < 0 || told === count ? count : -1 - (start + 4)
}
