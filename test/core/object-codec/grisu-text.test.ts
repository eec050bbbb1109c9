import { grisuText } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../support/seeded-random.ts'

describe('grisuText', () => {
  // Right-hand sides as redis 8.0.2 gives them.
  it.each<[number, string]>([
    [0, '0'],
    [-0, '-0'],
    [0.1, '0.1'],
    [-0.3, '-0.3'],
    [1e-7, '1e-7'],
    [1.23e-7, '1.23e-7'],
    [0.0001234, '1.234e-4'],
    [0.00001, '0.00001'],
    [1e7, '10000000'],
    [1e20, '1e+20'],
    [123456789012345680000, '123456789012345680000'],
    [1.2345678901234568e22, '12345678901234568000000'],
    [1.2345678901234568e24, '1.2345678901234568e+24'],
    [-2620949.9018082228, '-2.6209499018082228e+6'],
    [1234567.891, '1234567.891'],
    [1.7976931348623157e308, '1.7976931348623157e+308'],
    [5e-324, '5e-324'],
    [2.2250738585072014e-308, '2.2250738585072014e-308'],
    [Infinity, 'inf'],
    [-Infinity, '-inf'],
    [NaN, 'nan'],
    // More digits than are needed, or others than JavaScript's.
    [-1.2345678901234566e-7, '-1.2345678901234566e-7'],
    [-3.9399084458324863e304, '-3.9399084458324862e+304'],
    [-3.143127314280789e220, '-3.1431273142807893e+220'],
    [-6.527046755376577e150, '-6.5270467553765766e+150'],
    [-6.86576042154153e67, '-6.865760421541531e+67'],
    [-498415325293562200000, '-498415325293562170000'],
    [-32375817367448320000, '-32375817367448322000'],
  ])('%d is %s', (value, text) => {
    expect(grisuText(value)).toBe(text)
  })

  it('is a text of the same double', () => {
    const random = new SeededRandom(1)
    const scratch = new DataView(new ArrayBuffer(8))
    for (let i = 0; i < 20_000; i++) {
      scratch.setUint32(0, random.int(0, 2 ** 32 - 1))
      scratch.setUint32(4, random.int(0, 2 ** 32 - 1))
      const value = scratch.getFloat64(0)
      if (Number.isFinite(value)) expect(Number(grisuText(value))).toBe(value)
    }
  })
})
