/**
 * The reading end of the backlog ring: any number of instances, in any thread. Reads without asking the writer and
 * checks afterwards that what it copied had not been overwritten meanwhile.
 */
import assert from 'node:assert/strict'
import {
  BACKLOG_MAGIC,
  BACKLOG_VERSION,
  SLOT_END,
  SLOT_LOST,
  SLOT_MAGIC,
  SLOT_STATE,
  STATE_RETIRED,
  STATE_VERSION_MASK,
  backlogViews,
} from './layout.ts'
import type { BacklogViews } from './layout.ts'
import { copyRange } from '../memory/copy-range.ts'

/** What `read` answers when the wanted byte is older than the ring, or newer than the next one to come. */
export const BACKLOG_OUT_OF_RANGE = -1

export class BacklogReader {
  readonly #views: BacklogViews

  /** @param shared what `BacklogWriter.shared` was when it was handed out. */
  constructor(shared: SharedArrayBuffer) {
    this.#views = backlogViews(shared)
    assert.equal(Atomics.load(this.#views.ints, SLOT_MAGIC), BACKLOG_MAGIC, 'not a backlog ring')
    const version = Atomics.load(this.#views.ints, SLOT_STATE) & STATE_VERSION_MASK
    assert.equal(version, BACKLOG_VERSION, `backlog layout version ${version}, this build reads ${BACKLOG_VERSION}`)
  }

  /** True once another ring has taken over: read to the end, then ask for the new one. */
  get retired(): boolean {
    return (Atomics.load(this.#views.ints, SLOT_STATE) & STATE_RETIRED) !== 0
  }

  get firstByteOffset(): number {
    return Number(Atomics.load(this.#views.longs, SLOT_LOST)) + 1
  }

  get endOffset(): number {
    return Number(Atomics.load(this.#views.longs, SLOT_END))
  }

  get histlen(): number {
    // `lost` first: with the other order an append in between could make the difference exceed the capacity.
    const lost = Number(Atomics.load(this.#views.longs, SLOT_LOST))
    return Math.max(0, Math.min(this.endOffset - lost, this.#views.ring.length))
  }

  /**
   * Copies bytes from number `offset` on (counted from 1, as in PSYNC) into `target`.
   * @returns how many were copied: 0 when `offset` is the next byte to come, BACKLOG_OUT_OF_RANGE when the bytes are
   * not, or no longer, in the ring; then what is in `target` means nothing.
   */
  read(offset: number, target: Uint8Array): number {
    const { longs, ring } = this.#views
    const capacity = ring.length
    const end = Number(Atomics.load(longs, SLOT_END))
    const lostBefore = Number(Atomics.load(longs, SLOT_LOST))
    if (offset <= lostBefore || offset > end + 1) return BACKLOG_OUT_OF_RANGE
    const wanted = Math.min(end + 1 - offset, target.length, capacity)
    let done = 0
    while (done < wanted) {
      const position = (offset - 1 + done) % capacity
      const count = Math.min(wanted - done, capacity - position)
      copyRange(ring, position, position + count, target, done)
      done += count
    }
    // A read-modify-write, so that the copy above cannot sink below it (pairs with Atomics.add in append()).
    const lostAfter = Number(Atomics.add(longs, SLOT_LOST, 0n))
    return offset <= lostAfter ? BACKLOG_OUT_OF_RANGE : wanted
  }
}
