/**
 * Doubles as C's printf("%.17g") writes them: what Redis puts into DEBUG DIGEST for scores. JavaScript's toPrecision(17)
 * differs in three ways: it rounds a tie up where C rounds to even, it keeps trailing zeros, and its exponent may have one
 * digit.
 */

const DIGITS = 17
const ZERO = 48
const POINT = 46

export function formatDouble17(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (value === Number.POSITIVE_INFINITY) return 'inf'
  if (value === Number.NEGATIVE_INFINITY) return '-inf'
  if (value === 0) return Object.is(value, -0) ? '-0' : '0'
  const short = shortText(value)
  if (short !== undefined) return short
  const sign = value < 0 ? '-' : ''
  const [digits, exponent] = roundedDigits(Math.abs(value))
  const significant = digits.replace(/0+$/, '')
  if (exponent < -4 || exponent >= DIGITS) {
    const fraction = significant.length > 1 ? `.${significant.slice(1)}` : ''
    const power = Math.abs(exponent).toString().padStart(2, '0')
    return `${sign}${significant[0]}${fraction}e${exponent < 0 ? '-' : '+'}${power}`
  }
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${significant}`
  if (significant.length <= exponent + 1) return sign + significant.padEnd(exponent + 1, '0')
  return `${sign}${significant.slice(0, exponent + 1)}.${significant.slice(exponent + 1)}`
}

/** Where toPrecision(17) is what C writes but for zeros: no exponent, and no tie to be rounded. */
function shortText(value: number): string | undefined {
  const size = Math.abs(value)
  if (!(size >= 1e-4 && size < 1e15)) return undefined
  // Few digits behind the point: all of them are written. Very many: it cannot lie halfway between two texts.
  if (Number.isInteger(value * 2 ** 30) && !(size < 1e7 && Number.isInteger(value * 1024))) return undefined
  const text = value.toPrecision(17)
  let end = text.length
  if (!text.includes('.')) return text
  while (text.charCodeAt(end - 1) === ZERO) end--
  return text.slice(0, text.charCodeAt(end - 1) === POINT ? end - 1 : end)
}

/** 17 significant digits, rounded half to even, and the power of ten of the first. */
function roundedDigits(value: number): [digits: string, exponent: number] {
  // The exact decimal value of a tie has 18 digits, the last a 5; 40 digits tell it from what only starts like one.
  const exact = digitsOf(value, 40)
  if (!/^\d{17}50{22}$/.test(exact[0])) return digitsOf(value, DIGITS)
  const digits = exact[0].slice(0, DIGITS)
  // An even last digit stays: that is the truncated value. An odd one goes up, as toPrecision does.
  return Number(digits[DIGITS - 1]) % 2 === 0 ? [digits, exact[1]] : digitsOf(value, DIGITS)
}

function digitsOf(value: number, precision: number): [digits: string, exponent: number] {
  const [mantissa, exponent] = value.toExponential(precision - 1).split('e')
  return [mantissa!.replace('.', ''), Number(exponent)]
}
