/**
 * Counting, finding, reading and writing bits in byte ranges. Bit 0 of a range is the highest bit of its first byte, as
 * in SETBIT.
 */
const POPCOUNT: Uint8Array = new Uint8Array(256)
for (let byte = 1; byte < 256; byte++) POPCOUNT[byte] = POPCOUNT[byte >> 1]! + (byte & 1)

/** Shorter ranges are gone through by bytes alone. */
const WORDS_WORTH_BYTES = 64
/** A byte of a word counts up to 8 bits: of so many words the counts add up in bytes. */
const WORDS_PER_SUM = 31

/** Set bits in `bytes[start .. end)`. */
export function countBits(bytes: Uint8Array, start: number, end: number): number {
  let count = 0
  let at = start
  if (end - start >= WORDS_WORTH_BYTES) {
    while (((bytes.byteOffset + at) & 3) !== 0) count += POPCOUNT[bytes[at++]!]!
    const words = new Int32Array(bytes.buffer, bytes.byteOffset + at, (end - at) >> 2)
    const wordCount = words.length
    for (let i = 0; i < wordCount;) {
      const stop = Math.min(i + WORDS_PER_SUM, wordCount)
      let sums = 0
      for (; i < stop; i++) {
        let word = words[i]!
        word -= (word >>> 1) & 0x5555_5555
        word = (word & 0x3333_3333) + ((word >>> 2) & 0x3333_3333)
        sums = (sums + ((word + (word >>> 4)) & 0x0f0f_0f0f)) | 0
      }
      const pairs = (sums & 0x00ff_00ff) + ((sums >>> 8) & 0x00ff_00ff)
      count += (pairs & 0xffff) + (pairs >>> 16)
    }
    at += wordCount * 4
  }
  while (at < end) count += POPCOUNT[bytes[at++]!]!
  return count
}

/** Index, from `start`, of the first byte of `bytes[start .. end)` that is not `byte`; the length when all are. */
export function findOtherByte(bytes: Uint8Array, start: number, end: number, byte: number): number {
  let at = start
  if (end - start >= WORDS_WORTH_BYTES) {
    while (((bytes.byteOffset + at) & 3) !== 0 && bytes[at] === byte) at++
    if (((bytes.byteOffset + at) & 3) === 0) {
      const words = new Int32Array(bytes.buffer, bytes.byteOffset + at, (end - at) >> 2)
      const wordCount = words.length
      const same = Math.imul(byte, 0x0101_0101)
      let i = 0
      while (i < wordCount && words[i] === same) i++
      at += i * 4
    }
  }
  while (at < end && bytes[at] === byte) at++
  return at - start
}

/** Position of the first bit that equals `bit` in one byte, 8 when there is none. */
export function firstBit(byte: number, bit: number): number {
  return Math.clz32(bit === 1 ? byte : ~byte & 0xff) - 24
}

/** `count` bits (1 to 32) from bit `offset` of `bytes` on, as an unsigned number. Bytes beyond the end are an error. */
export function readBits(bytes: Uint8Array, offset: number, count: number): number {
  let value = 0
  for (let bit = offset; bit < offset + count;) {
    const take = Math.min(8 - (bit & 7), offset + count - bit)
    const part = (bytes[bit >>> 3]! >>> (8 - (bit & 7) - take)) & ((1 << take) - 1)
    value = value * 2 ** take + part
    bit += take
  }
  return value
}

/** Writes the low `count` bits (1 to 32) of an unsigned number at bit `offset`. */
export function writeBits(bytes: Uint8Array, offset: number, count: number, value: number): void {
  let bit = offset + count
  let rest = value
  while (bit > offset) {
    const take = Math.min(((bit - 1) & 7) + 1, bit - offset)
    const at = (bit - 1) >>> 3
    const shift = (8 - (bit & 7)) & 7
    const mask = ((1 << take) - 1) << shift
    bytes[at] = (bytes[at]! & ~mask) | (((rest % 2 ** take) << shift) & mask)
    rest = Math.floor(rest / 2 ** take)
    bit -= take
  }
}
