/**
 * How tables become smaller: the opposite of what region-writer.ts does when they grow, for tables of keys and of elements
 * alike. It happens in the removals themselves, a page at a time, so it needs no walk and no state of its own:
 *
 *   a page whose neighbour in the last bit of their depth is sparse as well takes its keys and becomes less deep;
 *   an overflow page without keys leaves its chain;
 *   a directory at least four times as long as it has pages is halved, if no page is as deep as it is;
 *   a table without keys keeps nothing but a first page.
 *
 * Pages merge at PAGE_KEYS_MERGED_MAX keys together and split at PAGE_KEYS_MAX: a merged page takes 40 insertions to split, a
 * split one 40 removals to merge. Nothing is looked at but in every eighth removal from a page. Order in the table is order of
 * the hash, before and after, so cursors of SCAN stay what they are.
 */
import { KeyspaceError } from '../errors.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import {
  DIRECTORY_DEPTH_MAX,
  directoryIndex,
  PAGE_KEYS_MERGED_MAX,
  PAGE_SLOTS,
  ROOT_DEPTH,
  ROOT_DIRECTORY,
  ROOT_EXPIRES,
  ROOT_KEYS,
  ROOT_PAGES,
  SLOT_TAG_BITS,
  SLOT_TAG_MASK,
  windowOf,
  windowStart,
} from './layout.ts'
import type { RegionWriter } from './region-writer.ts'
import { place, pointEntries } from './table-page.ts'

/** Removals from a page between two looks at its neighbour; a power of two. */
const REMOVALS_PER_LOOK = 8
/** A directory this many times as long as it has pages is halved. */
const ENTRIES_PER_PAGE_MAX = 4

/** Is it worth looking at the neighbour? @param header of the page from which a key was removed. */
export function isShrinkDue(header: number): boolean {
  const keys = header & 0xffff
  return keys <= PAGE_KEYS_MERGED_MAX && keys % REMOVALS_PER_LOOK === 0
}

/** Makes the table smaller around the page that `order` leads to, from which a key was removed. Needs no memory. */
export function shrinkTable(region: RegionWriter, table: Int32Array, root: number, order: number): void {
  if (table[root + ROOT_KEYS] === 0 && table[root + ROOT_PAGES]! > 1) {
    // The caller may not have counted the last key's time to live yet.
    const expires = table[root + ROOT_EXPIRES]!
    region.dropTable(table, root)
    table[root + ROOT_EXPIRES] = expires
    return
  }
  while (mergeWithBuddy(region, table, root, order)) {
    if (isHalvingDue(table, root)) while (halveDirectory(region, table, root));
  }
}

/** Looking whether it can be halved costs a walk through the directory: it is tried when half of the pages went since. */
function isHalvingDue(table: Int32Array, root: number): boolean {
  const pages = table[root + ROOT_PAGES]!
  return (pages & (pages - 1)) === 0
}

/** @returns whether there is one page less, or one that is less deep. */
function mergeWithBuddy(region: RegionWriter, table: Int32Array, root: number, order: number): boolean {
  const directory = table[root + ROOT_DIRECTORY]!
  const directoryDepth = table[root + ROOT_DEPTH]!
  const entries = region.memory.i32[directory >>> 28]!
  const directoryAt = byteOffsetOf(directory) >>> 2
  const page = entries[directoryAt + directoryIndex(order, directoryDepth)]!
  if (page === 0) return false
  const words = region.memory.i32[page >>> 28]!
  const base = byteOffsetOf(page) >>> 2
  if (words[base + 1] !== 0) {
    return dropEmptyOverflow(region, table, root, order, page)
  }
  const depth = words[base]! >>> 16
  if (depth === 0) return false
  // The other half of the range that a page one bit less deep would have.
  const span = 2 ** (directoryDepth - depth)
  const buddyFirst = (Math.floor(directoryIndex(order, directoryDepth) / span) ^ 1) * span
  const buddy = entries[directoryAt + buddyFirst]!
  const count = words[base]! & 0xffff
  if (buddy === 0) {
    for (let i = 1; i < span; i++) if (entries[directoryAt + buddyFirst + i] !== 0) return false
  } else {
    const header = region.memory.i32[buddy >>> 28]![byteOffsetOf(buddy) >>> 2]!
    const isChained = region.memory.i32[buddy >>> 28]![(byteOffsetOf(buddy) >>> 2) + 1] !== 0
    if (header >>> 16 !== depth || isChained || (header & 0xffff) + count > PAGE_KEYS_MERGED_MAX) return false
  }
  region.memory.keep(page)
  if (windowStart(depth) !== windowStart(depth - 1)) widenWindows(region, words, base, depth - 1)
  let merged = count
  if (buddy !== 0) {
    merged += takeKeys(region, words, base, buddy, depth - 1)
    region.arena.free(buddy)
    table[root + ROOT_PAGES] = table[root + ROOT_PAGES]! - 1
  }
  words[base] = ((depth - 1) << 16) | merged
  pointEntries(region, table, root, order, depth - 1, page)
  return true
}

/** Gives the keys of a page the windows of a lesser depth, where another part of the hash is kept: reads every key. */
function widenWindows(region: RegionWriter, words: Int32Array, base: number, depth: number): void {
  for (let slot = 1; slot < PAGE_SLOTS; slot++) {
    const address = words[base + slot * 2 + 1]!
    if (address === 0) continue
    const at = base + slot * 2
    words[at] = (windowOf(region.orderOf(address), depth) << SLOT_TAG_BITS) | (words[at]! & SLOT_TAG_MASK)
  }
}

/** Puts the keys of page `from`, as deep as the page at `words[base …)` was, there. @returns how many. */
function takeKeys(region: RegionWriter, words: Int32Array, base: number, from: number, depth: number): number {
  const source = region.memory.i32[from >>> 28]!
  const sourceBase = byteOffsetOf(from) >>> 2
  const rehash = windowStart(depth) !== windowStart(depth + 1)
  let taken = 0
  for (let slot = 1; slot < PAGE_SLOTS; slot++) {
    const address = source[sourceBase + slot * 2 + 1]!
    if (address === 0) continue
    const tag = source[sourceBase + slot * 2]!
    place(words, base, tag, rehash ? windowOf(region.orderOf(address), depth) : tag >>> SLOT_TAG_BITS, address)
    taken++
  }
  return taken
}

/** Takes pages without keys out of a chain, which keeps one page. @returns whether there was one. */
function dropEmptyOverflow(
  region: RegionWriter,
  table: Int32Array,
  root: number,
  order: number,
  first: number,
): boolean {
  const pages = table[root + ROOT_PAGES]!
  let before = 0
  for (let page = first; page !== 0;) {
    const words = region.memory.i32[page >>> 28]!
    const base = byteOffsetOf(page) >>> 2
    const next = words[base + 1]!
    if ((words[base]! & 0xffff) !== 0 || (before === 0 && next === 0)) before = page
    else {
      if (before === 0) pointEntries(region, table, root, order, DIRECTORY_DEPTH_MAX, next)
      else {
        region.memory.keep(before)
        region.memory.i32[before >>> 28]![(byteOffsetOf(before) >>> 2) + 1] = next
      }
      region.arena.free(page)
      table[root + ROOT_PAGES] = table[root + ROOT_PAGES]! - 1
    }
    page = next
  }
  return table[root + ROOT_PAGES] !== pages
}

/** @returns false when it stays as it is. */
function halveDirectory(region: RegionWriter, table: Int32Array, root: number): boolean {
  const depth = table[root + ROOT_DEPTH]!
  if (depth === 0 || table[root + ROOT_PAGES]! * ENTRIES_PER_PAGE_MAX > 2 ** depth) return false
  const from = table[root + ROOT_DIRECTORY]!
  const source = region.memory.i32[from >>> 28]!
  const sourceAt = byteOffsetOf(from) >>> 2
  for (let i = 0; i < 2 ** depth; i += 2) if (source[sourceAt + i] !== source[sourceAt + i + 1]) return false
  let to: number
  try {
    to = region.allocateDirectory(depth - 1)
  } catch (error) {
    if (!(error instanceof KeyspaceError)) throw error
    // No memory for the shorter one: the longer one serves as well.
    return false
  }
  const target = region.memory.i32[to >>> 28]!
  const targetAt = byteOffsetOf(to) >>> 2
  for (let i = 0; i < 2 ** (depth - 1); i++) target[targetAt + i] = source[sourceAt + i * 2]!
  region.freeDirectory(from, depth)
  table[root + ROOT_DIRECTORY] = to
  table[root + ROOT_DEPTH] = depth - 1
  return true
}
