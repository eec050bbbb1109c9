/**
 * Reading a list in either form: its length, the element at a position, steps in both directions. What a long list consists of is
 * drawn in list-value.ts; a short one is a listpack in its record, which is looked at as a list of one node. Reads through a
 * RegionView, bounded and without allocation, so it serves readers of other threads too.
 */
import { NO_BYTES, NO_VIEW, NO_WORDS, noteViewHolder, type ViewHolder } from '../memory/view-holders.ts'
import { LISTPACK_HEADER_BYTES } from '../encoding/listpack.ts'
import { listpackCount } from '../encoding/listpack-edit.ts'
import { INTEGER_TEXT_BYTES_MAX, writeInt64 } from '../encoding/integer.ts'
import type { Entry } from '../keyspace/entry.ts'
import { checkRead, confirmRead } from '../keyspace/read-guard.ts'
import type { RegionView } from '../keyspace/region-view.ts'
import { BLOCK_BYTES_MAX, VALUE_BYTES_MAX } from '../limits.ts'
import { copyBytes, equalBytes, viewOf } from '../memory/copy-bytes.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import type { ReplyEncoder } from '../resp/encoder.ts'
import { OrderedIndexCursor, WEIGHTED } from './ordered-index-cursor.ts'
import { copyRange } from '../memory/copy-range.ts'

const TWO_32: number = 2 ** 32

/** Words of the descriptor (0 is the owner's, see large-value.ts). */
export const LIST_COUNT = 1
export const LIST_HEAD = 2
export const LIST_TAIL = 3
export const LIST_INDEX = 4
export const LIST_WORDS = 5

/** Where the node of a position is kept. */
export const PLACE_HEAD = 0
export const PLACE_INDEX = 1
export const PLACE_TAIL = 2

export class ListCursor implements ViewHolder {
  view!: RegionView
  /** The descriptor; of a packed list one that is made up: its only node is the record. */
  words: Int32Array = NO_WORDS
  at = 0
  /** The list is the listpack `nodeBytes[base .. base + packedLength)`, inside of a record. */
  isPacked = false
  protected packedLength = 0
  readonly #packedWords: Int32Array = new Int32Array(LIST_WORDS)

  // Position: a node and an item in it. Valid while the last move returned true.
  place: number = PLACE_HEAD
  node = 0
  nodeItems = 0
  itemIndex = 0
  /** Byte offset of the item in its node, or in the listpack. */
  itemAt = 0
  /** The same of the item behind it, 0 while not known. */
  itemNext = 0

  // The bytes of the node: offsets count from `base`. Where its items begin and end, when it was entered.
  protected nodeBytes: Uint8Array = NO_BYTES
  protected base = 0
  #nodeView: DataView = NO_VIEW
  #start = 0
  #end = 0

  // The element `load` found: `bytes[start .. end)`, or a long one (`isLong`) of `longLength` bytes in nodes.
  bytes!: Uint8Array
  start = 0
  end = 0
  isLong = false
  longLength = 0
  longRoot = 0
  /** The element's bytes are the decimal text of an integer that was packed. */
  isInteger = false
  #low = 0
  #high = 0

  protected readonly index: OrderedIndexCursor
  readonly #digits: Uint8Array = new Uint8Array(INTEGER_TEXT_BYTES_MAX)
  readonly #digitsView: DataView = new DataView(this.#digits.buffer)
  #bytesView!: DataView

  /** @param index only for the writer, whose index also changes. */
  constructor(index: OrderedIndexCursor = new OrderedIndexCursor(WEIGHTED)) {
    this.index = index
    noteViewHolder(this)
  }

  letGo(): void {
    this.words = NO_WORDS
    this.at = 0
    this.bytes = NO_BYTES
    this.#bytesView = NO_VIEW
    this.nodeBytes = NO_BYTES
    this.#nodeView = NO_VIEW
  }

  /** Opens the list whose descriptor is `words[at …)`. No position yet. */
  openView(view: RegionView, words: Int32Array, at: number): this {
    this.view = view
    this.words = words
    this.at = at
    this.isPacked = false
    return this
  }

  /** Opens the packed list of a record. No position yet. */
  openPacked({ address, region, bytes, view, start, length }: Entry): this {
    this.openView(region, this.#packedWords, 0)
    this.isPacked = true
    this.nodeBytes = bytes
    this.#nodeView = view
    this.base = start
    this.packedLength = length
    this.words[LIST_COUNT] = listpackCount(bytes, start)
    this.words[LIST_HEAD] = address
    return this
  }

  /** Elements. */
  get count(): number {
    return this.words[this.at + LIST_COUNT]! >>> 0
  }

  // ---- moves ------------------------------------------------------------------------------------------------------

  first(): boolean {
    return this.count > 0 && this.enterNode(PLACE_HEAD, this.words[this.at + LIST_HEAD]!) && this.toFirstItem()
  }

  last(): boolean {
    if (this.count === 0) return false
    const tail = this.words[this.at + LIST_TAIL]!
    const entered =
      tail === 0 ? this.enterNode(PLACE_HEAD, this.words[this.at + LIST_HEAD]!) : this.enterNode(PLACE_TAIL, tail)
    return entered && this.toLastItem()
  }

  /** Goes to element `position`, 0 … count - 1. O(log nodes), and a walk through at most half a node. */
  seek(position: number): boolean {
    const { words, at, count } = this
    if (position < 0 || position >= count) return false
    if (!this.enterNode(PLACE_HEAD, words[at + LIST_HEAD]!)) return false
    if (position < this.nodeItems) return this.#seekItem(position)
    const tail = words[at + LIST_TAIL]!
    if (tail === 0) return false
    const head = this.nodeItems
    if (!this.enterNode(PLACE_TAIL, tail)) return false
    const behindTail = position - (count - this.nodeItems)
    if (behindTail >= 0) return this.#seekItem(behindTail)
    if (!this.openIndex() || !this.index.seekWeight(position - head)) return false
    return this.enterNode(PLACE_INDEX, this.index.address) && this.#seekItem(this.index.offset)
  }

  next(): boolean {
    checkRead()
    if (this.itemIndex + 1 < this.nodeItems) {
      const next = this.itemNext === 0 ? this.#skip(this.itemAt) : this.itemNext
      if (next === 0) return false
      this.itemIndex++
      this.itemAt = next
      this.itemNext = 0
      return true
    }
    return this.nextNode() && this.toFirstItem()
  }

  previous(): boolean {
    checkRead()
    if (this.itemIndex > 0) {
      this.itemIndex--
      this.itemNext = this.itemAt
      this.itemAt = this.#back(this.itemAt)
      return this.itemAt !== 0
    }
    return this.previousNode() && this.toLastItem()
  }

  /** The node behind that of the position; the item is then undefined. */
  protected nextNode(): boolean {
    checkRead()
    if (this.place === PLACE_HEAD) {
      if (this.openIndex() && this.index.first()) return this.enterNode(PLACE_INDEX, this.index.address)
    } else if (this.place === PLACE_INDEX) {
      if (this.index.next()) return this.enterNode(PLACE_INDEX, this.index.address)
    } else return false
    const tail = this.words[this.at + LIST_TAIL]!
    return tail !== 0 && this.enterNode(PLACE_TAIL, tail)
  }

  /** The node before that of the position; the item is then undefined. */
  protected previousNode(): boolean {
    if (this.place === PLACE_TAIL) {
      if (this.openIndex() && this.index.last()) return this.enterNode(PLACE_INDEX, this.index.address)
    } else if (this.place === PLACE_INDEX) {
      if (this.index.previous()) return this.enterNode(PLACE_INDEX, this.index.address)
    } else return false
    return this.enterNode(PLACE_HEAD, this.words[this.at + LIST_HEAD]!)
  }

  /** Opens the index of the nodes between head and tail. @returns false when there are none. */
  protected openIndex(): boolean {
    const address = this.words[this.at + LIST_INDEX]!
    if (address === 0) return false
    const state = this.view.held(address, this.index)
    const words = this.view.memory.i32[state >>> 28]
    if (words === undefined) return false
    this.index.open(this.view, words, byteOffsetOf(state) >>> 2)
    return true
  }

  protected enterNode(place: number, node: number): boolean {
    if (this.isPacked) return this.enterPacked()
    const address = this.view.local(node)
    const words = this.view.memory.i32[address >>> 28]
    const base = byteOffsetOf(address)
    if (address === 0 || words === undefined || (base >>> 2) + 4 > words.length) return false
    const span = words[base >>> 2]!
    this.#start = span & 0xffff
    this.#end = span >>> 16
    if (span >= 0 && (this.#end > BLOCK_BYTES_MAX || base + this.#end > words.length * 4)) return false
    this.place = place
    this.useNode(address)
    this.isLong = span < 0
    this.nodeItems = span < 0 ? 1 : words[(base >>> 2) + 1]!
    return true
  }

  protected enterPacked(): true {
    this.place = PLACE_HEAD
    this.isLong = false
    this.nodeItems = this.count
    this.#start = LISTPACK_HEADER_BYTES
    this.#end = this.packedLength - 1
    return true
  }

  /** The node of the position is, or has become, the block at this address. */
  protected useNode(address: number): void {
    const { memory } = this.view
    this.node = address
    this.nodeBytes = memory.u8[address >>> 28]!
    this.#nodeView = memory.views[address >>> 28]!
    this.base = byteOffsetOf(address)
  }

  protected toFirstItem(): boolean {
    this.itemIndex = 0
    this.itemAt = this.#start
    this.itemNext = 0
    return true
  }

  protected toLastItem(): boolean {
    this.itemIndex = this.nodeItems - 1
    if (this.isLong) return true
    this.itemNext = this.#end
    this.itemAt = this.#back(this.itemNext)
    return this.itemAt !== 0
  }

  /** Byte offset of the item behind that of the position. */
  protected nextItemAt(): number {
    if (this.itemNext === 0) this.itemNext = this.#skip(this.itemAt)
    return this.itemNext
  }

  /** Item `index` of the node, from whichever end is nearer. */
  #seekItem(index: number): boolean {
    if (this.isLong || index <= this.nodeItems >>> 1) {
      this.toFirstItem()
      while (this.itemIndex < index) {
        this.itemAt = this.#skip(this.itemAt)
        if (this.itemAt === 0) return false
        this.itemIndex++
      }
      return true
    }
    if (!this.toLastItem()) return false
    while (this.itemIndex > index) {
      this.itemNext = this.itemAt
      this.itemAt = this.#back(this.itemAt)
      if (this.itemAt === 0) return false
      this.itemIndex--
    }
    return true
  }

  /** Offset of the item behind the one at `at`; 0 when the bytes are no item. */
  #skip(at: number): number {
    const bytes = this.nodeBytes
    const from = this.base + at
    const first = bytes[from]!
    let content: number
    if (first < 0x80) return at + 2
    if (first < 0xc0) content = 1 + (first & 0x3f)
    else if (first < 0xe0) return at + 3
    else if (first < 0xf0) content = 2 + (((first & 0x0f) << 8) | bytes[from + 1]!)
    else if (first === 0xf0) content = 5 + (bytes[from + 1]! | (bytes[from + 2]! << 8) | (bytes[from + 3]! << 16))
    else if (first < 0xf4) content = first - 0xee
    else if (first === 0xf4) content = 9
    else return 0
    const next = at + content + (content <= 127 ? 1 : content < 16_383 ? 2 : 3)
    return next > BLOCK_BYTES_MAX ? 0 : next
  }

  /** Offset of the item before the one at `at`; 0 when the bytes are no item. */
  #back(at: number): number {
    const bytes = this.nodeBytes
    let from = this.base + at - 1
    let byte = bytes[from]!
    let content = byte & 127
    let groups = 1
    for (let shift = 7; byte >= 128 && shift <= 14; shift += 7) {
      byte = bytes[--from]!
      content |= (byte & 127) << shift
      groups++
    }
    const before = at - groups - content
    return before < LISTPACK_HEADER_BYTES ? 0 : before
  }

  // ---- the element ------------------------------------------------------------------------------------------------

  /** Decodes the element at the position into the registers. Borrowed until the next move, change or load. */
  load(): boolean {
    const bytes = this.nodeBytes
    const { base } = this
    this.isInteger = false
    if (this.isLong) {
      const words = this.view.memory.i32[this.node >>> 28]!
      const at = base >>> 2
      this.longLength = (words[at + 1]! >>> 0) + words[at + 2]! * TWO_32
      this.longRoot = words[at + 3]!
      return this.longLength <= VALUE_BYTES_MAX
    }
    const from = base + this.itemAt
    const first = bytes[from]!
    let length: number
    let header: number
    if (first < 0x80) return this.#loadInteger(first, 0, 1)
    if (first < 0xc0) {
      header = 1
      length = first & 0x3f
    } else if (first < 0xe0) {
      const low = (((first & 0x1f) << 27) | (bytes[from + 1]! << 19)) >> 19
      return this.#loadInteger(low, low >> 31, 2)
    } else if (first < 0xf0) {
      header = 2
      length = ((first & 0x0f) << 8) | bytes[from + 1]!
    } else if (first === 0xf0) {
      header = 5
      length = bytes[from + 1]! | (bytes[from + 2]! << 8) | (bytes[from + 3]! << 16)
    } else {
      // 16, 24, 32 or 64 bits.
      if (first > 0xf4) return false
      const low16 = bytes[from + 1]! | (bytes[from + 2]! << 8)
      if (first === 0xf1) return this.#loadInteger((low16 << 16) >> 16, (low16 << 16) >> 31, 3)
      const low24 = low16 | (bytes[from + 3]! << 16)
      if (first === 0xf2) return this.#loadInteger((low24 << 8) >> 8, (low24 << 8) >> 31, 4)
      const low = low24 | (bytes[from + 4]! << 24)
      if (first === 0xf3) return this.#loadInteger(low, low >> 31, 5)
      const high = bytes[from + 5]! | (bytes[from + 6]! << 8) | (bytes[from + 7]! << 16) | (bytes[from + 8]! << 24)
      return this.#loadInteger(low, high, 9)
    }
    const content = header + length
    const next = this.itemAt + content + (content <= 127 ? 1 : content < 16_383 ? 2 : 3)
    if (next > BLOCK_BYTES_MAX || base + next > bytes.length) return false
    this.itemNext = next
    this.bytes = bytes
    this.#bytesView = this.#nodeView
    this.start = from + header
    this.end = from + content
    return true
  }

  #loadInteger(low: number, high: number, content: number): boolean {
    this.itemNext = this.itemAt + content + 1
    this.isInteger = true
    this.#low = low
    this.#high = high
    return true
  }

  /** Makes `bytes[start .. end)` the text of a loaded integer. */
  #spell(): void {
    this.bytes = this.#digits
    this.#bytesView = this.#digitsView
    this.start = 0
    this.end = writeInt64(this.#low, this.#high, this.#digits, 0)
  }

  /** Bytes of the loaded element. */
  get elementLength(): number {
    if (this.isLong) return this.longLength
    if (this.isInteger) this.#spell()
    return this.end - this.start
  }

  /** Writes the loaded element as a bulk reply. */
  reply(reply: ReplyEncoder): void {
    if (this.isLong) {
      confirmRead(this.longLength)
      reply.bulkHeader(this.longLength)
      this.#forEachPiece((bytes, start, end) => reply.raw(bytes, start, end))
      reply.bulkEnd()
      return
    }
    if (this.isInteger) this.#spell()
    reply.bulk(this.bytes, this.start, this.end, this.#bytesView)
  }

  /** Copies the loaded element to `target[at …)`. */
  copyElement(target: Uint8Array, at: number): void {
    if (!this.isLong) {
      if (this.isInteger) this.#spell()
      copyBytes(this.bytes, this.#bytesView, this.start, this.end, target, viewOf(target), at)
      return
    }
    let to = at
    this.#forEachPiece((bytes, start, end) => {
      copyRange(bytes, start, end, target, to)
      to += end - start
    })
  }

  /** Is the loaded element `needle[start .. end)`? */
  equals(needle: Uint8Array, needleView: DataView, start: number, end: number): boolean {
    if (!this.isLong) {
      // An integer's text begins with a digit or a minus, which most other texts do not.
      if (this.isInteger) {
        if (end === start || needle[start]! > 57) return false
        this.#spell()
      }
      if (this.end - this.start !== end - start) return false
      return equalBytes(this.bytes, this.#bytesView, this.start, needle, needleView, start, end - start)
    }
    if (this.longLength !== end - start) return false
    let from = start
    let equal = true
    this.#forEachPiece((bytes, at, to) => {
      if (equal) equal = equalBytes(bytes, viewOf(bytes), at, needle, needleView, from, to - at)
      from += to - at
    })
    return equal
  }

  #forEachPiece(visit: (bytes: Uint8Array, start: number, end: number) => void): void {
    for (let position = 0, index = 0; position < this.longLength; position += BLOCK_BYTES_MAX, index++) {
      const count = Math.min(BLOCK_BYTES_MAX, this.longLength - position)
      const node = this.view.nodeOf(this.longRoot, this.longLength, index)
      const bytes = this.view.memory.u8[node >>> 28]
      const at = byteOffsetOf(node)
      if (node === 0 || bytes === undefined || at + count > bytes.length) {
        return
      }
      visit(bytes, at, at + count)
    }
  }
}
