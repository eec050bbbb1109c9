/**
 * The dataset as it was when a pin began, for the thread that was given its handle: the lookups, walks and values of
 * `KeyspaceReads` over memory that the writer goes on changing (docs/pins.md). Only keys of the pinned regions may be looked at.
 *
 * Nothing here is attempted twice: what is read is true at once. A pin that was broken ends the next look with PIN_BROKEN.
 */
import { strict as assert } from 'node:assert'
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { KeyspaceError } from '../errors.ts'
import { REGION_COUNT } from '../limits.ts'
import { RegionMemory } from '../memory/region-memory.ts'
import { DESCRIPTOR_WORDS_MAX } from '../values/form-numbers.ts'
import { LargeValue } from '../values/large-value.ts'
import type { ValueBuild } from '../values/value-build.ts'
import { BlockCopies } from './block-copies.ts'
import { CopyMemory } from './copy-memory.ts'
import { GenerationLayout } from './generation.ts'
import { KeyspaceReads } from './keyspace-reads.ts'
import { C_MEMORY_CHANGES, C_RETIRED } from './layout.ts'
import { LazyFree } from './lazy-free.ts'
import type { PinHandle, SegmentMessage } from './pin-board.ts'
import { PinnedRegion } from './pinned-region.ts'
import type { RegionWriter } from './region-writer.ts'

/** A generation as it was: a copy of its control block, and regions that find what was kept. */
class PinnedGeneration extends GenerationLayout {
  readonly regions: readonly PinnedRegion[]
  readonly copies: BlockCopies
  readonly #sources: RegionMemory[] = []
  readonly #port: MessagePort
  readonly #live: Int32Array
  #memoryChanges = -1

  constructor(handle: PinHandle, copies: CopyMemory) {
    super(handle.control)
    this.#port = handle.port
    this.#live = new Int32Array(handle.generation.control)
    this.copies = new BlockCopies(handle, copies, () => this.#refresh())
    for (let region = 0; region < REGION_COUNT; region++) {
      this.#sources.push(new RegionMemory([...(handle.generation.segments[region] ?? [])]))
    }
    this.regions = this.#sources.map((source, index) => new PinnedRegion(source, index, this.seed, this.copies))
  }

  /** The memory of the copies is not the dataset's: another pin may use it. */
  override letGo(): void {
    this.copies.close()
    for (const source of this.#sources) source.letGo()
  }

  get isRetired(): boolean {
    return Atomics.load(this.#live, C_RETIRED) === 1
  }

  /** Makes views where memory was added: the writer counts that before it uses it. */
  #refresh(): void {
    const changes = Atomics.load(this.#live, C_MEMORY_CHANGES)
    if (changes === this.#memoryChanges) return
    this.#memoryChanges = changes
    for (;;) {
      const received = receiveMessageOnPort(this.#port)
      if (received === undefined) break
      const message: SegmentMessage = received.message
      this.#sources[message.region]!.setSegment(message.index, message.segment)
    }
    for (const source of this.#sources) {
      for (let index = 0; index < source.segments.length; index++) {
        if (source.u8[index]!.length < source.segments[index]!.byteLength) source.refresh(index)
      }
    }
  }
}

export class PinnedKeyspace extends KeyspaceReads {
  declare generation: PinnedGeneration
  protected readonly lazyFree: LazyFree = new LazyFree(() => assert.fail('a reader has nothing to free'))
  /** Not the handle, which holds the segments. */
  readonly #port: MessagePort

  /**
   * @param copies where blocks are copied to. Several pins of a thread may share it, if each looks everything up again after another one was
   * read from.
   */
  constructor(handle: PinHandle, copies: CopyMemory = new CopyMemory()) {
    super(new PinnedGeneration(handle, copies))
    this.#port = handle.port
    Object.assign(this.access, handle.access)
  }

  /** Ends the pin. No reads after this. */
  close(): void {
    this.#port.close()
    this.generation.letGo()
  }

  /** Does the pin hold no more, though it was not closed here? The next look at the dataset ends with PIN_BROKEN. */
  get isBroken(): boolean {
    return !this.generation.copies.holds
  }

  /** Was the pinned generation replaced? Its memory then goes back when this thread has let go of it and collected. */
  get isRetired(): boolean {
    return this.generation.isRetired
  }

  /** Blocks that had been changed before they were read. */
  get keptReads(): number {
    return this.generation.copies.keptReads
  }

  requireWriter(): never {
    throw readOnly()
  }

  /** What is kept does not change. */
  markAccess(): void {}

  get targetRegion(): RegionWriter {
    throw readOnly()
  }

  newBuild(): ValueBuild {
    throw readOnly()
  }

  /** The descriptor is copied: the record need not stay where it was read. */
  override openLarge(into: LargeValue = new LargeValue()): LargeValue {
    const { entry, generation } = this
    const words = entry.region.memory.i32[entry.address >>> 28]!
    const descriptor = words.slice(entry.descriptorAt, entry.descriptorAt + DESCRIPTOR_WORDS_MAX)
    return into.open(generation.regions, this.lazyFree, entry.rdbType, descriptor, 0)
  }
}

function readOnly(): KeyspaceError {
  return new KeyspaceError('KEYSPACE_READ_ONLY', 'what is pinned can only be read')
}
