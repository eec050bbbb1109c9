import { BulkWriter, Generation, Keyspace } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { KeyspaceModel, type ModelEntry, randomValue } from '../../support/keyspace-model.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

const HASH_SEED = new SeededRandom(1).bytes(16)

function newWriter(databaseCount = 3, segmentBytesMax?: number): BulkWriter {
  const size = segmentBytesMax === undefined ? {} : { segmentBytesMax }
  return new BulkWriter(Generation.create({ databaseCount, hashSeed: HASH_SEED, ...size }))
}

/** What the writer built, in the hands of a keyspace, with a model that was told the same. */
function adopted(writer: BulkWriter, databases: Map<string, ModelEntry>[]): KeyspaceModel {
  const keyspace = new Keyspace({
    databaseCount: writer.databaseCount,
    hashSeed: HASH_SEED,
    segmentBytesMax: writer.generation.segmentBytesMax,
  })
  const model = new KeyspaceModel(keyspace)
  keyspace.begin()
  keyspace.adopt(writer.generation.transfer())
  keyspace.end()
  model.databases = databases
  return model
}

describe('bulk writer', () => {
  it('touches the pages of a batch before it inserts', () => {
    const writer = newWriter(1)
    writer.resizeHint(0, 20_000, 0)
    const touched = new Set<number>()
    for (let i = 0; i < 20_000; i++) {
      const key = Buffer.from(`key:${i}`)
      writer.put(0, 0, key, 0, key.length, key, 0, key.length, -1, -1, -1)
      touched.add(writer.touched)
    }
    expect(touched.size).toBeGreaterThan(250)
  })

  it.each([
    ['without a hint', 0, undefined],
    ['with the right hint', 20_000, undefined],
    ['with a hostile hint', 2 ** 40, undefined],
    ['in segments of 2 MiB', 20_000, 2 << 20],
  ])('inserts batches, pieces and long keys (%s)', (_, hint, segmentBytesMax) => {
    const random = new SeededRandom(2)
    const writer = newWriter(3, segmentBytesMax)
    const databases: Map<string, ModelEntry>[] = [new Map(), new Map(), new Map()]
    if (hint > 0) for (let db = 0; db < 3; db++) writer.resizeHint(db, hint, hint)
    // As the scanner does: many entries in one window, which is written anew after a flush.
    const window = Buffer.alloc(1 << 20)
    let filled = 0
    for (let i = 0; i < 15_000; i++) {
      const db = random.int(0, 2)
      const key = i % 500 === 7 ? `long ${i} ${'k'.repeat(random.int(8000, 40_000))}` : `key:${i}`
      const keyBytes = Buffer.from(key)
      const value = randomValue(random)
      const rdbType = random.pick([0, 0, 7, 6])
      const expireAtMs = random.chance(0.3) ? 2 ** 41 + i : -1
      databases[db]!.set(key, { rdbType, value, expireAtMs })
      if (random.chance(0.05)) {
        writer.begin(db, rdbType, keyBytes, 0, keyBytes.length, expireAtMs, -1, -1)
        for (let at = 0; at < value.length;) {
          const end = Math.min(value.length, at + random.int(1, 9000))
          writer.append(value, at, end)
          at = end
        }
        writer.end()
        continue
      }
      if (filled + keyBytes.length + value.length > window.length) {
        writer.flush()
        window.fill(0xee)
        filled = 0
      }
      window.set(keyBytes, filled)
      const middle = filled + keyBytes.length
      window.set(value, middle)
      writer.put(db, rdbType, window, filled, middle, window, middle, middle + value.length, expireAtMs, -1, -1)
      filled = middle + value.length
    }
    writer.flush()
    expect(writer.keyCount).toBe(15_000)
    const model = adopted(writer, databases)
    model.checkAll()
    for (const key of databases[0]!.keys()) if (random.chance(0.5)) model.delete(0, key)
    for (let i = 0; i < 2000; i++) model.put(1, `key:${random.int(0, 20_000)}`, 0, randomValue(random))
    model.settle()
    model.checkAll()
  })

  it.each(['in one batch', 'in two batches', 'piece by piece'])('refuses a key that comes twice (%s)', (how) => {
    const writer = newWriter()
    const bytes = Buffer.from('twice\0')
    const put = (): void => writer.put(1, 0, bytes, 0, 6, bytes, 0, 3, -1, -1, -1)
    put()
    if (how === 'in two batches') writer.flush()
    expect(() => {
      if (how === 'piece by piece') writer.begin(1, 0, bytes, 0, 6, -1, -1, -1)
      else put()
      writer.flush()
    }).toThrow(
      expect.objectContaining({
        code: 'RDB_DUPLICATE_KEY',
        message: String.raw`the key 'twice\x00' comes twice in database 1`,
      }),
    )
  })

  it('takes the same key in two databases, and empty keys and values', () => {
    const writer = newWriter()
    const bytes = Buffer.from('key')
    const databases: Map<string, ModelEntry>[] = [new Map(), new Map(), new Map()]
    for (const [db, database] of databases.entries()) {
      writer.put(db, 0, bytes, 0, 3, bytes, 0, 0, -1, -1, -1)
      writer.put(db, 0, bytes, 1, 1, bytes, 0, 2, db, -1, -1)
      database.set('key', { rdbType: 0, value: Buffer.alloc(0), expireAtMs: -1 })
      database.set('', { rdbType: 0, value: Buffer.from('ke'), expireAtMs: db })
    }
    writer.begin(0, 7, bytes, 0, 2, -1, -1, -1)
    writer.end()
    databases[0]!.set('ke', { rdbType: 7, value: Buffer.alloc(0), expireAtMs: -1 })
    writer.flush()
    const model = adopted(writer, databases)
    model.checkAll()
    model.delete(0, 'ke')
    model.checkAll()
  })
})
