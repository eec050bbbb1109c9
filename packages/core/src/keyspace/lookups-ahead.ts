/**
 * Keys that are going to be looked up soon. They are hashed, and what their lookups will look at is touched, for all of them together:
 * what one lookup waits for, those of many wait for at the same time. A lookup that follows need not hash its key again; whoever knows
 * that nothing has changed since need not search for its record either.
 */
import { strict as assert } from 'node:assert'
import { COMMANDS_AHEAD_MAX, SEGMENTS_PER_REGION_MAX } from '../limits.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import { NO_BYTES, noteViewHolder, type ViewHolder } from '../memory/view-holders.ts'
import { type GenerationLayout, NOWHERE } from './generation.ts'
import { hashKey, hashOrder, type HashSeed, hashTag, setHash } from './key-hash.ts'
import {
  directoryIndex,
  headerBytes,
  homeSlot,
  LINE_WORDS,
  NEXT_LINE_WORDS,
  PAGE_SLOTS,
  regionOf,
  ROOT_DEPTH,
  ROOT_DIRECTORY,
  ROOT_WORDS,
  shardOf,
  SLOT_TAG_MASK,
  VALUE_LENGTH_MASK,
} from './layout.ts'

/** Slots that are looked at for a record that is only to be touched. */
const PROBES_AHEAD = 8
const SEGMENT_BITS = 4
/** Depends on all that was touched: read by nobody, but it keeps the touching from being optimised away. */
let touched = 0
// Where to touch for each key: the view, in `GenerationLayout.words`, the word in it, and the first word of the page.
const views = new Int32Array(COMMANDS_AHEAD_MAX)
const places = new Int32Array(COMMANDS_AHEAD_MAX)
const bases = new Int32Array(COMMANDS_AHEAD_MAX)

assert.equal(1 << SEGMENT_BITS, SEGMENTS_PER_REGION_MAX)

/**
 * Touches what the lookups of the first `count` of these hashes will look at, COMMANDS_AHEAD_MAX at most, in database `db`, which exists.
 * Any thread may, at any time: no shard is entered, and nothing here relies on what is met; whoever does enters the shards before, or knows
 * that nobody writes. @param records are given the address of each one's record, most likely, and 0 where there is none. @param inserts is
 * most of it going to be inserted? @returns how many were found, most likely
 *
 * A processor looks some two hundred instructions ahead. So that many loads are under way at once, the loops that wait for memory do
 * nothing else, and not over method calls, and several rounds are written as one: what V8 checks of an array it checks once in a round.
 */
export function touchLookups(
  generation: GenerationLayout,
  db: number,
  orders: Int32Array,
  tags: Int32Array,
  records: Int32Array,
  count: number,
  inserts: boolean,
): number {
  const { words } = generation
  const seen = touchPages(generation, db, orders, tags, count, inserts)
  const found = findRecords(words, orders, tags, records, count)
  if (found > 0) touched ^= touchRecords(words, count) ^ touchLongRecords(words, count)
  touched ^= seen
  return found
}

/** The same of the pages alone, for keys that are not there. @returns what depends on all that was touched: to be kept, or V8 leaves it out */
export function touchPages(
  generation: GenerationLayout,
  db: number,
  orders: Int32Array,
  tags: Int32Array,
  count: number,
  inserts: boolean,
): number {
  const { words } = generation
  findPages(generation, db, orders, tags, count)
  const seen = touchWords(words, places, count)
  return inserts ? seen ^ touchWords(words, bases, count) : seen
}

/** Where the search for each key begins. Directories are small, and in the caches. */
function findPages(
  generation: GenerationLayout,
  db: number,
  orders: Int32Array,
  tags: Int32Array,
  count: number,
): void {
  const { control, words } = generation
  const roots = generation.rootPlace(db, 0)
  for (let i = 0; i < count; i++) {
    const order = orders[i]!
    const shard = shardOf(order)
    const root = roots + shard * ROOT_WORDS
    const directory = control[root + ROOT_DIRECTORY]!
    const region = regionOf(shard) << SEGMENT_BITS
    let view = NOWHERE
    let base = 0
    if (directory !== 0) {
      const entries = words[region | (directory >>> 28)]!
      const entry = (byteOffsetOf(directory) >>> 2) + directoryIndex(order, control[root + ROOT_DEPTH]!)
      const page = entry < entries.length ? entries[entry]! : 0
      const offset = byteOffsetOf(page) >>> 2
      if (page !== 0 && offset + PAGE_SLOTS * 2 <= words[region | (page >>> 28)]!.length) {
        view = region | (page >>> 28)
        base = offset
      }
    }
    views[i] = view
    bases[i] = base
    places[i] = base + homeSlot(tags[i]!) * 2
  }
}

/** @returns what depends on all words touched */
function touchWords(words: readonly Int32Array[], at: Int32Array, count: number): number {
  let seen = 0
  let i = 0
  for (; i + 3 < count; i += 4) {
    const first = words[views[i]!]![at[i]!]!
    const second = words[views[i + 1]!]![at[i + 1]!]!
    const third = words[views[i + 2]!]![at[i + 2]!]!
    const fourth = words[views[i + 3]!]![at[i + 3]!]!
    seen ^= first ^ second ^ third ^ fourth
  }
  for (; i < count; i++) seen ^= words[views[i]!]![at[i]!]!
  return seen
}

/** The record that each key most likely has: the first in its page with its tag, near its home. */
function findRecords(
  words: readonly Int32Array[],
  orders: Int32Array,
  tags: Int32Array,
  records: Int32Array,
  count: number,
): number {
  let found = 0
  for (let i = 0; i < count; i++) {
    const page = words[views[i]!]!
    const base = bases[i]!
    const wanted = tags[i]! & SLOT_TAG_MASK
    let at = places[i]!
    let record = 0
    for (let probes = 0; probes < PROBES_AHEAD; probes++) {
      const address = page[at + 1]!
      if (address === 0) break
      if ((page[at]! & SLOT_TAG_MASK) === wanted) {
        record = address
        break
      }
      at = at === base + (PAGE_SLOTS - 1) * 2 ? base + 2 : at + 2
    }
    records[i] = record
    const view = (regionOf(shardOf(orders[i]!)) << SEGMENT_BITS) | (record >>> 28)
    const offset = byteOffsetOf(record) >>> 2
    if (record !== 0) found++
    // A segment that is not there has fewer words than a record.
    const isThere = record !== 0 && offset + NEXT_LINE_WORDS < words[view]!.length
    views[i] = isThere ? view : NOWHERE
    places[i] = isThere ? offset : 0
  }
  return found
}

/** The two cache lines that a record of the usual size lies in. @returns what depends on all words touched */
function touchRecords(words: readonly Int32Array[], count: number): number {
  let seen = 0
  let i = 0
  for (; i + 1 < count; i += 2) {
    const view = words[views[i]!]!
    const at = places[i]!
    const nextView = words[views[i + 1]!]!
    const nextAt = places[i + 1]!
    seen ^= view[at]! ^ view[at + NEXT_LINE_WORDS]! ^ nextView[nextAt]! ^ nextView[nextAt + NEXT_LINE_WORDS]!
  }
  if (i < count) seen ^= words[views[i]!]![places[i]!]!
  return seen
}

/**
 * Four more cache lines of records that are so long, as packed collections are: they are walked through. How long one is stands in its
 * first line, which has come by now. Without a branch: of a shorter one its end is touched again.
 */
function touchLongRecords(words: readonly Int32Array[], count: number): number {
  let seen = 0
  for (let i = 0; i < count; i++) {
    const view = words[views[i]!]!
    const at = places[i]!
    const bytes = headerBytes(0) + (view[at]! >>> 16) + (view[at + 1]! & VALUE_LENGTH_MASK)
    // Of memory that is being changed the length may be anything.
    const last = Math.min(at + (bytes >>> 2), view.length - 1)
    const third = at + NEXT_LINE_WORDS + LINE_WORDS
    seen ^=
      view[Math.min(third, last)]! ^
      view[Math.min(third + LINE_WORDS, last)]! ^
      view[Math.min(third + 2 * LINE_WORDS, last)]! ^
      view[Math.min(third + 3 * LINE_WORDS, last)]!
  }
  return seen
}

export class LookupsAhead implements ViewHolder {
  // Key `i` is `#bytes[#starts[i] .. #ends[i])`; the starts ascend.
  #bytes: Uint8Array = NO_BYTES
  readonly #starts = new Int32Array(COMMANDS_AHEAD_MAX)
  readonly #ends = new Int32Array(COMMANDS_AHEAD_MAX)
  readonly #orders = new Int32Array(COMMANDS_AHEAD_MAX)
  readonly #tags = new Int32Array(COMMANDS_AHEAD_MAX)
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
    const found = touchLookups(generation, db, orders, tags, this.#records, count, this.#mostAreNew)
    this.#mostAreNew = found * 2 < count
  }

  /**
   * As hashKey(), which is spared for a key that `touch` has hashed, if keys are asked for in their order. @returns the record that the
   * key most likely had then; 0: none, or not known
   */
  hash(seed: HashSeed, bytes: Uint8Array, start: number, end: number): number {
    if (bytes === this.#bytes) {
      while (this.#next < this.#count && this.#starts[this.#next]! < start) this.#next++
      const next = this.#next
      if (next < this.#count && this.#starts[next] === start && this.#ends[next] === end && this.#seed === seed) {
        setHash(this.#orders[next]!, this.#tags[next]!)
        return this.#records[next]!
      }
    }
    hashKey(seed, bytes, start, end)
    return 0
  }
}
