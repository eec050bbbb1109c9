/**
 * Keys and their records in the hands of the only writer: creating, replacing and removing them, times to live, strings
 * changed in place. The layer of `Keyspace` below values in other forms (`keyspace-values.ts`) and whole databases.
 *
 * Every change happens inside a unit (`begin()` … `end()`) and after its shard was entered. `entry` follows the changes made
 * to the record that it describes.
 */
import { strict as assert } from 'node:assert'
import { BLOCK_BYTES_MAX } from '../limits.ts'
import { Arena } from '../memory/arena.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import { CLASS_OF_UNITS } from '../memory/size-classes.ts'
import { FORM_FIRST } from '../values/form-numbers.ts'
import { formOf } from '../values/forms.ts'
import { LargeValue } from '../values/large-value.ts'
import { accessBitsOf, recordAccessBits, setAccessBits } from './access-bits.ts'
import type { Generation } from './generation.ts'
import { NOTIFY_NEW } from './key-events.ts'
import { hashOrder, hashTag } from './key-hash.ts'
import { type KeyChangeListener, NOBODY_LISTENS } from './key-change-listener.ts'
import { KeyspaceReads } from './keyspace-reads.ts'
import {
  FLAG_CHUNKED,
  FLAG_EXPIRE,
  FLAG_LONG_KEY,
  FLAG_RAW,
  headerBytes,
  ROOT_EXPIRES,
  regionOf,
  shardOf,
  VALUE_LENGTH_BITS,
  VALUE_LENGTH_MASK,
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
  writeTime,
} from './record.ts'
import { freePlainRecord, freeRecordOnly } from './record-free.ts'
import type { RegionWriter } from './region-writer.ts'
import { ShardCounters } from './shard-counters.ts'

export abstract class KeyspaceRecords extends KeyspaceReads {
  declare generation: Generation
  readonly counters: ShardCounters
  listener: KeyChangeListener = NOBODY_LISTENS
  /** Keys that were removed because a client met them after their time. */
  expiredKeys = 0
  /** Keys that were removed to make room. */
  evictedKeys = 0
  /** Do reads count as uses of a key? Not those of a client that asked for that (CLIENT NO-TOUCH). */
  countsReads = true
  /**
   * Changes of keys and whole databases since the start; what a loader brought is none. Whoever compares it before and after a
   * command knows if that changed anything; save points count it.
   */
  dirty = 0

  protected readonly lazyFree: LazyFree = new LazyFree((region, address) => this.freeRecord(region, address))
  readonly #nodes = new NodeValue()
  // Of the last `touchAhead`. As long as no unit has begun since, the records that were met then are where they were.
  #touchedDb = 0
  #touchedUnits = -1

  protected constructor(generation: Generation) {
    super(generation)
    this.counters = new ShardCounters(generation)
  }

  requireWriter(): void {}

  markAccess(): void {
    if (this.countsReads) this.access.mark(this.entry)
  }

  override touchAhead(db: number): void {
    super.touchAhead(db)
    this.#touchedDb = db
    this.#touchedUnits = this.counters.units
  }

  override lookup(db: number, key: Uint8Array, start: number, end: number): boolean {
    const record = this.lookupsAhead.hash(this.generation.seed, key, start, end)
    if (record !== 0 && this.counters.units === this.#touchedUnits && db === this.#touchedDb) {
      if (this.loadRecord(record, hashOrder, hashTag, db, key, start, end)) return true
    }
    return this.lookupHashed(db, hashOrder, hashTag, key, start, end)
  }

  protected override get isAsTouched(): boolean {
    return !this.counters.isOpen
  }

  /** Gives the key of a hash, if it is still there, the access bits that a read in another thread found right (access-marks.ts). */
  markByHash(order: number, tag: number, root: number, bits: number): void {
    const { generation } = this
    const region = generation.regions[regionOf(shardOf(order))]!
    const address = region.findByHash(generation.control, root, order, tag)
    if (address !== 0) setAccessBits(region, address, bits)
  }

  /** Says how `entry` was used before it came here; what the policy does not need is ignored. -1: not told. */
  setAccess(idleSeconds: number, frequency: number): void {
    this.access.set(this.entry, idleSeconds, frequency)
  }

  /** Opens a unit: from here to `end()` readers see nothing or all. */
  begin(): void {
    this.counters.begin()
  }

  end(): void {
    this.counters.end()
  }

  /** Makes a change a part of the unit that is open, or a unit of its own. */
  inUnit(change: () => void): void {
    if (this.counters.isOpen) return change()
    this.begin()
    change()
    this.end()
  }

  /**
   * Creates or replaces a key with a whole value. Whatever was there before (any type, any TTL) is gone.
   * @param rdbType 0 is a string, 11, 16, 17, 18 and 20 are packed values; another type is held as its RDB bytes. Not for
   * values in a large form, nor for bytes of the record that is being replaced.
   * @param flags FLAG_RAW, FLAG_TEXT or 0.
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
    this.lookupsAhead.hash(this.generation.seed, key, keyStart, keyEnd)
    // What the region found last may have been this very key, before a flush.
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
      this.place.order,
      this.place.tag,
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
          CLASS_OF_UNITS[(headerBytes(oldFlags) + keyLength + (words[at + 1]! & VALUE_LENGTH_MASK) + 7) >>> 3]
      ) {
        region.memory.keep(old)
        // Same block: only the value, the flags and the time change.
        words[at] = (keyLength << 16) | (newFlags << 8) | rdbType
        words[at + 1] = (this.access.usedAgain(words[at + 1]! >>> VALUE_LENGTH_BITS) << VALUE_LENGTH_BITS) | valueLength
        if (expireAtMs !== -1) writeTime(words, at + 2, expireAtMs)
        copyIntoRegion(region, old >>> 28, (at << 2) + headerBytes(newFlags) + keyLength, value, valueStart, valueEnd)
        this.changed(db, key, keyStart, keyEnd)
        return
      }
    }
    const clock = old === 0 ? this.access.ofNew() : this.access.usedAgain(recordAccessBits(region, old))
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
    this.install(region, root, order, tag, old, address)
    this.changed(db, key, keyStart, keyEnd)
    if (old === 0) this.created(db, key, keyStart, keyEnd)
  }

  /** Every change of a key ends here. @param gone it is not there any more */
  protected changed(db: number, key: Uint8Array, start: number, end: number, gone: boolean = false): void {
    this.dirty++
    if (this.listener.active) this.listener.keyChanged(db, key, start, end, gone)
  }

  /** Event `new` (redis 7.0 db.c dbAdd()): whatever makes a key where there was none calls this. */
  protected created(db: number, key: Uint8Array, start: number, end: number): void {
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
    const { address } = entry
    const region = entry.region.writer
    this.counters.enter(this.place.shard)
    // Elements may have been looked up in the same region since.
    if (entry.isLarge)
      region.find(this.generation.control, this.place.root, this.place.order, this.place.tag, key, start, end)
    this.countExpire(this.place.root, entry.flags, 0)
    region.remove(this.generation.control, this.place.root)
    this.freeRecord(region, address)
    entry.address = 0
    this.changed(db, key, start, end, true)
  }

  /** Removes the key that the last lookup found because its time has come. That is no change that a command made. */
  expireEntry(db: number, key: Uint8Array, start: number, end: number): void {
    this.expiredKeys++
    this.deleteEntry(db, key, start, end)
    this.dirty--
  }

  /** Removes the key that the last lookup found to make room. That is no change that a command made. */
  evictEntry(db: number, key: Uint8Array, start: number, end: number): void {
    this.evictedKeys++
    this.deleteEntry(db, key, start, end)
    this.dirty--
  }

  /** Sets (or with -1 removes) the time to live of the key that the last lookup found. */
  setEntryExpire(db: number, key: Uint8Array, start: number, end: number, expireAtMs: number): void {
    const { entry } = this
    const region = entry.region.writer
    this.counters.enter(this.place.shard)
    if (expireAtMs !== -1 && (entry.flags & FLAG_EXPIRE) !== 0) {
      region.memory.keep(entry.address)
      writeTime(region.memory.i32[entry.address >>> 28]!, (byteOffsetOf(entry.address) >>> 2) + 2, expireAtMs)
      entry.expireAtMs = expireAtMs
    } else if (expireAtMs !== -1 || (entry.flags & FLAG_EXPIRE) !== 0) {
      const flags = expireAtMs === -1 ? entry.flags & ~FLAG_EXPIRE : entry.flags | FLAG_EXPIRE
      this.rebuildEntry(key, start, end, flags, entry.length, expireAtMs)
    }
    this.changed(db, key, start, end)
  }

  /**
   * Makes the string found by the last lookup `length` bytes long (never shorter); new bytes are zeros. The string
   * becomes 'raw'. `entry` follows. Write the new bytes with `writeEntry`.
   */
  growEntry(key: Uint8Array, start: number, end: number, length: number): void {
    const { entry } = this
    const region = entry.region.writer
    if (length < entry.length) assert.fail('a string is not made shorter')
    this.counters.enter(this.place.shard)
    const flags = entry.flags | FLAG_RAW
    region.memory.keep(entry.address)
    if (entry.isChunked) {
      const nodes = entry.nodes()
      nodes.grow(length)
      writeChunks(region.memory.i32[entry.address >>> 28]!, chunksAt(entry.address, flags), nodes, entry.owner.index)
      this.setFlags(flags)
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
      words[at] = (this.access.usedAgain(words[at]! >>> VALUE_LENGTH_BITS) << VALUE_LENGTH_BITS) | length
      entry.bytes.fill(0, entry.start + entry.length, entry.start + length)
      this.setFlags(flags)
      entry.length = length
      return
    }
    this.rebuildEntry(key, start, end, flags, length, entry.expireAtMs)
  }

  /** Overwrites bytes of the string found by the last lookup; the range must lie inside it. It becomes 'raw'. */
  writeEntry(offset: number, source: Uint8Array, start: number, end: number): void {
    const { entry } = this
    this.counters.enter(this.place.shard)
    if (offset + (end - start) > entry.length) assert.fail('a write beyond the end of a string')
    entry.region.memory.keep(entry.address)
    if (entry.isChunked) {
      const nodes = entry.nodes()
      nodes.write(offset, source, start, end)
    } else copyIntoRegion(entry.region.writer, entry.address >>> 28, entry.start + offset, source, start, end)
    this.setFlags(entry.flags | FLAG_RAW)
  }

  /** Lets clients that wait for the key look again, without counting as a change (XGROUP DESTROY). */
  entryReady(db: number, key: Uint8Array, start: number, end: number): void {
    if (this.listener.active) this.listener.keyReady?.(db, key, start, end)
  }

  /** Tells listeners of a change made through growEntry/writeEntry or in place. */
  entryChanged(db: number, key: Uint8Array, start: number, end: number): void {
    this.changed(db, key, start, end)
  }

  /** A change that the calls above do not see: in the groups of a stream. WATCH does not notice it. */
  countChange(): void {
    this.dirty++
  }

  /**
   * Links a new record in place of `old` (0: none), which is freed; find() has just run for this key in this shard.
   * When memory ends, nothing has changed and the new record is freed (but not nodes that it `borrows`).
   */
  protected install(
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
        else this.freeRecord(region, address)
        throw error
      }
      this.countExpire(root, 0, flags)
      return
    }
    this.countExpire(root, recordFlags(region, old), flags)
    region.repoint(address)
    this.freeRecord(region, old)
  }

  protected countExpire(root: number, before: number, after: number): void {
    const change = (after & FLAG_EXPIRE) - (before & FLAG_EXPIRE)
    if (change === 0) return
    const { control } = this.generation
    control[root + ROOT_EXPIRES] = control[root + ROOT_EXPIRES]! + change
  }

  /**
   * Copies the value of `entry` into a fresh record for `length` bytes (zeros behind the old ones). When memory ends, the
   * record is freed.
   */
  protected copyEntryValue(region: RegionWriter, address: number, length: number): void {
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
  protected rebuildEntry(
    key: Uint8Array,
    start: number,
    end: number,
    flags: number,
    length: number,
    expireAtMs: number,
  ): void {
    const { entry } = this
    const region = entry.region.writer
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
      this.access.usedAgain(accessBitsOf(entry)),
      movesNodes,
    )
    if (movesNodes) {
      const at = chunksAt(address, recordFlags(region, address))
      writeChunks(region.memory.i32[address >>> 28]!, at, entry.nodes(), entry.owner.index)
    } else this.copyEntryValue(region, address, length)
    this.countExpire(this.place.root, entry.flags, flags)
    region.find(this.generation.control, this.place.root, this.place.order, this.place.tag, key, start, end)
    region.repoint(address)
    if (movesNodes || large) freeRecordOnly(region, before)
    else this.freeRecord(region, before)
    entry.load(region, this.generation.regions, address)
  }

  protected setFlags(flags: number): void {
    const { entry } = this
    if (entry.flags === flags) return
    entry.flags = flags
    entry.region.memory.keep(entry.address)
    const words = entry.region.memory.i32[entry.address >>> 28]!
    const at = byteOffsetOf(entry.address) >>> 2
    words[at] = (words[at]! & ~0xff00) | (flags << 8)
  }

  /** Frees a record with its long key and all that its value owns. */
  protected freeRecord(region: RegionWriter, address: number): void {
    const { regions } = this.generation
    const rdbType = region.memory.i32[address >>> 28]![byteOffsetOf(address) >>> 2]! & 0xff
    if (rdbType < FORM_FIRST) {
      freePlainRecord(regions, this.lazyFree, region, address)
      return
    }
    // Freeing empties the descriptor.
    region.memory.keep(address)
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
    return large.open(this.generation.regions, this.lazyFree, word0 & 0xff, words, (start + 3) >>> 2)
  }
}

const freedLarge = new LargeValue()
