import { formatDouble17, writeFraction } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../support/seeded-random.ts'

const bytes = new Uint8Array(32)

/** Undefined: it wants another way. */
function written(value: number): string | undefined {
  const end = writeFraction(bytes, 0, value)
  return end === 0 ? undefined : Buffer.from(bytes.subarray(0, end)).toString('latin1')
}

describe('writeFraction', () => {
  it("writes what C's %.17g writes", () => {
    const random = new SeededRandom(7)
    for (let i = 0; i < 300_000; i++) {
      const kind = i % 4
      const value =
        kind === 0
          ? random.float()
          : kind === 1
            ? random.int(-1e9, 1e9) / 10 ** random.int(0, 9)
            : kind === 2
              ? random.int(-1e9, 1e9) / 2 ** random.int(0, 42)
              : random.float() * 10 ** random.int(-5, 16)
      const text = written(value)
      if (text !== undefined && text !== formatDouble17(value)) {
        expect.fail(`${value} is written ${text}, not ${formatDouble17(value)}`)
      }
    }
  })

  it('rounds a tie to the even digit, and carries into the whole part', () => {
    for (const value of [4503599627370495.5, 4503599627370494.5, 2251799813685247.75, 0.1, 1e-4]) {
      expect(written(value) ?? formatDouble17(value)).toBe(formatDouble17(value))
    }
    expect(written(1234567.125)).toBe('1234567.125')
    expect(written(-0.00015)).toBe(formatDouble17(-0.00015))
  })

  it('leaves whole numbers, exponents and what is no number to others', () => {
    for (const value of [0, -0, 3, -17, 1e300, 9.9e-5, Number.NaN, Infinity, -Infinity]) {
      expect(written(value), String(value)).toBeUndefined()
    }
  })
})
