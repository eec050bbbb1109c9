import { formatDouble17 } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'

describe('formatDouble17', () => {
  // Right-hand sides as glibc's printf("%.17g") gives them.
  it.each<[number, string]>([
    [0, '0'],
    [-0, '-0'],
    [1, '1'],
    [-1.5, '-1.5'],
    [0.1, '0.10000000000000001'],
    [3.14, '3.1400000000000001'],
    [100, '100'],
    [1e16, '10000000000000000'],
    [1e17, '1e+17'],
    [1.5e17, '1.5e+17'],
    [123456789012345680, '1.2345678901234568e+17'],
    [0.0001, '0.0001'],
    [0.00001, '1.0000000000000001e-05'],
    [5e-324, '4.9406564584124654e-324'],
    [1.7976931348623157e308, '1.7976931348623157e+308'],
    [2 ** 53, '9007199254740992'],
    // Ties of 18 digits go to the even neighbour, where toPrecision(17) rounds up.
    [1 + 2 ** -17, '1.0000076293945312'],
    [1 + 3 * 2 ** -17, '1.0000228881835938'],
    [-(1 + 2 ** -17), '-1.0000076293945312'],
    [Number.POSITIVE_INFINITY, 'inf'],
    [Number.NEGATIVE_INFINITY, '-inf'],
    [Number.NaN, 'nan'],
  ])('%d is %s', (value, text) => {
    expect(formatDouble17(value)).toBe(text)
  })
})
