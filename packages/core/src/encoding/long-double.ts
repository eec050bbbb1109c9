/**
 * The arithmetic of INCRBYFLOAT and HINCRBYFLOAT: x87 extended precision (64 bits of significand, 15 of exponent), read
 * from and written as decimal text, exactly as a Redis on x86-64 computes it with `long double`, strtold and "%.17Lf"
 * (redis 7.0 util.c string2ld, ld2string with LD_STR_HUMAN; rounding per IEEE 754, to nearest, ties to even).
 *
 * A finite value is `significand * 2^exponent` in BigInt, so that every step before the one rounding is exact. Results of
 * such commands reach the stream as plain values; this runs for clients only.
 */
import { parseInteger } from './integer.ts'

export interface LongDouble {
  /** Signed; magnitude below 2^64. */
  readonly significand: bigint
  readonly exponent: number
}

const PRECISION_BITS = 64
const MAGNITUDE_END: bigint = 1n << BigInt(PRECISION_BITS)
/** Exponent of the last bit of the smallest (subnormal) values: 2^-16445. */
const EXPONENT_MIN = -16_445
/** Exponent of the last bit of the largest values, 2^16384 − 2^16320. */
const EXPONENT_MAX = 16_320
const DOUBLE_PRECISION_BITS = 53
/** Exponent of the last bit of the smallest doubles. */
const DOUBLE_EXPONENT_MIN = -1074
/** Text this long or longer is refused (MAX_LONG_DOUBLE_CHARS). */
const TEXT_BYTES_END = 5 * 1024
/** Exponents beyond this are too large, or make zero, whatever the digits of a text of bounded length say. */
const WRITTEN_EXPONENT_BOUND = 40_000
const FRACTION_DIGITS = 17

const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d+))?$/i
const HEXADECIMAL = /^([+-]?)0x([\da-f]*)(?:\.([\da-f]*))?(?:p([+-]?\d+))?$/i
const INFINITE = /^[+-]?inf(?:inity)?$/i

/**
 * Reads a number. @returns 'infinite' for infinities that were written as such; undefined for everything Redis calls "not
 * a valid float": other text, space around it, NaN, and numbers too large or too close to zero.
 */
export function parseLongDouble(bytes: Uint8Array, start: number, end: number): LongDouble | 'infinite' | undefined {
  if (end <= start || end - start >= TEXT_BYTES_END) return undefined
  // Most of them are whole: neither a pattern nor a string is needed to read those.
  const whole = parseInteger(bytes, start, end)
  if (Number.isSafeInteger(whole)) return { significand: BigInt(whole), exponent: 0 }
  const text = Buffer.from(bytes.subarray(start, end)).toString('latin1')
  if (INFINITE.test(text)) return 'infinite'
  const decimal = DECIMAL.exec(text)
  if (decimal !== null) return fromParts(decimal, 10)
  const hexadecimal = HEXADECIMAL.exec(text)
  return hexadecimal === null ? undefined : fromParts(hexadecimal, 16)
}

/** The rounded sum; undefined when it is too large. */
export function addLongDoubles(left: LongDouble, right: LongDouble): LongDouble | undefined {
  const exponent = Math.min(left.exponent, right.exponent)
  const sum =
    (left.significand << BigInt(left.exponent - exponent)) + (right.significand << BigInt(right.exponent - exponent))
  return round(sum, exponent, false)
}

/** The nearest double: infinite when the value is too large, zero when it is too small. */
export function longDoubleToNumber({ significand, exponent }: LongDouble): number {
  const magnitude = significand < 0n ? -significand : significand
  // Down to the digits that a double of this size has, so that what follows is exact.
  const drop = Math.max(bitLength(magnitude) - DOUBLE_PRECISION_BITS, DOUBLE_EXPONENT_MIN - exponent, 0)
  const kept = Number(drop === 0 ? magnitude : shiftRightToEven(magnitude, drop, false))
  const value = kept * 2 ** (exponent + drop)
  return significand < 0n ? -value : value
}

/** The value with at most 17 digits behind the point, rounded exactly, without trailing zeros; zero is '0'. */
export function formatLongDouble(value: LongDouble): string {
  if (value.exponent === 0) return value.significand.toString()
  const negative = value.significand < 0n
  let scaled = (negative ? -value.significand : value.significand) * 10n ** BigInt(FRACTION_DIGITS)
  if (value.exponent >= 0) scaled <<= BigInt(value.exponent)
  else scaled = shiftRightToEven(scaled, -value.exponent, false)
  const digits = scaled.toString().padStart(FRACTION_DIGITS + 1, '0')
  const whole = digits.slice(0, -FRACTION_DIGITS)
  const fraction = digits.slice(-FRACTION_DIGITS).replace(/0+$/, '')
  const text = fraction === '' ? whole : `${whole}.${fraction}`
  return negative && text !== '0' ? `-${text}` : text
}

/** From the groups sign, whole digits, fraction digits and exponent. */
function fromParts(parts: RegExpExecArray, base: 10 | 16): LongDouble | undefined {
  const whole = parts[2] ?? ''
  const fraction = parts[3] ?? ''
  const digits = whole + fraction
  if (digits === '') return undefined
  const value = BigInt(base === 16 ? `0x${digits}` : digits)
  if (value === 0n) return { significand: 0n, exponent: 0 }
  const rounded = base === 16 ? fromHexadecimal(value, fraction, parts[4]) : fromDecimal(value, fraction, parts[4])
  // strtold reports numbers that became zero as out of range, and Redis refuses them; subnormal ones it takes.
  if (rounded === undefined || rounded.significand === 0n) return undefined
  return parts[1] === '-' ? { significand: -rounded.significand, exponent: rounded.exponent } : rounded
}

function fromHexadecimal(value: bigint, fraction: string, exponent: string | undefined): LongDouble | undefined {
  return round(value, writtenExponent(exponent) - 4 * fraction.length, false)
}

function fromDecimal(value: bigint, fraction: string, exponent: string | undefined): LongDouble | undefined {
  const power = writtenExponent(exponent) - fraction.length
  if (power >= 0) return round(value * 10n ** BigInt(power), 0, false)
  // Enough bits in the quotient that of the rest only "is there any" matters.
  const divisor = 10n ** BigInt(-power)
  const shift = Math.max(0, PRECISION_BITS + 2 + bitLength(divisor) - bitLength(value))
  const dividend = value << BigInt(shift)
  const quotient = dividend / divisor
  return round(quotient, -shift, quotient * divisor !== dividend)
}

function writtenExponent(text: string | undefined): number {
  if (text === undefined) return 0
  return Math.max(-WRITTEN_EXPONENT_BOUND, Math.min(WRITTEN_EXPONENT_BOUND, Number(text)))
}

/** `value * 2^exponent` (plus something smaller than its last bit when `inexact`) as the nearest extended number. */
function round(value: bigint, exponent: number, inexact: boolean): LongDouble | undefined {
  const negative = value < 0n
  let magnitude = negative ? -value : value
  let at = exponent
  // Nothing to round: the length in bits takes longer than all the rest.
  if (magnitude < MAGNITUDE_END && at >= EXPONENT_MIN && at <= EXPONENT_MAX) return { significand: value, exponent: at }
  const drop = Math.max(bitLength(magnitude) - PRECISION_BITS, EXPONENT_MIN - exponent, 0)
  if (drop > 0) {
    magnitude = shiftRightToEven(magnitude, drop, inexact)
    at += drop
    if (bitLength(magnitude) > PRECISION_BITS) {
      magnitude >>= 1n
      at++
    }
  }
  if (magnitude !== 0n && at + bitLength(magnitude) > EXPONENT_MAX + PRECISION_BITS) return undefined
  return { significand: negative ? -magnitude : magnitude, exponent: at }
}

function shiftRightToEven(value: bigint, count: number, inexact: boolean): bigint {
  const shift = BigInt(count)
  const quotient = value >> shift
  const rest = value - (quotient << shift)
  const half = 1n << (shift - 1n)
  if (rest < half || (rest === half && !inexact && (quotient & 1n) === 0n)) return quotient
  return quotient + 1n
}

function bitLength(value: bigint): number {
  if (value === 0n) return 0
  const text = value.toString(16)
  return (text.length - 1) * 4 + (32 - Math.clz32(Number.parseInt(text[0]!, 16)))
}
