/**
 * Moves blocks out of the segments of an arena that are being evacuated, for whoever holds the one pointer to each
 * (keyspace/compaction.ts). A budget bounds what one unit moves and looks at: the owner of many blocks stops when it is exhausted
 * and goes on in a later unit.
 */
import { KeyspaceError } from '../errors.ts'
import { type Arena, roomOf } from './arena.ts'
import { copyBytes } from './copy-bytes.ts'
import { byteOffsetOf } from './region-memory.ts'

// About the time that things take, in bytes copied: a block, beside its bytes; a look at a piece of a value (a page, a leaf); a
// look at a block that may stay.
const BLOCK_COST = 256
const PIECE_COST = 2048
const LOOK_COST = 4

export class BlockMover {
  readonly #arena: Arena
  #budget = 0
  /** Blocks and bytes moved. */
  moves = 0
  movedBytes = 0

  constructor(arena: Arena) {
    this.#arena = arena
  }

  /** Begins a unit. @param bytes that may be moved until it is exhausted. */
  refill(bytes: number): void {
    this.#budget = bytes
  }

  /** Counts work as if so many bytes had been copied. */
  spend(bytes: number): void {
    this.#budget -= bytes
  }

  /** Counts a look at a piece of a value. */
  spendPiece(): void {
    this.#budget -= PIECE_COST
  }

  /** Counts looks at so many blocks in a row. */
  spendLooks(count: number): void {
    this.#budget -= count * LOOK_COST
  }

  get isExhausted(): boolean {
    return this.#budget <= 0
  }

  /** Does the block have to go? */
  concerns(address: number): boolean {
    return ((this.#arena.evacuating >>> (address >>> 28)) & 1) !== 0
  }

  /**
   * Moves a block, if its segment is being evacuated. @returns where it is now, for the caller's pointer; the old block is
   * free. Never throws: when memory ends the block stays, and so do all others, since the arena calls the evacuation off.
   */
  move(address: number): number {
    const made = this.moveKeeping(address)
    if (made !== address) this.#arena.free(address)
    return made
  }

  /** As `move`, for a block that others name as well: the old one stays, for the caller to free when they all know. */
  moveKeeping(address: number): number {
    if (!this.concerns(address)) return address
    const arena = this.#arena
    const bytes = roomOf(arena.memory, address)
    const made = orNone(() => arena.allocate(bytes))
    if (made === 0) return address
    this.#copy(address, made, bytes)
    return made
  }

  /** `move` for a span of `bytes`. */
  moveSpan(address: number, bytes: number): number {
    if (!this.concerns(address)) return address
    const made = orNone(() => this.#arena.allocateSpan(bytes))
    if (made === 0) return address
    this.#copy(address, made, bytes)
    this.#arena.freeSpan(address)
    return made
  }

  #copy(from: number, to: number, bytes: number): void {
    const { u8, views } = this.#arena.memory
    const source = from >>> 28
    const target = to >>> 28
    const at = byteOffsetOf(from)
    copyBytes(u8[source]!, views[source]!, at, at + bytes, u8[target]!, views[target]!, byteOffsetOf(to))
    this.moves++
    this.movedBytes += bytes
    this.#budget -= BLOCK_COST + bytes
  }
}

/** What was allocated, 0 when memory has ended. */
function orNone(allocate: () => number): number {
  try {
    return allocate()
  } catch (error) {
    if (error instanceof KeyspaceError) return 0
    throw error
  }
}
