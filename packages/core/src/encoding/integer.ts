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
    const exact = parseBigInteger(bytes, start, end)
    return exact === undefined ? NaN : Number(exact)
  }
  const first = bytes[at]! - ZERO
  if (first === 0) return digits === 1 && !negative ? 0 : NaN
  if (digits > SMALL_DIGITS) {
    const value = parseDigits(bytes, at, end)
    return negative ? -value : value
  }
  // The common case in 32-bit arithmetic, whose result is a small integer and needs no heap number.
  let small = 0
  for (; at < end; at++) {
    const digit = bytes[at]! - ZERO
    if (digit < 0 || digit > 9) return NaN
    small = (small * 10 + digit) | 0
  }
  return negative ? -small | 0 : small
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

/** The exact value of `bytes[start .. end)`, undefined when that is not an int64. */
export function parseBigInteger(bytes: Uint8Array, start: number, end: number): bigint | undefined {
  const length = end - start
  if (length < 1 || length > INTEGER_TEXT_BYTES_MAX) return undefined
  const negative = bytes[start] === MINUS
  let at = negative ? start + 1 : start
  if (at >= end) return undefined
  if (bytes[at] === ZERO) return length === 1 ? 0n : undefined
  let text = negative ? '-' : ''
  for (; at < end; at++) {
    const digit = bytes[at]!
    if (digit < ZERO || digit > ZERO + 9) return undefined
    text += String.fromCharCode(digit)
  }
  const value = BigInt(text)
  return value > INT64_MAX || value < INT64_MIN ? undefined : value
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
