/**
 * Keys that connections ask about (WATCH, blocking commands), by database and name. They are few and changes of other keys
 * are many, and each change asks: so a small table of counters answers "surely not one of these" from a few bytes of the
 * key, and only what remains is looked up by name.
 */
import { createHash } from 'node:crypto'

const FILTER_SLOTS = 4096

/** Longer keys are known by their digest: a string has to end. */
const NAMED_BYTES_MAX = 2 ** 20

export class KeyNames<Item> {
  readonly #databases: Map<number, Map<string, Item>> = new Map()
  readonly #filter: Uint16Array = new Uint16Array(FILTER_SLOTS)
  #count = 0

  /** Keys held, of all databases. */
  get count(): number {
    return this.#count
  }

  find(db: number, key: Uint8Array, start: number, end: number): Item | undefined {
    if (this.#filter[slotOf(key, start, end)] === 0) return undefined
    return this.#databases.get(db)?.get(nameOf(key, start, end))
  }

  /** Adds a key that is not held. */
  add(db: number, key: Uint8Array, item: Item): void {
    let keys = this.#databases.get(db)
    if (keys === undefined) this.#databases.set(db, (keys = new Map()))
    keys.set(nameOf(key, 0, key.length), item)
    this.#count++
    this.#changeFilter(key, 1)
  }

  /** Forgets a key that is held. */
  remove(db: number, key: Uint8Array): void {
    const keys = this.#databases.get(db)
    if (keys === undefined || !keys.delete(nameOf(key, 0, key.length))) return
    if (keys.size === 0) this.#databases.delete(db)
    this.#count--
    this.#changeFilter(key, -1)
  }

  /** Visits the keys of a database, or of all (-1). The visitor must not add or remove any. */
  forEach(db: number, visit: (item: Item) => void): void {
    for (const [index, keys] of this.#databases) {
      if (db === -1 || index === db) for (const item of keys.values()) visit(item)
    }
  }

  /** A counter that is full stays: from then on it only fails to filter. */
  #changeFilter(key: Uint8Array, by: number): void {
    const slot = slotOf(key, 0, key.length)
    const before = this.#filter[slot]!
    if (before !== 0xffff) this.#filter[slot] = before + by
  }
}

/** From the length and the last four bytes, where keys of one application differ. */
function slotOf(key: Uint8Array, start: number, end: number): number {
  let mixed = end - start
  for (let at = Math.max(start, end - 4); at < end; at++) mixed = Math.imul(mixed, 31) + key[at]!
  return (Math.imul(mixed, 0x9e3779b1) >>> 20) & (FILTER_SLOTS - 1)
}

/** One character per byte; a digest begins with a character that no byte is. */
function nameOf(key: Uint8Array, start: number, end: number): string {
  if (end - start > NAMED_BYTES_MAX) {
    return `\u0100${createHash('sha256').update(key.subarray(start, end)).digest('hex')}`
  }
  return Buffer.from(key.buffer, key.byteOffset + start, end - start).toString('latin1')
}
