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
import type { HashSeed } from '../keyspace/key-hash.ts'
import { PACKED_BYTES_MAX } from './form-numbers.ts'
import { readListpackText, textBytes, textEnd, textStart } from './item-text.ts'
import { compareMembers } from './member-order.ts'
import { PackedPlaces } from './packed-places.ts'
import { PACKED_SKIPLIST_ELEMENTS_MAX } from './sorted-set-writer.ts'

export class ZsetPacker {
  /** The elements so far, or the finished listpack, are `bytes[start .. end)`. */
  readonly bytes: Uint8Array = new Uint8Array(PACKED_BYTES_MAX)
  start = 0
  end = 0
  count = 0
  #falling = false
  #lastAt = 0
  #lastScore = 0
  readonly #places: PackedPlaces = new PackedPlaces(PACKED_SKIPLIST_ELEMENTS_MAX)
  readonly #view: DataView = new DataView(this.bytes.buffer)
  readonly #scoreText: Uint8Array = new Uint8Array(SCORE_TEXT_BYTES_MAX)

  /** @param seed so that nobody can aim at one place */
  begin(seed: HashSeed): void {
    this.#falling = false
    this.#places.begin(seed)
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
    const { bytes } = this
    if (!this.#places.note(bytes, member, start, end, at)) return false
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
    this.#places.firstMoved(to)
    this.#falling = true
    this.#lastAt = to
    this.start = to
    this.end = PACKED_BYTES_MAX - 1
  }
}
