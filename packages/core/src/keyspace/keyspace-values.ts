/**
 * Values that are no strings, in the hands of the only writer: editing packed ones in place, creating and replacing large ones,
 * and giving a value of any form to another key. What is inside of a value is changed by its type's own code (values/), after
 * `enterEntry()`.
 */
import { strict as assert } from 'node:assert'
import { BLOCK_BYTES_MAX } from '../limits.ts'
import { roomOf } from '../memory/arena.ts'
import { copyBytes, moveBytes } from '../memory/copy-bytes.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import { CLASS_OF_UNITS } from '../memory/size-classes.ts'
import { buildValue, hasBuilder } from '../values/builders.ts'
import { descriptorBytes, DESCRIPTOR_WORDS_MAX, PACKED_BYTES_MAX } from '../values/form-numbers.ts'
import { formOf } from '../values/forms.ts'
import type { LargeValue } from '../values/large-value.ts'
import type { EncodingThresholds } from '../values/thresholds.ts'
import { ValueBuild } from '../values/value-build.ts'
import { accessBitsOf, recordAccessBits } from './access-bits.ts'
import { hashKey, hashOrder, hashTag } from './key-hash.ts'
import { KeyspaceRecords } from './keyspace-records.ts'
import {
  FLAG_EXPIRE,
  FLAG_LARGE_ENCODING,
  headerBytes,
  regionOf,
  shardOf,
  VALUE_FLAGS,
  VALUE_LENGTH_BITS,
} from './layout.ts'
import { chunksAt, createRecord, inlineKeyBytes, recordFlags, writeChunks, writeDescriptor } from './record.ts'
import { freeRecordOnly } from './record-free.ts'
import type { RegionWriter } from './region-writer.ts'

/**
 * Packed values that change their length will do so again: one that needs a longer block gets an eighth more than it needs, and a
 * block of which no more than a quarter is unused is kept.
 */
const SPARE_ROOM_SHIFT = 3
const KEPT_ROOM_SHIFT = 2
/** A longer block is not taken for the sake of what may come: there the sizes are far apart. */
const ROOM_MAX = 4096

export abstract class KeyspaceValues extends KeyspaceRecords {
  readonly #copiedDescriptor = new Int32Array(DESCRIPTOR_WORDS_MAX)

  /**
   * Enters the shard of the key that the last lookup looked for, and has pins keep its record: before the first change made in
   * place.
   */
  enterEntry(): void {
    this.counters.enter(this.place.shard)
    const { entry } = this
    if (entry.address !== 0) entry.region.memory.keep(entry.address)
  }

  /** The region that holds the record of the key last looked up, or will: where blocks of a new value belong. */
  get targetRegion(): RegionWriter {
    return this.generation.regions[regionOf(this.place.shard)]!
  }

  /** What makes values in `targetRegion`; the caller gives the region with `begin`. */
  newBuild(thresholds: EncodingThresholds): ValueBuild {
    return new ValueBuild(this.generation.regions, this.lazyFree, thresholds)
  }

  /**
   * Replaces bytes [at, at + removed) of the packed value of `entry` by `inserted` bytes, which the caller writes to
   * `entry.bytes[entry.start + at …)` then. The bytes behind move; the record is made anew only when it needs another block.
   * The new length is at most PACKED_BYTES_MAX.
   */
  spliceEntry(key: Uint8Array, start: number, end: number, at: number, removed: number, inserted: number): void {
    const { entry } = this
    const { flags } = entry
    const region = entry.region.writer
    const before = entry.length
    const length = before - removed + inserted
    if (length > PACKED_BYTES_MAX) assert.fail('a packed value is too long')
    this.counters.enter(this.place.shard)
    const inline = headerBytes(flags) + inlineKeyBytes(entry)
    if (this.#staysInBlock(inline + before, inline + length)) {
      region.memory.keep(entry.address)
      const words = region.memory.i32[entry.address >>> 28]!
      const word = (byteOffsetOf(entry.address) >>> 2) + 1
      words[word] = (this.access.usedAgain(words[word]! >>> VALUE_LENGTH_BITS) << VALUE_LENGTH_BITS) | length
      if (removed !== inserted) {
        const { bytes, start: from } = entry
        moveBytes(bytes, entry.view, from + at + removed, from + before, from + at + inserted)
      }
      entry.length = length
      return
    }
    // Header and key stay as they are; a value that grows is likely to grow again.
    const room = inline + length
    const address = region.arena.allocate(length > before ? withSpareRoom(room) : room)
    const target = region.memory.u8[address >>> 28]!
    const targetView = region.memory.views[address >>> 28]!
    const { bytes, view, start: from } = entry
    const to = byteOffsetOf(address) + inline
    copyBytes(bytes, view, from - inline, from + at, target, targetView, to - inline)
    copyBytes(bytes, view, from + at + removed, from + before, target, targetView, to + at + inserted)
    const words = region.memory.i32[address >>> 28]!
    const word = (byteOffsetOf(address) >>> 2) + 1
    words[word] = (this.access.usedAgain(words[word]! >>> VALUE_LENGTH_BITS) << VALUE_LENGTH_BITS) | length
    region.findAgain(this.generation.control, this.place.root, this.place.order, this.place.tag, key, start, end)
    region.repoint(address)
    region.arena.free(entry.address)
    entry.load(region, this.generation.regions, address)
  }

  /**
   * May the record of `entry`, of so many bytes before and after, stay where it is?
   */
  #staysInBlock(before: number, after: number): boolean {
    if (CLASS_OF_UNITS[(after + 7) >>> 3] === CLASS_OF_UNITS[(before + 7) >>> 3]) return true
    const { region, address } = this.entry
    const room = roomOf(region.memory, address)
    return after <= room && room - after <= room >>> KEPT_ROOM_SHIFT
  }

  /** Says that Redis would hold the packed value of `entry` in its large encoding. */
  setLargeEncoding(): void {
    this.counters.enter(this.place.shard)
    this.setFlags(this.entry.flags | FLAG_LARGE_ENCODING)
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
    this.counters.enter(this.place.shard)
    const { generation, entry } = this
    const region = this.targetRegion
    const words = formOf(form).descriptorWords
    const old = region.find(generation.control, this.place.root, this.place.order, this.place.tag, key, start, end)
    const access = old === 0 ? this.access.ofNew() : this.access.usedAgain(recordAccessBits(region, old))
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
    this.install(region, this.place.root, this.place.order, this.place.tag, old, address, true)
    entry.load(region, generation.regions, address)
    this.changed(db, key, start, end)
    if (old === 0) this.created(db, key, start, end)
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
    this.counters.enter(this.place.shard)
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
    const source = entry.region.writer
    const sourceRoot = this.place.root
    const sourceOrder = this.place.order
    const sourceTag = this.place.tag
    hashKey(this.generation.seed, to, toStart, toEnd)
    const order = hashOrder
    const tag = hashTag
    const targetIndex = shardOf(order)
    const target = generation.regions[regionOf(targetIndex)]!
    const root = generation.rootOf(toDb, targetIndex)
    const sourceAddress = entry.address
    if (root === sourceRoot && target.find(generation.control, root, order, tag, to, toStart, toEnd) === sourceAddress)
      return true
    this.counters.enter(this.place.shard)
    this.counters.enter(targetIndex)
    const sourceFlags = entry.flags
    const flags = sourceFlags & (VALUE_FLAGS | FLAG_EXPIRE)
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
      copy ? this.access.ofNew() : this.access.usedAgain(accessBitsOf(entry)),
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
    else this.copyEntryValue(target, address, entry.length)
    const old = target.find(generation.control, root, order, tag, to, toStart, toEnd)
    this.install(target, root, order, tag, old, address, chunks || (large && !copy))
    if (!copy) {
      // The insert may have moved the source's slot.
      source.find(generation.control, sourceRoot, sourceOrder, sourceTag, from, fromStart, fromEnd)
      source.remove(generation.control, sourceRoot)
      this.countExpire(sourceRoot, sourceFlags, 0)
      if (chunks || large) freeRecordOnly(source, sourceAddress)
      else this.freeRecord(source, sourceAddress)
    }
    entry.address = 0
    if (!copy) this.changed(fromDb, from, fromStart, fromEnd, true)
    this.changed(toDb, to, toStart, toEnd)
    // RENAME and COPY … REPLACE remove the old key first: there is always a new one.
    this.created(toDb, to, toStart, toEnd)
    return true
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
}

function withSpareRoom(bytes: number): number {
  return bytes >= ROOM_MAX ? bytes : bytes + (bytes >>> SPARE_ROOM_SHIFT)
}
