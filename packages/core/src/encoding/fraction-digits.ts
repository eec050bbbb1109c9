/**
 * Seventeen significant digits of a double that is no whole number, as C's "%.17g" has them, without a string: the part behind
 * the point is a fixed-point number of three limbs, from which six decimal digits at a time are multiplied out, exactly.
 */

import { writeInteger } from './integer.ts'

/** Smallest magnitude that "%.17g" writes without an exponent, and the bound up to which a double can have a fraction. */
const SMALLEST = 1e-4
const LARGEST: number = 2 ** 53
const SIGNIFICANT = 17
const LIMB: number = 2 ** 26
/** Exact, as all powers of two. */
const OF_LIMB: number = 1 / LIMB
const CHUNK = 1e6
const CHUNK_DIGITS = 6
const POWERS: Float64Array = Float64Array.from({ length: 17 }, (_, i) => 10 ** i)
const MINUS = 45
const POINT = 46
const ZERO = 48

const chunkDigits: Uint8Array = new Uint8Array(24)

/**
 * Writes `value` at `target[at]`. @returns the position behind it; `at` when it has no fraction or wants an exponent, and another
 * way is needed.
 */
export function writeFraction(target: Uint8Array, at: number, value: number): number {
  const size = Math.abs(value)
  if (!(size >= SMALLEST && size < LARGEST)) return at
  let whole = Math.floor(size)
  const fraction = size - whole
  if (fraction === 0) return at
  let wholeDigits = 0
  while (wholeDigits < SIGNIFICANT - 1 && whole >= POWERS[wholeDigits]!) wholeDigits++
  let wanted = SIGNIFICANT - wholeDigits
  // Zeros behind the point do not count.
  if (whole === 0) for (let bound = 0.1; size < bound && wanted < SIGNIFICANT + 3; bound /= 10) wanted++
  // fraction = (high + (middle + low / LIMB) / LIMB) / LIMB, exactly: its last bit is worth at least 2^-66.
  let high = Math.floor(fraction * LIMB)
  let rest = fraction * LIMB - high
  let middle = Math.floor(rest * LIMB)
  rest = rest * LIMB - middle
  let low = rest * LIMB
  for (let made = 0; made < wanted; made += CHUNK_DIGITS) {
    low *= CHUNK
    const toMiddle = Math.floor(low * OF_LIMB)
    low -= toMiddle * LIMB
    middle = middle * CHUNK + toMiddle
    const toHigh = Math.floor(middle * OF_LIMB)
    middle -= toHigh * LIMB
    high = high * CHUNK + toHigh
    let chunk = (high * OF_LIMB) | 0
    high -= chunk * LIMB
    for (let i = made + CHUNK_DIGITS - 1; i >= made; i--) {
      const tenth = (chunk / 10) | 0
      chunkDigits[i] = chunk - tenth * 10
      chunk = tenth
    }
  }
  if (roundsUp(wanted, high, middle, low)) {
    let i = wanted - 1
    while (i >= 0 && chunkDigits[i] === 9) chunkDigits[i--] = 0
    if (i >= 0) chunkDigits[i] = chunkDigits[i]! + 1
    else whole++
  }
  let digits = wanted
  while (digits > 0 && chunkDigits[digits - 1] === 0) digits--
  let to = at
  if (value < 0) target[to++] = MINUS
  to = writeInteger(target, to, whole)
  if (digits === 0) return to
  target[to++] = POINT
  for (let i = 0; i < digits; i++) target[to++] = ZERO + chunkDigits[i]!
  return to
}

/** Half to even, as C does. The digits behind the wanted ones are the rest of the last chunk, and the limbs. */
function roundsUp(wanted: number, high: number, middle: number, low: number): boolean {
  const made = Math.ceil(wanted / CHUNK_DIGITS) * CHUNK_DIGITS
  const isBelowZero = high === 0 && middle === 0 && low === 0
  if (made === wanted) {
    const half = LIMB / 2
    if (high !== half) return high > half
    return middle !== 0 || low !== 0 || (chunkDigits[wanted - 1]! & 1) === 1
  }
  const next = chunkDigits[wanted]!
  if (next !== 5) return next > 5
  for (let i = wanted + 1; i < made; i++) if (chunkDigits[i] !== 0) return true
  return !isBelowZero || (wanted > 0 && (chunkDigits[wanted - 1]! & 1) === 1)
}
