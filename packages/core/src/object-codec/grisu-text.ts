/**
 * Doubles as redis 7.2, Valkey and later write them: what they put into DEBUG DIGEST for scores. The digits are those of Grisu2, which
 * come back as the same double but in one of a thousand cases are not the fewest that do, so JavaScript's own will not do.
 *
 * Source: F. Loitsch, "Printing Floating-Point Numbers Quickly and Accurately with Integers" (2010), section 5; the choice between
 * plain digits and an exponent was seen on redis 8.0.2 and Valkey 8.1.1.
 */

const FRACTION_BITS = 52
const EXPONENT_BIAS = 1023 + FRACTION_BITS
const HIDDEN_BIT = 1n << BigInt(FRACTION_BITS)
/** A product of a normalised number and a power of ten has a binary exponent within these: its whole part has 32 bits. */
const PRODUCT_EXPONENT_MIN = -60
const PRODUCT_EXPONENT_MAX = -32
/** Powers of ten are tried in steps of eight, from 10^-348 on. */
const POWER_FIRST = -348
const POWER_STEP = 8
const POWER_COUNT = 87
const LOG10_OF_2 = 0.301_029_995_663_981_14
/** Digits of the whole part. */
const WHOLE_DIGITS_MAX = 10
const DIGITS_MAX = 18

/** fraction × 2^exponent; normalised when bit 63 of the fraction is set. */
interface Scaled {
  readonly fraction: bigint
  readonly exponent: number
}

const scratch = new DataView(new ArrayBuffer(8))

export function grisuText(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  if (value === 0) return `${sign}0`
  if (!Number.isFinite(value)) return `${sign}inf`
  const { digits, power } = grisuDigits(Math.abs(value))
  return sign + placed(digits, power, sign.length)
}

/** @param power of ten of the last digit @param signLength the text with an exponent is bound as a whole */
function placed(digits: string, power: number, signLength: number): string {
  const count = digits.length
  const exponent = power + count - 1
  if (power >= 0 && exponent < count + 7) return digits + '0'.repeat(power)
  if (power < 0 && (power > -7 || Math.abs(exponent) < 4)) {
    const point = count + power
    return point <= 0 ? `0.${'0'.repeat(-point)}${digits}` : `${digits.slice(0, point)}.${digits.slice(point)}`
  }
  const fraction = digits.slice(1, DIGITS_MAX - signLength)
  return `${digits[0]}${fraction === '' ? '' : `.${fraction}`}e${exponent < 0 ? '-' : '+'}${Math.abs(exponent)}`
}

/** @param value positive and finite @returns digits × 10^power */
function grisuDigits(value: number): { digits: string; power: number } {
  scratch.setFloat64(0, value)
  const bits = scratch.getBigUint64(0)
  const stored = Number(bits >> BigInt(FRACTION_BITS))
  const fraction = (bits & (HIDDEN_BIT - 1n)) | (stored === 0 ? 0n : HIDDEN_BIT)
  const exponent = Math.max(stored, 1) - EXPONENT_BIAS
  // Halfway to the neighbours; the lower one of a power of two is nearer.
  const upper = normalised({ fraction: fraction * 2n + 1n, exponent: exponent - 1 })
  const lowerShift = fraction === HIDDEN_BIT ? 2 : 1
  const lower = ((fraction << BigInt(lowerShift)) - 1n) << BigInt(exponent - lowerShift - upper.exponent)
  const { power, scale } = scaleFor(upper.exponent)
  const scaledUpper = times(upper.fraction, scale.fraction) - 1n
  const scaledLower = times(lower, scale.fraction) + 1n
  const scaledValue = times(normalised({ fraction, exponent }).fraction, scale.fraction)
  return digitsBetween(scaledLower, scaledValue, scaledUpper, -(upper.exponent + scale.exponent + 64), -power)
}

/**
 * The digits of `upper` up to where the rest does not matter, the last one moved towards `value`.
 * @param pointBits bits behind the binary point of all three
 * @param power of ten by which they were divided
 */
function digitsBetween(
  lower: bigint,
  value: bigint,
  upper: bigint,
  pointBits: number,
  power: number,
): { digits: string; power: number } {
  const shift = BigInt(pointBits)
  let delta = upper - lower
  let distance = upper - value
  let whole = upper >> shift
  let rest = upper & ((1n << shift) - 1n)
  let digits = ''
  for (let left = WHOLE_DIGITS_MAX - 1; left >= 0; left--) {
    const unit = 10n ** BigInt(left)
    const digit = whole / unit
    if (digit > 0n || digits !== '') digits += digit
    whole -= digit * unit
    const behind = (whole << shift) + rest
    if (behind <= delta) {
      return { digits: towards(digits, delta, behind, unit << shift, distance), power: power + left }
    }
  }
  for (let left = -1; ; left--) {
    rest *= 10n
    delta *= 10n
    distance *= 10n
    const digit = rest >> shift
    if (digit > 0n || digits !== '') digits += digit
    rest &= (1n << shift) - 1n
    if (rest < delta) return { digits: towards(digits, delta, rest, 1n << shift, distance), power: power + left }
  }
}

/** Lowers the last digit as long as the text comes nearer to the value and stays within the bounds. */
function towards(digits: string, delta: bigint, rest: bigint, unit: bigint, distance: bigint): string {
  let last = Number(digits.at(-1))
  while (
    rest < distance &&
    delta - rest >= unit &&
    (rest + unit < distance || distance - rest > rest + unit - distance)
  ) {
    last--
    rest += unit
  }
  return digits.slice(0, -1) + last
}

/** The power of ten that brings a normalised number of this exponent into the range. */
function scaleFor(exponent: number): { power: number; scale: Scaled } {
  const near = Math.trunc(-(exponent + POWER_COUNT) * LOG10_OF_2)
  let index = Math.trunc((near - POWER_FIRST) / POWER_STEP)
  for (;;) {
    const power = POWER_FIRST + index * POWER_STEP
    const scale = powerOfTen(power)
    const scaled = exponent + scale.exponent + 64
    if (scaled < PRODUCT_EXPONENT_MIN) index++
    else if (scaled > PRODUCT_EXPONENT_MAX) index--
    else return { power, scale }
  }
}

const powers = new Map<number, Scaled>()

/** 10^power, normalised and rounded to 64 bits. */
function powerOfTen(power: number): Scaled {
  let known = powers.get(power)
  if (known === undefined) {
    known = power >= 0 ? rounded(10n ** BigInt(power), 0) : rounded((1n << 2048n) / 10n ** BigInt(-power), -2048)
    powers.set(power, known)
  }
  return known
}

function rounded(fraction: bigint, exponent: number): Scaled {
  const excess = fraction.toString(2).length - 64
  if (excess <= 0) return normalised({ fraction, exponent })
  const half = 1n << BigInt(excess - 1)
  return { fraction: (fraction + half) >> BigInt(excess), exponent: exponent + excess }
}

function normalised({ fraction, exponent }: Scaled): Scaled {
  const missing = 64 - fraction.toString(2).length
  return { fraction: fraction << BigInt(missing), exponent: exponent - missing }
}

/** The upper 64 bits of the product, rounded. */
function times(left: bigint, right: bigint): bigint {
  return (left * right + (1n << 63n)) >> 64n
}
