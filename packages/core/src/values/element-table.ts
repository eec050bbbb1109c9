/**
 * The elements of one large hash, set or sorted set: a table as that of a database (keyspace/layout.ts), whose root stands in
 * the value's descriptor. An element is a record: key = field or member, value = the field's value or the member's score,
 * FLAG_EXPIRE = a field's time to live; long fields and values are in nodes of the same region.
 *
 * One instance is a cursor that is opened on a value; it owns nothing. `insert`, `setValue` and `remove` refer to the element
 * of the last `find`, with nothing else done in that region in between.
 */
import { NO_WORDS, noteViewHolder, type ViewHolder } from '../memory/view-holders.ts'
import { BLOCK_BYTES_MAX } from '../limits.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import { CLASS_OF_UNITS } from '../memory/size-classes.ts'
import { Arena } from '../memory/arena.ts'
import type { BlockMover } from '../memory/block-mover.ts'
import { Entry } from '../keyspace/entry.ts'
import { hashKey, hashOrder, hashTag } from '../keyspace/key-hash.ts'
import {
  FLAG_CHUNKED,
  FLAG_EXPIRE,
  FLAG_LONG_KEY,
  headerBytes,
  PAGE_BYTES,
  ROOT_DEPTH,
  ROOT_DIRECTORY,
  ROOT_EXPIRES,
  ROOT_KEYS,
  ROOT_PAGES,
  ROOT_WORDS_USED,
} from '../keyspace/layout.ts'
import type { LazyFree } from '../keyspace/lazy-free.ts'
import { NodeValue } from '../keyspace/node-value.ts'
import {
  copyIntoRegion,
  createInlineRecord,
  createRecord,
  fillValue,
  INLINE_KEY_BYTES_MAX,
  inlineKeyBytes,
  recordFlags,
  writeTime,
} from '../keyspace/record.ts'
import { freePlainRecord, freeRecordOnly } from '../keyspace/record-free.ts'
import type { RegionView } from '../keyspace/region-view.ts'
import type { RegionWriter } from '../keyspace/region-writer.ts'
import { drawRecord } from '../keyspace/random-record.ts'
import { scanElements, walkPages, walkRecords } from '../keyspace/scan.ts'
import type { TableWalk } from '../keyspace/table-walk.ts'
import { moveChunks, moveDirectory, moveLongKey, movePage } from '../keyspace/table-move.ts'
import type { LargeValue } from './large-value.ts'

/** Tables with more elements are freed in slices. */
const FREED_AT_ONCE = 128

/** Words of a root of elements in a descriptor. */
export const ELEMENT_ROOT_WORDS: number = ROOT_WORDS_USED

export class ElementTable implements ViewHolder {
  /** What `find` and its like loaded. */
  readonly element: Entry = new Entry()
  region!: RegionView
  #regions!: readonly RegionView[]
  #lazyFree!: LazyFree
  /** The root is at `#words[#root …]`. */
  #words!: Int32Array
  #root = 0
  // Of the last find.
  #order = 0
  #tag = 0

  constructor() {
    noteViewHolder(this)
  }

  letGo(): void {
    this.#words = NO_WORDS
  }

  /** @param root offset of the root in the descriptor, in words. */
  open(value: LargeValue, root: number): this {
    this.region = value.region
    this.#regions = value.regions
    this.#lazyFree = value.lazyFree
    this.#words = value.words
    this.#root = value.at + root
    return this
  }

  get count(): number {
    return this.#words[this.#root + ROOT_KEYS]!
  }

  /** Elements with a time to live. */
  get expires(): number {
    return this.#words[this.#root + ROOT_EXPIRES]!
  }

  /** Prepares an empty table for so many elements. A hint. */
  plan(count: number): void {
    this.region.writer.plan(this.#words, this.#root, count)
  }

  /** Finds an element; `element` describes it then. */
  find(bytes: Uint8Array, start: number, end: number): boolean {
    const { region } = this
    hashKey(region.seed, bytes, start, end)
    this.#order = hashOrder
    this.#tag = hashTag
    const address = region.find(this.#words, this.#root, hashOrder, hashTag, bytes, start, end)
    if (address === 0) return false
    this.element.load(region, this.#regions, address)
    return true
  }

  /**
   * Adds the element that the last find, for this very name, did not find. @param expireAtMs -1 for none.
   * @returns the record's address. When memory ends, nothing has changed.
   */
  insert(
    bytes: Uint8Array,
    start: number,
    end: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
    expireAtMs: number,
  ): number {
    const region = this.region.writer
    const address = this.#makeRecord(bytes, start, end, value, valueStart, valueEnd, expireAtMs)
    try {
      region.insert(this.#words, this.#root, this.#order, this.#tag, address)
    } catch (error) {
      freePlainRecord(this.#regions, this.#lazyFree, region, address)
      throw error
    }
    if (expireAtMs !== -1) this.#countExpires(1)
    return address
  }

  /**
   * Gives the element that the last find found another value. The record stays where it is while its block has room.
   * @returns its address. When memory ends, nothing has changed.
   */
  setValue(
    bytes: Uint8Array,
    start: number,
    end: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
    expireAtMs: number,
  ): number {
    const { element } = this
    const region = this.region.writer
    const { address } = element
    const length = valueEnd - valueStart
    const flags = expireAtMs === -1 ? 0 : FLAG_EXPIRE
    const before = element.flags
    if (before === flags) {
      const inline = headerBytes(flags) + (end - start)
      if (
        inline + length <= BLOCK_BYTES_MAX &&
        CLASS_OF_UNITS[(inline + length + 7) >>> 3] === CLASS_OF_UNITS[(inline + element.length + 7) >>> 3]
      ) {
        const words = region.memory.i32[address >>> 28]!
        const at = byteOffsetOf(address) >>> 2
        region.memory.keep(address)
        words[at + 1] = length
        if (expireAtMs !== -1) writeTime(words, at + 2, expireAtMs)
        copyIntoRegion(region, address >>> 28, element.start, value, valueStart, valueEnd)
        element.length = length
        element.expireAtMs = expireAtMs
        return address
      }
    }
    const made = this.#makeRecord(bytes, start, end, value, valueStart, valueEnd, expireAtMs)
    region.repoint(made)
    this.#countExpires((flags & FLAG_EXPIRE) - (before & FLAG_EXPIRE))
    freePlainRecord(this.#regions, this.#lazyFree, region, address)
    element.load(region, this.#regions, made)
    return made
  }

  /** Removes the element that the last find found. */
  remove(): void {
    const { element } = this
    const region = this.region.writer
    region.remove(this.#words, this.#root)
    this.#countExpires(-(element.flags & FLAG_EXPIRE))
    freePlainRecord(this.#regions, this.#lazyFree, region, element.address)
    element.address = 0
  }

  /** `element` becomes the one whose record is at `address`. */
  loadElement(address: number): Entry {
    this.element.load(this.region, this.#regions, address)
    return this.element
  }

  /**
   * Finds the element at `address` (of `random()`, `scan()` …) again by its own name, so that it can be removed.
   */
  findLoaded(): boolean {
    const { element } = this
    if ((element.flags & FLAG_LONG_KEY) !== 0) {
      const key = element.keyToBuffer()
      return this.find(key, 0, key.length)
    }
    return this.find(element.bytes, element.start - element.keyLength, element.start)
  }

  /**
   * Visits about `count` elements from `cursor` on, in order of the hash. The visitor must not change the table.
   * @returns the next cursor (below 2^32), 0 at the end.
   */
  scan(cursor: number, count: number, visit: (element: Entry) => void): number {
    return scanElements(this.region, this.#words, this.#root, cursor, count, (address) =>
      visit(this.loadElement(address)),
    )
  }

  /** Visits all elements. The visitor must not change the table. */
  forEach(visit: (element: Entry) => void): void {
    walkRecords(this.region, this.#words, this.#root, (address) => visit(this.loadElement(address)))
  }

  /** Goes on with a walk, in the order of `forEach`: a page at a time. @param visit says false to be shown the element again. */
  walk(walk: TableWalk, visit: (element: Entry) => boolean): void {
    walk.next(this.region, this.#words, this.#root, (address) => visit(this.loadElement(address)))
  }

  /**
   * A random element, all equally likely, becomes `element`. @param random 0 … 1
   * @returns false when there is none.
   */
  random(random: () => number): boolean {
    if (this.count === 0) return false
    let chosen = drawRecord(this.region, this.#words, this.#root, random)
    if (chosen !== 0) {
      this.loadElement(chosen)
      return true
    }
    // Nearly empty: one of them all.
    let left = Math.floor(random() * this.count)
    walkRecords(this.region, this.#words, this.#root, (address) => {
      if (left-- === 0) chosen = address
    })
    this.loadElement(chosen)
    return true
  }

  /** Bytes of all blocks; estimated when there are more than `samples` elements. */
  footprint(samples: number): number {
    const { count } = this
    if (this.#words[this.#root + ROOT_DIRECTORY] === 0) return 0
    const tableBytes =
      this.#words[this.#root + ROOT_PAGES]! * PAGE_BYTES + Math.max(16, 2 ** this.#words[this.#root + ROOT_DEPTH]! * 4)
    let bytes = 0
    let measured = 0
    this.scan(0, samples, (element) => {
      measured++
      bytes += recordFootprint(element)
    })
    return tableBytes + (measured === 0 ? 0 : Math.round((bytes / measured) * count))
  }

  /**
   * Copies all elements into a new table in `target`, whose root is zeroed at `words[root …]`. When memory ends, the root
   * describes what was copied so far.
   */
  copyTo(target: RegionWriter, words: Int32Array, root: number): void {
    const { region, count } = this
    target.plan(words, root, count)
    walkRecords(region, this.#words, this.#root, (address) => {
      const element = this.loadElement(address)
      region.orderOf(address)
      const order = hashOrder
      const tag = hashTag
      const copied = copyElement(element, target)
      target.pageAddress = 0
      try {
        target.insert(words, root, order, tag, copied)
      } catch (error) {
        freePlainRecord(this.#regions, this.#lazyFree, target, copied)
        throw error
      }
      if ((element.flags & FLAG_EXPIRE) !== 0) words[root + ROOT_EXPIRES] = words[root + ROOT_EXPIRES]! + 1
    })
  }

  /** Frees all elements and the table: at once if they are few, else in slices. The root must not be used afterwards. */
  free(): void {
    const region = this.region.writer
    const words = this.#words
    const root = this.#root
    const directory = words[root + ROOT_DIRECTORY]!
    if (directory === 0) return
    if (this.count > FREED_AT_ONCE) {
      this.#lazyFree.addTable(region, directory, words[root + ROOT_DEPTH]!)
      words.fill(0, root, root + ROOT_WORDS_USED)
      return
    }
    walkRecords(region, words, root, (address) => freePlainRecord(this.#regions, this.#lazyFree, region, address))
    region.dropTable(words, root)
  }

  /**
   * Moves one page and what it holds out of segments that are being evacuated; at position 0 the directory as well.
   * @param withElements false: the records are moved by somebody else, who calls `moveElement`.
   * @returns the position behind the page (`position` again when the mover was exhausted), TABLE_POSITIONS at the end.
   */
  movePage(position: number, mover: BlockMover, withElements: boolean): number {
    if (position === 0) moveDirectory(this.#words, this.#root, mover)
    const next = movePage(this.region, this.#words, this.#root, position, mover, (address) =>
      withElements ? this.#moveRecord(address, mover) : address,
    )
    return mover.isExhausted ? position : next
  }

  /** Moves the element whose record is at `address`, for whoever else points to it. @returns where it is now. */
  moveElement(address: number, mover: BlockMover): number {
    if (mover.concerns(address)) {
      this.loadElement(address)
      this.findLoaded()
    }
    const moved = this.#moveRecord(address, mover)
    if (moved !== address) this.region.writer.repoint(moved)
    return moved
  }

  #moveRecord(address: number, mover: BlockMover): number {
    const moved = mover.move(address)
    moveLongKey(this.region, moved, 0, mover)
    moveChunks(this.region, this.region, moved, 0, mover)
    return moved
  }

  /** Shows every block with the bytes that were asked for. */
  visitBlocks(visit: (address: number, bytes: number) => void): void {
    const { region } = this
    const directory = this.#words[this.#root + ROOT_DIRECTORY]!
    if (directory === 0) return
    visit(directory, Math.max(16, 2 ** this.#words[this.#root + ROOT_DEPTH]! * 4))
    walkPages(region, this.#words, this.#root, (page) => visit(page, PAGE_BYTES))
    walkRecords(region, this.#words, this.#root, (address) => visitRecordBlocks(this.loadElement(address), visit))
  }

  #countExpires(change: number): void {
    if (change !== 0) this.#words[this.#root + ROOT_EXPIRES] = this.#words[this.#root + ROOT_EXPIRES]! + change
  }

  #makeRecord(
    bytes: Uint8Array,
    start: number,
    end: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
    expireAtMs: number,
  ): number {
    const region = this.region.writer
    const flags = expireAtMs === -1 ? 0 : FLAG_EXPIRE
    const length = valueEnd - valueStart
    const inline = headerBytes(flags) + (end - start) + length
    if (inline <= BLOCK_BYTES_MAX && end - start <= INLINE_KEY_BYTES_MAX) {
      return createInlineRecord(region, inline, bytes, start, end, 0, flags, value, valueStart, valueEnd, expireAtMs, 0)
    }
    const address = createRecord(region, bytes, start, end, 0, flags, length, expireAtMs, 0, false)
    try {
      fillValue(region, address, value, valueStart, valueEnd)
    } catch (error) {
      freeRecordOnly(region, address)
      throw error
    }
    return address
  }
}

function recordFootprint(element: Entry): number {
  const inlineValue = element.isChunked ? 0 : element.length
  const record = Arena.blockBytes(headerBytes(element.flags) + inlineKeyBytes(element) + inlineValue)
  return record + (element.isChunked ? element.nodes().footprint() : 0)
}

/** A record in `target` with the key, value and time of `element`. */
function copyElement(element: Entry, target: RegionWriter): number {
  if ((element.flags & (FLAG_CHUNKED | FLAG_LONG_KEY)) === 0) {
    const bytes = headerBytes(element.flags) + element.keyLength + element.length
    const address = target.arena.allocate(bytes)
    const from = byteOffsetOf(element.address)
    copyIntoRegion(target, address >>> 28, byteOffsetOf(address), element.bytes, from, from + bytes)
    return address
  }
  const key = element.keyToBuffer()
  const value = element.toBuffer()
  const flags = element.flags & FLAG_EXPIRE
  const address = createRecord(target, key, 0, key.length, 0, flags, value.length, element.expireAtMs, 0, false)
  try {
    fillValue(target, address, value, 0, value.length)
  } catch (error) {
    freeRecordOnly(target, address)
    throw error
  }
  return address
}

const keyNodes = new NodeValue()

/** Shows the blocks of one element. */
function visitRecordBlocks(element: Entry, visit: (address: number, bytes: number) => void): void {
  const { region, address } = element
  const flags = recordFlags(region, address)
  const inlineValue = element.isChunked ? 0 : element.length
  visit(address, headerBytes(flags) + inlineKeyBytes(element) + inlineValue)
  if ((flags & FLAG_LONG_KEY) !== 0) {
    const at = (byteOffsetOf(address) + headerBytes(flags & FLAG_EXPIRE)) >>> 2
    const words = region.memory.i32[address >>> 28]!
    keyNodes.open(region, words[at + 1]!, words[at]! >>> 0).visitBlocks(visit)
  }
  if (element.isChunked) element.nodes().visitBlocks(visit)
}
