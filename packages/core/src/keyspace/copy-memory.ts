/**
 * The memory that a thread copies blocks of pins into (block-copies.ts). Several pins may share one, in turns: what was copied for one
 * is gone as soon as something is copied for another.
 *
 *   ring    blocks, the oldest overwritten; the last ones are found again
 *   nodes   nodes of long values: a few, used at once
 *   held    blocks that are looked at throughout a value; until `release()`
 */
import { BLOCK_BYTES_MAX, RUN_BYTES, SEGMENTS_PER_REGION_MAX } from '../limits.ts'
import { addressOf, RegionMemory } from '../memory/region-memory.ts'

// Segments of the copies: not the first ones, where addresses of the dataset lead that nobody has asked `local()` about.
export const RING = 13
export const NODES = 14
export const HELD = 15

/** A copy lasts until half of this was copied after it: more than a page of records of the longest kind. */
const RING_BYTES: number = 8 << 20
/** Of the ring that is used as long as no longer blocks need more. */
const LAP_BYTES: number = 512 << 10
const NODES_BYTES: number = 8 * BLOCK_BYTES_MAX
const HELD_BYTES_MAX: number = 1 << 30
/** More than this is not kept for the next pin. */
const HELD_BYTES_KEPT: number = 1 << 20
/** Copies in the ring that are found again: a power of two. */
const FOUND_MAX = 8192
const NOTHING = new SharedArrayBuffer(0)

export class CopyMemory {
  /** Where the copies are. */
  readonly region: RegionMemory
  #user: object | undefined
  /** Bytes ever copied into the ring. */
  #ringAt = 0
  #nodesAt = 0
  #heldAt = 0
  // By hash of an address: what block is in the ring, and where it began.
  readonly #foundAddress = new Int32Array(FOUND_MAX)
  readonly #foundRegion = new Int8Array(FOUND_MAX)
  readonly #foundAt = new Float64Array(FOUND_MAX)
  /** By region and address: where a block is held. */
  readonly #held = new Map<number, number>()

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
    this.#foundAddress.fill(0)
    this.release()
  }

  /** `user` copies nothing more. What it has made the memory grow by is not kept. */
  leave(user: object): void {
    if (this.#user !== user) return
    this.#user = undefined
    if (this.region.segments[HELD]!.byteLength > HELD_BYTES_KEPT) this.region.setSegment(HELD, heldSegment())
  }

  /** @returns the address of a block that was copied into the ring not long ago, 0 if it was not. */
  inRing(region: number, address: number): number {
    const found = foundIndex(address)
    const at = this.#foundAt[found]!
    const isFound =
      this.#foundAddress[found] === address && this.#foundRegion[found] === region && this.#ringAt - at < RING_BYTES / 2
    return isFound ? addressOf(RING, at % RING_BYTES) : 0
  }

  /** Room for so many bytes in one row. @returns its offset in the ring */
  ringRoom(bytes: number): number {
    const rest = RING_BYTES - (this.#ringAt % RING_BYTES)
    if (rest < bytes) this.#ringAt += rest
    const at = this.#ringAt
    this.#ringAt += bytes
    return at % RING_BYTES
  }

  /** `inRing` is to find this block, which was just copied into the ring. @param offset of it there */
  note(region: number, address: number, offset: number): void {
    const found = foundIndex(address)
    this.#foundAddress[found] = address
    this.#foundRegion[found] = region
    this.#foundAt[found] = this.#ringAt - ((this.#ringAt - offset) % RING_BYTES)
  }

  /** Between two pages of records the ring may begin anew: most of it stays unused, and the rest in the processor's caches. */
  beginLap(): void {
    const offset = this.#ringAt % RING_BYTES
    if (offset > LAP_BYTES) this.#ringAt += RING_BYTES - offset
  }

  /** Room for a node. @returns its offset */
  nodeRoom(): number {
    const at = this.#nodesAt
    this.#nodesAt = (at + BLOCK_BYTES_MAX) % NODES_BYTES
    return at
  }

  /** @returns the address of a block that is held, 0 if it is not. */
  heldAt(region: number, address: number): number {
    return this.#held.get(heldKey(region, address)) ?? 0
  }

  /** Room for a block of so many bytes, until `release()`. @returns its offset */
  heldRoom(bytes: number): number {
    const at = this.#heldAt
    this.region.growTo(HELD, at + bytes)
    this.#heldAt += Math.ceil(bytes / 8) * 8
    return at
  }

  /** `heldAt` is to find this block, which was just copied. */
  noteHeld(region: number, address: number, offset: number): number {
    const held = addressOf(HELD, offset)
    this.#held.set(heldKey(region, address), held)
    return held
  }

  /** Forgets what was held for a value. */
  release(): void {
    if (this.#heldAt === 0) return
    this.#held.clear()
    this.#heldAt = 0
  }
}

function foundIndex(address: number): number {
  return (Math.imul(address, 0x9e37_79b1) >>> 19) & (FOUND_MAX - 1)
}

function heldKey(region: number, address: number): number {
  return region * 2 ** 32 + (address >>> 0)
}

function heldSegment(): SharedArrayBuffer {
  return new SharedArrayBuffer(RUN_BYTES, { maxByteLength: HELD_BYTES_MAX })
}
