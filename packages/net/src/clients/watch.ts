/**
 * WATCH: how a connection learns that a key was touched between WATCH and EXEC. A writer pays one comparison (`active`)
 * while nobody watches.
 *
 * A key counts as touched when it was changed, when its time came, and when its database was emptied, exchanged or
 * replaced by another generation and it was there before or is there now. A key whose time had come at WATCH counts as
 * absent, so its removal is no change.
 *
 * Source: redis 7.0 multi.c touchWatchedKey(), touchAllWatchedKeysInDb(), isWatchedKeyExpired().
 */
import type { Clock, KeyChangeListener, Keyspace } from '@understudy/core/internal'
import { KeyNames } from './key-names.ts'

/** One key as one connection watches it. */
export interface Watch {
  /** Whoever watches, once for each key. */
  readonly owner: object
  readonly db: number
  readonly key: Buffer
  /** Told once, when the key is touched. */
  readonly onTouch: () => void
  /** It was there for clients at WATCH. */
  existed: boolean
  /** It was there at WATCH and its time had come. */
  expired: boolean
  /** Changes of an expired key: the first may only have removed it. */
  changes: number
}

export class KeyWatches implements KeyChangeListener {
  /** By key, then by owner. */
  readonly #names = new KeyNames<Map<object, Watch>>()
  readonly #keyspace: () => Keyspace
  readonly #clock: Clock

  constructor(keyspace: () => Keyspace, clock: Clock) {
    this.#keyspace = keyspace
    this.#clock = clock
  }

  get active(): boolean {
    return this.#names.count > 0
  }

  /** @returns undefined when `owner` watches the key already. */
  watch(owner: object, db: number, key: Buffer, onTouch: () => void): Watch | undefined {
    let watches = this.#names.find(db, key, 0, key.length)
    if (watches === undefined) this.#names.add(db, key, (watches = new Map()))
    else if (watches.has(owner)) return undefined
    const exists = this.#exists(db, key)
    const existed = exists && !this.#isExpired()
    const watch: Watch = { owner, db, key, onTouch, existed, expired: exists && !existed, changes: 0 }
    watches.set(owner, watch)
    return watch
  }

  unwatch({ owner, db, key }: Watch): void {
    const watches = this.#names.find(db, key, 0, key.length)
    if (watches === undefined || !watches.delete(owner) || watches.size > 0) return
    this.#names.remove(db, key)
  }

  /** Was the key touched in a way that `onTouch` could not tell: did its time come, did it replace an expired one? */
  touchedQuietly({ db, key, expired, changes }: Watch): boolean {
    const exists = this.#exists(db, key)
    return expired ? changes > 1 || (changes === 1 && exists) : exists && this.#isExpired()
  }

  keyChanged(db: number, key: Uint8Array, start: number, end: number): void {
    const watches = this.#names.find(db, key, start, end)
    if (watches === undefined) return
    // No lookups here: this comes in the middle of commands, which go on with the entry they found.
    for (const watch of watches.values()) {
      if (watch.expired) watch.changes++
      else watch.onTouch()
    }
  }

  /** @param db -1 for all. Called when the database is what it is now. */
  databaseFlushed(db: number): void {
    this.#names.forEach(db, (watches) => {
      for (const watch of watches.values()) this.#replaced(watch)
    })
  }

  databasesSwapped(first: number, second: number): void {
    this.databaseFlushed(first)
    this.databaseFlushed(second)
  }

  #replaced(watch: Watch): void {
    const exists = this.#exists(watch.db, watch.key)
    const isExpired = exists && this.#isExpired()
    if (watch.existed || (exists && !isExpired)) watch.onTouch()
    else watch.expired = isExpired
    watch.changes = 0
  }

  #exists(db: number, key: Buffer): boolean {
    return this.#keyspace().lookup(db, key, 0, key.length)
  }

  /** Of the key just found. */
  #isExpired(): boolean {
    const { expireAtMs } = this.#keyspace().entry
    return expireAtMs >= 0 && this.#clock.wallMs() > expireAtMs
  }
}
