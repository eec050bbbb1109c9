/**
 * A generation in the hands of a thread that only reads it, with the reader's half of the seqlock (the writer's is
 * shard-counters.ts, the argument docs/consistency.md):
 *
 *   begin -> look; a shard is entered, its counter loaded, by the first look at it -> validate: all counters as they were
 *
 * Nothing that was seen may be used before `validate()` has returned true.
 */
import { REGION_COUNT, SEGMENTS_PER_REGION_MAX, SHARD_COUNT } from '../limits.ts'
import { RegionMemory } from '../memory/region-memory.ts'
import { GenerationLayout, type GenerationTransfer } from './generation.ts'
import { C_MEMORY_CHANGES, C_RETIRED } from './layout.ts'
import { DISTURBED, type GuardedRead } from './read-guard.ts'
import { RegionView } from './region-view.ts'

export class GenerationView extends GenerationLayout implements GuardedRead {
  readonly regions: RegionView[] = []
  /** The memory has grown beyond this thread's views, or may have while the transfer was under way: `refresh()` before an attempt. */
  isOutgrown = true

  /** Shards entered in this attempt, `#list[0 .. #count)`, and what their counters were. */
  readonly #entered = new Uint8Array(SHARD_COUNT)
  readonly #list = new Uint8Array(SHARD_COUNT)
  readonly #seen = new Int32Array(SHARD_COUNT)
  #count = 0
  /** C_MEMORY_CHANGES as of which the views are. */
  #memoryChanges = 0
  /** Tests of tests leave validation out; nobody else may. */
  skipValidation = false

  constructor(transfer: GenerationTransfer) {
    super(transfer.control)
    for (let region = 0; region < REGION_COUNT; region++) {
      const segments = [...(transfer.segments[region] ?? [])]
      const memory = new RegionMemory(segments, this.words, region * SEGMENTS_PER_REGION_MAX)
      this.regions.push(new RegionView(memory, region, this.seed))
    }
  }

  /**
   * Has another generation taken over? It is at the port then. A plain load, asked before each attempt: who hears of it late has read
   * once more what was so a moment before, and the port tells him in any case.
   */
  get isRetired(): boolean {
    return this.control[C_RETIRED] !== 0
  }

  /** Begins an attempt: no shard is entered. */
  begin(): void {
    for (let i = 0; i < this.#count; i++) this.#entered[this.#list[i]!] = 0
    this.#count = 0
  }

  /** All looks at a shard begin here. @throws Disturbed when the shard is being changed, or the memory has grown. */
  override rootOf(db: number, shard: number): number {
    if (this.#entered[shard] === 0) this.#enter(shard)
    return super.rootOf(db, shard)
  }

  #enter(shard: number): void {
    // Pairs with the writer's leaving add: even means that all it stored before is visible below.
    const seen = Atomics.load(this.control, this.counterOf(shard))
    if ((seen & 1) !== 0 && !this.skipValidation) throw DISTURBED
    this.#entered[shard] = 1
    this.#list[this.#count++] = shard
    this.#seen[shard] = seen
    // The writer counts growth before it stores an address in the new memory, so what that counter admits is in our views.
    if (this.control[C_MEMORY_CHANGES] !== this.#memoryChanges) {
      this.isOutgrown = true
      throw DISTURBED
    }
  }

  /** Were all shards left alone since they were entered? */
  validate(): boolean {
    if (this.skipValidation) return true
    let valid = true
    for (let i = 0; i < this.#count; i++) {
      const shard = this.#list[i]!
      // A read-modify-write, so that the plain loads before it cannot sink below it (docs/consistency.md).
      if (Atomics.add(this.control, this.counterOf(shard), 0) !== this.#seen[shard]) valid = false
    }
    return valid
  }

  check(): void {
    if (!this.validate()) throw DISTURBED
  }

  /**
   * Makes the views anew where segments have grown. @param takeSegments calls `takeSegment` for all that the writer has told of
   * until now; they were told before they were counted, so the count has to be read first.
   */
  refresh(takeSegments: () => void): void {
    this.isOutgrown = false
    this.#memoryChanges = Atomics.load(this.control, C_MEMORY_CHANGES)
    takeSegments()
    for (const { memory } of this.regions) {
      for (let index = 0; index < memory.segments.length; index++) {
        if (memory.u8[index]!.length < memory.segments[index]!.byteLength) memory.refresh(index)
      }
    }
  }

  /** Takes a segment that the writer has added, or the empty buffer in the place of one that it dropped. */
  takeSegment(region: number, index: number, segment: SharedArrayBuffer): void {
    this.regions[region]!.memory.setSegment(index, segment)
  }
}
