/**
 * Sine, cosine and arcsine rounded to the nearest double. The language leaves their last bits to the engine; a distance that
 * a primary stores (GEOSEARCHSTORE … STOREDIST is sent as the command) has those of a C library whose error is barely above
 * half a unit, so nearly always those of the nearest double. Slow: for stored values, not for searching.
 *
 * Numbers are kept as sums of two doubles, high and low (T. J. Dekker, "A floating-point technique for extending the available
 * precision", 1971): about 106 bits.
 */

const SPLITTER: number = 2 ** 27 + 1
/** Half of π as the sum of three doubles. */
const HALF_PI_HIGH = 1.5707963267948966
const HALF_PI_LOW = 6.123233995736766e-17
const HALF_PI_LOWEST = -1.4973849048591833e-33
/** Terms of a series for |x| ≤ π / 4: the next one is below 2^-106. */
const TERMS = 14

/** The number at hand. Fields of an object: a variable of a module that is no small integer is made anew each time it is set. */
const pair = { high: 0.5, low: 0.5 }

/** left + right, exactly. */
function add(left: number, right: number): void {
  const sum = left + right
  const part = sum - left
  pair.low = left - (sum - part) + (right - part)
  pair.high = sum
}

/** left * right, exactly. */
function multiply(left: number, right: number): void {
  const product = left * right
  const a = left * SPLITTER
  const leftHigh = a - (a - left)
  const leftLow = left - leftHigh
  const b = right * SPLITTER
  const rightHigh = b - (b - right)
  const rightLow = right - rightHigh
  pair.low = leftHigh * rightHigh - product + leftHigh * rightLow + leftLow * rightHigh + leftLow * rightLow
  pair.high = product
}

/** high + low times another such sum. */
function multiplyBy(otherHigh: number, otherLow: number): void {
  const ownHigh = pair.high
  const ownLow = pair.low
  multiply(ownHigh, otherHigh)
  const rest = pair.low + (ownHigh * otherLow + ownLow * otherHigh)
  add(pair.high, rest)
}

/** high + low plus another such sum. */
function addTo(otherHigh: number, otherLow: number): void {
  const rest = pair.low + otherLow
  add(pair.high, otherHigh)
  const error = pair.low + rest
  add(pair.high, error)
}

/** high + low divided by a whole number. */
function divideBy(divisor: number): void {
  const numerator = pair.high
  const rest = pair.low
  const quotient = numerator / divisor
  multiply(quotient, divisor)
  add(quotient, (numerator - pair.high - pair.low + rest) / divisor)
}

/** high + low becomes the series of sine (`first` 1) or cosine (`first` 0) of the sum given; |x| ≤ π / 4. */
function series(xHigh: number, xLow: number, first: 0 | 1): void {
  pair.high = xHigh
  pair.low = xLow
  multiplyBy(xHigh, xLow)
  const squareHigh = -pair.high
  const squareLow = -pair.low
  // From the last term to the first: 1 - x² / (n (n - 1)) (1 - …).
  pair.high = 1
  pair.low = 0
  for (let n = 2 * TERMS + first; n > 1; n -= 2) {
    multiplyBy(squareHigh, squareLow)
    divideBy(n * (n - 1))
    addTo(1, 0)
  }
  if (first === 1) multiplyBy(xHigh, xLow)
}

/** high + low becomes the sine of x plus `quarters` quarter turns, |x| ≤ 2 π. */
function turned(x: number, quarters: number): void {
  const turns = Math.round(x / HALF_PI_HIGH)
  multiply(-turns, HALF_PI_HIGH)
  const productLow = pair.low
  add(x, pair.high)
  addTo(productLow, 0)
  multiplyAdd(-turns)
  const quadrant = (turns + quarters) & 3
  series(pair.high, pair.low, quadrant % 2 === 0 ? 1 : 0)
  if (quadrant >= 2) {
    pair.high = -pair.high
    pair.low = -pair.low
  }
}

/** Adds `turns` times what is left of half π. */
function multiplyAdd(turns: number): void {
  const sumHigh = pair.high
  const sumLow = pair.low
  multiply(turns, HALF_PI_LOW)
  addTo(turns * HALF_PI_LOWEST, 0)
  addTo(sumHigh, sumLow)
}

/** Sine of an angle of at most two turns. */
export function exactSine(x: number): number {
  if (x === 0) return x
  turned(x, 0)
  return pair.high + pair.low
}

/** Cosine of an angle of at most two turns. */
export function exactCosine(x: number): number {
  turned(x, 1)
  return pair.high + pair.low
}

/** Arcsine of -1 … 1. */
export function exactArcsine(y: number): number {
  if (y === 0) return y
  const near = Math.asin(y)
  turned(near, 0)
  // One step of Newton's method is more than enough.
  const rest = y - pair.high - pair.low
  const cosine = Math.cos(near)
  if (rest === 0 || Math.abs(cosine) < 1e-9) return near
  return near + rest / cosine
}
