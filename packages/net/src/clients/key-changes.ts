/** What the keyspace tells of changed keys, passed on to those who have asked: WATCH, waiting clients, client-side caching. */
import type { KeyChangeListener } from '@understudy/core/internal'
import type { BlockedKeys } from './blocked-keys.ts'
import type { Tracking } from './tracking.ts'
import type { KeyWatches } from './watch.ts'
import type { ClientServer } from './server.ts'

/**
 * A class, not an object with a getter: the keyspace asks for `active` with every key that is written, and V8 calls the getter
 * of a literal the slow way.
 */
export class KeyChanges implements KeyChangeListener {
  readonly #server: ClientServer
  readonly #watches: KeyWatches
  readonly #blockedKeys: BlockedKeys
  readonly #tracking: Tracking

  constructor(server: ClientServer) {
    this.#server = server
    this.#watches = server.watches
    this.#blockedKeys = server.blockedKeys
    this.#tracking = server.tracking
  }

  get active(): boolean {
    return this.#watches.active || this.#tracking.active || this.#blockedKeys.active
  }

  keyChanged(db: number, key: Uint8Array, start: number, end: number, gone: boolean = false): void {
    if (this.#watches.active) this.#watches.keyChanged(db, key, start, end)
    if (this.#blockedKeys.active) this.#blockedKeys.keyChanged(db, key, start, end, gone)
    if (this.#tracking.active) {
      this.#tracking.keyChanged(key, start, end, this.#server.current)
      this.#server.endTurnSoon()
    }
  }

  keyReady(db: number, key: Uint8Array, start: number, end: number): void {
    if (this.#blockedKeys.active) this.#blockedKeys.keyChanged(db, key, start, end)
  }

  databaseFlushed(db: number): void {
    this.#watches.databaseFlushed(db)
    this.#blockedKeys.databaseFlushed(db)
    this.#tracking.flushed()
  }

  databasesSwapped(first: number, second: number): void {
    this.#watches.databasesSwapped(first, second)
    this.#blockedKeys.databasesSwapped(first, second)
    this.#tracking.flushed()
  }
}
