/**
 * The write side of the ordered index (ordered-index-cursor.ts draws it): inserts, removals and changes at the cursor.
 * It owns its nodes, not what the entries point to. Before a full node is split, a neighbour with room takes
 * a part of it, so random inserts fill about 80 % and inserts at an end 100 %; nodes merge when two fit into four fifths
 * of one. When memory ends in an insert (KEYSPACE_OUT_OF_MEMORY), the index is as before.
 */
import type { ScoredEntries } from './scored-entries.ts'
import { Arena } from '../memory/arena.ts'
import {
  INDEX_ENTRIES,
  INDEX_LEVELS,
  INDEX_LEVELS_MAX,
  INDEX_NODE_BYTES,
  INDEX_NODES,
  INDEX_ROOT,
  INDEX_WEIGHT,
  SCORED,
} from './ordered-index-cursor.ts'
import {
  INNER_CAPACITY,
  LEAF_CAPACITY,
  LEAF_WORDS,
  leafCapacity,
  OrderedIndexNodes,
  ROOT_LEAF_BYTES_MIN,
} from './ordered-index-nodes.ts'

export class OrderedIndex extends OrderedIndexNodes {
  /** Nodes that were allocated before a split begins. */
  readonly #spare = new Int32Array(INDEX_LEVELS_MAX + 1)
  #spares = 0

  /** Adds an entry before the cursor's; at the end, appends. The cursor stands on it then. @param value score or weight. */
  insertHere(address: number, value: number): void {
    this.#insert(address, value)
  }

  /** Adds an entry behind the cursor's. */
  insertAfter(address: number, value: number): void {
    this.slots[0] = this.slots[0]! + 1
    this.#insert(address, value)
  }

  /** Adds an entry behind the last. On sorted input this is the way to load: nodes get full. */
  append(address: number, value: number): void {
    this.end()
    this.#insert(address, value)
  }

  /** Appends entries in their order (SCORED), leaf by leaf. */
  appendSorted({ scores, addresses, count }: ScoredEntries): void {
    const { state, at, nodes, slots } = this
    for (let i = 0; i < count;) {
      this.append(addresses[i]!, scores[i]!)
      i++
      // What a leaf's first entry needs of the path is done: the others only fill it.
      this.edit(nodes[0]!, 0)
      const more = Math.min(this.capacity - this.count, count - i)
      if (more === 0) continue
      const slot = this.count
      for (let j = 0; j < more; j++, i++) {
        this.words[this.addressesAt + slot + j] = addresses[i]!
        this.putScore(slot + j, scores[i]!)
      }
      this.setCount(slot + more)
      slots[0] = slot + more - 1
      this.addWeight(more)
      state[at + INDEX_ENTRIES] = state[at + INDEX_ENTRIES]! + more
    }
  }

  /** Adds an entry before the first. */
  prepend(address: number, value: number): void {
    this.first()
    this.#insert(address, value)
  }

  /** Points the cursor's entry to another address (its member or node has moved). */
  setAddress(address: number): void {
    this.edit(this.nodes[0]!, 0)
    this.words[this.addressesAt + this.slots[0]!] = address
    this.address = address
  }

  /** Gives the cursor's entry another weight (WEIGHTED). */
  setWeight(weight: number): void {
    this.edit(this.nodes[0]!, 0)
    const at = this.weightsAt + this.slots[0]!
    const change = weight - (this.words[at]! >>> 0)
    this.words[at] = weight
    this.weight = weight
    this.addWeight(change)
  }

  /** Gives the cursor's entry another score (SCORED) that leaves it where it is in the order. */
  setScore(score: number): void {
    this.edit(this.nodes[0]!, 0)
    this.putScore(this.slots[0]!, score)
    this.score = score
    this.#fitSeparators(score)
  }

  /** Takes the cursor's entry out. The cursor stands on the next one. @returns false when there is none: it is at the end. */
  remove(): boolean {
    const { state, at, nodes, slots } = this
    this.edit(nodes[0]!, 0)
    const slot = slots[0]!
    const weight = this.kind === SCORED ? 1 : this.words[this.weightsAt + slot]! >>> 0
    this.closeSlots(slot, 1)
    const left = this.count
    this.addWeight(-weight)
    state[at + INDEX_ENTRIES] = state[at + INDEX_ENTRIES]! - 1
    if (left === 0) return this.#dropEmpty()
    if (this.levels() === 1) this.#shrinkRootLeaf()
    else if (left <= LEAF_CAPACITY[this.kind]! >>> 1) this.#rebalance(0)
    return this.settle()
  }

  /**
   * Frees the last leaf of an index that nobody reads any more.
   * @param freeEntry is called with each entry's address before.
   * @returns true while something is left.
   */
  freeLastLeaf(freeEntry?: (address: number) => void): boolean {
    const { state, at, nodes } = this
    this.end()
    if (this.levels() === 0) return false
    if (freeEntry !== undefined) {
      for (let slot = 0; slot < this.count; slot++) {
        this.edit(nodes[0]!, 0)
        freeEntry(this.words[this.addressesAt + slot]!)
      }
    }
    const levels = this.levels()
    for (let level = 0; level < levels; level++) {
      this.arena.free(nodes[level]!)
      if (level + 1 === levels) break
      this.edit(nodes[level + 1]!, level + 1)
      this.setCount(this.count - 1)
      if (this.count > 0) return true
    }
    state.fill(0, at, at + 5)
    return false
  }

  /** Bytes of all nodes. O(1). */
  footprint(): number {
    const nodes = this.state[this.at + INDEX_NODES]! >>> 0
    if (nodes !== 1) return nodes * INDEX_NODE_BYTES
    this.load(this.state[this.at + INDEX_ROOT]!, 0)
    return Arena.blockBytes(8 + this.capacity * LEAF_WORDS[this.kind]! * 4)
  }

  /** Shows every node with the bytes that were asked for. */
  visitBlocks(visit: (address: number, bytes: number) => void): void {
    const walk = (node: number, level: number): void => {
      this.load(node, level)
      visit(node, level === 0 && this.levels() === 1 ? this.footprint() : INDEX_NODE_BYTES)
      if (level === 0) return
      for (let slot = 0; this.load(node, level) && slot < this.count; slot++) {
        walk(this.words[this.addressesAt + slot]!, level - 1)
      }
    }
    if (this.levels() > 0) walk(this.state[this.at + INDEX_ROOT]!, this.levels() - 1)
  }

  #insert(address: number, value: number): void {
    const { state, at, nodes, slots } = this
    if (this.levels() === 0) {
      const root = this.makeNode(0, ROOT_LEAF_BYTES_MIN[this.kind]!)
      state[at + INDEX_ROOT] = root
      state[at + INDEX_LEVELS] = 1
      state[at + INDEX_NODES] = 1
      nodes[0] = root
      slots[0] = 0
    }
    this.edit(nodes[0]!, 0)
    if (this.count === this.capacity) {
      if (this.levels() === 1 && this.capacity < LEAF_CAPACITY[this.kind]!) this.#resizeRootLeaf(this.capacity + 1)
      else this.#makeRoomInLeaf()
      this.edit(nodes[0]!, 0)
    }
    const slot = slots[0]!
    this.openSlots(slot, 1)
    const weight = this.kind === SCORED ? 1 : value
    this.words[this.addressesAt + slot] = address
    if (this.kind === SCORED) this.putScore(slot, value)
    else this.words[this.weightsAt + slot] = value
    this.address = address
    this.score = value
    this.weight = weight
    this.addWeight(weight)
    state[at + INDEX_ENTRIES] = state[at + INDEX_ENTRIES]! + 1
    if (this.kind === SCORED) this.#fitSeparators(value)
  }

  /** After a new score at the cursor: if it is the first or last of its leaf, the separator beside it may have to move. */
  #fitSeparators(score: number): void {
    const { nodes, slots } = this
    const levels = this.levels()
    if (levels === 1) return
    this.edit(nodes[0]!, 0)
    const slot = slots[0]!
    if (slot === 0) {
      let level = 1
      while (level < levels && slots[level] === 0) level++
      if (level < levels) {
        this.edit(nodes[level]!, level)
        if (this.scoreAt(slots[level]!) > score) this.putScore(slots[level]!, score)
      }
    }
    this.edit(nodes[0]!, 0)
    if (slot === this.count - 1) {
      for (let level = 1; level < levels; level++) {
        this.edit(nodes[level]!, level)
        const right = slots[level]! + 1
        if (right === this.count) continue
        if (this.scoreAt(right) < score) this.putScore(right, score)
        break
      }
    }
  }

  // ---- growth

  /** The leaf of the path is full: afterwards it (maybe another one that the path names) has room. */
  #makeRoomInLeaf(): void {
    this.#reserveSpares()
    const levels = this.levels()
    // Growth at an end of the index leaves full nodes behind.
    let rightEdge = this.slots[0] === this.count
    let leftEdge = this.slots[0] === 0
    for (let level = 1; level < levels; level++) {
      this.edit(this.nodes[level]!, level)
      rightEdge &&= this.slots[level]! + 1 === this.count
      leftEdge &&= this.slots[level] === 0
    }
    this.#makeRoom(0, leftEdge, rightEdge)
    while (this.#spares > 0) this.arena.free(this.#spare[--this.#spares]!)
  }

  /** One node for each full one of the path from the leaf up, and one for a new root. */
  #reserveSpares(): void {
    const levels = this.levels()
    let needed = 0
    while (needed < levels) {
      this.edit(this.nodes[needed]!, needed)
      if (this.count < this.capacity) break
      needed++
    }
    if (needed === levels) needed++
    this.#spares = 0
    try {
      while (this.#spares < needed) {
        const node = this.arena.allocate(INDEX_NODE_BYTES)
        this.#spare[this.#spares++] = node
      }
    } catch (error) {
      while (this.#spares > 0) this.arena.free(this.#spare[--this.#spares]!)
      throw error
    }
    this.edit(this.nodes[0]!, 0)
  }

  #takeSpare(level: number): number {
    const node = this.#spare[--this.#spares]!
    const capacity = (level === 0 ? LEAF_CAPACITY : INNER_CAPACITY)[this.kind]!
    this.clearNode(node, level, capacity)
    this.state[this.at + INDEX_NODES] = this.state[this.at + INDEX_NODES]! + 1
    return node
  }

  /** Makes room in the full node of the path at `level`. */
  #makeRoom(level: number, leftEdge: boolean, rightEdge: boolean): void {
    const { state, at, nodes, slots } = this
    if (level + 1 === this.levels()) {
      // A new root above the old one.
      const root = this.#takeSpare(level + 1)
      this.edit(root, level + 1)
      this.setCount(1)
      this.words[this.addressesAt] = nodes[level]!
      this.words[this.weightsAt] = state[at + INDEX_WEIGHT]!
      state[at + INDEX_ROOT] = root
      state[at + INDEX_LEVELS] = level + 2
      nodes[level + 1] = root
      slots[level + 1] = 0
    } else if (!leftEdge && !rightEdge && this.#shareWithNeighbour(level)) return
    this.edit(nodes[level + 1]!, level + 1)
    if (this.count === this.capacity) this.#makeRoom(level + 1, leftEdge, rightEdge)
    this.#splitNode(level, leftEdge, rightEdge)
  }

  #shareWithNeighbour(level: number): boolean {
    this.edit(this.nodes[level + 1]!, level + 1)
    const parentSlot = this.slots[level + 1]!
    const siblings = this.count
    const left = parentSlot > 0 ? this.words[this.addressesAt + parentSlot - 1]! : 0
    const right = parentSlot + 1 < siblings ? this.words[this.addressesAt + parentSlot + 1]! : 0
    if (left !== 0) {
      this.edit(left, level)
      if (this.count <= this.capacity - (this.capacity >>> 3)) {
        this.moveToLeft(level, (this.capacity - this.count) >>> 1)
        return true
      }
    }
    if (right !== 0) {
      this.edit(right, level)
      if (this.count <= this.capacity - (this.capacity >>> 3)) {
        this.moveToRight(level, (this.capacity - this.count) >>> 1)
        return true
      }
    }
    return false
  }

  /** Splits the path's node; its parent has room. */
  #splitNode(level: number, leftEdge: boolean, rightEdge: boolean): void {
    const { nodes, slots } = this
    const node = nodes[level]!
    this.edit(node, level)
    const { count } = this
    let boundary = count >>> 1
    if (rightEdge) boundary = level === 0 ? count : count - 1
    else if (leftEdge) boundary = level === 0 ? 0 : 1
    const separator = boundary === count ? Infinity : this.kind === SCORED ? this.scoreAt(boundary) : 0
    const made = this.#takeSpare(level)
    const moved = this.moveSlots(node, made, level, boundary, 0, count - boundary)
    const parentSlot = slots[level + 1]!
    this.edit(nodes[level + 1]!, level + 1)
    this.openSlots(parentSlot + 1, 1)
    this.words[this.addressesAt + parentSlot + 1] = made
    this.words[this.weightsAt + parentSlot + 1] = moved
    this.words[this.weightsAt + parentSlot] = this.words[this.weightsAt + parentSlot]! - moved
    if (this.kind === SCORED) this.putScore(parentSlot + 1, separator)
    if (slots[level]! >= boundary && !leftEdge) {
      nodes[level] = made
      slots[level] = slots[level]! - boundary
      slots[level + 1] = parentSlot + 1
    }
  }

  // ---- removal

  /** The path's node at `level` is at most half full (or was robbed of a child): merges it with a neighbour, if two fit well into one. */
  #rebalance(level: number): void {
    const { nodes, slots } = this
    const top = this.levels() - 1
    if (level === top) {
      this.#collapseRoot()
      return
    }
    this.edit(nodes[level]!, level)
    const { count, capacity } = this
    if (count > capacity >>> 1) return
    this.edit(nodes[level + 1]!, level + 1)
    const parentSlot = slots[level + 1]!
    const left = parentSlot > 0 ? this.words[this.addressesAt + parentSlot - 1]! : 0
    const right = parentSlot + 1 < this.count ? this.words[this.addressesAt + parentSlot + 1]! : 0
    const fits = capacity - Math.floor(capacity / 5)
    let leftCount = -1
    let rightCount = -1
    if (left !== 0) {
      this.edit(left, level)
      leftCount = this.count
      if (leftCount + count <= fits) {
        const node = nodes[level]!
        const slot = slots[level]!
        this.moveToLeft(level, count)
        // A slot behind the last moved entry is the end of the left node now.
        nodes[level] = left
        slots[level] = leftCount + slot
        slots[level + 1] = parentSlot - 1
        this.#dropChild(level + 1, parentSlot, node)
        this.#rebalance(level + 1)
        return
      }
    }
    if (right !== 0) {
      this.edit(right, level)
      rightCount = this.count
      if (rightCount + count <= fits) {
        const node = nodes[level]!
        const slot = slots[level]!
        nodes[level] = right
        slots[level] = 0
        slots[level + 1] = parentSlot + 1
        this.moveToLeft(level, rightCount)
        nodes[level] = node
        slots[level] = slot
        slots[level + 1] = parentSlot
        this.#dropChild(level + 1, parentSlot + 1, right)
        this.#rebalance(level + 1)
        return
      }
    }
    if (count >= capacity >>> 3) return
    // Neighbours are too full to merge with and this one is nearly empty: half of a neighbour's entries come over.
    const slot = slots[level]!
    const node = nodes[level]!
    if (left !== 0) {
      nodes[level] = left
      slots[level] = 0
      slots[level + 1] = parentSlot - 1
      const moved = leftCount >>> 1
      this.moveToRight(level, moved)
      nodes[level] = node
      slots[level] = slot + moved
      slots[level + 1] = parentSlot
    } else if (right !== 0) {
      nodes[level] = right
      slots[level] = rightCount
      slots[level + 1] = parentSlot + 1
      this.moveToLeft(level, rightCount >>> 1)
      nodes[level] = node
      slots[level] = slot
      slots[level + 1] = parentSlot
    }
  }

  /** Takes an empty child out of its parent and frees it. */
  #dropChild(parentLevel: number, slot: number, child: number): void {
    this.edit(this.nodes[parentLevel]!, parentLevel)
    this.closeSlots(slot, 1)
    this.freeNode(child)
  }

  /** The path's leaf is empty and had no neighbour to merge with: it goes, and with it the nodes that it leaves empty. */
  #dropEmpty(): boolean {
    const { state, at, nodes, slots } = this
    const levels = this.levels()
    let level = 0
    while (level < levels) {
      const child = nodes[level]!
      if (level + 1 === levels) {
        this.freeNode(child)
        state.fill(0, at, at + 5)
        return false
      }
      this.#dropChild(level + 1, slots[level + 1]!, child)
      level++
      if (this.count > 0) break
    }
    // The path names the child behind now, or the end of this node.
    this.edit(nodes[level]!, level)
    let found = true
    if (slots[level]! < this.count) found = this.descendBelow(level)
    else {
      slots[level] = this.count - 1
      found = this.climb(level)
      if (!found) this.end()
    }
    if (level < this.levels() - 1) this.#rebalance(level)
    else this.#collapseRoot()
    return found && this.settle()
  }

  /** A root with one child makes way for it. */
  #collapseRoot(): void {
    const { state, at } = this
    for (;;) {
      const top = this.levels() - 1
      if (top === 0) return
      const root = state[at + INDEX_ROOT]!
      this.edit(root, top)
      if (this.count > 1) return
      state[at + INDEX_ROOT] = this.words[this.addressesAt]!
      state[at + INDEX_LEVELS] = top
      this.freeNode(root)
    }
  }

  #shrinkRootLeaf(): void {
    this.edit(this.nodes[0]!, 0)
    const { count, capacity, kind } = this
    if (count > capacity >>> 2 || 8 + capacity * LEAF_WORDS[kind]! * 4 <= 64) return
    try {
      this.#resizeRootLeaf(count << 1)
    } catch {
      // No memory for a smaller one: the large one stays.
    }
  }

  /** Gives the lone root leaf room for at least `entries`. */
  #resizeRootLeaf(entries: number): void {
    const { kind, nodes } = this
    let bytes = ROOT_LEAF_BYTES_MIN[kind]!
    while (leafCapacity(kind, bytes) < entries) bytes *= 2
    const node = nodes[0]!
    this.edit(node, 0)
    const { count } = this
    const made = this.makeNode(0, bytes)
    this.moveSlots(node, made, 0, 0, 0, count)
    this.arena.free(node)
    nodes[0] = made
    this.state[this.at + INDEX_ROOT] = made
  }
}
