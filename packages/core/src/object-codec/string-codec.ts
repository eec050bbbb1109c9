/**
 * Strings of snapshots and DUMP payloads: plain, as an integer of 1, 2 or 4 bytes, or compressed. Follows redis 7.0 rdb.c
 * rdbGenericLoadStringObject() and rdbSaveRawString().
 */
import { lzfCheck, lzfCompress, lzfDecompress, LZF_RATIO_MAX } from '../encoding/lzf.ts'
import { writeInteger } from '../encoding/integer.ts'
import { copyBytes, viewOf } from '../memory/copy-bytes.ts'
import {
  LENGTH_BYTES_MAX,
  LengthSlot,
  RDB_ENC_INT16,
  RDB_ENC_INT32,
  RDB_ENC_INT8,
  RDB_ENC_LZF,
  READ_BAD,
  READ_MORE,
  READ_OK,
  readInt32,
  readLength,
  writeLength,
} from './rdb-length.ts'
import type { ReadResult } from './rdb-length.ts'

/** A plain string stands in the bytes as it is. */
export const STRING_RAW = 0
/** `intValue` is the string's decimal text as a number. */
export const STRING_INT = 1
/** The content is compressed and has `length` bytes when it is not. */
export const STRING_LZF = 2

/** No single string may be longer than this: what is above is a damaged length. */
export const STRING_BYTES_MAX: number = 2 ** 40

/** Where `readStringHeader` leaves what it read. One per reader. */
export class StringSlot {
  kind: number = STRING_RAW
  /** The string's content in the file is `[start, end)`; `end` may lie beyond the bytes at hand. Empty for integers. */
  start = 0
  end = 0
  /** Length in bytes of the decoded string; 0 for integers. */
  length = 0
  intValue = 0
  readonly scratch: LengthSlot = new LengthSlot()
}

/**
 * Reads the header of the string at `at`; the content need not be at hand, except for integers.
 * READ_BAD: an unknown encoding, a length beyond `STRING_BYTES_MAX`, or a compressed string that claims to become longer
 * than the format can make it.
 */
export function readStringHeader(bytes: Uint8Array, at: number, end: number, slot: StringSlot): ReadResult {
  const length = slot.scratch
  const result = readLength(bytes, at, end, length)
  if (result !== READ_OK) return result
  if (!length.encoded) {
    if (length.value > STRING_BYTES_MAX) return READ_BAD
    slot.kind = STRING_RAW
    slot.start = length.next
    slot.end = length.next + length.value
    slot.length = length.value
    return READ_OK
  }
  const from = length.next
  switch (length.value) {
    case RDB_ENC_INT8:
      if (from + 1 > end) return READ_MORE
      setInt(slot, (bytes[from]! << 24) >> 24, from + 1)
      return READ_OK
    case RDB_ENC_INT16:
      if (from + 2 > end) return READ_MORE
      setInt(slot, ((bytes[from]! << 16) | (bytes[from + 1]! << 24)) >> 16, from + 2)
      return READ_OK
    case RDB_ENC_INT32:
      if (from + 4 > end) return READ_MORE
      setInt(slot, readInt32(bytes, from), from + 4)
      return READ_OK
    case RDB_ENC_LZF: {
      const first = readLength(bytes, from, end, length)
      if (first !== READ_OK) return first
      const compressed = length.value
      if (length.encoded) return READ_BAD
      const second = readLength(bytes, length.next, end, length)
      if (second !== READ_OK) return second
      if (length.encoded || compressed > STRING_BYTES_MAX || length.value > compressed * LZF_RATIO_MAX) return READ_BAD
      slot.kind = STRING_LZF
      slot.start = length.next
      slot.end = length.next + compressed
      slot.length = length.value
      return READ_OK
    }
    default:
      return READ_BAD
  }
}

function setInt(slot: StringSlot, value: number, next: number): void {
  slot.kind = STRING_INT
  slot.intValue = value
  slot.start = slot.end = next
  slot.length = 0
}

/**
 * The decoded content of the string that was read into `slot`, whose bytes are all at hand.
 * @returns a view of `bytes` for a plain string, new bytes otherwise; undefined if the compressed content is malformed.
 */
export function decodeString(bytes: Uint8Array, slot: StringSlot): Uint8Array | undefined {
  if (slot.kind === STRING_RAW) return bytes.subarray(slot.start, slot.end)
  if (slot.kind === STRING_INT) {
    const text = new Uint8Array(11)
    return text.subarray(0, writeInteger(text, 0, slot.intValue))
  }
  if (!lzfCheck(bytes, slot.start, slot.end, slot.length)) return undefined
  const decoded = new Uint8Array(slot.length)
  return lzfDecompress(bytes, slot.start, slot.end, decoded, 0, slot.length) ? decoded : undefined
}

/**
 * The integer a string stands for if it is written exactly as an int32 is printed, else undefined.
 * Only such strings may be stored as integers: "007" and "+7" must come back as they went.
 */
export function parseCanonicalInt32(bytes: Uint8Array, start: number, end: number): number | undefined {
  const length = end - start
  if (length === 0 || length > 11) return undefined
  let at = start
  const negative = bytes[at] === 0x2d
  if (negative) at++
  if (at === end) return undefined
  if (bytes[at] === 0x30) return length === 1 ? 0 : undefined
  let value = 0
  for (; at < end; at++) {
    const digit = bytes[at]! - 0x30
    if (digit < 0 || digit > 9) return undefined
    value = value * 10 + digit
  }
  if (negative) value = -value
  return value >= -0x80000000 && value <= 0x7fffffff ? value : undefined
}

/** Strings up to this length are never compressed (redis 7.0 rdb.c rdbSaveRawString()). */
const COMPRESS_FROM_BYTES = 21

/** Most bytes `encodeString` writes for a string of `length` bytes. */
export function encodedStringBytesMax(length: number): number {
  return length + 2 * LENGTH_BYTES_MAX + 1
}

/**
 * Writes the string `bytes[start .. end)` at `target[at]` (room: `encodedStringBytesMax`): as an integer if it is one,
 * compressed if that is wanted and gains at least 4 bytes, else plain.
 * @returns the position behind it.
 */
export function encodeString(
  bytes: Uint8Array,
  start: number,
  end: number,
  compress: boolean,
  target: Uint8Array,
  at: number,
): number {
  const value = parseCanonicalInt32(bytes, start, end)
  if (value !== undefined) return writeInt(value, target, at)
  const length = end - start
  if (compress && length >= COMPRESS_FROM_BYTES) {
    // The compressed content is put where the longest header would end, then moved up to the header it gets.
    const room = at + 1 + 2 * LENGTH_BYTES_MAX
    const compressed = lzfCompress(bytes, start, end, target, room, room + length - 4)
    if (compressed > 0) {
      target[at] = 0xc0 | RDB_ENC_LZF
      const content = writeLength(length, target, writeLength(compressed, target, at + 1))
      target.copyWithin(content, room, room + compressed)
      return content + compressed
    }
  }
  const content = writeLength(length, target, at)
  copyBytes(bytes, viewOf(bytes), start, end, target, viewOf(target), content)
  return content + length
}

function writeInt(value: number, target: Uint8Array, at: number): number {
  let count = 4
  let encoding = RDB_ENC_INT32
  if (value >= -128 && value <= 127) {
    count = 1
    encoding = RDB_ENC_INT8
  } else if (value >= -32768 && value <= 32767) {
    count = 2
    encoding = RDB_ENC_INT16
  }
  target[at] = 0xc0 | encoding
  for (let i = 0; i < count; i++) target[at + 1 + i] = value >> (8 * i)
  return at + 1 + count
}
