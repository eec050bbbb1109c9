/** The parts of SORT; SORT itself is compared with a redis-server by the soak sort-differential. */
import { ByteItems, partialSort, sortScore } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../support/seeded-random.ts'

describe('sortScore', () => {
  const score = (text: string): number => {
    const bytes = Buffer.from(`9${text}9`, 'latin1')
    return sortScore(bytes, 1, bytes.length - 1)
  }
  it.each([
    ['', 0],
    ['12', 12],
    ['-12', -12],
    [' \t7', 7],
    ['1.5e3', 1500],
    ['.5', 0.5],
    ['5.', 5],
    ['0x1F', 31],
    ['0x1.8p1', 3],
    ['-inf', -Infinity],
    ['Infinity', Infinity],
    ['9007199254740993', 9_007_199_254_740_992],
    ['12\0abc', 12],
    ['0e-999', 0],
  ])('reads %j', (text, value) => {
    expect(score(text)).toBe(value)
  })
  it.each(['x', '1x', '7 ', ' ', '-', '.', '1e', '0x', 'nan', '1e400', '1e-400', '--1', '1 2'])(
    'refuses %j',
    (text) => {
      expect(score(text)).toBeNaN()
    },
  )
  it('refuses a long text in one pass', () => {
    // In the square of its length this takes half a minute.
    const begun = performance.now()
    expect(score(`${'1'.repeat(100_000)}x`)).toBeNaN()
    expect(performance.now() - begun).toBeLessThan(1000)
  })
})

describe('ByteItems', () => {
  it('keeps strings, empty and missing ones', () => {
    const items = new ByteItems()
    const texts = ['b', undefined, '', 'a', undefined, 'abc', 'ab\0c', 'ab\0d', 'x'.repeat(10_000)]
    for (const text of texts) {
      if (text === undefined) items.addMissing()
      else items.addCopy(Buffer.from(text), 0, text.length)
    }
    for (const [i, text] of texts.entries()) {
      expect(items.isMissing(i)).toBe(text === undefined)
      expect(Buffer.from(items.bytes.subarray(items.startOf(i), items.endOf(i))).toString()).toBe(text ?? '')
    }
    expect(items.compare(0, 3)).toBeGreaterThan(0)
    expect(items.compare(3, 5)).toBeLessThan(0)
    expect(items.compare(6, 7)).toBeLessThan(0)
    expect(items.compareAsText(6, 7)).toBe(0)
    expect(items.compareAsText(5, 6)).toBeGreaterThan(0)
  })
})

describe('partialSort', () => {
  it('brings the range into place that is wanted', () => {
    const random = new SeededRandom(5)
    for (let round = 0; round < 400; round++) {
      const count = random.int(1, random.pick([6, 9, 60, 500]))
      const spread = random.pick([2, 20, 1000])
      const values = Array.from({ length: count }, () => random.int(0, spread))
      const items = Int32Array.from(values.keys())
      const first = random.int(0, count - 1)
      const last = random.int(first, count - 1)
      partialSort(items, (left, right) => values[left]! - values[right]!, first, last)
      const sorted = values.toSorted((left, right) => left - right)
      expect([...items.subarray(first, last + 1)].map((item) => values[item])).toEqual(sorted.slice(first, last + 1))
      expect([...items].sort((left, right) => left - right)).toEqual([...values.keys()])
    }
  })
})
