import { ActiveExpiry, Keyspace, NOTIFY_EXPIRED } from '@understudy/core/internal'
import { expect, it, vi } from 'vitest'
import { checkKeyspace } from '../../support/keyspace-check.ts'

const NOW = 1_700_000_000_000

function put(keyspace: Keyspace, db: number, name: string, expireAtMs: number): void {
  const key = Buffer.from(name)
  keyspace.begin()
  keyspace.put(db, key, 0, key.length, 0, 0, key, 0, key.length, expireAtMs)
  keyspace.end()
}

it('deletes what is due in all databases, in slices, and tells of it', () => {
  const keyspace = new Keyspace({ databaseCount: 16 })
  const expected: string[] = []
  for (let i = 0; i < 6000; i++) {
    const db = [0, 3, 15][i % 3]!
    const kind = i % 5
    put(keyspace, db, `k${i}`, kind === 0 ? -1 : kind === 1 ? NOW + 1 : kind === 2 ? NOW : NOW - i - 1)
    if (kind > 2) expected.push(`${db}:k${i}`)
  }
  const told: string[] = []
  keyspace.events.mask = NOTIFY_EXPIRED
  keyspace.events.deliver = (event, db, key, start, end) => {
    expect(event).toBe('expired')
    told.push(`${db}:${Buffer.from(key.subarray(start, end)).toString()}`)
  }
  const expiry = new ActiveExpiry(keyspace)
  let deleted = 0
  let slices = 0
  for (; slices < 100_000 && deleted < expected.length; slices++) deleted += expiry.slice(NOW, 0)
  expect(slices).toBeGreaterThan(50)
  expect(told.toSorted()).toEqual(expected.toSorted())
  expect(keyspace.expiredKeys).toBe(expected.length)
  expect(keyspace.keyCount).toBe(6000 - expected.length)
  for (let i = 0; i < 500; i++) expect(expiry.slice(NOW, 0)).toBe(0)
  expect(expiry.slice(NOW + 1, 1000), 'the millisecond itself still counts').toBeGreaterThan(0)
  checkKeyspace(keyspace)
})

it('ends a slice when little is due, or nothing has a time to live', () => {
  const keyspace = new Keyspace({ databaseCount: 2 })
  const expiry = new ActiveExpiry(keyspace)
  expect(expiry.slice(NOW, 1000)).toBe(0)
  for (let i = 0; i < 20_000; i++) put(keyspace, 1, `k${i}`, i === 7 ? NOW - 1 : NOW + 1)
  let slices = 1
  while (expiry.slice(NOW, 1000) === 0) slices++
  expect(slices, 'one step each').toBeGreaterThan(1)
  expect(slices).toBeLessThanOrEqual(Math.ceil(20_000 / 64) + 1)
})

/** Longer than any walk of these tests takes: a slice ends for another reason. */
const NO_HURRY_MS = 60_000

/** Counts keys that slices look at. */
function countLooks(keyspace: Keyspace): { keys: number } {
  const looks = { keys: 0 }
  for (const method of ['scan', 'scanExpiring'] as const) {
    const original = keyspace[method].bind(keyspace)
    vi.spyOn(keyspace, method).mockImplementation((db, cursor, count, visit) =>
      original(db, cursor, count, (entry) => {
        looks.keys++
        visit(entry)
      }),
    )
  }
  return looks
}

it('goes on past keys without a time to live, until it has been everywhere', () => {
  const keyspace = new Keyspace({ databaseCount: 4 })
  const expiry = new ActiveExpiry(keyspace)
  for (let i = 0; i < 30_000; i++)
    put(keyspace, (i % 2) * 3, `k${i}`, i % 3000 === 0 ? NOW - 1 : i % 3000 === 1 ? NOW : -1)
  const looks = countLooks(keyspace)
  expect(expiry.slice(NOW, NO_HURRY_MS)).toBe(10)
  expect(looks.keys).toBeLessThanOrEqual(30_000 + 64)
  looks.keys = 0
  expect(expiry.slice(NOW, NO_HURRY_MS), 'from where it stands').toBe(0)
  expect(looks.keys).toBeGreaterThan(0)
  expect(looks.keys).toBeLessThanOrEqual(30_000 + 64)
  checkKeyspace(keyspace)
})

it('goes on from the middle of a database, and passes its beginning last', () => {
  const keyspace = new Keyspace({ databaseCount: 2 })
  const expiry = new ActiveExpiry(keyspace)
  for (let i = 0; i < 20_000; i++) put(keyspace, 1, `k${i}`, i % 1000 === 0 ? NOW : -1)
  for (let i = 0; i < 100; i++) expiry.slice(NOW, 0)
  const looks = countLooks(keyspace)
  expect(expiry.slice(NOW + 1, NO_HURRY_MS)).toBe(20)
  expect(looks.keys).toBeLessThanOrEqual(20_000 + 64)
})

it('looks at no shard without a key that has a time to live', () => {
  const keyspace = new Keyspace({ databaseCount: 1 })
  const expiry = new ActiveExpiry(keyspace)
  for (let i = 0; i < 20_000; i++) put(keyspace, 0, `k${i}`, i === 7 ? NOW : -1)
  const looks = countLooks(keyspace)
  expect(expiry.slice(NOW, NO_HURRY_MS)).toBe(0)
  expect(looks.keys).toBeGreaterThan(0)
  expect(looks.keys, 'a sixty-fourth of the keys').toBeLessThan(1000)
  looks.keys = 0
  expect(expiry.slice(NOW + 1, NO_HURRY_MS)).toBe(1)
  looks.keys = 0
  expect(expiry.slice(NOW + 1, NO_HURRY_MS)).toBe(0)
  expect(looks.keys, 'none is left').toBe(0)
})

it('judges by what a whole slice has met', () => {
  const keyspace = new Keyspace({ databaseCount: 1 })
  const expiry = new ActiveExpiry(keyspace)
  // About three in each step: too few to judge a step by.
  for (let i = 0; i < 20_000; i++) put(keyspace, 0, `k${i}`, i % 20 === 0 ? NOW : -1)
  const looks = countLooks(keyspace)
  expect(expiry.slice(NOW, NO_HURRY_MS)).toBe(0)
  expect(looks.keys).toBeGreaterThan(64)
  expect(looks.keys, 'twenty keys with a time to live').toBeLessThan(2000)
})
