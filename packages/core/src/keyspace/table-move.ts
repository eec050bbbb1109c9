/** Moving the blocks of a table (of keys or of elements) out of segments that are being evacuated: a page at a time. */
import { BLOCK_BYTES_MAX, SHARD_BITS } from '../limits.ts'
import type { BlockMover } from '../memory/block-mover.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import {
  directoryIndex,
  FLAG_CHUNKED,
  FLAG_EXPIRE,
  FLAG_LONG_KEY,
  headerBytes,
  PAGE_SLOTS,
  ROOT_DEPTH,
  ROOT_DIRECTORY,
} from './layout.ts'
import { NodeValue } from './node-value.ts'
import { chunksAt, recordFlags } from './record.ts'
import type { RegionView } from './region-view.ts'
import { pointEntries } from './table-page.ts'

/** Positions in a table: the bits of `hashOrder` below the shard's, in the upper bits of 32. */
export const TABLE_POSITIONS: number = 2 ** 32

const TWO_32: number = 2 ** 32
const keyNodes = new NodeValue()
const valueNodes = new NodeValue()

export function moveDirectory(table: Int32Array, root: number, mover: BlockMover): void {
  const directory = table[root + ROOT_DIRECTORY]!
  if (directory === 0) return
  const bytes = 2 ** table[root + ROOT_DEPTH]! * 4
  table[root + ROOT_DIRECTORY] = bytes > BLOCK_BYTES_MAX ? mover.moveSpan(directory, bytes) : mover.move(directory)
}

/**
 * Moves the page that holds a position, and its overflow pages, and shows the records in them.
 * @param mover undefined: pages stay where they are.
 * @param moveRecord what it returns is where the record is now.
 * @returns the position behind the page, TABLE_POSITIONS at the end.
 */
export function movePage(
  region: RegionView,
  table: Int32Array,
  root: number,
  position: number,
  mover: BlockMover | undefined,
  moveRecord: (address: number) => number,
): number {
  const directory = table[root + ROOT_DIRECTORY]!
  if (directory === 0) return TABLE_POSITIONS
  const { i32 } = region.memory
  const depth = table[root + ROOT_DEPTH]!
  const order = position >>> SHARD_BITS
  const first = i32[directory >>> 28]![(byteOffsetOf(directory) >>> 2) + directoryIndex(order, depth)]!
  const localDepth = first === 0 ? depth : i32[first >>> 28]![byteOffsetOf(first) >>> 2]! >>> 16
  const span = TABLE_POSITIONS / 2 ** localDepth
  const end = (Math.floor(position / span) + 1) * span
  if (first === 0) return end
  let page = mover === undefined ? first : mover.move(first)
  // The registers of the last find() may name a page that is gone now.
  region.pageAddress = 0
  if (page !== first) pointEntries(region, table, root, order, localDepth, page)
  for (;;) {
    const words = i32[page >>> 28]!
    const base = byteOffsetOf(page) >>> 2
    for (let slot = 1; slot < PAGE_SLOTS; slot++) {
      const address = words[base + slot * 2 + 1]!
      if (address === 0) continue
      const moved = moveRecord(address)
      if (moved !== address) words[base + slot * 2 + 1] = moved
    }
    const next = words[base + 1]!
    if (next === 0) return end
    page = mover === undefined ? next : mover.move(next)
    words[base + 1] = page
  }
}

/**
 * Moves the nodes of a record's long key from node `from` on, until the mover is exhausted.
 * @returns the node to go on with; -1 when all are done, or the key is not long.
 */
export function moveLongKey(region: RegionView, record: number, from: number, mover: BlockMover): number {
  const flags = recordFlags(region, record)
  if ((flags & FLAG_LONG_KEY) === 0) return -1
  if (mover.isExhausted) return from
  const words = region.memory.i32[record >>> 28]!
  const at = (byteOffsetOf(record) + headerBytes(flags & FLAG_EXPIRE)) >>> 2
  keyNodes.open(region, words[at + 1]!, words[at]! >>> 0)
  const next = keyNodes.moveNodes(from, mover)
  words[at + 1] = keyNodes.root
  return next === keyNodes.nodeCount ? -1 : next
}

/**
 * Moves the nodes of a chunked value from node `from` on, until the mover is exhausted. @param owner of the nodes.
 * @returns the node to go on with; -1 when all are done, or the value is not chunked.
 */
export function moveChunks(
  region: RegionView,
  owner: RegionView,
  record: number,
  from: number,
  mover: BlockMover,
): number {
  const flags = recordFlags(region, record)
  if ((flags & FLAG_CHUNKED) === 0) return -1
  if (mover.isExhausted) return from
  const words = region.memory.i32[record >>> 28]!
  const at = chunksAt(record, flags)
  valueNodes.open(owner, words[at + 2]!, (words[at]! >>> 0) + words[at + 1]! * TWO_32)
  const next = valueNodes.moveNodes(from, mover)
  words[at + 2] = valueNodes.root
  return next === valueNodes.nodeCount ? -1 : next
}
