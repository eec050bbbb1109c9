/**
 * 64-bit signed integers as decimal text, read and written in place, without strings.
 *
 * Only the one canonical spelling of a number is an integer: no sign but '-', no leading zeros, no space, no '-0'
 * (redis 7.0 util.c string2ll). JavaScript numbers are exact up to 2^53; what lies beyond has a bigint form.
 */
const ZERO = 48
const MINUS = 45
/** Numbers of so many digits stay below 2^31, and below 2^53. */
const SMALL_DIGITS = 9
const EXACT_DIGITS = 15
/** Numbers of int64 have at most so many. */
const INT64_DIGITS = 19
/** '-9223372036854775808' */
export const INTEGER_TEXT_BYTES_MAX = 20

export const INT64_MAX: bigint = 2n ** 63n - 1n
export const INT64_MIN: bigint = -(2n ** 63n)

/**
 * Reads `bytes[start .. end)`. @returns NaN when that is not an int64. Magnitudes of 2^53 and more come rounded:
 * ask parseBigInteger where the last digit counts.
 */
export function parseInteger(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  if (at >= end) return NaN
  const negative = bytes[at] === MINUS
  if (negative) at++
  const digits = end - at
  if (digits < 1) return NaN
  if (digits > EXACT_DIGITS) {
    if (!parseInt64(bytes, start, end)) return NaN
    return int64Hi * 0x1_0000_0000 + (int64Lo >>> 0)
  }
  const first = bytes[at]! - ZERO
  if (first === 0) return digits === 1 && !negative ? 0 : NaN
  if (digits > SMALL_DIGITS) {
    const value = parseDigits(bytes, at, end)
    return negative ? -value : value
  }
  const small = parseSmall(bytes, at, end)
  if (small < 0) return NaN
  return negative ? -small | 0 : small
}

/** Up to SMALL_DIGITS digits, in 32-bit arithmetic, whose result is a small integer and needs no heap number. @returns -1: not all are. */
function parseSmall(bytes: Uint8Array, start: number, end: number): number {
  let value = 0
  for (let at = start; at < end; at++) {
    const digit = bytes[at]! - ZERO
    if (digit < 0 || digit > 9) return -1
    value = (value * 10 + digit) | 0
  }
  return value
}

function parseDigits(bytes: Uint8Array, start: number, end: number): number {
  let value = 0
  for (let at = start; at < end; at++) {
    const digit = bytes[at]! - ZERO
    if (digit < 0 || digit > 9) return NaN
    value = value * 10 + digit
  }
  return value
}

export let int64Lo = 0
export let int64Hi = 0

/** Is `bytes[start .. end)` an int64? Then `int64Lo` and `int64Hi` are its halves, both int32. */
export function parseInt64(bytes: Uint8Array, start: number, end: number): boolean {
  const negative = start < end && bytes[start] === MINUS
  const first = negative ? start + 1 : start
  const digits = end - first
  if (digits < 1 || digits > INT64_DIGITS) return false
  const digit = bytes[first]! - ZERO
  if (digit < 0 || digit > 9) return false
  if (digit === 0) {
    int64Lo = int64Hi = 0
    return digits === 1 && !negative
  }
  const lowAt = digits > SMALL_DIGITS ? end - SMALL_DIGITS : first
  const low = parseSmall(bytes, lowAt, end)
  if (low < 0) return false
  if (lowAt === first) {
    int64Lo = negative ? -low : low
    int64Hi = int64Lo >> 31
    return true
  }
  const high = parseDigits(bytes, first, lowAt)
  if (Number.isNaN(high)) return false
  // high * 10^9 + low, 16 bits of `high` at a time: every step stays below 2^53.
  const highHigh = Math.floor(high / 0x1_0000)
  const bottom = (high - highHigh * 0x1_0000) * 1e9 + low
  const carry = Math.floor(bottom / 0x1_0000)
  const top = highHigh * 1e9 + carry
  const hi = Math.floor(top / 0x1_0000)
  const lo = ((top - hi * 0x1_0000) * 0x1_0000 + (bottom - carry * 0x1_0000)) | 0
  if (hi > 0x7fff_ffff && !(negative && hi === 0x8000_0000 && lo === 0)) return false
  int64Lo = negative ? -lo | 0 : lo
  int64Hi = negative ? (~hi + (lo === 0 ? 1 : 0)) | 0 : hi
  return true
}

/** The exact value of `bytes[start .. end)`, undefined when that is not an int64. */
export function parseBigInteger(bytes: Uint8Array, start: number, end: number): bigint | undefined {
  return parseInt64(bytes, start, end) ? (BigInt(int64Hi) << 32n) | BigInt(int64Lo >>> 0) : undefined
}

/** Writes the int64 `hi:lo` as text at `target[at …)`; @returns the position behind it. Takes up to INTEGER_TEXT_BYTES_MAX bytes. */
export function writeInt64(lo: number, hi: number, target: Uint8Array, at: number): number {
  const value = hi * 0x1_0000_0000 + (lo >>> 0)
  if (Number.isSafeInteger(value)) return writeInteger(target, at, value)
  let to = at
  let low = lo
  let high = hi
  if (hi < 0) {
    target[to++] = MINUS
    low = -lo | 0
    high = ~hi + (lo === 0 ? 1 : 0)
  }
  // Divided by 10^9, 16 bits at a time. What is divided stays below 2^46.
  let rest = high >>> 16
  let quotient = Math.floor(rest / 1e9)
  rest = (rest - quotient * 1e9) * 0x1_0000 + (high & 0xffff)
  let digit = Math.floor(rest / 1e9)
  quotient = quotient * 0x1_0000 + digit
  rest = (rest - digit * 1e9) * 0x1_0000 + (low >>> 16)
  digit = Math.floor(rest / 1e9)
  quotient = quotient * 0x1_0000 + digit
  rest = (rest - digit * 1e9) * 0x1_0000 + (low & 0xffff)
  digit = Math.floor(rest / 1e9)
  quotient = quotient * 0x1_0000 + digit
  return writeDigits(target, writeInteger(target, to, quotient), rest - digit * 1e9, SMALL_DIGITS)
}

/** Writes a safe integer as text at `target[at …)`; @returns the position behind it. Takes up to 17 bytes. */
export function writeInteger(target: Uint8Array, at: number, value: number): number {
  if (value >= 0 && value <= 0x7fff_ffff) return writeDigits(target, at, value | 0, countDigits(value | 0))
  let rest = value
  if (rest < 0) {
    target[at++] = MINUS
    rest = -rest
  }
  // Two halves that fit 32-bit registers.
  const high = Math.floor(rest / 1e9)
  if (high === 0) return writeDigits(target, at, rest | 0, countDigits(rest | 0))
  const middle = writeDigits(target, at, high | 0, countDigits(high | 0))
  return writeDigits(target, middle, (rest - high * 1e9) | 0, 9)
}

/** As writeInteger, for int64 values beyond 2^53. Takes up to 20 bytes. */
export function writeBigInteger(target: Uint8Array, at: number, value: bigint): number {
  const text = value.toString()
  for (let i = 0; i < text.length; i++) target[at + i] = text.charCodeAt(i)
  return at + text.length
}

function countDigits(value: number): number {
  let digits = 1
  for (let bound = 10; digits < 10 && value >= bound; bound *= 10) digits++
  return digits
}

function writeDigits(target: Uint8Array, at: number, value: number, digits: number): number {
  let rest = value
  for (let i = at + digits - 1; i >= at; i--) {
    const quotient = (rest / 10) | 0
    target[i] = ZERO + (rest - quotient * 10)
    rest = quotient
  }
  return at + digits
}
