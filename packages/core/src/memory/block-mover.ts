/**
 * Moves blocks out of the segments of an arena that are being evacuated, for whoever holds the one pointer to each
 * (keyspace/compaction.ts). A budget bounds what one unit moves: the owner of many blocks stops when it is exhausted and looks
 * at the same place again in a later unit, where what has moved already costs nothing.
 */
import { KeyspaceError } from '../errors.ts'
import { type Arena, roomOf } from './arena.ts'
import { copyBytes } from './copy-bytes.ts'
import { byteOffsetOf } from './region-memory.ts'

/** What a block costs beside its bytes: about the time it takes, in bytes copied. */
const BLOCK_COST = 256

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

  /** Counts work that moved nothing. */
  spend(cost: number): void {
    this.#budget -= cost
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
    if (!this.concerns(address)) return address
    const arena = this.#arena
    const bytes = roomOf(arena.memory, address)
    const made = orNone(() => arena.allocate(bytes))
    if (made === 0) return address
    this.#copy(address, made, bytes)
    arena.free(address)
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
