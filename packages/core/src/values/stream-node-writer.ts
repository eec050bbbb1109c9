/**
 * The nodes of a stream in the hands of its writer: made, moved to more or less room, rewritten where their counts or entries
 * change, and freed. Which entries go where is stream.ts; what a node looks like, stream-layout.ts.
 */
import { LISTPACK_END } from '../encoding/listpack.ts'
import { listpackWriteHeader, listpackWriteInteger } from '../encoding/listpack-edit.ts'
import type { StreamId } from '../encoding/stream-id.ts'
import { NodeValue } from '../keyspace/node-value.ts'
import type { RegionWriter } from '../keyspace/region-writer.ts'
import { BLOCK_BYTES_MAX } from '../limits.ts'
import { Arena } from '../memory/arena.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import { NO_BYTES } from '../memory/view-holders.ts'
import { STREAM_ENTRY_DELETED } from '../object-codec/blob-check.ts'
import { OrderedIndex } from './ordered-index.ts'
import { WEIGHTED } from './ordered-index-cursor.ts'
import { CHUNKED_NODE_BYTES, N_BYTES, N_CHUNKS, N_ID, N_ROOM, STREAM_NODE_HEADER_BYTES } from './stream-layout.ts'
import { StreamReader } from './stream-reader.ts'
import { copyRange } from '../memory/copy-range.ts'
import { moveBytes, viewOf } from '../memory/copy-bytes.ts'

export const INLINE_LISTPACK_BYTES_MAX: number = BLOCK_BYTES_MAX - STREAM_NODE_HEADER_BYTES
/** Room for so many entries that are to be deleted; more room than the second is not kept. */
const FIRST_MARKS = 128
const KEPT_MARKS_MAX = 65_536

/** Counts changes of nodes of any stream by this thread: what was noted about a node's inside holds until the next. */
export let nodeChanges = 0

/** Nodes have other addresses: what was noted about one is void. */
export function noteNodesMoved(): void {
  nodeChanges++
}

/** Frees a node with its chunks. */
export function freeStreamNode(region: RegionWriter, address: number): void {
  nodeChanges++
  const words = region.memory.i32[address >>> 28]!
  const at = byteOffsetOf(address) >>> 2
  if (words[at + N_ROOM] === 0) {
    const chunks = freedChunks.open(region, words[at + N_CHUNKS]!, words[at + N_BYTES]! >>> 0)
    chunks.freeNodes(0, chunks.nodeCount)
  }
  region.arena.free(address)
}

const freedChunks = new NodeValue()

export class StreamNodeWriter extends StreamReader {
  declare readonly nodes: OrderedIndex
  readonly #chunks = new NodeValue()
  readonly #made = new NodeValue()
  readonly #counts = new Uint8Array(20)
  /** Of the entries that were noted, where their flags stand, from the beginning of the listpack: the first `#marked`. */
  #marks = new Int32Array(FIRST_MARKS)
  #marked = 0
  readonly #flags = new Uint8Array(2)

  constructor() {
    super(new OrderedIndex(WEIGHTED))
  }

  /** For changes. */
  get region(): RegionWriter {
    return this.view.writer
  }

  /** Opens `node` on a node that is to be appended to: of a chunked one only the first chunk, if the master is in it. */
  protected openHead(address: number): void {
    const { node, region } = this
    const words = region.memory.i32[address >>> 28]!
    const at = byteOffsetOf(address) >>> 2
    const length = words[at + N_BYTES]! >>> 0
    if (words[at + N_ROOM] === 0 && length > BLOCK_BYTES_MAX) {
      const chunk = region.nodeOf(words[at + N_CHUNKS]!, length, 0)
      const start = byteOffsetOf(chunk)
      node.nodeId.readWords(words, at + N_ID)
      if (node.open(region.memory.u8[chunk >>> 28]!, start, start + BLOCK_BYTES_MAX)) return
    }
    this.openNode(address)
  }

  protected makeNode(id: StreamId, bytes: Uint8Array, start: number, end: number, room: number): number {
    const { region } = this
    nodeChanges++
    const length = end - start
    const inline = length <= INLINE_LISTPACK_BYTES_MAX
    const blockBytes = inline ? Arena.blockBytes(STREAM_NODE_HEADER_BYTES + room) : CHUNKED_NODE_BYTES
    const made = region.arena.allocate(blockBytes)
    let chunksRoot = 0
    if (!inline) {
      try {
        chunksRoot = this.#makeChunks(bytes, start, end)
      } catch (error) {
        region.arena.free(made)
        throw error
      }
    }
    const words = region.memory.i32[made >>> 28]!
    const at = byteOffsetOf(made) >>> 2
    id.writeWords(words, at + N_ID)
    words[at + N_BYTES] = length
    words[at + N_ROOM] = inline ? blockBytes - STREAM_NODE_HEADER_BYTES : 0
    if (inline) copyRange(bytes, start, end, region.memory.u8[made >>> 28]!, (at << 2) + STREAM_NODE_HEADER_BYTES)
    else words[at + N_CHUNKS] = chunksRoot
    return made
  }

  /** Puts bytes in chunks of their own. @returns the root of these */
  #makeChunks(bytes: Uint8Array, start: number, end: number): number {
    const made = this.#made.open(this.region, 0, 0)
    made.fill(bytes, start, end)
    return made.root
  }

  /** Removes the node that `nodes` stands on; they stand on the next one then (false: at the end). */
  protected removeNode(): boolean {
    const { address } = this.nodes
    const more = this.nodes.remove()
    freeStreamNode(this.region, address)
    return more
  }

  /** Gives back room that a node which is appended to no more has. */
  protected shrink(address: number): void {
    const { region, nodes } = this
    const words = region.memory.i32[address >>> 28]!
    const at = byteOffsetOf(address) >>> 2
    const length = words[at + N_BYTES]!
    const room = words[at + N_ROOM]!
    if (room === 0 || Arena.blockBytes(STREAM_NODE_HEADER_BYTES + length) === STREAM_NODE_HEADER_BYTES + room) return
    nodes.setAddress(this.moveNode(address, length))
  }

  /** Copies an inline node to a block with this room, and frees the old one. */
  protected moveNode(address: number, room: number): number {
    const { region } = this
    nodeChanges++
    const blockBytes = Arena.blockBytes(STREAM_NODE_HEADER_BYTES + room)
    const made = region.arena.allocate(blockBytes)
    const { u8, i32 } = region.memory
    const from = byteOffsetOf(address)
    const to = byteOffsetOf(made)
    const length = i32[address >>> 28]![(from >>> 2) + N_BYTES]!
    u8[made >>> 28]!.set(u8[address >>> 28]!.subarray(from, from + STREAM_NODE_HEADER_BYTES + length), to)
    i32[made >>> 28]![(to >>> 2) + N_ROOM] = blockBytes - STREAM_NODE_HEADER_BYTES
    region.arena.free(address)
    return made
  }

  /** Begins a list of entries of the node that `node` is open on. */
  protected beginMarks(): void {
    this.#marked = 0
    if (this.#marks.length > KEPT_MARKS_MAX) this.#marks = new Int32Array(FIRST_MARKS)
  }

  /** Notes the entry of the cursor, which is going to be deleted. */
  protected mark(): void {
    if (this.#marked === this.#marks.length) {
      const grown = new Int32Array(2 * this.#marked)
      grown.set(this.#marks)
      this.#marks = grown
    }
    this.#marks[this.#marked++] = this.node.flagsAt - this.node.start
  }

  /**
   * Deletes the entries that were noted: counts, weight and flags of the node that `node` is open on and `nodes` stands on. Where the
   * entries of `node` are is not known afterwards. The counts come first, as they alone may need memory: when that ends, nothing has changed.
   * @returns how many entries.
   */
  protected deleteMarked(): number {
    const { node, nodes, region } = this
    const marked = this.#marked
    const live = node.liveEntries - marked
    const moved = this.changeNode(nodes.address, live, node.deletedEntries + marked, NO_BYTES, 0, 0)
    nodes.setWeight(live)
    const { address } = nodes
    const words = region.memory.i32[address >>> 28]!
    const at = byteOffsetOf(address) >>> 2
    if (words[at + N_ROOM] === 0) {
      const chunks = this.#chunks.open(region, words[at + N_CHUNKS]!, words[at + N_BYTES]! >>> 0)
      for (let i = 0; i < marked; i++) this.#setChunkedFlag(chunks, this.#marks[i]! + moved)
    } else {
      const bytes = region.memory.u8[address >>> 28]!
      const start = (at << 2) + STREAM_NODE_HEADER_BYTES + moved
      for (let i = 0; i < marked; i++) setDeletedFlag(bytes, start + this.#marks[i]!)
    }
    return marked
  }

  #setChunkedFlag(chunks: NodeValue, flagsAt: number): void {
    const flags = this.#flags
    chunks.read(flagsAt, flagsAt + flags.length, flags, 0)
    setDeletedFlag(flags, 0)
    chunks.write(flagsAt, flags, 0, flags.length)
  }

  /**
   * Writes the two counts of the node that `node` is open on, and appends items. The node may move: `nodes`, which has to
   * stand on it, is told. When memory ends, nothing has changed.
   * @returns by how many bytes the entries are further from the beginning of the listpack.
   */
  protected changeNode(
    address: number,
    live: number,
    deleted: number,
    added: Uint8Array,
    addedBytes: number,
    addedItems: number,
  ): number {
    const { node, region, nodes } = this
    region.memory.keep(address)
    nodeChanges++
    const counts = this.#counts
    const countsBytes = listpackWriteInteger(deleted, counts, listpackWriteInteger(live, counts, 0))
    const moved = countsBytes - (node.countsEnd - node.countsAt)
    const countsAt = node.countsAt - node.start
    const words = region.memory.i32[address >>> 28]!
    const at = byteOffsetOf(address) >>> 2
    const before = words[at + N_BYTES]! >>> 0
    const after = before + moved + addedBytes
    if (words[at + N_ROOM] === 0) {
      this.#changeChunks(address, countsAt, countsBytes, moved, added, addedBytes, addedItems)
      return moved
    }
    if (after > INLINE_LISTPACK_BYTES_MAX) {
      // Beyond a block: made anew, in chunks.
      const whole = new Uint8Array(after)
      whole.set(node.bytes.subarray(node.start, node.end))
      rewriteListpack(whole, 0, before, countsAt, counts, countsBytes, moved, added, addedBytes, addedItems)
      const made = this.makeNode(node.nodeId, whole, 0, after, after)
      region.arena.free(address)
      nodes.setAddress(made)
      return moved
    }
    let target = address
    if (after > words[at + N_ROOM]!) {
      target = this.moveNode(address, Math.min(INLINE_LISTPACK_BYTES_MAX, grownRoom(after)))
      nodes.setAddress(target)
    }
    const bytes = region.memory.u8[target >>> 28]!
    const start = byteOffsetOf(target) + STREAM_NODE_HEADER_BYTES
    rewriteListpack(bytes, start, before, countsAt, counts, countsBytes, moved, added, addedBytes, addedItems)
    region.memory.i32[target >>> 28]![(byteOffsetOf(target) >>> 2) + N_BYTES] = after
    return moved
  }

  #changeChunks(
    address: number,
    countsAt: number,
    countsBytes: number,
    moved: number,
    added: Uint8Array,
    addedBytes: number,
    addedItems: number,
  ): void {
    const { node, region } = this
    const words = region.memory.i32[address >>> 28]!
    const at = byteOffsetOf(address) >>> 2
    const before = words[at + N_BYTES]! >>> 0
    const after = before + moved + addedBytes
    const chunks = this.#chunks.open(region, words[at + N_CHUNKS]!, before)
    if (moved !== 0) {
      // The counts became longer or shorter: seldom enough to write it all again.
      this.openNode(address)
      const whole = new Uint8Array(Math.max(before, after))
      whole.set(node.bytes.subarray(node.start, node.end))
      rewriteListpack(whole, 0, before, countsAt, this.#counts, countsBytes, moved, added, addedBytes, addedItems)
      const root = this.#makeChunks(whole, 0, after)
      chunks.freeNodes(0, chunks.nodeCount)
      words[at + N_CHUNKS] = root
    } else {
      const header = new Uint8Array(6)
      chunks.read(0, 6, header, 0)
      listpackWriteHeader(header, 0, after, addedItems)
      try {
        if (addedBytes > 0) appendItems(chunks, added, addedBytes)
      } finally {
        // Another one, and that of before is free, also when memory ended behind it.
        words[at + N_CHUNKS] = chunks.root
      }
      chunks.write(0, header, 0, 6)
      chunks.write(countsAt, this.#counts, 0, countsBytes)
    }
    words[at + N_BYTES] = after
  }
}

/** Puts items before the end byte of a listpack in chunks. When memory ends, its bytes are as before. */
function appendItems(chunks: NodeValue, added: Uint8Array, addedBytes: number): void {
  const before = chunks.length
  chunks.grow(before + addedBytes)
  try {
    chunks.write(before - 1, added, 0, addedBytes)
    chunks.write(before - 1 + addedBytes, END_BYTE, 0, 1)
  } catch (error) {
    chunks.cut(before)
    chunks.write(before - 1, END_BYTE, 0, 1)
    throw error
  }
}

const END_BYTE = Uint8Array.of(LISTPACK_END)

/** Sets the flag of the entry whose flags are the item at `at`: they are small; snapshots of strangers may spell them longer than in one byte. */
function setDeletedFlag(bytes: Uint8Array, at: number): void {
  const flagAt = at + (bytes[at]! < 0x80 ? 0 : 1)
  bytes[flagAt] = bytes[flagAt]! | STREAM_ENTRY_DELETED
}

/** Room for a node that is going to grow. */
export function grownRoom(bytes: number): number {
  return bytes + (bytes >>> 3) + 16
}

/** Changes the listpack of `before` bytes at `start`, which has room: other counts, items behind the last one. */
function rewriteListpack(
  bytes: Uint8Array,
  start: number,
  before: number,
  countsAt: number,
  counts: Uint8Array,
  countsBytes: number,
  moved: number,
  added: Uint8Array,
  addedBytes: number,
  addedItems: number,
): void {
  const from = start + countsAt + countsBytes - moved
  if (moved !== 0) moveBytes(bytes, viewOf(bytes), from, start + before, from + moved)
  for (let i = 0; i < countsBytes; i++) bytes[start + countsAt + i] = counts[i]!
  const end = start + before + moved - 1
  if (addedBytes > 0) {
    if (addedBytes <= 64) for (let i = 0; i < addedBytes; i++) bytes[end + i] = added[i]!
    else bytes.set(added.subarray(0, addedBytes), end)
  }
  bytes[end + addedBytes] = LISTPACK_END
  listpackWriteHeader(bytes, start, end + addedBytes + 1 - start, addedItems)
}
