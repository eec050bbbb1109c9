import { partialSort } from '@understudy/core/internal'
import { expect, it } from 'vitest'
import { SeededRandom } from '../support/seeded-random.ts'

it('puts into a range what sorting everything would', () => {
  const random = new SeededRandom(1)
  for (let round = 0; round < 2000; round++) {
    const values = Array.from({ length: random.int(0, 300) }, () => random.int(0, random.pick([3, 50, 1e6])))
    const sorted = values.toSorted((a, b) => a - b)
    const from = random.int(0, values.length)
    const to = random.int(from, values.length)
    const items = [...values]
    partialSort(items, (a, b) => a - b, from, to)
    expect(items.slice(from, to + 1)).toEqual(sorted.slice(from, to + 1))
    expect(items.toSorted((a, b) => a - b)).toEqual(sorted)
  }
})
