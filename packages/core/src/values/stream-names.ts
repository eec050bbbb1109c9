/**
 * Groups and consumers of a stream are blocks with a name, in an index by name (bytes, as Redis' radix trees sort them).
 * Two words tell the name's length and, if it is long, the root of its chunks; else its bytes follow.
 */
import { NO_BYTES, noteViewHolder, type ViewHolder } from '../memory/view-holders.ts'
import { NodeValue } from '../keyspace/node-value.ts'
import { confirmRead } from '../keyspace/read-guard.ts'
import type { RegionView } from '../keyspace/region-view.ts'
import type { RegionWriter } from '../keyspace/region-writer.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import type { EntryOrder, OrderedIndexCursor } from './ordered-index-cursor.ts'
import { readNodeChunks } from './stream-reader.ts'
import { INLINE_NAME_BYTES_MAX } from './stream-layout.ts'

const chunks = new NodeValue()

/** Allocates a block of `headerBytes` and a name, and writes the name. @param nameWord word of the name's length. */
export function createNamed(
  region: RegionWriter,
  headerBytes: number,
  nameWord: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  const length = end - start
  const long = length > INLINE_NAME_BYTES_MAX
  const made = region.arena.allocate(headerBytes + (long ? 0 : length))
  let root = 0
  if (long) {
    try {
      chunks.open(region, 0, 0).fill(bytes, start, end)
      root = chunks.root
    } catch (error) {
      region.arena.free(made)
      throw error
    }
  }
  const words = region.memory.i32[made >>> 28]!
  const at = byteOffsetOf(made) >>> 2
  words.fill(0, at, at + (headerBytes >>> 2))
  words[at + nameWord] = length
  words[at + nameWord + 1] = root
  if (!long) region.memory.u8[made >>> 28]!.set(bytes.subarray(start, end), (at << 2) + headerBytes)
  return made
}

/** Frees the block and its name. */
export function freeNamed(region: RegionWriter, address: number, nameWord: number): void {
  const words = region.memory.i32[address >>> 28]!
  const at = (byteOffsetOf(address) >>> 2) + nameWord
  if (words[at + 1] !== 0) {
    chunks.open(region, words[at + 1]!, words[at]! >>> 0)
    chunks.freeNodes(0, chunks.nodeCount)
  }
  region.arena.free(address)
}

/** A name that was located: `bytes[start .. end)`, borrowed. */
export class NameSlot implements ViewHolder {
  bytes: Uint8Array = NO_BYTES
  start = 0
  end = 0

  constructor() {
    noteViewHolder(this)
  }

  letGo(): void {
    this.bytes = NO_BYTES
  }

  /** @returns false on torn memory. */
  locate(view: RegionView, block: number, headerBytes: number, nameWord: number): boolean {
    const address = view.local(block)
    const words = view.memory.i32[address >>> 28]
    const at = byteOffsetOf(address) >>> 2
    if (words === undefined || at + nameWord + 1 >= words.length) return false
    const length = words[at + nameWord]! >>> 0
    const root = words[at + nameWord + 1]!
    if (root !== 0) {
      if (length > 2 ** 30) return false
      confirmRead(length)
      this.bytes = new Uint8Array(length)
      this.start = 0
      this.end = length
      return readNodeChunks(view, root, length, this.bytes)
    }
    this.bytes = view.memory.u8[address >>> 28]!
    this.start = (at << 2) + headerBytes
    this.end = this.start + length
    return this.end <= this.bytes.length
  }
}

/** Sorts named blocks against a name; tells in `equal` whether the last lower bound has that very name. */
export class NameOrder implements EntryOrder {
  readonly #slot = new NameSlot()
  #view!: RegionView
  #headerBytes = 0
  #nameWord = 0
  #bytes!: Uint8Array
  #start = 0
  #end = 0

  compare(address: number): number {
    const slot = this.#slot
    if (!slot.locate(this.#view, address, this.#headerBytes, this.#nameWord)) return 1
    const own = slot.bytes
    const wanted = this.#bytes
    const length = slot.end - slot.start
    const wantedLength = this.#end - this.#start
    const common = Math.min(length, wantedLength)
    for (let i = 0; i < common; i++) {
      const difference = own[slot.start + i]! - wanted[this.#start + i]!
      if (difference !== 0) return difference
    }
    return length - wantedLength
  }

  /**
   * Moves `cursor` to the block of this name, or to where it belongs. @returns true when it is there.
   */
  find(
    cursor: OrderedIndexCursor,
    view: RegionView,
    headerBytes: number,
    nameWord: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    this.#view = view
    this.#headerBytes = headerBytes
    this.#nameWord = nameWord
    this.#bytes = bytes
    this.#start = start
    this.#end = end
    return cursor.seekOrder(this) && this.compare(cursor.address) === 0
  }
}
