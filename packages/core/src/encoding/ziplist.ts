/**
 * Ziplist, the packed list of Redis before 7.0: reading and checking. Follows redis 7.0 ziplist.c.
 *
 *   | total bytes u32 LE | offset of the last item u32 LE | items u16 LE, 65535 = unknown | item … | 0xff |
 *   item: | length of the item before: u8 below 254, or 254 and u32 LE | encoding | data |
 */
import type { PackedItem } from './packed-item.ts'

export const ZIPLIST_HEADER_BYTES = 10
export const ZIPLIST_END = 0xff
const COUNT_UNKNOWN = 0xffff

/** Position of the first item, or of the end byte. */
export function ziplistFirst(start: number): number {
  return start + ZIPLIST_HEADER_BYTES
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16)) + bytes[at + 3]! * 0x1000000
}

/**
 * Position of the item after the one at `at` (which must not be the end byte).
 * @returns -1 if the item is malformed or reaches `end` (an end byte must still follow).
 */
export function ziplistNext(bytes: Uint8Array, at: number, end: number): number {
  if (bytes[at] === ZIPLIST_END) return -1
  const encoding = bytes[at] === 254 ? at + 5 : at + 1
  // The longest encoding field has 5 bytes; what a shorter one reads beyond its own is not used.
  if (encoding >= end) return -1
  const first = bytes[encoding]!
  let next: number
  if (first < 0x40) next = encoding + 1 + first
  else if (first < 0x80) {
    if (encoding + 2 > end) return -1
    next = encoding + 2 + (((first & 0x3f) << 8) | bytes[encoding + 1]!)
  } else if (first < 0xc0) {
    if (encoding + 5 > end) return -1
    next =
      encoding +
      5 +
      bytes[encoding + 1]! * 0x1000000 +
      ((bytes[encoding + 2]! << 16) | (bytes[encoding + 3]! << 8) | bytes[encoding + 4]!)
  } else if (first === 0xc0) next = encoding + 3
  else if (first === 0xd0) next = encoding + 5
  else if (first === 0xe0) next = encoding + 9
  else if (first === 0xf0) next = encoding + 4
  else if (first === 0xfe) next = encoding + 2
  else if (first > 0xf0 && first < 0xfe) next = encoding + 1
  else return -1
  return next < end ? next : -1
}

/**
 * Reads the item at `at` into `item`.
 * @returns the position of the next item, or -1 if the item is malformed (`item` is then undefined).
 */
export function ziplistRead(bytes: Uint8Array, at: number, end: number, item: PackedItem): number {
  const next = ziplistNext(bytes, at, end)
  if (next < 0) return -1
  const encoding = bytes[at] === 254 ? at + 5 : at + 1
  const first = bytes[encoding]!
  if (first < 0x40) item.setBytes(encoding + 1, next)
  else if (first < 0x80) item.setBytes(encoding + 2, next)
  else if (first < 0xc0) item.setBytes(encoding + 5, next)
  else if (first === 0xfe) item.setInt32((bytes[encoding + 1]! << 24) >> 24)
  else if (first === 0xc0) item.setInt32(((bytes[encoding + 1]! << 16) | (bytes[encoding + 2]! << 24)) >> 16)
  else if (first === 0xf0) {
    item.setInt32(((bytes[encoding + 1]! << 8) | (bytes[encoding + 2]! << 16) | (bytes[encoding + 3]! << 24)) >> 8)
  } else if (first === 0xd0) item.setInt32(readUint32(bytes, encoding + 1) | 0)
  else if (first === 0xe0) item.setInt64(readUint32(bytes, encoding + 1) | 0, readUint32(bytes, encoding + 5) | 0)
  else item.setInt32((first & 15) - 1)
  return next
}

/** Number of items as the header says it, or -1 when the header does not know. */
export function ziplistHeaderCount(bytes: Uint8Array, start: number): number {
  const count = bytes[start + 8]! | (bytes[start + 9]! << 8)
  return count === COUNT_UNKNOWN ? -1 : count
}

/**
 * Walks all of `bytes[start .. end)`: lengths and tail offset of the header, every item and its note about the one
 * before, end byte, count.
 * @returns the number of items, or `-1 - position` of what is wrong.
 */
export function ziplistCheck(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < ZIPLIST_HEADER_BYTES + 1 || readUint32(bytes, start) !== end - start) return -1 - start
  if (bytes[end - 1] !== ZIPLIST_END) return -1 - (end - 1)
  let at = start + ZIPLIST_HEADER_BYTES
  let previous = at
  let previousBytes = 0
  let count = 0
  const last = end - 1
  while (at < last) {
    const next = ziplistNext(bytes, at, end)
    if (next < 0) return -1 - at
    const told = bytes[at] === 254 ? readUint32(bytes, at + 1) : bytes[at]!
    if (told !== previousBytes) return -1 - at
    previousBytes = next - at
    previous = at
    at = next
    count++
  }
  if (readUint32(bytes, start + 4) !== previous - start) return -1 - (start + 4)
  const told = ziplistHeaderCount(bytes, start)
  return told < 0 || told === count ? count : -1 - (start + 8)
}
