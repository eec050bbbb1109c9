/** A sink that keeps nothing of a snapshot but counts, per database: for looking at a file without loading it. */
import type { RdbSink } from '@understudy/core/loading'

export interface DatabaseCounts {
  readonly db: number
  keys: number
  /** Keys with a TTL. */
  expires: number
  /** What RESIZEDB said; undefined without one. */
  announced: { readonly keys: number; readonly expires: number } | undefined
}

/** Any database may be selected: how many a server has is its configuration, not the file's. */
const DATABASES_MAX: number = 2 ** 31

export class CountingSink implements RdbSink {
  readonly databaseCount: number = DATABASES_MAX
  readonly #databases = new Map<number, DatabaseCounts>()
  #current: DatabaseCounts = { db: -1, keys: 0, expires: 0, announced: undefined }
  // Of the entry that comes in pieces.
  #pieceDb = 0
  #pieceExpireAtMs = -1

  /** In the order in which they came. */
  get databases(): DatabaseCounts[] {
    return [...this.#databases.values()]
  }

  resizeHint(db: number, keys: number, expires: number): void {
    this.#select(db).announced = { keys, expires }
  }

  put(
    db: number,
    _rdbType: number,
    _key: Uint8Array,
    _keyStart: number,
    _keyEnd: number,
    _value: Uint8Array,
    _valueStart: number,
    _valueEnd: number,
    expireAtMs: number,
  ): void {
    this.#count(db, expireAtMs)
  }

  begin(db: number, _rdbType: number, _key: Uint8Array, _keyStart: number, _keyEnd: number, expireAtMs: number): void {
    this.#pieceDb = db
    this.#pieceExpireAtMs = expireAtMs
  }

  append(): void {}

  end(): void {
    this.#count(this.#pieceDb, this.#pieceExpireAtMs)
  }

  drop(): void {}

  flush(): void {}

  #count(db: number, expireAtMs: number): void {
    const counts = this.#current.db === db ? this.#current : this.#select(db)
    counts.keys++
    if (expireAtMs !== -1) counts.expires++
  }

  #select(db: number): DatabaseCounts {
    let counts = this.#databases.get(db)
    if (counts === undefined) {
      counts = { db, keys: 0, expires: 0, announced: undefined }
      this.#databases.set(db, counts)
    }
    this.#current = counts
    return counts
  }
}
