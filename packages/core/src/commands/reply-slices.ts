/**
 * Long replies in slices: what a row's `slices` makes, how much a slice may be, and strings that span several slices. The dataset
 * is that of a pin, so every slice sees the same; but nothing opened on it is relied on from one slice to the next
 * (memory/view-holders.ts): a slice looks its key up again and goes on from a rank, a position or an ID.
 */
import type { ValueSource } from '../object-codec/value-source.ts'
import type { ReplyEncoder } from '../resp/encoder.ts'
import type { ReadContext } from './command.ts'

/** One reply in the making. */
export interface ReplySlices {
  /**
   * Writes more of the reply into `context.reply`: something, and on until the slice is over. The context is the same each time, but for
   * its encoder. @returns true when the reply is complete. @throws KeyspaceError PIN_BROKEN
   */
  write(context: ReadContext, slice: SliceBounds): boolean
}

/** Looks at a slice between two looks at the clock. */
const LOOKS_PER_CLOCK = 32
/** Bytes of a string that are copied between two looks at the slice. */
const PART_BYTES: number = 16 * 1024

/** How much one slice may be: bytes, and time. An item that was begun is finished. */
export class SliceBounds {
  #lengthMax = 0
  #endMs = 0
  #looks = 0
  #isOver = false

  /** @param lengthMax of the encoder. @param endMs by `performance.now()`; some items are made even if it is over. */
  begin(lengthMax: number, endMs: number): this {
    this.#lengthMax = lengthMax
    this.#endMs = endMs
    this.#looks = 0
    this.#isOver = false
    return this
  }

  /** To be asked before each item that is written or passed over. */
  isOver(reply: ReplyEncoder): boolean {
    if (this.#isOver || reply.length >= this.#lengthMax) return true
    if (++this.#looks % LOOKS_PER_CLOCK === 0 && performance.now() > this.#endMs) this.#isOver = true
    return this.#isOver
  }
}

/** A bulk string that may need several slices. One at a time. */
export class BulkParts {
  /** Where the next part begins; -1: nothing was written. */
  #position = -1

  /** Writes bytes [from, to) of a source, or goes on with it. @returns false: not yet all; call it again with the same. */
  write(
    reply: ReplyEncoder,
    slice: SliceBounds,
    source: ValueSource,
    from: number = 0,
    to: number = source.lengthBytes,
  ): boolean {
    if (this.#position < 0) {
      reply.bulkHeader(to - from, 0)
      this.#position = from
    }
    while (this.#position < to) {
      if (slice.isOver(reply)) return false
      const count = Math.min(PART_BYTES, to - this.#position)
      reply.reserve(count)
      source.copy(this.#position, reply.bytes, reply.length, count)
      reply.length += count
      this.#position += count
    }
    reply.bulkEnd()
    this.#position = -1
    return true
  }
}
