/** Which key goes when too many are tracked, and that finding it costs the same however many there are. */
import { TrackedKeys } from '@understudy/net/internal'
import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../support/seeded-random.ts'

/** Replaces the longest known key by a new one, `count` times. @returns milliseconds */
function replaceOldest(keys: TrackedKeys, prefix: string, count: number): number {
  const beganMs = performance.now()
  for (let i = 0; i < count; i++) {
    keys.delete(keys.oldest()!)
    keys.add(`${prefix}${i}`)
  }
  return performance.now() - beganMs
}

describe('tracked keys', () => {
  it('go in the order in which they came, whatever was deleted in between', () => {
    const keys = new TrackedKeys()
    const model = new Map<string, Set<number>>()
    const random = new SeededRandom(5)
    for (let i = 0; i < 20_000; i++) {
      const name = `k${random.int(0, 500)}`
      if (random.chance(0.6)) {
        if (keys.get(name) === undefined) model.set(name, keys.add(name))
      } else if (random.chance(0.5)) {
        keys.delete(name)
        model.delete(name)
      } else {
        const [first] = model.keys()
        expect(keys.oldest()).toBe(first)
        if (first === undefined) continue
        keys.delete(first)
        model.delete(first)
      }
      if (random.chance(0.0005)) {
        keys.clear()
        model.clear()
      }
      expect(keys.size).toBe(model.size)
      expect(keys.get(name)).toBe(model.get(name))
    }
  })

  it('make room for each other as quickly when they are many', () => {
    const few = new TrackedKeys()
    const many = new TrackedKeys()
    for (let i = 0; i < 1000; i++) few.add(`a${i}`)
    for (let i = 0; i < 300_000; i++) many.add(`a${i}`)
    replaceOldest(few, 'warm', 20_000)
    const fewMs = replaceOldest(few, 'b', 100_000)
    expect(replaceOldest(many, 'b', 100_000)).toBeLessThan(10 * fewMs + 100)
  })
})
