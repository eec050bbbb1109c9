/**
 * CRC-64/Jones as snapshots and DUMP payloads carry it: polynomial 0xad93d23594c935a9, bits reflected, start value 0, no
 * final xor; the check value of "123456789" is 0xe9c6d914c4b8d9ca. Follows the parameters named in redis 7.0 crc64.c.
 *
 * A 64-bit register in two 32-bit halves. More than a few bytes are taken 8 a step ("slicing by 8", crc64-words.ts): the register is
 * xored with the next 8 bytes and each of the 8 bytes then selects, from a table of its own, what it contributes 8 bytes further on.
 */
import { Crc64Words, INPUT_BYTES } from './crc64-words.ts'

/** The polynomial with its bits reflected: bit 63 is x^0. */
const POLYNOMIAL_LO = 0xac4bc9b5 | 0
const POLYNOMIAL_HI = 0x95ac9329 | 0
const POLYNOMIAL = 0x95ac9329ac4bc9b5n

/** Table k, entry b is at k * 256 + b: the register after byte b and k zero bytes. */
const TABLE_LO: Int32Array = new Int32Array(8 * 256)
const TABLE_HI: Int32Array = new Int32Array(8 * 256)

for (let byte = 0; byte < 256; byte++) {
  let lo = byte
  let hi = 0
  for (let bit = 0; bit < 8; bit++) {
    const carry = lo & 1
    lo = (lo >>> 1) | (hi << 31)
    hi >>>= 1
    if (carry !== 0) {
      lo ^= POLYNOMIAL_LO
      hi ^= POLYNOMIAL_HI
    }
  }
  TABLE_LO[byte] = lo
  TABLE_HI[byte] = hi
}
for (let at = 256; at < 8 * 256; at++) {
  const lo = TABLE_LO[at - 256]!
  const hi = TABLE_HI[at - 256]!
  TABLE_LO[at] = ((lo >>> 8) | (hi << 24)) ^ TABLE_LO[lo & 255]!
  TABLE_HI[at] = (hi >>> 8) ^ TABLE_HI[lo & 255]!
}

/** Below this many bytes a call into WebAssembly costs more than it saves. */
const WORDS_FROM_BYTES = 128

/** null: there is no WebAssembly. */
let words: Crc64Words | null | undefined

function openWords(): Crc64Words | null {
  try {
    return new Crc64Words(TABLE_LO, TABLE_HI)
  } catch {
    return null
  }
}

/** A running checksum. Not shared between threads; `combineCrc64` joins those of neighbouring pieces. */
export class Crc64 {
  /** The two halves of the register, as int32. */
  lo = 0
  hi = 0

  reset(): void {
    this.lo = 0
    this.hi = 0
  }

  /** Takes `bytes[start .. end)` into the checksum. */
  update(bytes: Uint8Array, start: number, end: number): void {
    let at = start
    if (end - start >= WORDS_FROM_BYTES) {
      if (words === undefined) words = openWords()
      if (words !== null) at = this.#updateWords(words, bytes, start, end)
    }
    this.#updateBytes(bytes, at, end)
  }

  /** @returns how far it came: less than 8 bytes are left */
  #updateWords(words: Crc64Words, bytes: Uint8Array, start: number, end: number): number {
    const wordsEnd = end - ((end - start) & 7)
    const { register } = words
    register[0] = this.lo
    register[1] = this.hi
    for (let at = start; at < wordsEnd; at += INPUT_BYTES) {
      words.update(bytes.subarray(at, Math.min(at + INPUT_BYTES, wordsEnd)))
    }
    this.lo = register[0]!
    this.hi = register[1]!
    return wordsEnd
  }

  #updateBytes(bytes: Uint8Array, start: number, end: number): void {
    let lo = this.lo
    let hi = this.hi
    for (let at = start; at < end; at++) {
      const index = (lo ^ bytes[at]!) & 255
      lo = ((lo >>> 8) | (hi << 24)) ^ TABLE_LO[index]!
      hi = (hi >>> 8) ^ TABLE_HI[index]!
    }
    this.lo = lo
    this.hi = hi
  }

  /** The checksum as an unsigned 64-bit number. */
  value(): bigint {
    return (BigInt(this.hi >>> 0) << 32n) | BigInt(this.lo >>> 0)
  }

  /** Writes the 8 bytes as files carry them (little-endian) at `target[at]`. */
  write(target: Uint8Array, at: number): void {
    for (let i = 0; i < 4; i++) {
      target[at + i] = this.lo >>> (8 * i)
      target[at + 4 + i] = this.hi >>> (8 * i)
    }
  }

  /** Is this the checksum in the 8 bytes (little-endian) at `bytes[at]`? */
  equals(bytes: Uint8Array, at: number): boolean {
    for (let i = 0; i < 4; i++) {
      if (bytes[at + i] !== ((this.lo >>> (8 * i)) & 255)) return false
      if (bytes[at + 4 + i] !== ((this.hi >>> (8 * i)) & 255)) return false
    }
    return true
  }
}

/** Checksum of `bytes[start .. end)` as an unsigned 64-bit number. */
export function crc64(bytes: Uint8Array, start: number = 0, end: number = bytes.length): bigint {
  const crc = new Crc64()
  crc.update(bytes, start, end)
  return crc.value()
}

/** The product of two polynomials modulo the checksum's, both with bit 63 as x^0. */
function multiply(a: bigint, b: bigint): bigint {
  let product = 0n
  let shifted = b
  for (let bit = 63n; bit >= 0n; bit--) {
    if (((a >> bit) & 1n) === 1n) product ^= shifted
    shifted = (shifted & 1n) === 1n ? (shifted >> 1n) ^ POLYNOMIAL : shifted >> 1n
  }
  return product
}

/**
 * Checksum of A followed by B, from the checksum of each. `lengthB` is in bytes. About 100 µs: for pieces, not for keys.
 * Right because start value and final xor are zero: crc(AB) = crc(A) · x^(8·lengthB) + crc(B).
 */
export function combineCrc64(crcA: bigint, crcB: bigint, lengthB: number): bigint {
  let power = 1n << 63n // x^0
  let square = 1n << 55n // x^8
  for (let left = BigInt(lengthB); left > 0n; left >>= 1n) {
    if ((left & 1n) === 1n) power = multiply(power, square)
    square = multiply(square, square)
  }
  return multiply(crcA, power) ^ crcB
}
