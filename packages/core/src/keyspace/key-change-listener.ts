/** What hears of changed keys, on the writer's thread: WATCH, client-side caching, waiting clients, change events. */

export interface KeyChangeListener {
  /** False while nobody listens: the calls below are then left out. */
  readonly active: boolean
  /**
   * A key was written, deleted or expired. Called inside the unit; bytes are borrowed for the call.
   * @param gone It is not there any more.
   */
  keyChanged(db: number, key: Uint8Array, start: number, end: number, gone?: boolean): void
  /** Nothing that WATCH or caches would notice has changed, but clients that wait for the key look again. Borrowed as above. */
  keyReady?(db: number, key: Uint8Array, start: number, end: number): void
  /** FLUSHDB (`db`), or FLUSHALL and the swap of a generation (-1). */
  databaseFlushed(db: number): void
  /** SWAPDB. */
  databasesSwapped(first: number, second: number): void
}

export const NOBODY_LISTENS: KeyChangeListener = {
  active: false,
  keyChanged: () => {},
  databaseFlushed: () => {},
  databasesSwapped: () => {},
}
