/**
 * Where pins find what a block held when they began (docs/pins.md): an index from a block's address to the copies that were made
 * of it, in the blocks of the region itself. Written by block-keeper.ts, read by any thread.
 *
 *   board (shared words of a generation)   … per region and segment: address of the segment's index, 0 = none
 *   index of a segment                     per run: [ address of its entries | bytes of the pieces they are for ]
 *   entries of a run                       a word for each block of the run, or one for a run that is a part of a span
 *   entry                                  0: as it was    below 2^28: the block was allocated at that epoch
 *                                          else address of the newest version
 *   version, four words                    epoch at which it was copied, the copy, the version before, that one's epoch
 *
 * An epoch counts pins: a pin of epoch e is given the oldest version of epoch e or later, and where there is none the block itself.
 */
import { RUN_BYTES } from '../limits.ts'
import { pieceBytesOf, runOf } from './arena.ts'
import { byteOffsetOf, type RegionMemory } from './region-memory.ts'

export const INDEX_ENTRIES_WORD = 0
export const INDEX_PIECE_WORD = 1
export const INDEX_RUN_WORDS = 2

export const VERSION_EPOCH = 0
export const VERSION_COPY = 1
export const VERSION_OLDER = 2
export const VERSION_OLDER_EPOCH = 3
export const VERSION_BYTES = 16

/** Epochs are smaller than any address: those begin with the number of a segment, which is not 0. */
export const EPOCH_MAX: number = 2 ** 28 - 1

export function isVersion(entry: number): boolean {
  return entry >>> 28 !== 0
}

/** Number, in its run, of the piece of `bytes` that an address lies in. */
export function pieceOf(address: number, bytes: number): number {
  return Math.floor((byteOffsetOf(address) & (RUN_BYTES - 1)) / bytes)
}

/** The address at which that piece begins. */
export function pieceStartOf(address: number, bytes: number): number {
  const inRun = byteOffsetOf(address) & (RUN_BYTES - 1)
  return address - ((inRun % bytes) >>> 3)
}

/**
 * The search led to memory that this thread has no view of yet, or to what was freed meanwhile. No address: no block begins in the
 * last unit of a segment.
 */
export const VERSION_UNSEEN = -1

/**
 * Address of the copy that a pin of this epoch is to read in place of the block at `address`; 0: the block itself. For any thread,
 * behind the read-modify-write that says the pin still holds; on a pin that was broken meanwhile the result means nothing. Nor does
 * an address when versions were unlinked meanwhile (docs/pins.md): then one that is older than the pin was freed, perhaps, while it
 * was looked at.
 * @param index of the segment, 0 for none. @returns VERSION_UNSEEN when the views have to be made anew, and the search with them.
 */
export function findVersion(memory: RegionMemory, index: number, address: number, epoch: number): number {
  if (index === 0) return 0
  const row = wordOf(index) + runOf(address) * INDEX_RUN_WORDS
  const runs = memory.i32[index >>> 28]
  if (runs === undefined || row + INDEX_PIECE_WORD >= runs.length) return VERSION_UNSEEN
  const entries = Atomics.load(runs, row + INDEX_ENTRIES_WORD)
  const bytes = runs[row + INDEX_PIECE_WORD]!
  // Entries for blocks of another size are those of a run that had no block of this pin.
  if (entries === 0 || bytes !== pieceBytesOf(memory, address)) return 0
  const words = memory.i32[entries >>> 28]
  const at = wordOf(entries) + pieceOf(address, bytes)
  if (words === undefined || at >= words.length) return VERSION_UNSEEN
  let copy = 0
  let newer = EPOCH_MAX + 1
  let version = Atomics.load(words, at)
  while (isVersion(version)) {
    const fields = memory.i32[version >>> 28]
    const field = wordOf(version)
    if (fields === undefined || field + VERSION_BYTES / 4 > fields.length) return VERSION_UNSEEN
    const copiedAt = fields[field + VERSION_EPOCH]!
    if (copiedAt < epoch) break
    // No version any more. Nor does a chain of what is none lead in circles.
    if (copiedAt >= newer) return VERSION_UNSEEN
    newer = copiedAt
    copy = fields[field + VERSION_COPY]!
    // What is too old for this pin may be gone already.
    if (fields[field + VERSION_OLDER_EPOCH]! < epoch) break
    version = fields[field + VERSION_OLDER]!
  }
  return copy
}

export function wordOf(address: number): number {
  return byteOffsetOf(address) >>> 2
}
