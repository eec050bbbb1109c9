import { exactArcsine, exactCosine, exactSine } from '@understudy/core/internal'
import { expect, it } from 'vitest'
import { SeededRandom } from '../../support/seeded-random.ts'

const BITS = 160n
const ONE = 1n << BITS

/** A double as an integer in units of 2^-160; exact above 2^-107. */
function fixed(value: number): bigint {
  const bits = new DataView(new ArrayBuffer(8))
  bits.setFloat64(0, Math.abs(value))
  const all = bits.getBigUint64(0)
  const exponent = Number(all >> 52n)
  const mantissa = (all & ((1n << 52n) - 1n)) | (exponent === 0 ? 0n : 1n << 52n)
  const shift = BigInt(exponent - 1075) + BITS
  const size = shift >= 0n ? mantissa << shift : mantissa >> -shift
  return value < 0 ? -size : size
}

function fixedSine(x: bigint, first: bigint): bigint {
  const square = (x * x) >> BITS
  let term = first === 1n ? x : ONE
  let sum = term
  for (let n = first + 2n; term !== 0n && n < 120n; n += 2n) {
    term = -((term * square) >> BITS) / (n * (n - 1n))
    sum += term
  }
  return sum
}

/** Is `value` a nearest double of `exact`? */
function expectNearest(value: number, exact: bigint, what: string): void {
  const bits = new DataView(new ArrayBuffer(8))
  const distance = (candidate: number): bigint => {
    const difference = fixed(candidate) - exact
    return difference < 0n ? -difference : difference
  }
  for (const step of [-1n, 1n]) {
    bits.setFloat64(0, value)
    bits.setBigUint64(0, bits.getBigUint64(0) + step)
    if (distance(bits.getFloat64(0)) < distance(value)) expect.fail(`${what}: ${value} is not the nearest`)
  }
}

it('is rounded to the nearest double', () => {
  const random = new SeededRandom(1)
  for (let i = 0; i < 3000; i++) {
    const x = (random.float() - 0.5) * 6.28 * (random.chance(0.3) ? 10 ** -random.int(0, 6) : 1)
    expectNearest(exactSine(x), fixedSine(fixed(x), 1n), `sin ${x}`)
    expectNearest(exactCosine(x), fixedSine(fixed(x), 0n), `cos ${x}`)
  }
})

it('inverts the sine', () => {
  const random = new SeededRandom(2)
  expect([exactArcsine(0), exactArcsine(1), exactSine(0), exactCosine(0)]).toEqual([0, Math.PI / 2, 0, 1])
  for (let i = 0; i < 3000; i++) {
    const y = random.float() ** (random.chance(0.3) ? 6 : 1)
    const angle = exactArcsine(y)
    // Half a unit of the angle, seen through the sine.
    const reached = fixedSine(fixed(angle), 1n)
    const half = (fixed(2 ** (Math.floor(Math.log2(angle)) - 53)) * fixed(Math.cos(angle))) >> BITS
    const difference = reached - fixed(y)
    const size = difference < 0n ? -difference : difference
    if (size > half + (half >> 30n) + 1n) expect.fail(`asin ${y}: ${angle} is not the nearest`)
  }
})
