/** An `RdbSink` that keeps entries in maps, in file order, and can say what is in them. */
import {
  bytesSource,
  DatasetDigest,
  digestKey,
  digestText,
  RDB_TYPE_STRING,
  type RdbSink,
  ReplicaError,
  valueGrammar,
  ValueWalker,
} from '@understudy/core/internal'

export interface MemoryEntry {
  readonly rdbType: number
  readonly value: Uint8Array
  readonly expireAtMs: number
  readonly idleSeconds: number
  readonly freq: number
}

export class MemorySink implements RdbSink {
  readonly databaseCount: number
  /** By database and key (one character per byte). */
  readonly databases: Map<number, Map<string, MemoryEntry>> = new Map()
  #pending: { key: string; db: number; entry: MemoryEntry; pieces: Uint8Array[] } | undefined

  constructor(databaseCount: number) {
    this.databaseCount = databaseCount
  }

  resizeHint(): void {}

  put(
    db: number,
    rdbType: number,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
    expireAtMs: number,
    idleSeconds: number,
    freq: number,
  ): void {
    const entry = { rdbType, value: value.slice(valueStart, valueEnd), expireAtMs, idleSeconds, freq }
    this.#add(db, keyText(key, keyStart, keyEnd), entry)
  }

  begin(
    db: number,
    rdbType: number,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    expireAtMs: number,
    idleSeconds: number,
    freq: number,
  ): void {
    const entry = { rdbType, value: new Uint8Array(0), expireAtMs, idleSeconds, freq }
    this.#pending = { key: keyText(key, keyStart, keyEnd), db, entry, pieces: [] }
  }

  append(bytes: Uint8Array, start: number, end: number): void {
    this.#pending!.pieces.push(bytes.slice(start, end))
  }

  end(): void {
    const { key, db, entry, pieces } = this.#pending!
    this.#pending = undefined
    this.#add(db, key, { ...entry, value: Buffer.concat(pieces) })
  }

  drop(): void {
    this.#pending = undefined
  }

  flush(): void {}

  /** Keys per database, as the manifest of the corpus says it. */
  counts(): Record<string, number> {
    return Object.fromEntries([...this.databases].map(([db, entries]) => [`db${db}`, entries.size]))
  }

  /** Only the keys that expire after `nowMs`, or never. */
  withoutExpired(nowMs: number): MemorySink {
    const left = new MemorySink(this.databaseCount)
    for (const [db, entries] of this.databases) {
      for (const [key, entry] of entries) {
        if (entry.expireAtMs === -1 || entry.expireAtMs > nowMs) left.#add(db, key, entry)
      }
    }
    return left
  }

  /** DEBUG DIGEST. */
  digest(): string {
    const digest = new DatasetDigest()
    for (const [db, entries] of this.databases) {
      for (const [key, { rdbType, value, expireAtMs }] of entries) {
        digest.add(db, digestKey(Buffer.from(key, 'latin1'), rdbType, bytesSource(value), expireAtMs !== -1))
      }
    }
    return digestText(digest.value())
  }

  /** Everything, as plain data to compare. */
  content(): unknown {
    return [...this.databases].map(([db, entries]) => [
      db,
      [...entries].map(([key, entry]) => [key, { ...entry, value: Buffer.from(entry.value).toString('latin1') }]),
    ])
  }

  #add(db: number, key: string, entry: MemoryEntry): void {
    let database = this.databases.get(db)
    if (database === undefined) {
      database = new Map()
      this.databases.set(db, database)
    }
    if (database.has(key)) throw new ReplicaError('RDB_DUPLICATE_KEY', `RDB has duplicated key '${key}' in DB ${db}`)
    database.set(key, { ...entry, value: unpacked(entry) })
  }
}

/** Whether compressed blobs come decoded depends on how the bytes were cut: here they always are. */
function unpacked({ rdbType, value }: MemoryEntry): Uint8Array {
  if (rdbType === RDB_TYPE_STRING) return value
  const target = {
    bytes: new Uint8Array(0),
    used: 0,
    reserve(count: number) {
      this.bytes = new Uint8Array(count)
    },
  }
  const walker = new ValueWalker()
  walker.begin(valueGrammar(rdbType), value.length, target)
  if (!walker.walk(value, 0, value.length, false)) return value
  const length = walker.takeUnpacked(value)
  return length === 0 ? value : target.bytes.slice(0, length)
}

function keyText(key: Uint8Array, start: number, end: number): string {
  return Buffer.from(key.buffer, key.byteOffset + start, end - start).toString('latin1')
}
