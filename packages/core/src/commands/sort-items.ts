/**
 * What SORT makes of the bytes of an element or weight: a number. The elements themselves are in byte-items.ts.
 *
 * Source: redis 7.0 sort.c sortCommandGeneric().
 */
/** Smallest number that C's strtod does not call out of range. */
const NORMAL_MIN: number = 2 ** -1022
const SPACES = '[ \\t\\n\\v\\f\\r]*'
// A run of digits ends in one place only, as in encoding/score-text.ts: else a long text that is no number takes the square of its length.
const DECIMAL = new RegExp(`^${SPACES}[+-]?(?:\\d+(?:\\.\\d*)?|\\.\\d+)(?:e[+-]?\\d+)?$`, 'i')
const HEXADECIMAL = new RegExp(`^${SPACES}([+-]?)0x([\\da-f]*)(?:\\.([\\da-f]*))?(?:p([+-]?\\d+))?$`, 'i')
const INFINITE = new RegExp(`^${SPACES}([+-]?)inf(?:inity)?$`, 'i')
const MANTISSA_NONZERO = /^[^e]*[1-9]/i

/** The number that C's strtod reads in `bytes[start .. end)` up to a zero byte; NaN when SORT would not take it. */
export function sortScore(bytes: Uint8Array, start: number, end: number): number {
  let to = start
  let integer = 0
  // The common case: a few digits.
  for (; to < end && to - start < 15; to++) {
    const digit = bytes[to]! - 48
    if (digit < 0 || digit > 9) break
    integer = integer * 10 + digit
  }
  if (to === end) return integer
  while (to < end && bytes[to] !== 0) to++
  if (to === start) return 0
  const text = Buffer.from(bytes.subarray(start, to)).toString('latin1')
  if (DECIMAL.test(text)) {
    const value = Number(text.trim())
    const isTooSmall = Math.abs(value) < NORMAL_MIN && MANTISSA_NONZERO.test(text)
    return isTooSmall || !Number.isFinite(value) ? NaN : value
  }
  const infinite = INFINITE.exec(text)
  if (infinite !== null) return infinite[1] === '-' ? -Infinity : Infinity
  const hexadecimal = HEXADECIMAL.exec(text)
  if (hexadecimal === null) return NaN
  const [, sign, whole = '', fraction = '', power = '0'] = hexadecimal
  if (whole === '' && fraction === '') return NaN
  const value = Number(BigInt(`0x${whole}${fraction}`)) * 2 ** (Number(power) - 4 * fraction.length)
  return Number.isFinite(value) ? (sign === '-' ? -value : value) : NaN
}
