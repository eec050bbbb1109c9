import { expect, test } from 'vitest'
import { median, ratioOfPairs } from '../../bench/support/statistics.mjs'

test('median of odd and even counts', () => {
  expect(median([3, 1, 2])).toBe(2)
  expect(median([4, 1, 2, 3])).toBe(2.5)
  expect(median([])).toBeNaN()
})

test('ratios are taken inside pairs: a machine that slows down hurts both', () => {
  // Each pair ran on a machine half as fast as the one before; ours was always twice as fast.
  const ratio = ratioOfPairs([8, 4, 2, 1], [4, 2, 1, 0.5], 1)
  expect(ratio).toEqual({ median: 2, low: 2, high: 2, pairs: [2, 2, 2, 2] })
})

test('the interval covers the median, lies inside the range and repeats with the seed', () => {
  const ours = [2.1, 1.9, 2.4, 2, 2.2, 1.7, 2.3]
  const ratio = ratioOfPairs(
    ours,
    ours.map(() => 1),
    5,
  )
  expect(ratio.median).toBe(2.1)
  expect(ratio.low).toBeGreaterThanOrEqual(1.7)
  expect(ratio.low).toBeLessThan(ratio.median)
  expect(ratio.high).toBeGreaterThan(ratio.median)
  expect(ratio.high).toBeLessThanOrEqual(2.4)
  expect(
    ratioOfPairs(
      ours,
      ours.map(() => 1),
      5,
    ),
  ).toEqual(ratio)
})
