/** Which keys go under which policy, over a keyspace alone: seeded, with a clock of the test's own. */
import { Eviction, EVICTION_RULES, type EvictionPolicy, Keyspace } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { checkKeyspace } from '../../support/keyspace-check.ts'
import { KeyspaceModel } from '../../support/keyspace-model.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

const HASH_SEED = new SeededRandom(11).bytes(16)
const VALUE = Buffer.alloc(200, 'v')

class Fixture {
  readonly keyspace = new Keyspace({ databaseCount: 3, hashSeed: HASH_SEED })
  readonly model = new KeyspaceModel(this.keyspace)
  readonly evicted: [db: number, key: string][] = []
  readonly eviction: Eviction

  constructor(seed = 12) {
    const random = new SeededRandom(seed)
    this.keyspace.access.clock = 1000
    this.eviction = new Eviction({
      keyspace: this.keyspace,
      random: () => random.float(),
      onEvicted: (db, key, start, end) => {
        expect(this.keyspace.counters.isOpen).toBe(true)
        this.evicted.push([db, Buffer.from(key.subarray(start, end)).toString()])
      },
    })
  }

  put(db: number, key: string, expireAtMs = -1): void {
    this.model.put(db, key, 0, VALUE, expireAtMs)
  }

  read(db: number, key: string): void {
    expect(this.keyspace.lookup(db, Buffer.from(key), 0, key.length)).toBe(true)
    this.keyspace.markAccess()
  }

  /** Evicts `count` keys, or what there is. */
  evict(policy: EvictionPolicy, count: number, samples = 5): string {
    const until = this.evicted.length + count
    return this.eviction.run({
      rule: EVICTION_RULES[policy],
      samples,
      isTooMuch: () => this.evicted.length < until,
      milliseconds: 10_000,
    })
  }

  get names(): string[] {
    return this.evicted.map(([, key]) => key)
  }
}

function isHot(key: string): boolean {
  return Number(key.slice(2)) % 10 === 0
}

describe('least recently used', () => {
  /** 2000 keys, the last ones written last; every tenth was read since. */
  function used(policy: 'lru' | 'lfu'): Fixture {
    const fixture = new Fixture()
    const { keyspace } = fixture
    keyspace.access.tracksFrequency = policy === 'lfu'
    for (let i = 0; i < 2000; i++) {
      keyspace.access.clock = 1000 + Math.floor(i / 10)
      fixture.put(0, `k:${i}`)
    }
    keyspace.access.clock = 1300
    for (let i = 0; i < 2000; i += 10) for (let n = 0; n < 20; n++) fixture.read(0, `k:${i}`)
    return fixture
  }

  it('keeps keys that were read, and takes old ones first', () => {
    const fixture = used('lru')
    expect(fixture.evict('allkeys-lru', 1000)).toBe('enough')
    const { names } = fixture
    expect(new Set(names).size).toBe(1000)
    expect(names.filter(isHot)).toEqual([])
    // With five samples Redis' own approximation takes some from the newer half; a random policy would take 500.
    const newer = names.filter((key) => Number(key.slice(2)) >= 1200).length
    expect(newer).toBeLessThan(200)
    checkKeyspace(fixture.keyspace)
  })

  it('comes nearer to the true order with more samples', () => {
    const fixture = used('lru')
    fixture.evict('allkeys-lru', 1000, 20)
    expect(fixture.names.filter((key) => Number(key.slice(2)) >= 1200).length).toBeLessThan(40)
  })

  it('keeps keys that are read often, under an LFU policy', () => {
    const fixture = used('lfu')
    fixture.evict('allkeys-lfu', 1000)
    expect(fixture.names.filter(isHot)).toEqual([])
  })

  it('spares a candidate that is read while it waits in the pool', () => {
    const fixture = new Fixture()
    for (let i = 0; i < 40; i++) fixture.put(0, `k:${i}`)
    fixture.keyspace.access.clock = 1100
    fixture.evict('allkeys-lru', 1)
    const left = Array.from({ length: 40 }, (_, i) => `k:${i}`).filter((key) => key !== fixture.names[0])
    const read = left.slice(0, 20)
    for (const key of read) fixture.read(0, key)
    fixture.evict('allkeys-lru', 19, 20)
    expect(fixture.names.filter((key) => read.includes(key))).toEqual([])
  })
})

describe('volatile policies', () => {
  it.each(['volatile-lru', 'volatile-lfu', 'volatile-random', 'volatile-ttl'] as const)(
    '%s takes keys with a time to live alone, of all databases, and then says that there are none',
    (policy) => {
      const fixture = new Fixture()
      fixture.keyspace.access.tracksFrequency = policy === 'volatile-lfu'
      for (let i = 0; i < 300; i++) fixture.put(i % 3, `k:${i}`, i % 4 === 0 ? 2e12 + i : -1)
      expect(fixture.evict(policy, 1000)).toBe('nothing')
      expect(fixture.evicted.length).toBe(75)
      expect(new Set(fixture.evicted.map(([db]) => db)).size).toBe(3)
      for (const key of fixture.names) expect(Number(key.slice(2)) % 4).toBe(0)
      checkKeyspace(fixture.keyspace)
    },
  )

  it('volatile-ttl takes those first that would go soonest', () => {
    const fixture = new Fixture()
    for (let i = 0; i < 1000; i++) fixture.put(0, `k:${i}`, 2e12 + i * 1000)
    fixture.evict('volatile-ttl', 300, 10)
    const late = fixture.names.filter((key) => Number(key.slice(2)) >= 450).length
    expect(late).toBeLessThan(15)
  })
})

describe('random policies', () => {
  it('take from all databases in turn', () => {
    const fixture = new Fixture()
    for (let i = 0; i < 900; i++) fixture.put(i % 3, `k:${i}`)
    fixture.evict('allkeys-random', 300)
    for (const db of [0, 1, 2]) expect(fixture.evicted.filter(([of]) => of === db).length).toBe(100)
  })
})

it('noeviction takes nothing', () => {
  const fixture = new Fixture()
  fixture.put(0, 'k')
  expect(fixture.evict('noeviction', 1)).toBe('nothing')
  expect(fixture.keyspace.size(0)).toBe(1)
})

it('ends with its time, after some keys', () => {
  const fixture = new Fixture()
  for (let i = 0; i < 500; i++) fixture.put(0, `k:${i}`)
  const { eviction } = fixture
  const rule = EVICTION_RULES['allkeys-random']
  expect(eviction.run({ rule, samples: 5, isTooMuch: () => true, milliseconds: 0 })).toBe('more')
  expect(fixture.evicted.length).toBe(16)
})

it('looks at the clock more often where keys that may go are rare', () => {
  const fixture = new Fixture()
  for (let i = 0; i < 30_000; i++) fixture.put(i % 3, `k:${i}`, i % 1000 === 0 ? 2e12 + i : -1)
  const { eviction } = fixture
  const rule = EVICTION_RULES['volatile-ttl']
  expect(eviction.run({ rule, samples: 5, isTooMuch: () => true, milliseconds: 0 })).toBe('more')
  expect(fixture.evicted.length).toBeGreaterThan(0)
  expect(fixture.evicted.length).toBeLessThan(4)
  expect(fixture.evict('volatile-ttl', 1000)).toBe('nothing')
  expect(fixture.evicted.length).toBe(30)
})

it('waits for a large value to be freed before it takes more', () => {
  const fixture = new Fixture()
  const { keyspace, eviction } = fixture
  fixture.model.put(0, 'large', 0, Buffer.alloc(40e6, 'x'))
  const bytesMax = keyspace.usedBytes - 1e6
  for (let i = 0; i < 50; i++) fixture.put(0, `k:${i}`)
  keyspace.access.clock++
  for (let i = 0; i < 50; i++) fixture.read(0, `k:${i}`)
  const isTooMuch = (): boolean => keyspace.usedBytes > bytesMax
  const rule = EVICTION_RULES['allkeys-lru']
  expect(eviction.run({ rule, samples: 60, isTooMuch, milliseconds: 10_000 })).toBe('enough')
  expect(fixture.names).toEqual(['large'])
  // What another command has deleted is waited for as well, under any policy.
  fixture.model.put(0, 'large', 0, Buffer.alloc(40e6, 'x'))
  keyspace.begin()
  keyspace.delete(0, Buffer.from('large'), 0, 5)
  keyspace.end()
  expect(eviction.run({ rule: undefined, samples: 5, isTooMuch, milliseconds: 10_000 })).toBe('enough')
})

it('counts, tells listeners, and changes nothing that commands count', () => {
  const fixture = new Fixture()
  const { keyspace } = fixture
  const long = 'long '.repeat(4000)
  fixture.put(0, 'k:1')
  fixture.put(0, long)
  const { dirty } = keyspace
  const changed: string[] = []
  keyspace.listener = {
    active: true,
    keyChanged: (_db, key, start, end, gone) => {
      expect(gone).toBe(true)
      changed.push(Buffer.from(key.subarray(start, end)).toString())
    },
    databaseFlushed: () => {},
    databasesSwapped: () => {},
  }
  fixture.evict('allkeys-lru', 2)
  expect(keyspace.evictedKeys).toBe(2)
  expect(keyspace.dirty).toBe(dirty)
  expect(changed.toSorted()).toEqual(['k:1', long])
})

it('memory of evicted keys serves new ones: what is used stays where the limit is', () => {
  const fixture = new Fixture()
  const { keyspace, eviction } = fixture
  const random = new SeededRandom(13)
  const bytesMax = 4e6
  const isTooMuch = (): boolean => keyspace.usedBytes > bytesMax
  const rule = EVICTION_RULES['allkeys-lru']
  const runBytes: number[] = []
  for (let i = 0; i < 60_000; i++) {
    if (isTooMuch()) {
      expect(eviction.run({ rule, samples: 5, isTooMuch, milliseconds: 10_000 })).toBe('enough')
    }
    const key = Buffer.from(`key:${i}`)
    keyspace.begin()
    keyspace.put(0, key, 0, key.length, 0, 0, VALUE, 0, random.int(100, 200), -1)
    keyspace.end()
    if (i % 10_000 === 9999) runBytes.push(keyspace.generation.runBytes)
  }
  expect(keyspace.usedBytes).toBeLessThan(bytesMax + 10_000)
  expect(keyspace.evictedKeys).toBeGreaterThan(10_000)
  // For each of some seven lengths each of the eight regions has runs of 64 KiB that are not full. They are filled again, not joined by others.
  expect(runBytes.length).toBe(6)
  expect(runBytes.at(-1)).toBeLessThan(runBytes[2]! * 1.1)
  checkKeyspace(keyspace)
})

it('what is kept for a pin does not count, so eviction ends while one lasts', () => {
  const fixture = new Fixture()
  const { keyspace, eviction } = fixture
  for (let i = 0; i < 5000; i++) fixture.put(0, `k:${i}`)
  const limits = { bytesMax: Number.POSITIVE_INFINITY, durationMsMax: Number.POSITIVE_INFINITY }
  const handle = keyspace.pin(limits, 0)
  const counted = (): number => keyspace.usedBytes - keyspace.keptForPinsBytes
  const before = counted()
  const usedBefore = keyspace.usedBytes
  const rule = EVICTION_RULES['allkeys-random']
  const isTooMuch = (): boolean => counted() > before * 0.75
  expect(eviction.run({ rule, samples: 5, isTooMuch, milliseconds: 10_000 })).toBe('enough')
  expect(keyspace.usedBytes).toBeGreaterThan(usedBefore * 0.9)
  expect(keyspace.size(0)).toBeGreaterThan(2500)
  // New keys are no pin's.
  fixture.put(0, 'new')
  keyspace.pins.breakAll()
  while (keyspace.freeSlice(10)) continue
  expect(keyspace.keptForPinsBytes).toBe(0)
  expect(keyspace.usedBytes).toBeLessThan(usedBefore * 0.9)
  handle.port.close()
  checkKeyspace(keyspace)
})
