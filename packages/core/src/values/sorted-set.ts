/**
 * A sorted set as commands see it, in either form: members by name, by rank and by bounds. A cursor that is opened on a
 * value and owns nothing; the element it stands on is in registers, borrowed until the next move or change.
 *
 *   packed   listpack of member, score, member, score …, ascending
 *   large    a table of members (record: member -> score) and an ordered index of the records
 */
import { NO_BYTES, noteViewHolder, type ViewHolder } from '../memory/view-holders.ts'
import { LISTPACK_HEADER_BYTES, listpackFirst, listpackRead } from '../encoding/listpack.ts'
import { listpackCount, listpackFind, listpackPrevious, listpackSeek, listpackSkip } from '../encoding/listpack-edit.ts'
import { INTEGER_TEXT_BYTES_MAX, writeInt64 } from '../encoding/integer.ts'
import { PackedItem } from '../encoding/packed-item.ts'
import type { NameFilter } from '../encoding/name-filter.ts'
import type { Entry } from '../keyspace/entry.ts'
import type { KeyspaceReads } from '../keyspace/keyspace-reads.ts'
import { ElementTable } from './element-table.ts'
import { LargeValue } from './large-value.ts'
import { compareMembers, MemberOrder } from './member-order.ts'
import { OrderedIndex } from './ordered-index.ts'
import { ENTRIES_AFTER, ENTRIES_BEFORE, SCORED } from './ordered-index-cursor.ts'
import { packedScore, packedScorePlace } from './packed-scores.ts'

/** Offsets in the descriptor of a large one. */
export const ZSET_TABLE = 1
export const ZSET_INDEX = 6
export const ZSET_DESCRIPTOR_WORDS = 12

export class SortedSet implements ViewHolder {
  isPacked = false
  /** The element: its member is `memberBytes[memberStart .. memberEnd)`. */
  memberBytes: Uint8Array = NO_BYTES
  memberStart = 0
  memberEnd = 0
  score = 0
  /** Does a move read the score of a packed set's element, too? From `open()` on it does. */
  readsScores = true

  // Packed: the listpack is `bytes[start .. end)`, the element's member is the item at `at`, its score the one at `scoreAt`.
  protected bytes!: Uint8Array
  protected start = 0
  protected end = 0
  protected at = 0
  protected scoreAt = 0
  /** Behind the element. */
  protected nextAt = 0

  readonly value: LargeValue = new LargeValue()
  readonly table: ElementTable = new ElementTable()
  readonly index: OrderedIndex = new OrderedIndex(SCORED)
  protected readonly order: MemberOrder = new MemberOrder()
  readonly #item = new PackedItem()
  readonly #digits = new Uint8Array(INTEGER_TEXT_BYTES_MAX)

  constructor() {
    noteViewHolder(this)
  }

  letGo(): void {
    this.memberBytes = NO_BYTES
    this.bytes = NO_BYTES
  }

  /** Opens the sorted set that the last lookup found. */
  open(keyspace: KeyspaceReads): this {
    const { entry } = keyspace
    if (entry.isLarge) return this.openLarge(keyspace.openLarge(this.value))
    return this.openPacked(entry.bytes, entry.start, entry.start + entry.length)
  }

  openPacked(bytes: Uint8Array, start: number, end: number): this {
    this.isPacked = true
    this.readsScores = true
    this.bytes = bytes
    this.start = start
    this.end = end
    return this
  }

  openLarge(value: LargeValue): this {
    this.isPacked = false
    this.table.open(value, ZSET_TABLE)
    this.index.open(value.region, value.words, value.at + ZSET_INDEX)
    return this
  }

  get count(): number {
    return this.isPacked ? listpackCount(this.bytes, this.start) >>> 1 : this.table.count
  }

  /** Finds a member; `score` is its score then. The cursor stands on it after `locate()`. */
  find(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.isPacked) {
      const at = listpackFind(this.bytes, this.start, this.end, bytes, start, end, 2)
      return at >= 0 && this.#loadPacked(at)
    }
    if (!this.table.find(bytes, start, end)) return false
    const { element } = this.table
    this.score = element.view.getFloat64(element.start, true)
    return true
  }

  /** Notes the members of a packed set. */
  beginFilter(names: NameFilter): void {
    names.begin(this.bytes, this.start, this.end, 2)
  }

  /** Puts the cursor on the member that was just found (its name again). */
  locate(bytes: Uint8Array, start: number, end: number): void {
    if (!this.isPacked) this.index.seekScore(this.score, this.order.seek(this.table.region, bytes, start, end))
  }

  /** Rank of the element the cursor stands on; at the end, the number of elements. */
  rank(): number {
    if (!this.isPacked) return this.index.rank()
    let rank = 0
    for (let at = this.start + LISTPACK_HEADER_BYTES; at < this.at; at = this.#skipPair(at)) rank++
    return rank
  }

  seekRank(rank: number): boolean {
    if (!this.isPacked) return this.index.seekWeight(rank) && this.#loadLarge()
    const at = listpackSeek(this.bytes, this.start, rank * 2)
    return at >= 0 && this.#loadPacked(at)
  }

  next(): boolean {
    if (!this.isPacked) return this.index.next() && this.#loadLarge()
    return this.#loadPacked(this.nextAt)
  }

  previous(): boolean {
    if (!this.isPacked) return this.index.previous() && this.#loadLarge()
    const scoreAt = listpackPrevious(this.bytes, this.start, this.at)
    if (scoreAt < 0) return false
    const at = listpackPrevious(this.bytes, this.start, scoreAt)
    return at >= 0 && this.#loadPacked(at)
  }

  /** Stands on the first element with a greater score, or with this one unless `behind`. @returns false: at the end. */
  seekScore(score: number, behind: boolean): boolean {
    if (!this.isPacked) {
      return this.index.seekScore(score, behind ? ENTRIES_BEFORE : ENTRIES_AFTER) && this.#loadLarge()
    }
    return this.#loadPacked(packedScorePlace(this.bytes, listpackFirst(this.start), this.end, score, behind))
  }

  /** The same by members, whose scores are taken to be equal. */
  seekMember(bytes: Uint8Array, start: number, end: number, behind: boolean): boolean {
    if (!this.isPacked) {
      const order = this.order.seek(this.table.region, bytes, start, end, behind ? -1 : 0)
      return this.index.seekOrder(order) && this.#loadLarge()
    }
    for (let more = this.#loadPacked(this.start + LISTPACK_HEADER_BYTES); more; more = this.#loadPacked(this.nextAt)) {
      const { memberBytes, memberStart, memberEnd } = this
      const order = compareMembers(memberBytes, memberStart, memberEnd, bytes, start, end)
      if (order > 0 || (order === 0 && !behind)) return true
    }
    return false
  }

  /** Shows the member of an element record of the table. */
  protected showElement(element: Entry): void {
    if (element.isLongKey) {
      this.memberBytes = element.keyToBuffer()
      this.memberStart = 0
      this.memberEnd = this.memberBytes.length
    } else {
      this.memberBytes = element.bytes
      this.memberStart = element.start - element.keyLength
      this.memberEnd = element.start
    }
    this.score = element.view.getFloat64(element.start, true)
  }

  /** Members of a large one in the order of their hash. See ElementTable.scan. */
  scanTable(cursor: number, count: number, visit: () => void): number {
    return this.table.scan(cursor, count, (element) => {
      this.showElement(element)
      visit()
    })
  }

  #loadLarge(): boolean {
    this.showElement(this.table.loadElement(this.index.address))
    return true
  }

  /** Reads the element at `at`. @returns false at the end of the listpack; the cursor is there then. */
  #loadPacked(at: number): boolean {
    const { bytes, end } = this
    this.at = at
    if (!(at >= 0 && at < end - 1)) return false
    const first = bytes[at]!
    const scoreAt = first >= 0x80 && first < 0xc0 ? this.#loadShort(at, first & 0x3f) : this.#loadItem(at)
    if (!(scoreAt >= 0 && scoreAt < end - 1)) return false
    const nextAt = listpackSkip(bytes, scoreAt)
    // Torn memory.
    if (!(nextAt > scoreAt && nextAt < end)) return false
    this.scoreAt = scoreAt
    this.nextAt = nextAt
    if (this.readsScores) this.score = packedScore(bytes, scoreAt)
    return true
  }

  /** A member shorter than 64 bytes, as nearly all are. @returns the position of its score. */
  #loadShort(at: number, length: number): number {
    this.memberBytes = this.bytes
    this.memberStart = at + 1
    this.memberEnd = at + 1 + length
    return at + 2 + length
  }

  #loadItem(at: number): number {
    const { bytes, end } = this
    const item = this.#item
    const scoreAt = listpackRead(bytes, at, end, item)
    if (scoreAt < 0) return -1
    if (item.isInteger) {
      this.memberBytes = this.#digits
      this.memberStart = 0
      this.memberEnd = writeInt64(item.lo, item.hi, this.#digits, 0)
    } else {
      this.memberBytes = bytes
      this.memberStart = item.start
      this.memberEnd = item.end
    }
    return scoreAt
  }

  #skipPair(at: number): number {
    const next = listpackSkip(this.bytes, listpackSkip(this.bytes, at))
    return next > at ? next : this.end
  }
}
