/**
 * The dataset as commands read it, in any thread: lookups, walks and what can be said of a key. The writer's `Keyspace` is
 * built on it; `SharedKeyspace` is the same for other threads. What it answers means something while the shards it touched
 * are left alone: always for the writer, after validation for others (docs/consistency.md).
 *
 * `entry` holds the record that the last lookup found.
 */
import { KeyspaceError } from '../errors.ts'
import { KEYS_AHEAD_MAX, SHARD_COUNT } from '../limits.ts'
import { roomOf } from '../memory/arena.ts'
import { formOf } from '../values/forms.ts'
import { LargeValue } from '../values/large-value.ts'
import type { EncodingThresholds } from '../values/thresholds.ts'
import type { ValueBuild } from '../values/value-build.ts'
import { AccessBits } from './access-bits.ts'
import { Entry } from './entry.ts'
import type { GenerationLayout } from './generation.ts'
import { KeyEvents } from './key-events.ts'
import { hashKey, hashOrder, hashTag } from './key-hash.ts'
import { KeyPlace } from './key-place.ts'
import {
  PAGE_BYTES,
  ROOT_DEPTH,
  ROOT_DIRECTORY,
  ROOT_EXPIRES,
  ROOT_KEYS,
  ROOT_PAGES,
  regionOf,
  shardOf,
} from './layout.ts'
import type { LazyFree } from './lazy-free.ts'
import { LookupsAhead, touchLookups } from './lookups-ahead.ts'
import { checkRead } from './read-guard.ts'
import type { RegionView } from './region-view.ts'
import type { RegionWriter } from './region-writer.ts'
import { drawRecord } from './random-record.ts'
import { scanTable, walkTable } from './scan.ts'
import type { DatabaseWalk } from './table-walk.ts'

const TWO_32: number = 2 ** 32
const RANDOM_NEIGHBOURS = 16
/** Most elements that are measured for the size of a value: some tenths of a millisecond. */
const FOOTPRINT_SAMPLES_MAX = 1024

// Of the keys of `touchKeys`.
const touchedOrders = new Int32Array(KEYS_AHEAD_MAX)
const touchedTags = new Int32Array(KEYS_AHEAD_MAX)
const touchedRecords = new Int32Array(KEYS_AHEAD_MAX)

export abstract class KeyspaceReads {
  generation: GenerationLayout
  readonly entry: Entry = new Entry()
  /** Keyspace notifications: commands leave their events here (`commands/notify.ts`). */
  readonly events: KeyEvents = new KeyEvents()
  readonly access: AccessBits = new AccessBits()
  /** Reads by clients that found a key, and that did not (INFO keyspace_hits, keyspace_misses). */
  hits = 0
  misses = 0

  /** For who knows keys before they are looked up. */
  readonly lookupsAhead: LookupsAhead = new LookupsAhead()
  protected readonly place: KeyPlace = new KeyPlace()
  /** Where large values are freed in slices. */
  protected abstract readonly lazyFree: LazyFree
  /** The large value of `entry` for whoever does not bring one of his own. */
  readonly #large = new LargeValue()

  protected constructor(generation: GenerationLayout) {
    this.generation = generation
  }

  /** Called before the first change by a command that may or may not change something. @throws NeedsWriter in other threads. */
  abstract requireWriter(): void

  /** Notes that `entry` was read: the base of OBJECT IDLETIME and FREQ. */
  abstract markAccess(): void

  /** Where blocks of a value that a command makes belong: the region of the key last looked up, or memory of this thread alone. */
  abstract get targetRegion(): RegionWriter

  /** What makes values in `targetRegion`; the caller gives the region with `begin`. */
  abstract newBuild(thresholds: EncodingThresholds): ValueBuild

  /** Touches what the lookups of the keys will look at that were added to `lookupsAhead`, in database `db`, which exists. */
  touchAhead(db: number): void {
    this.lookupsAhead.touch(this.generation, db)
  }

  /** Finds a key, expired or not. On success `entry` describes it. */
  lookup(db: number, key: Uint8Array, start: number, end: number): boolean {
    this.lookupsAhead.hash(this.generation.seed, key, start, end)
    return this.lookupHashed(db, hashOrder, hashTag, key, start, end)
  }

  /** `lookup` for who has hashed the key already. */
  lookupHashed(db: number, order: number, tag: number, key: Uint8Array, start: number, end: number): boolean {
    const { generation, place } = this
    place.order = order
    place.tag = tag
    const shardIndex = shardOf(order)
    const region = generation.regions[regionOf(shardIndex)]!
    const root = generation.rootOf(db, shardIndex)
    place.shard = shardIndex
    place.root = root
    const address = region.find(generation.control, root, order, tag, key, start, end)
    if (address === 0) {
      this.entry.address = 0
      return false
    }
    this.entry.load(region, generation.regions, address)
    return true
  }

  /**
   * Hashes `count` keys from the `first` on, KEYS_AHEAD_MAX at most, and touches what their lookups will look at, so that their cache
   * misses overlap; `lookupTouched` finds them, in the same attempt. Key `i` is `bytes[starts[i] .. ends[i])`. Their shards are entered
   * before: what is met is as true as the attempt.
   */
  touchKeys(db: number, bytes: Uint8Array, starts: Int32Array, ends: Int32Array, first: number, count: number): void {
    const { generation } = this
    for (let i = 0; i < count; i++) {
      hashKey(generation.seed, bytes, starts[first + i]!, ends[first + i]!)
      touchedOrders[i] = hashOrder
      touchedTags[i] = hashTag
      generation.rootOf(db, shardOf(hashOrder))
    }
    touchLookups(generation, db, touchedOrders, touchedTags, touchedRecords, count, false)
  }

  /** As `lookup`, of the key that was the `index`-th of the last `touchKeys`: its record has most likely been found there. */
  lookupTouched(index: number, db: number, key: Uint8Array, start: number, end: number): boolean {
    const record = touchedRecords[index]!
    const order = touchedOrders[index]!
    const tag = touchedTags[index]!
    if (record !== 0 && this.isAsTouched && this.loadRecord(record, order, tag, db, key, start, end)) return true
    return this.lookupHashed(db, order, tag, key, start, end)
  }

  /** Has this thread changed nothing since `touchKeys`? What others change, the attempt finds out. */
  protected get isAsTouched(): boolean {
    return true
  }

  /** The record of a hash becomes `entry`, if it is this key's. */
  protected loadRecord(
    record: number,
    order: number,
    tag: number,
    db: number,
    key: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    const { generation, place } = this
    const shardIndex = shardOf(order)
    const region = generation.regions[regionOf(shardIndex)]!
    if (!region.keyEquals(record, key, start, end)) return false
    place.order = order
    place.tag = tag
    place.shard = shardIndex
    place.root = generation.rootOf(db, shardIndex)
    this.entry.load(region, generation.regions, record)
    return true
  }

  /**
   * As `lookup`, but a key whose time has come counts as absent (it stays until the primary's DEL). A time before 1970 never
   * comes (redis 7.0 db.c keyIsExpired()).
   */
  lookupAlive(db: number, key: Uint8Array, start: number, end: number, nowMs: number): boolean {
    return this.lookup(db, key, start, end) && this.#isFoundAlive(nowMs)
  }

  /** The same of the `index`-th key of the last `touchKeys`. */
  lookupTouchedAlive(index: number, db: number, key: Uint8Array, start: number, end: number, nowMs: number): boolean {
    return this.lookupTouched(index, db, key, start, end) && this.#isFoundAlive(nowMs)
  }

  #isFoundAlive(nowMs: number): boolean {
    const { expireAtMs } = this.entry
    if (expireAtMs >= 0 && nowMs > expireAtMs) {
      this.entry.address = 0
      return false
    }
    return true
  }

  /** Opens the large value of `entry`. @param into for whoever needs several at once, or longer than until the next call. */
  openLarge(into: LargeValue = this.#large): LargeValue {
    const { entry } = this
    const words = entry.region.memory.i32[entry.address >>> 28]!
    return into.open(this.generation.regions, this.lazyFree, entry.rdbType, words, entry.descriptorAt)
  }

  /** Keys of a database, expired ones included. */
  size(db: number): number {
    return this.#sum(db, ROOT_KEYS)
  }

  /** Keys with a TTL. */
  expires(db: number): number {
    return this.#sum(db, ROOT_EXPIRES)
  }

  get keyCount(): number {
    let sum = 0
    for (let db = 0; db < this.databaseCount; db++) sum += this.size(db)
    return sum
  }

  /**
   * SCAN: visits about `count` keys from `cursor` on; `entry` describes each during the visit. The visitor must not
   * change the keyspace. @returns the next cursor (below 2^53), 0 at the end.
   */
  scan(db: number, cursor: number, count: number, visit: (entry: Entry) => void): number {
    const { entry, generation } = this
    return scanTable(generation, db, cursor, count, (region, address) => {
      entry.load(region, generation.regions, address)
      visit(entry)
    })
  }

  /** As `scan`, but shards that hold no key with a TTL are passed over. Of the others all keys are visited. */
  scanExpiring(db: number, cursor: number, count: number, visit: (entry: Entry) => void): number {
    const { entry, generation } = this
    const load = (region: RegionView, address: number): void => {
      entry.load(region, generation.regions, address)
      visit(entry)
    }
    return scanTable(generation, db, cursor, count, load, ROOT_EXPIRES)
  }

  /** Visits all keys of a database. The visitor must not change the keyspace. */
  forEach(db: number, visit: (entry: Entry) => void): void {
    const { entry, generation } = this
    walkTable(generation, db, (region, address) => {
      entry.load(region, generation.regions, address)
      visit(entry)
    })
  }

  /** Goes on with a walk, in the order of `forEach`: a page at a time. @param visit says false to be shown the key again. */
  walkKeys(db: number, walk: DatabaseWalk, visit: (entry: Entry) => boolean): void {
    const { entry, generation } = this
    walk.next(generation, db, (region, address) => {
      entry.load(region, generation.regions, address)
      return visit(entry)
    })
  }

  /** A random key of a non-empty database becomes `entry`. @param random 0 … 1 @returns false when the database is empty. */
  randomKey(db: number, random: () => number): boolean {
    const keys = this.size(db)
    if (keys === 0) return false
    const { generation } = this
    const shard = this.#shardOfKey(db, Math.floor(random() * keys))
    const drawnFrom = generation.regions[regionOf(shard)]!
    const drawn = drawRecord(drawnFrom, generation.control, generation.rootOf(db, shard), random)
    if (drawn !== 0) {
      this.entry.load(drawnFrom, generation.regions, drawn)
      return true
    }
    // Nearly empty pages, or the shard by now. Some neighbours, then one of them: evens out that a gap before a key makes it likelier.
    const wanted = Math.min(RANDOM_NEIGHBOURS, keys)
    const seen: [RegionView, number][] = []
    const visit = (region: RegionView, address: number): void => {
      seen.push([region, address])
    }
    // A call gives up after some thousand empty pages; the end of the hash order is followed by its beginning.
    for (let cursor = Math.floor(random() * TWO_32); seen.length < wanted;) {
      // The writer may have taken the last key away since they were counted.
      checkRead()
      cursor = scanTable(generation, db, cursor, wanted - seen.length, visit)
    }
    const [region, address] = seen[Math.floor(random() * seen.length)]!
    this.entry.load(region, generation.regions, address)
    return true
  }

  /** The shard that has key `index` when they are counted shard by shard. */
  #shardOfKey(db: number, index: number): number {
    const { generation } = this
    let left = index
    for (let shard = 0; shard < SHARD_COUNT; shard++) {
      left -= generation.control[generation.rootOf(db, shard) + ROOT_KEYS]!
      if (left < 0) return shard
    }
    return SHARD_COUNT - 1
  }

  /**
   * Bytes that the key found by the last lookup occupies: record, nodes and its share of the table.
   * @param samples elements that are measured; of more the mean is taken
   */
  footprint(samples: number = FOOTPRINT_SAMPLES_MAX): number {
    const { entry } = this
    const record = roomOf(entry.region.memory, entry.address)
    if (entry.isLarge)
      return record + 8 + formOf(entry.rdbType).footprint(this.openLarge(), Math.min(samples, FOOTPRINT_SAMPLES_MAX))
    return record + 8 + (entry.isChunked ? entry.nodes().footprint() : 0)
  }

  /** Bytes of the table of a database: directories and pages, without the records. */
  tableBytes(db: number): number {
    const { generation } = this
    let sum = 0
    for (let shard = 0; shard < SHARD_COUNT; shard++) {
      const root = generation.rootOf(db, shard)
      if (generation.control[root + ROOT_DIRECTORY] === 0) continue
      sum += generation.control[root + ROOT_PAGES]! * PAGE_BYTES + 2 ** generation.control[root + ROOT_DEPTH]! * 4
    }
    return sum
  }

  #sum(db: number, word: number): number {
    const { generation } = this
    let sum = 0
    for (let shard = 0; shard < SHARD_COUNT; shard++) sum += generation.control[generation.rootOf(db, shard) + word]!
    return sum
  }

  /** Refuses a database index that does not exist. What is no integer would lead to shards of none, which look empty. */
  checkDatabase(db: number): void {
    if (Number.isInteger(db) && db >= 0 && db < this.databaseCount) return
    const text = `database ${String(db)} is none of the ${this.databaseCount} configured`
    throw new KeyspaceError('KEYSPACE_BAD_DATABASE', text)
  }

  get databaseCount(): number {
    return this.generation.databaseCount
  }
}
