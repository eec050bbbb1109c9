/**
 * WATCH: how a connection learns that a key was touched between WATCH and EXEC.
 *
 * `WatchPort` is what sessions need. `KeyTouches` implements it for a keyspace that tells about its changes: it counts
 * touches of watched keys only, so that a writer pays one comparison (`active`) while nobody watches.
 */
import { createHash } from 'node:crypto'
import type { KeyChangeListener } from '@understudy/core/internal'

export interface WatchPort {
  /** Begins to watch (one more time) and returns the key's counter. */
  watchKey(db: number, key: Uint8Array, start: number, end: number): number
  /** The counter of a watched key: it differs from the one at WATCH when the key may have changed since. */
  touchCounter(db: number, key: Uint8Array, start: number, end: number): number
  /** Ends one `watchKey`. */
  unwatchKey(db: number, key: Uint8Array, start: number, end: number): void
}

interface WatchedKey {
  watchers: number
  touches: number
}

export class KeyTouches implements WatchPort, KeyChangeListener {
  readonly #databases: Map<number, Map<string, WatchedKey>> = new Map()
  #count = 0

  get active(): boolean {
    return this.#count > 0
  }

  watchKey(db: number, key: Uint8Array, start: number, end: number): number {
    let keys = this.#databases.get(db)
    if (keys === undefined) this.#databases.set(db, (keys = new Map()))
    const name = nameOf(key, start, end)
    let watched = keys.get(name)
    if (watched === undefined) {
      keys.set(name, (watched = { watchers: 0, touches: 0 }))
      this.#count++
    }
    watched.watchers++
    return watched.touches
  }

  touchCounter(db: number, key: Uint8Array, start: number, end: number): number {
    return this.#databases.get(db)?.get(nameOf(key, start, end))?.touches ?? 0
  }

  unwatchKey(db: number, key: Uint8Array, start: number, end: number): void {
    const keys = this.#databases.get(db)
    const name = nameOf(key, start, end)
    const watched = keys?.get(name)
    if (keys === undefined || watched === undefined || --watched.watchers > 0) return
    keys.delete(name)
    this.#count--
    if (keys.size === 0) this.#databases.delete(db)
  }

  keyChanged(db: number, key: Uint8Array, start: number, end: number): void {
    const watched = this.#databases.get(db)?.get(nameOf(key, start, end))
    if (watched !== undefined) watched.touches++
  }

  /** @param db -1 for all. */
  databaseFlushed(db: number): void {
    for (const [index, keys] of this.#databases) {
      if (db === -1 || index === db) for (const watched of keys.values()) watched.touches++
    }
  }

  databasesSwapped(first: number, second: number): void {
    this.databaseFlushed(first)
    this.databaseFlushed(second)
  }
}

/** Longer keys are known by their digest: a string has to end. */
const NAMED_BYTES_MAX = 2 ** 20

/** One character per byte; a digest begins with a character that no byte is. */
function nameOf(key: Uint8Array, start: number, end: number): string {
  if (end - start > NAMED_BYTES_MAX) {
    return `\u0100${createHash('sha256').update(key.subarray(start, end)).digest('hex')}`
  }
  return Buffer.from(key.buffer, key.byteOffset + start, end - start).toString('latin1')
}
