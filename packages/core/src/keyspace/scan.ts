/**
 * Walking a table in the order of the hash: SCAN, KEYS, RANDOMKEY, digests.
 *
 * A cursor is a position in hash order, below 2^33: the smallest `hashOrder` (as uint32) not yet visited; 0 begins and
 * ends. A key's position never changes (one seed per process), so splitting pages, growing directories and even a swap
 * of generations neither repeat nor lose a key that is there throughout. Keys of equal hash are never parted.
 */
import { strict as assert } from 'node:assert'
import { byteOffsetOf } from '../memory/region-memory.ts'
import { SHARD_BITS, SHARD_COUNT } from '../limits.ts'
import type { GenerationLayout } from './generation.ts'
import {
  directoryIndex,
  PAGE_SLOTS,
  ROOT_DEPTH,
  ROOT_DIRECTORY,
  ROOT_KEYS,
  regionOf,
  SLOT_TAG_BITS,
  WINDOW_BITS,
  windowOf,
  windowStart,
} from './layout.ts'
import { checkRead, confirmRead } from './read-guard.ts'
import type { RegionView } from './region-view.ts'

/** Pages without a key that one call passes over before it answers with what it has. */
const EMPTY_PAGES_MAX = 4096
/** Positions of a cursor. */
export const ORDER_SPAN: number = 2 ** 32
const SHARD_SPAN: number = 2 ** (32 - SHARD_BITS)

/** Entries of one page and its overflow that can be told apart: with a position of 32 bits an index of 21 makes an exact number. */
const INDEX_SPAN: number = 2 ** 21

// Entries of the page at hand, sorted by position: position * INDEX_SPAN + index into the addresses.
let sorted = new Float64Array(PAGE_SLOTS)
let addresses = new Int32Array(PAGE_SLOTS)
/** They are all of the page from the position on. */
let isWholePage = false

/** The windows that are looked at would have so many times the keys that are wanted if all had the same number. */
const MORE_THAN_WANTED = 1.5
/** So many are sorted faster by insertion than by the engine's sort, which is called for more. */
const INSERTED_MAX = 32

/**
 * Visits about `count` records of `db` from `cursor` on, in order of the hash.
 * @param visit called with region and record address; must not change the table.
 * @param wanted the count of a root, ROOT_KEYS or ROOT_EXPIRES, without which a shard is passed over.
 * @returns the next cursor, 0 at the end.
 */
export function scanTable(
  generation: GenerationLayout,
  db: number,
  cursor: number,
  count: number,
  visit: (region: RegionView, address: number) => void,
  wanted: number = ROOT_KEYS,
): number {
  let position = cursor
  let visited = 0
  let emptyPages = 0
  while (position < ORDER_SPAN && visited < count && emptyPages < EMPTY_PAGES_MAX) {
    const shardIndex = Math.floor(position / SHARD_SPAN)
    const region = generation.regions[regionOf(shardIndex)]!
    const root = generation.rootOf(db, shardIndex)
    if (generation.control[root + wanted] === 0) {
      position = (shardIndex + 1) * SHARD_SPAN
      continue
    }
    const depth = generation.control[root + ROOT_DEPTH]!
    const directory = generation.control[root + ROOT_DIRECTORY]!
    const order = position | 0
    const entry = directoryIndex(order, depth)
    const page = region.local(region.directoryEntry(directory, entry))
    const localDepth = page === 0 ? depth : region.memory.i32[page >>> 28]![byteOffsetOf(page) >>> 2]! >>> 16
    const pageSpan = SHARD_SPAN / 2 ** localDepth
    const pageEnd = (Math.floor(position / pageSpan) + 1) * pageSpan
    const left = count - visited
    const found = page === 0 ? 0 : sortPage(region, page, localDepth, order, position, 0, left)
    if (found === 0) emptyPages++
    const met = visitSorted(found, left, (address) => visit(region, address))
    visited += met
    position = positionBehind(met, found, pageEnd)
  }
  return position >= ORDER_SPAN ? 0 : position
}

/**
 * As `scanTable` for the table of a value's elements, whose root stands at `table[root …]`: it has no shards, so positions
 * are the bits of `hashOrder` below the shard's, in the upper bits of a cursor below 2^32.
 */
export function scanElements(
  region: RegionView,
  table: Int32Array,
  root: number,
  cursor: number,
  count: number,
  visit: (address: number) => void,
): number {
  const directory = table[root + ROOT_DIRECTORY]!
  let position = cursor
  let visited = 0
  let emptyPages = 0
  if (directory === 0) return 0
  const depth = table[root + ROOT_DEPTH]!
  while (position < ORDER_SPAN && visited < count && emptyPages < EMPTY_PAGES_MAX) {
    const order = position >>> SHARD_BITS
    const entry = directoryIndex(order, depth)
    const page = region.local(region.directoryEntry(directory, entry))
    const localDepth = page === 0 ? depth : region.memory.i32[page >>> 28]![byteOffsetOf(page) >>> 2]! >>> 16
    const pageSpan = ORDER_SPAN / 2 ** localDepth
    const pageEnd = (Math.floor(position / pageSpan) + 1) * pageSpan
    const left = count - visited
    const found = page === 0 ? 0 : sortPage(region, page, localDepth, order, position, SHARD_BITS, left)
    if (found === 0) emptyPages++
    const met = visitSorted(found, left, visit)
    visited += met
    position = positionBehind(met, found, pageEnd)
  }
  return position >= ORDER_SPAN ? 0 : position
}

/** Visits sorted entries until there were `wanted`, and all that have the position of the last one. @returns how many */
function visitSorted(found: number, wanted: number, visit: (address: number) => void): number {
  let met = 0
  while (met < found && (met < wanted || positionOf(met) === positionOf(met - 1))) {
    visit(addresses[sorted[met]! % INDEX_SPAN]!)
    met++
  }
  return met
}

/** Where to go on when the first `met` of the sorted entries were visited. */
function positionBehind(met: number, found: number, pageEnd: number): number {
  const isDone = found === 0 || (met === found && isWholePage)
  return isDone ? pageEnd : positionOf(met - 1) + 1
}

/** Of the sorted entry `i`. */
function positionOf(i: number): number {
  return Math.floor(sorted[i]! / INDEX_SPAN)
}

/**
 * Collects the first entries of a page (and its overflow) from a position on, sorted by it: at least `wanted` of them, or all. An entry's window is a part
 * of its position, and is told without a look at its key: keys are looked at in as many windows only as probably have enough.
 *
 * @param region and `first` the page, whose local depth is `depth`.
 * @param from the position, of a key of the order `order`. Positions are hashOrder shifted by `shift`.
 */
function sortPage(
  region: RegionView,
  first: number,
  depth: number,
  order: number,
  from: number,
  shift: number,
  wanted: number,
): number {
  const fromWindow = windowOf(order, depth)
  // The windows of a page are those that have its bits of the directory in common.
  const others = 2 ** Math.max(0, WINDOW_BITS - (depth - windowStart(depth))) - 1
  const lastWindow = fromWindow | others
  const keys = region.memory.i32[first >>> 28]![byteOffsetOf(first) >>> 2]! & 0xffff
  let windows = Math.ceil(((others + 1) * wanted * MORE_THAN_WANTED) / Math.max(1, keys))
  for (;;) {
    const toWindow = Math.min(fromWindow + windows, lastWindow)
    const found = collectWindows(region, first, fromWindow, toWindow, from, shift)
    if (found >= wanted || toWindow === lastWindow) {
      sortFound(found)
      isWholePage = toWindow === lastWindow
      return found
    }
    windows *= 4
  }
}

/** Looks at the keys of these windows. @returns how many lie at `from` or behind */
function collectWindows(
  region: RegionView,
  first: number,
  fromWindow: number,
  toWindow: number,
  from: number,
  shift: number,
): number {
  let found = 0
  for (let page = first; page !== 0;) {
    checkRead()
    const words = region.memory.i32[page >>> 28]!
    const base = byteOffsetOf(page) >>> 2
    for (let slot = 1; slot < PAGE_SLOTS; slot++) {
      const address = words[base + slot * 2 + 1]!
      const window = words[base + slot * 2]! >>> SLOT_TAG_BITS
      if (address === 0 || window < fromWindow || window > toWindow) continue
      const position = (region.orderOf(address) << shift) >>> 0
      if (position < from) continue
      if (found === addresses.length) growSortBuffers()
      addresses[found] = address
      sorted[found] = position * INDEX_SPAN + found
      found++
    }
    page = region.local(words[base + 1]!)
  }
  return found
}

function sortFound(found: number): void {
  if (found > INSERTED_MAX) {
    sorted.subarray(0, found).sort()
    return
  }
  for (let i = 1; i < found; i++) {
    const each = sorted[i]!
    let at = i
    for (; at > 0 && sorted[at - 1]! > each; at--) sorted[at] = sorted[at - 1]!
    sorted[at] = each
  }
}

function growSortBuffers(): void {
  confirmRead(addresses.byteLength * 2)
  if (addresses.length === INDEX_SPAN) assert.fail('too many keys of one hash')
  const longer = new Int32Array(addresses.length * 2)
  longer.set(addresses)
  addresses = longer
  const longerSorted = new Float64Array(sorted.length * 2)
  longerSorted.set(sorted)
  sorted = longerSorted
}

/** Visits every record of a database, in order of shard and page. `visit` must not change the table. */
export function walkTable(
  generation: GenerationLayout,
  db: number,
  visit: (region: RegionView, address: number) => void,
): void {
  for (let shardIndex = 0; shardIndex < SHARD_COUNT; shardIndex++) {
    const root = generation.rootOf(db, shardIndex)
    const region = generation.regions[regionOf(shardIndex)]!
    walkRecords(region, generation.control, root, (address) => visit(region, address))
  }
}

/** Visits every record of one table, in order of its pages. `visit` must not change the table. */
export function walkRecords(
  region: RegionView,
  table: Int32Array,
  root: number,
  visit: (address: number) => void,
): void {
  // Of this walk: a visit may begin another one.
  const records = new Int32Array(PAGE_SLOTS)
  walkPages(region, table, root, (address) => {
    const count = recordsOf(region, address, records)
    region.bring(records, count)
    for (let i = 0; i < count; i++) visit(records[i]!)
  })
}

/** @returns how many records a page has; their addresses are in `records` then. */
function recordsOf(region: RegionView, address: number, records: Int32Array): number {
  const page = region.local(address)
  const words = region.memory.i32[page >>> 28]!
  const base = byteOffsetOf(page) >>> 2
  let count = 0
  for (let slot = 1; slot < PAGE_SLOTS; slot++) {
    const record = words[base + slot * 2 + 1]!
    if (record !== 0) records[count++] = record
  }
  return count
}

/** Visits every page of one table, overflow pages behind their own. */
export function walkPages(region: RegionView, table: Int32Array, root: number, visit: (page: number) => void): void {
  const directory = table[root + ROOT_DIRECTORY]!
  if (directory === 0) return
  const entries = 2 ** table[root + ROOT_DEPTH]!
  let last = 0
  for (let entry = 0; entry < entries; entry++) {
    let address = region.directoryEntry(directory, entry)
    checkRead()
    if (address === last) continue
    last = address
    while (address !== 0) {
      checkRead()
      const page = region.local(address)
      const next = region.memory.i32[page >>> 28]![(byteOffsetOf(page) >>> 2) + 1]!
      visit(address)
      address = next
    }
  }
}
