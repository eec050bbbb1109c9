/** Moving the blocks of a stream (stream-layout.ts draws them) out of segments that are being evacuated. */
import { StreamId } from '../encoding/stream-id.ts'
import { NodeValue } from '../keyspace/node-value.ts'
import type { RegionView } from '../keyspace/region-view.ts'
import type { BlockMover } from '../memory/block-mover.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import type { LargeValue } from './large-value.ts'
import { WEIGHTED } from './ordered-index-cursor.ts'
import { INDEX_END, OrderedIndexMover, stayingEntry } from './ordered-index-mover.ts'
import { Stream } from './stream.ts'
import { StreamGroups } from './stream-groups.ts'
import { noteNodesMoved } from './stream-node-writer.ts'
import {
  D_ROOT,
  G_CONSUMERS,
  G_NAME,
  G_PENDING,
  K_NAME,
  K_PENDING,
  N_BYTES,
  N_CHUNKS,
  N_ROOM,
  P_CONSUMER,
  R_GROUPS,
  R_NODES,
} from './stream-layout.ts'
import type { MovePosition } from './value-form.ts'

/**
 * Parts: the root block; nodes, leaf by leaf; groups, leaf by leaf; then group by group (`item`) its consumers and its pending
 * entries, leaf by leaf. A consumer is named by each of its pending entries, so moving it takes a look at them all at once.
 */
const PART_ROOT = 0
const PART_NODES = 1
const PART_GROUPS = 2
const PART_CONSUMERS = 3
const PART_PENDING = 4

const stream = new Stream()
const groups = new StreamGroups()
const index = new OrderedIndexMover(WEIGHTED)
const ownIndex = new OrderedIndexMover(WEIGHTED)
const chunks = new NodeValue()
const id = new StreamId()

/** See `ValueForm.move`. */
export function moveStream(value: LargeValue, mover: BlockMover, at: MovePosition): boolean {
  const { region, words } = value
  const rootWord = value.at + D_ROOT
  if (words[rootWord] === 0) return true
  if (at.part === PART_ROOT) {
    words[rootWord] = mover.move(words[rootWord]!)
    at.part = PART_NODES
    return false
  }
  const root = words[rootWord]!
  if (at.part === PART_NODES) {
    noteNodesMoved()
    openAt(index, region, root, R_NODES)
    toNextPart(
      at,
      index.moveLeaf(at.position, mover, (node) => moveNode(region, node, mover)),
      PART_GROUPS,
    )
    return false
  }
  openAt(index, region, root, R_GROUPS)
  if (at.part === PART_GROUPS) {
    toNextPart(
      at,
      index.moveLeaf(at.position, mover, (group) => moveNamed(region, group, G_NAME, mover)),
      PART_CONSUMERS,
    )
    return false
  }
  if (!index.seekWeight(at.item)) return true
  const group = index.address
  groups.open(stream.open(region, root))
  if (at.part === PART_CONSUMERS) {
    openAt(index, region, group, G_CONSUMERS)
    toNextPart(
      at,
      index.moveLeaf(at.position, mover, (consumer) => moveConsumer(region, consumer, mover)),
      PART_PENDING,
    )
    return false
  }
  openAt(index, region, group, G_PENDING)
  at.position = index.moveLeaf(at.position, mover, (pending) => movePending(pending, mover))
  if (at.position === INDEX_END) {
    at.item++
    at.position = 0
    at.part = PART_CONSUMERS
  }
  return false
}

function openAt(into: OrderedIndexMover, region: RegionView, block: number, word: number): OrderedIndexMover {
  return into.open(region, region.memory.i32[block >>> 28]!, (byteOffsetOf(block) >>> 2) + word)
}

/** Goes on at `position`, or at its end with the next part. */
function toNextPart(at: MovePosition, position: number, part: number): void {
  at.position = position === INDEX_END ? 0 : position
  if (position === INDEX_END) at.part = part
}

function moveNode(region: RegionView, address: number, mover: BlockMover): number {
  const moved = mover.move(address)
  const words = region.memory.i32[moved >>> 28]!
  const at = byteOffsetOf(moved) >>> 2
  if (words[at + N_ROOM] === 0) moveChunked(region, words, at + N_CHUNKS, words[at + N_BYTES]! >>> 0, mover)
  return moved
}

/** Moves a block with a name. */
function moveNamed(region: RegionView, address: number, nameWord: number, mover: BlockMover): number {
  const moved = mover.move(address)
  const words = region.memory.i32[moved >>> 28]!
  const at = (byteOffsetOf(moved) >>> 2) + nameWord
  if (words[at + 1] !== 0) moveChunked(region, words, at + 1, words[at]! >>> 0, mover)
  return moved
}

function moveChunked(region: RegionView, words: Int32Array, rootAt: number, length: number, mover: BlockMover): void {
  chunks.open(region, words[rootAt]!, length)
  chunks.moveNodes(0, mover)
  words[rootAt] = chunks.root
}

function moveConsumer(region: RegionView, consumer: number, mover: BlockMover): number {
  const moved = moveNamed(region, consumer, K_NAME, mover)
  if (moved !== consumer) {
    const own = groups.openConsumerPending(moved)
    for (let more = own.first(); more; more = own.next()) {
      region.memory.i32[own.address >>> 28]![(byteOffsetOf(own.address) >>> 2) + P_CONSUMER] = moved
    }
  }
  openAt(ownIndex, region, moved, K_PENDING)
  for (let position = 0; position !== INDEX_END && !mover.isExhausted;) {
    position = ownIndex.moveLeaf(position, mover, stayingEntry)
  }
  return moved
}

/** Moves a pending entry, which its consumer's index names as well. */
function movePending(pending: number, mover: BlockMover): number {
  if (!mover.concerns(pending)) return pending
  const consumer = groups.pendingConsumer(pending)
  if (consumer === 0) return mover.move(pending)
  const own = groups.openConsumerPending(consumer)
  groups.seekPending(own, groups.pendingId(pending, id))
  const moved = mover.move(pending)
  own.setAddress(moved)
  return moved
}
