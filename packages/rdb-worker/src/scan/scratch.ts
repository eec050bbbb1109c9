/**
 * Memory of the scanner for what does not stand in the window as it is wanted: decoded strings (`ScratchArena`) and strings
 * longer than the window (`GrowingBytes`). Both are bounded by bytes that arrived, not by lengths that were claimed.
 */

/** Decoded strings of entries that the sink may still hold: reset only after a flush. */
export class ScratchArena {
  bytes: Uint8Array
  used = 0
  readonly #bytesKept: number

  constructor(bytesKept: number) {
    this.#bytesKept = bytesKept
    this.bytes = new Uint8Array(bytesKept)
  }

  /** Room for `count` bytes: `bytes[used …]`. When there is none the old bytes stay with whoever holds them. */
  reserve(count: number): void {
    if (this.used + count <= this.bytes.length) return
    this.bytes = new Uint8Array(Math.max(this.#bytesKept, count))
    this.used = 0
  }

  /** Nobody holds anything of it any more. */
  reset(): void {
    this.used = 0
    if (this.bytes.length > this.#bytesKept) this.bytes = new Uint8Array(this.#bytesKept)
  }
}

/** Bytes collected one after the other. */
export class GrowingBytes {
  bytes: Uint8Array = new Uint8Array(0)
  length = 0

  /** Takes a copy of `source[start .. end)`. `bytesMax` is how long it can become at most. */
  append(source: Uint8Array, start: number, end: number, bytesMax: number = Number.POSITIVE_INFINITY): void {
    const needed = this.length + (end - start)
    if (needed > this.bytes.length) {
      const grown = new Uint8Array(Math.max(needed, Math.min(bytesMax, Math.max(2 * needed, 1 << 12))))
      grown.set(this.bytes.subarray(0, this.length))
      this.bytes = grown
    }
    this.bytes.set(source.subarray(start, end), this.length)
    this.length = needed
  }

  /** Forgets the bytes, and the memory too: what was handed out stays valid. */
  clear(): void {
    this.bytes = new Uint8Array(0)
    this.length = 0
  }
}
