/** Moving the blocks of a stream (stream-layout.ts draws them) out of segments that are being evacuated. */
import { StreamId } from '../encoding/stream-id.ts'
import { NodeValue } from '../keyspace/node-value.ts'
import type { RegionView } from '../keyspace/region-view.ts'
import type { BlockMover } from '../memory/block-mover.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import type { LargeValue } from './large-value.ts'
import { WEIGHTED } from './ordered-index-cursor.ts'
import { OrderedIndexMover, stayingEntry } from './ordered-index-mover.ts'
import { Stream } from './stream.ts'
import { StreamGroups } from './stream-groups.ts'
import { noteNodesMoved } from './stream-node-writer.ts'
import {
  D_ROOT,
  F_NOW,
  F_UNTOLD,
  G_CONSUMERS,
  G_NAME,
  G_PENDING,
  K_FORMER,
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
 * Parts: the root block; nodes, leaf by leaf; groups, leaf by leaf; then group by group (`item`) its consumers, what those have
 * pending, and its pending entries, leaf by leaf.
 *
 * A consumer is named by each of its pending entries, and they may be too many for one unit. So its old block stays when it moves,
 * and leads to the new one (`F_NOW`) until the entries have been told, in order of their IDs; what is handed to the consumer
 * meanwhile names the new block. Where telling them stands is kept in the old block, so that it is known exactly whatever comes
 * between two units, or if the evacuation is called off; then a later one goes on.
 */
const PART_ROOT = 0
const PART_NODES = 1
const PART_GROUPS = 2
const PART_CONSUMERS = 3
const PART_TELLING = 4
const PART_OWN = 5
const PART_PENDING = 6

/** What it costs to tell a pending entry, in bytes copied: most likely it is in no cache. */
const TELLING_COST = 128

const stream = new Stream()
const groups = new StreamGroups()
const index = new OrderedIndexMover(WEIGHTED)
const ownIndex = new OrderedIndexMover(WEIGHTED)
const ownAt = { position: 0, inner: 0 }
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
    if (index.moveLeaf(at, mover, (node) => moveNode(region, node, mover, at))) toPart(at, PART_GROUPS)
    return false
  }
  openAt(index, region, root, R_GROUPS)
  if (at.part === PART_GROUPS) {
    if (index.moveLeaf(at, mover, (group) => moveGroup(region, group, mover, at))) toPart(at, PART_CONSUMERS)
    return false
  }
  if (!index.seekWeight(at.item)) return true
  groups.open(stream.open(region, root))
  if (moveOfGroup(region, index.address, mover, at)) {
    at.item++
    toPart(at, PART_CONSUMERS)
  }
  return false
}

/** Moves a piece of what a group has. @returns true behind the last one. */
function moveOfGroup(region: RegionView, group: number, mover: BlockMover, at: MovePosition): boolean {
  if (at.part === PART_PENDING) {
    openAt(index, region, group, G_PENDING)
    return index.moveLeaf(at, mover, (pending) => movePending(pending, mover))
  }
  openAt(index, region, group, G_CONSUMERS)
  const moveThing = OF_CONSUMER[at.part]!
  if (index.moveLeaf(at, mover, (consumer) => moveThing(region, consumer, mover, at))) toPart(at, at.part + 1)
  return false
}

/** By part: what is done about each consumer. */
const OF_CONSUMER: Record<number, typeof moveConsumer> = {
  [PART_CONSUMERS]: moveConsumer,
  [PART_TELLING]: tellPending,
  [PART_OWN]: moveOwnIndex,
}

function openAt(into: OrderedIndexMover, region: RegionView, block: number, word: number): void {
  into.open(region, wordsOf(region, block), wordOf(block) + word)
}

function toPart(at: MovePosition, part: number): void {
  at.part = part
  at.position = at.inner = 0
}

function moveNode(region: RegionView, address: number, mover: BlockMover, at: MovePosition): number {
  const moved = mover.move(address)
  const words = wordsOf(region, moved)
  const word = wordOf(moved)
  if (words[word + N_ROOM] === 0) moveChunked(region, words, word + N_CHUNKS, words[word + N_BYTES]! >>> 0, mover, at)
  else at.inner = 0
  return moved
}

function moveGroup(region: RegionView, group: number, mover: BlockMover, at: MovePosition): number {
  const moved = mover.move(group)
  moveName(region, moved, G_NAME, mover, at)
  return moved
}

function moveName(region: RegionView, block: number, nameWord: number, mover: BlockMover, at: MovePosition): void {
  const words = wordsOf(region, block)
  const word = wordOf(block) + nameWord
  if (words[word + 1] !== 0) moveChunked(region, words, word + 1, words[word]! >>> 0, mover, at)
  else at.inner = 0
}

function moveChunked(
  region: RegionView,
  words: Int32Array,
  rootAt: number,
  length: number,
  mover: BlockMover,
  at: MovePosition,
): void {
  chunks.open(region, words[rootAt]!, length)
  at.inner = chunks.moveNodesOn(at.inner, mover)
  words[rootAt] = chunks.root
}

/** Moves a consumer, unless an earlier move is not told to all yet: then it is left for another walk. */
function moveConsumer(region: RegionView, consumer: number, mover: BlockMover, at: MovePosition): number {
  const hasFormer = wordsOf(region, consumer)[wordOf(consumer) + K_FORMER] !== 0
  const moved = hasFormer ? consumer : mover.moveKeeping(consumer)
  if (moved !== consumer) {
    wordsOf(region, moved)[wordOf(moved) + K_FORMER] = consumer
    const words = wordsOf(region, consumer)
    words[wordOf(consumer) + F_NOW] = moved
    id.setZero().writeWords(words, wordOf(consumer) + F_UNTOLD)
  }
  moveName(region, moved, K_NAME, mover, at)
  return moved
}

/** Tells pending entries of a consumer where it is now; when all know, its former block goes. */
function tellPending(region: RegionView, consumer: number, mover: BlockMover, at: MovePosition): number {
  at.inner = 0
  const words = wordsOf(region, consumer)
  const former = words[wordOf(consumer) + K_FORMER]!
  if (former === 0) return consumer
  const formerWords = wordsOf(region, former)
  const own = groups.openConsumerPending(consumer)
  let more = groups.seekPending(own, id.readWords(formerWords, wordOf(former) + F_UNTOLD))
  for (; more && !mover.isExhausted; more = own.next()) {
    wordsOf(region, own.address)[wordOf(own.address) + P_CONSUMER] = consumer
    mover.spend(TELLING_COST)
  }
  if (more) {
    groups.pendingId(own.address, id).writeWords(formerWords, wordOf(former) + F_UNTOLD)
    at.inner = 1
    return consumer
  }
  words[wordOf(consumer) + K_FORMER] = 0
  region.writer.arena.free(former)
  return consumer
}

/** Moves leaves of a consumer's own index. */
function moveOwnIndex(region: RegionView, consumer: number, mover: BlockMover, at: MovePosition): number {
  openAt(ownIndex, region, consumer, K_PENDING)
  ownAt.position = at.inner
  let isDone: boolean
  do {
    mover.spendPiece()
    isDone = ownIndex.moveLeaf(ownAt, mover, stayingEntry)
  } while (!isDone && !mover.isExhausted)
  at.inner = isDone ? 0 : ownAt.position
  return consumer
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

function wordsOf(region: RegionView, address: number): Int32Array {
  return region.memory.i32[address >>> 28]!
}

function wordOf(address: number): number {
  return byteOffsetOf(address) >>> 2
}
