import { EvictionPool, POOL_SIZE } from '@understudy/core/internal'
import { expect, it } from 'vitest'
import { SeededRandom } from '../../support/seeded-random.ts'

function taken(pool: EvictionPool): number[] {
  const scores: number[] = []
  while (pool.takeBest()) scores.push(pool.score)
  return scores
}

it('keeps the best of all that were offered, and gives the best first', () => {
  const random = new SeededRandom(1)
  for (let round = 0; round < 50; round++) {
    const pool = new EvictionPool()
    const offered = Array.from({ length: random.int(0, 60) }, () => random.int(0, 40))
    for (const [i, score] of offered.entries()) if (pool.accepts(score)) pool.add(score, 0, i, i)
    const best = offered.toSorted((a, b) => b - a).slice(0, POOL_SIZE)
    expect(taken(pool)).toEqual(best)
  }
})

it('names the key it took, and takes every key once', () => {
  const pool = new EvictionPool()
  pool.add(5, 1, -7, 9)
  pool.add(6, 1, -7, 9)
  pool.add(4, 2, -7, 9)
  expect(pool.count).toBe(2)
  expect(pool.takeBest()).toBe(true)
  expect([pool.score, pool.db, pool.order, pool.tag]).toEqual([5, 1, -7, 9])
  expect(pool.takeBest()).toBe(true)
  expect([pool.score, pool.db]).toEqual([4, 2])
  expect(pool.takeBest()).toBe(false)
})

it('accepts what is worse only while there is room', () => {
  const pool = new EvictionPool()
  for (let i = 0; i < POOL_SIZE; i++) {
    expect(pool.accepts(-Infinity)).toBe(true)
    pool.add(10 + i, 0, i, i)
  }
  expect(pool.accepts(10)).toBe(false)
  expect(pool.accepts(11)).toBe(true)
  pool.clear()
  expect(pool.accepts(0)).toBe(true)
  expect(pool.takeBest()).toBe(false)
})
