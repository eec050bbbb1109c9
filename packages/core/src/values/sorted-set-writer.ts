/**
 * Changes of a sorted set under a key: additions, new scores, removals, and the way from the packed to the large form.
 * What Redis would hold it as is kept beside (FLAG_LARGE_ENCODING, LARGE_REPORTS_PACKED): redis 7.0 t_zset.c zsetAdd()
 * turns a listpack into a skiplist when an element makes it too long, and never back.
 *
 * When memory ends in a change (KEYSPACE_OUT_OF_MEMORY), the set is as before.
 */
import {
  LISTPACK_EMPTY_BYTES,
  listpackCreate,
  listpackItemBytes,
  listpackRangeEnd,
  listpackWriteHeader,
  listpackWriteItem,
} from '../encoding/listpack-edit.ts'
import { listpackFirst } from '../encoding/listpack.ts'
import { SCORE_TEXT_BYTES_MAX, writePackedScore } from '../encoding/score-text.ts'
import type { Entry } from '../keyspace/entry.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { moveBytes } from '../memory/copy-bytes.ts'
import { FLAG_LARGE_ENCODING } from '../keyspace/layout.ts'
import { FORM_ZSET, FORM_ZSET_LISTPACK, LARGE_REPORTS_PACKED, PACKED_BYTES_MAX } from './form-numbers.ts'
import type { MemberOrder } from './member-order.ts'
import { packedPlace } from './packed-scores.ts'
import { ScoredEntries } from './scored-entries.ts'
import { SortedSet } from './sorted-set.ts'
import type { EncodingThresholds } from './thresholds.ts'

/**
 * Bounds of the packed form of what Redis holds as a skiplist. It takes less than half of the bytes of the large one; but a search
 * compares scores one by one, so the number of elements is bounded, too.
 */
const PACKED_SKIPLIST_BYTES_MAX = 6000
export const PACKED_SKIPLIST_ELEMENTS_MAX = 256

/** May a sorted set of so many bytes as a listpack be packed? @param isSkiplist would Redis hold it as one? */
export function fitsPackedZset(bytes: number, elements: number, isSkiplist: boolean): boolean {
  if (!isSkiplist) return bytes <= PACKED_BYTES_MAX
  return bytes <= PACKED_SKIPLIST_BYTES_MAX && elements <= PACKED_SKIPLIST_ELEMENTS_MAX
}

/** Descriptors' and tables' values of one score. */
/** Entries that are sorted before they go to an index: 24 bytes each. */
const INDEXED_AT_ONCE_MAX: number = 1 << 20
const entries: ScoredEntries = new ScoredEntries()
const scoreBytes: Uint8Array = new Uint8Array(8)
const scoreView: DataView = new DataView(scoreBytes.buffer)
const scoreText: Uint8Array = new Uint8Array(SCORE_TEXT_BYTES_MAX)
const EMPTY_LISTPACK: Uint8Array = new Uint8Array(LISTPACK_EMPTY_BYTES)
listpackCreate(EMPTY_LISTPACK, 0)

export class SortedSetWriter extends SortedSet {
  #keyspace!: Keyspace
  #thresholds!: EncodingThresholds
  #db = 0
  #key!: Uint8Array
  #keyStart = 0
  #keyEnd = 0
  #exists = false
  /** Would Redis hold it as a skiplist? */
  #isSkiplist = false
  /** Found by `create`: no record yet, the first member makes it. */
  #firstIsSkiplist = false

  /** Opens the set at a key that was just looked up and found. */
  edit(
    keyspace: Keyspace,
    db: number,
    key: Uint8Array,
    start: number,
    end: number,
    thresholds: EncodingThresholds,
  ): this {
    this.#use(keyspace, db, key, start, end, thresholds)
    this.#exists = true
    this.open(keyspace)
    this.#isSkiplist = this.isPacked
      ? (keyspace.entry.flags & FLAG_LARGE_ENCODING) !== 0
      : (this.value.bits & LARGE_REPORTS_PACKED) === 0
    return this
  }

  /**
   * Prepares a set at a key that was just looked up in vain (or whose other value is to be replaced): its first `add` makes it.
   * @param memberBytes length of the first member: Redis chooses the encoding by it before anything else.
   */
  create(
    keyspace: Keyspace,
    db: number,
    key: Uint8Array,
    start: number,
    end: number,
    thresholds: EncodingThresholds,
    memberBytes: number,
  ): this {
    this.#use(keyspace, db, key, start, end, thresholds)
    this.#exists = false
    this.#isSkiplist = false
    this.#firstIsSkiplist = thresholds.zsetMaxListpackEntries === 0 || memberBytes > thresholds.zsetMaxListpackValue
    this.openPacked(EMPTY_LISTPACK, 0, EMPTY_LISTPACK.length)
    return this
  }

  /** Adds a member that the last `find` did not find. */
  add(member: Uint8Array, start: number, end: number, score: number): void {
    if (this.#exists) {
      this.#addHere(member, start, end, score)
      return
    }
    this.#createPacked(this.#firstIsSkiplist)
    try {
      this.#addHere(member, start, end, score)
    } catch (error) {
      this.#keyspace.delete(this.#db, this.#key, this.#keyStart, this.#keyEnd)
      throw error
    }
  }

  #addHere(member: Uint8Array, start: number, end: number, score: number): void {
    const thresholds = this.#thresholds
    const { isPacked } = this
    if (
      !this.#isSkiplist &&
      (this.count + 1 > thresholds.zsetMaxListpackEntries || end - start > thresholds.zsetMaxListpackValue)
    ) {
      this.#becomeSkiplist()
    }
    // A listpack of Redis keeps no sign of zero.
    const value = score === 0 && !this.#isSkiplist ? 0 : score
    if (this.isPacked) {
      const scoreLength = writePackedScore(value, scoreText, 0)
      const added = listpackItemBytes(member, start, end) + listpackItemBytes(scoreText, 0, scoreLength)
      if (fitsPackedZset(this.end - this.start + added, this.count + 1, this.#isSkiplist)) {
        const place = packedPlace(this.bytes, listpackFirst(this.start), this.end, value, member, start, end)
        this.#insertPair(place, member, start, end, scoreLength, added)
        return
      }
      this.#makeLarge()
    }
    // The table wants the place of this very member.
    if (isPacked) this.find(member, start, end)
    this.#keyspace.enterEntry()
    addToLarge(this, this.order, member, start, end, value)
  }

  /** Gives the member that the last `find` found another score. */
  setScore(member: Uint8Array, start: number, end: number, score: number): void {
    const value = score === 0 && !this.#isSkiplist ? 0 : score
    if (this.isPacked) {
      const scoreLength = writePackedScore(value, scoreText, 0)
      const scoreItemBytes = listpackItemBytes(scoreText, 0, scoreLength)
      const bytes = this.end - this.start + scoreItemBytes - (this.nextAt - this.scoreAt)
      if (fitsPackedZset(bytes, this.count, this.#isSkiplist)) {
        this.#moveInPacked(member, start, end, value, scoreLength, scoreItemBytes)
        return
      }
      this.#makeLarge()
      this.find(member, start, end)
    }
    this.#keyspace.enterEntry()
    const { index, order, table } = this
    const { element } = table
    const before = this.score
    // First the new place: when memory ends there, nothing has changed.
    index.seekScore(value, order.seek(table.region, member, start, end))
    index.insertHere(element.address, value)
    index.seekScore(before, order)
    index.remove()
    table.region.memory.keep(element.address)
    element.view.setFloat64(element.start, value, true)
    this.score = value
  }

  /** Removes the member that the last `find` found. @returns how many are left; with none the caller deletes the key. */
  remove(member: Uint8Array, start: number, end: number): number {
    const left = this.count - 1
    if (left === 0) return 0
    if (this.isPacked) {
      this.#closePacked(this.at, this.nextAt, 1)
      return left
    }
    this.#keyspace.enterEntry()
    this.locate(member, start, end)
    this.index.remove()
    this.table.remove()
    return left
  }

  /** Removes `count` elements from rank `from` on. @returns how many are left; with none the caller deletes the key. */
  removeRanks(from: number, count: number): number {
    const left = this.count - count
    if (left === 0) return 0
    this.seekRank(from)
    if (this.isPacked) {
      this.#closePacked(this.at, listpackRangeEnd(this.bytes, this.at, count * 2), count)
      return left
    }
    this.#keyspace.enterEntry()
    const { index, table } = this
    for (let i = 0; i < count; i++) {
      table.loadElement(index.address)
      table.findLoaded()
      table.remove()
      index.remove()
    }
    return left
  }

  #use(
    keyspace: Keyspace,
    db: number,
    key: Uint8Array,
    start: number,
    end: number,
    thresholds: EncodingThresholds,
  ): void {
    this.#keyspace = keyspace
    this.#db = db
    this.#key = key
    this.#keyStart = start
    this.#keyEnd = end
    this.#thresholds = thresholds
  }

  #createPacked(isSkiplist: boolean): void {
    const keyspace = this.#keyspace
    const key = this.#key
    const flags = isSkiplist ? FLAG_LARGE_ENCODING : 0
    const length = EMPTY_LISTPACK.length
    keyspace.putLookedUp(
      this.#db,
      key,
      this.#keyStart,
      this.#keyEnd,
      FORM_ZSET_LISTPACK,
      flags,
      EMPTY_LISTPACK,
      0,
      length,
      -1,
    )
    keyspace.lookup(this.#db, key, this.#keyStart, this.#keyEnd)
    this.#exists = true
    this.#isSkiplist = isSkiplist
    this.open(keyspace)
  }

  #becomeSkiplist(): void {
    this.#isSkiplist = true
    if (this.isPacked) {
      this.#keyspace.setLargeEncoding()
      if (!fitsPackedZset(this.end - this.start, this.count, true)) this.#makeLarge()
    } else {
      this.#keyspace.enterEntry()
      this.value.setBits(this.value.bits & ~LARGE_REPORTS_PACKED)
    }
  }

  #makeLarge(): void {
    const keyspace = this.#keyspace
    const { expireAtMs } = keyspace.entry
    const build = keyspace.newBuild(this.#thresholds)
    build.begin(keyspace.targetRegion)
    const large = build.beginLarge(FORM_ZSET, this.#isSkiplist ? 0 : LARGE_REPORTS_PACKED)
    const target = new LargeSortedSet().openLarge(large)
    try {
      target.addAll(this)
    } catch (error) {
      target.free()
      throw error
    }
    keyspace.putBuilt(this.#db, this.#key, this.#keyStart, this.#keyEnd, build, expireAtMs)
    this.open(keyspace)
  }

  /** Writes a pair before the item at `at`; the text of the score is in `scoreText`. */
  #insertPair(at: number, member: Uint8Array, start: number, end: number, scoreLength: number, added: number): void {
    const place = at - this.start
    this.#splice(place, 0, added, 2)
    const { view } = this.#keyspace.entry
    const behind = listpackWriteItem(member, start, end, this.bytes, this.start + place, view)
    listpackWriteItem(scoreText, 0, scoreLength, this.bytes, behind, view)
  }

  #closePacked(at: number, to: number, count: number): void {
    this.#splice(at - this.start, to - at, 0, -2 * count)
  }

  /** The element the cursor stands on gets the score whose text is in `scoreText`, and its place. */
  #moveInPacked(
    member: Uint8Array,
    start: number,
    end: number,
    score: number,
    scoreLength: number,
    scoreItemBytes: number,
  ): void {
    const { at, scoreAt, nextAt } = this
    const from = at - this.start
    const before = nextAt - at
    const after = scoreAt - at + scoreItemBytes
    const first = score > this.score ? nextAt : listpackFirst(this.start)
    const place = packedPlace(this.bytes, first, this.end, score, member, start, end) - this.start
    this.#splice(from, before, after, 0)
    const { bytes } = this
    const { view } = this.#keyspace.entry
    // The room for the element is at its old place: what stands between moves to the other side of it.
    let to = this.start + from
    if (place > from + before) {
      const behind = this.start + place + after - before
      moveBytes(bytes, view, to + after, behind, to)
      to = behind - after
    } else if (place < from) {
      moveBytes(bytes, view, this.start + place, to, this.start + place + after)
      to = this.start + place
    }
    const behind = listpackWriteItem(member, start, end, bytes, to, view)
    listpackWriteItem(scoreText, 0, scoreLength, bytes, behind, view)
  }

  #splice(at: number, removed: number, inserted: number, countChange: number): void {
    const keyspace = this.#keyspace
    keyspace.spliceEntry(this.#key, this.#keyStart, this.#keyEnd, at, removed, inserted)
    const { entry } = keyspace
    listpackWriteHeader(entry.bytes, entry.start, entry.length, countChange)
    this.openPacked(entry.bytes, entry.start, entry.start + entry.length)
  }
}

/** A large sorted set under no key: one that is being made. */
export class LargeSortedSet extends SortedSet {
  /** Adds a member that the last `find` did not find. */
  add(member: Uint8Array, start: number, end: number, score: number): void {
    addToLarge(this, this.order, member, start, end, score)
  }

  /** Adds the elements of another one, but those that are here. */
  addAll(source: SortedSet): void {
    for (let more = source.seekRank(0); more; more = source.next()) {
      const { memberBytes, memberStart, memberEnd } = source
      if (!this.find(memberBytes, memberStart, memberEnd)) this.add(memberBytes, memberStart, memberEnd, source.score)
    }
  }

  /** Adds a member to the table alone; `indexAll()` completes the set. */
  addToTable(member: Uint8Array, start: number, end: number, score: number): void {
    scoreView.setFloat64(0, score, true)
    this.table.insert(member, start, end, scoreBytes, 0, 8, -1)
  }

  /** Gives the member that the last `find` found another score, before `indexAll()`. */
  setTableScore(score: number): void {
    const { element } = this.table
    element.view.setFloat64(element.start, score, true)
  }

  /** Orders the members of the table. */
  indexAll(): void {
    const { table } = this
    let longMembers = 0
    try {
      table.forEach((element) => {
        // Comparing two of them would copy one each time.
        if (element.isLongKey) longMembers++
        else entries.add(element.view.getFloat64(element.start, true), element.address)
        if (entries.count === INDEXED_AT_ONCE_MAX) this.#indexEntries()
      })
      this.#indexEntries()
    } finally {
      entries.clear()
    }
    if (longMembers === 0) return
    table.forEach((element) => {
      if (element.isLongKey) this.#indexElement(element)
    })
  }

  #indexEntries(): void {
    const { index, table } = this
    entries.sort((address, other) => this.#isBehind(address, other))
    if (index.entries === 0) index.appendSorted(entries)
    else for (let i = 0; i < entries.count; i++) this.#indexElement(table.loadElement(entries.addresses[i]!))
    entries.clear()
  }

  #indexElement(element: Entry): void {
    const { index, order, table } = this
    this.showElement(element)
    const { memberBytes, memberStart, memberEnd, score } = this
    index.seekScore(score, order.seek(table.region, memberBytes, memberStart, memberEnd))
    index.insertHere(element.address, score)
  }

  /** Does a member belong behind another one of the same score? */
  #isBehind(address: number, other: number): boolean {
    const { order, table } = this
    this.showElement(table.loadElement(address))
    const { memberBytes, memberStart, memberEnd } = this
    return order.seek(table.region, memberBytes, memberStart, memberEnd).compare(other) < 0
  }

  /** What Redis inserts into a listpack has no negative zeros. */
  dropNegativeZeros(): void {
    const { index, table } = this
    for (let more = this.seekScore(0, false); more && this.score === 0; more = this.next()) {
      if (!Object.is(this.score, -0)) continue
      index.setScore(0)
      table.element.view.setFloat64(table.element.start, 0, true)
    }
  }

  /** Frees everything at once. */
  free(): void {
    while (this.index.freeLastLeaf());
    this.table.free()
  }
}

function addToLarge(
  set: SortedSet,
  order: MemberOrder,
  member: Uint8Array,
  start: number,
  end: number,
  score: number,
): void {
  const { table, index } = set
  scoreView.setFloat64(0, score, true)
  const address = table.insert(member, start, end, scoreBytes, 0, 8, -1)
  try {
    index.seekScore(score, order.seek(table.region, member, start, end))
    index.insertHere(address, score)
  } catch (error) {
    if (table.find(member, start, end)) table.remove()
    throw error
  }
}
