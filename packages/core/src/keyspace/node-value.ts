/**
 * Values (and keys) longer than a block: nodes of 16 KiB below one or two levels of index blocks, so that each node can
 * be copied, replaced and freed by itself. A node address of 0 stands for 16 KiB of zeros that nobody wrote yet.
 *
 *   up to 64 MiB:   index [ node 0 | node 1 | … ]                     index block as long as needed
 *   above:          root [ index 0 | index 1 | … ]  index [ 4,096 nodes ]  root and index blocks of 16 KiB
 *
 * The last node's block is only as long as its bytes need. One instance is a cursor that is opened on a value, changed,
 * and asked for `root` and `length` to store; it owns no memory.
 */
import { BLOCK_BYTES_MAX, VALUE_BYTES_MAX } from '../limits.ts'
import { KeyspaceError } from '../errors.ts'
import { Arena } from '../memory/arena.ts'
import type { BlockMover } from '../memory/block-mover.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import type { ValueSource } from '../object-codec/value-source.ts'
import { NODES_PER_INDEX, type RegionView } from './region-view.ts'
import { copyRange } from '../memory/copy-range.ts'

const SINGLE_INDEX_BYTES_MAX: number = BLOCK_BYTES_MAX * NODES_PER_INDEX

export class NodeValue implements ValueSource {
  #region!: RegionView
  root = 0
  length = 0

  /** Opens an existing value, or an empty one with root 0 and length 0. */
  open(region: RegionView, root: number, length: number): this {
    this.#region = region
    this.root = root
    this.length = length
    return this
  }

  /** Makes the value `length` bytes long (never shorter); new bytes read as zeros. When memory ends, nothing has changed. */
  grow(length: number): void {
    if (length > VALUE_BYTES_MAX) {
      throw new KeyspaceError('KEYSPACE_VALUE_TOO_BIG', `a value of ${length} bytes exceeds ${VALUE_BYTES_MAX}`)
    }
    const before = this.length
    if (length <= before) return
    const { arena, memory } = this.#region.writer
    // The last node becomes longer: it needs a block for its new length, zeros behind the old bytes.
    const tail = before % BLOCK_BYTES_MAX
    const index = Math.floor(before / BLOCK_BYTES_MAX)
    const node = tail === 0 ? 0 : this.#region.nodeOf(this.root, before, index)
    const need = Math.min(BLOCK_BYTES_MAX, length - index * BLOCK_BYTES_MAX)
    const grown = node !== 0 && Arena.blockBytes(need) !== Arena.blockBytes(tail) ? arena.allocate(need) : 0
    try {
      this.#growIndex(before, length)
    } catch (error) {
      if (grown !== 0) arena.free(grown)
      throw error
    }
    this.length = length
    if (node === 0) return
    if (grown !== 0) {
      const from = byteOffsetOf(node)
      const to = byteOffsetOf(grown)
      memory.u8[grown >>> 28]!.set(memory.u8[node >>> 28]!.subarray(from, from + tail), to)
      memory.u8[grown >>> 28]!.fill(0, to + tail, to + need)
      arena.free(node)
      this.#setNode(index, grown)
    } else {
      const at = byteOffsetOf(node)
      memory.keep(node)
      memory.u8[node >>> 28]!.fill(0, at + tail, at + need)
    }
  }

  /**
   * Makes the value as short again as it was before the last `grow`, when memory has ended in the writes that were to follow.
   * Needs none; the last node and the index may keep longer blocks than they need.
   */
  cut(length: number): void {
    const { arena, memory } = this.#region.writer
    if (length === 0) {
      this.freeNodes(0, this.nodeCount)
      return
    }
    const nodes = Math.ceil(length / BLOCK_BYTES_MAX)
    this.clearNodes(nodes, this.nodeCount)
    if (this.length > SINGLE_INDEX_BYTES_MAX) {
      const words = memory.i32[this.root >>> 28]!
      const at = byteOffsetOf(this.root) >>> 2
      memory.keep(this.root)
      for (let i = Math.ceil(nodes / NODES_PER_INDEX); i < Math.ceil(this.nodeCount / NODES_PER_INDEX); i++) {
        if (words[at + i] !== 0) arena.free(words[at + i]!)
        words[at + i] = 0
      }
      if (length <= SINGLE_INDEX_BYTES_MAX) {
        const root = this.root
        this.root = words[at]!
        arena.free(root)
      }
    }
    this.length = length
  }

  /** Writes `source[start .. end)` at `offset`; the range must lie inside the value. */
  write(offset: number, source: Uint8Array, start: number, end: number): void {
    let from = start
    let at = offset
    while (from < end) {
      const index = Math.floor(at / BLOCK_BYTES_MAX)
      const inNode = at - index * BLOCK_BYTES_MAX
      const nodeBytes = Math.min(BLOCK_BYTES_MAX, this.length - index * BLOCK_BYTES_MAX)
      const count = Math.min(end - from, nodeBytes - inNode)
      const node = this.#writableNode(index, nodeBytes, count < nodeBytes)
      const target = byteOffsetOf(node) + inNode
      copyRange(source, from, from + count, this.#region.memory.u8[node >>> 28]!, target)
      from += count
      at += count
    }
  }

  /** Appends bytes. */
  append(source: Uint8Array, start: number, end: number): void {
    const at = this.length
    this.grow(at + (end - start))
    this.write(at, source, start, end)
  }

  /** Makes an empty value of these bytes. When memory ends, it is empty again. */
  fill(source: Uint8Array, start: number, end: number): void {
    try {
      this.append(source, start, end)
    } catch (error) {
      this.freeNodes(0, this.nodeCount)
      throw error
    }
  }

  /** Copies bytes [from, to) of the value to `target[at …)`. */
  read(from: number, to: number, target: Uint8Array, at: number): void {
    let position = from
    let out = at
    while (position < to) {
      const index = Math.floor(position / BLOCK_BYTES_MAX)
      const inNode = position - index * BLOCK_BYTES_MAX
      const count = Math.min(to - position, BLOCK_BYTES_MAX - inNode)
      const node = this.#region.nodeOf(this.root, this.length, index)
      if (node === 0) target.fill(0, out, out + count)
      else {
        const source = byteOffsetOf(node) + inNode
        copyRange(this.#region.memory.u8[node >>> 28]!, source, source + count, target, out)
      }
      position += count
      out += count
    }
  }

  get lengthBytes(): number {
    return this.length
  }

  /** As `read`, in the words of a ValueSource. */
  copy(offset: number, target: Uint8Array, at: number, count: number): void {
    this.read(offset, offset + count, target, at)
  }

  get nodeCount(): number {
    return Math.ceil(this.length / BLOCK_BYTES_MAX)
  }

  /** Frees nodes [from, to); with `to` at the end, the index blocks as well. The value may not be used afterwards. */
  freeNodes(from: number, to: number): void {
    const { arena } = this.#region.writer
    const nodes = this.nodeCount
    for (let index = from; index < to; index++) {
      const node = this.#region.nodeOf(this.root, this.length, index)
      if (node !== 0) arena.free(node)
    }
    if (to < nodes || this.root === 0) return
    if (this.length > SINGLE_INDEX_BYTES_MAX) {
      const words = this.#region.memory.i32[this.root >>> 28]!
      const at = byteOffsetOf(this.root) >>> 2
      for (let i = 0; i < Math.ceil(nodes / NODES_PER_INDEX); i++) if (words[at + i] !== 0) arena.free(words[at + i]!)
    }
    arena.free(this.root)
    this.root = 0
    this.length = 0
  }

  /** Frees nodes [from, to), which read as zeros from then on; the value stays as long as it is. */
  clearNodes(from: number, to: number): void {
    const { arena } = this.#region.writer
    for (let index = from; index < to; index++) {
      const node = this.#region.nodeOf(this.root, this.length, index)
      if (node === 0) continue
      arena.free(node)
      this.#setNode(index, 0)
    }
  }

  /**
   * Moves the root and, until the mover is exhausted, index blocks and nodes from node `from` on, one at least. The caller
   * stores `root`.
   * @returns the node to go on with, `nodeCount` when all are done.
   */
  moveNodes(from: number, mover: BlockMover): number {
    const count = this.nodeCount
    if (this.root === 0) return count
    this.root = mover.move(this.root)
    for (let index = from; index < count; index++) {
      if (mover.isExhausted && index > from) return index
      if (index === from || index % NODES_PER_INDEX === 0) this.#moveIndexBlock(index, mover)
      const node = this.#region.nodeOf(this.root, this.length, index)
      const moved = node === 0 ? 0 : mover.move(node)
      if (moved !== node) this.#setNode(index, moved)
    }
    return count
  }

  /** As `moveNodes`, for who comes back: looks count, too. @returns the node to go on with, 0 when all are done. */
  moveNodesOn(from: number, mover: BlockMover): number {
    const next = this.moveNodes(from, mover)
    mover.spendLooks(Math.max(0, next - from))
    return next === this.nodeCount ? 0 : next
  }

  /** Above one index block: moves the one that node `index` hangs below. */
  #moveIndexBlock(index: number, mover: BlockMover): void {
    if (this.length <= SINGLE_INDEX_BYTES_MAX) return
    const words = this.#region.memory.i32[this.root >>> 28]!
    const at = (byteOffsetOf(this.root) >>> 2) + Math.floor(index / NODES_PER_INDEX)
    if (words[at] !== 0) words[at] = mover.move(words[at]!)
  }

  /** Bytes of all blocks of this value, index blocks included. */
  footprint(): number {
    let sum = 0
    for (let index = 0; index < this.nodeCount; index++) {
      if (this.#region.nodeOf(this.root, this.length, index) !== 0) {
        sum += Arena.blockBytes(Math.min(BLOCK_BYTES_MAX, this.length - index * BLOCK_BYTES_MAX))
      }
    }
    return sum + Math.ceil(this.nodeCount / NODES_PER_INDEX) * Math.min(BLOCK_BYTES_MAX, this.nodeCount * 4)
  }

  /** Shows every block with the bytes that were asked for. */
  visitBlocks(visit: (address: number, bytes: number) => void): void {
    if (this.root === 0) return
    const count = this.nodeCount
    const isDeep = count > NODES_PER_INDEX
    visit(this.root, isDeep ? BLOCK_BYTES_MAX : count * 4)
    if (isDeep) {
      const words = this.#region.memory.i32[this.root >>> 28]!
      const at = byteOffsetOf(this.root) >>> 2
      for (let i = 0; i < Math.ceil(count / NODES_PER_INDEX); i++) {
        if (words[at + i] !== 0) visit(words[at + i]!, BLOCK_BYTES_MAX)
      }
    }
    for (let index = 0; index < count; index++) {
      const node = this.#region.nodeOf(this.root, this.length, index)
      if (node !== 0) visit(node, Math.min(BLOCK_BYTES_MAX, this.length - index * BLOCK_BYTES_MAX))
    }
  }

  #writableNode(index: number, nodeBytes: number, keepsBytes: boolean): number {
    const node = this.#region.nodeOf(this.root, this.length, index)
    if (node !== 0) {
      this.#region.memory.keep(node)
      return node
    }
    this.#ensureIndexBlock(index)
    const made = this.#region.writer.arena.allocate(nodeBytes)
    if (keepsBytes) {
      const at = byteOffsetOf(made)
      this.#region.memory.u8[made >>> 28]!.fill(0, at, at + nodeBytes)
    }
    this.#setNode(index, made)
    return made
  }

  /** Above one index block: has the one that node `index` hangs below. Apart from `#setNode`, which must not fail. */
  #ensureIndexBlock(index: number): void {
    if (this.length <= SINGLE_INDEX_BYTES_MAX) return
    const { memory } = this.#region
    const slot = (byteOffsetOf(this.root) >>> 2) + Math.floor(index / NODES_PER_INDEX)
    if (memory.i32[this.root >>> 28]![slot] !== 0) return
    const block = this.#zeroBlock(BLOCK_BYTES_MAX)
    memory.keep(this.root)
    memory.i32[this.root >>> 28]![slot] = block
  }

  #setNode(index: number, node: number): void {
    const { memory } = this.#region
    const rootAt = byteOffsetOf(this.root) >>> 2
    if (this.length <= SINGLE_INDEX_BYTES_MAX) {
      memory.keep(this.root)
      memory.i32[this.root >>> 28]![rootAt + index] = node
      return
    }
    const block = memory.i32[this.root >>> 28]![rootAt + Math.floor(index / NODES_PER_INDEX)]!
    memory.keep(block)
    memory.i32[block >>> 28]![(byteOffsetOf(block) >>> 2) + (index % NODES_PER_INDEX)] = node
  }

  #growIndex(before: number, after: number): void {
    const { memory } = this.#region
    if (before > SINGLE_INDEX_BYTES_MAX) return
    const nodesBefore = Math.ceil(before / BLOCK_BYTES_MAX)
    if (after > SINGLE_INDEX_BYTES_MAX) {
      const root = this.#zeroBlock(BLOCK_BYTES_MAX)
      let full: number
      try {
        full = this.#resizeIndex(nodesBefore, NODES_PER_INDEX)
      } catch (error) {
        this.#region.writer.arena.free(root)
        throw error
      }
      memory.i32[root >>> 28]![byteOffsetOf(root) >>> 2] = full
      this.root = root
      return
    }
    const nodesAfter = Math.ceil(after / BLOCK_BYTES_MAX)
    if (this.root === 0 || Arena.blockBytes(nodesBefore * 4) !== Arena.blockBytes(nodesAfter * 4)) {
      this.root = this.#resizeIndex(nodesBefore, nodesAfter)
    } else if (nodesAfter > nodesBefore) {
      const at = byteOffsetOf(this.root) >>> 2
      memory.keep(this.root)
      memory.i32[this.root >>> 28]!.fill(0, at + nodesBefore, at + nodesAfter)
    }
  }

  /** A new index block with room for `nodesAfter` entries, zeros behind the old ones; the old block is freed. */
  #resizeIndex(nodesBefore: number, nodesAfter: number): number {
    const { memory, arena } = this.#region.writer
    const made = this.#zeroBlock(nodesAfter * 4)
    if (this.root !== 0) {
      const from = byteOffsetOf(this.root) >>> 2
      memory.i32[made >>> 28]!.set(
        memory.i32[this.root >>> 28]!.subarray(from, from + nodesBefore),
        byteOffsetOf(made) >>> 2,
      )
      arena.free(this.root)
    }
    return made
  }

  #zeroBlock(bytes: number): number {
    const made = this.#region.writer.arena.allocate(bytes)
    const at = byteOffsetOf(made) >>> 2
    this.#region.memory.i32[made >>> 28]!.fill(0, at, at + Math.ceil(bytes / 4))
    return made
  }
}
