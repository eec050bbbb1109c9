import {
  findKeysAhead,
  hashKey,
  hashOrder,
  Keyspace,
  Readers,
  shardOf,
  SharedKeyspace,
} from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { encodeCommand } from '../../support/raw-client.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

const ROOM = 16

function keysIn(bytes: Uint8Array, from = 0, end = bytes.length): string[] {
  const found = { starts: new Int32Array(ROOM), ends: new Int32Array(ROOM) }
  const count = findKeysAhead(bytes, from, end, found)
  return Array.from({ length: count }, (_, i) =>
    Buffer.from(bytes.subarray(found.starts[i], found.ends[i])).toString('latin1'),
  )
}

describe('keys ahead', () => {
  it('are found behind commands of every length, as many as there is room for', () => {
    const bytes = Buffer.concat([
      encodeCommand('GET', 'one'),
      encodeCommand('HGET', 'two', 'field'),
      encodeCommand('ZRANGEBYSCORE', 'three', '-inf', '+inf', 'LIMIT', '0', '10'),
      encodeCommand('GET', ''),
      encodeCommand('GET', 'k'.repeat(1234)),
    ])
    expect(keysIn(bytes)).toEqual(['one', 'two', 'three', '', 'k'.repeat(1234)])
    expect(keysIn(bytes, encodeCommand('GET', 'one').length)[0]).toBe('two')
    const many = Buffer.concat(Array.from({ length: 40 }, (_, i) => encodeCommand('GET', `key${i}`)))
    expect(keysIn(many)).toEqual(Array.from({ length: ROOM }, (_, i) => `key${i}`))
  })

  it('end at what is not all here', () => {
    const first = encodeCommand('GET', 'first')
    const bytes = Buffer.concat([first, encodeCommand('GET', 'second')])
    for (let end = 0; end <= bytes.length; end++) {
      const whole = end === bytes.length ? ['first', 'second'] : end >= first.length ? ['first'] : []
      expect(keysIn(bytes, 0, end), `${end} bytes`).toEqual(whole)
    }
  })

  it.each([
    ['a command without a key', encodeCommand('PING')],
    ['an inline command', Buffer.from('GET inline\r\n')],
    ['many arguments', encodeCommand('MGET', ...Array.from({ length: 20 }, (_, i) => `key${i}`))],
    ['a long argument', encodeCommand('SET', 'key', 'x'.repeat(100_000))],
    ['nonsense', Buffer.from('*2\r\n$x\r\nGET\r\n$3\r\nkey\r\n')],
  ])('end at %s', (_name, unusual) => {
    expect(keysIn(Buffer.concat([encodeCommand('GET', 'a'), unusual, encodeCommand('GET', 'b')]))).toEqual(['a'])
  })

  it('of any bytes at all lie within them', () => {
    const random = new SeededRandom(8)
    const pieces = ['*', '$', '\r\n', '1', '2', '9', '0', '-', 'GET', '\0', '*2\r\n$3\r\nGET\r\n$1\r\n']
    for (let round = 0; round < 20_000; round++) {
      const bytes = Buffer.from(Array.from({ length: random.int(0, 30) }, () => random.pick(pieces)).join(''))
      const end = random.int(0, bytes.length)
      const found = { starts: new Int32Array(ROOM), ends: new Int32Array(ROOM) }
      const count = findKeysAhead(bytes, 0, end, found)
      for (let i = 0; i < count; i++) {
        expect(found.starts[i]).toBeLessThanOrEqual(found.ends[i]!)
        expect(found.ends[i]).toBeLessThanOrEqual(end)
      }
    }
  })

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
      const picked = Array.from({ length: ROOM }, () => Buffer.from(random.pick(names)))
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

  it('are touched without entering a shard, whatever stands in memory', () => {
    const random = new SeededRandom(9)
    const keyspace = new Keyspace({ databaseCount: 1 })
    const key = Buffer.from('key')
    keyspace.begin()
    keyspace.put(0, key, 0, 3, 0, 0, key, 0, 3, -1)
    keyspace.end()
    const shared = new SharedKeyspace(new Readers(keyspace).attach())
    const keys = { starts: Int32Array.of(0), ends: Int32Array.of(3) }
    shared.begin()
    shared.touchKeys(0, key, keys.starts, keys.ends, 0, 1)
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
      shared.touchKeys(0, key, keys.starts, keys.ends, 0, 1)
    }
    shared.close()
  })
})
