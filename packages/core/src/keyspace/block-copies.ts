/**
 * The blocks that the reader of a pin looks at, in memory of its own thread (docs/pins.md). A block is copied first and validated
 * then: was it still what it was when the pin began, while it was copied? If not, what was kept of it is copied instead.
 *
 * One per pin, for all its regions. The copies are in a `CopyMemory`, which pins of one thread may share.
 */
import { KeyspaceError } from '../errors.ts'
import { BLOCK_BYTES_MAX } from '../limits.ts'
import { pieceBytesOf } from '../memory/arena.ts'
import { copyBytes } from '../memory/copy-bytes.ts'
import { findVersion, pieceStartOf } from '../memory/kept-blocks.ts'
import { addressOf, byteOffsetOf, type RegionMemory } from '../memory/region-memory.ts'
import { type CopyMemory, FOUND_MAX, HELD, NODES, NODES_BYTES, RING, RING_BYTES } from './copy-memory.ts'
import { B_PUBLISHED, indexesOf, type PinHandle } from './pin-board.ts'

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

  /** Forgets what was held for a value. */
  release(): void {
    this.#copies.release()
  }

  /** @returns the address of the copy in `memory`. @throws KeyspaceError PIN_BROKEN */
  copy(source: RegionMemory, region: number, address: number): number {
    if (address === 0) return 0
    const copies = this.#copies
    copies.useFor(this)
    const { foundAddress, foundRegion, foundAt } = copies
    const found = (Math.imul(address, 0x9e37_79b1) >>> 19) & (FOUND_MAX - 1)
    if (
      foundAddress[found] === address &&
      foundRegion[found] === region &&
      copies.ringAt - foundAt[found]! < RING_BYTES / 2
    ) {
      return addressOf(RING, foundAt[found]! % RING_BYTES)
    }
    const bytes = this.#bytesAt(source, address)
    const inPiece = (address - pieceStartOf(address, bytes)) << 3
    const rest = RING_BYTES - (copies.ringAt % RING_BYTES)
    if (rest < bytes) copies.ringAt += rest
    const at = copies.ringAt
    copies.ringAt += bytes
    this.#fetch(source, region, address - (inPiece >>> 3), bytes, RING, at % RING_BYTES)
    foundAddress[found] = address
    foundRegion[found] = region
    foundAt[found] = at + inPiece
    return addressOf(RING, (at + inPiece) % RING_BYTES)
  }

  /** As `copy`, for the nodes of long values. */
  copyNode(source: RegionMemory, region: number, address: number): number {
    if (address === 0) return 0
    const copies = this.#copies
    copies.useFor(this)
    const at = copies.nodesAt
    copies.nodesAt = (at + BLOCK_BYTES_MAX) % NODES_BYTES
    this.#fetch(source, region, address, Math.min(BLOCK_BYTES_MAX, this.#bytesAt(source, address)), NODES, at)
    return addressOf(NODES, at)
  }

  /** As `copy`; the copy stays until `release()`. */
  hold(source: RegionMemory, region: number, address: number): number {
    if (address === 0) return 0
    const copies = this.#copies
    copies.useFor(this)
    const key = region * 2 ** 32 + (address >>> 0)
    const known = copies.held.get(key)
    if (known !== undefined) return known
    const bytes = this.#bytesAt(source, address)
    const at = copies.heldAt
    this.memory.growTo(HELD, at + bytes)
    copies.heldAt += Math.ceil(bytes / 8) * 8
    this.#fetch(source, region, address, bytes, HELD, at)
    const held = addressOf(HELD, at)
    copies.held.set(key, held)
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

  #fetch(source: RegionMemory, region: number, address: number, bytes: number, segment: number, at: number): void {
    this.#copyBytes(source, address, bytes, segment, at)
    this.check()
    this.#refresh()
    const index = Atomics.load(this.#board, indexesOf(region) + (address >>> 28))
    const kept = findVersion(source, index, address, this.#epoch)
    if (kept === 0) return
    this.keptReads++
    this.#copyBytes(source, kept, bytes, segment, at)
    this.check()
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
