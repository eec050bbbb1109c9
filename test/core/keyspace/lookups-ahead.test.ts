import { COMMANDS_AHEAD_MAX, Keyspace } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'

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
  keyspace.lookupsAhead.touch(keyspace.generation, db)
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
})
