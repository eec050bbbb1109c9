/**
 * A keyspace and a Map that says what must be in it. Every change goes to both; what is looked at must agree. Bytes are
 * given to the keyspace with a margin around them, so that reading beside them is found out.
 */
import { strict as assert } from 'node:assert'
import type { Keyspace } from '@understudy/core/internal'
import { checkKeyspace } from './keyspace-check.ts'
import { SeededRandom } from './seeded-random.ts'

export interface ModelEntry {
  rdbType: number
  value: Buffer
  expireAtMs: number
}

const MARGIN = 5

function withMargin(bytes: Uint8Array): { bytes: Buffer; start: number; end: number } {
  const out = Buffer.alloc(bytes.length + 2 * MARGIN, 0xee)
  out.set(bytes, MARGIN)
  return { bytes: out, start: MARGIN, end: MARGIN + bytes.length }
}

export class KeyspaceModel {
  readonly keyspace: Keyspace
  /** By database: key as Latin-1 -> entry. */
  databases: Map<string, ModelEntry>[]

  constructor(keyspace: Keyspace) {
    this.keyspace = keyspace
    this.databases = Array.from({ length: keyspace.databaseCount }, () => new Map())
  }

  put(db: number, key: string, rdbType: number, value: Buffer, expireAtMs = -1): void {
    const k = withMargin(Buffer.from(key, 'latin1'))
    const v = withMargin(value)
    this.#unit(() => this.keyspace.put(db, k.bytes, k.start, k.end, rdbType, 0, v.bytes, v.start, v.end, expireAtMs))
    this.databases[db]!.set(key, { rdbType, value: Buffer.from(value), expireAtMs })
  }

  delete(db: number, key: string): void {
    const k = withMargin(Buffer.from(key, 'latin1'))
    const found = this.#unit(() => this.keyspace.delete(db, k.bytes, k.start, k.end))
    assert.equal(found, this.databases[db]!.delete(key), 'delete')
  }

  expire(db: number, key: string, expireAtMs: number): void {
    const entry = this.databases[db]!.get(key)
    const k = withMargin(Buffer.from(key, 'latin1'))
    this.#unit(() => {
      assert.equal(this.keyspace.lookup(db, k.bytes, k.start, k.end), entry !== undefined)
      if (entry === undefined) return
      this.keyspace.setEntryExpire(db, k.bytes, k.start, k.end, expireAtMs)
      entry.expireAtMs = expireAtMs
      this.#checkEntry(key, entry)
    })
  }

  /** Makes a string longer and writes into it. */
  write(db: number, key: string, offset: number, bytes: Buffer): void {
    const entry = this.databases[db]!.get(key)
    if (entry === undefined || entry.rdbType !== 0) return
    const k = withMargin(Buffer.from(key, 'latin1'))
    const v = withMargin(bytes)
    this.#unit(() => {
      assert.ok(this.keyspace.lookup(db, k.bytes, k.start, k.end))
      const length = Math.max(entry.value.length, offset + bytes.length)
      this.keyspace.growEntry(k.bytes, k.start, k.end, length)
      const grown = Buffer.alloc(length)
      grown.set(entry.value)
      entry.value = grown
      this.keyspace.writeEntry(offset, v.bytes, v.start, v.end)
      grown.set(bytes, offset)
      this.#checkEntry(key, entry)
      assert.ok(this.keyspace.entry.isRaw)
    })
  }

  transplant(fromDb: number, from: string, toDb: number, to: string, copy: boolean): void {
    const entry = this.databases[fromDb]!.get(from)
    const f = withMargin(Buffer.from(from, 'latin1'))
    const t = withMargin(Buffer.from(to, 'latin1'))
    // Both names lie in one buffer, as arguments do.
    const bytes = Buffer.concat([f.bytes, t.bytes])
    const shift = f.bytes.length
    const done = this.#unit(() =>
      this.keyspace.transplant(fromDb, bytes, f.start, f.end, toDb, bytes, shift + t.start, shift + t.end, copy),
    )
    assert.equal(done, entry !== undefined, 'transplant')
    if (entry === undefined) return
    if (!copy) this.databases[fromDb]!.delete(from)
    this.databases[toDb]!.set(to, copy ? { ...entry, value: Buffer.from(entry.value) } : entry)
  }

  flush(db: number): void {
    this.#unit(() => this.keyspace.flushDatabase(db))
    this.databases[db]!.clear()
  }

  flushAll(): void {
    this.#unit(() => this.keyspace.flushAll())
    for (const database of this.databases) database.clear()
  }

  swap(first: number, second: number): void {
    this.#unit(() => this.keyspace.swapDatabases(first, second))
    const { databases } = this
    ;[databases[first], databases[second]] = [databases[second]!, databases[first]!]
  }

  /** Frees all that waits for it. */
  settle(): void {
    while (this.keyspace.freeSlice(50)) {
      // more
    }
  }

  /** One key is there with all its bytes, or is not there. */
  check(db: number, key: string): void {
    const bytes = Buffer.from(key, 'latin1')
    const entry = this.databases[db]!.get(key)
    assert.equal(
      this.keyspace.lookup(db, bytes, 0, bytes.length),
      entry !== undefined,
      `${key.slice(0, 50)} in db ${db}`,
    )
    if (entry !== undefined) this.#checkEntry(key, entry)
  }

  /** Everything: sizes, every key, the walk, and the structure. */
  checkAll(): ReturnType<typeof checkKeyspace> {
    const { keyspace } = this
    for (const [db, database] of this.databases.entries()) {
      assert.equal(keyspace.size(db), database.size, `size of db ${db}`)
      let expires = 0
      for (const { expireAtMs } of database.values()) if (expireAtMs !== -1) expires++
      assert.equal(keyspace.expires(db), expires, `keys with a TTL in db ${db}`)
      for (const key of database.keys()) this.check(db, key)
      const seen = new Set<string>()
      keyspace.forEach(db, (entry) => {
        const key = entry.keyToBuffer().toString('latin1')
        assert.ok(database.has(key) && !seen.has(key), 'the walk meets a key twice or one that is not there')
        seen.add(key)
      })
      assert.equal(seen.size, database.size, 'the walk misses keys')
    }
    return checkKeyspace(keyspace)
  }

  #checkEntry(key: string, expected: ModelEntry): void {
    const { entry } = this.keyspace
    assert.equal(entry.rdbType, expected.rdbType)
    assert.equal(entry.expireAtMs, expected.expireAtMs)
    assert.equal(entry.length, expected.value.length, `length of ${key.slice(0, 50)}`)
    assert.equal(entry.keyLength, key.length)
    const value = entry.toBuffer()
    if (!value.equals(expected.value)) {
      const at = value.findIndex((byte, i) => byte !== expected.value[i])
      throw new Error(
        `byte ${at} of the ${value.length} of ${key.slice(0, 50)} is ${value[at]}, not ${expected.value[at]}`,
      )
    }
    if (expected.value.length > 0) {
      const last = expected.value.length - 1
      assert.equal(entry.byteAt(last), expected.value[last])
    }
  }

  #unit<T>(change: () => T): T {
    this.keyspace.begin()
    try {
      return change()
    } finally {
      this.keyspace.end()
    }
  }
}

/** Random bytes to cut values from: drawing each byte anew would take most of a test's time. */
const POOL: Buffer = new SeededRandom(20).bytes(1 << 20)

/** `length` random bytes (a copy), at most 1 MiB. */
export function pooledBytes(random: SeededRandom, length: number): Buffer {
  const start = random.int(0, POOL.length - length)
  return Buffer.from(POOL.subarray(start, start + length))
}

/** Mostly short values, some at the borders of blocks, some of several nodes. */
export function randomValue(random: SeededRandom): Buffer {
  const kind = random.float()
  if (kind < 0.8) return pooledBytes(random, random.int(0, 60))
  if (kind < 0.95) return pooledBytes(random, random.int(0, 2000))
  if (kind < 0.98) return pooledBytes(random, 16_384 - random.int(0, 60))
  return pooledBytes(random, random.int(16_300, 70_000))
}
