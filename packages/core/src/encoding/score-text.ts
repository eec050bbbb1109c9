/**
 * Scores as text: written as C's "%.17g" does (replies, listpacks, DEBUG DIGEST of redis 7.0), read as strtod() does.
 * Registers and fast ways for whole numbers and short fractions; the rest goes through strings.
 *
 * Source: redis 7.0 networking.c addReplyDouble(), util.c string2d(), t_zset.c zslParseRange().
 */
import { formatDouble17 } from '../object-codec/double-text.ts'
import { writeFraction } from './fraction-digits.ts'
import { writeInteger } from './integer.ts'
import { longDoubleToNumber, parseLongDouble } from './long-double.ts'

/** Longest text: sign, 17 digits, point, exponent of three digits. */
export const SCORE_TEXT_BYTES_MAX = 32

const MINUS = 45
const PLUS = 43
const POINT = 46
/** Digits that a double holds exactly, and the powers of ten that are exact. */
const EXACT_DIGITS = 15
/** Digits that are read in one go: as many as Redis writes, and one more. */
const SHORT_DIGITS = 18
/** Digits of the first of two parts. */
const LOW_DIGITS = 9
/** Halves the bits of a double. */
const SPLITTER: number = 2 ** 27 + 1
/** Relative error of a correction, generously. */
const DOUBT: number = 2 ** -40
/** Fractions of so many digits are short. */
const SHORT_FRACTION_DIGITS = 6
const SHORT_FRACTION: number = 10 ** SHORT_FRACTION_DIGITS
const POWERS: Float64Array = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`))

// After digits a point, or none more: where both a run before the point and one behind it might take the same digits, a long text
// that is no number would be tried in every way to part it, which takes the square of its length.
const DECIMAL = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i
const INFINITE = /^[+-]?inf(?:inity)?$/i
const HEXADECIMAL = /^[+-]?0x(?:[\da-f]+(?:\.[\da-f]*)?|\.[\da-f]+)(?:p[+-]?\d+)?$/i

/** Writes a score at `target[at]`, at most SCORE_TEXT_BYTES_MAX bytes. @returns the position behind it. */
export function writeScore(value: number, target: Uint8Array, at: number): number {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) return writeInteger(target, at, value)
  const end = writeFraction(target, at, value)
  if (end > at) return end
  const text = formatDouble17(value)
  for (let i = 0; i < text.length; i++) target[at + i] = text.charCodeAt(i)
  return at + text.length
}

/**
 * Writes a score for a listpack, which any text serves that is read back as the same number: short fractions as they were
 * sent. @returns the position behind it; takes what `writeScore` takes.
 */
export function writePackedScore(value: number, target: Uint8Array, at: number): number {
  const scaled = Math.round(value * SHORT_FRACTION)
  // Both are rounded once, as reading the text is: equal numbers mean that it is read as this one.
  if (!Number.isSafeInteger(scaled) || scaled / SHORT_FRACTION !== value) return writeScore(value, target, at)
  const size = Math.abs(scaled)
  const whole = Math.floor(size / SHORT_FRACTION)
  let rest = (size - whole * SHORT_FRACTION) | 0
  if (rest === 0) return writeScore(value, target, at)
  let to = at
  if (value < 0) target[to++] = MINUS
  to = writeInteger(target, to, whole)
  target[to] = POINT
  let digits = SHORT_FRACTION_DIGITS
  for (; rest % 10 === 0; digits--) rest = (rest / 10) | 0
  for (let i = to + digits; i > to; i--) {
    const tenth = (rest / 10) | 0
    target[i] = 48 + (rest - tenth * 10)
    rest = tenth
  }
  return to + digits + 1
}

/** Reads a score, as strings of commands and listpacks have it. @returns NaN for what Redis calls "not a valid float". */
export function parseScore(bytes: Uint8Array, start: number, end: number): number {
  const quick = parseShort(bytes, start, end)
  return Number.isNaN(quick) ? parseText(latin1(bytes, start, end), true) : quick
}

/**
 * Reads a bound of a range: strtod() alone, so spaces may stand before it, it ends at a NUL byte, nothing is 0, and what is too
 * large is infinite. @returns NaN for what is none.
 */
export function parseBound(bytes: Uint8Array, start: number, end: number): number {
  const quick = parseShort(bytes, start, end)
  if (!Number.isNaN(quick)) return quick
  const text = latin1(bytes, start, end).replace(/\0[^]*$/, '')
  if (text === '') return 0
  return parseText(text.replace(/^[ \t\n\v\f\r]+/, ''), false)
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1')
}

/** Up to 18 digits, with a point or without. NaN for everything else, and where rounding wants a closer look. */
function parseShort(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  const negative = bytes[at] === MINUS
  if (at < end && (negative || bytes[at] === PLUS)) at++
  const length = end - at
  if (length < 1 || length > SHORT_DIGITS + 1) return NaN
  // The digits as two numbers: all but the last nine, and those.
  let high = 0
  let low = 0
  let digits = 0
  let behind = -1
  for (; at < end; at++) {
    const byte = bytes[at]!
    if (byte === POINT && behind < 0) {
      behind = digits
      continue
    }
    const digit = byte - 48
    if (digit < 0 || digit > 9) return NaN
    // Nine digits each: both stay int32.
    if (digits < LOW_DIGITS) low = (low * 10 + digit) | 0
    else high = (high * 10 + digit) | 0
    if (++digits > SHORT_DIGITS) return NaN
  }
  if (digits === 0) return NaN
  const fraction = behind < 0 ? 0 : digits - behind
  let value: number
  if (digits <= EXACT_DIGITS) {
    value = digits <= LOW_DIGITS ? low : low * POWERS[digits - LOW_DIGITS]! + high
    if (fraction > 0) value /= POWERS[fraction]!
  } else {
    // Both terms are exact; their sum and the quotient are kept with the part that a double has no room for.
    const leading = low * POWERS[digits - LOW_DIGITS]!
    const sum = leading + high
    value = divideTwo(sum, high - (sum - leading), POWERS[fraction]!)
  }
  return negative ? -value : value
}

/** (sum + rest) / divisor, rounded once; NaN where that is not certain. */
function divideTwo(sum: number, rest: number, divisor: number): number {
  const quotient = sum / divisor
  // What is left of sum after quotient * divisor, exactly (Dekker's product).
  const q = quotient * SPLITTER
  const qHigh = q - (q - quotient)
  const qLow = quotient - qHigh
  const d = divisor * SPLITTER
  const dHigh = d - (d - divisor)
  const dLow = divisor - dHigh
  const product = quotient * divisor
  const error = qHigh * dHigh - product + qHigh * dLow + qLow * dHigh + qLow * dLow
  const correction = (sum - product - error + rest) / divisor
  const value = quotient + correction
  const lower = quotient + correction * (1 - DOUBT)
  return lower === quotient + correction * (1 + DOUBT) ? value : NaN
}

function parseText(text: string, strict: boolean): number {
  if (DECIMAL.test(text)) {
    const value = Number(text)
    if (!strict) return value
    // Beyond what a double holds, or so small that it became zero.
    const vanished = value === 0 && /[1-9]/.test(text.replace(/e.*$/i, ''))
    return Number.isFinite(value) && !vanished ? value : NaN
  }
  if (INFINITE.test(text)) return text.startsWith('-') ? -Infinity : Infinity
  if (!HEXADECIMAL.test(text)) return NaN
  const bytes = Buffer.from(text, 'latin1')
  const exact = parseLongDouble(bytes, 0, bytes.length)
  if (exact === undefined || exact === 'infinite') {
    // Beyond even those.
    const value = /p-/i.test(text) ? 0 : Infinity
    return strict ? NaN : text.startsWith('-') ? -value : value
  }
  const value = longDoubleToNumber(exact)
  const isLost = !Number.isFinite(value) || (value === 0 && exact.significand !== 0n)
  if (strict && isLost) return NaN
  return text.startsWith('-') ? -Math.abs(value) : value
}
