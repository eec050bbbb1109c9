/**
 * IDs of stream entries: two unsigned 64-bit numbers, `ms-sequence`. One object is four registers that are filled again
 * and again; comparing, stepping and writing make no bigint. Follows redis 7.0 t_stream.c streamGenericParseIDOrReply(),
 * streamIncrID(), streamDecrID(), streamCompareID().
 *
 *   in memory (words)     [ ms low | ms high | sequence low | sequence high ]
 *   in a snapshot         16 bytes, both numbers big-endian, so that bytes compare as IDs do
 */
import { parseBigInteger, writeInteger } from './integer.ts'

const MINUS = 45
const ZERO = 48
const STAR = 42
const PLUS = 43
const TWO_32: number = 2 ** 32
/** Longest text: two numbers of 20 digits. */
export const STREAM_ID_TEXT_BYTES_MAX = 41
/** Longer arguments are no IDs (redis parses in a buffer of 128 bytes). */
const ID_ARGUMENT_BYTES_MAX = 127

export class StreamId {
  msLo = 0
  msHi = 0
  seqLo = 0
  seqHi = 0

  set(msHi: number, msLo: number, seqHi: number, seqLo: number): this {
    this.msHi = msHi
    this.msLo = msLo
    this.seqHi = seqHi
    this.seqLo = seqLo
    return this
  }

  copyFrom(other: StreamId): this {
    return this.set(other.msHi, other.msLo, other.seqHi, other.seqLo)
  }

  setZero(): this {
    return this.set(0, 0, 0, 0)
  }

  setMax(): this {
    return this.set(-1, -1, -1, -1)
  }

  /** The ID `ms-0` of a time. @param ms a safe integer, not negative. */
  setTime(ms: number): this {
    return this.set((ms / TWO_32) | 0, ms | 0, 0, 0)
  }

  get isZero(): boolean {
    return (this.msLo | this.msHi | this.seqLo | this.seqHi) === 0
  }

  get isMax(): boolean {
    return (this.msLo & this.msHi & this.seqLo & this.seqHi) === -1
  }

  /** Negative, 0 or positive, as this ID is smaller than, equal to or greater than the other. */
  compare(other: StreamId): number {
    if (this.msHi !== other.msHi) return (this.msHi >>> 0) - (other.msHi >>> 0)
    if (this.msLo !== other.msLo) return (this.msLo >>> 0) - (other.msLo >>> 0)
    if (this.seqHi !== other.seqHi) return (this.seqHi >>> 0) - (other.seqHi >>> 0)
    return (this.seqLo >>> 0) - (other.seqLo >>> 0)
  }

  /** Compares with the ID in `words[at .. at + 4)`. */
  compareWords(words: Int32Array, at: number): number {
    const msHi = words[at + 1]!
    if (this.msHi !== msHi) return (this.msHi >>> 0) - (msHi >>> 0)
    const msLo = words[at]!
    if (this.msLo !== msLo) return (this.msLo >>> 0) - (msLo >>> 0)
    const seqHi = words[at + 3]!
    if (this.seqHi !== seqHi) return (this.seqHi >>> 0) - (seqHi >>> 0)
    return (this.seqLo >>> 0) - (words[at + 2]! >>> 0)
  }

  readWords(words: Int32Array, at: number): this {
    return this.set(words[at + 1]!, words[at]!, words[at + 3]!, words[at + 2]!)
  }

  writeWords(words: Int32Array, at: number): void {
    words[at] = this.msLo
    words[at + 1] = this.msHi
    words[at + 2] = this.seqLo
    words[at + 3] = this.seqHi
  }

  readBigEndian(bytes: Uint8Array, at: number): this {
    return this.set(big32(bytes, at), big32(bytes, at + 4), big32(bytes, at + 8), big32(bytes, at + 12))
  }

  writeBigEndian(target: Uint8Array, at: number): void {
    writeBig32(this.msHi, target, at)
    writeBig32(this.msLo, target, at + 4)
    writeBig32(this.seqHi, target, at + 8)
    writeBig32(this.seqLo, target, at + 12)
  }

  /** This ID becomes `base` plus two differences of 64 bits (low and high halves), modulo 2^64 each. */
  setSum(base: StreamId, msLo: number, msHi: number, seqLo: number, seqHi: number): void {
    const ms = (base.msLo >>> 0) + (msLo >>> 0)
    this.msLo = ms | 0
    this.msHi = (base.msHi + msHi + (ms >= TWO_32 ? 1 : 0)) | 0
    const sequence = (base.seqLo >>> 0) + (seqLo >>> 0)
    this.seqLo = sequence | 0
    this.seqHi = (base.seqHi + seqHi + (sequence >= TWO_32 ? 1 : 0)) | 0
  }

  /** This ID becomes the differences that `setSum` would add to `base` to get `id`. */
  setDifference(id: StreamId, base: StreamId): void {
    this.msHi = (id.msHi - base.msHi - (id.msLo >>> 0 < base.msLo >>> 0 ? 1 : 0)) | 0
    this.msLo = (id.msLo - base.msLo) | 0
    this.seqHi = (id.seqHi - base.seqHi - (id.seqLo >>> 0 < base.seqLo >>> 0 ? 1 : 0)) | 0
    this.seqLo = (id.seqLo - base.seqLo) | 0
  }

  /** The next ID. @returns false when this is the last one; it becomes 0-0 then. */
  increment(): boolean {
    if (this.incrementSequence()) return true
    this.seqLo = 0
    this.seqHi = 0
    this.msLo = (this.msLo + 1) | 0
    if (this.msLo !== 0) return true
    this.msHi = (this.msHi + 1) | 0
    return this.msHi !== 0
  }

  /** The next sequence number of the same time. @returns false, and changes nothing, when there is none. */
  incrementSequence(): boolean {
    if ((this.seqLo & this.seqHi) === -1) return false
    this.seqLo = (this.seqLo + 1) | 0
    if (this.seqLo === 0) this.seqHi = (this.seqHi + 1) | 0
    return true
  }

  /** The ID before. @returns false when this is 0-0; it becomes the last one then. */
  decrement(): boolean {
    if ((this.seqLo | this.seqHi) !== 0) {
      if (this.seqLo === 0) this.seqHi = (this.seqHi - 1) | 0
      this.seqLo = (this.seqLo - 1) | 0
      return true
    }
    const zero = (this.msLo | this.msHi) === 0
    if (this.msLo === 0) this.msHi = (this.msHi - 1) | 0
    this.msLo = (this.msLo - 1) | 0
    this.seqLo = -1
    this.seqHi = -1
    return !zero
  }

  /** Writes `ms-sequence` at `target[at …)`, at most 41 bytes. @returns the position behind it. */
  writeText(target: Uint8Array, at: number): number {
    const dash = writeUint64Text(this.msHi, this.msLo, target, at)
    target[dash] = MINUS
    return writeUint64Text(this.seqHi, this.seqLo, target, dash + 1)
  }

  toString(): string {
    const text = new Uint8Array(STREAM_ID_TEXT_BYTES_MAX)
    return Buffer.from(text.subarray(0, this.writeText(text, 0))).toString('latin1')
  }
}

/** What `parseStreamId` read. */
export const STREAM_ID_BAD = 0
/** A whole ID, or its time alone. */
export const STREAM_ID_GIVEN = 1
/** `ms-*`: the sequence number is to be chosen. */
export const STREAM_ID_ANY_SEQUENCE = 2

/**
 * Reads an ID as clients write it: `ms`, `ms-sequence`, and `-` and `+` for the first and the last possible one.
 * @param missing sequence number of the form without one: 0 for the smallest, -1 for the greatest.
 * @param strict are `-` and `+` refused?
 * @param anySequence is `ms-*` taken?
 */
export function parseStreamId(
  bytes: Uint8Array,
  start: number,
  end: number,
  id: StreamId,
  missing: 0 | -1,
  strict: boolean = false,
  anySequence: boolean = false,
): number {
  if (end - start > ID_ARGUMENT_BYTES_MAX) return STREAM_ID_BAD
  // A zero byte ends a C string.
  for (let at = start; at < end; at++) if (bytes[at] === 0) end = at
  if (end === start) return STREAM_ID_BAD
  if (end - start === 1 && (bytes[start] === MINUS || bytes[start] === PLUS)) {
    if (strict) return STREAM_ID_BAD
    if (bytes[start] === MINUS) id.setZero()
    else id.setMax()
    return STREAM_ID_GIVEN
  }
  let dash = start
  while (dash < end && bytes[dash] !== MINUS) dash++
  if (!parseUint64(bytes, start, dash)) return STREAM_ID_BAD
  const msHi = parsedHi
  const msLo = parsedLo
  if (dash === end) {
    id.set(msHi, msLo, missing, missing)
    return STREAM_ID_GIVEN
  }
  if (anySequence && end - dash === 2 && bytes[dash + 1] === STAR) {
    id.set(msHi, msLo, 0, 0)
    return STREAM_ID_ANY_SEQUENCE
  }
  if (!parseUint64(bytes, dash + 1, end)) return STREAM_ID_BAD
  id.set(msHi, msLo, parsedHi, parsedLo)
  return STREAM_ID_GIVEN
}

let parsedHi = 0
let parsedLo = 0

/**
 * Reads an unsigned 64-bit number. Like strtoull(), which Redis falls back to (util.c string2ull()), it takes leading zeros, a sign and
 * spaces; but not an empty text or what follows the digits. A minus counts from 2^64 down, unless the text is just how an int64 below
 * zero is written: such are refused before.
 */
function parseUint64(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start
  while (at < end && (bytes[at] === 32 || (bytes[at]! >= 9 && bytes[at]! <= 13))) at++
  const isNegative = at < end && bytes[at] === MINUS
  if (isNegative && parseBigInteger(bytes, start, end) !== undefined) return false
  if (isNegative || (at < end && bytes[at] === PLUS)) at++
  if (at >= end) return false
  // Two halves in base 10^9 and more would overflow; 15 digits are exact in a double.
  let value = 0
  let big = 0n
  let digits = 0
  for (; at < end; at++) {
    const digit = bytes[at]! - ZERO
    if (digit < 0 || digit > 9) return false
    if (digits < 15) value = value * 10 + digit
    else {
      if (digits === 15) big = BigInt(value)
      big = big * 10n + BigInt(digit)
      if (big > 0xffff_ffff_ffff_ffffn) return false
    }
    if (digits > 0 || digit > 0) digits++
  }
  if (digits <= 15) {
    parsedLo = value | 0
    parsedHi = (value / TWO_32) | 0
  } else {
    parsedLo = Number(big & 0xffff_ffffn) | 0
    parsedHi = Number(big >> 32n) | 0
  }
  if (isNegative) {
    parsedHi = (parsedLo === 0 ? -parsedHi : ~parsedHi) | 0
    parsedLo = -parsedLo | 0
  }
  return true
}

/** Writes an unsigned 64-bit number in decimal. @returns the position behind it. */
export function writeUint64Text(hi: number, lo: number, target: Uint8Array, at: number): number {
  if (hi >= 0 && hi < 0x20_0000) return writeInteger(target, at, hi * TWO_32 + (lo >>> 0))
  const text = ((BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0)).toString()
  for (let i = 0; i < text.length; i++) target[at + i] = text.charCodeAt(i)
  return at + text.length
}

function big32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}

function writeBig32(value: number, target: Uint8Array, at: number): void {
  target[at] = value >>> 24
  target[at + 1] = value >>> 16
  target[at + 2] = value >>> 8
  target[at + 3] = value
}
