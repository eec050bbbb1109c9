/**
 * Zipmap, the packed hash of Redis before 2.6: reading and checking. Follows redis 7.0 zipmap.c.
 *
 *   | pairs u8, 254 and above = unknown | pair … | 0xff |
 *   pair: | length | field | length | unused u8 | value | unused bytes |
 *   length: u8 below 254, or 254 and u32 LE
 */
import type { PackedItem } from './packed-item.ts'

export const ZIPMAP_END = 0xff
const COUNT_UNKNOWN = 254

/** Position of the first pair, or of the end byte. */
export function zipmapFirst(start: number): number {
  return start + 1
}

/**
 * Reads the pair at `at` (which must not be the end byte) into `field` and `value`.
 * @returns the position of the next pair, or -1 if the pair is malformed or reaches `end`.
 */
export function zipmapRead(bytes: Uint8Array, at: number, end: number, field: PackedItem, value: PackedItem): number {
  const fieldStart = contentStart(bytes, at, end)
  if (fieldStart < 0) return -1
  const valueAt = fieldStart + contentLength(bytes, at)
  if (valueAt >= end) return -1
  const unusedAt = contentStart(bytes, valueAt, end)
  if (unusedAt < 0 || unusedAt >= end) return -1
  const valueStart = unusedAt + 1
  const valueEnd = valueStart + contentLength(bytes, valueAt)
  const next = valueEnd + bytes[unusedAt]!
  if (next >= end) return -1
  field.setBytes(fieldStart, valueAt)
  value.setBytes(valueStart, valueEnd)
  return next
}

function contentStart(bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at]!
  if (first < 254) return at + 1
  return first === 254 && at + 5 <= end ? at + 5 : -1
}

function contentLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!
  if (first < 254) return first
  return (bytes[at + 1]! | (bytes[at + 2]! << 8) | (bytes[at + 3]! << 16)) + bytes[at + 4]! * 0x1000000
}

/**
 * Walks all of `bytes[start .. end)`. `field` and `value` are scratch.
 * @returns the number of pairs, or `-1 - position` of what is wrong.
 */
export function zipmapCheck(
  bytes: Uint8Array,
  start: number,
  end: number,
  field: PackedItem,
  value: PackedItem,
): number {
  if (end - start < 2) return -1 - start
  const last = end - 1
  if (bytes[last] !== ZIPMAP_END) return -1 - last
  let at = start + 1
  let count = 0
  while (at < last) {
    const next = zipmapRead(bytes, at, end, field, value)
    if (next < 0) return -1 - at
    at = next
    count++
  }
  const told = bytes[start]!
  return told >= COUNT_UNKNOWN || told === count ? count : -1 - start
}
