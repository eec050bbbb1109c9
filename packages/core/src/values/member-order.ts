/**
 * Compares the names of element records with wanted bytes, byte by byte and the shorter first (memcmp, as Redis orders
 * members of equal score). Safe on torn memory: offsets are bounded, and any answer will do then.
 */
import { NO_BYTES, noteViewHolder, type ViewHolder } from '../memory/view-holders.ts'
import { BLOCK_BYTES_MAX } from '../limits.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import { FLAG_EXPIRE, FLAG_LONG_KEY, headerBytes } from '../keyspace/layout.ts'
import type { RegionView } from '../keyspace/region-view.ts'
import type { EntryOrder } from './ordered-index-cursor.ts'

export class MemberOrder implements EntryOrder, ViewHolder {
  #view!: RegionView
  #bytes!: Uint8Array
  #start = 0
  #end = 0
  #equal = 0

  constructor() {
    noteViewHolder(this)
  }

  letGo(): void {
    this.#bytes = NO_BYTES
  }

  /**
   * Seeks the member `bytes[start .. end)`, borrowed while it is sought.
   * @param equal what an equal member compares as: 0, or -1 to get behind it.
   */
  seek(view: RegionView, bytes: Uint8Array, start: number, end: number, equal: 0 | -1 = 0): this {
    this.#view = view
    this.#bytes = bytes
    this.#start = start
    this.#end = end
    this.#equal = equal
    return this
  }

  compare(record: number): number {
    const { memory } = this.#view
    const address = this.#view.local(record)
    const bytes = memory.u8[address >>> 28]
    const words = memory.i32[address >>> 28]
    const offset = byteOffsetOf(address)
    if (bytes === undefined || words === undefined || offset + 16 > bytes.length) return 1
    const word0 = words[offset >>> 2]!
    const flags = (word0 >>> 8) & 0xff
    if ((flags & FLAG_LONG_KEY) !== 0) return this.#compareLong(words, offset + headerBytes(flags & FLAG_EXPIRE))
    const length = word0 >>> 16
    const at = offset + headerBytes(flags)
    if (at + length > bytes.length) return 1
    const wanted = this.#bytes
    const start = this.#start
    const wantedLength = this.#end - start
    const common = length < wantedLength ? length : wantedLength
    for (let i = 0; i < common; i++) {
      const difference = bytes[at + i]! - wanted[start + i]!
      if (difference !== 0) return difference
    }
    return length === wantedLength ? this.#equal : length - wantedLength
  }

  #compareLong(words: Int32Array, at: number): number {
    const view = this.#view
    if (at + 8 > words.length * 4) return 1
    const length = words[at >>> 2]! >>> 0
    const root = words[(at >>> 2) + 1]!
    const start = this.#start
    const wantedLength = this.#end - start
    const common = Math.min(length, wantedLength)
    for (let from = 0; from < common; from += BLOCK_BYTES_MAX) {
      const node = view.nodeOf(root, length, from / BLOCK_BYTES_MAX)
      const bytes = view.memory.u8[node >>> 28]
      const offset = byteOffsetOf(node)
      const count = Math.min(BLOCK_BYTES_MAX, common - from)
      if (node === 0 || bytes === undefined || offset + count > bytes.length) return 1
      for (let i = 0; i < count; i++) {
        const difference = bytes[offset + i]! - this.#bytes[start + from + i]!
        if (difference !== 0) return difference
      }
    }
    return length === wantedLength ? this.#equal : length - wantedLength
  }
}

/** The same order between two pieces of bytes. */
export function compareMembers(
  left: Uint8Array,
  leftStart: number,
  leftEnd: number,
  right: Uint8Array,
  rightStart: number,
  rightEnd: number,
): number {
  const leftLength = leftEnd - leftStart
  const rightLength = rightEnd - rightStart
  const common = leftLength < rightLength ? leftLength : rightLength
  for (let i = 0; i < common; i++) {
    const difference = left[leftStart + i]! - right[rightStart + i]!
    if (difference !== 0) return difference
  }
  return leftLength - rightLength
}
