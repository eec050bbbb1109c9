import { Keyspace } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { KeyspaceModel, randomValue } from '../../support/keyspace-model.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

const NOW = 1_800_000_000_000

/** Runs random changes over `keys`; a key's own number chooses it, so that some keys are long. */
function runModel(model: KeyspaceModel, random: SeededRandom, keys: readonly string[], changes: number): void {
  const databases = model.keyspace.databaseCount
  for (let i = 0; i < changes; i++) {
    const db = random.int(0, databases - 1)
    const key = random.pick(keys)
    const kind = random.int(0, 99)
    if (kind < 50) {
      const rdbType = random.chance(0.7) ? 0 : random.pick([2, 11, 16, 18, 19])
      model.put(db, key, rdbType, randomValue(random), random.chance(0.3) ? NOW + random.int(0, 2 ** 40) : -1)
    } else if (kind < 68) model.delete(db, key)
    else if (kind < 78) model.expire(db, key, random.chance(0.3) ? -1 : random.int(-(2 ** 40), 2 ** 50))
    else if (kind < 86)
      model.write(db, key, random.int(0, random.chance(0.9) ? 100 : 40_000), random.bytes(random.int(0, 50)))
    else if (kind < 94) model.transplant(db, key, random.int(0, databases - 1), random.pick(keys), random.chance(0.5))
    else if (kind === 94 && i % 50 === 0) model.swap(db, random.int(0, databases - 1))
    else if (kind === 95 && i % 400 === 0) model.flush(db)
    else model.check(db, key)
    if (random.chance(0.01)) model.keyspace.freeSlice(1)
  }
  model.settle()
}

describe('keyspace', () => {
  it.each([1, 2])('agrees with a Map over 20,000 random changes of few keys (seed %i)', (seed) => {
    const random = new SeededRandom(seed)
    const keys = Array.from({ length: 300 }, (_, i) => `key:${i}`)
    keys.push('', 'x'.repeat(8192), 'y'.repeat(8193), 'z'.repeat(16_384), 'w'.repeat(40_000), 'v'.repeat(16_385))
    const model = new KeyspaceModel(new Keyspace({ databaseCount: 4 }))
    runModel(model, random, keys, 20_000)
    model.checkAll()
    for (const [db, database] of model.databases.entries()) for (const key of database.keys()) model.delete(db, key)
    model.settle()
    const { keys: left } = model.checkAll()
    expect(left).toBe(0)
  })

  it('agrees with a Map over 100,000 random changes of many keys in segments of 4 MiB', () => {
    const random = new SeededRandom(4)
    const keys = Array.from({ length: 40_000 }, (_, i) => `key:${i}:${'p'.repeat(i % 40)}`)
    const model = new KeyspaceModel(new Keyspace({ databaseCount: 2, segmentBytesMax: 4 << 20 }))
    for (const key of keys) model.put(0, key, 0, Buffer.from(key))
    runModel(model, random, keys, 100_000)
    const facts = model.checkAll()
    expect(facts.depthMax).toBeGreaterThanOrEqual(2)
    expect(model.keyspace.generation.regions.some(({ memory }) => memory.segments.length > 2)).toBe(true)
  })

  it('splits pages again and again, and finds what is left when half is gone', () => {
    const model = new KeyspaceModel(new Keyspace({ databaseCount: 1 }))
    const { keyspace } = model
    const key = Buffer.alloc(12)
    keyspace.begin()
    for (let i = 0; i < 250_000; i++) {
      key.writeUInt32LE(i, 4)
      keyspace.put(0, key, 0, 12, 0, 0, key, 4, 8, -1)
    }
    expect(keyspace.size(0)).toBe(250_000)
    for (let i = 0; i < 250_000; i += 7) {
      key.writeUInt32LE(i, 4)
      expect(keyspace.lookup(0, key, 0, 12) && keyspace.entry.bytes[keyspace.entry.start] === (i & 255)).toBe(true)
    }
    for (let i = 0; i < 250_000; i += 2) {
      key.writeUInt32LE(i, 4)
      if (!keyspace.delete(0, key, 0, 12)) throw new Error(`key ${i} is gone`)
    }
    for (let i = 1; i < 250_000; i += 2) {
      key.writeUInt32LE(i, 4)
      if (!keyspace.lookup(0, key, 0, 12)) throw new Error(`key ${i} is gone`)
    }
    keyspace.end()
    expect(keyspace.size(0)).toBe(125_000)
  })

  it('has a full 64-bit time: far future, and before 1970', () => {
    const model = new KeyspaceModel(new Keyspace({ databaseCount: 1 }))
    for (const [i, time] of [0, 1, 2 ** 31, 2 ** 32, 2 ** 32 - 1, 2 ** 53 - 1, -2, -(2 ** 40)].entries()) {
      model.put(0, `k${i}`, 0, Buffer.from('v'), time)
    }
    model.checkAll()
    model.put(0, 'end', 0, Buffer.from('v'))
    model.keyspace.begin()
    const key = Buffer.from('end')
    model.keyspace.lookup(0, key, 0, 3)
    model.keyspace.setEntryExpire(0, key, 0, 3, 2 ** 63)
    model.keyspace.end()
    model.keyspace.lookup(0, key, 0, 3)
    expect(model.keyspace.entry.expireAtMs).toBe(2 ** 63 - 1024)
  })

  it('hides a key only after its millisecond, and only from lookupAlive', () => {
    const keyspace = new Keyspace({ databaseCount: 1 })
    const model = new KeyspaceModel(keyspace)
    model.put(0, 'k', 0, Buffer.from('v'), NOW)
    const key = Buffer.from('k')
    expect(keyspace.lookupAlive(0, key, 0, 1, NOW)).toBe(true)
    expect(keyspace.lookupAlive(0, key, 0, 1, NOW + 1)).toBe(false)
    expect(keyspace.entry.address).toBe(0)
    expect(keyspace.lookup(0, key, 0, 1)).toBe(true)
  })

  it('refuses a database that does not exist', () => {
    const keyspace = new Keyspace({ databaseCount: 2 })
    for (const db of [-1, 2]) {
      expect(() => keyspace.checkDatabase(db)).toThrow(expect.objectContaining({ code: 'KEYSPACE_BAD_DATABASE' }))
    }
  })

  it('refuses a change outside of a unit, and a unit inside a unit', () => {
    const keyspace = new Keyspace({ databaseCount: 1 })
    const key = Buffer.from('k')
    expect(() => keyspace.put(0, key, 0, 1, 0, 0, key, 0, 1, -1)).toThrow(/outside of a unit/)
    keyspace.begin()
    expect(() => keyspace.begin()).toThrow(/already open/)
    keyspace.end()
  })

  it('notes accesses in ticks of two seconds, around the end of the clock', () => {
    const keyspace = new Keyspace({ databaseCount: 1 })
    const model = new KeyspaceModel(keyspace)
    const key = Buffer.from('k')
    keyspace.access.clock = 2 ** 18 - 6
    model.put(0, 'k', 0, Buffer.from('v'))
    keyspace.access.clock = 4
    keyspace.lookup(0, key, 0, 1)
    expect(keyspace.access.idleSeconds(keyspace.entry)).toBe(20)
    keyspace.markAccess()
    expect(keyspace.access.idleSeconds(keyspace.entry)).toBe(0)
    keyspace.setAccess(1235, -1)
    expect(keyspace.access.idleSeconds(keyspace.entry)).toBe(1234)
    expect(keyspace.entry.toBuffer().toString()).toBe('v')
  })

  it('counts accesses logarithmically while an LFU policy is set, and forgets with time', () => {
    const keyspace = new Keyspace({ databaseCount: 1 })
    keyspace.access.tracksFrequency = true
    const model = new KeyspaceModel(keyspace)
    model.put(0, 'k', 0, Buffer.from('v'))
    const key = Buffer.from('k')
    keyspace.lookup(0, key, 0, 1)
    expect(keyspace.access.frequency(keyspace.entry)).toBe(5)
    for (let i = 0; i < 10_000; i++) keyspace.markAccess()
    const after = keyspace.access.frequency(keyspace.entry)
    // Redis' table for lfu-log-factor 10: 10 after a hundred hits, about 18 after a thousand, 142 after 100,000.
    expect(after).toBeGreaterThan(20)
    expect(after).toBeLessThan(90)
    keyspace.access.minute += 7
    expect(keyspace.access.frequency(keyspace.entry)).toBe(after - 7)
    keyspace.setAccess(-1, 200)
    expect(keyspace.access.frequency(keyspace.entry)).toBe(200)
    model.check(0, 'k')
  })

  it('tells its listener of every change', () => {
    const keyspace = new Keyspace({ databaseCount: 3 })
    const heard: string[] = []
    keyspace.listener = {
      active: true,
      keyChanged: (db, key, start, end) => heard.push(`${db} ${Buffer.from(key.subarray(start, end)).toString()}`),
      databaseFlushed: (db) => heard.push(`flushed ${db}`),
      databasesSwapped: (first, second) => heard.push(`swapped ${first} ${second}`),
    }
    const model = new KeyspaceModel(keyspace)
    model.put(0, 'a', 0, Buffer.from('v'))
    model.put(0, 'a', 0, Buffer.from('w'))
    model.put(1, 'x', 0, Buffer.from('w'))
    model.expire(0, 'a', NOW)
    model.transplant(0, 'a', 0, 'b', false)
    model.transplant(0, 'b', 2, 'c', true)
    model.delete(0, 'b')
    model.delete(0, 'b')
    model.swap(0, 1)
    model.flush(0)
    model.flushAll()
    expect(heard).toEqual([
      '0 a',
      '0 a',
      '1 x',
      '0 a',
      '0 a',
      '0 b',
      '2 c',
      '0 b',
      'swapped 0 1',
      'flushed 0',
      'flushed -1',
    ])
  })
})
