import { EVICTION_RULES, evictionMsMax, policyTracksFrequency } from '@understudy/core/internal'
import { expect, it } from 'vitest'

it('tenacity gives the times of Redis', () => {
  expect([0, 1, 10].map(evictionMsMax)).toEqual([0, 0.05, 0.5])
  expect(evictionMsMax(20)).toBeCloseTo(2.02, 1)
  // About two minutes.
  expect(evictionMsMax(99) / 60_000).toBeCloseTo(2.1, 1)
  expect(evictionMsMax(100)).toBe(Number.POSITIVE_INFINITY)
})

it('records keep a frequency under LFU policies alone', () => {
  const tracking = Object.keys(EVICTION_RULES).filter((policy) => policyTracksFrequency(policy as 'allkeys-lfu'))
  expect(tracking.toSorted()).toEqual(['allkeys-lfu', 'volatile-lfu'])
})
