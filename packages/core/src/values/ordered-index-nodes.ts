/**
 * The nodes of the ordered index (ordered-index-cursor.ts draws them) in the hands of the writer: making and freeing them,
 * opening and closing slots, and moving slots from a node to its neighbour, with which weights and separators of the path go
 * along. When which of it is done is ordered-index.ts.
 */
import { strict as assert } from 'node:assert'
import { Arena } from '../memory/arena.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import {
  INDEX_NODE_BYTES,
  INDEX_NODES,
  INDEX_WEIGHT,
  NODE_HEADER_WORDS,
  NODE_MARK,
  type OrderedIndexKind,
  OrderedIndexCursor,
  SCORED,
  WEIGHTED,
} from './ordered-index-cursor.ts'

export const INNER_CAPACITY: readonly number[] = [127, 63]
export const LEAF_CAPACITY: readonly number[] = [127, 84]
/** Words of a leaf entry, by kind. */
export const LEAF_WORDS: readonly number[] = [2, 3]
/** A lone root leaf starts with this many bytes: one entry of a list, two of a sorted set. */
export const ROOT_LEAF_BYTES_MIN: readonly number[] = [16, 32]

assert.ok(8 + INNER_CAPACITY[WEIGHTED]! * 8 <= INDEX_NODE_BYTES && 8 + INNER_CAPACITY[SCORED]! * 16 <= INDEX_NODE_BYTES)
assert.ok(8 + LEAF_CAPACITY[WEIGHTED]! * 8 <= INDEX_NODE_BYTES && 8 + LEAF_CAPACITY[SCORED]! * 12 <= INDEX_NODE_BYTES)

export class OrderedIndexNodes extends OrderedIndexCursor {
  protected get arena(): Arena {
    return this.view.writer.arena
  }

  /** Looks at a node that is going to be changed, or is at least beside one that is. */
  protected edit(node: number, level: number): boolean {
    this.view.memory.keep(node)
    return this.load(node, level)
  }

  protected makeNode(level: number, bytes: number): number {
    const capacity = leafCapacity(this.kind, bytes)
    const node = this.arena.allocate(8 + capacity * LEAF_WORDS[this.kind]! * 4)
    this.clearNode(node, level, capacity)
    return node
  }

  protected clearNode(node: number, level: number, capacity: number): void {
    const words = this.view.memory.i32[node >>> 28]!
    const base = byteOffsetOf(node) >>> 2
    words[base] = (NODE_MARK << 24) | (level << 16) | (capacity << 8)
    words[base + 1] = 0
  }

  protected freeNode(node: number): void {
    this.view.memory.keep(node)
    // A reader that is still here finds no node any more.
    this.view.memory.i32[node >>> 28]![byteOffsetOf(node) >>> 2] = 0
    this.arena.free(node)
    this.state[this.at + INDEX_NODES] = this.state[this.at + INDEX_NODES]! - 1
  }

  protected putScore(slot: number, score: number): void {
    this.bytes.setFloat64((this.base + NODE_HEADER_WORDS + (slot << 1)) << 2, score, true)
  }

  /** Sets the count of the loaded node. */
  protected setCount(count: number): void {
    this.words[this.base] = (this.words[this.base]! & ~0xff) | count
    this.count = count
  }

  /** Makes `added` free slots at `slot` of the loaded node. */
  protected openSlots(slot: number, added: number): void {
    const { words, count } = this
    const moved = count - slot
    if (moved > 0) {
      if (this.kind === SCORED) {
        const scores = this.base + NODE_HEADER_WORDS
        words.copyWithin(scores + ((slot + added) << 1), scores + (slot << 1), scores + (count << 1))
      }
      const { addressesAt, weightsAt } = this
      moveWords(words, addressesAt + slot, addressesAt + count, added)
      if (weightsAt !== 0) moveWords(words, weightsAt + slot, weightsAt + count, added)
    }
    this.setCount(count + added)
  }

  /** Takes `removed` slots at `slot` out of the loaded node. */
  protected closeSlots(slot: number, removed: number): void {
    const { words, count } = this
    const from = slot + removed
    if (from < count) {
      if (this.kind === SCORED) {
        const scores = this.base + NODE_HEADER_WORDS
        words.copyWithin(scores + (slot << 1), scores + (from << 1), scores + (count << 1))
      }
      const { addressesAt, weightsAt } = this
      moveWords(words, addressesAt + from, addressesAt + count, -removed)
      if (weightsAt !== 0) moveWords(words, weightsAt + from, weightsAt + count, -removed)
    }
    this.setCount(count - removed)
  }

  /** Moves slots between two nodes of one level; the target's places are free and at its end or opened before. @returns their weight. */
  protected moveSlots(source: number, target: number, level: number, from: number, to: number, count: number): number {
    this.edit(target, level)
    const { words: targetWords, base: targetBase, addressesAt: targetAddresses, weightsAt: targetWeights } = this
    const scored = this.kind === SCORED
    this.setCount(this.count + count)
    this.edit(source, level)
    const { words, base, addressesAt, weightsAt } = this
    let moved = 0
    for (let i = 0; i < count; i++) {
      targetWords[targetAddresses + to + i] = words[addressesAt + from + i]!
      if (scored) {
        const source64 = base + NODE_HEADER_WORDS + ((from + i) << 1)
        const target64 = targetBase + NODE_HEADER_WORDS + ((to + i) << 1)
        targetWords[target64] = words[source64]!
        targetWords[target64 + 1] = words[source64 + 1]!
      }
      if (weightsAt !== 0) {
        const weight = words[weightsAt + from + i]!
        targetWords[targetWeights + to + i] = weight
        moved += weight >>> 0
      }
    }
    if (weightsAt === 0) moved = count
    this.closeSlots(from, count)
    return moved
  }

  /** Adds to the total and to the path's inner nodes. */
  protected addWeight(change: number): void {
    const { state, at, nodes, slots } = this
    state[at + INDEX_WEIGHT] = state[at + INDEX_WEIGHT]! + change
    for (let level = this.levels() - 1; level > 0; level--) {
      this.edit(nodes[level]!, level)
      const weightAt = this.weightsAt + slots[level]!
      this.words[weightAt] = this.words[weightAt]! + change
    }
  }

  /** Moves the first `count` slots of the path's node to its left neighbour; the path follows its slot. */
  protected moveToLeft(level: number, count: number): void {
    const { nodes, slots } = this
    const parent = nodes[level + 1]!
    const parentSlot = slots[level + 1]!
    const node = nodes[level]!
    this.edit(parent, level + 1)
    const left = this.words[this.addressesAt + parentSlot - 1]!
    if (this.kind === SCORED && level > 0) {
      // The separator in the parent is the one of our first child.
      const separator = this.scoreAt(parentSlot)
      this.edit(node, level)
      this.putScore(0, separator)
    }
    this.edit(left, level)
    const before = this.count
    const moved = this.moveSlots(node, left, level, 0, before, count)
    this.edit(node, level)
    const separator = this.kind === SCORED && this.count > 0 ? this.scoreAt(0) : 0
    this.edit(parent, level + 1)
    const { words, weightsAt } = this
    words[weightsAt + parentSlot - 1] = words[weightsAt + parentSlot - 1]! + moved
    words[weightsAt + parentSlot] = words[weightsAt + parentSlot]! - moved
    if (this.kind === SCORED) this.putScore(parentSlot, separator)
    if (slots[level]! < count) {
      nodes[level] = left
      slots[level] = slots[level]! + before
      slots[level + 1] = parentSlot - 1
    } else slots[level] = slots[level]! - count
  }

  /** Moves the last `count` slots of the path's node to its right neighbour. */
  protected moveToRight(level: number, count: number): void {
    const { nodes, slots } = this
    const parent = nodes[level + 1]!
    const parentSlot = slots[level + 1]!
    const node = nodes[level]!
    this.edit(parent, level + 1)
    const right = this.words[this.addressesAt + parentSlot + 1]!
    if (this.kind === SCORED && level > 0) {
      const separator = this.scoreAt(parentSlot + 1)
      this.edit(right, level)
      this.putScore(0, separator)
    }
    this.edit(right, level)
    this.openSlots(0, count)
    this.setCount(this.count - count)
    this.edit(node, level)
    const boundary = this.count - count
    const moved = this.moveSlots(node, right, level, boundary, 0, count)
    this.edit(right, level)
    const separator = this.kind === SCORED ? this.scoreAt(0) : 0
    this.edit(parent, level + 1)
    const { words, weightsAt } = this
    words[weightsAt + parentSlot + 1] = words[weightsAt + parentSlot + 1]! + moved
    words[weightsAt + parentSlot] = words[weightsAt + parentSlot]! - moved
    if (this.kind === SCORED) this.putScore(parentSlot + 1, separator)
    if (slots[level]! >= boundary) {
      nodes[level] = right
      slots[level] = slots[level]! - boundary
      slots[level + 1] = parentSlot + 1
    }
  }
}

/** Entries that a leaf of so many bytes holds. */
export function leafCapacity(kind: OrderedIndexKind, bytes: number): number {
  return Math.min(LEAF_CAPACITY[kind]!, Math.floor((bytes - 8) / (LEAF_WORDS[kind]! * 4)))
}

/**
 * Moves `words[from .. to)` by `by` words, at most a node's. Not natively: by an odd number of words shared memory is copied byte by byte
 * (memory/copy-range.ts).
 */
function moveWords(words: Int32Array, from: number, to: number, by: number): void {
  if (by < 0) for (let at = from; at < to; at++) words[at + by] = words[at]!
  else for (let at = to - 1; at >= from; at--) words[at + by] = words[at]!
}
