/** A sink that keeps entries in maps on the heap, until the keyspace has a bulk writer. */
import { ReplicaError } from '@understudy/core/internal'
import type { RdbSink } from '@understudy/core/internal'

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

  flush(): void {}

  clear(): void {
    this.databases.clear()
  }

  #add(db: number, key: string, entry: MemoryEntry): void {
    let database = this.databases.get(db)
    if (database === undefined) {
      database = new Map()
      this.databases.set(db, database)
    }
    if (database.has(key)) throw new ReplicaError('RDB_DUPLICATE_KEY', `RDB has duplicated key '${key}' in DB ${db}`)
    database.set(key, entry)
  }
}

function keyText(key: Uint8Array, start: number, end: number): string {
  return Buffer.from(key.buffer, key.byteOffset + start, end - start).toString('latin1')
}
