import { Keyspace, OwnExpiringKeys } from '@understudy/core/internal'
import { expect, it } from 'vitest'
import { checkKeyspace } from '../../support/keyspace-check.ts'

const NOW = 1_700_000_000_000

function put(keyspace: Keyspace, db: number, name: string, expireAtMs: number): Buffer {
  const key = Buffer.from(name, 'latin1')
  keyspace.inUnit(() => keyspace.put(db, key, 0, key.length, 0, 0, key, 0, key.length, expireAtMs))
  return key
}

it('deletes what was noted when its time has come, and nothing else', () => {
  const keyspace = new Keyspace({ databaseCount: 3 })
  const own = new OwnExpiringKeys(keyspace)
  for (let i = 0; i < 1000; i++) {
    const db = i % 3
    const key = put(keyspace, db, `k\xff${i}`, i % 4 === 0 ? -1 : i % 4 === 1 ? NOW + 1000 : NOW - 1)
    // The primary's own are the fourth part.
    if (i % 4 !== 3) own.note(db, key, 0, key.length)
  }
  expect(own.count).toBe(500)
  let deleted = 0
  for (let slices = 0; slices < 100; slices++) deleted += own.slice(NOW, 0)
  expect([deleted, keyspace.keyCount, keyspace.expiredKeys, own.count]).toEqual([250, 750, 250, 250])
  expect(own.slice(NOW + 1000, 1000), 'the millisecond itself still counts').toBe(0)
  while (own.slice(NOW + 1001, 1000) > 0);
  expect([keyspace.keyCount, own.count]).toEqual([500, 0])
  checkKeyspace(keyspace)
})

it('forgets keys that are gone or stay, and all of them with the data', () => {
  const keyspace = new Keyspace({ databaseCount: 1 })
  const own = new OwnExpiringKeys(keyspace)
  const [gone, stays, waits] = ['gone', 'stays', 'waits'].map((name) => put(keyspace, 0, name, NOW + 1)) as [
    Buffer,
    Buffer,
    Buffer,
  ]
  for (const key of [gone, stays, waits, waits]) own.note(0, key, 0, key.length)
  own.note(0, Buffer.from('absent'), 0, 6)
  expect(own.count).toBe(3)
  keyspace.inUnit(() => {
    keyspace.lookup(0, gone, 0, gone.length)
    keyspace.deleteEntry(0, gone, 0, gone.length)
  })
  put(keyspace, 0, 'stays', -1)
  expect([own.slice(NOW, 0), own.count]).toEqual([0, 1])
  keyspace.swapGeneration(new Keyspace({ databaseCount: 1 }).generation)
  expect([own.slice(NOW + 2, 0), own.count]).toEqual([0, 0])
})
