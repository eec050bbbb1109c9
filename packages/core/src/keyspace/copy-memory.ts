/**
 * The memory that a thread copies blocks of pins into (block-copies.ts). Several pins may share one, in turns: what was copied for one
 * is gone as soon as something is copied for another.
 *
 *   ring    blocks, the oldest overwritten; the last ones are found again
 *   nodes   nodes of long values: a few, used at once
 *   held    blocks that are looked at throughout a value: one for each register that walks through a part of it
 */
import { BLOCK_BYTES_MAX, SEGMENTS_PER_REGION_MAX } from '../limits.ts'
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
/** Blocks that are held at a time. A value needs a few: the root of a stream, a group for each of its indexes, a consumer. */
const HELD_MAX = 32
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
  /** Places for held blocks that were given away so far. */
  #heldCount = 0
  // By hash of an address: what block is in the ring, and where it began.
  readonly #foundAddress = new Int32Array(FOUND_MAX)
  readonly #foundRegion = new Int8Array(FOUND_MAX)
  readonly #foundAt = new Float64Array(FOUND_MAX)
  // By place: whose held block is there, and which.
  readonly #holders: (object | undefined)[] = Array.from({ length: HELD_MAX })
  readonly #heldRegion = new Int8Array(HELD_MAX)
  readonly #heldAddress = new Int32Array(HELD_MAX)

  constructor() {
    const segments = Array.from({ length: SEGMENTS_PER_REGION_MAX }, () => NOTHING)
    segments[RING] = new SharedArrayBuffer(RING_BYTES)
    segments[NODES] = new SharedArrayBuffer(NODES_BYTES)
    segments[HELD] = new SharedArrayBuffer(HELD_MAX * BLOCK_BYTES_MAX)
    this.region = new RegionMemory(segments)
  }

  /** What is copied from now on is for `user`. */
  useFor(user: object): void {
    if (this.#user === user) return
    this.#user = user
    this.#foundAddress.fill(0)
    this.#holders.fill(undefined)
  }

  /** `user` copies nothing more. */
  leave(user: object): void {
    if (this.#user === user) this.#user = undefined
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

  /** @returns the address of this block if `holder` holds it, 0 if it does not. */
  heldBy(holder: object, region: number, address: number): number {
    const place = this.#holders.indexOf(holder)
    const isHeld = place !== -1 && this.#heldAddress[place] === address && this.#heldRegion[place] === region
    return isHeld ? addressOf(HELD, place * BLOCK_BYTES_MAX) : 0
  }

  /** Room for the block that `holder` is going to hold, in place of its last one. @returns its offset */
  heldRoom(holder: object): number {
    let place = this.#holders.indexOf(holder)
    // With all places taken the one goes that was given away first: registers of another value.
    if (place === -1) place = this.#heldCount++ % HELD_MAX
    this.#holders[place] = holder
    this.#heldAddress[place] = 0
    return place * BLOCK_BYTES_MAX
  }

  /** `heldBy` is to find this block, which was just copied. @param offset what `heldRoom` gave for it */
  noteHeld(region: number, address: number, offset: number): number {
    const place = offset / BLOCK_BYTES_MAX
    this.#heldAddress[place] = address
    this.#heldRegion[place] = region
    return addressOf(HELD, offset)
  }
}

function foundIndex(address: number): number {
  return (Math.imul(address, 0x9e37_79b1) >>> 19) & (FOUND_MAX - 1)
}
