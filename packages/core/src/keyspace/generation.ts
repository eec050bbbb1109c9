/**
 * One generation of the dataset: a control block and the segments of its regions, all SharedArrayBuffers. A full sync
 * builds the next generation beside the live one and swaps them (decision 3 of ARCHITECTURE.md); a transfer carries a
 * generation from the loader's thread to the link role, and to readers.
 */
import { strict as assert } from 'node:assert'
import { REGION_COUNT, SEGMENT_BYTES_MAX, SEGMENTS_PER_REGION_MAX, SHARD_COUNT } from '../limits.ts'
import { HashSeed } from './key-hash.ts'
import { RegionMemory } from '../memory/region-memory.ts'
import { NO_WORDS } from '../memory/view-holders.ts'
import {
  C_DATABASE_MAP,
  C_DATABASES,
  C_MAGIC,
  C_MEMORY_CHANGES,
  C_NUMBER,
  C_SEED,
  C_SHARDS,
  C_VERSION,
  CONTROL_LAYOUT_VERSION,
  CONTROL_MAGIC,
  controlWords,
  countersAt,
  COUNTER_STRIDE,
  PAGE_SLOTS,
  ROOT_WORDS,
  rootsAt,
} from './layout.ts'
import type { RegionView } from './region-view.ts'
import { RegionWriter } from './region-writer.ts'

/** Plain data and SharedArrayBuffers: structured-cloneable, shared by reference. */
export interface GenerationTransfer {
  readonly control: SharedArrayBuffer
  /** Segments by region, in order; an empty buffer for one that was dropped. */
  readonly segments: SharedArrayBuffer[][]
}

export interface GenerationOptions {
  readonly databaseCount: number
  /** 16 bytes; the same for all generations of a process. */
  readonly hashSeed: Uint8Array
  /** Reservation of a segment in bytes, a multiple of 64 KiB; less than the default only in tests. */
  readonly segmentBytesMax?: number
}

/** Of `GenerationLayout.words`: the view that stands for nowhere. */
export const NOWHERE: number = REGION_COUNT * SEGMENTS_PER_REGION_MAX

/** What both sides know of a generation: the control words and where things stand in them. */
export abstract class GenerationLayout {
  readonly controlBuffer: SharedArrayBuffer
  readonly control: Int32Array
  readonly databaseCount: number
  readonly seed: HashSeed
  readonly counters: number
  readonly roots: number
  abstract readonly regions: readonly RegionView[]
  /**
   * Words of all segments, region after region, SEGMENTS_PER_REGION_MAX of each: what `regions[region].memory.i32[segment]` is, with fewer
   * steps. Those that are not there have fewer words than a record; one more, NOWHERE, has a page's.
   */
  readonly words: Int32Array[] = Array.from({ length: NOWHERE }, () => NO_WORDS)

  constructor(control: SharedArrayBuffer) {
    this.words.push(new Int32Array(PAGE_SLOTS * 2))
    this.controlBuffer = control
    this.control = new Int32Array(control)
    assert.equal(this.control[C_MAGIC], CONTROL_MAGIC)
    assert.equal(this.control[C_VERSION], CONTROL_LAYOUT_VERSION)
    assert.equal(this.control[C_SHARDS], SHARD_COUNT)
    this.databaseCount = this.control[C_DATABASES]!
    this.seed = new HashSeed(new Uint8Array(control, C_SEED * 4, 16))
    this.counters = countersAt(this.databaseCount)
    this.roots = rootsAt(this.databaseCount)
  }

  /** Root of database `db` in `shard`, through the map that SWAPDB changes. */
  rootOf(db: number, shard: number): number {
    return this.rootPlace(db, shard)
  }

  /** The same for who only touches memory: readers enter no shard by it. */
  rootPlace(db: number, shard: number): number {
    return this.roots + (this.control[C_DATABASE_MAP + db]! * SHARD_COUNT + shard) * ROOT_WORDS
  }

  /** This thread looks at no block of the generation any more: its memory is not to be held by what still names the regions. */
  letGo(): void {
    for (const { memory } of this.regions) memory.letGo()
  }

  counterOf(shard: number): number {
    return this.counters + shard * COUNTER_STRIDE
  }
}

/** A generation in the hands of its writer. */
export class Generation extends GenerationLayout {
  readonly regions: RegionWriter[] = []
  readonly segmentBytesMax: number
  /**
   * Told of every new segment before an address in it can be seen, and of every dropped one (an empty buffer) when none is
   * left.
   */
  readonly segmentListeners: ((region: number, index: number, segment: SharedArrayBuffer) => void)[] = []

  constructor(transfer: GenerationTransfer, segmentBytesMax: number = SEGMENT_BYTES_MAX) {
    super(transfer.control)
    this.segmentBytesMax = segmentBytesMax
    for (let region = 0; region < REGION_COUNT; region++) {
      const memory = new RegionMemory(transfer.segments[region] ?? [], this.words, region * SEGMENTS_PER_REGION_MAX)
      memory.onSegment = (segment, index) => {
        for (const listener of this.segmentListeners) listener(region, index, segment)
        this.memoryChanged()
      }
      memory.onGrowth = () => this.memoryChanged()
      this.regions.push(new RegionWriter(memory, region, this.seed, segmentBytesMax))
    }
  }

  /** A new, empty generation. */
  static create(options: GenerationOptions): Generation {
    const control = new SharedArrayBuffer(controlWords(options.databaseCount) * 4)
    const words = new Int32Array(control)
    words[C_VERSION] = CONTROL_LAYOUT_VERSION
    words[C_SHARDS] = SHARD_COUNT
    words[C_DATABASES] = options.databaseCount
    new Uint8Array(control, C_SEED * 4, 16).set(options.hashSeed)
    for (let db = 0; db < options.databaseCount; db++) words[C_DATABASE_MAP + db] = db
    words[C_MAGIC] = CONTROL_MAGIC
    return new Generation({ control, segments: [] }, options.segmentBytesMax)
  }

  /** For another thread. The buffers are shared, not moved. */
  transfer(): GenerationTransfer {
    return {
      control: this.controlBuffer,
      segments: this.regions.map((region) => [...region.memory.segments]),
    }
  }

  /**
   * Told to readers before an address in the new memory is stored: whoever enters a shard later finds his views too short, and looks at
   * his port.
   */
  memoryChanged(): void {
    Atomics.add(this.control, C_MEMORY_CHANGES, 1)
  }

  get number(): number {
    return this.control[C_NUMBER]!
  }

  /** Bytes of all blocks in use. */
  get usedBytes(): number {
    let sum = 0
    for (const region of this.regions) sum += region.arena.usedBytes
    return sum
  }

  /** Bytes of all runs in use: what `usedBytes` costs with the allocator's own waste. */
  get runBytes(): number {
    let sum = 0
    for (const region of this.regions) sum += region.arena.runBytes
    return sum
  }

  /** Is it time to touch memory ahead? See `Arena.needsTouch`. */
  get needsTouch(): boolean {
    for (const { arena } of this.regions) if (arena.needsTouch) return true
    return false
  }

  /** Touches memory of one region that needs it. */
  touchAhead(): void {
    for (const { arena } of this.regions) if (arena.needsTouch) return arena.touchAhead()
  }
}
