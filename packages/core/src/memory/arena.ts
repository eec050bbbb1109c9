/**
 * The allocator of one region. Only its one writer calls it (the link role, or the loader that owns the
 * region while its generation is being built); readers never see its structures. All state lives in the segments, so a
 * loader's region can be handed to the link role as it is.
 *
 *   segment 0:  [ header 1 KiB | run records, 32 B each … ] [ run ] [ run ] …        run = 64 KiB
 *   others:     [ (unused) 1 KiB | run records …          ] [ run ] [ run ] …
 *
 *   header words  0 magic   1 bump segment   2 free run list   3 bytes in use, in units of 8   4 runs in use
 *                 16 …      per size class: first run that has a free block ("partial list"), as run number
 *   run record    0 state (class + 1, or SPAN / FREE)   1 blocks used   2 free block list (address)   3 blocks ever cut
 *                 4 previous   5 next (partial or free list)   6 length of span in runs
 *
 * A run whose last block is freed goes back to the free runs and may serve another class. Spans are neighbouring runs
 * for the few things that are longer than a block (table directories).
 */
import { strict as assert } from 'node:assert'
import { KeyspaceError } from '../errors.ts'
import { BLOCK_BYTES_MAX, RUN_BYTES } from '../limits.ts'
import { addressOf, byteOffsetOf, type RegionMemory } from './region-memory.ts'
import { CLASS_BLOCKS_PER_RUN, CLASS_BYTES, CLASS_COUNT, CLASS_OF_UNITS } from './size-classes.ts'

const HEADER_BYTES = 1024
const RUN_RECORD_BYTES = 32
const RUN_RECORD_WORDS: number = RUN_RECORD_BYTES >> 2
const RUN_RECORDS_AT: number = HEADER_BYTES >> 2
const RUNS_PER_SEGMENT_BITS = 15
const RUN_SHIFT = 16

const MAGIC = 0x55_41_52_31
const H_MAGIC = 0
const H_BUMP_SEGMENT = 1
const H_FREE_RUNS = 2
const H_UNITS_USED = 3
const H_RUNS_USED = 4
const H_PARTIAL = 16
/** Next run never used, per segment: behind the partial lists. */
const H_BUMP_RUN: number = H_PARTIAL + CLASS_COUNT
assert.ok((H_BUMP_RUN + 16) * 4 <= HEADER_BYTES)

const R_STATE = 0
const R_USED = 1
const R_FREE = 2
const R_CUT = 3
const R_PREVIOUS = 4
const R_NEXT = 5
const R_SPAN = 6

const STATE_FREE = 0
const STATE_SPAN = 0x7fff

/** Bytes that the block at an address, which is in use, really has. Any thread: a run keeps its class while a block is in use. */
export function roomOf(memory: RegionMemory, address: number): number {
  const runInSegment = (address & 0x0fff_ffff) >>> (RUN_SHIFT - 3)
  const words = memory.i32[address >>> 28]!
  return CLASS_BYTES[words[RUN_RECORDS_AT + runInSegment * RUN_RECORD_WORDS + R_STATE]! - 1]!
}

export class Arena {
  readonly memory: RegionMemory
  readonly #segmentBytesMax: number

  /**
   * @param memory of one region: empty (a first segment is made) or that of an existing one.
   * @param segmentBytesMax reservation of each segment, a multiple of RUN_BYTES; small values serve tests.
   */
  constructor(memory: RegionMemory, segmentBytesMax: number) {
    this.memory = memory
    this.#segmentBytesMax = segmentBytesMax
    if (memory.segments.length === 0) {
      memory.addSegment(segmentBytesMax)
      this.reset()
    }
    assert.equal(memory.i32[0]![H_MAGIC], MAGIC)
  }

  /** Bytes of all blocks and spans in use. */
  get usedBytes(): number {
    return (this.memory.i32[0]![H_UNITS_USED]! >>> 0) * 8
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
    for (let index = 0; index < memory.segments.length; index++) head[H_BUMP_RUN + index] = this.#metaRuns()
  }

  /** A block of at least `bytes` (1 … BLOCK_BYTES_MAX), contents undefined. */
  allocate(bytes: number): number {
    const sizeClass = CLASS_OF_UNITS[(bytes + 7) >>> 3]!
    let head = this.memory.i32[0]!
    let run = head[H_PARTIAL + sizeClass]!
    if (run === 0) {
      run = this.#startRun(sizeClass)
      head = this.memory.i32[0]!
    }
    const segment = run >>> RUNS_PER_SEGMENT_BITS
    const words = this.memory.i32[segment]!
    const runInSegment = run & 0x7fff
    const record = RUN_RECORDS_AT + runInSegment * RUN_RECORD_WORDS
    head[H_UNITS_USED] = head[H_UNITS_USED]! + (CLASS_BYTES[sizeClass]! >>> 3)
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
    return address
  }

  /** Gives a block back. */
  free(address: number): void {
    const segment = address >>> 28
    const words = this.memory.i32[segment]!
    const runInSegment = (address & 0x0fff_ffff) >>> (RUN_SHIFT - 3)
    const record = RUN_RECORDS_AT + runInSegment * RUN_RECORD_WORDS
    const sizeClass = words[record + R_STATE]! - 1
    const head = this.memory.i32[0]!
    const run = (segment << RUNS_PER_SEGMENT_BITS) | runInSegment
    const used = words[record + R_USED]! - 1
    const freeList = words[record + R_FREE]!
    head[H_UNITS_USED] = head[H_UNITS_USED]! - (CLASS_BYTES[sizeClass]! >>> 3)
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
    const run = runs === 1 ? this.#takeRun() : this.#bumpRuns(runs)
    const segment = run >>> RUNS_PER_SEGMENT_BITS
    const words = this.memory.i32[segment]!
    const runInSegment = run & 0x7fff
    for (let i = 0; i < runs; i++) words[RUN_RECORDS_AT + (runInSegment + i) * RUN_RECORD_WORDS] = STATE_SPAN
    words[RUN_RECORDS_AT + runInSegment * RUN_RECORD_WORDS + R_SPAN] = runs
    const head = this.memory.i32[0]!
    head[H_UNITS_USED] = head[H_UNITS_USED]! + runs * (RUN_BYTES >>> 3)
    head[H_RUNS_USED] = head[H_RUNS_USED]! + runs
    const start = (runInSegment * RUN_BYTES) >>> 2
    words.fill(0, start, start + ((runs * RUN_BYTES) >>> 2))
    return addressOf(segment, runInSegment * RUN_BYTES)
  }

  /** Gives a span back, as single runs. */
  freeSpan(address: number): void {
    const segment = address >>> 28
    const words = this.memory.i32[segment]!
    const first = (address & 0x0fff_ffff) >>> (RUN_SHIFT - 3)
    const runs = words[RUN_RECORDS_AT + first * RUN_RECORD_WORDS + R_SPAN]!
    const head = this.memory.i32[0]!
    head[H_UNITS_USED] = head[H_UNITS_USED]! - runs * (RUN_BYTES >>> 3)
    for (let i = 0; i < runs; i++) {
      const record = RUN_RECORDS_AT + (first + i) * RUN_RECORD_WORDS
      this.#releaseRun((segment << RUNS_PER_SEGMENT_BITS) | (first + i), words, record)
    }
  }

  #metaRuns(): number {
    return Math.ceil((HEADER_BYTES + (this.#segmentBytesMax / RUN_BYTES) * RUN_RECORD_BYTES) / RUN_BYTES)
  }

  #startRun(sizeClass: number): number {
    const run = this.#takeRun()
    const words = this.memory.i32[run >>> RUNS_PER_SEGMENT_BITS]!
    const record = RUN_RECORDS_AT + (run & 0x7fff) * RUN_RECORD_WORDS
    words[record + R_STATE] = sizeClass + 1
    words[record + R_USED] = 0
    words[record + R_FREE] = 0
    words[record + R_CUT] = 0
    const head = this.memory.i32[0]!
    head[H_RUNS_USED] = head[H_RUNS_USED]! + 1
    this.#linkPartial(run, words, record, sizeClass)
    return run
  }

  #takeRun(): number {
    const head = this.memory.i32[0]!
    const run = head[H_FREE_RUNS]!
    if (run === 0) return this.#bumpRuns(1)
    const words = this.memory.i32[run >>> RUNS_PER_SEGMENT_BITS]!
    head[H_FREE_RUNS] = words[RUN_RECORDS_AT + (run & 0x7fff) * RUN_RECORD_WORDS + R_NEXT]!
    return run
  }

  #bumpRuns(runs: number): number {
    const { memory } = this
    let segment = memory.i32[0]![H_BUMP_SEGMENT]!
    const runsMax = this.#segmentBytesMax / RUN_BYTES
    if (runs > runsMax - this.#metaRuns()) {
      throw new KeyspaceError('KEYSPACE_OUT_OF_MEMORY', `${runs} neighbouring runs do not fit into a segment`)
    }
    if (memory.i32[0]![H_BUMP_RUN + segment]! + runs > runsMax) {
      // The rest of a full segment is given to the free runs, so that nothing is lost.
      for (let rest = memory.i32[0]![H_BUMP_RUN + segment]!; rest < runsMax; rest++) {
        memory.growTo(segment, (rest + 1) * RUN_BYTES)
        const words = memory.i32[segment]!
        const head = memory.i32[0]!
        head[H_BUMP_RUN + segment] = rest + 1
        words[RUN_RECORDS_AT + rest * RUN_RECORD_WORDS + R_STATE] = STATE_FREE
        words[RUN_RECORDS_AT + rest * RUN_RECORD_WORDS + R_NEXT] = head[H_FREE_RUNS]!
        head[H_FREE_RUNS] = (segment << RUNS_PER_SEGMENT_BITS) | rest
      }
      if (segment + 1 < memory.segments.length) segment++
      else {
        segment = memory.addSegment(this.#segmentBytesMax)
        memory.i32[0]![H_BUMP_RUN + segment] = this.#metaRuns()
      }
      memory.i32[0]![H_BUMP_SEGMENT] = segment
    }
    const first = memory.i32[0]![H_BUMP_RUN + segment]!
    memory.growTo(segment, (first + runs) * RUN_BYTES)
    memory.i32[0]![H_BUMP_RUN + segment] = first + runs
    return (segment << RUNS_PER_SEGMENT_BITS) | first
  }

  #releaseRun(run: number, words: Int32Array, record: number): void {
    const head = this.memory.i32[0]!
    words[record + R_STATE] = STATE_FREE
    words[record + R_NEXT] = head[H_FREE_RUNS]!
    head[H_FREE_RUNS] = run
    head[H_RUNS_USED] = head[H_RUNS_USED]! - 1
  }

  #linkPartial(run: number, words: Int32Array, record: number, sizeClass: number): void {
    const head = this.memory.i32[0]!
    const next = head[H_PARTIAL + sizeClass]!
    words[record + R_PREVIOUS] = 0
    words[record + R_NEXT] = next
    if (next !== 0) {
      this.memory.i32[next >>> RUNS_PER_SEGMENT_BITS]![
        RUN_RECORDS_AT + (next & 0x7fff) * RUN_RECORD_WORDS + R_PREVIOUS
      ] = run
    }
    head[H_PARTIAL + sizeClass] = run
  }

  #unlinkPartial(run: number, words: Int32Array, record: number, sizeClass: number): void {
    const head = this.memory.i32[0]!
    const previous = words[record + R_PREVIOUS]!
    const next = words[record + R_NEXT]!
    if (head[H_PARTIAL + sizeClass] === run) head[H_PARTIAL + sizeClass] = next
    else {
      this.memory.i32[previous >>> RUNS_PER_SEGMENT_BITS]![
        RUN_RECORDS_AT + (previous & 0x7fff) * RUN_RECORD_WORDS + R_NEXT
      ] = next
    }
    if (next !== 0) {
      this.memory.i32[next >>> RUNS_PER_SEGMENT_BITS]![
        RUN_RECORDS_AT + (next & 0x7fff) * RUN_RECORD_WORDS + R_PREVIOUS
      ] = previous
    }
  }
}
