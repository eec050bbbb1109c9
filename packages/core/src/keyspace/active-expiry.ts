/**
 * Deletes expired keys that nobody touches, in slices: what a node does that is nobody's replica. (A replica waits for its
 * primary's DEL.) Each slice walks on through the table in order of the hash and looks at some keys; it goes on for as long
 * as many of those with a time to live turn out to be due, and its time is not over.
 *
 * Source: redis 7.0 expire.c activeExpireCycle(), which samples at random where this walks.
 */
import { NOTIFY_EXPIRED } from './key-events.ts'
import type { Keyspace } from './keyspace.ts'

/** Keys looked at before the share of due ones is weighed. */
const KEYS_PER_STEP = 64
/** A step with a smaller share of due keys is the last one of its slice (redis: ACTIVE_EXPIRE_CYCLE_ACCEPTABLE_STALE). */
const DUE_SHARE_MIN = 0.1

export class ActiveExpiry {
  readonly #keyspace: Keyspace
  readonly #onExpired: (db: number, key: Buffer) => void
  /** Where the walk stands. */
  #db = 0
  #cursor = 0
  /** Names of the due keys of a step, copied: deleting changes the table. */
  readonly #due: Buffer[] = []
  #withTtl = 0

  /** @param onExpired told of each key that was deleted, inside the unit. */
  constructor(keyspace: Keyspace, onExpired: (db: number, key: Buffer) => void = () => {}) {
    this.#keyspace = keyspace
    this.#onExpired = onExpired
  }

  /**
   * Deletes keys whose time has come by `nowMs` (since 1970), for at most about `milliseconds`. Call outside of units, between
   * commands. Link thread. @returns how many.
   */
  slice(nowMs: number, milliseconds: number): number {
    const until = performance.now() + milliseconds
    let deleted = 0
    do {
      if (!this.#toDatabaseWithTtls()) break
      this.#look(nowMs)
      const isWorthMore = this.#due.length > this.#withTtl * DUE_SHARE_MIN
      deleted += this.#deleteDue()
      if (!isWorthMore) break
    } while (performance.now() < until)
    return deleted
  }

  /** Stays in a database that has keys with a time to live, or goes on to the next one; false when there is none. */
  #toDatabaseWithTtls(): boolean {
    const { databaseCount } = this.#keyspace
    for (let tries = 0; tries <= databaseCount; tries++) {
      if (this.#db < databaseCount && this.#keyspace.expires(this.#db) > 0) return true
      this.#toNextDatabase()
    }
    return false
  }

  #toNextDatabase(): void {
    this.#db = this.#db + 1 < this.#keyspace.databaseCount ? this.#db + 1 : 0
    this.#cursor = 0
  }

  #look(nowMs: number): void {
    this.#withTtl = 0
    this.#cursor = this.#keyspace.scan(this.#db, this.#cursor, KEYS_PER_STEP, (entry) => {
      if (entry.expireAtMs < 0) return
      this.#withTtl++
      if (entry.expireAtMs < nowMs) this.#due.push(entry.keyToBuffer())
    })
  }

  #deleteDue(): number {
    const { events } = this.#keyspace
    const db = this.#db
    const deleted = this.#due.length
    for (const key of this.#due.splice(0)) {
      this.#keyspace.begin()
      if (this.#keyspace.lookup(db, key, 0, key.length)) {
        this.#keyspace.expireEntry(db, key, 0, key.length)
        this.#onExpired(db, key)
        if ((events.mask & NOTIFY_EXPIRED) !== 0) events.deliver('expired', db, key, 0, key.length)
      }
      this.#keyspace.end()
    }
    if (this.#cursor === 0) this.#toNextDatabase()
    return deleted
  }
}
