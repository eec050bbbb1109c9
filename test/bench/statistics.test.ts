import { expect, test } from 'vitest'
import { median, percentile, ratioOfMedians } from '../../bench/support/statistics.mjs'

test('median of odd and even counts', () => {
  expect(median([3, 1, 2])).toBe(2)
  expect(median([4, 1, 2, 3])).toBe(2.5)
  expect(median([])).toBeNaN()
})

test('percentiles', () => {
  const samples = Array.from({ length: 1000 }, (_, i) => 1000 - i)
  expect([50, 99.9, 100].map((percent) => percentile(samples, percent))).toEqual([501, 1000, 1000])
  expect(percentile([7], 99.9)).toBe(7)
  expect(percentile([], 50)).toBe(0)
})

test('what is compared are the medians, and the interval draws whole pairs: a machine that slows down hurts both', () => {
  // Each pair ran on a machine half as fast as the one before; ours was always twice as fast.
  const ratio = ratioOfMedians([8, 4, 2], [4, 2, 1], 1)
  expect(ratio).toEqual({ value: 2, low: 2, high: 2, pairs: [2, 2, 2] })
  // One slow run of theirs moves its own pair, and not the result.
  expect(ratioOfMedians([4, 4, 4], [2, 1, 2], 1)).toMatchObject({ value: 2, high: 4, pairs: [2, 4, 2] })
})

test('the interval covers the ratio, lies inside the range and repeats with the seed', () => {
  const ours = [2.1, 1.9, 2.4, 2, 2.2, 1.7, 2.3]
  const ratio = ratioOfMedians(
    ours,
    ours.map(() => 1),
    5,
  )
  expect(ratio.value).toBe(2.1)
  expect(ratio.low).toBeGreaterThanOrEqual(1.7)
  expect(ratio.low).toBeLessThan(ratio.value)
  expect(ratio.high).toBeGreaterThan(ratio.value)
  expect(ratio.high).toBeLessThanOrEqual(2.4)
  expect(
    ratioOfMedians(
      ours,
      ours.map(() => 1),
      5,
    ),
  ).toEqual(ratio)
})
