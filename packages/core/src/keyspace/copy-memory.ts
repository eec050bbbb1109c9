/**
 * The memory that a thread copies blocks of pins into (block-copies.ts). Several pins may share one, in turns: what was copied for one
 * is gone as soon as something is copied for another.
 *
 *   ring    blocks, the oldest overwritten; the last ones are found again
 *   nodes   nodes of long values: a few, used at once
 *   held    blocks that are looked at throughout a value; until `release()`
 */
import { BLOCK_BYTES_MAX, RUN_BYTES, SEGMENTS_PER_REGION_MAX } from '../limits.ts'
import { RegionMemory } from '../memory/region-memory.ts'

// Segments of the copies: not the first ones, where addresses of the dataset lead that nobody has asked `local()` about.
export const RING = 13
export const NODES = 14
export const HELD = 15

/** A copy lasts until half of this was copied after it: more than a page of records of the longest kind. */
export const RING_BYTES: number = 8 << 20
export const NODES_BYTES: number = 8 * BLOCK_BYTES_MAX
const HELD_BYTES_MAX: number = 1 << 30
/** More than this is not kept for the next pin. */
const HELD_BYTES_KEPT: number = 1 << 20
/** Copies in the ring that are found again: a power of two. */
export const FOUND_MAX = 8192
const NOTHING = new SharedArrayBuffer(0)

export class CopyMemory {
  /** Where the copies are. */
  readonly region: RegionMemory
  // How far each part is used; the ring's counts on beyond its length.
  ringAt = 0
  nodesAt = 0
  heldAt = 0
  // By hash of an address: what block is in the ring, and where it began.
  readonly foundAddress: Int32Array = new Int32Array(FOUND_MAX)
  readonly foundRegion: Int8Array = new Int8Array(FOUND_MAX)
  readonly foundAt: Float64Array = new Float64Array(FOUND_MAX)
  /** By region and address: where a block is held. */
  readonly held: Map<number, number> = new Map()
  #user: object | undefined

  constructor() {
    const segments = Array.from({ length: SEGMENTS_PER_REGION_MAX }, () => NOTHING)
    segments[RING] = new SharedArrayBuffer(RING_BYTES)
    segments[NODES] = new SharedArrayBuffer(NODES_BYTES)
    segments[HELD] = heldSegment()
    this.region = new RegionMemory(segments)
  }

  /** What is copied from now on is for `user`. */
  useFor(user: object): void {
    if (this.#user === user) return
    this.#user = user
    this.foundAddress.fill(0)
    this.release()
    if (this.region.segments[HELD]!.byteLength > HELD_BYTES_KEPT) this.region.setSegment(HELD, heldSegment())
  }

  /** `user` copies nothing more. */
  leave(user: object): void {
    if (this.#user === user) this.#user = undefined
  }

  /** Forgets what was held for a value. */
  release(): void {
    this.held.clear()
    this.heldAt = 0
  }
}

function heldSegment(): SharedArrayBuffer {
  return new SharedArrayBuffer(RUN_BYTES, { maxByteLength: HELD_BYTES_MAX })
}
