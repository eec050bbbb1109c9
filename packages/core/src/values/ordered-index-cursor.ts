/**
 * The read side of the ordered index: a counted B+tree whose entries are addresses (of member records, listpack nodes,
 * stream nodes). Positions are found by weight or by comparison, and walked from there. The same code serves the writer
 * and readers in other threads: on torn memory every offset is bounded and every loop ends, and a result means
 * nothing before the shard's counter was validated. What an entry points to is the caller's matter.
 *
 *   root state: 5 int32 words of the owner       0 root node  1 levels (0: empty)  2 entries  3 weight  4 nodes
 *
 *   node: at most 1 KiB     word 0  [ mark:8 | level:8 | capacity:8 | count:8 ]     level 0 is a leaf
 *                           word 1  unused
 *     SCORED leaf           scores: f64 × capacity | addresses: i32 × capacity                             84 entries
 *     WEIGHTED leaf         addresses: i32 × capacity | weights: u32 × capacity                           127 entries
 *     inner, SCORED         separators: f64 × capacity | children: i32 × capacity | weights: u32 × capacity   63 children
 *     inner, WEIGHTED       children: i32 × capacity | weights: u32 × capacity                             127 children
 *
 * Separator i is a score that no entry below child i is under and none below child i-1 above (that of child 0 means
 * nothing). Among equal scores the first entry below a child decides; so no node but a leaf holds an
 * entry's address, and freeing a member needs no look at inner nodes. Weights of inner nodes are those of the subtree.
 */
import { NO_VIEW, NO_WORDS, noteViewHolder, type ViewHolder } from '../memory/view-holders.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import { checkRead } from '../keyspace/read-guard.ts'
import type { RegionView } from '../keyspace/region-view.ts'

/** Entries with a float64 score and weight 1 (sorted sets). */
export const SCORED = 1
/** Entries with a uint32 weight (lists, streams). */
export const WEIGHTED = 0
export type OrderedIndexKind = typeof SCORED | typeof WEIGHTED

export const INDEX_ROOT = 0
export const INDEX_LEVELS = 1
export const INDEX_ENTRIES = 2
export const INDEX_WEIGHT = 3
export const INDEX_NODES = 4
/** Words of the root state. */
export const ORDERED_INDEX_WORDS = 5

export const INDEX_NODE_BYTES = 1024
export const NODE_MARK = 0x4f
export const NODE_HEADER_WORDS = 2
/** 63 children a node or more, even if only half full: enough for any region. */
export const INDEX_LEVELS_MAX = 12

/** How an entry lies to what is sought. On torn memory it may be called with any address. */
export interface EntryOrder {
  /** Less than 0: the entry sorts before what is sought. */
  compare(address: number): number
}

/** All entries (of equal score) sort before what is sought: seekScore() finds the first greater score. */
export const ENTRIES_BEFORE: EntryOrder = { compare: () => -1 }
/** No entry (of equal score) sorts before what is sought: seekScore() finds the first of this score. */
export const ENTRIES_AFTER: EntryOrder = { compare: () => 1 }

export class OrderedIndexCursor implements ViewHolder {
  readonly kind: OrderedIndexKind
  protected view!: RegionView
  protected state!: Int32Array
  protected at = 0

  /** The entry the cursor stands on, valid while the last move returned true. */
  address = 0
  /** Its score (SCORED). */
  score = 0
  /** Its weight (1 for SCORED). */
  weight = 0
  /** Position inside the entry, after seekWeight(). */
  offset = 0

  // The path: node and slot per level, 0 the leaf. A leaf slot equal to the count of its leaf is the end of the index.
  protected readonly nodes: Int32Array = new Int32Array(INDEX_LEVELS_MAX)
  protected readonly slots: Int32Array = new Int32Array(INDEX_LEVELS_MAX)

  // Registers of load(): the node that was looked at last.
  protected words!: Int32Array
  protected bytes!: DataView
  /** Word index of the node, of its addresses and of its weights. */
  protected base = 0
  protected addressesAt = 0
  protected weightsAt = 0
  protected count = 0
  protected capacity = 0

  constructor(kind: OrderedIndexKind) {
    this.kind = kind
    noteViewHolder(this)
  }

  letGo(): void {
    this.state = NO_WORDS
    this.at = 0
    this.words = NO_WORDS
    this.bytes = NO_VIEW
  }

  /** Opens an index; the cursor has no position yet. */
  open(view: RegionView, state: Int32Array, at: number): this {
    this.view = view
    this.state = state
    this.at = at
    return this
  }

  get entries(): number {
    return this.state[this.at + INDEX_ENTRIES]! >>> 0
  }

  get totalWeight(): number {
    return this.state[this.at + INDEX_WEIGHT]! >>> 0
  }

  /** Moves to the first entry. @returns false when there is none. */
  first(): boolean {
    const top = this.enterRoot()
    return top >= 0 && this.descendFirst(top) && this.settle()
  }

  /** Moves to the last entry. @returns false when there is none. */
  last(): boolean {
    if (!this.#descendLast() || this.count === 0) return false
    this.slots[0] = this.count - 1
    return this.settle()
  }

  /** Moves behind the last entry: where insertHere() appends. */
  end(): void {
    if (this.#descendLast()) this.slots[0] = this.count
  }

  /** Moves to the next entry. @returns false when there is none; the cursor is at the end then. */
  next(): boolean {
    this.slots[0] = this.slots[0]! + 1
    return this.settle()
  }

  /** Moves to the previous entry, from the end to the last. @returns false when there is none; the cursor is void then. */
  previous(): boolean {
    const { slots } = this
    const levels = this.levels()
    if (levels === 0) return false
    if (slots[0]! > 0) {
      slots[0] = slots[0]! - 1
      return this.settle()
    }
    let level = 1
    while (level < levels && slots[level] === 0) level++
    if (level >= levels) return false
    slots[level] = slots[level]! - 1
    while (level > 0) {
      if (!this.load(this.nodes[level]!, level) || slots[level]! >= this.count) return false
      const child = this.words[this.addressesAt + slots[level]!]!
      level--
      this.nodes[level] = child
      if (!this.load(child, level) || this.count === 0) return false
      slots[level] = this.count - 1
    }
    return this.settle()
  }

  /**
   * Moves to the entry that holds a position: entry e where weight before e ≤ position < weight before e + e's weight;
   * `offset` is what is left. O(log n). @returns false beyond the total weight; the cursor is at the end then.
   */
  seekWeight(position: number): boolean {
    if (position >= this.totalWeight) {
      this.end()
      return false
    }
    let rest = position
    let level = this.enterRoot()
    for (; level >= 0; level--) {
      if (!this.load(this.nodes[level]!, level)) return false
      const { words, weightsAt, count } = this
      let slot = 0
      if (weightsAt === 0) {
        slot = rest
        rest = 0
      } else {
        for (; slot < count; slot++) {
          const weight = words[weightsAt + slot]! >>> 0
          if (rest < weight) break
          rest -= weight
        }
      }
      if (slot >= count) return false
      this.slots[level] = slot
      if (level > 0) this.nodes[level - 1] = words[this.addressesAt + slot]!
    }
    this.offset = rest
    return this.settle()
  }

  /**
   * SCORED. Moves to the first entry with a greater score, or with this score and not before what `order` seeks. O(log n).
   * @returns false when all sort before; the cursor is at the end then.
   */
  seekScore(score: number, order: EntryOrder): boolean {
    let level = this.enterRoot()
    if (level < 0) return false
    for (; level > 0; level--) {
      if (!this.load(this.nodes[level]!, level)) return false
      // The last child whose first entry sorts before what is sought.
      let low = 0
      let high = this.count - 1
      while (low < high) {
        const middle = (low + high + 1) >>> 1
        const separator = this.scoreAt(middle)
        let before = separator < score
        if (separator === score) {
          if (order === ENTRIES_BEFORE) before = true
          else if (order !== ENTRIES_AFTER) {
            if (!this.#firstBelow(middle, level)) return false
            before = this.score < score || (this.score === score && order.compare(this.address) < 0)
            if (!this.load(this.nodes[level]!, level)) return false
          }
        }
        if (before) low = middle
        else high = middle - 1
      }
      if (this.count === 0) return false
      this.slots[level] = low
      this.nodes[level - 1] = this.words[this.addressesAt + low]!
    }
    if (!this.load(this.nodes[0]!, 0)) return false
    const { words, addressesAt } = this
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      const found = this.scoreAt(middle)
      if (found < score || (found === score && order.compare(words[addressesAt + middle]!) < 0)) low = middle + 1
      else high = middle
    }
    this.slots[0] = low
    return this.settle()
  }

  /**
   * Moves to the first entry that does not sort before what `order` seeks, whatever its score. O(log n) comparisons.
   * @returns false when all sort before; the cursor is at the end then.
   */
  seekOrder(order: EntryOrder): boolean {
    let level = this.enterRoot()
    if (level < 0) return false
    for (; level > 0; level--) {
      if (!this.load(this.nodes[level]!, level)) return false
      let low = 0
      let high = this.count - 1
      while (low < high) {
        const middle = (low + high + 1) >>> 1
        if (!this.#firstBelow(middle, level)) return false
        const before = order.compare(this.address) < 0
        if (!this.load(this.nodes[level]!, level)) return false
        if (before) low = middle
        else high = middle - 1
      }
      if (this.count === 0) return false
      this.slots[level] = low
      this.nodes[level - 1] = this.words[this.addressesAt + low]!
    }
    if (!this.load(this.nodes[0]!, 0)) return false
    const { words, addressesAt } = this
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (order.compare(words[addressesAt + middle]!) < 0) low = middle + 1
      else high = middle
    }
    this.slots[0] = low
    return this.settle()
  }

  /** Weight of all entries before the cursor; at the end, of all. O(log n). The cursor does not move. */
  rank(): number {
    let sum = 0
    for (let level = this.levels() - 1; level >= 0; level--) {
      if (!this.load(this.nodes[level]!, level)) return 0
      const { words, weightsAt } = this
      const slot = Math.min(this.slots[level]!, this.count)
      if (weightsAt === 0) sum += slot
      else for (let i = 0; i < slot; i++) sum += words[weightsAt + i]! >>> 0
    }
    return sum
  }

  /** Levels of nodes; 0 when it is empty. */
  levels(): number {
    const levels = this.state[this.at + INDEX_LEVELS]!
    return levels > INDEX_LEVELS_MAX || levels < 0 ? 0 : levels
  }

  /** Puts the root on top of the path. @returns its level, -1 when the index is empty. */
  protected enterRoot(): number {
    const top = this.levels() - 1
    if (top >= 0) this.nodes[top] = this.state[this.at + INDEX_ROOT]!
    return top
  }

  /** Looks at a node. @returns false on torn memory. */
  protected load(node: number, level: number): boolean {
    const { memory } = this.view
    const address = this.view.local(node)
    const segment = address >>> 28
    const words = memory.i32[segment]
    const base = byteOffsetOf(address) >>> 2
    if (address === 0) return false
    if (words === undefined || base + NODE_HEADER_WORDS > words.length) return false
    const header = words[base]!
    const capacity = (header >>> 8) & 0xff
    const count = header & 0xff
    if (header >>> 16 !== ((NODE_MARK << 8) | level) || count > capacity) return false
    const scored = this.kind === SCORED
    const addressesAt = base + NODE_HEADER_WORDS + (scored ? capacity << 1 : 0)
    const weighted = level > 0 || !scored
    if (addressesAt + (weighted ? capacity << 1 : capacity) > words.length) return false
    this.words = words
    this.bytes = memory.views[segment]!
    this.base = base
    this.addressesAt = addressesAt
    this.weightsAt = weighted ? addressesAt + capacity : 0
    this.count = count
    this.capacity = capacity
    return true
  }

  /** Score or separator in the loaded node (SCORED). */
  protected scoreAt(slot: number): number {
    return this.bytes.getFloat64((this.base + NODE_HEADER_WORDS + (slot << 1)) << 2, true)
  }

  /** Takes the way down to the first entry below the path's slot at `level`'s node, whose slot becomes 0 as well. */
  protected descendFirst(level: number): boolean {
    this.slots[level] = 0
    return this.descendBelow(level)
  }

  /** Takes the way down to the first entry below the child that the path names at `level`. */
  protected descendBelow(level: number): boolean {
    for (let below = level; below > 0; below--) {
      if (!this.load(this.nodes[below]!, below) || this.slots[below]! >= this.count) return false
      this.nodes[below - 1] = this.words[this.addressesAt + this.slots[below]!]!
      this.slots[below - 1] = 0
    }
    return true
  }

  /** Reads the entry at the path; from the end of a leaf it goes on to the next one. @returns false at the end. */
  protected settle(): boolean {
    checkRead()
    if (this.levels() === 0 || !this.load(this.nodes[0]!, 0)) return false
    let slot = this.slots[0]!
    if (slot >= this.count) {
      if (!this.climb(1) || !this.load(this.nodes[0]!, 0) || this.count === 0) return false
      slot = 0
    }
    this.address = this.words[this.addressesAt + slot]!
    if (this.kind === SCORED) {
      this.score = this.scoreAt(slot)
      this.weight = 1
    } else this.weight = this.words[this.weightsAt + slot]! >>> 0
    return true
  }

  /** Goes to the first entry behind the subtree that the path names at `level` or above. @returns false: none, the path is as before. */
  protected climb(level: number): boolean {
    const levels = this.levels()
    for (let above = level; above < levels; above++) {
      if (!this.load(this.nodes[above]!, above)) return false
      if (this.slots[above]! + 1 < this.count) {
        this.slots[above] = this.slots[above]! + 1
        return this.descendBelow(above)
      }
    }
    return false
  }

  #descendLast(): boolean {
    let level = this.enterRoot()
    if (level < 0) return false
    for (; level > 0; level--) {
      if (!this.load(this.nodes[level]!, level) || this.count === 0) return false
      this.slots[level] = this.count - 1
      this.nodes[level - 1] = this.words[this.addressesAt + this.count - 1]!
    }
    return this.load(this.nodes[0]!, 0)
  }

  /** Reads `address` and `score` of the first entry below child `slot` of the loaded node. Loads other nodes. */
  #firstBelow(slot: number, level: number): boolean {
    let node = this.words[this.addressesAt + slot]!
    for (let below = level - 1; below >= 0; below--) {
      if (!this.load(node, below) || this.count === 0) return false
      node = this.words[this.addressesAt]!
    }
    this.address = node
    if (this.kind === SCORED) this.score = this.scoreAt(0)
    return true
  }
}
