/** The logarithmic counter, seeded: how it grows with lfu-log-factor and falls with lfu-decay-time. */
import { accessedFrequency, accessMinuteAt, decayedCounter, frequencyOf, newFrequency } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../support/seeded-random.ts'

/** Mean of the counters of a hundred keys after so many accesses within a minute. */
function countersAfter(hits: number, logFactor: number): number {
  const random = new SeededRandom(hits + logFactor)
  const rules = { logFactor, decayMinutes: 1 }
  let sum = 0
  for (let key = 0; key < 100; key++) {
    let bits = newFrequency(3)
    for (let hit = 0; hit < hits; hit++) bits = accessedFrequency(bits, 3, random.float(), rules)
    sum += decayedCounter(bits, 3, rules)
  }
  return sum / 100
}

describe('growth', () => {
  // The table in redis 7.0 redis.conf, at lfu-log-factor.
  it.each([
    [0, 100, 104, 105],
    [1, 100, 16, 20],
    [1, 1000, 45, 53],
    [10, 100, 9, 11],
    [10, 1000, 17, 20],
    [10, 10_000, 46, 53],
    [100, 1000, 8, 12],
    [100, 10_000, 17, 20],
  ])('with factor %i, after %i hits: %i to %i', (factor, hits, least, most) => {
    const mean = countersAfter(hits, factor)
    expect(mean).toBeGreaterThanOrEqual(least)
    expect(mean).toBeLessThanOrEqual(most)
  })

  it('ends at 255', () => {
    expect(accessedFrequency(frequencyOf(255, 3), 3, 0, { logFactor: 0, decayMinutes: 1 }) & 0xff).toBe(255)
  })
})

describe('decay', () => {
  it('takes one for each lfu-decay-time that has passed, and none with 0', () => {
    const bits = frequencyOf(100, 1000)
    expect(decayedCounter(bits, 1007, { logFactor: 10, decayMinutes: 1 })).toBe(93)
    expect(decayedCounter(bits, 1007, { logFactor: 10, decayMinutes: 3 })).toBe(98)
    expect(decayedCounter(bits, 1007, { logFactor: 10, decayMinutes: 0 })).toBe(100)
    expect(decayedCounter(frequencyOf(3, 1000), 1010, { logFactor: 10, decayMinutes: 1 })).toBe(0)
  })

  it('goes on around the end of the minutes', () => {
    const end = accessMinuteAt(1024 * 60_000 * 5 - 60_000)
    expect(end).toBe(1023)
    expect(decayedCounter(frequencyOf(100, end), 4, { logFactor: 10, decayMinutes: 1 })).toBe(95)
  })
})
