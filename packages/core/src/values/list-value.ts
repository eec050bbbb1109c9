/**
 * A list of any length (FORM_LIST): nodes of a few KiB (list-node.ts) in their order. The first and the last node hang in the
 * descriptor itself, all between them in a counted tree (ordered-index.ts, weight = elements), which is made when there are
 * three. So pushing and popping touch the tree once a node. Short lists have no node: list-writer.ts.
 *
 *   descriptor   0 owner, bits   1 elements   2 first node   3 last node, 0 if there is one   4 state of the tree, 0 = none
 *   state        a block with the ORDERED_INDEX_WORDS words of the tree
 *
 *   head ─► [ node ]   state ─► tree ─► [ node ] [ node ] …   tail ─► [ node ]
 *
 * No node is ever empty. An element to insert is prepared first (`prepareElement`) and then placed by the call that follows.
 *
 * Source of the rules: redis 7.0 quicklist.c.
 */
import type { LazyFree } from '../keyspace/lazy-free.ts'
import type { RegionView } from '../keyspace/region-view.ts'
import type { RegionWriter } from '../keyspace/region-writer.ts'
import { roomOf } from '../memory/arena.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import {
  LIST_COUNT,
  LIST_HEAD,
  LIST_INDEX,
  LIST_TAIL,
  LIST_WORDS,
  ListCursor,
  PLACE_HEAD,
  PLACE_INDEX,
  PLACE_TAIL,
} from './list-cursor.ts'
import {
  changedAt,
  copyBehind,
  copyNode,
  elementBytes,
  elementFitsNode,
  freeNode,
  insertItem,
  isLongNode,
  longNodeValue,
  type ListNodeRule,
  makePackedNode,
  makeNode,
  LIST_NODE_HEADER_BYTES,
  nodeEnd,
  nodeFootprint,
  nodeItems,
  nodeStart,
  nodeTakes,
  removeItems,
  replaceItem,
  truncateNode,
} from './list-node.ts'
import { OrderedIndex } from './ordered-index.ts'
import { ORDERED_INDEX_WORDS, WEIGHTED } from './ordered-index-cursor.ts'

export class ListValue extends ListCursor {
  #lazyFree: LazyFree | undefined
  readonly #index: OrderedIndex
  /** The last removal from the index took its last entry. */
  #indexEnded = false

  constructor() {
    const index = new OrderedIndex(WEIGHTED)
    super(index)
    this.#index = index
  }

  /** Opens the list whose descriptor is `words[at …)` and whose nodes are in `region`. All zero: an empty list. */
  open(region: RegionView, words: Int32Array, at: number, lazyFree?: LazyFree): this {
    this.#lazyFree = lazyFree
    this.openView(region, words, at)
    return this
  }

  /** For changes. */
  get region(): RegionWriter {
    return this.view.writer
  }

  // ---- ends -------------------------------------------------------------------------------------------------------

  /** Adds the prepared element at one end. When memory ends, nothing has changed. */
  push(atHead: boolean, rule: ListNodeRule): void {
    if (atHead) this.#pushHead(rule)
    else this.#pushTail(rule)
    this.words[this.at + LIST_COUNT]!++
  }

  #pushHead(rule: ListNodeRule): void {
    const { region, words, at } = this
    const head = words[at + LIST_HEAD]!
    if (head !== 0 && nodeTakes(region, head, rule)) {
      words[at + LIST_HEAD] = insertItem(region, head, nodeStart(region, head), rule)
    } else this.#linkFirst(makeNode(region))
  }

  #pushTail(rule: ListNodeRule): void {
    const { region, words, at } = this
    const slot = words[at + LIST_TAIL] === 0 ? at + LIST_HEAD : at + LIST_TAIL
    const last = words[slot]!
    if (last !== 0 && nodeTakes(region, last, rule)) {
      words[slot] = insertItem(region, last, nodeEnd(region, last), rule)
    } else this.#linkLast(makeNode(region))
  }

  /** Adds a whole node of `items` elements behind the last one: `bytes[start .. end)` is its listpack, of at most 16 KiB. */
  appendListpack(bytes: Uint8Array, start: number, end: number, items: number): void {
    this.#linkLast(makePackedNode(this.region, bytes, start, end, items))
    this.#addCount(items)
  }

  /** Has the last node room for so many bytes of items more? False for an empty list. */
  lastNodeTakes(bytes: number, items: number, rule: ListNodeRule): boolean {
    const { region, words, at } = this
    const last = words[at + LIST_TAIL] === 0 ? words[at + LIST_HEAD]! : words[at + LIST_TAIL]!
    if (last === 0 || isLongNode(region, last) || nodeItems(region, last) + items > rule.itemsMax) return false
    return LIST_NODE_HEADER_BYTES + nodeEnd(region, last) - nodeStart(region, last) + bytes <= rule.bytesMax
  }

  /** Keeps elements [from, to) only; 0 <= from < to <= count. */
  trim(from: number, to: number): void {
    const { region, words, at } = this
    let behind = this.count - to
    let before = from
    while (before > 0) {
      const head = words[at + LIST_HEAD]!
      const items = nodeItems(region, head)
      if (before < items) {
        this.seek(before)
        words[at + LIST_HEAD] = removeItems(region, head, nodeStart(region, head), this.itemAt, before)
        this.#addCount(-before)
        break
      }
      before -= items
      this.#unlinkHead()
      this.#addCount(-items)
      freeNode(region, head, this.#lazyFree)
    }
    while (behind > 0) {
      const slot = words[at + LIST_TAIL] === 0 ? at + LIST_HEAD : at + LIST_TAIL
      const last = words[slot]!
      const items = nodeItems(region, last)
      if (behind < items) {
        this.seek(this.count - behind)
        words[slot] = removeItems(region, last, this.itemAt, nodeEnd(region, last), behind)
        this.#addCount(-behind)
        break
      }
      behind -= items
      this.#unlinkTail()
      this.#addCount(-items)
      freeNode(region, last, this.#lazyFree)
    }
  }

  // ---- at the position --------------------------------------------------------------------------------------------

  /** Inserts the prepared element before or behind the position, which is gone then. When memory ends, nothing has changed. */
  insert(behind: boolean, rule: ListNodeRule): void {
    const { region } = this
    if (nodeTakes(region, this.node, rule)) {
      this.#moved(insertItem(region, this.node, behind ? this.nextItemAt() : this.itemAt, rule), 1)
    } else if (behind && this.itemIndex + 1 === this.nodeItems) this.#insertBehindNode(rule)
    else if (!behind && this.itemIndex === 0) this.#insertBeforeNode(rule)
    else this.#insertInside(behind, rule)
    this.#addCount(1)
  }

  #insertBehindNode(rule: ListNodeRule): void {
    const { region } = this
    if (this.nextNode()) {
      if (nodeTakes(region, this.node, rule)) {
        this.#moved(insertItem(region, this.node, nodeStart(region, this.node), rule), 1)
      } else this.#linkBefore(makeNode(region))
    } else this.#linkLast(makeNode(region))
  }

  #insertBeforeNode(rule: ListNodeRule): void {
    const { region } = this
    if (this.previousNode()) {
      if (nodeTakes(region, this.node, rule)) {
        this.#moved(insertItem(region, this.node, nodeEnd(region, this.node), rule), 1)
      } else this.#linkBehind(makeNode(region), 1)
    } else this.#linkFirst(makeNode(region))
  }

  /** Cuts the node in two; the new element goes to the end of its first half, or between the halves. */
  #insertInside(behind: boolean, rule: ListNodeRule): void {
    const { region } = this
    const at = behind ? this.nextItemAt() : this.itemAt
    const before = behind ? this.itemIndex + 1 : this.itemIndex
    const itemsBehind = this.nodeItems - before
    this.#linkBehind(copyBehind(region, this.node, at, before), itemsBehind)
    this.#moved(truncateNode(region, this.node, at, before), -itemsBehind)
    if (nodeTakes(region, this.node, rule)) {
      this.#moved(insertItem(region, this.node, nodeEnd(region, this.node), rule), 1)
    } else this.#linkBehind(makeNode(region), 1)
  }

  /** Puts the prepared element in the place of element `position`, which exists. */
  replace(position: number, rule: ListNodeRule): void {
    const { region } = this
    this.seek(position)
    if (!this.isLong && elementFitsNode()) {
      const next = this.nextItemAt()
      const used = nodeEnd(region, this.node) - nodeStart(region, this.node) - (next - this.itemAt)
      const bytes = LIST_NODE_HEADER_BYTES + used + elementBytes
      if (this.nodeItems === 1 || bytes <= rule.bytesMax) {
        this.#moved(replaceItem(region, this.node, this.itemAt, next, rule), 0)
        return
      }
    }
    if (this.nodeItems === 1) {
      const old = this.node
      this.#moved(makeNode(region), 0)
      freeNode(region, old, this.#lazyFree)
      return
    }
    this.insert(false, rule)
    this.seek(position + 1)
    this.remove(false)
  }

  /**
   * Removes the element at the position, which moves on to its neighbour in the direction given.
   * @returns false when there is none.
   */
  remove(backward: boolean): boolean {
    const { region, node, place, itemIndex } = this
    this.#addCount(-1)
    if (this.nodeItems > 1) {
      this.#moved(removeItems(region, node, this.itemAt, this.nextItemAt(), 1), -1)
      this.itemAt = changedAt
      this.itemNext = 0
      if (backward) return this.previous()
      if (itemIndex < this.nodeItems) return true
      this.itemIndex--
      return this.next()
    }
    if (place === PLACE_HEAD) this.#unlinkHead()
    else if (place === PLACE_TAIL) this.#unlinkTail()
    else this.#unlinkFromIndex()
    freeNode(region, node, this.#lazyFree)
    if (place === PLACE_HEAD) return !backward && this.first()
    if (place === PLACE_TAIL) return backward && this.last()
    return this.#besideUnlinked(backward)
  }

  // ---- nodes ------------------------------------------------------------------------------------------------------

  /** Visits all nodes in order. */
  forEachNode(visit: (node: number) => void): void {
    if (!this.first()) return
    do visit(this.node)
    while (this.nextNode())
  }

  /** Shows every block; for checks. */
  visitBlocks(visit: (address: number, bytes: number) => void): void {
    const { view } = this
    this.forEachNode((node) => {
      visit(node, roomOf(view.memory, node))
      if (isLongNode(view, node)) longNodeValue(view, node).visitBlocks(visit)
    })
    if (!this.openIndex()) return
    visit(this.words[this.at + LIST_INDEX]!, ORDERED_INDEX_WORDS * 4)
    this.#index.visitBlocks(visit)
  }

  get nodeCount(): number {
    const { words, at } = this
    const ends = (words[at + LIST_HEAD] === 0 ? 0 : 1) + (words[at + LIST_TAIL] === 0 ? 0 : 1)
    return this.openIndex() ? ends + this.index.entries : ends
  }

  /** Bytes of all blocks; estimated when there are more than `samples` nodes. */
  footprint(samples: number): number {
    const { words, at } = this
    let sum = 0
    let seen = 0
    let more = this.first()
    while (more && seen < samples) {
      sum += nodeFootprint(this.view, this.node)
      seen++
      more = this.nextNode()
    }
    if (more) sum = Math.round((sum / seen) * this.nodeCount)
    if (!this.openIndex()) return sum
    return sum + roomOf(this.view.memory, words[at + LIST_INDEX]!) + this.#index.footprint()
  }

  /** Appends copies of all nodes to an empty list, which may be in another region. */
  copyTo(target: ListValue): void {
    this.forEachNode((node) => {
      target.#linkLast(copyNode(this.region, node, target.region))
      target.#addCount(nodeItems(this.region, node))
    })
  }

  /** Frees everything at once, or, with many nodes, in slices. The descriptor is empty then. */
  free(): void {
    const { region, words, at } = this
    const lazyFree = this.#lazyFree
    for (const slot of [at + LIST_HEAD, at + LIST_TAIL]) {
      if (words[slot] !== 0) freeNode(region, words[slot]!, lazyFree)
    }
    const state = words[at + LIST_INDEX]!
    words.fill(0, at + LIST_COUNT, at + LIST_WORDS)
    if (state === 0) return
    const step = (): boolean => {
      region.memory.keep(state)
      const index = freed.open(region, region.memory.i32[state >>> 28]!, byteOffsetOf(state) >>> 2)
      if (index.freeLastLeaf((node) => freeNode(region, node, lazyFree))) return false
      region.arena.free(state)
      return true
    }
    if (lazyFree !== undefined && !step()) lazyFree.addSlices(step)
    else if (lazyFree === undefined) while (!step());
  }

  #linkFirst(node: number): void {
    const { words, at } = this
    const head = words[at + LIST_HEAD]!
    if (head !== 0) {
      if (words[at + LIST_TAIL] === 0) words[at + LIST_TAIL] = head
      else this.#linked(node, () => this.#makeIndex().prepend(head, nodeItems(this.region, head)))
    }
    words[at + LIST_HEAD] = node
  }

  #linkLast(node: number): void {
    const { words, at } = this
    const tail = words[at + LIST_TAIL]!
    if (words[at + LIST_HEAD] === 0) words[at + LIST_HEAD] = node
    else {
      if (tail !== 0) this.#linked(node, () => this.#makeIndex().append(tail, nodeItems(this.region, tail)))
      words[at + LIST_TAIL] = node
    }
  }

  /** Links a node of `items` elements behind that of the position, which stays. */
  #linkBehind(node: number, items: number): void {
    if (this.place === PLACE_TAIL) {
      this.#linkLast(node)
      this.place = PLACE_INDEX
    } else if (this.place === PLACE_INDEX) {
      this.#linked(node, () => this.#index.insertAfter(node, items))
      this.#index.previous()
    } else if (this.words[this.at + LIST_TAIL] === 0) this.words[this.at + LIST_TAIL] = node
    else this.#linked(node, () => this.#makeIndex().prepend(node, items))
  }

  /** Links a node of one element before that of the position, which is not the first. The position is gone then. */
  #linkBefore(node: number): void {
    this.#linked(node, () => {
      if (this.place === PLACE_INDEX) this.#index.insertHere(node, 1)
      else this.#makeIndex().append(node, 1)
    })
  }

  /** Runs a change of the index; if that fails, the node to be linked is freed, and an index that was made for it. */
  #linked(node: number, change: () => void): void {
    try {
      change()
    } catch (error) {
      freeNode(this.region, node, this.#lazyFree)
      this.#dropEmptyIndex()
      throw error
    }
  }

  #unlinkHead(): void {
    const { words, at } = this
    if (this.openIndex()) {
      this.#index.first()
      words[at + LIST_HEAD] = this.#index.address
      this.#unlinkFromIndex()
    } else {
      words[at + LIST_HEAD] = words[at + LIST_TAIL]!
      words[at + LIST_TAIL] = 0
    }
  }

  #unlinkTail(): void {
    const { words, at } = this
    if (words[at + LIST_TAIL] === 0) words[at + LIST_HEAD] = 0
    else if (this.openIndex()) {
      this.#index.last()
      words[at + LIST_TAIL] = this.#index.address
      this.#unlinkFromIndex()
    } else words[at + LIST_TAIL] = 0
  }

  /** Removes the entry at the index' cursor, and the index with its last one. */
  #unlinkFromIndex(): void {
    this.#indexEnded = !this.#index.remove()
    this.#dropEmptyIndex()
  }

  /** Where there is an index it has an entry: whoever takes a node away looks for another in it. */
  #dropEmptyIndex(): void {
    const { words, at } = this
    const state = words[at + LIST_INDEX]!
    if (state === 0 || this.#index.entries > 0) return
    words[at + LIST_INDEX] = 0
    this.region.arena.free(state)
  }

  /** After a node was unlinked from the index: goes to what was beside it. */
  #besideUnlinked(backward: boolean): boolean {
    const { words, at } = this
    const indexed = words[at + LIST_INDEX] !== 0
    if (backward) {
      const place = indexed && this.#index.previous() ? PLACE_INDEX : PLACE_HEAD
      const node = place === PLACE_INDEX ? this.#index.address : words[at + LIST_HEAD]!
      return this.enterNode(place, node) && this.toLastItem()
    }
    const place = indexed && !this.#indexEnded ? PLACE_INDEX : PLACE_TAIL
    const node = place === PLACE_INDEX ? this.#index.address : words[at + LIST_TAIL]!
    return this.enterNode(place, node) && this.toFirstItem()
  }

  protected override openIndex(): boolean {
    const state = this.words[this.at + LIST_INDEX]!
    // Whatever is changed in the index changes its state.
    if (state !== 0) this.view.memory.keep(state)
    return super.openIndex()
  }

  /** The index, made if there is none. */
  #makeIndex(): OrderedIndex {
    const { region, words, at } = this
    if (!this.openIndex()) {
      const state = region.arena.allocate(ORDERED_INDEX_WORDS * 4)
      const from = byteOffsetOf(state) >>> 2
      region.memory.i32[state >>> 28]!.fill(0, from, from + ORDERED_INDEX_WORDS)
      words[at + LIST_INDEX] = state
      this.openIndex()
    }
    return this.#index
  }

  /** The node of the position has another address, or more or fewer elements. */
  #moved(node: number, itemsMore: number): void {
    const { words, at } = this
    this.nodeItems += itemsMore
    if (this.place === PLACE_INDEX) {
      if (node !== this.node) this.#index.setAddress(node)
      if (itemsMore !== 0) this.#index.setWeight(this.nodeItems)
    } else words[at + (this.place === PLACE_HEAD ? LIST_HEAD : LIST_TAIL)] = node
    this.useNode(node)
  }

  #addCount(more: number): void {
    this.words[this.at + LIST_COUNT]! += more
  }
}

const freed = new OrderedIndex(WEIGHTED)
