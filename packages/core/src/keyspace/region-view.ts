/**
 * One region (the arena of eight shards) as a reader sees it: finding a key's record. The same code serves the writer (whose data are always whole)
 * and readers in other threads, which may look at half-changed memory: an offset beyond this thread's views leads nowhere, every
 * loop ends, and what is returned means nothing before the shard's counter was validated (docs/consistency.md).
 */
import { KeyspaceError } from '../errors.ts'
import { equalBytes, viewOf } from '../memory/copy-bytes.ts'
import { byteOffsetOf, type RegionMemory } from '../memory/region-memory.ts'
import { BLOCK_BYTES_MAX } from '../limits.ts'
import { type HashSeed, hashKey, hashOrder } from './key-hash.ts'
import {
  DIRECTORY_DEPTH_MAX,
  directoryIndex,
  FLAG_EXPIRE,
  FLAG_LONG_KEY,
  headerBytes,
  homeSlot,
  NEXT_LINE_WORDS,
  PAGE_SLOTS,
  ROOT_DEPTH,
  ROOT_DIRECTORY,
  SLOT_TAG_BITS,
  SLOT_TAG_MASK,
  windowOf,
} from './layout.ts'
import { checkRead, confirmRead } from './read-guard.ts'
import { ENTRIES_PER_RUN, entryAddress } from './table-page.ts'
import type { RegionWriter } from './region-writer.ts'

/** Longest chain of overflow pages a reader follows: 2^16 pages are 8 M keys of one hash prefix. */
const OVERFLOW_PAGES_MAX = 65_536
const LONG_KEY_BYTES_KEPT_MAX = 1 << 20

export class RegionView {
  readonly memory: RegionMemory
  readonly index: number
  readonly seed: HashSeed

  // Registers of the last find(), for the writer.
  /** Address of the page that holds the slot; 0 when the table has no page for the key yet. */
  pageAddress = 0
  /** The key's slot in that page (1 … 127), or the empty one at which the search ended. */
  slot = 0
  /** What was looked for, and where. */
  soughtOrder = 0
  soughtTag = 0
  soughtRoot = 0
  /** Header of that page, when the slot is empty: for insert(). */
  pageHeader = 0
  #longKey: Uint8Array = new Uint8Array(0)

  constructor(memory: RegionMemory, index: number, seed: HashSeed) {
    this.memory = memory
    this.index = index
    this.seed = seed
  }

  /** This region in the hands of its writer. Anywhere else asking for it is a bug. */
  get writer(): RegionWriter {
    throw new KeyspaceError('KEYSPACE_READ_ONLY', 'this thread may only read the dataset')
  }

  /**
   * Where this thread finds the block at an address that stands in the dataset, to look at it at once: there. In a pinned region
   * (pinned-region.ts) it is in a copy, which lasts while few other blocks are looked at.
   */
  local(address: number): number {
    return address
  }

  /**
   * As `local`, for a block that is looked at again after any number of others.
   * @param _holder who keeps views of it: whatever it had asked for before is given up.
   */
  held(address: number, _holder: object): number {
    return address
  }

  /** As `local`, for the nodes of long values, whose bytes are used before the next one is asked for. */
  protected localNode(address: number): number {
    return address
  }

  /** Entry `index` of a directory: a page, 0 for none. */
  directoryEntry(directory: number, index: number): number {
    const piece = this.local(entryAddress(directory, index & ~(ENTRIES_PER_RUN - 1)))
    return this.memory.i32[piece >>> 28]![(byteOffsetOf(piece) >>> 2) + (index & (ENTRIES_PER_RUN - 1))]!
  }

  /**
   * Finds the record of a key.
   * @param words where the table's root stands: the control block, or the descriptor of a value that is a table itself.
   * @param root word index of the root in `words`.
   * @returns its address, or 0 when the key is not there (or, for readers, when the memory is torn).
   */
  find(
    words: Int32Array,
    root: number,
    order: number,
    tag: number,
    key: Uint8Array,
    start: number,
    end: number,
  ): number {
    const { memory } = this
    const directory = words[root + ROOT_DIRECTORY]!
    this.pageAddress = 0
    this.soughtOrder = order
    this.soughtTag = tag
    this.soughtRoot = root
    if (directory === 0) return 0
    const depth = words[root + ROOT_DEPTH]!
    const directoryWords = memory.i32[directory >>> 28]
    const entry = (byteOffsetOf(directory) >>> 2) + directoryIndex(order, depth)
    if (directoryWords === undefined || entry >= directoryWords.length) return 0
    let page = directoryWords[entry]!
    const wanted = tag & SLOT_TAG_MASK
    for (let pages = 0; page !== 0 && pages < OVERFLOW_PAGES_MAX; pages++) {
      const pageWords = memory.i32[page >>> 28]
      const base = byteOffsetOf(page) >>> 2
      if (pageWords === undefined || base + PAGE_SLOTS * 2 > pageWords.length) return 0
      let slot = homeSlot(tag)
      for (let probes = 1; probes < PAGE_SLOTS; probes++) {
        const at = base + slot * 2
        const address = pageWords[at + 1]!
        if (address === 0) {
          this.pageHeader = pageWords[base]!
          this.pageAddress = page
          this.slot = slot
          break
        }
        if ((pageWords[at]! & SLOT_TAG_MASK) === wanted && this.keyEquals(address, key, start, end)) {
          this.pageAddress = page
          this.slot = slot
          return address
        }
        slot = slot === PAGE_SLOTS - 1 ? 1 : slot + 1
      }
      if (depth !== DIRECTORY_DEPTH_MAX) return 0
      page = pageWords[base + 1]!
    }
    return 0
  }

  /**
   * As find(), which is spared when the last one of this region looked for this very key and nothing was inserted or removed
   * since (writer only).
   */
  findAgain(
    words: Int32Array,
    root: number,
    order: number,
    tag: number,
    key: Uint8Array,
    start: number,
    end: number,
  ): number {
    const { pageAddress } = this
    if (pageAddress === 0 || this.soughtOrder !== order || this.soughtTag !== tag || this.soughtRoot !== root) {
      return this.find(words, root, order, tag, key, start, end)
    }
    return this.memory.i32[pageAddress >>> 28]![(byteOffsetOf(pageAddress) >>> 2) + this.slot * 2 + 1]!
  }

  /**
   * As find(), for who knows a key's hash alone: the record whose slot has it, which is another key's once in 2^32 times or less.
   * Leaves the registers alone (writer only).
   */
  findByHash(words: Int32Array, root: number, order: number, tag: number): number {
    const { i32 } = this.memory
    const directory = words[root + ROOT_DIRECTORY]!
    if (directory === 0) return 0
    const entry = (byteOffsetOf(directory) >>> 2) + directoryIndex(order, words[root + ROOT_DEPTH]!)
    for (let page = i32[directory >>> 28]![entry]!; page !== 0;) {
      const pageWords = i32[page >>> 28]!
      const base = byteOffsetOf(page) >>> 2
      const wanted = (windowOf(order, pageWords[base]! >>> 16) << SLOT_TAG_BITS) | (tag & SLOT_TAG_MASK)
      let slot = homeSlot(tag)
      for (let probes = 1; probes < PAGE_SLOTS && pageWords[base + slot * 2 + 1] !== 0; probes++) {
        if (pageWords[base + slot * 2] === wanted) return pageWords[base + slot * 2 + 1]!
        slot = slot === PAGE_SLOTS - 1 ? 1 : slot + 1
      }
      page = pageWords[base + 1]!
    }
    return 0
  }

  /**
   * Looks at the record at `address`, in both cache lines that one of the usual size lies in. @returns what depends on that, for nothing
   * but to be kept; 0 where there is no memory
   */
  touchAt(address: number): number {
    const words = this.memory.i32[address >>> 28]
    const at = byteOffsetOf(address) >>> 2
    return words === undefined || at + NEXT_LINE_WORDS >= words.length ? 0 : words[at]! ^ words[at + NEXT_LINE_WORDS]!
  }

  /** Looks at the first `count` of these records, which are visited next, so that their cache misses overlap. */
  bring(addresses: Int32Array, count: number): void {
    for (let i = 0; i < count; i++) touched ^= this.touchAt(addresses[i]!)
  }

  /** Does the record at `address` carry this key? */
  keyEquals(address: number, key: Uint8Array, start: number, end: number): boolean {
    const bytes = this.memory.u8[address >>> 28]
    const words = this.memory.i32[address >>> 28]
    const offset = byteOffsetOf(address)
    if (bytes === undefined || words === undefined || offset + 16 > bytes.length) return false
    const word0 = words[offset >>> 2]!
    // Asked for now, the value's line comes together with the key's.
    const further = (offset >>> 2) + NEXT_LINE_WORDS
    if (further < words.length) touched ^= words[further]!
    const flags = (word0 >>> 8) & 0xff
    if ((flags & FLAG_LONG_KEY) !== 0) return this.#longKeyEquals(address, flags, key, start, end)
    const length = word0 >>> 16
    if (length !== end - start) return false
    const at = offset + headerBytes(flags)
    if (at + length > bytes.length) return false
    return equalBytes(bytes, this.memory.views[address >>> 28]!, at, key, viewOf(key), start, length)
  }

  #longKeyEquals(address: number, flags: number, key: Uint8Array, start: number, end: number): boolean {
    const words = this.memory.i32[address >>> 28]!
    const at = (byteOffsetOf(address) + headerBytes(flags & FLAG_EXPIRE)) >>> 2
    if (at + 2 > words.length) return false
    const length = words[at]! >>> 0
    if (length !== end - start) return false
    const root = words[at + 1]!
    for (let from = 0; from < length; from += BLOCK_BYTES_MAX) {
      const node = this.nodeOf(root, length, from / BLOCK_BYTES_MAX)
      const bytes = this.memory.u8[node >>> 28]
      const offset = byteOffsetOf(node)
      const count = Math.min(BLOCK_BYTES_MAX, length - from)
      if (node === 0 || bytes === undefined || offset + count > bytes.length) return false
      for (let i = 0; i < count; i++) if (bytes[offset + i] !== key[start + from + i]) return false
    }
    return true
  }

  /**
   * Where node `index` of a chunked value of `length` bytes is (see `local`); 0 stands for a node of zeros.
   * Up to 4,096 nodes hang below one index block; above, the root is an index of index blocks.
   */
  nodeOf(root: number, length: number, index: number): number {
    checkRead()
    let block = root
    let entry = index
    if (length > BLOCK_BYTES_MAX * NODES_PER_INDEX) {
      block = this.#wordAt(root, Math.floor(index / NODES_PER_INDEX))
      if (block === 0) return 0
      entry = index % NODES_PER_INDEX
    }
    return this.localNode(this.#wordAt(block, entry))
  }

  #wordAt(block: number, index: number): number {
    const address = this.local(block)
    const words = this.memory.i32[address >>> 28]
    const at = (byteOffsetOf(address) >>> 2) + index
    if (words === undefined || at >= words.length) return 0
    return words[at]!
  }

  /** hashOrder of a record's key, from the key itself. */
  orderOf(record: number): number {
    const address = this.local(record)
    const bytes = this.memory.u8[address >>> 28]!
    const words = this.memory.i32[address >>> 28]!
    const offset = byteOffsetOf(address)
    const word0 = words[offset >>> 2]!
    const flags = (word0 >>> 8) & 0xff
    if ((flags & FLAG_LONG_KEY) === 0) {
      const start = offset + headerBytes(flags)
      hashKey(this.seed, bytes, start, start + (word0 >>> 16))
    } else {
      const key = this.longKey(address)
      hashKey(this.seed, key, 0, key.length)
    }
    return hashOrder
  }

  /** The long key of a record that was found (`local`), in one piece. Borrowed until the next call. */
  longKey(address: number): Uint8Array {
    const words = this.memory.i32[address >>> 28]!
    const offset = byteOffsetOf(address)
    const flags = (words[offset >>> 2]! >>> 8) & 0xff
    const at = (offset + headerBytes(flags & FLAG_EXPIRE)) >>> 2
    const length = words[at]! >>> 0
    const root = words[at + 1]!
    confirmRead(length)
    const key = this.#bufferFor(length)
    for (let from = 0; from < length; from += BLOCK_BYTES_MAX) {
      const node = this.nodeOf(root, length, from / BLOCK_BYTES_MAX)
      const start = byteOffsetOf(node)
      const count = Math.min(BLOCK_BYTES_MAX, length - from)
      key.set(this.memory.u8[node >>> 28]!.subarray(start, start + count), from)
    }
    return key
  }

  /** One for keys that are very long is not kept: each region of each thread would have one for good. */
  #bufferFor(length: number): Uint8Array {
    if (length > LONG_KEY_BYTES_KEPT_MAX) return new Uint8Array(length)
    if (this.#longKey.length < length) this.#longKey = new Uint8Array(length)
    return this.#longKey.subarray(0, length)
  }
}

/** Entries of an index block. */
export const NODES_PER_INDEX: number = BLOCK_BYTES_MAX >>> 2

/** Means nothing: what is read in order to have it in the caches must be used for something. */
let touched = 0
