/**
 * The dataset in the hands of the link role, its only writer: lookups, changes and whole-database operations over the
 * live generation. Commands are written against this class and never see shards, pages or counters.
 *
 * Every change happens inside a unit (`begin()` … `end()`), which is what readers in other threads see whole: one
 * command, or one MULTI/EXEC group. The dispatcher opens and closes units; commands do not.
 *
 * `entry` holds the record that the last lookup found and follows the changes made to it.
 */
import { randomBytes } from 'node:crypto'
import { strict as assert } from 'node:assert'
import { KeyspaceError } from '../errors.ts'
import { BLOCK_BYTES_MAX, SEGMENT_BYTES_MAX, SHARD_COUNT } from '../limits.ts'
import { Arena } from '../memory/arena.ts'
import { copyBytes, moveBytes } from '../memory/copy-bytes.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import { CLASS_OF_UNITS } from '../memory/size-classes.ts'
import { ACCESS_CLOCK_SECONDS, accessClockAt } from './access-clock.ts'
import { accessedFrequency, decayedCounter, frequencyOf, newFrequency } from './access-frequency.ts'
import { Entry } from './entry.ts'
import { Generation, type GenerationTransfer } from './generation.ts'
import { KeyEvents, NOTIFY_NEW } from './key-events.ts'
import { HashSeed, hashKey, hashOrder, hashTag } from './key-hash.ts'
import {
  C_DATABASE_MAP,
  C_NUMBER,
  C_RETIRED,
  FLAG_CHUNKED,
  FLAG_EXPIRE,
  FLAG_LARGE_ENCODING,
  FLAG_LONG_KEY,
  FLAG_RAW,
  headerBytes,
  PAGE_BYTES,
  ROOT_DEPTH,
  ROOT_DIRECTORY,
  ROOT_EXPIRES,
  ROOT_KEYS,
  ROOT_PAGES,
  ROOT_WORDS,
  regionOf,
  shardOf,
} from './layout.ts'
import { LazyFree } from './lazy-free.ts'
import { NodeValue } from './node-value.ts'
import {
  chunksAt,
  copyIntoRegion,
  createInlineRecord,
  createRecord,
  fillValue,
  INLINE_KEY_BYTES_MAX,
  inlineKeyBytes,
  recordFlags,
  writeChunks,
  writeDescriptor,
  writeTime,
} from './record.ts'
import { scanTable, walkTable } from './scan.ts'
import { freePlainRecord, freeRecordOnly } from './record-free.ts'
import { ShardCounters } from './shard-counters.ts'
import type { RegionWriter } from './region-writer.ts'
import { buildValue, hasBuilder } from '../values/builders.ts'
import { descriptorBytes, DESCRIPTOR_WORDS_MAX, FORM_FIRST, PACKED_BYTES_MAX } from '../values/form-numbers.ts'
import { formOf } from '../values/forms.ts'
import { LargeValue } from '../values/large-value.ts'
import type { EncodingThresholds } from '../values/thresholds.ts'
import { ValueBuild } from '../values/value-build.ts'

/** A dataset larger than this is dropped by FLUSHALL as a whole generation, so that its memory goes back to the system. */
const FLUSH_IN_PLACE_BYTES_MAX: number = 64 << 20
const TWO_32: number = 2 ** 32
const RANDOM_NEIGHBOURS = 16
/** An eighth of a packed value's block may be unused. */
const SPARE_ROOM_SHIFT = 3

export interface KeyspaceOptions {
  readonly databaseCount: number
  /** 16 bytes; random when left out. */
  readonly hashSeed?: Uint8Array
  /** Reservation of a segment in bytes; less than the default only in tests. */
  readonly segmentBytesMax?: number
}

/** What hears of changed keys: WATCH, client-side caching, later notifications and change events. */
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

const NOBODY: KeyChangeListener = {
  active: false,
  keyChanged: () => {},
  databaseFlushed: () => {},
  databasesSwapped: () => {},
}

export class Keyspace {
  generation: Generation
  readonly entry: Entry = new Entry()
  readonly counters: ShardCounters
  readonly hashSeed: Uint8Array
  listener: KeyChangeListener = NOBODY
  /** Keyspace notifications: commands leave their events here (`commands/notify.ts`). */
  readonly events: KeyEvents = new KeyEvents()
  /** Told, before readers can see it, of every generation that takes over (full sync, FLUSHALL of a large dataset). */
  readonly generationListeners: ((generation: Generation) => void)[] = []
  /** Ticks of ACCESS_CLOCK_SECONDS, 16 bits; set by whoever owns the clock. */
  accessClock: number = accessClockAt(Date.now())
  /** Reads by clients that found a key, and that did not (INFO keyspace_hits, keyspace_misses); keys expired here. */
  hits = 0
  misses = 0
  expiredKeys = 0
  /** An LFU policy is configured: records keep a frequency instead of the access clock. Set by whoever owns the policy. */
  tracksFrequency = false

  readonly #segmentBytesMax: number
  readonly #lazyFree = new LazyFree((region, address) => this.#freeRecord(region, address))
  readonly #nodes = new NodeValue()
  readonly #seed: HashSeed
  /** The large value of `entry` for whoever does not bring one of his own. */
  readonly #large = new LargeValue()
  readonly #copiedDescriptor = new Int32Array(DESCRIPTOR_WORDS_MAX)
  // Place of the last lookup: what changes of the same key need.
  #shard = 0
  #order = 0
  #tag = 0
  #root = 0

  constructor(options: KeyspaceOptions) {
    this.hashSeed = options.hashSeed ?? randomBytes(16)
    this.#seed = new HashSeed(this.hashSeed)
    this.#segmentBytesMax = options.segmentBytesMax ?? SEGMENT_BYTES_MAX
    this.generation = this.newGeneration(options.databaseCount)
    this.counters = new ShardCounters(this.generation)
  }

  /** An empty generation with this process' hash seed. */
  newGeneration(databaseCount: number): Generation {
    return Generation.create({ databaseCount, hashSeed: this.hashSeed, segmentBytesMax: this.#segmentBytesMax })
  }

  get databaseCount(): number {
    return this.generation.databaseCount
  }

  // ---- units ----------------------------------------------------------------------------------------------------

  /** Opens a unit: from here to `end()` readers see nothing or all. */
  begin(): void {
    this.counters.begin()
  }

  end(): void {
    this.counters.end()
  }

  // ---- lookups --------------------------------------------------------------------------------------------------

  /** Finds a key, expired or not. On success `entry` describes it. */
  lookup(db: number, key: Uint8Array, start: number, end: number): boolean {
    hashKey(this.#seed, key, start, end)
    this.#order = hashOrder
    this.#tag = hashTag
    const { generation } = this
    const shardIndex = shardOf(hashOrder)
    const region = generation.regions[regionOf(shardIndex)]!
    this.#shard = shardIndex
    this.#root = generation.rootOf(db, shardIndex)
    const address = region.find(generation.control, this.#root, hashOrder, hashTag, key, start, end)
    if (address === 0) {
      this.entry.address = 0
      return false
    }
    this.entry.load(region, generation.regions, address)
    return true
  }

  /**
   * As `lookup`, but a key whose time has come counts as absent (it stays until the primary's DEL). A time before 1970 never
   * comes (redis 7.0 db.c keyIsExpired()).
   */
  lookupAlive(db: number, key: Uint8Array, start: number, end: number, nowMs: number): boolean {
    if (!this.lookup(db, key, start, end)) return false
    const { expireAtMs } = this.entry
    if (expireAtMs >= 0 && nowMs > expireAtMs) {
      this.entry.address = 0
      return false
    }
    return true
  }

  /** Notes that `entry` was read: the base of OBJECT IDLETIME and FREQ. */
  markAccess(): void {
    const bits = this.#accessBits()
    const fresh = this.#accessedAgain(bits)
    if (bits !== fresh) this.#setAccessBits(fresh)
  }

  /** Seconds since `entry` was last read or written, in steps of ACCESS_CLOCK_SECONDS. */
  idleSeconds(): number {
    return ((this.accessClock - this.#accessBits()) & 0xffff) * ACCESS_CLOCK_SECONDS
  }

  /** Logarithmic access frequency of `entry`, 0 … 255; only while `tracksFrequency`. */
  frequency(): number {
    return decayedCounter(this.#accessBits(), this.accessClock)
  }

  /** Says how `entry` was used before it came here; what the policy does not need is ignored. -1: not told. */
  setAccess(idleSeconds: number, frequency: number): void {
    if (this.tracksFrequency) {
      if (frequency >= 0) this.#setAccessBits(frequencyOf(frequency, this.accessClock))
    } else if (idleSeconds >= 0) {
      const ticks = Math.min(0xffff, Math.floor(idleSeconds / ACCESS_CLOCK_SECONDS))
      this.#setAccessBits((this.accessClock - ticks) & 0xffff)
    }
  }

  /** The access bits of a new record. */
  #newAccess(): number {
    return this.tracksFrequency ? newFrequency(this.accessClock) : this.accessClock
  }

  /** The access bits of a record that had `bits` and is used now. */
  #accessedAgain(bits: number): number {
    return this.tracksFrequency ? accessedFrequency(bits, this.accessClock, Math.random()) : this.accessClock
  }

  /** The access bits of `entry`. */
  #accessBits(): number {
    const { entry } = this
    return entry.region.memory.i32[entry.address >>> 28]![(byteOffsetOf(entry.address) >>> 2) + 1]! >>> 16
  }

  #setAccessBits(bits: number): void {
    const { entry } = this
    const words = entry.region.memory.i32[entry.address >>> 28]!
    const at = (byteOffsetOf(entry.address) >>> 2) + 1
    words[at] = (bits << 16) | (words[at]! & 0xffff)
  }

  // ---- changes of one key ---------------------------------------------------------------------------------------

  /**
   * Creates or replaces a key with a whole value. Whatever was there before (any type, any TTL) is gone.
   * @param rdbType 0 is a string, 11, 16, 17 and 20 are packed values; another type is held as its RDB bytes. Not for
   * values in a large form, nor for bytes of the record that is being replaced.
   * @param flags FLAG_RAW or 0.
   * @param expireAtMs -1 for none.
   */
  put(
    db: number,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    rdbType: number,
    flags: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
    expireAtMs: number,
  ): void {
    hashKey(this.#seed, key, keyStart, keyEnd)
    // What this region found last may have been this very key, before a flush.
    this.generation.regions[regionOf(shardOf(hashOrder))]!.pageAddress = 0
    this.putHashed(
      db,
      hashOrder,
      hashTag,
      key,
      keyStart,
      keyEnd,
      rdbType,
      flags,
      value,
      valueStart,
      valueEnd,
      expireAtMs,
    )
  }

  /** `put` for the key of the last lookup, found or not: it is not hashed again. */
  putLookedUp(
    db: number,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    rdbType: number,
    flags: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
    expireAtMs: number,
  ): void {
    this.putHashed(
      db,
      this.#order,
      this.#tag,
      key,
      keyStart,
      keyEnd,
      rdbType,
      flags,
      value,
      valueStart,
      valueEnd,
      expireAtMs,
    )
  }

  /** `put` for callers that have hashed the key already. */
  putHashed(
    db: number,
    order: number,
    tag: number,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    rdbType: number,
    flags: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
    expireAtMs: number,
  ): void {
    const { generation } = this
    const shardIndex = shardOf(order)
    const region = generation.regions[regionOf(shardIndex)]!
    const root = generation.rootOf(db, shardIndex)
    this.counters.enter(shardIndex)
    const old = region.findAgain(generation.control, root, order, tag, key, keyStart, keyEnd)
    const keyLength = keyEnd - keyStart
    const valueLength = valueEnd - valueStart
    const newFlags = expireAtMs === -1 ? flags : flags | FLAG_EXPIRE
    const bytes = headerBytes(newFlags) + keyLength + valueLength
    if (old !== 0) {
      const words = region.memory.i32[old >>> 28]!
      const at = byteOffsetOf(old) >>> 2
      const oldFlags = (words[at]! >>> 8) & 0xff
      if (
        bytes <= BLOCK_BYTES_MAX &&
        (words[at]! & 0xff) < FORM_FIRST &&
        ((oldFlags | newFlags) & (FLAG_CHUNKED | FLAG_LONG_KEY)) === 0 &&
        ((oldFlags ^ newFlags) & FLAG_EXPIRE) === 0 &&
        CLASS_OF_UNITS[(bytes + 7) >>> 3] ===
          CLASS_OF_UNITS[(headerBytes(oldFlags) + keyLength + (words[at + 1]! & 0xffff) + 7) >>> 3]
      ) {
        // Same block: only the value, the flags and the time change.
        words[at] = (keyLength << 16) | (newFlags << 8) | rdbType
        words[at + 1] = (this.#accessedAgain(words[at + 1]! >>> 16) << 16) | valueLength
        if (expireAtMs !== -1) writeTime(words, at + 2, expireAtMs)
        copyIntoRegion(region, old >>> 28, (at << 2) + headerBytes(newFlags) + keyLength, value, valueStart, valueEnd)
        if (this.listener.active) this.listener.keyChanged(db, key, keyStart, keyEnd)
        return
      }
    }
    const clock =
      old === 0
        ? this.#newAccess()
        : this.#accessedAgain(region.memory.i32[old >>> 28]![(byteOffsetOf(old) >>> 2) + 1]! >>> 16)
    let address: number
    if (bytes <= BLOCK_BYTES_MAX && keyLength <= INLINE_KEY_BYTES_MAX) {
      address = createInlineRecord(
        region,
        bytes,
        key,
        keyStart,
        keyEnd,
        rdbType,
        newFlags,
        value,
        valueStart,
        valueEnd,
        expireAtMs,
        clock,
      )
    } else {
      address = createRecord(region, key, keyStart, keyEnd, rdbType, newFlags, valueLength, expireAtMs, clock, false)
      try {
        fillValue(region, address, value, valueStart, valueEnd)
      } catch (error) {
        freeRecordOnly(region, address)
        throw error
      }
    }
    this.#install(region, root, order, tag, old, address)
    if (this.listener.active) this.listener.keyChanged(db, key, keyStart, keyEnd)
    if (old === 0) this.#created(db, key, keyStart, keyEnd)
  }

  /** Event `new` (redis 7.0 db.c dbAdd()): whatever makes a key where there was none calls this. */
  #created(db: number, key: Uint8Array, start: number, end: number): void {
    if ((this.events.mask & NOTIFY_NEW) !== 0) this.events.deliver('new', db, key, start, end)
  }

  /** Removes a key. @returns false when it was not there. */
  delete(db: number, key: Uint8Array, start: number, end: number): boolean {
    if (!this.lookup(db, key, start, end)) return false
    this.deleteEntry(db, key, start, end)
    return true
  }

  /** Removes the key that the last lookup found (its name again, for listeners). */
  deleteEntry(db: number, key: Uint8Array, start: number, end: number): void {
    const { entry } = this
    const { region, address } = entry
    this.counters.enter(this.#shard)
    // Elements may have been looked up in the same region since.
    if (entry.isLarge) region.find(this.generation.control, this.#root, this.#order, this.#tag, key, start, end)
    this.#countExpire(this.#root, entry.flags, 0)
    region.remove(this.generation.control, this.#root)
    this.#freeRecord(region, address)
    entry.address = 0
    if (this.listener.active) this.listener.keyChanged(db, key, start, end, true)
  }

  /** Sets (or with -1 removes) the time to live of the key that the last lookup found. */
  setEntryExpire(db: number, key: Uint8Array, start: number, end: number, expireAtMs: number): void {
    const { entry } = this
    const { region } = entry
    this.counters.enter(this.#shard)
    if (expireAtMs !== -1 && (entry.flags & FLAG_EXPIRE) !== 0) {
      writeTime(region.memory.i32[entry.address >>> 28]!, (byteOffsetOf(entry.address) >>> 2) + 2, expireAtMs)
      entry.expireAtMs = expireAtMs
    } else if (expireAtMs !== -1 || (entry.flags & FLAG_EXPIRE) !== 0) {
      const flags = expireAtMs === -1 ? entry.flags & ~FLAG_EXPIRE : entry.flags | FLAG_EXPIRE
      this.#rebuildEntry(key, start, end, flags, entry.length, expireAtMs)
    }
    if (this.listener.active) this.listener.keyChanged(db, key, start, end)
  }

  /**
   * Makes the string found by the last lookup `length` bytes long (never shorter); new bytes are zeros. The string
   * becomes 'raw'. `entry` follows. Write the new bytes with `writeEntry`.
   */
  growEntry(key: Uint8Array, start: number, end: number, length: number): void {
    const { entry } = this
    const { region } = entry
    assert.ok(length >= entry.length)
    this.counters.enter(this.#shard)
    const flags = entry.flags | FLAG_RAW
    if (entry.isChunked) {
      const nodes = entry.nodes()
      nodes.grow(length)
      writeChunks(region.memory.i32[entry.address >>> 28]!, chunksAt(entry.address, flags), nodes, entry.owner.index)
      this.#setFlags(flags)
      entry.length = length
      entry.root = nodes.root
      return
    }
    const inline = headerBytes(flags) + inlineKeyBytes(entry)
    if (
      inline + length <= BLOCK_BYTES_MAX &&
      Arena.blockBytes(inline + length) === Arena.blockBytes(inline + entry.length)
    ) {
      const words = region.memory.i32[entry.address >>> 28]!
      const at = (byteOffsetOf(entry.address) >>> 2) + 1
      words[at] = (this.#accessedAgain(words[at]! >>> 16) << 16) | length
      entry.bytes.fill(0, entry.start + entry.length, entry.start + length)
      this.#setFlags(flags)
      entry.length = length
      return
    }
    this.#rebuildEntry(key, start, end, flags, length, entry.expireAtMs)
  }

  /** Overwrites bytes of the string found by the last lookup; the range must lie inside it. It becomes 'raw'. */
  writeEntry(offset: number, source: Uint8Array, start: number, end: number): void {
    const { entry } = this
    this.counters.enter(this.#shard)
    assert.ok(offset + (end - start) <= entry.length)
    if (entry.isChunked) {
      const nodes = entry.nodes()
      nodes.write(offset, source, start, end)
    } else copyIntoRegion(entry.region, entry.address >>> 28, entry.start + offset, source, start, end)
    this.#setFlags(entry.flags | FLAG_RAW)
  }

  // ---- packed and large values ------------------------------------------------------------------------------------

  /** Enters the shard of the key that the last lookup looked for: before the first change made in place. */
  enterEntry(): void {
    this.counters.enter(this.#shard)
  }

  /** The region that holds the record of the key last looked up, or will: where blocks of a new value belong. */
  get targetRegion(): RegionWriter {
    return this.generation.regions[regionOf(this.#shard)]!
  }

  /** Opens the large value of `entry`. @param into for whoever needs several at once, or longer than until the next call. */
  openLarge(into: LargeValue = this.#large): LargeValue {
    const { entry } = this
    const words = entry.region.memory.i32[entry.address >>> 28]!
    return into.open(this.generation.regions, this.#lazyFree, entry.rdbType, words, entry.descriptorAt)
  }

  /** What makes values in `targetRegion`; the caller gives the region with `begin`. */
  newBuild(thresholds: EncodingThresholds): ValueBuild {
    return new ValueBuild(this.generation.regions, this.#lazyFree, thresholds)
  }

  /**
   * Replaces bytes [at, at + removed) of the packed value of `entry` by `inserted` bytes, which the caller writes to
   * `entry.bytes[entry.start + at …)` then. The bytes behind move; the record is made anew only when it needs another block.
   * The new length is at most PACKED_BYTES_MAX.
   */
  spliceEntry(key: Uint8Array, start: number, end: number, at: number, removed: number, inserted: number): void {
    const { entry } = this
    const { region, flags } = entry
    const before = entry.length
    const length = before - removed + inserted
    assert.ok(length <= PACKED_BYTES_MAX)
    this.counters.enter(this.#shard)
    const inline = headerBytes(flags) + inlineKeyBytes(entry)
    if (this.#staysInBlock(inline + before, inline + length)) {
      const words = region.memory.i32[entry.address >>> 28]!
      const word = (byteOffsetOf(entry.address) >>> 2) + 1
      words[word] = (this.#accessedAgain(words[word]! >>> 16) << 16) | length
      if (removed !== inserted) {
        const { bytes, start: from } = entry
        moveBytes(bytes, entry.view, from + at + removed, from + before, from + at + inserted)
      }
      entry.length = length
      return
    }
    const address = createRecord(
      region,
      key,
      start,
      end,
      entry.rdbType,
      flags,
      length,
      entry.expireAtMs,
      this.#accessedAgain(this.#accessBits()),
      false,
    )
    const target = region.memory.u8[address >>> 28]!
    const targetView = region.memory.views[address >>> 28]!
    const to = byteOffsetOf(address) + inline
    const { bytes, view, start: from } = entry
    copyBytes(bytes, view, from, from + at, target, targetView, to)
    copyBytes(bytes, view, from + at + removed, from + before, target, targetView, to + at + inserted)
    region.findAgain(this.generation.control, this.#root, this.#order, this.#tag, key, start, end)
    region.repoint(address)
    freeRecordOnly(region, entry.address)
    entry.load(region, this.generation.regions, address)
  }

  /**
   * May the record of `entry`, of so many bytes before and after, stay where it is? A block that has become somewhat too big
   * is kept, because values that change length do so again.
   */
  #staysInBlock(before: number, after: number): boolean {
    if (CLASS_OF_UNITS[(after + 7) >>> 3] === CLASS_OF_UNITS[(before + 7) >>> 3]) return true
    const { region, address } = this.entry
    const room = region.arena.roomOf(address)
    return after <= room && room - after <= room >>> SPARE_ROOM_SHIFT
  }

  /** Says that Redis would hold the packed value of `entry` in its large encoding. */
  setLargeEncoding(): void {
    this.counters.enter(this.#shard)
    this.#setFlags(this.entry.flags | FLAG_LARGE_ENCODING)
  }

  /**
   * Creates or replaces the key that the last lookup looked for with a value in a large form; `entry` follows. The blocks that
   * the descriptor tells of belong to the keyspace from now on, those of the value before are freed. When memory ends, nothing
   * has changed, and the blocks are still the caller's.
   */
  putLarge(
    db: number,
    key: Uint8Array,
    start: number,
    end: number,
    form: number,
    descriptor: Int32Array,
    expireAtMs: number,
  ): void {
    this.counters.enter(this.#shard)
    const { generation, entry } = this
    const region = this.targetRegion
    const words = formOf(form).descriptorWords
    const old = region.find(generation.control, this.#root, this.#order, this.#tag, key, start, end)
    const access =
      old === 0
        ? this.#newAccess()
        : this.#accessedAgain(region.memory.i32[old >>> 28]![(byteOffsetOf(old) >>> 2) + 1]! >>> 16)
    const flags = expireAtMs === -1 ? 0 : FLAG_EXPIRE
    const address = createRecord(
      region,
      key,
      start,
      end,
      form,
      flags,
      descriptorBytes(words),
      expireAtMs,
      access,
      false,
    )
    writeDescriptor(region, address, descriptor, 0, words)
    this.#install(region, this.#root, this.#order, this.#tag, old, address, true)
    entry.load(region, generation.regions, address)
    if (this.listener.active) this.listener.keyChanged(db, key, start, end)
    if (old === 0) this.#created(db, key, start, end)
  }

  /** Creates the key that the last lookup did not find with a zeroed descriptor and no time to live; `entry` follows. */
  createLarge(db: number, key: Uint8Array, start: number, end: number, form: number, bits: number): LargeValue {
    const descriptor = this.#copiedDescriptor.fill(0)
    descriptor[0] = (bits << 8) | this.targetRegion.index
    this.putLarge(db, key, start, end, form, descriptor, -1)
    return this.openLarge()
  }

  /**
   * Creates or replaces a key with a value of any RDB type, as it stands behind a key in a snapshot (strings decoded) and was
   * checked already. @throws ValueFault for what the check did not see.
   */
  putEncoded(
    db: number,
    key: Uint8Array,
    start: number,
    end: number,
    rdbType: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
    expireAtMs: number,
    thresholds: EncodingThresholds,
  ): void {
    if (!hasBuilder(rdbType)) {
      this.put(db, key, start, end, rdbType, 0, value, valueStart, valueEnd, expireAtMs)
      return
    }
    this.lookup(db, key, start, end)
    this.counters.enter(this.#shard)
    const build = this.newBuild(thresholds)
    build.begin(this.targetRegion)
    buildValue(rdbType, value, valueStart, valueEnd, build)
    this.putBuilt(db, key, start, end, build, expireAtMs)
  }

  /** Creates or replaces the key last looked up with what was built in `targetRegion`. */
  putBuilt(db: number, key: Uint8Array, start: number, end: number, build: ValueBuild, expireAtMs: number): void {
    if (build.isLarge) {
      try {
        this.putLarge(db, key, start, end, build.form, build.descriptor, expireAtMs)
      } catch (error) {
        formOf(build.form).free(build.large)
        throw error
      }
      return
    }
    const { form, flags, bytes } = build
    this.putLookedUp(db, key, start, end, form, flags, bytes, build.start, build.end, expireAtMs)
  }

  /** Lets clients that wait for the key look again, without counting as a change (XGROUP DESTROY). */
  entryReady(db: number, key: Uint8Array, start: number, end: number): void {
    if (this.listener.active) this.listener.keyReady?.(db, key, start, end)
  }

  /** Tells listeners of a change made through growEntry/writeEntry or in place. */
  entryChanged(db: number, key: Uint8Array, start: number, end: number): void {
    if (this.listener.active) this.listener.keyChanged(db, key, start, end)
  }

  /**
   * Gives the value, type and TTL of one key to another, replacing what was there; the two may be in different
   * databases. `copy` keeps the source (and copies nodes), otherwise the source is removed and nodes only change hands.
   * @returns false when the source does not exist.
   */
  transplant(
    fromDb: number,
    from: Uint8Array,
    fromStart: number,
    fromEnd: number,
    toDb: number,
    to: Uint8Array,
    toStart: number,
    toEnd: number,
    copy: boolean,
  ): boolean {
    if (!this.lookup(fromDb, from, fromStart, fromEnd)) return false
    const { entry, generation } = this
    const source = entry.region
    const sourceRoot = this.#root
    const sourceOrder = this.#order
    const sourceTag = this.#tag
    hashKey(this.#seed, to, toStart, toEnd)
    const order = hashOrder
    const tag = hashTag
    const targetIndex = shardOf(order)
    const target = generation.regions[regionOf(targetIndex)]!
    const root = generation.rootOf(toDb, targetIndex)
    const sourceAddress = entry.address
    if (root === sourceRoot && target.find(generation.control, root, order, tag, to, toStart, toEnd) === sourceAddress)
      return true
    this.counters.enter(this.#shard)
    this.counters.enter(targetIndex)
    const sourceFlags = entry.flags
    const flags = sourceFlags & (FLAG_RAW | FLAG_EXPIRE)
    const fits = headerBytes(flags) + (toEnd - toStart) + entry.length <= BLOCK_BYTES_MAX
    const large = entry.isLarge
    // The blocks change hands, or those of a large value are copied by its form.
    const chunks = entry.isChunked && !copy && !fits
    const address = createRecord(
      target,
      to,
      toStart,
      toEnd,
      entry.rdbType,
      flags,
      chunks ? BLOCK_BYTES_MAX : entry.length,
      entry.expireAtMs,
      copy ? this.#newAccess() : this.#accessedAgain(this.#accessBits()),
      chunks,
    )
    if (chunks) {
      writeChunks(
        target.memory.i32[address >>> 28]!,
        chunksAt(address, recordFlags(target, address)),
        entry.nodes(),
        entry.owner.index,
      )
    } else if (large) this.#transplantDescriptor(target, address, copy)
    else this.#copyEntryValue(target, address, entry.length)
    const old = target.find(generation.control, root, order, tag, to, toStart, toEnd)
    this.#install(target, root, order, tag, old, address, chunks || (large && !copy))
    if (!copy) {
      // The insert may have moved the source's slot.
      source.find(generation.control, sourceRoot, sourceOrder, sourceTag, from, fromStart, fromEnd)
      source.remove(generation.control, sourceRoot)
      this.#countExpire(sourceRoot, sourceFlags, 0)
      if (chunks || large) freeRecordOnly(source, sourceAddress)
      else this.#freeRecord(source, sourceAddress)
    }
    entry.address = 0
    if (!copy && this.listener.active) this.listener.keyChanged(fromDb, from, fromStart, fromEnd, true)
    if (this.listener.active) this.listener.keyChanged(toDb, to, toStart, toEnd)
    // RENAME and COPY … REPLACE remove the old key first: there is always a new one.
    this.#created(toDb, to, toStart, toEnd)
    return true
  }

  // ---- whole databases ------------------------------------------------------------------------------------------

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

  /** Removes all keys of a database. Memory is freed at once when nothing else is there, else in slices. */
  flushDatabase(db: number): void {
    this.counters.enterAll()
    let others = false
    for (let other = 0; other < this.databaseCount && !others; other++) others = other !== db && this.size(other) > 0
    if (!others) return this.flushAll(db)
    const { generation } = this
    for (let shardIndex = 0; shardIndex < SHARD_COUNT; shardIndex++) {
      const root = generation.rootOf(db, shardIndex)
      const directory = generation.control[root + ROOT_DIRECTORY]!
      if (directory === 0) continue
      this.#lazyFree.addTable(
        generation.regions[regionOf(shardIndex)]!,
        directory,
        generation.control[root + ROOT_DEPTH]!,
      )
      generation.control.fill(0, root, root + ROOT_WORDS)
    }
    this.listener.databaseFlushed(db)
  }

  /** Removes all keys of all databases, in constant time. @param told what listeners hear was flushed; -1: everything. */
  flushAll(told = -1): void {
    this.counters.enterAll()
    const { generation } = this
    if (generation.runBytes > FLUSH_IN_PLACE_BYTES_MAX) {
      this.swapGeneration(this.newGeneration(generation.databaseCount), told)
      return
    }
    this.#lazyFree.clear()
    generation.control.fill(0, generation.roots)
    for (const region of generation.regions) region.arena.reset()
    this.entry.address = 0
    this.listener.databaseFlushed(told)
  }

  /** Exchanges two databases. */
  swapDatabases(first: number, second: number): void {
    this.counters.enterAll()
    const { control } = this.generation
    const table = control[C_DATABASE_MAP + first]!
    control[C_DATABASE_MAP + first] = control[C_DATABASE_MAP + second]!
    control[C_DATABASE_MAP + second] = table
    this.listener.databasesSwapped(first, second)
  }

  /**
   * Another generation takes over: built by a loader, or empty. Readers of the old one are told first, finish in it, and
   * move on; its memory goes back to the system when every thread has let go and collected.
   */
  swapGeneration(next: Generation, told = -1): void {
    const previous = this.generation
    next.control[C_NUMBER] = previous.number + 1
    this.counters.prepare(next)
    for (const listener of this.generationListeners) listener(next)
    // Readers that see this find the next generation already waiting at their port.
    Atomics.store(previous.control, C_RETIRED, 1)
    this.generation = next
    this.counters.use(next)
    this.#lazyFree.clear()
    this.entry.address = 0
    this.listener.databaseFlushed(told)
  }

  /** Takes a generation that a loader has built. */
  adopt(transfer: GenerationTransfer): void {
    this.swapGeneration(new Generation(transfer, this.#segmentBytesMax))
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

  /** Visits all keys of a database. The visitor must not change the keyspace. */
  forEach(db: number, visit: (entry: Entry) => void): void {
    const { entry, generation } = this
    walkTable(generation, db, (region, address) => {
      entry.load(region, generation.regions, address)
      visit(entry)
    })
  }

  /** A random key of a non-empty database becomes `entry`. @param random 0 … 1 @returns false when the database is empty. */
  randomKey(db: number, random: () => number): boolean {
    if (this.size(db) === 0) return false
    const { generation } = this
    // Some neighbours, then one of them: evens out that a gap before a key makes it likelier.
    const wanted = Math.min(RANDOM_NEIGHBOURS, this.size(db))
    const seen: [RegionWriter, number][] = []
    const visit = (region: RegionWriter, address: number): void => {
      seen.push([region, address])
    }
    // A call gives up after some thousand empty pages; the end of the hash order is followed by its beginning.
    for (let cursor = Math.floor(random() * TWO_32); seen.length < wanted;) {
      cursor = scanTable(generation, db, cursor, wanted - seen.length, visit)
    }
    const [region, address] = seen[Math.floor(random() * seen.length)]!
    this.entry.load(region, generation.regions, address)
    return true
  }

  // ---- memory ---------------------------------------------------------------------------------------------------

  /** Bytes that the key found by the last lookup occupies: record, nodes and its share of the table. */
  footprint(): number {
    const { entry } = this
    const record = entry.region.arena.roomOf(entry.address)
    if (entry.isLarge) return record + 8 + formOf(entry.rdbType).footprint(this.openLarge())
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

  /** Bytes of all blocks in use. */
  get usedBytes(): number {
    return this.generation.usedBytes
  }

  /**
   * Frees what waits to be freed, for at most about `milliseconds`. Call outside of units, between commands.
   * @returns true while something is left.
   */
  freeSlice(milliseconds: number): boolean {
    if (this.#lazyFree.pending === 0) return false
    return this.#lazyFree.step(milliseconds)
  }

  get lazyFreePending(): number {
    return this.#lazyFree.pending
  }

  // ---- records --------------------------------------------------------------------------------------------------

  #sum(db: number, word: number): number {
    const { generation } = this
    let sum = 0
    for (let shard = 0; shard < SHARD_COUNT; shard++) sum += generation.control[generation.rootOf(db, shard) + word]!
    return sum
  }

  /**
   * Links a new record in place of `old` (0: none), which is freed; find() has just run for this key in this shard.
   * When memory ends, nothing has changed and the new record is freed (but not nodes that it `borrows`).
   */
  #install(
    region: RegionWriter,
    root: number,
    order: number,
    tag: number,
    old: number,
    address: number,
    borrows: boolean = false,
  ): void {
    const flags = recordFlags(region, address)
    if (old === 0) {
      try {
        region.insert(this.generation.control, root, order, tag, address)
      } catch (error) {
        if (borrows) freeRecordOnly(region, address)
        else this.#freeRecord(region, address)
        throw error
      }
      this.#countExpire(root, 0, flags)
      return
    }
    this.#countExpire(root, recordFlags(region, old), flags)
    region.repoint(address)
    this.#freeRecord(region, old)
  }

  #countExpire(root: number, before: number, after: number): void {
    const change = (after & FLAG_EXPIRE) - (before & FLAG_EXPIRE)
    if (change === 0) return
    const { control } = this.generation
    control[root + ROOT_EXPIRES] = control[root + ROOT_EXPIRES]! + change
  }

  /**
   * Writes the descriptor of the large value of `entry` into a fresh record: the same, or that of a copy. When memory ends,
   * the record is freed.
   */
  #transplantDescriptor(region: RegionWriter, address: number, copy: boolean): void {
    const { rdbType } = this.entry
    const large = this.openLarge()
    const form = formOf(rdbType)
    if (!copy) {
      writeDescriptor(region, address, large.words, large.at, form.descriptorWords)
      return
    }
    const descriptor = this.#copiedDescriptor.fill(0)
    descriptor[0] = (large.bits << 8) | region.index
    try {
      form.copy(large, region, descriptor)
    } catch (error) {
      freeRecordOnly(region, address)
      throw error
    }
    writeDescriptor(region, address, descriptor, 0, form.descriptorWords)
  }

  /**
   * Copies the value of `entry` into a fresh record for `length` bytes (zeros behind the old ones). When memory ends, the
   * record is freed.
   */
  #copyEntryValue(region: RegionWriter, address: number, length: number): void {
    const { entry } = this
    const flags = recordFlags(region, address)
    if ((flags & FLAG_CHUNKED) === 0) {
      const keyInline = region.memory.i32[address >>> 28]![byteOffsetOf(address) >>> 2]! >>> 16
      const at = byteOffsetOf(address) + headerBytes(flags) + keyInline
      const target = region.memory.u8[address >>> 28]!
      entry.copy(0, entry.length, target, at)
      target.fill(0, at + entry.length, at + length)
      return
    }
    const nodes = this.#nodes.open(region, 0, 0)
    try {
      nodes.grow(length)
      let position = 0
      entry.forEachPiece(0, entry.length, (bytes, start, end) => {
        nodes.write(position, bytes, start, end)
        position += end - start
      })
    } catch (error) {
      nodes.freeNodes(0, nodes.nodeCount)
      freeRecordOnly(region, address)
      throw error
    }
    writeChunks(region.memory.i32[address >>> 28]!, chunksAt(address, flags), nodes, region.index)
  }

  /**
   * Replaces the record of `entry` by one with other flags, length (never shorter) or time; `entry` follows. The descriptor of
   * a large value keeps its alignment: headers differ by multiples of eight.
   */
  #rebuildEntry(key: Uint8Array, start: number, end: number, flags: number, length: number, expireAtMs: number): void {
    const { entry } = this
    const { region } = entry
    const before = entry.address
    const movesNodes = entry.isChunked && length === entry.length
    const large = entry.isLarge
    const address = createRecord(
      region,
      key,
      start,
      end,
      entry.rdbType,
      flags,
      length,
      expireAtMs,
      this.#accessedAgain(this.#accessBits()),
      movesNodes,
    )
    if (movesNodes) {
      const at = chunksAt(address, recordFlags(region, address))
      writeChunks(region.memory.i32[address >>> 28]!, at, entry.nodes(), entry.owner.index)
    } else this.#copyEntryValue(region, address, length)
    this.#countExpire(this.#root, entry.flags, flags)
    region.find(this.generation.control, this.#root, this.#order, this.#tag, key, start, end)
    region.repoint(address)
    if (movesNodes || large) freeRecordOnly(region, before)
    else this.#freeRecord(region, before)
    entry.load(region, this.generation.regions, address)
  }

  #setFlags(flags: number): void {
    const { entry } = this
    if (entry.flags === flags) return
    entry.flags = flags
    const words = entry.region.memory.i32[entry.address >>> 28]!
    const at = byteOffsetOf(entry.address) >>> 2
    words[at] = (words[at]! & ~0xff00) | (flags << 8)
  }

  /** Frees a record with its long key and all that its value owns. */
  #freeRecord(region: RegionWriter, address: number): void {
    const { regions } = this.generation
    const rdbType = region.memory.i32[address >>> 28]![byteOffsetOf(address) >>> 2]! & 0xff
    if (rdbType < FORM_FIRST) {
      freePlainRecord(regions, this.#lazyFree, region, address)
      return
    }
    this.#openAt(freedLarge, region, address)
    formOf(rdbType).free(freedLarge)
    freeRecordOnly(region, address)
  }

  /** Opens the large value of a record. */
  #openAt(large: LargeValue, region: RegionWriter, address: number): LargeValue {
    const words = region.memory.i32[address >>> 28]!
    const offset = byteOffsetOf(address)
    const word0 = words[offset >>> 2]!
    const start = offset + headerBytes((word0 >>> 8) & 0xff) + (word0 >>> 16)
    return large.open(this.generation.regions, this.#lazyFree, word0 & 0xff, words, (start + 3) >>> 2)
  }

  /** Refuses a database index that does not exist. */
  checkDatabase(db: number): void {
    if (db < 0 || db >= this.databaseCount) {
      throw new KeyspaceError('KEYSPACE_BAD_DATABASE', `database ${db} is beyond the ${this.databaseCount} configured`)
    }
  }
}

const freedLarge = new LargeValue()
