import { BLOCK_BYTES_MAX, Keyspace, VALUE_BYTES_MAX } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { KeyspaceModel } from '../../support/keyspace-model.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

const MEBIBYTE = 1 << 20

function model(): KeyspaceModel {
  return new KeyspaceModel(new Keyspace({ databaseCount: 2 }))
}

describe('values longer than a block', () => {
  it.each([-20, -9, -8, -1, 0, 1, 8, 20])('change their form at the border of a block (%i)', (difference) => {
    const random = new SeededRandom(difference + 100)
    const m = model()
    for (const blocks of [1, 2, 3]) {
      const length = blocks * BLOCK_BYTES_MAX + difference
      m.put(0, 'k', 0, random.bytes(length))
      m.check(0, 'k')
      m.expire(0, 'k', 2 ** 41)
      m.expire(0, 'k', -1)
      m.write(0, 'k', length, random.bytes(30))
      m.write(0, 'k', length + 5000, random.bytes(1))
      m.transplant(0, 'k', 1, 'copy', true)
      m.transplant(0, 'k', 1, 'a longer name than before', false)
      m.checkAll()
    }
  })

  it('grow byte by byte and piece by piece', () => {
    const random = new SeededRandom(1)
    const m = model()
    m.put(0, 'k', 0, Buffer.from('x'))
    let length = 1
    while (length < 120_000) {
      const piece = random.bytes(random.pick([1, 7, 100, 3000, 20_000]))
      m.write(0, 'k', length, piece)
      length += piece.length
    }
    m.checkAll()
  })

  it('may be sparse: 300 MiB with three written places take three nodes', () => {
    const { keyspace } = model()
    const key = Buffer.from('sparse')
    const places = [5, 64 * MEBIBYTE - 2, 300 * MEBIBYTE - 4]
    keyspace.begin()
    keyspace.put(0, key, 0, 6, 0, 0, key, 0, 0, -1)
    for (const [i, place] of places.entries()) {
      keyspace.lookup(0, key, 0, 6)
      keyspace.growEntry(key, 0, 6, place + 4)
      keyspace.writeEntry(place, Buffer.from(`abc${i}`), 0, 4)
    }
    keyspace.end()
    keyspace.lookup(0, key, 0, 6)
    const { entry } = keyspace
    expect(entry.length).toBe(300 * MEBIBYTE)
    expect(keyspace.usedBytes).toBeLessThan(400_000)
    expect(keyspace.footprint()).toBeLessThan(400_000)
    const read = Buffer.alloc(12, 1)
    for (const [i, place] of places.entries()) {
      entry.copy(place - 4, Math.min(place + 8, entry.length), read, 0)
      expect(read.toString('latin1', 0, 8)).toBe(`\0\0\0\0abc${i}`)
      expect(entry.byteAt(place)).toBe(97)
      expect(entry.byteAt(place - 1)).toBe(0)
    }
    let seen = 0
    let written = 0
    entry.forEachPiece(0, entry.length, (bytes, start, end) => {
      seen += end - start
      for (let i = start; i < end; i += 4096) if (bytes[i]! > 0) written++
    })
    expect(seen).toBe(entry.length)
    expect(written).toBeLessThanOrEqual(3)
    keyspace.begin()
    keyspace.delete(0, key, 0, 6)
    keyspace.end()
    while (keyspace.freeSlice(5)) {
      // more
    }
    expect(keyspace.keyCount).toBe(0)
    expect(keyspace.usedBytes).toBeLessThan(2000)
  })

  it('go from one level of index to two, keeping every byte', () => {
    const m = model()
    const value = Buffer.alloc(64 * MEBIBYTE - 3)
    for (let i = 0; i < value.length; i += 997) value[i] = i
    m.put(0, 'big', 0, value)
    m.write(0, 'big', 64 * MEBIBYTE - 3, Buffer.from('across the border'))
    m.write(0, 'big', 65 * MEBIBYTE, Buffer.from('behind a hole'))
    m.write(0, 'big', 64 * MEBIBYTE - 10, Buffer.from('once more across the border'))
    m.transplant(0, 'big', 1, 'moved', false)
    m.checkAll()
    m.delete(1, 'moved')
    m.settle()
    expect(m.checkAll().keys).toBe(0)
  })

  it('end at a bound', () => {
    const { keyspace } = model()
    const key = Buffer.from('k')
    keyspace.begin()
    keyspace.put(0, key, 0, 1, 0, 0, key, 0, 1, -1)
    keyspace.lookup(0, key, 0, 1)
    keyspace.growEntry(key, 0, 1, 20_000)
    expect(() => keyspace.growEntry(key, 0, 1, VALUE_BYTES_MAX + 1)).toThrow(
      expect.objectContaining({ code: 'KEYSPACE_VALUE_TOO_BIG' }),
    )
    keyspace.end()
    expect(keyspace.entry.length).toBe(20_000)
  })
})

describe('keys longer than 8 KiB', () => {
  it('are kept in nodes, with values of every form', () => {
    const random = new SeededRandom(2)
    const m = model()
    const lengths = [8191, 8192, 8193, 16_384, 16_385, 40_000, 300_000]
    for (const length of lengths) {
      const key = random.text(length)
      const twin = `${key.slice(0, -1)}!`
      for (const bytes of [0, 10, 16_000, 16_384, 50_000]) {
        m.put(0, key, 0, random.bytes(bytes), bytes % 3 === 0 ? 2 ** 41 : -1)
        m.put(0, twin, 18, random.bytes(5))
        m.check(0, key)
        m.write(0, key, bytes, random.bytes(20))
        m.expire(0, key, 2 ** 42)
        m.transplant(0, key, 1, `short ${length}`, true)
        m.transplant(0, key, 1, key, true)
        m.transplant(1, `short ${length}`, 1, twin, false)
      }
      m.delete(0, twin)
    }
    m.checkAll()
    m.flush(0)
    m.settle()
    m.checkAll()
  })
})
