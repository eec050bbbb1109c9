/**
 * Keys with a time to live that clients have written on a replica (`replica-read-only no`). Its primary knows nothing of them, so the
 * DEL that a replica waits for never comes. Only names are kept: what a key is by then is looked up when its turn comes, and names
 * of keys that are gone, or have no time to live any more, are forgotten. This is a rare use: a name may be a string.
 *
 * Source: redis 7.0 expire.c rememberSlaveKeyWithExpire(), expireSlaveKeys().
 */
import { OWN_EXPIRING_KEYS_MAX } from '../limits.ts'
import { deleteDueKey } from './active-expiry.ts'
import type { Keyspace } from './keyspace.ts'

/** Names looked at between two looks at the clock. */
const NAMES_PER_STEP = 64
/** A slice goes on while of its last step so many were due. */
const DUE_PER_STEP_MIN = 6

export class OwnExpiringKeys {
  readonly #keyspace: Keyspace
  /** In Latin-1, by database. */
  readonly #names: Set<string>[]
  #count = 0
  /** Where the walk stands. */
  #db = 0
  #walk: Iterator<string>

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace
    this.#names = Array.from({ length: keyspace.databaseCount }, () => new Set())
    this.#walk = this.#names[0]!.values()
    // A full resync brings other data.
    keyspace.generationListeners.push(() => this.clear())
  }

  get count(): number {
    return this.#count
  }

  clear(): void {
    if (this.#count === 0) return
    for (const names of this.#names) names.clear()
    this.#count = 0
  }

  /**
   * A client may have given `key[start .. end)` a time to live. Beyond OWN_EXPIRING_KEYS_MAX it is not remembered: such a key is
   * expired for whoever reads it, and keeps its memory until somebody deletes it.
   */
  note(db: number, key: Uint8Array, start: number, end: number): void {
    const { entry } = this.#keyspace
    if (!this.#keyspace.lookup(db, key, start, end) || entry.expireAtMs < 0) return
    if (this.#count >= OWN_EXPIRING_KEYS_MAX) return
    const names = this.#names[db]!
    const before = names.size
    names.add(Buffer.from(key.buffer, key.byteOffset + start, end - start).toString('latin1'))
    this.#count += names.size - before
  }

  /**
   * Deletes those whose time has come by `nowMs` (since 1970), for at most about `milliseconds`. Call outside of units, between
   * commands. Link thread. @returns how many.
   */
  slice(nowMs: number, milliseconds: number): number {
    const beganMs = performance.now()
    let deleted = 0
    while (this.#count > 0) {
      const due = this.#step(nowMs)
      deleted += due
      if (due < DUE_PER_STEP_MIN || performance.now() - beganMs >= milliseconds) break
    }
    return deleted
  }

  #step(nowMs: number): number {
    let due = 0
    for (let i = 0; i < NAMES_PER_STEP && this.#count > 0; i++) {
      const { done, value: name } = this.#walk.next()
      if (done === true) this.#toNextDatabase()
      else if (this.#settle(name, nowMs)) due++
    }
    return due
  }

  #toNextDatabase(): void {
    this.#db = this.#db + 1 < this.#names.length ? this.#db + 1 : 0
    this.#walk = this.#names[this.#db]!.values()
  }

  /** @returns true when the key was deleted. */
  #settle(name: string, nowMs: number): boolean {
    const key = Buffer.from(name, 'latin1')
    const keyspace = this.#keyspace
    const expires = keyspace.lookup(this.#db, key, 0, key.length) ? keyspace.entry.expireAtMs : -1
    if (expires >= nowMs) return false
    this.#names[this.#db]!.delete(name)
    this.#count--
    if (expires < 0) return false
    deleteDueKey(keyspace, this.#db, key)
    return true
  }
}
