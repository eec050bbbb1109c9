/**
 * Packs a sorted set whose elements come in their order, rising or falling, as snapshots have them: without a table and an index
 * that a short one would be packed from again. What comes otherwise, or a member twice, is not taken.
 *
 *   rising    | header | element … | free … |          falling   | free … | element … | end |
 */
import { LISTPACK_END, LISTPACK_HEADER_BYTES } from '../encoding/listpack.ts'
import {
  LISTPACK_EMPTY_BYTES,
  listpackItemBytes,
  listpackWriteHeader,
  listpackWriteItem,
} from '../encoding/listpack-edit.ts'
import { SCORE_TEXT_BYTES_MAX, writePackedScore } from '../encoding/score-text.ts'
import { type HashSeed, hashKey, hashTag } from '../keyspace/key-hash.ts'
import { PACKED_BYTES_MAX } from './form-numbers.ts'
import { readListpackText, textBytes, textEnd, textStart } from './item-text.ts'
import { compareMembers } from './member-order.ts'
import { PACKED_SKIPLIST_ELEMENTS_MAX } from './sorted-set-writer.ts'

/** Places of members by hash, never more than half of them taken. */
const PLACES: number = PACKED_SKIPLIST_ELEMENTS_MAX * 2

export class ZsetPacker {
  /** The elements so far, or the finished listpack, are `bytes[start .. end)`. */
  readonly bytes: Uint8Array = new Uint8Array(PACKED_BYTES_MAX)
  start = 0
  end = 0
  count = 0
  #falling = false
  #seed!: HashSeed
  #lastAt = 0
  #lastScore = 0
  /** By hash: where a member's item is; 0: free. */
  readonly #places: Int16Array = new Int16Array(PLACES)
  readonly #view: DataView = new DataView(this.bytes.buffer)
  readonly #scoreText: Uint8Array = new Uint8Array(SCORE_TEXT_BYTES_MAX)

  /** @param seed so that nobody can aim at one place */
  begin(seed: HashSeed): void {
    this.#seed = seed
    this.#falling = false
    this.#places.fill(0)
    this.start = this.end = LISTPACK_HEADER_BYTES
    this.count = 0
  }

  /** Adds an element. @param score a number. @returns false: it cannot be packed behind those before, which stay. */
  add(member: Uint8Array, start: number, end: number, score: number): boolean {
    const { count } = this
    if (count === PACKED_SKIPLIST_ELEMENTS_MAX) return false
    if (count > 0) {
      const order = this.#compareWithLast(member, start, end, score)
      if (order === 0) return false
      if (count === 1 && order < 0) this.#turn()
      else if (order < 0 !== this.#falling) return false
    }
    const scoreEnd = writePackedScore(score, this.#scoreText, 0)
    const added = listpackItemBytes(member, start, end) + listpackItemBytes(this.#scoreText, 0, scoreEnd)
    if (this.end - this.start + added + LISTPACK_EMPTY_BYTES > PACKED_BYTES_MAX) return false
    const at = this.#falling ? this.start - added : this.end
    if (!this.#note(member, start, end, at)) return false
    const { bytes } = this
    const scoreAt = listpackWriteItem(member, start, end, bytes, at, this.#view)
    listpackWriteItem(this.#scoreText, 0, scoreEnd, bytes, scoreAt, this.#view)
    if (this.#falling) this.start = at
    else this.end = at + added
    this.#lastAt = at
    this.#lastScore = score
    this.count++
    return true
  }

  /** Completes the listpack; nothing can be added any more. */
  finish(): void {
    const { bytes } = this
    this.start -= LISTPACK_HEADER_BYTES
    bytes[this.end++] = LISTPACK_END
    bytes.fill(0, this.start, this.start + LISTPACK_HEADER_BYTES)
    listpackWriteHeader(bytes, this.start, this.end - this.start, this.count * 2)
  }

  #compareWithLast(member: Uint8Array, start: number, end: number, score: number): number {
    if (score !== this.#lastScore) return score - this.#lastScore
    readListpackText(this.bytes, this.#lastAt, this.bytes.length)
    return compareMembers(member, start, end, textBytes, textStart, textEnd)
  }

  /** The second element sorts before the first: they are written from the end on. */
  #turn(): void {
    const to = PACKED_BYTES_MAX - 1 - (this.end - this.start)
    this.bytes.copyWithin(to, this.start, this.end)
    this.#places[this.#places.indexOf(this.start)] = to
    this.#falling = true
    this.#lastAt = to
    this.start = to
    this.end = PACKED_BYTES_MAX - 1
  }

  /** Remembers where the member is going to be. @returns false: it is there already. */
  #note(member: Uint8Array, start: number, end: number, at: number): boolean {
    const places = this.#places
    hashKey(this.#seed, member, start, end)
    let place = hashTag & (PLACES - 1)
    for (; places[place] !== 0; place = (place + 1) & (PLACES - 1)) {
      readListpackText(this.bytes, places[place]!, this.bytes.length)
      if (compareMembers(member, start, end, textBytes, textStart, textEnd) === 0) return false
    }
    places[place] = at
    return true
  }
}
