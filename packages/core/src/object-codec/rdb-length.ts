/**
 * Lengths as snapshots write them, and the headers of strings that are made of them. Follows redis 7.0 rdb.c
 * rdbLoadLenByRef() and rdbSaveLen().
 *
 *   00LLLLLL                          6 bits
 *   01LLLLLL LLLLLLLL                 14 bits, big-endian
 *   10000000 and 4 bytes              32 bits, big-endian
 *   10000001 and 8 bytes              64 bits, big-endian
 *   11EEEEEE                          no length: the string that follows is encoded in way E
 */

/** Ways in which a string may be encoded. */
export const RDB_ENC_INT8 = 0
export const RDB_ENC_INT16 = 1
export const RDB_ENC_INT32 = 2
export const RDB_ENC_LZF = 3

/** Results of reading. */
export const READ_OK = 0
/** The bytes end before the item does. */
export const READ_MORE = 1
/** The first byte is none of the above. */
export const READ_BAD = 2
export type ReadResult = typeof READ_OK | typeof READ_MORE | typeof READ_BAD

/** Where a reader leaves what it read. One per reader, filled again and again. */
export class LengthSlot {
  /** The length; exact up to 2^53, rounded above. When `encoded`, the way of encoding. */
  value = 0
  encoded = false
  /** The upper and lower half of a length as int32 (for stream IDs, which need all 64 bits). */
  hi = 0
  lo = 0
  /** Position behind what was read. */
  next = 0
}

/** Reads the length at `at`. Nothing at or beyond `end` is looked at. */
export function readLength(bytes: Uint8Array, at: number, end: number, slot: LengthSlot): ReadResult {
  if (at >= end) return READ_MORE
  const first = bytes[at]!
  slot.encoded = false
  slot.hi = 0
  if (first < 0x40) {
    slot.value = slot.lo = first
    slot.next = at + 1
    return READ_OK
  }
  if (first < 0x80) {
    if (at + 2 > end) return READ_MORE
    slot.value = slot.lo = ((first & 0x3f) << 8) | bytes[at + 1]!
    slot.next = at + 2
    return READ_OK
  }
  if (first === 0x80) {
    if (at + 5 > end) return READ_MORE
    slot.lo = (bytes[at + 1]! << 24) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 8) | bytes[at + 4]!
    slot.value = slot.lo >>> 0
    slot.next = at + 5
    return READ_OK
  }
  if (first === 0x81) {
    if (at + 9 > end) return READ_MORE
    slot.hi = (bytes[at + 1]! << 24) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 8) | bytes[at + 4]!
    slot.lo = (bytes[at + 5]! << 24) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 8) | bytes[at + 8]!
    slot.value = (slot.hi >>> 0) * 0x100000000 + (slot.lo >>> 0)
    slot.next = at + 9
    return READ_OK
  }
  if (first < 0xc0) return READ_BAD
  slot.encoded = true
  slot.value = first & 0x3f
  slot.next = at + 1
  return READ_OK
}

/** Reads 4 bytes, little-endian, as int32. */
export function readInt32(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

/** Reads 8 bytes, little-endian, signed; rounded beyond 2^53. */
export function readInt64(bytes: Uint8Array, at: number): number {
  return readInt32(bytes, at + 4) * 0x100000000 + (readInt32(bytes, at) >>> 0)
}

/** Most bytes that `writeLength` writes. */
export const LENGTH_BYTES_MAX = 9

/** Writes `length` (0 … 2^53) in its shortest form at `target[at]`. @returns the position behind it. */
export function writeLength(length: number, target: Uint8Array, at: number): number {
  if (length < 0x40) {
    target[at] = length
    return at + 1
  }
  if (length < 0x4000) {
    target[at] = 0x40 | (length >> 8)
    target[at + 1] = length
    return at + 2
  }
  const wide = length > 0xffffffff
  let to = at
  target[to++] = wide ? 0x81 : 0x80
  if (wide) to = writeUint32Big(Math.floor(length / 0x100000000), target, to)
  return writeUint32Big(length >>> 0, target, to)
}

function writeUint32Big(value: number, target: Uint8Array, at: number): number {
  target[at] = value >>> 24
  target[at + 1] = value >>> 16
  target[at + 2] = value >>> 8
  target[at + 3] = value
  return at + 4
}
