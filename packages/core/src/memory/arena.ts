/**
 * The allocator of one region. Only its one writer calls it (the link role, or the loader that owns the
 * region while its generation is being built); readers never see its structures. All state lives in the segments, so a
 * loader's region can be handed to the link role as it is.
 *
 *   segment 0:  [ header 2 KiB ]
 *   others:     [ run records, 32 B each … ] [ run ] [ run ] …        run = 64 KiB
 *
 *   header words  0 magic   1 bump segment, 0 = none   2 free run list   3 runs in use   4 segments being evacuated, a bit each
 *                 5 bump segment of classes that have few runs
 *                 16 …      per size class: first run that has a free block ("partial list"), as run number
 *                 then      per segment: next run never used;  per segment: bytes in use, in units of 8
 *                 then      per size class: runs in use
 *   run record    0 state (class + 1, or SPAN / FREE)   1 blocks used   2 free block list (address)   3 blocks ever cut
 *                 4 previous   5 next (partial or free list)   6 length of span in runs
 *
 * A run whose last block is freed goes back to the free runs and may serve another class. Spans are neighbouring runs
 * for the few things that are longer than a block (table directories).
 *
 * Every class has a run that is partly unused. With small pages that part is not resident; with huge ones it is, for a
 * hundred classes in eight regions. So with huge pages the first runs of each class are bumped in a segment apart, which has
 * small ones.
 *
 * Segments only grow. To give memory back, one is evacuated: nothing is allocated there any more, whoever owns its blocks
 * moves them (keyspace/compaction.ts), and when the last is gone the whole segment is dropped. When memory ends meanwhile, the
 * evacuation is called off and its room is used again.
 */
import { strict as assert } from 'node:assert'
import { KeyspaceError } from '../errors.ts'
import {
  BLOCK_BYTES_MAX,
  FIRST_SEGMENT_BYTES,
  RUN_BYTES,
  SEGMENT_BYTES_MAX,
  SEGMENTS_PER_REGION_MAX,
} from '../limits.ts'
import { HUGE_PAGES } from './huge-pages.ts'
import { addressOf, byteOffsetOf, type RegionMemory } from './region-memory.ts'
import { CLASS_BLOCKS_PER_RUN, CLASS_BYTES, CLASS_COUNT, CLASS_OF_UNITS } from './size-classes.ts'

/** The first segment that has blocks. */
export const FIRST_BLOCK_SEGMENT = 1

const HEADER_BYTES = 2048
const RUN_RECORD_BYTES = 32
const RUN_RECORD_WORDS: number = RUN_RECORD_BYTES >> 2
const RUNS_PER_SEGMENT_BITS = 15
const RUN_SHIFT = 16

const MAGIC = 0x55_41_52_31
const H_MAGIC = 0
const H_BUMP_SEGMENT = 1
const H_FREE_RUNS = 2
const H_RUNS_USED = 3
const H_EVACUATING = 4
const H_BUMP_SEGMENT_OF_FEW = 5
const H_PARTIAL = 16
/** Next run never used, per segment: behind the partial lists. */
const H_BUMP_RUN: number = H_PARTIAL + CLASS_COUNT
const H_UNITS_USED: number = H_BUMP_RUN + SEGMENTS_PER_REGION_MAX
const H_CLASS_RUNS: number = H_UNITS_USED + SEGMENTS_PER_REGION_MAX
assert.ok((H_CLASS_RUNS + CLASS_COUNT) * 4 <= HEADER_BYTES)

/** Runs of a class that lie on small pages. From then on the one that is partly unused matters little. */
const FEW_RUNS = 8
/** Memory is touched so many runs ahead, each time that half of them are used up. */
const TOUCHED_RUNS_AHEAD = 8

const R_STATE = 0
const R_USED = 1
const R_FREE = 2
const R_CUT = 3
const R_PREVIOUS = 4
const R_NEXT = 5
const R_SPAN = 6

const STATE_FREE = 0
const STATE_SPAN = 0x7fff

/** Number, in its segment, of the run that an address lies in. */
export function runOf(address: number): number {
  return (address & 0x0fff_ffff) >>> (RUN_SHIFT - 3)
}

/** Bytes that the block at an address, which is in use, really has. Any thread: a run keeps its class while a block is in use. */
export function roomOf(memory: RegionMemory, address: number): number {
  const words = memory.i32[address >>> 28]!
  return CLASS_BYTES[words[runOf(address) * RUN_RECORD_WORDS + R_STATE]! - 1]!
}

/**
 * Bytes of the pieces that a run in use is made of: its blocks, or itself when it is a part of a span. 0 when it is not in use,
 * or, for other threads, the memory makes no sense.
 */
export function pieceBytesOf(memory: RegionMemory, address: number): number {
  const state = memory.i32[address >>> 28]?.[runOf(address) * RUN_RECORD_WORDS + R_STATE] ?? STATE_FREE
  return state === STATE_SPAN ? RUN_BYTES : (CLASS_BYTES[state - 1] ?? 0)
}

export class Arena {
  readonly memory: RegionMemory
  readonly #segmentBytesMax: number
  /** The run that was touched ahead last, and its segment. */
  #touchedSegment = 0
  #touchedRun = 0

  /**
   * @param memory of one region: empty (the header is made) or that of an existing one.
   * @param segmentBytesMax reservation of the largest segments, a multiple of RUN_BYTES; small values serve tests.
   */
  constructor(memory: RegionMemory, segmentBytesMax: number) {
    this.memory = memory
    this.#segmentBytesMax = segmentBytesMax
    if (memory.segments.length === 0) {
      memory.addSegment(HEADER_BYTES)
      this.reset()
    }
    const head = memory.i32[0]!
    assert.equal(head[H_MAGIC], MAGIC)
    // What a loader has filled may never grow: as if it had been touched ahead already.
    this.#touchedSegment = head[H_BUMP_SEGMENT]!
    this.#touchedRun = this.#runToTouch(this.#touchedSegment)
  }

  /** Bytes of all blocks and spans in use. */
  get usedBytes(): number {
    let sum = 0
    for (let segment = FIRST_BLOCK_SEGMENT; segment < this.memory.segments.length; segment++)
      sum += this.usedBytesOf(segment)
    return sum
  }

  /** Bytes of all runs that were ever used since their segment was made: what the region may keep resident. */
  get touchedBytes(): number {
    let sum = 0
    for (let segment = FIRST_BLOCK_SEGMENT; segment < this.memory.segments.length; segment++)
      sum += this.touchedBytesOf(segment)
    return sum
  }

  usedBytesOf(segment: number): number {
    return this.memory.i32[0]![H_UNITS_USED + segment]! * 8
  }

  touchedBytesOf(segment: number): number {
    const bump = this.memory.i32[0]![H_BUMP_RUN + segment]!
    return bump === 0 ? 0 : (bump - metaRuns(this.memory.runsIn(segment))) * RUN_BYTES
  }

  /** Segments being evacuated, a bit each. */
  get evacuating(): number {
    return this.memory.i32[0]![H_EVACUATING]!
  }

  /** Bytes of all runs that hold at least one block. */
  get runBytes(): number {
    return (this.memory.i32[0]![H_RUNS_USED]! >>> 0) * RUN_BYTES
  }

  /** Forgets everything: all blocks are free, in constant time. Memory stays reserved (and touched pages resident). */
  reset(): void {
    const { memory } = this
    const head = memory.i32[0]!
    head.fill(0, 0, HEADER_BYTES >> 2)
    head[H_MAGIC] = MAGIC
    for (let segment = FIRST_BLOCK_SEGMENT; segment < memory.segments.length; segment++) {
      if (memory.hasSegment(segment)) head[H_BUMP_RUN + segment] = metaRuns(memory.runsIn(segment))
    }
  }

  /** A block of at least `bytes` (1 … BLOCK_BYTES_MAX), contents undefined. */
  allocate(bytes: number): number {
    const sizeClass = CLASS_OF_UNITS[(bytes + 7) >>> 3]!
    let head = this.memory.i32[0]!
    let run = head[H_PARTIAL + sizeClass]!
    if (run === 0) {
      run = this.#runWithRoom(sizeClass)
      head = this.memory.i32[0]!
    }
    const segment = run >>> RUNS_PER_SEGMENT_BITS
    const words = this.memory.i32[segment]!
    const runInSegment = run & 0x7fff
    const record = runInSegment * RUN_RECORD_WORDS
    head[H_UNITS_USED + segment] = head[H_UNITS_USED + segment]! + (CLASS_BYTES[sizeClass]! >>> 3)
    words[record + R_USED] = words[record + R_USED]! + 1
    let address = words[record + R_FREE]!
    let cut = words[record + R_CUT]!
    if (address !== 0) {
      words[record + R_FREE] = words[byteOffsetOf(address) >>> 2]!
    } else {
      address = addressOf(segment, runInSegment * RUN_BYTES + cut * CLASS_BYTES[sizeClass]!)
      words[record + R_CUT] = ++cut
    }
    if (words[record + R_FREE] === 0 && cut === CLASS_BLOCKS_PER_RUN[sizeClass]!) {
      this.#unlinkPartial(run, words, record, sizeClass)
    }
    const { keeper } = this.memory
    if (keeper !== undefined) keeper.born(address)
    return address
  }

  /** Gives a block back. */
  free(address: number): void {
    const { keeper } = this.memory
    if (keeper !== undefined && keeper.defersFree(address)) return
    const segment = address >>> 28
    const words = this.memory.i32[segment]!
    const runInSegment = runOf(address)
    const record = runInSegment * RUN_RECORD_WORDS
    const sizeClass = words[record + R_STATE]! - 1
    const head = this.memory.i32[0]!
    const run = (segment << RUNS_PER_SEGMENT_BITS) | runInSegment
    const used = words[record + R_USED]! - 1
    const freeList = words[record + R_FREE]!
    head[H_UNITS_USED + segment] = head[H_UNITS_USED + segment]! - (CLASS_BYTES[sizeClass]! >>> 3)
    if (((head[H_EVACUATING]! >>> segment) & 1) !== 0) {
      // In no list. Such blocks are used again only if the evacuation is called off.
      words[record + R_USED] = used
      words[byteOffsetOf(address) >>> 2] = freeList
      words[record + R_FREE] = address
      if (used === 0) this.#clearRun(words, record)
      return
    }
    const wasFull = freeList === 0 && words[record + R_CUT] === CLASS_BLOCKS_PER_RUN[sizeClass]!
    if (used === 0) {
      // Empty: any class may use it now.
      if (!wasFull) this.#unlinkPartial(run, words, record, sizeClass)
      this.#releaseRun(run, words, record)
      return
    }
    words[record + R_USED] = used
    words[byteOffsetOf(address) >>> 2] = freeList
    words[record + R_FREE] = address
    if (wasFull) this.#linkPartial(run, words, record, sizeClass)
  }

  /** Bytes a block of this request really has: the room to grow in place. */
  static blockBytes(bytes: number): number {
    return CLASS_BYTES[CLASS_OF_UNITS[(bytes + 7) >>> 3]!]!
  }

  /** Neighbouring whole runs for `bytes` more than a block, zeroed. */
  allocateSpan(bytes: number): number {
    assert.ok(bytes > BLOCK_BYTES_MAX)
    const runs = Math.ceil(bytes / RUN_BYTES)
    const run = this.#orMakeRoom(() =>
      runs === 1 ? this.#takeRun(H_BUMP_SEGMENT) : this.#bumpRuns(H_BUMP_SEGMENT, runs),
    )
    const segment = run >>> RUNS_PER_SEGMENT_BITS
    const words = this.memory.i32[segment]!
    const runInSegment = run & 0x7fff
    for (let i = 0; i < runs; i++) words[(runInSegment + i) * RUN_RECORD_WORDS] = STATE_SPAN
    words[runInSegment * RUN_RECORD_WORDS + R_SPAN] = runs
    const head = this.memory.i32[0]!
    head[H_UNITS_USED + segment] = head[H_UNITS_USED + segment]! + runs * (RUN_BYTES >>> 3)
    head[H_RUNS_USED] = head[H_RUNS_USED]! + runs
    const start = (runInSegment * RUN_BYTES) >>> 2
    words.fill(0, start, start + ((runs * RUN_BYTES) >>> 2))
    const address = addressOf(segment, runInSegment * RUN_BYTES)
    const { keeper } = this.memory
    if (keeper !== undefined) keeper.spanBorn(address, runs)
    return address
  }

  /** Gives a span back, as single runs. */
  freeSpan(address: number): void {
    const segment = address >>> 28
    const words = this.memory.i32[segment]!
    const first = runOf(address)
    const runs = words[first * RUN_RECORD_WORDS + R_SPAN]!
    const { keeper } = this.memory
    if (keeper !== undefined && keeper.defersSpanFree(address, runs)) return
    const head = this.memory.i32[0]!
    head[H_UNITS_USED + segment] = head[H_UNITS_USED + segment]! - runs * (RUN_BYTES >>> 3)
    const isEvacuating = ((head[H_EVACUATING]! >>> segment) & 1) !== 0
    for (let i = 0; i < runs; i++) {
      const record = (first + i) * RUN_RECORD_WORDS
      if (isEvacuating) this.#clearRun(words, record)
      else this.#releaseRun((segment << RUNS_PER_SEGMENT_BITS) | (first + i), words, record)
    }
  }

  /**
   * Makes the memory usable now that the next `bytes` will need, if it can be had and one segment has room for it. Whoever makes it so
   * while the system takes back memory that was dropped waits until that is done (docs/memory.md).
   */
  reserve(bytes: number): void {
    const runs = Math.min(this.#usableRunsMax, Math.ceil(bytes / RUN_BYTES))
    try {
      this.#reserveRuns(H_BUMP_SEGMENT, runs)
      if (HUGE_PAGES) this.#reserveRuns(H_BUMP_SEGMENT_OF_FEW, Math.min(runs, CLASS_COUNT * FEW_RUNS))
    } catch (error) {
      // Whoever needs it will see.
      if (!(error instanceof KeyspaceError)) throw error
    }
  }

  /**
   * Is it time to touch memory ahead? Where a huge page is first written, the writer waits until the system has found and cleared
   * all of it, milliseconds where a guest has to be given it by its host. Always false with small pages.
   */
  get needsTouch(): boolean {
    const head = this.memory.i32[0]!
    const segment = head[H_BUMP_SEGMENT]!
    if (!HUGE_PAGES || segment === 0) return false
    const run = this.#runToTouch(segment)
    if (segment === this.#touchedSegment && run - this.#touchedRun < TOUCHED_RUNS_AHEAD / 2) return false
    return run < this.memory.runsIn(segment) && this.memory.hasHugePages(segment)
  }

  /** Touches memory that will be needed soon; `needsTouch` is true. */
  touchAhead(): void {
    const segment = this.memory.i32[0]![H_BUMP_SEGMENT]!
    this.#touchedSegment = segment
    this.#touchedRun = this.#runToTouch(segment)
    // Nobody has used it yet.
    this.memory.i32[segment]![(this.#touchedRun * RUN_BYTES) >>> 2] = 0
  }

  #runToTouch(segment: number): number {
    return this.memory.i32[0]![H_BUMP_RUN + segment]! + TOUCHED_RUNS_AHEAD
  }

  #reserveRuns(bumpWord: number, runs: number): void {
    const { memory } = this
    const head = memory.i32[0]!
    if (head[bumpWord] === 0) head[bumpWord] = this.#segmentWithRoom(bumpWord, runs)
    const segment = head[bumpWord]!
    memory.growTo(segment, Math.min(memory.runsIn(segment), head[H_BUMP_RUN + segment]! + runs) * RUN_BYTES)
  }

  // ---- evacuation -------------------------------------------------------------------------------------------------

  /** Allocates nothing in these segments from now on. @param segments a bit each; not segment 0. */
  evacuate(segments: number): void {
    const { memory } = this
    const head = memory.i32[0]!
    head[H_EVACUATING] = head[H_EVACUATING]! | segments
    for (const bumpWord of [H_BUMP_SEGMENT, H_BUMP_SEGMENT_OF_FEW]) {
      if (((segments >>> head[bumpWord]!) & 1) !== 0) head[bumpWord] = 0
    }
    this.#forEachRun(segments, (run, words, record, state) => {
      if (isPartial(words, record, state)) this.#unlinkPartial(run, words, record, state - 1)
    })
    // The free runs of other segments stay in their list.
    let run = head[H_FREE_RUNS]!
    let last = 0
    head[H_FREE_RUNS] = 0
    while (run !== 0) {
      const words = memory.i32[run >>> RUNS_PER_SEGMENT_BITS]!
      const next = words[(run & 0x7fff) * RUN_RECORD_WORDS + R_NEXT]!
      if (((segments >>> (run >>> RUNS_PER_SEGMENT_BITS)) & 1) === 0) {
        if (last === 0) head[H_FREE_RUNS] = run
        else memory.i32[last >>> RUNS_PER_SEGMENT_BITS]![(last & 0x7fff) * RUN_RECORD_WORDS + R_NEXT] = run
        words[(run & 0x7fff) * RUN_RECORD_WORDS + R_NEXT] = 0
        last = run
      }
      run = next
    }
  }

  /** Calls the evacuation off: what is free in its segments may be used again. @returns false when there was none. */
  readmit(): boolean {
    const head = this.memory.i32[0]!
    const segments = head[H_EVACUATING]!
    if (segments === 0) return false
    head[H_EVACUATING] = 0
    this.#forEachRun(segments, (run, words, record, state) => {
      if (state === STATE_FREE) this.#linkFree(run, words, record)
      else if (isPartial(words, record, state)) this.#linkPartial(run, words, record, state - 1)
    })
    return true
  }

  /** Drops the segments of the evacuation that are empty. @returns the bytes that were touched in them. */
  dropEvacuated(): number {
    const { memory } = this
    const head = memory.i32[0]!
    let bytes = 0
    for (let segment = FIRST_BLOCK_SEGMENT; segment < memory.segments.length; segment++) {
      if (((head[H_EVACUATING]! >>> segment) & 1) === 0 || head[H_UNITS_USED + segment] !== 0) continue
      bytes += this.touchedBytesOf(segment)
      head[H_BUMP_RUN + segment] = 0
      head[H_EVACUATING] = head[H_EVACUATING]! & ~(1 << segment)
      memory.dropSegment(segment)
    }
    return bytes
  }

  #forEachRun(segments: number, visit: (run: number, words: Int32Array, record: number, state: number) => void): void {
    const { memory } = this
    for (let segment = FIRST_BLOCK_SEGMENT; segment < memory.segments.length; segment++) {
      if (((segments >>> segment) & 1) === 0) continue
      const words = memory.i32[segment]!
      const end = memory.i32[0]![H_BUMP_RUN + segment]!
      for (let run = metaRuns(memory.runsIn(segment)); run < end; run++) {
        const record = run * RUN_RECORD_WORDS
        visit((segment << RUNS_PER_SEGMENT_BITS) | run, words, record, words[record + R_STATE]!)
      }
    }
  }

  // ---- runs -------------------------------------------------------------------------------------------------------

  /** Runs that a new segment can offer at most. */
  get #usableRunsMax(): number {
    const runs = this.#segmentBytesMax / RUN_BYTES
    return runs - metaRuns(runs)
  }

  /** A run of the class that has a free block, which none in use has. */
  #runWithRoom(sizeClass: number): number {
    return this.#orMakeRoom(() => {
      const run = this.memory.i32[0]![H_PARTIAL + sizeClass]!
      return run === 0 ? this.#startRun(sizeClass) : run
    })
  }

  /** What `take` finds, if need be in segments that were being evacuated, or among what is kept for pins. */
  #orMakeRoom(take: () => number): number {
    for (;;) {
      try {
        return take()
      } catch (error) {
        if (!this.readmit() && this.memory.holder?.givesWay() !== true) throw error
      }
    }
  }

  #startRun(sizeClass: number): number {
    const hasFew = HUGE_PAGES && this.memory.i32[0]![H_CLASS_RUNS + sizeClass]! < FEW_RUNS
    const run = this.#takeRun(hasFew ? H_BUMP_SEGMENT_OF_FEW : H_BUMP_SEGMENT)
    const words = this.memory.i32[run >>> RUNS_PER_SEGMENT_BITS]!
    const record = (run & 0x7fff) * RUN_RECORD_WORDS
    words[record + R_STATE] = sizeClass + 1
    words[record + R_USED] = 0
    words[record + R_FREE] = 0
    words[record + R_CUT] = 0
    const head = this.memory.i32[0]!
    head[H_RUNS_USED] = head[H_RUNS_USED]! + 1
    head[H_CLASS_RUNS + sizeClass] = head[H_CLASS_RUNS + sizeClass]! + 1
    this.#linkPartial(run, words, record, sizeClass)
    return run
  }

  #takeRun(bumpWord: number): number {
    const head = this.memory.i32[0]!
    const run = head[H_FREE_RUNS]!
    if (run === 0) return this.#bumpRuns(bumpWord, 1)
    const words = this.memory.i32[run >>> RUNS_PER_SEGMENT_BITS]!
    head[H_FREE_RUNS] = words[(run & 0x7fff) * RUN_RECORD_WORDS + R_NEXT]!
    return run
  }

  /** Runs that were never used. @param bumpWord names the segment that they come from. */
  #bumpRuns(bumpWord: number, runs: number): number {
    const { memory } = this
    if (runs > this.#usableRunsMax) {
      throw new KeyspaceError('KEYSPACE_OUT_OF_MEMORY', `${runs} neighbouring runs do not fit into a segment`)
    }
    let segment = memory.i32[0]![bumpWord]!
    if (segment === 0 || memory.i32[0]![H_BUMP_RUN + segment]! + runs > memory.runsIn(segment)) {
      if (segment !== 0) this.#freeRest(segment)
      segment = this.#segmentWithRoom(bumpWord, runs)
      memory.i32[0]![bumpWord] = segment
    }
    const first = memory.i32[0]![H_BUMP_RUN + segment]!
    memory.growTo(segment, (first + runs) * RUN_BYTES)
    memory.i32[0]![H_BUMP_RUN + segment] = first + runs
    return (segment << RUNS_PER_SEGMENT_BITS) | first
  }

  /** Gives the rest of a full segment to the free runs, so that nothing is lost. */
  #freeRest(segment: number): void {
    const { memory } = this
    const runsMax = memory.runsIn(segment)
    for (let rest = memory.i32[0]![H_BUMP_RUN + segment]!; rest < runsMax; rest++) {
      memory.growTo(segment, (rest + 1) * RUN_BYTES)
      memory.i32[0]![H_BUMP_RUN + segment] = rest + 1
      this.#linkFree((segment << RUNS_PER_SEGMENT_BITS) | rest, memory.i32[segment]!, rest * RUN_RECORD_WORDS)
    }
  }

  /**
   * A segment with so many runs that were never used: after `reset()` or `readmit()` an old one, else a new one. When there can be no
   * new one, that of the others serves.
   */
  #segmentWithRoom(bumpWord: number, runs: number): number {
    const wantsHugePages = HUGE_PAGES && bumpWord === H_BUMP_SEGMENT
    try {
      const huge = wantsHugePages ? this.#segmentOfKind(true, runs) : undefined
      // Where the system refuses them, all are of one kind: those that are there serve, and make the next one longer.
      return huge ?? this.#segmentOfKind(false, runs)!
    } catch (error) {
      const other = this.#oldSegmentWithRoom(!wantsHugePages, runs)
      if (other === undefined) throw error
      return other
    }
  }

  /** @returns undefined where the system refuses huge pages. */
  #segmentOfKind(hugePages: boolean, runs: number): number | undefined {
    const { memory } = this
    const old = this.#oldSegmentWithRoom(hugePages, runs)
    if (old !== undefined) return old
    let runsPresent = 0
    for (let segment = FIRST_BLOCK_SEGMENT; segment < memory.segments.length; segment++) {
      if (memory.hasHugePages(segment) === hugePages) runsPresent += memory.runsIn(segment)
    }
    const bytes = Math.min(this.#segmentBytesMax, segmentBytes(runs, runsPresent))
    const segment = hugePages ? memory.addSegmentOfHugePages(bytes) : memory.addSegment(bytes)
    if (segment !== undefined) memory.i32[0]![H_BUMP_RUN + segment] = metaRuns(memory.runsIn(segment))
    return segment
  }

  #oldSegmentWithRoom(hugePages: boolean, runs: number): number | undefined {
    const { memory } = this
    const head = memory.i32[0]!
    for (let segment = FIRST_BLOCK_SEGMENT; segment < memory.segments.length; segment++) {
      const isUsable = memory.hasSegment(segment) && ((head[H_EVACUATING]! >>> segment) & 1) === 0
      if (!isUsable || memory.hasHugePages(segment) !== hugePages) continue
      if (head[H_BUMP_RUN + segment]! + runs <= memory.runsIn(segment)) return segment
    }
    return undefined
  }

  #releaseRun(run: number, words: Int32Array, record: number): void {
    this.#clearRun(words, record)
    this.#linkFree(run, words, record)
  }

  /** Marks a run as free, without a place in the list of free ones. */
  #clearRun(words: Int32Array, record: number): void {
    const head = this.memory.i32[0]!
    const state = words[record + R_STATE]!
    if (state !== STATE_SPAN) head[H_CLASS_RUNS + state - 1] = head[H_CLASS_RUNS + state - 1]! - 1
    words[record + R_STATE] = STATE_FREE
    head[H_RUNS_USED] = head[H_RUNS_USED]! - 1
  }

  #linkFree(run: number, words: Int32Array, record: number): void {
    const head = this.memory.i32[0]!
    words[record + R_STATE] = STATE_FREE
    words[record + R_NEXT] = head[H_FREE_RUNS]!
    head[H_FREE_RUNS] = run
  }

  #linkPartial(run: number, words: Int32Array, record: number, sizeClass: number): void {
    const head = this.memory.i32[0]!
    const next = head[H_PARTIAL + sizeClass]!
    words[record + R_PREVIOUS] = 0
    words[record + R_NEXT] = next
    if (next !== 0) {
      this.memory.i32[next >>> RUNS_PER_SEGMENT_BITS]![(next & 0x7fff) * RUN_RECORD_WORDS + R_PREVIOUS] = run
    }
    head[H_PARTIAL + sizeClass] = run
  }

  #unlinkPartial(run: number, words: Int32Array, record: number, sizeClass: number): void {
    const head = this.memory.i32[0]!
    const previous = words[record + R_PREVIOUS]!
    const next = words[record + R_NEXT]!
    if (head[H_PARTIAL + sizeClass] === run) head[H_PARTIAL + sizeClass] = next
    else {
      this.memory.i32[previous >>> RUNS_PER_SEGMENT_BITS]![(previous & 0x7fff) * RUN_RECORD_WORDS + R_NEXT] = next
    }
    if (next !== 0) {
      this.memory.i32[next >>> RUNS_PER_SEGMENT_BITS]![(next & 0x7fff) * RUN_RECORD_WORDS + R_PREVIOUS] = previous
    }
  }
}

/** Runs that the records of a segment of so many runs take. */
function metaRuns(runs: number): number {
  return Math.ceil((runs * RUN_RECORD_BYTES) / RUN_BYTES)
}

/**
 * Length of a new segment: 128 MiB, then 512 MiB, then 2 GiB, each less one run; more at once where `runs` neighbouring runs need it. A small
 * region does not set a mebibyte aside for the records of runs that it will not have: with huge pages that would be memory.
 *
 * @param runsPresent runs in the segments that are there.
 */
function segmentBytes(runs: number, runsPresent: number): number {
  let runsInside = FIRST_SEGMENT_BYTES / RUN_BYTES - 1
  while (
    runsInside * RUN_BYTES < SEGMENT_BYTES_MAX &&
    (runsInside <= runsPresent || runsInside - metaRuns(runsInside) < runs)
  ) {
    runsInside = (runsInside + 1) * 4 - 1
  }
  return runsInside * RUN_BYTES
}

/** Is it a run of blocks of which one is free? */
function isPartial(words: Int32Array, record: number, state: number): boolean {
  if (state === STATE_FREE || state === STATE_SPAN) return false
  return words[record + R_FREE] !== 0 || words[record + R_CUT] !== CLASS_BLOCKS_PER_RUN[state - 1]!
}
