/**
 * A record of a table drawn at random, all equally likely but for those on overflow pages, which hold keys of one hash.
 *
 * A page is drawn by a directory entry, then a place on it; an empty place draws both again, so that a page is left with as many
 * chances as it has records.
 */
import { byteOffsetOf } from '../memory/region-memory.ts'
import { PAGE_SLOTS, ROOT_DEPTH, ROOT_DIRECTORY } from './layout.ts'
import { checkRead } from './read-guard.ts'
import type { RegionView } from './region-view.ts'

/** Draws of a page and a place before a record is to be looked for otherwise: a table with one record in 64 pages. */
const DRAWS_MAX = 2000

/**
 * @param table holds the table's root from `root` on. @param random 0 … 1
 * @returns the record's address; 0 when none was met.
 */
export function drawRecord(region: RegionView, table: Int32Array, root: number, random: () => number): number {
  const directory = table[root + ROOT_DIRECTORY]!
  const depth = table[root + ROOT_DEPTH]!
  if (directory === 0) return 0
  for (let draw = 0; draw < DRAWS_MAX; draw++) {
    checkRead()
    const entry = Math.floor(random() * 2 ** depth)
    const page = region.local(region.directoryEntry(directory, entry))
    if (page === 0) continue
    const words = region.memory.i32[page >>> 28]!
    const pageAt = byteOffsetOf(page) >>> 2
    // A page may have several entries: only the first counts, so that every page is as likely as the others.
    if (entry % 2 ** (depth - (words[pageAt]! >>> 16)) !== 0) continue
    const address = words[pageAt + (1 + Math.floor(random() * (PAGE_SLOTS - 1))) * 2 + 1]!
    if (address !== 0) return address
  }
  return 0
}
