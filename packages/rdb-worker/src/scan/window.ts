/**
 * The bytes between a source that gives pieces of any size and the scanner, which wants what it has not consumed yet in
 * one row.
 *
 *   0         start              end          capacity
 *   | consumed | not yet consumed | free       |        moved to the front when little is free
 */
import { strict as assert } from 'node:assert'
import { WINDOW_BYTES_MIN } from './scanner.ts'
import type { RdbScanner } from './scanner.ts'
import { copyRange } from '@understudy/core/loading'

/** Values up to about this length reach the sink in one piece. */
export const WINDOW_BYTES_DEFAULT: number = 2 << 20
/** Bytes scanned at once, and so the entries a sink can batch; small enough to stay in a core's cache. */
const PIECE_BYTES: number = 256 << 10

export class ScanWindow {
  readonly bytes: Uint8Array
  /** Bytes taken in so far. */
  receivedBytes = 0
  readonly #scanner: RdbScanner
  readonly #onConsumed: ((bytes: Uint8Array, start: number, end: number) => void) | undefined
  #start = 0
  #end = 0

  /** @param onConsumed gets the bytes of the snapshot, each once and in order, after they were found right so far. */
  constructor(
    scanner: RdbScanner,
    capacity: number = WINDOW_BYTES_DEFAULT,
    onConsumed?: (bytes: Uint8Array, start: number, end: number) => void,
  ) {
    assert(capacity >= WINDOW_BYTES_MIN)
    this.bytes = new Uint8Array(capacity)
    this.#scanner = scanner
    this.#onConsumed = onConsumed
  }

  /** Where the next bytes go; at least one, unless the scanner is finished. Then call `advance`. */
  writable(): Uint8Array {
    const { bytes } = this
    const free = bytes.length - this.#end
    if (free < Math.min(PIECE_BYTES, bytes.length / 2) && this.#start > 0) {
      bytes.copyWithin(0, this.#start, this.#end)
      this.#end -= this.#start
      this.#start = 0
    }
    return bytes.subarray(this.#end, Math.min(bytes.length, this.#end + PIECE_BYTES))
  }

  /** `count` bytes were put at the start of what `writable()` returned. @throws RdbError */
  advance(count: number): void {
    this.#end += count
    this.receivedBytes += count
    const full = this.#start === 0 && this.#end === this.bytes.length
    const next = this.#scanner.scan(this.bytes, this.#start, this.#end, full)
    this.#onConsumed?.(this.bytes, this.#start, next)
    this.#start = next
  }

  /** Takes `source[start .. end)`, or as much of it as comes before the end of the snapshot. @returns where it stopped. */
  write(source: Uint8Array, start: number, end: number): number {
    let at = start
    while (at < end && !this.#scanner.finished) {
      const target = this.writable()
      const count = Math.min(target.length, end - at)
      copyRange(source, at, at + count, target, 0)
      at += count
      this.advance(count)
    }
    return at
  }

  /** No more bytes will come. @throws RdbError RDB_TRUNCATED unless the snapshot is complete */
  finish(): void {
    this.#scanner.finish(this.receivedBytes, this.rest())
  }

  /** A view of the bytes that were not consumed; after the scanner is finished, those behind the end of the snapshot. */
  rest(): Uint8Array {
    return this.bytes.subarray(this.#start, this.#end)
  }
}
