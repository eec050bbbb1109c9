import {
  COMMANDS_AHEAD_MAX,
  hashKey,
  hashOrder,
  Keyspace,
  KEYS_AHEAD_MAX,
  Readers,
  shardOf,
  SharedKeyspace,
} from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../support/seeded-random.ts'

const KEY_BYTES = 6
/** Keys one behind the other, as in a stream's buffer. */
const bytes = Buffer.from(
  Array.from({ length: COMMANDS_AHEAD_MAX }, (_, i) => `key${String(i).padStart(3, '0')}`).join(''),
)
const startOf = (index: number): number => index * KEY_BYTES

/** A keyspace with the even keys, whose values are their numbers. */
function halfFull(): Keyspace {
  const keyspace = new Keyspace({ databaseCount: 2 })
  keyspace.begin()
  for (let i = 0; i < COMMANDS_AHEAD_MAX; i += 2) {
    const value = Buffer.from(String(i))
    keyspace.put(0, bytes, startOf(i), startOf(i + 1), 0, 0, value, 0, value.length, -1)
  }
  keyspace.end()
  return keyspace
}

function announce(keyspace: Keyspace, db: number, indexes: readonly number[]): void {
  keyspace.lookupsAhead.begin(bytes)
  for (const i of indexes) keyspace.lookupsAhead.add(startOf(i), startOf(i + 1))
  keyspace.touchAhead(db)
}

function valueOf(keyspace: Keyspace, index: number, from: Uint8Array = bytes): string | undefined {
  if (!keyspace.lookup(0, from, startOf(index), startOf(index + 1))) return undefined
  return keyspace.entry.toBuffer().toString()
}

const all = Array.from({ length: COMMANDS_AHEAD_MAX }, (_, i) => i)
const expected = all.map((i) => (i % 2 === 0 ? String(i) : undefined))

describe('lookups of keys that were announced', () => {
  it('find what others find: in order, with gaps, backwards, twice, announced for another database', () => {
    const keyspace = halfFull()
    const asked = [all, all.filter((i) => i % 5 !== 0), all.toReversed(), all.flatMap((i) => [i, i])]
    for (const db of [0, 1]) {
      for (const announced of [all, all.filter((i) => i % 3 === 0)]) {
        for (const order of asked) {
          announce(keyspace, db, announced)
          expect(order.map((i) => valueOf(keyspace, i))).toEqual(order.map((i) => expected[i]))
        }
      }
    }
  })

  it('write under the right keys, which may be gone or new since', () => {
    const keyspace = halfFull()
    announce(keyspace, 0, all)
    keyspace.begin()
    for (const i of all) {
      const start = startOf(i)
      if (i % 2 === 0) keyspace.delete(0, bytes, start, start + KEY_BYTES)
      else keyspace.put(0, bytes, start, start + KEY_BYTES, 0, 0, bytes, start, start + KEY_BYTES, -1)
    }
    keyspace.end()
    keyspace.lookupsAhead.begin(bytes)
    const keys = all.map((i) => valueOf(keyspace, i))
    expect(keys).toEqual(
      all.map((i) => (i % 2 === 0 ? undefined : bytes.toString('latin1', startOf(i), startOf(i + 1)))),
    )
    expect(keyspace.size(0)).toBe(COMMANDS_AHEAD_MAX / 2)
  })

  it('go by the bytes at hand when they are others than those announced', () => {
    const keyspace = halfFull()
    announce(keyspace, 0, all)
    const others = Buffer.from(bytes)
    others.write('key002', startOf(1), 'latin1')
    expect(valueOf(keyspace, 1, others)).toBe('2')
    // The same array with other contents, after it was said so.
    const buffer = Buffer.from(bytes)
    keyspace.lookupsAhead.begin(buffer)
    keyspace.lookupsAhead.add(startOf(1), startOf(2))
    keyspace.lookupsAhead.touch(keyspace.generation, 0)
    buffer.write('key004', startOf(1), 'latin1')
    keyspace.lookupsAhead.begin(buffer)
    expect(valueOf(keyspace, 1, buffer)).toBe('4')
  })

  it('need no key to be there, nor a table', () => {
    const keyspace = new Keyspace({ databaseCount: 1 })
    announce(keyspace, 0, all)
    expect(all.map((i) => valueOf(keyspace, i))).toEqual(all.map(() => undefined))
  })

  it('take the records that were touched as long as nothing has changed, and search for them else', () => {
    const keyspace = halfFull()
    const key = Buffer.from('key002')
    const put = (value: string): void => {
      keyspace.begin()
      keyspace.put(0, key, 0, key.length, 0, 0, Buffer.from(value), 0, value.length, -1)
      keyspace.end()
    }
    announce(keyspace, 0, all)
    expect(valueOf(keyspace, 2)).toBe('2')
    announce(keyspace, 0, all)
    put('another, of another size')
    expect(valueOf(keyspace, 2)).toBe('another, of another size')
    // In the middle of a unit.
    announce(keyspace, 0, all)
    keyspace.begin()
    expect(valueOf(keyspace, 2)).toBe('another, of another size')
    keyspace.deleteEntry(0, bytes, startOf(2), startOf(3))
    expect(valueOf(keyspace, 2)).toBe(undefined)
    keyspace.end()
    put('back')
    // Announced for a database that does not have them, and the other way round.
    announce(keyspace, 1, all)
    expect(valueOf(keyspace, 2)).toBe('back')
    announce(keyspace, 0, all)
    expect(keyspace.lookup(1, bytes, startOf(2), startOf(3))).toBe(false)
    announce(keyspace, 0, all)
    keyspace.begin()
    keyspace.swapDatabases(0, 1)
    keyspace.end()
    expect(valueOf(keyspace, 2)).toBe(undefined)
    announce(keyspace, 1, all)
    keyspace.begin()
    keyspace.flushAll()
    keyspace.end()
    expect(valueOf(keyspace, 2)).toBe(undefined)
  })
})

describe('keys that are touched', () => {
  it('are found by the writer as by any other lookup, and in a unit as they are then', () => {
    const random = new SeededRandom(10)
    const keyspace = new Keyspace({ databaseCount: 2 })
    const names = Array.from({ length: 300 }, (_, i) => `${'k'.repeat(1 + (i % 30))}${i}`)
    keyspace.begin()
    for (const [i, name] of names.entries()) {
      const key = Buffer.from(name)
      if (i % 3 !== 0) keyspace.put(i % 2, key, 0, key.length, 0, 0, key, 0, key.length, -1)
    }
    keyspace.end()
    const { entry } = keyspace
    for (let round = 0; round < 200; round++) {
      const picked = Array.from({ length: KEYS_AHEAD_MAX }, () => Buffer.from(random.pick(names)))
      const bytes = Buffer.concat(picked)
      const ends = Int32Array.from(
        picked,
        (
          (end) => (key: Buffer) =>
            (end += key.length)
        )(0),
      )
      const starts = Int32Array.from(picked, (key, i) => ends[i]! - key.length)
      const db = round % 2
      keyspace.touchKeys(db, bytes, starts, ends, 0, picked.length)
      for (let i = 0; i < picked.length; i++) {
        const isFound = keyspace.lookupTouched(i, db, bytes, starts[i]!, ends[i]!)
        const address = isFound ? entry.address : 0
        expect(isFound).toBe(keyspace.lookup(db, bytes, starts[i]!, ends[i]!))
        expect(address).toBe(isFound ? entry.address : 0)
      }
      const first = random.int(0, picked.length - 1)
      keyspace.begin()
      const wasThere = keyspace.lookup(db, bytes, starts[first]!, ends[first]!)
      if (wasThere) keyspace.deleteEntry(db, bytes, starts[first]!, ends[first]!)
      expect(keyspace.lookupTouched(first, db, bytes, starts[first]!, ends[first]!)).toBe(false)
      if (wasThere) keyspace.put(db, bytes, starts[first]!, ends[first]!, 0, 0, bytes, 0, 3, -1)
      keyspace.end()
    }
  })

  it('are entered for a reader, who is told when they have changed', () => {
    const keyspace = new Keyspace({ databaseCount: 1 })
    const key = Buffer.from('key')
    const put = (value: string): void => {
      keyspace.begin()
      keyspace.put(0, key, 0, 3, 0, 0, Buffer.from(value), 0, value.length, -1)
      keyspace.end()
    }
    put('one')
    const shared = new SharedKeyspace(new Readers(keyspace).attach())
    const starts = Int32Array.of(0)
    const ends = Int32Array.of(3)
    for (const value of ['one', 'another, of another size']) {
      shared.begin()
      shared.touchKeys(0, key, starts, ends, 0, 1)
      expect(shared.lookupTouched(0, 0, key, 0, 3)).toBe(true)
      expect(shared.entry.toBuffer().toString()).toBe(value)
      expect(shared.validate()).toBe(true)
      shared.begin()
      shared.touchKeys(0, key, starts, ends, 0, 1)
      put('another, of another size')
      shared.lookupTouched(0, 0, key, 0, 3)
      expect(shared.validate()).toBe(false)
    }
    shared.close()
  })

  it('are touched without entering a shard, whatever stands in memory', () => {
    const random = new SeededRandom(9)
    const keyspace = new Keyspace({ databaseCount: 1 })
    const key = Buffer.from('key')
    keyspace.begin()
    keyspace.put(0, key, 0, 3, 0, 0, key, 0, 3, -1)
    keyspace.end()
    const shared = new SharedKeyspace(new Readers(keyspace).attach())
    shared.begin()
    const touch = (): void => {
      shared.lookupsAhead.begin(key)
      shared.lookupsAhead.add(0, 3)
      shared.touchAhead(0)
    }
    touch()
    // Disturbs who has entered the key's shard.
    keyspace.begin()
    keyspace.put(0, key, 0, 3, 0, 0, key, 0, 3, -1)
    keyspace.end()
    expect(shared.validate()).toBe(true)
    hashKey(keyspace.generation.seed, key, 0, 3)
    const root = keyspace.generation.rootOf(0, shardOf(hashOrder))
    for (let round = 0; round < 1000; round++) {
      for (let word = 0; word < 5; word++)
        keyspace.generation.control[root + word] = random.int(-(2 ** 31), 2 ** 31 - 1)
      touch()
    }
    shared.close()
  })
})
