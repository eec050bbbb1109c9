/**
 * The memory of one region (the arena that eight shards share) as one thread sees it: up to 16 segments and the views on them. Segments are
 * growable SharedArrayBuffers, but for those with huge pages: these are to be had from the C allocator alone, and growable buffers are not its, so they have
 * their whole length from the beginning. Memory that was not touched takes none either way.
 *
 * Growth is seen by every thread at once without a message, but views have an explicit length (a length-tracking view costs ten times as much
 * per access), so each thread remakes its own when it meets an offset beyond them.
 *
 *   address (int32, 0 = none):   [ segment:4 | unit:28 ]      unit = 8 bytes, so byte offset = unit * 8 < 2^31
 */
import { KeyspaceError } from '../errors.ts'
import { RUN_BYTES, SEGMENTS_PER_REGION_MAX } from '../limits.ts'
import type { BlockKeeper } from './block-keeper.ts'
import { NO_WORDS } from './view-holders.ts'

/** Stands where a segment was dropped: nothing lies inside its views. */
const NO_SEGMENT = new SharedArrayBuffer(0)

const SMALL_PAGE_BYTES = 4096
const HUGE_PAGE_BYTES = 2 << 20
const FIRST_GROWTH_BYTES = 1 << 20
const GROWTH_STEP_BYTES_MAX = 64 << 20

/** Byte offset of an address inside its segment. */
export function byteOffsetOf(address: number): number {
  return (address & 0x0fff_ffff) << 3
}

/** Segment of an address. */
export function segmentOf(address: number): number {
  return address >>> 28
}

/** The address of byte `offset` (a multiple of 8) in `segment`. */
export function addressOf(segment: number, offset: number): number {
  return (segment << 28) | (offset >>> 3)
}

function growableSegment(bytesMax: number): SharedArrayBuffer {
  try {
    return new SharedArrayBuffer(Math.min(FIRST_GROWTH_BYTES, bytesMax), { maxByteLength: bytesMax })
  } catch (cause) {
    throw new KeyspaceError('KEYSPACE_OUT_OF_MEMORY', `cannot reserve a segment of ${bytesMax} bytes`, { cause })
  }
}

/**
 * A length that lacks one run to whole huge pages is made to lack a small page only, where the C allocator puts its header: Linux (6.7 on)
 * lets mappings of whole huge pages begin at one, so that none is shared with what lies below.
 *
 * @returns undefined where the system promises no memory that it may not have (vm.overcommit_memory=2), or has less in all.
 */
function wholeSegment(bytesMax: number): SharedArrayBuffer | undefined {
  const isRunLess = (bytesMax + RUN_BYTES) % HUGE_PAGE_BYTES === 0
  try {
    return new SharedArrayBuffer(isRunLess ? bytesMax + RUN_BYTES - SMALL_PAGE_BYTES : bytesMax)
  } catch {
    return undefined
  }
}

export class RegionMemory {
  readonly segments: SharedArrayBuffer[]
  /** Byte and word views, one per segment. Replaced by `refresh()`: never keep them across a call that may allocate. */
  readonly u8: Uint8Array[] = []
  readonly i32: Int32Array[] = []
  readonly views: DataView[] = []
  /** Views of all regions, where those of this one stand from `firstView` on. */
  readonly wordViews: Int32Array[]
  readonly firstView: number
  /** While a pin covers this region (writer only): what keeps the blocks for it. */
  keeper: BlockKeeper | undefined
  /** Of a region that was ever pinned: who may hold blocks for pins, also for those that have ended and left them to be freed in slices (writer only). */
  holder: BlockKeeper | undefined
  /**
   * Called on the writer's thread when a segment was added, before any address in it is published, and when one was dropped
   * (an empty buffer takes its place), after the last address in it is gone.
   */
  onSegment: ((segment: SharedArrayBuffer, index: number) => void) | undefined
  /** Called on the writer's thread when a segment has grown, before any address in the new part is published. */
  onGrowth: (() => void) | undefined

  /**
   * @param segments existing buffers of this region, shared, in order. @param wordViews of all regions, where this one keeps those of its
   * segments too, from `firstView` on: for who looks at many regions in one loop.
   */
  constructor(segments: SharedArrayBuffer[], wordViews: Int32Array[] = [], firstView = 0) {
    this.segments = segments
    this.wordViews = wordViews
    this.firstView = firstView
    for (let index = 0; index < segments.length; index++) this.refresh(index)
  }

  /**
   * Whoever changes bytes of a block that was there before, wherever it is, calls this first, with an address in the block
   * (writer only): pins keep what it holds (docs/pins.md). Not for blocks allocated since the last unit, nor before freeing.
   * It may allocate; views of what was there stay usable.
   */
  keep(address: number): void {
    if (this.keeper !== undefined) this.keeper.keep(address)
  }

  /** Remakes the views of one segment at its present length. Cheap; any thread. */
  refresh(index: number): void {
    const buffer = this.segments[index]!
    const length = buffer.byteLength
    this.u8[index] = new Uint8Array(buffer, 0, length)
    const words = new Int32Array(buffer, 0, length >>> 2)
    this.i32[index] = words
    this.wordViews[this.firstView + index] = words
    this.views[index] = new DataView(buffer, 0, length)
  }

  /** Is there a segment of this number, not one that was dropped? */
  hasSegment(index: number): boolean {
    return this.segments[index]!.byteLength > 0
  }

  /** Whole runs that a segment has room for when it is fully grown. */
  runsIn(index: number): number {
    return Math.floor(this.segments[index]!.maxByteLength / RUN_BYTES)
  }

  /** Was a segment made with huge pages? */
  hasHugePages(index: number): boolean {
    const segment = this.segments[index]!
    return !segment.growable && segment.byteLength > 0
  }

  /** Adds a segment reserved up to `bytesMax`, with the number of one that was dropped if there is one (writer only). */
  addSegment(bytesMax: number): number {
    return this.#addSegment(this.#freeNumber(), growableSegment(bytesMax))
  }

  /** As `addSegment`, with huge pages. @returns undefined where the system refuses it: nothing was added. */
  addSegmentOfHugePages(bytesMax: number): number | undefined {
    const index = this.#freeNumber()
    const buffer = wholeSegment(bytesMax)
    return buffer === undefined ? undefined : this.#addSegment(index, buffer)
  }

  #freeNumber(): number {
    const dropped = this.segments.findIndex((segment) => segment.byteLength === 0)
    const index = dropped === -1 ? this.segments.length : dropped
    if (index >= SEGMENTS_PER_REGION_MAX) {
      throw new KeyspaceError(
        'KEYSPACE_OUT_OF_MEMORY',
        `a region has all its ${SEGMENTS_PER_REGION_MAX} segments in use`,
      )
    }
    return index
  }

  #addSegment(index: number, buffer: SharedArrayBuffer): number {
    this.setSegment(index, buffer)
    this.onSegment?.(buffer, index)
    return index
  }

  /** Lets go of a segment in which nothing is in use (writer only). Its memory is free when every thread has collected. */
  dropSegment(index: number): void {
    this.setSegment(index, NO_SEGMENT)
    this.onSegment?.(NO_SEGMENT, index)
  }

  /** Takes a segment that another thread made, or the empty buffer in the place of one that it dropped (readers). */
  setSegment(index: number, buffer: SharedArrayBuffer): void {
    this.segments[index] = buffer
    this.refresh(index)
  }

  /**
   * Lets go of all segments, for this thread: the generation was replaced, or the pin has ended. Registers (view-holders.ts) may
   * name the region long after; with its segments they would hold a whole dataset.
   */
  letGo(): void {
    this.wordViews.fill(NO_WORDS, this.firstView, this.firstView + this.i32.length)
    this.segments.length = 0
    this.u8.length = 0
    this.i32.length = 0
    this.views.length = 0
    this.onSegment = undefined
    this.onGrowth = undefined
    this.keeper = undefined
    this.holder = undefined
  }

  /** Makes bytes [0, end) of a segment usable (writer only). Pages are touched only when they are written. */
  growTo(index: number, end: number): void {
    const buffer = this.segments[index]!
    if (end <= buffer.byteLength) return
    if (!buffer.growable || end > buffer.maxByteLength) {
      throw new KeyspaceError('KEYSPACE_OUT_OF_MEMORY', `a segment ends at ${buffer.maxByteLength} bytes`)
    }
    const step = Math.min(GROWTH_STEP_BYTES_MAX, Math.max(FIRST_GROWTH_BYTES, buffer.byteLength >>> 2))
    const target = Math.min(
      buffer.maxByteLength,
      Math.ceil(Math.max(end, buffer.byteLength + step) / RUN_BYTES) * RUN_BYTES,
    )
    try {
      buffer.grow(target)
    } catch (cause) {
      throw new KeyspaceError('KEYSPACE_OUT_OF_MEMORY', `cannot grow a segment to ${target} bytes`, { cause })
    }
    this.refresh(index)
    this.onGrowth?.()
  }
}
