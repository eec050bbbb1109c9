/**
 * The blocks that the reader of a pin looks at, in memory of its own thread (docs/pins.md). A block is copied first and validated
 * then: was it still what it was when the pin began, while it was copied? If not, what was kept of it is copied instead. Either counts if
 * the pin holds behind the search for what was kept.
 *
 * One per pin, for all its regions. The copies are in a `CopyMemory`, which pins of one thread may share.
 */
import { KeyspaceError } from '../errors.ts'
import { BLOCK_BYTES_MAX } from '../limits.ts'
import { pieceBytesOf } from '../memory/arena.ts'
import { copyBytes } from '../memory/copy-bytes.ts'
import { findVersion, pieceStartOf, VERSION_UNSEEN } from '../memory/kept-blocks.ts'
import { addressOf, byteOffsetOf, type RegionMemory } from '../memory/region-memory.ts'
import { type CopyMemory, HELD, NODES, RING } from './copy-memory.ts'
import { PAGE_SLOTS } from './layout.ts'
import { B_PUBLISHED, B_UNLINKED, indexesOf, type PinHandle } from './pin-board.ts'

/** Makes the views on the segments anew where the writer has added memory. */
export type Refresh = () => void

export class BlockCopies {
  /** Blocks that were read from what was kept of them. */
  keptReads = 0
  readonly #copies: CopyMemory
  readonly #board: Int32Array
  readonly #word: number
  readonly #serial: number
  readonly #epoch: number
  readonly #refresh: Refresh
  // Of the blocks that are copied together: where they begin in the ring, and their lengths.
  readonly #batchAt = new Int32Array(PAGE_SLOTS)
  readonly #batchBytes = new Int32Array(PAGE_SLOTS)

  /** @param refresh is called before kept blocks are looked for; cheap when there is nothing new. */
  constructor(handle: PinHandle, copies: CopyMemory, refresh: Refresh) {
    this.#copies = copies
    this.#board = new Int32Array(handle.board)
    this.#word = handle.word
    this.#serial = handle.serial
    this.#epoch = handle.epoch
    this.#refresh = refresh
  }

  /** Where the copies are. */
  get memory(): RegionMemory {
    return this.#copies.region
  }

  /** Nothing is copied after this. */
  close(): void {
    this.#copies.leave(this)
  }

  /** @returns the address of the copy in `memory`. @throws KeyspaceError PIN_BROKEN */
  copy(source: RegionMemory, region: number, address: number): number {
    if (address === 0) return 0
    const copies = this.#copies
    copies.useFor(this)
    const found = copies.inRing(region, address)
    if (found !== 0) return found
    const bytes = this.#bytesAt(source, address)
    const block = pieceStartOf(address, bytes)
    const at = copies.ringRoom(bytes)
    this.#fetch(source, region, block, bytes, RING, at)
    const offset = at + ((address - block) << 3)
    copies.note(region, address, offset)
    return addressOf(RING, offset)
  }

  /**
   * Copies the first `count` of these blocks, at most a page of records, so that `copy` finds them; validated once, all together.
   * @throws KeyspaceError PIN_BROKEN
   */
  copyAll(source: RegionMemory, region: number, addresses: Int32Array, count: number): void {
    const copies = this.#copies
    copies.useFor(this)
    copies.beginLap()
    const places = this.#batchAt
    const lengths = this.#batchBytes
    for (let i = 0; i < count; i++) {
      const address = addresses[i]!
      const bytes = this.#bytesAt(source, address)
      const block = pieceStartOf(address, bytes)
      const at = copies.ringRoom(bytes)
      this.#copyBytes(source, block, bytes, RING, at)
      copies.note(region, address, at + ((address - block) << 3))
      places[i] = at
      lengths[i] = bytes
    }
    this.check()
    this.#refresh()
    for (let i = 0; i < count; i++) {
      const block = pieceStartOf(addresses[i]!, lengths[i]!)
      this.#copyKept(source, region, block, lengths[i]!, RING, places[i]!)
    }
    this.check()
  }

  /** As `copy`, for the nodes of long values. */
  copyNode(source: RegionMemory, region: number, address: number): number {
    if (address === 0) return 0
    this.#copies.useFor(this)
    const at = this.#copies.nodeRoom()
    this.#fetch(source, region, address, Math.min(BLOCK_BYTES_MAX, this.#bytesAt(source, address)), NODES, at)
    return addressOf(NODES, at)
  }

  /** As `copy`; the copy stays until `holder` asks for another one. */
  hold(source: RegionMemory, region: number, address: number, holder: object): number {
    if (address === 0) return 0
    const copies = this.#copies
    copies.useFor(this)
    const held = copies.heldBy(holder, region, address)
    if (held !== 0) return held
    const at = copies.heldRoom(holder)
    this.#fetch(source, region, address, Math.min(BLOCK_BYTES_MAX, this.#bytesAt(source, address)), HELD, at)
    return copies.noteHeld(region, address, at)
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

  #fetch(source: RegionMemory, region: number, address: number, bytes: number, segment: number, at: number): void {
    this.#copyBytes(source, address, bytes, segment, at)
    this.check()
    this.#refresh()
    this.#copyKept(source, region, address, bytes, segment, at)
    this.check()
  }

  /**
   * Replaces a copy by what was kept of its block, if something was. Behind `check()` and `#refresh()`, and before another `check()`, also
   * when nothing was found: what is kept for a pin is forgotten as soon as it ends, and a block that had changed before would be taken for
   * one that had not.
   */
  #copyKept(source: RegionMemory, region: number, address: number, bytes: number, segment: number, at: number): void {
    const kept = this.#findKept(source, region, address)
    if (kept === 0) return
    this.keptReads++
    this.#copyBytes(source, kept, bytes, segment, at)
  }

  /** Where the block is kept as the pin knows it; 0: what was read of it until now is that, if the pin still holds. @throws KeyspaceError PIN_BROKEN */
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

function brokenPin(): KeyspaceError {
  return new KeyspaceError('PIN_BROKEN', 'the pin was broken: too much changed, or it lasted too long')
}
