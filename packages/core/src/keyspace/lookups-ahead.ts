/**
 * Keys that are going to be looked up soon. They are hashed, and what their lookups will look at is touched, for all of them together:
 * what one lookup waits for, those of many wait for at the same time. A lookup that follows need not hash its key again; of what was
 * touched nothing is relied on, since commands in between may change it.
 */
import { COMMANDS_AHEAD_MAX } from '../limits.ts'
import { NO_BYTES, noteViewHolder, type ViewHolder } from '../memory/view-holders.ts'
import type { GenerationLayout } from './generation.ts'
import { hashKey, hashOrder, type HashSeed, hashTag, setHash } from './key-hash.ts'
import { regionOf, shardOf } from './layout.ts'

/** Depends on all that was touched: read by nobody, but it keeps the touching from being optimised away. */
let touched = 0

/**
 * Touches what the lookups of the first `count` of these hashes will look at, in database `db`, which exists. Any thread may, at any
 * time: no shard is entered, and nothing that is met is relied on. @param pages to work with. @param records are given the address of each
 * one's record, most likely, and 0 where there is none. @param inserts is most of it going to be inserted? @returns how many were found,
 * most likely
 */
export function touchLookups(
  generation: GenerationLayout,
  db: number,
  orders: Int32Array,
  tags: Int32Array,
  pages: Int32Array,
  records: Int32Array,
  count: number,
  inserts: boolean,
): number {
  const { control, regions } = generation
  // Loads alone, and hardly a branch that waits for one: many are under way at once. The more so the less is done in each round, since
  // a processor looks ahead only so many instructions.
  for (let i = 0; i < count; i++) {
    const order = orders[i]!
    const shard = shardOf(order)
    pages[i] = regions[regionOf(shard)]!.pageOf(control, generation.rootPlace(db, shard), order)
  }
  let seen = 0
  for (let i = 0; i < count; i++) {
    seen ^= regions[regionOf(shardOf(orders[i]!))]!.touchPage(pages[i]!, tags[i]!, inserts)
  }
  let found = 0
  for (let i = 0; i < count; i++) {
    const region = regions[regionOf(shardOf(orders[i]!))]!
    const record = region.recordNear(pages[i]!, tags[i]!)
    records[i] = record
    if (record === 0) continue
    found++
    seen ^= region.touchAt(record)
  }
  touched ^= seen
  return found
}

export class LookupsAhead implements ViewHolder {
  // Key `i` is `#bytes[#starts[i] .. #ends[i])`; the starts ascend.
  #bytes: Uint8Array = NO_BYTES
  readonly #starts = new Int32Array(COMMANDS_AHEAD_MAX)
  readonly #ends = new Int32Array(COMMANDS_AHEAD_MAX)
  readonly #orders = new Int32Array(COMMANDS_AHEAD_MAX)
  readonly #tags = new Int32Array(COMMANDS_AHEAD_MAX)
  readonly #pages = new Int32Array(COMMANDS_AHEAD_MAX)
  readonly #records = new Int32Array(COMMANDS_AHEAD_MAX)
  #added = 0
  /** So many are hashed, by this seed. */
  #count = 0
  #seed: HashSeed | undefined
  /** Those before it have been looked up. */
  #next = 0
  /** Of the keys touched last, most were not there: the next ones will hardly be. */
  #mostAreNew = false

  constructor() {
    noteViewHolder(this)
  }

  /** Of bytes that a long command has made large as well as of a segment: whoever drops either has it forgotten. */
  letGo(): void {
    this.begin(NO_BYTES)
  }

  /** Forgets all keys; the next ones are in `bytes`, which have to stay as they are until the next call. */
  begin(bytes: Uint8Array): void {
    this.#bytes = bytes
    this.#added = 0
    this.#count = 0
    this.#next = 0
  }

  /** A key, behind those added before; at most COMMANDS_AHEAD_MAX. */
  add(start: number, end: number): void {
    this.#starts[this.#added] = start
    this.#ends[this.#added] = end
    this.#added++
  }

  /** Hashes and touches the keys that were added, as those of database `db`, which exists. */
  touch(generation: GenerationLayout, db: number): void {
    const { seed } = generation
    const orders = this.#orders
    const tags = this.#tags
    const count = this.#added
    for (let i = 0; i < count; i++) {
      hashKey(seed, this.#bytes, this.#starts[i]!, this.#ends[i]!)
      orders[i] = hashOrder
      tags[i] = hashTag
    }
    this.#seed = seed
    this.#count = count
    const found = touchLookups(generation, db, orders, tags, this.#pages, this.#records, count, this.#mostAreNew)
    this.#mostAreNew = found * 2 < count
  }

  /** As hashKey(), which is spared for a key that `touch` has hashed, if keys are asked for in their order. */
  hash(seed: HashSeed, bytes: Uint8Array, start: number, end: number): void {
    if (bytes === this.#bytes) {
      while (this.#next < this.#count && this.#starts[this.#next]! < start) this.#next++
      const next = this.#next
      if (next < this.#count && this.#starts[next] === start && this.#ends[next] === end && this.#seed === seed) {
        setHash(this.#orders[next]!, this.#tags[next]!)
        return
      }
    }
    hashKey(seed, bytes, start, end)
  }
}
