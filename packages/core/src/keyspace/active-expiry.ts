/**
 * Deletes expired keys that nobody touches, in slices: what a node does that is nobody's replica. (A replica waits for its
 * primary's DEL.) Each slice walks on through the table in order of the hash, past the shards in which no key has a time to live.
 * It goes on until its time is over, unless it has met enough keys with a time to live to say that few of them are due, or has
 * been everywhere.
 *
 * So where few keys have a time to live, but in every shard, a slice takes a quarter of the time it is given to look for them, and
 * the rest when it has found one that is due: that can only be told by looking, and without it the rare ones would stay for hours.
 *
 * Source: redis 7.0 expire.c activeExpireCycle(), which samples at random where this walks.
 */
import { NOTIFY_EXPIRED } from './key-events.ts'
import type { Keyspace } from './keyspace.ts'
import { ORDER_SPAN } from './scan.ts'

/** Keys looked at between two looks at the clock. */
const KEYS_PER_STEP = 64
/** Keys with a time to live that a slice meets before it judges by them (redis: ACTIVE_EXPIRE_CYCLE_KEYS_PER_LOOP). */
const JUDGED_FROM_KEYS = 20
/** A slice that has met a smaller share of due keys ends (redis: ACTIVE_EXPIRE_CYCLE_ACCEPTABLE_STALE). */
const DUE_SHARE_MIN = 0.1
/** Of its time a slice takes so much while it finds nothing that is due: most keys with a time to live have a long one. */
const SEARCH_SHARE = 0.25

export type OnExpired = (db: number, key: Buffer) => void

export class ActiveExpiry {
  readonly #keyspace: Keyspace
  readonly #onExpired: OnExpired | undefined
  /** Where the walk stands. */
  #db = 0
  #cursor = 0
  /** Names of the due keys of a step, copied: deleting changes the table. */
  readonly #due: Buffer[] = []
  /** Of this slice: keys met with a time to live, those of them that were due, and positions walked over in all databases. */
  #withTtl = 0
  #deleted = 0
  #walked = 0

  /** @param onExpired told of each key that was deleted, inside the unit. */
  constructor(keyspace: Keyspace, onExpired?: OnExpired) {
    this.#keyspace = keyspace
    this.#onExpired = onExpired
  }

  /**
   * Deletes keys whose time has come by `nowMs` (since 1970), for at most about `milliseconds`. Call outside of units, between
   * commands. Link thread. @returns how many.
   */
  slice(nowMs: number, milliseconds: number): number {
    const beganMs = performance.now()
    const everywhere = this.#keyspace.databaseCount * ORDER_SPAN
    this.#withTtl = this.#deleted = this.#walked = 0
    while (this.#toDatabaseWithTtls()) {
      this.#step(nowMs)
      const timeMs = this.#deleted === 0 ? milliseconds * SEARCH_SHARE : milliseconds
      if (this.#isLittleDue() || this.#walked >= everywhere || performance.now() - beganMs >= timeMs) break
    }
    return this.#deleted
  }

  #isLittleDue(): boolean {
    return this.#withTtl >= JUDGED_FROM_KEYS && this.#deleted <= this.#withTtl * DUE_SHARE_MIN
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
    this.#walked += ORDER_SPAN - this.#cursor
    this.#db = this.#db + 1 < this.#keyspace.databaseCount ? this.#db + 1 : 0
    this.#cursor = 0
  }

  #step(nowMs: number): void {
    const next = this.#keyspace.scanExpiring(this.#db, this.#cursor, KEYS_PER_STEP, (entry) => {
      if (entry.expireAtMs < 0) return
      this.#withTtl++
      if (entry.expireAtMs < nowMs) this.#due.push(entry.keyToBuffer())
    })
    this.#deleteDue()
    if (next === 0) return this.#toNextDatabase()
    this.#walked += next - this.#cursor
    this.#cursor = next
  }

  #deleteDue(): void {
    this.#deleted += this.#due.length
    for (const key of this.#due.splice(0)) deleteDueKey(this.#keyspace, this.#db, key, this.#onExpired)
  }
}

/** Deletes a key whose time has come, as a unit of its own. @param onExpired told of it, inside the unit. */
export function deleteDueKey(keyspace: Keyspace, db: number, key: Buffer, onExpired?: OnExpired): void {
  const { events } = keyspace
  keyspace.inUnit(() => {
    if (!keyspace.lookup(db, key, 0, key.length)) return
    keyspace.expireEntry(db, key, 0, key.length)
    onExpired?.(db, key)
    if ((events.mask & NOTIFY_EXPIRED) !== 0) events.deliver('expired', db, key, 0, key.length)
  })
}
