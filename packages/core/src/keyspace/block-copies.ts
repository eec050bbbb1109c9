/**
 * The blocks that the reader of a pin looks at, in memory of its own thread (docs/pins.md). A block is copied first and validated
 * then: was it still what it was when the pin began, while it was copied? If not, what was kept of it is copied instead.
 *
 *   ring    blocks, the oldest overwritten; the last ones are found again
 *   nodes   nodes of long values: a few, used at once
 *   held    blocks that are looked at throughout a value; until `release()`
 *
 * One per pin, for all its regions. The memory serves one pin after the other (`CopyMemory`).
 */
import { KeyspaceError } from '../errors.ts'
import { BLOCK_BYTES_MAX, RUN_BYTES, SEGMENTS_PER_REGION_MAX } from '../limits.ts'
import { pieceBytesOf } from '../memory/arena.ts'
import { copyBytes } from '../memory/copy-bytes.ts'
import { findVersion, pieceStartOf, VERSION_UNSEEN } from '../memory/kept-blocks.ts'
import { addressOf, byteOffsetOf, RegionMemory } from '../memory/region-memory.ts'
import { PAGE_SLOTS } from './layout.ts'
import { B_PUBLISHED, B_UNLINKED, indexesOf, type PinHandle } from './pin-board.ts'

// Segments of the copies: not the first ones, where addresses of the dataset lead that nobody has asked `local()` about.
const RING = 13
const NODES = 14
const HELD = 15

/** A copy lasts until half of this was copied after it: more than a page of records of the longest kind. */
const RING_BYTES: number = 8 << 20
/** Of the ring that is used as long as no longer blocks need more. */
const LAP_BYTES: number = 512 << 10
const NOTHING = new SharedArrayBuffer(0)
const NODES_BYTES: number = 8 * BLOCK_BYTES_MAX
const HELD_BYTES_MAX: number = 1 << 30
const HELD_BYTES_KEPT: number = 1 << 20
/** Copies in the ring that are found again: a power of two. */
const FOUND_MAX = 8192

/** Memory of pins that were closed, kept for the next ones of this thread. */
const SPARE_MAX = 4

/** What one pin's copies are in. */
class CopyMemory {
  readonly region: RegionMemory
  // By hash of an address: what block is in the ring, and where it began.
  readonly foundAddress: Int32Array = new Int32Array(FOUND_MAX)
  readonly foundRegion: Int8Array = new Int8Array(FOUND_MAX)
  readonly foundAt: Float64Array = new Float64Array(FOUND_MAX)

  constructor() {
    const segments = Array.from({ length: SEGMENTS_PER_REGION_MAX }, () => NOTHING)
    segments[RING] = new SharedArrayBuffer(RING_BYTES)
    segments[NODES] = new SharedArrayBuffer(NODES_BYTES)
    segments[HELD] = new SharedArrayBuffer(RUN_BYTES, { maxByteLength: HELD_BYTES_MAX })
    this.region = new RegionMemory(segments)
  }
}

const spare: CopyMemory[] = []

/** Makes the views on the segments anew where the writer has added memory. */
export type Refresh = () => void

export class BlockCopies {
  /** Where the copies are. */
  readonly memory: RegionMemory
  /** Blocks that were read from what was kept of them. */
  keptReads = 0
  readonly #board: Int32Array
  readonly #word: number
  readonly #serial: number
  readonly #epoch: number
  readonly #refresh: Refresh
  #ringAt = 0
  #nodesAt = 0
  #heldAt = 0
  #isClosed = false
  readonly #copies: CopyMemory
  readonly #foundAddress: Int32Array
  readonly #foundRegion: Int8Array
  readonly #foundAt: Float64Array
  readonly #held = new Map<number, number>()
  // Of the blocks that are copied together: where they begin in the ring, and their lengths.
  readonly #batchAt = new Float64Array(PAGE_SLOTS)
  readonly #batchBytes = new Int32Array(PAGE_SLOTS)

  /** @param refresh is called before kept blocks are looked for; cheap when there is nothing new. */
  constructor(handle: PinHandle, refresh: Refresh) {
    this.#board = new Int32Array(handle.board)
    this.#word = handle.word
    this.#serial = handle.serial
    this.#epoch = handle.epoch
    this.#refresh = refresh
    const copies = spare.pop() ?? new CopyMemory()
    this.#copies = copies
    this.memory = copies.region
    this.#foundAddress = copies.foundAddress
    this.#foundRegion = copies.foundRegion
    this.#foundAt = copies.foundAt
  }

  /** Gives the memory to the next pin of this thread. Nothing may be copied after this. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    // What a long value has made it grow by is not kept.
    if (spare.length === SPARE_MAX || this.memory.segments[HELD]!.byteLength > HELD_BYTES_KEPT) {
      this.memory.letGo()
      return
    }
    this.#foundAddress.fill(0)
    spare.push(this.#copies)
  }

  /** Forgets what was held for a value. */
  release(): void {
    if (this.#heldAt === 0) return
    this.#held.clear()
    this.#heldAt = 0
  }

  /** @returns the address of the copy in `memory`. @throws KeyspaceError PIN_BROKEN */
  copy(source: RegionMemory, region: number, address: number): number {
    if (address === 0) return 0
    const found = foundIndex(address)
    if (
      this.#foundAddress[found] === address &&
      this.#foundRegion[found] === region &&
      this.#ringAt - this.#foundAt[found]! < RING_BYTES / 2
    ) {
      return addressOf(RING, this.#foundAt[found]! % RING_BYTES)
    }
    const bytes = this.#bytesAt(source, address)
    const inPiece = (address - pieceStartOf(address, bytes)) << 3
    const at = this.#ringRoom(bytes)
    this.#fetch(source, region, address - (inPiece >>> 3), bytes, RING, at % RING_BYTES)
    this.#note(found, region, address, at + inPiece)
    return addressOf(RING, (at + inPiece) % RING_BYTES)
  }

  /**
   * Copies the first `count` of these blocks, at most a page of records, so that `copy` finds them; validated once, all together.
   * @throws KeyspaceError PIN_BROKEN
   */
  copyAll(source: RegionMemory, region: number, addresses: Int32Array, count: number): void {
    // Between two pages of records the ring may begin anew: most of it stays unused, and the rest in the processor's caches.
    const inRing = this.#ringAt % RING_BYTES
    if (inRing > LAP_BYTES) this.#ringAt += RING_BYTES - inRing
    const places = this.#batchAt
    const lengths = this.#batchBytes
    for (let i = 0; i < count; i++) {
      const address = addresses[i]!
      const bytes = this.#bytesAt(source, address)
      const block = pieceStartOf(address, bytes)
      const at = this.#ringRoom(bytes)
      this.#copyBytes(source, block, bytes, RING, at % RING_BYTES)
      this.#note(foundIndex(address), region, address, at + ((address - block) << 3))
      places[i] = at
      lengths[i] = bytes
    }
    this.check()
    this.#refresh()
    let isKept = false
    for (let i = 0; i < count; i++) {
      const block = pieceStartOf(addresses[i]!, lengths[i]!)
      if (this.#copyKept(source, region, block, lengths[i]!, RING, places[i]! % RING_BYTES)) isKept = true
    }
    if (isKept) this.check()
  }

  /** As `copy`, for the nodes of long values. */
  copyNode(source: RegionMemory, region: number, address: number): number {
    if (address === 0) return 0
    const at = this.#nodesAt
    this.#nodesAt = (at + BLOCK_BYTES_MAX) % NODES_BYTES
    this.#fetch(source, region, address, Math.min(BLOCK_BYTES_MAX, this.#bytesAt(source, address)), NODES, at)
    return addressOf(NODES, at)
  }

  /** As `copy`; the copy stays until `release()`. */
  hold(source: RegionMemory, region: number, address: number): number {
    if (address === 0) return 0
    const key = region * 2 ** 32 + (address >>> 0)
    const known = this.#held.get(key)
    if (known !== undefined) return known
    const bytes = this.#bytesAt(source, address)
    const at = this.#heldAt
    this.memory.growTo(HELD, at + bytes)
    this.#heldAt += Math.ceil(bytes / 8) * 8
    this.#fetch(source, region, address, bytes, HELD, at)
    const held = addressOf(HELD, at)
    this.#held.set(key, held)
    return held
  }

  /** @throws KeyspaceError PIN_BROKEN when the pin does not hold any more. */
  check(): void {
    // A read-modify-write, so that what was read before cannot be later than it (docs/pins.md).
    Atomics.add(this.#board, B_PUBLISHED, 0)
    if (!this.holds) throw brokenPin()
  }

  /** Did the pin still hold a moment ago? */
  get holds(): boolean {
    return Atomics.load(this.#board, this.#word) === this.#serial
  }

  #bytesAt(source: RegionMemory, address: number): number {
    let bytes = pieceBytesOf(source, address)
    if (bytes === 0) {
      this.#refresh()
      bytes = pieceBytesOf(source, address)
    }
    // No block of a pin that holds: its memory serves others by now.
    if (bytes === 0) throw brokenPin()
    return bytes
  }

  /** Room for so many bytes in one row. @returns where it begins, counted from the first byte ever copied */
  #ringRoom(bytes: number): number {
    const rest = RING_BYTES - (this.#ringAt % RING_BYTES)
    if (rest < bytes) this.#ringAt += rest
    const at = this.#ringAt
    this.#ringAt += bytes
    return at
  }

  #note(found: number, region: number, address: number, at: number): void {
    this.#foundAddress[found] = address
    this.#foundRegion[found] = region
    this.#foundAt[found] = at
  }

  #fetch(source: RegionMemory, region: number, address: number, bytes: number, segment: number, at: number): void {
    this.#copyBytes(source, address, bytes, segment, at)
    this.check()
    this.#refresh()
    if (this.#copyKept(source, region, address, bytes, segment, at)) this.check()
  }

  /** Replaces a copy by what was kept of its block, if something was. Behind `check()` and `#refresh()`, and before another `check()` if it did. */
  #copyKept(
    source: RegionMemory,
    region: number,
    address: number,
    bytes: number,
    segment: number,
    at: number,
  ): boolean {
    const kept = this.#findKept(source, region, address)
    if (kept === 0) return false
    this.keptReads++
    this.#copyBytes(source, kept, bytes, segment, at)
    return true
  }

  /** Where the block is kept as the pin knows it; 0: what was read of it until now is that. @throws KeyspaceError PIN_BROKEN */
  #findKept(source: RegionMemory, region: number, address: number): number {
    for (;;) {
      const unlinked = Atomics.load(this.#board, B_UNLINKED)
      const index = Atomics.load(this.#board, indexesOf(region) + (address >>> 28))
      const kept = findVersion(source, index, address, this.#epoch)
      if (kept === 0) return 0
      // Something was published meanwhile in memory that is newer than the views; or the search met a version that was just freed.
      if (kept !== VERSION_UNSEEN && Atomics.add(this.#board, B_UNLINKED, 0) === unlinked) return kept
      this.check()
      this.#refresh()
    }
  }

  #copyBytes(source: RegionMemory, address: number, bytes: number, segment: number, at: number): void {
    const { memory } = this
    const from = byteOffsetOf(address)
    if (from + bytes > (source.u8[address >>> 28]?.length ?? 0)) this.#refresh()
    const sourceBytes = source.u8[address >>> 28]
    if (sourceBytes === undefined || from + bytes > sourceBytes.length) throw brokenPin()
    const sourceView = source.views[address >>> 28]!
    copyBytes(sourceBytes, sourceView, from, from + bytes, memory.u8[segment]!, memory.views[segment]!, at)
  }
}

/** Where a block is looked for among those that are in the ring. */
function foundIndex(address: number): number {
  return (Math.imul(address, 0x9e37_79b1) >>> 19) & (FOUND_MAX - 1)
}

function brokenPin(): KeyspaceError {
  return new KeyspaceError('PIN_BROKEN', 'the pin was broken: too much changed, or it lasted too long')
}
