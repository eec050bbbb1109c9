/**
 * Reading a stream: its root block, and a cursor over its entries between two IDs, in both directions. Works over any
 * thread's view of the region; the writer's own calls are in stream.ts.
 */
import { NO_BYTES, NO_WORDS, noteViewHolder, type ViewHolder } from '../memory/view-holders.ts'
import { StreamId } from '../encoding/stream-id.ts'
import { checkRead, confirmRead } from '../keyspace/read-guard.ts'
import type { RegionView } from '../keyspace/region-view.ts'
import { BLOCK_BYTES_MAX } from '../limits.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import { type EntryOrder, OrderedIndexCursor, WEIGHTED } from './ordered-index-cursor.ts'
import {
  N_BYTES,
  N_CHUNKS,
  N_ID,
  N_ROOM,
  STREAM_NODE_HEADER_BYTES,
  R_NODES,
  ROOT_BLOCK_WORDS,
} from './stream-layout.ts'
import { StreamNodeReader } from './stream-node.ts'
import { copyRange } from '../memory/copy-range.ts'

/** A longer copy of a chunked node is not kept. */
const KEPT_SCRATCH_BYTES_MAX = 1 << 20
/** No node is longer: more is torn memory. */
const CHUNKED_BYTES_MAX: number = 2 ** 31

/** Sorts nodes against an ID: those that begin at or before it come before. */
export class NodesUpTo implements EntryOrder {
  view!: RegionView
  readonly id: StreamId = new StreamId()

  compare(node: number): number {
    const address = this.view.local(node)
    const words = this.view.memory.i32[address >>> 28]
    const at = byteOffsetOf(address) >>> 2
    if (words === undefined || at + 4 > words.length) return 1
    return this.id.compareWords(words, at + N_ID) >= 0 ? -1 : 1
  }
}

/** Copies the listpack of a chunked node to `target`. @returns false on torn memory. */
export function readNodeChunks(view: RegionView, root: number, length: number, target: Uint8Array): boolean {
  for (let from = 0; from < length; from += BLOCK_BYTES_MAX) {
    const node = view.nodeOf(root, length, from / BLOCK_BYTES_MAX)
    const bytes = view.memory.u8[node >>> 28]
    const at = byteOffsetOf(node)
    const count = Math.min(BLOCK_BYTES_MAX, length - from)
    if (node === 0 || bytes === undefined || at + count > bytes.length) return false
    copyRange(bytes, at, at + count, target, from)
  }
  return true
}

export class StreamReader implements ViewHolder {
  /** The entry of the cursor, after `next()` returned true. */
  readonly node: StreamNodeReader = new StreamNodeReader()
  readonly nodes: OrderedIndexCursor
  view!: RegionView
  /** Root block: word i is `words[at + i]`. */
  words!: Int32Array
  at = 0

  readonly #from = new StreamId()
  readonly #to = new StreamId()
  readonly #order = new NodesUpTo()
  #reverse = false
  /** Is a node open, with the cursor inside? */
  #inNode = false
  #onNode = false
  #scratch: Uint8Array = NO_BYTES

  /** @param nodes cursor that this reader moves: the writer passes its own, which can change what it stands on. */
  constructor(nodes: OrderedIndexCursor = new OrderedIndexCursor(WEIGHTED)) {
    this.nodes = nodes
    noteViewHolder(this)
  }

  letGo(): void {
    this.words = NO_WORDS
  }

  /** Opens the stream whose root block is at `address`. @returns false on torn memory. */
  openRoot(view: RegionView, address: number): boolean {
    const root = view.held(address, this)
    const words = view.memory.i32[root >>> 28]
    const at = byteOffsetOf(root) >>> 2
    if (words === undefined || at + ROOT_BLOCK_WORDS > words.length) return false
    this.view = view
    this.words = words
    this.at = at
    this.nodes.open(view, words, at + R_NODES)
    return true
  }

  /** Entries of the stream. */
  get length(): number {
    return this.nodes.totalWeight
  }

  /** Copies the ID in words `offset …` of the root block. */
  readId(offset: number, id: StreamId): StreamId {
    return id.readWords(this.words, this.at + offset)
  }

  /**
   * Begins with the first entry at or after `from`, or in reverse with the last at or before `to`; ends beyond the other.
   */
  seek(from: StreamId, to: StreamId, reverse: boolean): void {
    this.#from.copyFrom(from)
    this.#to.copyFrom(to)
    this.#reverse = reverse
    this.#inNode = false
    this.#onNode = this.seekNode(reverse ? to : from)
  }

  /** Moves `nodes` to the node that would hold `id`; the first one if `id` is before all. @returns false in an empty stream. */
  seekNode(id: StreamId): boolean {
    const { nodes } = this
    this.#order.view = this.view
    this.#order.id.copyFrom(id)
    const found = nodes.seekOrder(this.#order)
    if (nodes.previous()) return true
    return found || nodes.entries > 0 ? nodes.first() : false
  }

  /** The next entry that is not deleted. */
  next(): boolean {
    const { node, nodes } = this
    for (;;) {
      if (!this.#inNode) {
        if (!this.#onNode) return false
        if (!this.openNode(nodes.address)) return false
        if (this.#reverse) node.toEnd()
        this.#inNode = true
      }
      while (this.#reverse ? node.previous() : node.next()) {
        checkRead()
        if (node.deleted) continue
        if (this.#reverse) {
          if (node.id.compare(this.#to) > 0) continue
          if (node.id.compare(this.#from) >= 0) return true
        } else {
          if (node.id.compare(this.#from) < 0) continue
          if (node.id.compare(this.#to) <= 0) return true
        }
        this.#inNode = false
        this.#onNode = false
        return false
      }
      this.#inNode = false
      this.#onNode = this.#reverse ? nodes.previous() : nodes.next()
    }
  }

  /** Is there an entry of this ID? The cursor stands on it then. */
  find(id: StreamId): boolean {
    this.seek(id, id, false)
    return this.next()
  }

  /** The first or last entry's ID into `id`; without entries 0-0 when the last, the greatest when the first was asked for. */
  edge(first: boolean, id: StreamId): boolean {
    this.seek(ZERO_ID, MAX_ID, !first)
    if (this.next()) {
      id.copyFrom(this.node.id)
      return true
    }
    if (first) id.setMax()
    else id.setZero()
    return false
  }

  /** Copies the ID of the node at address `node`. */
  readNodeId(node: number, id: StreamId): void {
    const address = this.view.local(node)
    const words = this.view.memory.i32[address >>> 28]
    const at = byteOffsetOf(address) >>> 2
    if (words !== undefined && at + 4 <= words.length) id.readWords(words, at + N_ID)
  }

  /** Opens `node` on the node at `block`, its cursor before the first entry. */
  openNode(block: number): boolean {
    const { view, node } = this
    const address = view.local(block)
    const words = view.memory.i32[address >>> 28]
    const at = byteOffsetOf(address) >>> 2
    if (words === undefined || at + N_CHUNKS + 1 > words.length) return false
    node.nodeId.readWords(words, at + N_ID)
    const length = words[at + N_BYTES]! >>> 0
    if (words[at + N_ROOM] !== 0) {
      const bytes = view.memory.u8[address >>> 28]!
      const start = (at << 2) + STREAM_NODE_HEADER_BYTES
      return start + length <= bytes.length && node.open(bytes, start, start + length)
    }
    if (length > CHUNKED_BYTES_MAX) return false
    if (this.#scratch.length < length || this.#scratch.length > Math.max(KEPT_SCRATCH_BYTES_MAX, length)) {
      confirmRead(length)
      this.#scratch = new Uint8Array(length)
    }
    return readNodeChunks(view, words[at + N_CHUNKS]!, length, this.#scratch) && node.open(this.#scratch, 0, length)
  }
}

/** 0-0, and the greatest ID. Never changed. */
export const ZERO_ID: StreamId = new StreamId()
export const MAX_ID: StreamId = new StreamId().setMax()
