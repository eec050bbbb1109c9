import { distanceMeters, distanceText, exactDistanceMeters } from '@understudy/core/internal'
import { expect, it } from 'vitest'
import { SeededRandom } from '../../support/seeded-random.ts'

const UNITS = [1, 1000, 0.3048, 1609.34]

it('a distance reads as the exact one does, near and far, also in the middle between two texts', () => {
  const random = new SeededRandom(1)
  const around = (value: number, most: number): number =>
    Math.max(-most, Math.min(most, value + (random.float() - 0.5) * 10 ** random.int(-6, 2)))
  let exact = 0
  for (let i = 0; i < 20_000; i++) {
    const [x, y] = [random.float() * 360 - 180, random.float() * 170 - 85]
    const isOpposite = random.chance(0.2)
    const [otherX, otherY] = isOpposite
      ? [around(x > 0 ? x - 180 : x + 180, 180), around(-y, 85)]
      : [around(x, 180), around(y, 85)]
    const unit = random.pick(UNITS)
    const meters = distanceMeters(x, y, otherX, otherY)
    const expected = (exactDistanceMeters(x, y, otherX, otherY) / unit).toFixed(4)
    expect(distanceText(meters, x, y, otherX, otherY, unit)).toBe(expected)
    if (expected !== (meters / unit).toFixed(4)) exact++
  }
  // Some of them are such that the engine's own functions are not enough.
  expect(exact).toBeGreaterThan(0)
})
