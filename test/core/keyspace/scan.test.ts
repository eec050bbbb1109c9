import { Keyspace } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { KeyspaceModel } from '../../support/keyspace-model.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

describe('SCAN', () => {
  it.each([1, 2, 3, 4, 5])('meets every key that stays, whatever comes and goes (seed %i)', (seed) => {
    const random = new SeededRandom(seed)
    const hashSeed = random.bytes(16)
    const model = new KeyspaceModel(new Keyspace({ databaseCount: 2, hashSeed }))
    const stays = Array.from({ length: random.int(1, 3000) }, (_, i) => `stays:${i}`)
    for (const key of stays) model.put(0, key, 0, Buffer.from('v'))
    for (let walk = 0; walk < 3; walk++) {
      const seen = new Map<string, number>()
      const transient = new Set<string>()
      let cursor = 0
      let steps = 0
      do {
        cursor = model.keyspace.scan(0, cursor, random.pick([1, 3, 10, 100]), (entry) => {
          const key = entry.keyToBuffer().toString()
          seen.set(key, (seen.get(key) ?? 0) + 1)
        })
        expect(cursor).toBeLessThan(2 ** 53)
        // Growth that splits pages and doubles directories, and deletes, all while the walk is under way.
        if (steps < 40) {
          for (let i = 0; i < random.int(0, 400); i++) {
            const key = `comes:${random.int(0, 1e6)}`
            transient.add(key)
            model.put(0, key, 0, Buffer.from('w'))
          }
        }
        for (const key of [...transient].slice(0, random.int(0, 300))) {
          transient.delete(key)
          model.delete(0, key)
        }
        if (random.chance(0.05)) {
          const key = random.pick(stays)
          model.put(0, key, 0, random.bytes(random.int(0, 20_000)))
          model.expire(0, key, 2 ** 41)
        }
        if (random.chance(0.03)) swapIn(model, hashSeed)
        steps++
      } while (cursor !== 0)
      for (const key of stays) if (seen.get(key) !== 1) throw new Error(`${key} was met ${seen.get(key) ?? 0} times`)
      for (const key of transient) model.delete(0, key)
    }
  })

  it('honours COUNT within a factor of two, and goes quickly through what is empty', () => {
    const model = new KeyspaceModel(new Keyspace({ databaseCount: 1 }))
    for (let i = 0; i < 30_000; i++) model.put(0, `key:${i}`, 0, Buffer.from('v'))
    for (const count of [1, 10, 100, 1000]) {
      let cursor = 0
      do {
        let met = 0
        cursor = model.keyspace.scan(0, cursor, count, () => met++)
        if (cursor !== 0) {
          expect(met).toBeGreaterThanOrEqual(count)
          expect(met).toBeLessThanOrEqual(count * 2)
        }
      } while (cursor !== 0)
    }
    for (let i = 0; i < 30_000; i++) if (i !== 777) model.delete(0, `key:${i}`)
    let calls = 0
    let met = 0
    let cursor = 0
    do {
      cursor = model.keyspace.scan(0, cursor, 10, () => met++)
      calls++
    } while (cursor !== 0)
    expect(met).toBe(1)
    expect(calls).toBeLessThan(10)
  })

  it('ends at once for positions beyond the last', () => {
    const model = new KeyspaceModel(new Keyspace({ databaseCount: 1 }))
    model.put(0, 'k', 0, Buffer.from('v'))
    for (const cursor of [2 ** 32, 2 ** 40, 2 ** 64]) {
      expect(model.keyspace.scan(0, cursor, 10, () => expect.unreachable())).toBe(0)
    }
  })
})

describe('a random key', () => {
  it('is any of the keys, all equally likely', () => {
    const random = new SeededRandom(8)
    const model = new KeyspaceModel(new Keyspace({ databaseCount: 1, hashSeed: random.bytes(16) }))
    expect(model.keyspace.randomKey(0, Math.random)).toBe(false)
    for (let i = 0; i < 200; i++) model.put(0, `k${i}`, 0, Buffer.from('v'))
    const drawn = new Map<string, number>()
    for (let i = 0; i < 40_000; i++) {
      expect(model.keyspace.randomKey(0, () => random.float())).toBe(true)
      const key = model.keyspace.entry.keyToBuffer().toString()
      drawn.set(key, (drawn.get(key) ?? 0) + 1)
    }
    expect(drawn.size).toBe(200)
    for (const times of drawn.values()) {
      expect(times).toBeGreaterThan(120)
      expect(times).toBeLessThan(300)
    }
  })

  it('is found among very few', () => {
    const model = new KeyspaceModel(new Keyspace({ databaseCount: 1 }))
    for (let i = 0; i < 2000; i++) model.put(0, `k${i}`, 0, Buffer.from('v'))
    for (let i = 1; i < 2000; i++) model.delete(0, `k${i}`)
    for (let i = 0; i < 50; i++) {
      expect(model.keyspace.randomKey(0, Math.random)).toBe(true)
      expect(model.keyspace.entry.keyToBuffer().toString()).toBe('k0')
    }
  })
})

/** A full sync: another generation with the same keys takes over. */
function swapIn(model: KeyspaceModel, hashSeed: Uint8Array): void {
  const next = new KeyspaceModel(new Keyspace({ databaseCount: 2, hashSeed }))
  for (const [db, database] of model.databases.entries()) {
    for (const [key, { rdbType, value, expireAtMs }] of database) next.put(db, key, rdbType, value, expireAtMs)
  }
  model.keyspace.begin()
  model.keyspace.adopt(next.keyspace.generation.transfer())
  model.keyspace.end()
}
