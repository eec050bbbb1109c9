import { Keyspace, KeySampler } from '@understudy/core/internal'
import { expect, it } from 'vitest'
import { KeyspaceModel } from '../../support/keyspace-model.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

const HASH_SEED = new SeededRandom(3).bytes(16)
const VALUE = Buffer.from('v')

function keyspaceOf(keys: number, hasTtl: (i: number) => boolean): Keyspace {
  const keyspace = new Keyspace({ databaseCount: 2, hashSeed: HASH_SEED })
  const model = new KeyspaceModel(keyspace)
  for (let i = 0; i < keys; i++) model.put(1, `key:${i}`, 0, VALUE, hasTtl(i) ? 2 ** 41 : -1)
  return keyspace
}

/** Names sampled in `rounds`. */
function samplesOf(keyspace: Keyspace, isVolatile: boolean, wanted: number, rounds: number, seed: number): string[] {
  const random = new SeededRandom(seed)
  const sampler = new KeySampler(keyspace, () => random.float())
  const names: string[] = []
  for (let i = 0; i < rounds; i++) {
    sampler.sample(1, isVolatile, wanted, (region, address) => {
      keyspace.entry.load(region, keyspace.generation.regions, address)
      names.push(keyspace.entry.keyToBuffer().toString())
    })
  }
  return names
}

it('comes to every key about as often', () => {
  const keys = 5000
  const rounds = 40_000
  const counts = new Map<string, number>()
  for (const name of samplesOf(
    keyspaceOf(keys, () => false),
    false,
    5,
    rounds,
    4,
  )) {
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  const mean = (5 * rounds) / keys
  expect(counts.size).toBe(keys)
  const numbers = [...counts.values()]
  // Pages are chosen by their share of the hash, not of the keys: a page with few keys gives each of them more often; they are small here.
  expect(Math.max(...numbers)).toBeLessThan(mean * 5)
  const deviation = Math.sqrt(numbers.reduce((sum, count) => sum + (count - mean) ** 2, 0) / keys)
  expect(deviation).toBeLessThan(mean / 2)
})

it('finds as many as are wanted and there, also when there are fewer keys than shards', () => {
  const keyspace = keyspaceOf(10, () => false)
  expect(new Set(samplesOf(keyspace, false, 10, 1, 5)).size).toBe(10)
  expect(new Set(samplesOf(keyspace, false, 50, 1, 5)).size).toBe(10)
  expect(
    samplesOf(
      keyspaceOf(0, () => false),
      false,
      5,
      3,
      5,
    ),
  ).toEqual([])
})

it('finds the only key with a time to live among many, a bounded piece of the table at a time', () => {
  const keyspace = keyspaceOf(20_000, (i) => i === 77)
  const random = new SeededRandom(6)
  const sampler = new KeySampler(keyspace, () => random.float())
  expect(sampler.population(1, true)).toBe(1)
  expect(sampler.population(0, true)).toBe(0)
  const found: string[] = []
  let calls = 0
  while (found.length === 0 && calls < 100) {
    calls++
    sampler.sample(1, true, 5, (region, address) => {
      keyspace.entry.load(region, keyspace.generation.regions, address)
      found.push(keyspace.entry.keyToBuffer().toString())
    })
  }
  expect(found).toEqual(['key:77'])
  // 20,000 keys are some 260 pages, of which a call looks at 33; only those of one shard count.
  expect(calls).toBeLessThan(20)
})

it('with rare keys, comes to all of them', () => {
  const keyspace = keyspaceOf(20_000, (i) => i % 500 === 0)
  expect(new Set(samplesOf(keyspace, true, 5, 400, 7)).size).toBe(40)
})

it('goes on in each of several databases where it ended there', () => {
  const keyspace = new Keyspace({ databaseCount: 2, hashSeed: HASH_SEED })
  const model = new KeyspaceModel(keyspace)
  for (let i = 0; i < 40_000; i++) model.put(i % 2, `key:${i}`, 0, VALUE, i < 2 ? 2 ** 41 : -1)
  for (let seed = 1; seed <= 5; seed++) {
    const random = new SeededRandom(seed)
    const sampler = new KeySampler(keyspace, () => random.float())
    const found = [false, false]
    // Once around: 20,000 keys of a database are some 280 pages, of which a call looks at 33.
    for (let i = 0; i < 20; i++) {
      sampler.sample(i % 2, true, 5, () => {
        found[i % 2] = true
      })
    }
    expect(found).toEqual([true, true])
  }
})
