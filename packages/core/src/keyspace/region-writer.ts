/**
 * One region as its only writer sees it: the inserts, removals and splits of tables. A table's root is five words at
 * `table[root …]`: of the control block for keys, of a value's descriptor for its elements. Nothing here knows about
 * counters: the keyspace enters the shard before it calls these functions and leaves it after.
 */
import { Arena } from '../memory/arena.ts'
import { byteOffsetOf, type RegionMemory } from '../memory/region-memory.ts'
import { BLOCK_BYTES_MAX, SHARD_BITS } from '../limits.ts'
import type { HashSeed } from './key-hash.ts'
import {
  DIRECTORY_DEPTH_MAX,
  directoryIndex,
  homeSlot,
  PAGE_BYTES,
  PAGE_KEYS_MAX,
  PAGE_KEYS_PLANNED,
  PAGE_SLOTS,
  ROOT_DEPTH,
  ROOT_DIRECTORY,
  ROOT_KEYS,
  ROOT_PAGES,
  ROOT_WORDS_USED,
  SLOT_TAG_BITS,
  SLOT_TAG_MASK,
  WINDOW_BITS,
  windowOf,
  windowStart,
} from './layout.ts'
import { RegionView } from './region-view.ts'
import { isShrinkDue, shrinkTable } from './table-shrink.ts'
import { entryAddress, place, pointEntries } from './table-page.ts'

/** Deepest directory that a hint about the number of keys may cause: 4,096 pages, 16 KiB a shard. */
const HINTED_DEPTH_MAX = 12

export class RegionWriter extends RegionView {
  readonly arena: Arena
  /** Copy of the page being split. */
  readonly #split = new Int32Array(PAGE_SLOTS * 2)

  constructor(memory: RegionMemory, index: number, seed: HashSeed, segmentBytesMax: number) {
    super(memory, index, seed)
    this.arena = new Arena(memory, segmentBytesMax)
  }

  override get writer(): this {
    return this
  }

  /** Prepares an empty table for about `keys` keys in this shard. */
  plan(table: Int32Array, root: number, keys: number): void {
    if (table[root + ROOT_DIRECTORY] !== 0) return
    let depth = 0
    while (depth < HINTED_DEPTH_MAX && 2 ** depth * PAGE_KEYS_PLANNED < keys) depth++
    this.#makeDirectory(table, root, depth)
  }

  /**
   * Adds a slot for a record whose key is not in the table. When the last find() of this region looked for this very key and
   * nothing has changed since, its registers tell the place; otherwise the place is looked for.
   */
  insert(table: Int32Array, root: number, order: number, tag: number, address: number): void {
    const { pageAddress } = this
    if (pageAddress !== 0 && this.soughtOrder === order && this.soughtTag === tag && this.soughtRoot === root) {
      const header = this.pageHeader
      if ((header & 0xffff) < PAGE_KEYS_MAX) {
        const words = this.memory.i32[pageAddress >>> 28]!
        const base = byteOffsetOf(pageAddress) >>> 2
        const at = base + this.slot * 2
        this.memory.keep(pageAddress)
        words[base] = header + 1
        words[at] = (windowOf(order, header >>> 16) << SLOT_TAG_BITS) | (tag & SLOT_TAG_MASK)
        words[at + 1] = address
        table[root + ROOT_KEYS] = table[root + ROOT_KEYS]! + 1
        this.pageAddress = 0
        return
      }
    }
    this.pageAddress = 0
    this.#insertSlowly(table, root, order, tag, address)
  }

  /** Finds or makes room: first key of a page, splits, growth of the directory, overflow. */
  #insertSlowly(table: Int32Array, root: number, order: number, tag: number, address: number): void {
    if (table[root + ROOT_DIRECTORY] === 0) this.#makeDirectory(table, root, 0)
    for (;;) {
      const depth = table[root + ROOT_DEPTH]!
      const directory = table[root + ROOT_DIRECTORY]!
      const entry = (byteOffsetOf(directory) >>> 2) + directoryIndex(order, depth)
      let page = this.memory.i32[directory >>> 28]![entry]!
      if (page === 0) {
        page = this.#makePage(table, root, depth)
        this.memory.keep(entryAddress(directory, directoryIndex(order, depth)))
        this.memory.i32[directory >>> 28]![entry] = page
      }
      const words = this.memory.i32[page >>> 28]!
      const base = byteOffsetOf(page) >>> 2
      const header = words[base]!
      if ((header & 0xffff) < PAGE_KEYS_MAX) {
        this.memory.keep(page)
        words[base] = header + 1
        place(words, base, tag, windowOf(order, header >>> 16), address)
        break
      }
      if (header >>> 16 === DIRECTORY_DEPTH_MAX) {
        this.#insertOverflow(table, root, page, order, tag, address)
        break
      }
      if (header >>> 16 === depth) this.#doubleDirectory(table, root, depth)
      this.#splitPage(table, root, page, order)
    }
    table[root + ROOT_KEYS] = table[root + ROOT_KEYS]! + 1
  }

  /** Points the slot of the last successful find() at another record of the same key. */
  repoint(address: number): void {
    this.memory.keep(this.pageAddress)
    const words = this.memory.i32[this.pageAddress >>> 28]!
    words[(byteOffsetOf(this.pageAddress) >>> 2) + this.slot * 2 + 1] = address
  }

  /** Removes the slot of the last successful find(). The record itself is the caller's to free. */
  remove(table: Int32Array, root: number): void {
    const { pageAddress } = this
    this.memory.keep(pageAddress)
    const words = this.memory.i32[pageAddress >>> 28]!
    const base = byteOffsetOf(pageAddress) >>> 2
    // Backward shift: entries behind the hole move up when their home does not lie after it.
    let hole = this.slot
    let next = hole
    for (;;) {
      next = next === PAGE_SLOTS - 1 ? 1 : next + 1
      if (next === this.slot || words[base + next * 2 + 1] === 0) break
      const home = homeSlot(words[base + next * 2]!)
      // Distance from home to the entry, and from the hole to the entry, along the probe order (127 slots).
      const fromHome = next >= home ? next - home : next - home + PAGE_SLOTS - 1
      const fromHole = next >= hole ? next - hole : next - hole + PAGE_SLOTS - 1
      if (fromHome >= fromHole) {
        words[base + hole * 2] = words[base + next * 2]!
        words[base + hole * 2 + 1] = words[base + next * 2 + 1]!
        hole = next
      }
    }
    words[base + hole * 2] = 0
    words[base + hole * 2 + 1] = 0
    const header = words[base]! - 1
    words[base] = header
    table[root + ROOT_KEYS] = table[root + ROOT_KEYS]! - 1
    // Entries have moved: an insert that follows has to look for its place itself.
    this.pageAddress = 0
    if (isShrinkDue(header)) shrinkTable(this, table, root, this.soughtOrder)
  }

  /** Frees directory and pages of a table (not its records) and leaves it empty. */
  dropTable(table: Int32Array, root: number): void {
    this.pageAddress = 0
    const directory = table[root + ROOT_DIRECTORY]!
    if (directory === 0) return
    const depth = table[root + ROOT_DEPTH]!
    let last = 0
    for (let i = 0; i < 2 ** depth; i++) {
      let page = this.memory.i32[directory >>> 28]![(byteOffsetOf(directory) >>> 2) + i]!
      if (page === last) continue
      last = page
      while (page !== 0) {
        const next = this.memory.i32[page >>> 28]![(byteOffsetOf(page) >>> 2) + 1]!
        this.arena.free(page)
        page = next
      }
    }
    this.freeDirectory(directory, depth)
    table.fill(0, root, root + ROOT_WORDS_USED)
  }

  #makeDirectory(table: Int32Array, root: number, depth: number): void {
    const directory = this.allocateDirectory(depth)
    table[root + ROOT_DIRECTORY] = directory
    table[root + ROOT_DEPTH] = depth
  }

  /** A zeroed block or span for a directory. */
  allocateDirectory(depth: number): number {
    const bytes = Math.max(16, 2 ** depth * 4)
    if (bytes > BLOCK_BYTES_MAX) return this.arena.allocateSpan(bytes)
    const directory = this.arena.allocate(bytes)
    const at = byteOffsetOf(directory) >>> 2
    this.memory.i32[directory >>> 28]!.fill(0, at, at + (bytes >>> 2))
    return directory
  }

  /** Gives the block or span of a directory back. */
  freeDirectory(directory: number, depth: number): void {
    if (2 ** depth * 4 > BLOCK_BYTES_MAX) this.arena.freeSpan(directory)
    else this.arena.free(directory)
  }

  #doubleDirectory(table: Int32Array, root: number, depth: number): void {
    const from = table[root + ROOT_DIRECTORY]!
    const to = this.allocateDirectory(depth + 1)
    const source = this.memory.i32[from >>> 28]!
    const target = this.memory.i32[to >>> 28]!
    let sourceAt = byteOffsetOf(from) >>> 2
    let targetAt = byteOffsetOf(to) >>> 2
    for (let i = 2 ** depth; i > 0; i--) {
      const page = source[sourceAt++]!
      target[targetAt++] = page
      target[targetAt++] = page
    }
    this.freeDirectory(from, depth)
    table[root + ROOT_DIRECTORY] = to
    table[root + ROOT_DEPTH] = depth + 1
  }

  #makePage(table: Int32Array, root: number, depth: number): number {
    const page = this.arena.allocate(PAGE_BYTES)
    const at = byteOffsetOf(page) >>> 2
    const words = this.memory.i32[page >>> 28]!
    words.fill(0, at, at + PAGE_SLOTS * 2)
    words[at] = depth << 16
    table[root + ROOT_PAGES] = table[root + ROOT_PAGES]! + 1
    return page
  }

  /** Parts the page that `order` leads to by one more bit of the hash. The directory is already deeper than the page. */
  #splitPage(table: Int32Array, root: number, page: number, order: number): void {
    const upper = this.#makePage(table, root, 0)
    this.memory.keep(page)
    const words = this.memory.i32[page >>> 28]!
    const base = byteOffsetOf(page) >>> 2
    const upperWords = this.memory.i32[upper >>> 28]!
    const upperBase = byteOffsetOf(upper) >>> 2
    const copy = this.#split
    copy.set(words.subarray(base, base + PAGE_SLOTS * 2))
    const depth = copy[0]! >>> 16
    const newWindow = windowStart(depth + 1) !== windowStart(depth)
    const bit = 1 << (WINDOW_BITS - 1 - (depth - windowStart(depth)))
    words.fill(0, base, base + PAGE_SLOTS * 2)
    let lowerCount = 0
    let upperCount = 0
    for (let slot = 1; slot < PAGE_SLOTS; slot++) {
      const address = copy[slot * 2 + 1]!
      if (address === 0) continue
      const tag = copy[slot * 2]!
      const window = tag >>> SLOT_TAG_BITS
      const next = newWindow ? windowOf(this.orderOf(address), depth + 1) : window
      if ((window & bit) === 0) {
        lowerCount++
        place(words, base, tag, next, address)
      } else {
        upperCount++
        place(upperWords, upperBase, tag, next, address)
      }
    }
    words[base] = ((depth + 1) << 16) | lowerCount
    upperWords[upperBase] = ((depth + 1) << 16) | upperCount
    pointEntries(this, table, root, upperOrder(order, depth), depth + 1, upper)
  }

  #insertOverflow(table: Int32Array, root: number, first: number, order: number, tag: number, address: number): void {
    let page = first
    for (;;) {
      const next = this.memory.i32[page >>> 28]![(byteOffsetOf(page) >>> 2) + 1]!
      if (next === 0) {
        const added = this.#makePage(table, root, DIRECTORY_DEPTH_MAX)
        this.memory.keep(page)
        this.memory.i32[page >>> 28]![(byteOffsetOf(page) >>> 2) + 1] = added
        page = added
      } else page = next
      const words = this.memory.i32[page >>> 28]!
      const base = byteOffsetOf(page) >>> 2
      if ((words[base]! & 0xffff) >= PAGE_KEYS_MAX) continue
      this.memory.keep(page)
      words[base] = words[base]! + 1
      place(words, base, tag, windowOf(order, DIRECTORY_DEPTH_MAX), address)
      return
    }
  }
}

/** `order` with the bit set by which a page of this depth is parted. */
function upperOrder(order: number, depth: number): number {
  return order | (1 << (31 - SHARD_BITS - depth))
}
