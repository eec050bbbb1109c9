/**
 * Which names a packed value has, as a few bits. A command that brings many fields or members to a listpack would walk it once for
 * each of them (redis 7.0 t_hash.c hashTypeSet() does): here most are known to be new without a look.
 *
 * A name without its bit is not there. One with its bit has to be looked for.
 */
import { listpackSkip } from './listpack-edit.ts'
import { LISTPACK_HEADER_BYTES } from './listpack.ts'

/** With fewer names to come the walk that fills the filter does not pay. */
export const FILTERED_NAMES_MIN = 8

/** 32 for each of the 128 names that a packed value usually has at most: of those that are new one in thirty has to be looked for. */
const BITS = 4096
const MASK: number = BITS - 1
/** A name is told by its length and its last bytes: names of one value begin alike. */
const BYTES_HASHED = 8
const FNV_PRIME = 0x0100_0193

const MINUS = 0x2d
const DIGIT_0 = 0x30
const DIGIT_9 = 0x39

export class NameFilter {
  readonly #words = new Int32Array(BITS / 32)
  /** Integers are noted all in one: their text is not in the listpack. */
  #hasIntegers = false

  /** Notes every `stride`th item of a listpack, from the first on, and nothing else. */
  begin(bytes: Uint8Array, start: number, end: number, stride: number): void {
    this.#words.fill(0)
    this.#hasIntegers = false
    let at = start + LISTPACK_HEADER_BYTES
    while (at < end - 1) {
      this.#noteItem(bytes, at)
      for (let i = 0; i < stride && at < end - 1; i++) at = listpackSkip(bytes, at)
    }
  }

  /** Notes a name. @returns whether it may have been there before. */
  add(bytes: Uint8Array, start: number, end: number): boolean {
    const isNew = this.#set(bytes, start, end)
    return !isNew || (this.#hasIntegers && mayBeInteger(bytes, start, end))
  }

  #noteItem(bytes: Uint8Array, at: number): void {
    const head = bytes[at]!
    if (head >= 0x80 && head < 0xc0) this.#set(bytes, at + 1, at + 1 + (head & 0x3f))
    else if (head >= 0xe0 && head < 0xf0) {
      const length = ((head & 0x0f) << 8) | bytes[at + 1]!
      this.#set(bytes, at + 2, at + 2 + length)
    } else if (head === 0xf0) {
      const length = bytes[at + 1]! | (bytes[at + 2]! << 8) | (bytes[at + 3]! << 16) | (bytes[at + 4]! << 24)
      this.#set(bytes, at + 5, at + 5 + length)
    } else this.#hasIntegers = true
  }

  /** @returns whether the bit was not set. */
  #set(bytes: Uint8Array, start: number, end: number): boolean {
    let hash = end - start
    for (let i = Math.max(start, end - BYTES_HASHED); i < end; i++) hash = Math.imul(hash ^ bytes[i]!, FNV_PRIME)
    const index = (hash ^ (hash >>> 15)) & MASK
    const bit = 1 << (index & 31)
    const word = this.#words[index >>> 5]!
    this.#words[index >>> 5] = word | bit
    return (word & bit) === 0
  }
}

function mayBeInteger(bytes: Uint8Array, start: number, end: number): boolean {
  if (start === end) return false
  const first = bytes[start]!
  return first === MINUS || (first >= DIGIT_0 && first <= DIGIT_9)
}
