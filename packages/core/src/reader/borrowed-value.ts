/**
 * A string value where it lies in shared memory, for those who look at it there and validate themselves: nothing is copied, but for values
 * that are too long to lie in one piece (from about 16 KB on), of which this is a copy. One instance per reader, moved by its `view()`.
 *
 *   const value = reader.view('key')
 *   const sum = add(value.bytes, value.start, value.end)   // may be anything while the writer changes it
 *   if (!value.validate()) again                           // only now is the sum worth something
 */
import type { GenerationView } from '../keyspace/generation-view.ts'
import type { Entry } from '../keyspace/entry.ts'
import { NO_BYTES, noteViewHolder, type ViewHolder } from '../memory/view-holders.ts'

export class BorrowedValue implements ViewHolder {
  /** The value is `bytes[start .. end)`: read only, and never kept. */
  bytes: Uint8Array = NO_BYTES
  start = 0
  end = 0
  #generation: GenerationView | undefined

  constructor() {
    noteViewHolder(this)
  }

  letGo(): void {
    this.#generation = undefined
    this.bytes = NO_BYTES
    this.start = this.end = 0
  }

  /** Used by the reader. */
  point(generation: GenerationView, entry: Entry): this {
    this.#generation = generation
    this.bytes = entry.bytes
    this.start = entry.start
    this.end = entry.start + entry.length
    return this
  }

  /** Used by the reader, for a value that does not lie in one piece: a copy. */
  pointAtCopy(generation: GenerationView, copy: Uint8Array): this {
    this.#generation = generation
    this.bytes = copy
    this.start = 0
    this.end = copy.length
    return this
  }

  /**
   * Was all that was read since `view()` the value, at one moment? May be asked again, until the next read of the same
   * reader.
   */
  validate(): boolean {
    return this.#generation !== undefined && this.#generation.validate()
  }
}
