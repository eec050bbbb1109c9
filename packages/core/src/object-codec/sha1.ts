/**
 * SHA-1 of short pieces of memory (FIPS 180-4, section 6.1), for the digests of datasets: they hash half a dozen short texts a key, and
 * what came of them again. A call of node:crypto costs many times as much as hashing so little, and leaves a Buffer; for long texts it is
 * the quicker one, since processors have instructions for this. Nothing is protected by it here.
 *
 * A hash is five words of 32 bits. In bytes, the most significant one of each is the first.
 */

export const SHA1_WORDS = 5
export const SHA1_BYTES: number = SHA1_WORDS * 4

const BLOCK_BYTES = 64
const BLOCK_WORDS = 16
/** The last two words of the last block are the length in bits. */
const LENGTH_WORDS = 2
const ROUNDS = 80
const ROUNDS_PER_FUNCTION = 20

/** The block at hand, and behind its words those that follow from them. */
const schedule = new Int32Array(ROUNDS)

/** Hashes `bytes[start .. end)` into `hash`. */
export function sha1(bytes: Uint8Array, start: number, end: number, hash: Int32Array): void {
  begin(hash)
  let at = start
  for (; end - at >= BLOCK_BYTES; at += BLOCK_BYTES) {
    for (let word = 0; word < BLOCK_WORDS; word++) schedule[word] = wordAt(bytes, at + word * 4)
    compress(hash)
  }
  let words = 0
  for (; end - at >= 4; at += 4) schedule[words++] = wordAt(bytes, at)
  let last = 0
  for (let i = at; i < end; i++) last = (last << 8) | bytes[i]!
  finish(last, end - at, words, (end - start) * 8, hash)
}

/** Hashes a hash, into itself. */
export function sha1OfHash(hash: Int32Array): void {
  schedule.set(hash)
  begin(hash)
  finish(0, 0, SHA1_WORDS, SHA1_BYTES * 8, hash)
}

/** Byte by byte: a view of each of the many arrays that a dataset lies in would cost more. */
function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}

function begin(hash: Int32Array): void {
  hash[0] = 0x67452301
  hash[1] = 0xefcdab89
  hash[2] = 0x98badcfe
  hash[3] = 0x10325476
  hash[4] = 0xc3d2e1f0
}

/** Ends a text whose last `words` words are in the block, but for 0 to 3 bytes in `rest`. */
function finish(rest: number, restBytes: number, words: number, bits: number, hash: Int32Array): void {
  let used = words
  // A one bit stands behind the text.
  schedule[used++] = ((rest << 8) | 0x80) << (24 - restBytes * 8)
  if (used > BLOCK_WORDS - LENGTH_WORDS) {
    while (used < BLOCK_WORDS) schedule[used++] = 0
    compress(hash)
    used = 0
  }
  while (used < BLOCK_WORDS - LENGTH_WORDS) schedule[used++] = 0
  schedule[used++] = bits / 2 ** 32
  schedule[used] = bits
  compress(hash)
}

/**
 * Takes the block in `schedule` into `hash`. Four loops that differ in a function and a constant: one loop would have to ask in each round
 * which of them it is in, and takes far longer for it.
 */
function compress(hash: Int32Array): void {
  for (let i = BLOCK_WORDS; i < ROUNDS; i++) {
    const word = schedule[i - 3]! ^ schedule[i - 8]! ^ schedule[i - 14]! ^ schedule[i - 16]!
    schedule[i] = (word << 1) | (word >>> 31)
  }
  let a = hash[0]!
  let b = hash[1]!
  let c = hash[2]!
  let d = hash[3]!
  let e = hash[4]!
  let i = 0
  for (; i < ROUNDS_PER_FUNCTION; i++) {
    const next = (((a << 5) | (a >>> 27)) + (d ^ (b & (c ^ d))) + e + 0x5a827999 + schedule[i]!) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  for (; i < ROUNDS_PER_FUNCTION * 2; i++) {
    const next = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + e + 0x6ed9eba1 + schedule[i]!) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  for (; i < ROUNDS_PER_FUNCTION * 3; i++) {
    const next = (((a << 5) | (a >>> 27)) + ((b & c) | (d & (b | c))) + e + 0x8f1bbcdc + schedule[i]!) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  for (; i < ROUNDS; i++) {
    const next = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + e + 0xca62c1d6 + schedule[i]!) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  hash[0] = hash[0]! + a
  hash[1] = hash[1]! + b
  hash[2] = hash[2]! + c
  hash[3] = hash[3]! + d
  hash[4] = hash[4]! + e
}
