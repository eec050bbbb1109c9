/**
 * The writing end of the backlog ring: one instance, in the thread that applies the stream. It holds the primary's bytes
 * unchanged, up to the end of the last applied command or EXEC; what they mean it does not know.
 *
 * Order of an append, and why a reader in another thread cannot be fooled:
 *   1. `lost` is raised over everything that will be overwritten   (Atomics.add: later plain stores stay below it)
 *   2. the bytes are copied into the ring                          (plain stores)
 *   3. `end` is raised                                             (Atomics.add: earlier plain stores stay above it)
 * A reader loads `end` first, copies, then reads `lost` with a read-modify-write: if its first byte is still not lost,
 * then no store of step 2 that it could have seen touched its range. See docs/formats/backlog.md.
 */
import { copyBytes, viewOf } from '../memory/copy-bytes.ts'
import { untouchedMemory } from '../memory/untouched-memory.ts'
import { BACKLOG_BYTES_MAX, BACKLOG_BYTES_MIN } from '../replication/limits.ts'
import {
  BACKLOG_MAGIC,
  BACKLOG_VERSION,
  RING_START_BYTES,
  SLOT_CAPACITY,
  SLOT_END,
  SLOT_LOST,
  SLOT_MAGIC,
  SLOT_STATE,
  STATE_RETIRED,
  backlogViews,
} from './layout.ts'
import type { BacklogViews } from './layout.ts'
import { BacklogOverflow } from './overflow.ts'
import { copyRange } from '../memory/copy-range.ts'

/** repl-backlog-size as it will be used: rounded into [16 KiB, 2 GiB - 64 KiB]. */
export function clampBacklogBytes(bytes: number): number {
  return Math.min(Math.max(Math.floor(bytes), BACKLOG_BYTES_MIN), BACKLOG_BYTES_MAX)
}

/** A ring of another size, which is filled beside the one in use. */
interface NextRing {
  readonly shared: SharedArrayBuffer
  readonly views: BacklogViews
  readonly capacityBytes: number
  /** Bytes up to this number are in it, from the first that the ring in use held. */
  copied: number
  /** Number of the newest byte when a slice was copied last. */
  endBefore: number
}

export class BacklogWriter {
  #shared: SharedArrayBuffer
  #views: BacklogViews
  #capacityBytes: number
  #next: NextRing | undefined
  /** The writer's own copies of the two words: only it changes them. */
  #lost: number
  #end: number
  /** What replicas below need and the ring no longer holds. */
  readonly overflow: BacklogOverflow = new BacklogOverflow()

  /** An empty history at `offset`: the next byte appended is number `offset + 1`. */
  constructor(capacityBytes: number, offset = 0) {
    this.#capacityBytes = clampBacklogBytes(capacityBytes)
    this.#lost = offset
    this.#end = offset
    this.#shared = allocate(this.#capacityBytes, offset, offset)
    this.#views = backlogViews(this.#shared)
  }

  /** The ring of now. Replaced by `restart` and at the end of a `resize`: hand it out again after either. */
  get shared(): SharedArrayBuffer {
    return this.#shared
  }

  /** What it is to hold: while it is resized, the new size. */
  get capacityBytes(): number {
    return this.#next?.capacityBytes ?? this.#capacityBytes
  }

  /** Number of the oldest byte held, counted from 1 as in PSYNC and INFO repl_backlog_first_byte_offset. */
  get firstByteOffset(): number {
    return this.#lost + 1
  }

  /** Number of the newest byte held: master_repl_offset. */
  get endOffset(): number {
    return this.#end
  }

  /** Bytes held. */
  get histlen(): number {
    return this.#end - this.#lost
  }

  /** Can a partial resync that asks for byte number `offset` be served? (offset = endOffset + 1: nothing is missing.) */
  covers(offset: number): boolean {
    return offset > this.#lost && offset <= this.#end + 1
  }

  /** Adds `bytes[start .. end)`. O(bytes). */
  append(bytes: Uint8Array, start: number, end: number): void {
    // A piece larger than the ring goes through it in parts: replicas may need its beginning, too.
    const capacity = this.#capacityBytes
    let from = start
    for (; end - from > capacity; from += capacity) this.#appendPart(bytes, from, from + capacity)
    if (from < end) this.#appendPart(bytes, from, end)
  }

  /**
   * Copies bytes from number `offset` on into `target`, from the ring or from what was kept beside it.
   * @returns how many: 0 when `offset` is the next byte to come. The byte must not be lost: a cursor holds it.
   */
  read(offset: number, target: Uint8Array): number {
    if (offset <= this.#lost) return this.overflow.read(offset, target)
    const position = (offset - 1) % this.#capacityBytes
    const count = Math.min(this.#end + 1 - offset, target.length, this.#capacityBytes - position)
    copyRange(this.#views.ring, position, position + count, target, 0)
    return count
  }

  #appendPart(bytes: Uint8Array, start: number, end: number): void {
    const count = end - start
    const capacity = this.#capacityBytes
    const newEnd = this.#end + count
    this.#lose(newEnd - capacity)
    const { ring, ringView } = this.#views
    const view = viewOf(bytes)
    let from = start
    let position = this.#end % capacity
    while (from < end) {
      const to = Math.min(end, from + (capacity - position))
      copyBytes(bytes, view, from, to, ring, ringView, position)
      position = 0
      from = to
    }
    // Pairs with the reader's Atomics.load in read(): it never sees an end whose bytes are not there.
    Atomics.add(this.#views.longs, SLOT_END, BigInt(count))
    this.#end = newEnd
  }

  /** Bytes up to number `lost` are no longer in the ring, if they still were. */
  #lose(lost: number): void {
    if (lost <= this.#lost) return
    if (this.overflow.needs(lost)) this.#keep(lost)
    // Pairs with the reader's Atomics.add in read(): whoever sees what is stored there next also sees this.
    Atomics.add(this.#views.longs, SLOT_LOST, BigInt(lost - this.#lost))
    this.#lost = lost
  }

  /** Bytes up to number `lost` leave the ring: those that somebody needs are kept beside it. */
  #keep(lost: number): void {
    const capacity = this.#capacityBytes
    const { ring, ringView } = this.#views
    for (let offset = this.#lost; offset < lost;) {
      const position = offset % capacity
      const count = Math.min(lost - offset, capacity - position)
      this.overflow.keep(offset + 1, ring, position, position + count, ringView)
      offset += count
    }
  }

  /** Another history begins at `offset` (full resync): a new, empty ring; the old one is retired. Nobody may read from it. */
  restart(offset: number): void {
    this.overflow.clear()
    const { capacityBytes } = this
    const shared = allocate(capacityBytes, offset, offset)
    this.#takeOver({ shared, views: backlogViews(shared), capacityBytes, copied: offset, endBefore: offset }, offset)
    this.#end = offset
  }

  /**
   * Another size; the newest bytes are kept. They are copied by `resizeSlice`, which has to be called until it is done; meanwhile
   * the ring there is serves. At the end it is retired: readers fetch the new one.
   */
  resize(capacityBytes: number): void {
    const capacity = clampBacklogBytes(capacityBytes)
    if (capacity === this.capacityBytes) return
    this.#next = undefined
    if (capacity === this.#capacityBytes) return
    const shared = allocate(capacity, 0, 0)
    const views = backlogViews(shared)
    this.#next = { shared, views, capacityBytes: capacity, copied: this.#lost, endBefore: this.#end }
  }

  /**
   * Goes on resizing: copies `bytes` at most, and as many as were appended since the last slice, so that it comes to an end.
   * @returns true when there is nothing left to do
   */
  resizeSlice(bytes: number): boolean {
    const next = this.#next
    if (next === undefined) return true
    let left = bytes + (this.#end - next.endBefore)
    next.endBefore = this.#end
    // What a smaller ring has no room for may have to be kept elsewhere, and that is copying, too.
    this.#lose(Math.min(this.#end - next.capacityBytes, this.#lost + left))
    next.copied = Math.max(next.copied, this.#lost)
    while (left > 0 && next.copied < this.#end) {
      const from = next.copied % this.#capacityBytes
      const to = next.copied % next.capacityBytes
      const count = Math.min(left, this.#end - next.copied, this.#capacityBytes - from, next.capacityBytes - to)
      copyRange(this.#views.ring, from, from + count, next.views.ring, to)
      next.copied += count
      left -= count
    }
    if (next.copied < this.#end || this.#end - this.#lost > next.capacityBytes) return false
    Atomics.store(next.views.longs, SLOT_LOST, BigInt(this.#lost))
    Atomics.store(next.views.longs, SLOT_END, BigInt(this.#end))
    this.#takeOver(next, this.#lost)
    return true
  }

  #takeOver({ shared, views, capacityBytes }: NextRing, lost: number): void {
    const retired = this.#views
    this.#next = undefined
    this.#shared = shared
    this.#views = views
    this.#capacityBytes = capacityBytes
    this.#lost = lost
    // Last: who sees it asks for the new ring, which is complete.
    Atomics.or(retired.ints, SLOT_STATE, STATE_RETIRED)
  }
}

function allocate(capacityBytes: number, lost: number, end: number): SharedArrayBuffer {
  const shared = untouchedMemory(RING_START_BYTES + capacityBytes)
  const { ints, longs } = backlogViews(shared)
  Atomics.store(longs, SLOT_CAPACITY, BigInt(capacityBytes))
  Atomics.store(longs, SLOT_LOST, BigInt(lost))
  Atomics.store(longs, SLOT_END, BigInt(end))
  Atomics.store(ints, SLOT_STATE, BACKLOG_VERSION)
  Atomics.store(ints, SLOT_MAGIC, BACKLOG_MAGIC)
  return shared
}
