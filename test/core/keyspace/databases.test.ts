import { Generation, Keyspace } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { KeyspaceModel, pooledBytes, randomValue } from '../../support/keyspace-model.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

function filled(databaseCount: number, keys: number, segmentBytesMax?: number): KeyspaceModel {
  const random = new SeededRandom(keys)
  const options = segmentBytesMax === undefined ? { databaseCount } : { databaseCount, segmentBytesMax }
  const model = new KeyspaceModel(new Keyspace(options))
  for (let i = 0; i < keys; i++) {
    model.put(i % databaseCount, `key:${i}`, random.pick([0, 18]), randomValue(random), i % 3 === 0 ? 2 ** 41 + i : -1)
  }
  return model
}

describe('FLUSHDB', () => {
  it('empties one database at once and gives its memory back in slices', () => {
    const model = filled(3, 9000)
    const { keyspace } = model
    const before = keyspace.usedBytes
    model.flush(1)
    expect(keyspace.size(1)).toBe(0)
    expect(keyspace.usedBytes).toBe(before)
    expect(keyspace.lazyFreePending).toBeGreaterThan(0)
    // New keys of the database live beside what waits to be freed.
    for (let i = 0; i < 500; i++) model.put(1, `key:${i}`, 0, Buffer.from('new'))
    let slices = 0
    while (keyspace.freeSlice(0)) slices++
    expect(slices).toBeGreaterThan(10)
    model.checkAll()
    expect(keyspace.usedBytes).toBeLessThan(before * 0.75)
  })

  it('resets everything when no other database has keys', () => {
    const model = filled(1, 3000)
    model.flush(0)
    expect(model.keyspace.usedBytes).toBe(0)
    model.put(0, 'a', 0, Buffer.from('v'))
    model.checkAll()
  })

  it('frees values of many nodes, also those whose nodes came from another region', () => {
    const random = new SeededRandom(9)
    const model = new KeyspaceModel(new Keyspace({ databaseCount: 2 }))
    model.put(1, 'stays', 0, pooledBytes(random, 200_000))
    for (let i = 0; i < 12; i++) {
      model.put(0, `big:${i}`, 18, Buffer.alloc(3_000_000, i + 1))
      model.transplant(0, `big:${i}`, i % 2, `moved:${i}`, false)
    }
    model.checkAll()
    model.flush(0)
    model.settle()
    model.checkAll()
    for (let i = 1; i < 12; i += 2) model.delete(1, `moved:${i}`)
    expect(model.keyspace.lazyFreePending).toBeGreaterThan(0)
    model.settle()
    const facts = model.checkAll()
    expect(facts.keys).toBe(1)
  })

  it('may come again while the former is not done', () => {
    const model = filled(2, 4000)
    for (let round = 0; round < 5; round++) {
      model.flush(0)
      model.keyspace.freeSlice(0)
      for (let i = 0; i < 300; i++) model.put(0, `again:${round}:${i}`, 0, Buffer.alloc(i * 10))
    }
    model.settle()
    model.checkAll()
  })
})

describe('FLUSHALL', () => {
  it('empties a small dataset in place', () => {
    const model = filled(4, 8000)
    const { generation } = model.keyspace
    model.flush(2)
    model.flushAll()
    expect(model.keyspace.generation).toBe(generation)
    expect(model.keyspace.usedBytes).toBe(0)
    expect(model.keyspace.keyCount).toBe(0)
    for (let i = 0; i < 2000; i++) model.put(i % 4, `key:${i}`, 0, Buffer.from(`${i}`))
    model.checkAll()
  })

  it('drops a large one with its generation', () => {
    const model = new KeyspaceModel(new Keyspace({ databaseCount: 2 }))
    const { keyspace } = model
    const generations: Generation[] = []
    keyspace.generationListeners.push((generation) => generations.push(generation))
    const value = Buffer.alloc(1 << 20, 7)
    for (let i = 0; i < 80; i++) model.put(0, `k${i}`, 0, value)
    const former = keyspace.generation
    model.flushAll()
    expect(generations).toEqual([keyspace.generation])
    expect(keyspace.generation).not.toBe(former)
    expect(keyspace.generation.number).toBe(former.number + 1)
    model.put(0, 'k', 0, Buffer.from('v'))
    model.checkAll()
  })

  it('forgets what waited to be freed', () => {
    const model = filled(2, 4000)
    model.flush(0)
    model.flushAll()
    expect(model.keyspace.lazyFreePending).toBe(0)
    for (let i = 0; i < 2000; i++) model.put(i % 2, `key:${i}`, 0, Buffer.from(`${i}`))
    model.settle()
    model.checkAll()
  })
})

describe('SWAPDB', () => {
  it('exchanges databases, again and again, also one with itself', () => {
    const model = filled(4, 4000)
    const random = new SeededRandom(3)
    for (let i = 0; i < 200; i++) {
      model.swap(random.int(0, 3), random.int(0, 3))
      model.put(random.int(0, 3), `key:${random.int(0, 5000)}`, 0, Buffer.from(`${i}`))
      if (i === 100) model.flush(2)
    }
    model.settle()
    model.checkAll()
  })
})

describe('segments of 1 MiB', () => {
  it('serve tables and values across several segments', () => {
    const model = filled(2, 12_000, 1 << 20)
    expect(Math.max(...model.keyspace.generation.regions.map(({ memory }) => memory.segments.length))).toBeGreaterThan(
      3,
    )
    model.checkAll()
    model.flush(0)
    model.settle()
    for (let i = 0; i < 6000; i++) model.put(0, `key:${i}`, 0, Buffer.alloc(i % 700, i))
    model.checkAll()
  })

  it.each([1, 2])('may run full: the change is refused, everything else stays right (seed %i)', (seed) => {
    const random = new SeededRandom(seed)
    const model = new KeyspaceModel(new Keyspace({ databaseCount: 2, segmentBytesMax: 1 << 20 }))
    const refused: string[] = []
    const attempt = (change: () => void, key: string): void => {
      try {
        change()
      } catch (error) {
        expect(error).toMatchObject({ code: 'KEYSPACE_OUT_OF_MEMORY' })
        refused.push(key)
      }
    }
    for (let i = 0; refused.length < 150; i++) {
      const key = `key:${random.int(0, 30_000)}`.padEnd(random.chance(0.02) ? 9000 : 1, 'x')
      const kind = random.int(0, 9)
      const long = random.chance(0.1)
      if (kind < 6)
        attempt(
          () =>
            model.put(
              i % 2,
              key,
              0,
              pooledBytes(random, long ? random.int(0, 150_000) : random.int(0, 3000)),
              random.chance(0.3) ? 2 ** 41 : -1,
            ),
          key,
        )
      else if (kind < 8) attempt(() => model.write(i % 2, key, random.int(0, 60_000), Buffer.from('written')), key)
      else if (kind === 8) attempt(() => model.transplant(i % 2, key, 1, `copy:${key}`, random.chance(0.7)), key)
      else attempt(() => model.expire(i % 2, key, 2 ** 42), key)
    }
    model.settle()
    model.checkAll()
    for (const [db, database] of model.databases.entries()) {
      for (const key of database.keys()) if (random.chance(0.5)) model.delete(db, key)
    }
    model.settle()
    for (let i = 0; i < 3000; i++) model.put(0, `after:${i}`, 0, Buffer.from(`${i}`))
    model.checkAll()
  })
})

describe('another generation', () => {
  it('takes over with all its keys, and the former is retired', () => {
    const old = filled(2, 1000)
    const { keyspace } = old
    const hashSeed = keyspace.hashSeed
    const next = new KeyspaceModel(new Keyspace({ databaseCount: 2, hashSeed }))
    for (let i = 0; i < 2000; i++) next.put(i % 2, `next:${i}`, 0, Buffer.from(`${i}`), i % 2 === 0 ? 2 ** 41 : -1)
    const former = keyspace.generation
    keyspace.begin()
    keyspace.adopt(next.keyspace.generation.transfer())
    keyspace.end()
    old.databases = next.databases
    expect(keyspace.generation.number).toBe(former.number + 1)
    for (let i = 0; i < 500; i++) old.delete(i % 2, `next:${i}`)
    for (let i = 0; i < 500; i++) old.put(i % 2, `more:${i}`, 0, Buffer.from(`${i}`))
    old.checkAll()
  })

  it('may come in the middle of freeing', () => {
    const model = filled(2, 3000)
    model.flush(0)
    model.keyspace.freeSlice(0)
    model.keyspace.begin()
    model.keyspace.swapGeneration(model.keyspace.newGeneration(2))
    model.keyspace.end()
    model.databases = [new Map(), new Map()]
    expect(model.keyspace.lazyFreePending).toBe(0)
    for (let i = 0; i < 1000; i++) model.put(i % 2, `key:${i}`, 0, Buffer.from(`${i}`))
    model.checkAll()
  })
})
