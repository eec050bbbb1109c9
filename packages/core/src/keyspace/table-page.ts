/** One page of a table (drawn in layout.ts) and the directory's entries for it: what growing, shrinking and moving share. */
import { strict as assert } from 'node:assert'
import { RUN_BYTES } from '../limits.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import {
  directoryIndex,
  homeSlot,
  PAGE_SLOTS,
  ROOT_DEPTH,
  ROOT_DIRECTORY,
  SLOT_TAG_BITS,
  SLOT_TAG_MASK,
} from './layout.ts'
import type { RegionView } from './region-view.ts'

/** Puts an entry at the first free slot from its home on. The page has one. @param base word index of the page. */
export function place(words: Int32Array, base: number, tag: number, window: number, address: number): void {
  let slot = homeSlot(tag)
  for (let probes = 0; words[base + slot * 2 + 1] !== 0; probes++) {
    if (probes >= PAGE_SLOTS) assert.fail('page count and slots disagree')
    slot = slot === PAGE_SLOTS - 1 ? 1 : slot + 1
  }
  words[base + slot * 2] = (window << SLOT_TAG_BITS) | (tag & SLOT_TAG_MASK)
  words[base + slot * 2 + 1] = address
}

/** Entries of a directory that one run of its span has. */
export const ENTRIES_PER_RUN: number = RUN_BYTES / 4

/** Address of entry `index` of a directory, or of the one before it: addresses are multiples of eight bytes. */
export function entryAddress(directory: number, index: number): number {
  return directory + (index >>> 1)
}

/** Has pins keep what entries of a directory hold. A long one is kept run by run. */
function keepEntries(region: RegionView, directory: number, first: number, count: number): void {
  for (let index = first; index < first + count; index += ENTRIES_PER_RUN) {
    region.memory.keep(entryAddress(directory, index))
  }
  region.memory.keep(entryAddress(directory, first + count - 1))
}

/** Points all entries of the pages that share the first `depth` bits with `order` to `page`. */
export function pointEntries(
  region: RegionView,
  table: Int32Array,
  root: number,
  order: number,
  depth: number,
  page: number,
): void {
  const directory = table[root + ROOT_DIRECTORY]!
  const directoryDepth = table[root + ROOT_DEPTH]!
  const count = 2 ** (directoryDepth - depth)
  const first = Math.floor(directoryIndex(order, directoryDepth) / count) * count
  const at = (byteOffsetOf(directory) >>> 2) + first
  keepEntries(region, directory, first, count)
  region.memory.i32[directory >>> 28]!.fill(page, at, at + count)
}
