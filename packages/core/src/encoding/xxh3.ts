/**
 * XXH3 of 64 bits with seed 0: the digest of a string for DIGEST, and for IFDEQ and IFDNE of SET and DELEX (Redis 8.4).
 *
 * Up to 240 bytes there is little to do and bigint does it; beyond, the eight lanes are pairs of 32-bit halves, and the
 * value is read in blocks of 1 KiB, so that one in many pieces need not be put together.
 *
 * Source: the specification of XXH3 (xxHash, doc/xxhash_spec.md).
 */

/** What is digested. */
export interface DigestedBytes {
  readonly length: number
  /** Copies bytes `from .. to` to `target` at `at`. */
  copy(from: number, to: number, target: Uint8Array, at: number): void
}

const SHORT_BYTES_MAX = 240
const STRIPE_BYTES = 64
const STRIPE_WORDS = 16
const BLOCK_BYTES = 1024
const LANES = 8
const MASK_64: bigint = 2n ** 64n - 1n
const PRIME32_1 = 0x9e3779b1
const PRIME32_2 = 0x85ebca77
const PRIME32_3 = 0xc2b2ae3d
const PRIME64_1 = 0x9e3779b185ebca87n
const PRIME64_2 = 0xc2b2ae3d27d4eb4fn
const PRIME64_3 = 0x165667b19e3779f9n
const PRIME64_4 = 0x85ebca77c2b2ae63n
const PRIME64_5 = 0x27d4eb2f165667c5n
const PRIME_MX1 = 0x165667919e3779f9n
const PRIME_MX2 = 0x9fb21c651e98df25n

/** The default secret, 192 bytes. */
const SECRET: Buffer = Buffer.from(
  'b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221' +
    'b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8' +
    'a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb' +
    '170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e',
  'hex',
)
const LAST_STRIPE_SECRET: number = SECRET.length - STRIPE_BYTES - 7
const SCRAMBLE_SECRET_WORD: number = (SECRET.length - STRIPE_BYTES) / 4

const block: Buffer = Buffer.from(new ArrayBuffer(BLOCK_BYTES))

/** The digest as 16 lower-case hexadecimal digits. Any thread; blocks for some 3 ms per MiB. */
export function xxh3Hex(value: DigestedBytes): string {
  let digest: bigint
  if (value.length > SHORT_BYTES_MAX) digest = digestLong(value)
  else {
    value.copy(0, value.length, block, 0)
    digest = digestShort(value.length)
  }
  return digest.toString(16).padStart(16, '0')
}

// ---- up to 240 bytes, which stand in `block` -------------------------------------------------------------------------

function digestShort(length: number): bigint {
  const size = BigInt(length)
  if (length === 0) return avalanche64(secret64(56) ^ secret64(64))
  if (length < 4) {
    const combined = (block[0]! * 0x10000 + block[length >> 1]! * 0x1000000 + block[length - 1]!) | (length << 8)
    return avalanche64(BigInt(combined >>> 0) ^ BigInt((SECRET.readUInt32LE(0) ^ SECRET.readUInt32LE(4)) >>> 0))
  }
  if (length <= 8) {
    const input = BigInt(block.readUInt32LE(length - 4)) + (BigInt(block.readUInt32LE(0)) << 32n)
    let hash = input ^ secret64(8) ^ secret64(16)
    hash ^= rotateLeft(hash, 49n) ^ rotateLeft(hash, 24n)
    hash = wrap(hash * PRIME_MX2)
    hash = wrap((hash ^ ((hash >> 35n) + size)) * PRIME_MX2)
    return hash ^ (hash >> 28n)
  }
  if (length <= 16) {
    const low = block.readBigUInt64LE(0) ^ secret64(24) ^ secret64(32)
    const high = block.readBigUInt64LE(length - 8) ^ secret64(40) ^ secret64(48)
    return avalanche(wrap(size + swapBytes(low) + high + foldedProduct(low, high)))
  }
  let sum = size * PRIME64_1
  if (length <= 128) {
    for (let pair = (length - 1) >> 5; pair >= 0; pair--) {
      sum += mix16(pair * 16, pair * 32) + mix16(length - pair * 16 - 16, pair * 32 + 16)
    }
    return avalanche(wrap(sum))
  }
  const rounds = length >> 4
  for (let i = 0; i < 8; i++) sum += mix16(i * 16, i * 16)
  sum = avalanche(wrap(sum))
  for (let i = 8; i < rounds; i++) sum += mix16(i * 16, (i - 8) * 16 + 3)
  return avalanche(wrap(sum + mix16(length - 16, 136 - 17)))
}

function mix16(at: number, secretAt: number): bigint {
  const low = block.readBigUInt64LE(at) ^ secret64(secretAt)
  return foldedProduct(low, block.readBigUInt64LE(at + 8) ^ secret64(secretAt + 8))
}

function avalanche(hash: bigint): bigint {
  const mixed = wrap((hash ^ (hash >> 37n)) * PRIME_MX1)
  return mixed ^ (mixed >> 32n)
}

/** The last steps of XXH64. */
function avalanche64(hash: bigint): bigint {
  let mixed = wrap((hash ^ (hash >> 33n)) * PRIME64_2)
  mixed = wrap((mixed ^ (mixed >> 29n)) * PRIME64_3)
  return mixed ^ (mixed >> 32n)
}

function secret64(at: number): bigint {
  return SECRET.readBigUInt64LE(at)
}

function wrap(value: bigint): bigint {
  return value & MASK_64
}

function rotateLeft(value: bigint, bits: bigint): bigint {
  return wrap(value << bits) | (value >> (64n - bits))
}

function swapBytes(value: bigint): bigint {
  swapped.writeBigUInt64LE(value)
  return swapped.readBigUInt64BE()
}

const swapped: Buffer = Buffer.alloc(8)

/** Both halves of the product of 128 bits, xored. */
function foldedProduct(left: bigint, right: bigint): bigint {
  const product = left * right
  return wrap(product) ^ (product >> 64n)
}

// ---- longer ---------------------------------------------------------------------------------------------------------

/** `block` and the secret in words; the last stripe's part of the secret does not stand on a word's boundary. */
const blockWords: Uint32Array = new Uint32Array(block.buffer)
const secretWords: Uint32Array = Uint32Array.from({ length: SECRET.length / 4 }, (_, i) => SECRET.readUInt32LE(i * 4))
const lastSecretWords: Uint32Array = Uint32Array.from({ length: LANES * 2 }, (_, i) =>
  SECRET.readUInt32LE(LAST_STRIPE_SECRET + i * 4),
)
const low: Uint32Array = new Uint32Array(LANES)
const high: Uint32Array = new Uint32Array(LANES)
const START: readonly bigint[] = [
  BigInt(PRIME32_3),
  PRIME64_1,
  PRIME64_2,
  PRIME64_3,
  PRIME64_4,
  BigInt(PRIME32_2),
  PRIME64_5,
  BigInt(PRIME32_1),
]

function digestLong(value: DigestedBytes): bigint {
  const { length } = value
  for (let lane = 0; lane < LANES; lane++) {
    low[lane] = Number(START[lane]! & 0xffff_ffffn)
    high[lane] = Number(START[lane]! >> 32n)
  }
  // The last byte is always left for the last stripe.
  const end = length - 1
  for (let at = 0; at < end; at += BLOCK_BYTES) {
    const bytes = Math.min(BLOCK_BYTES, end - at)
    value.copy(at, at + bytes, block, 0)
    for (let stripe = 0; (stripe + 1) * STRIPE_BYTES <= bytes; stripe++) {
      accumulate(stripe * STRIPE_WORDS, secretWords, stripe * 2)
    }
    if (bytes === BLOCK_BYTES) scramble()
  }
  value.copy(length - STRIPE_BYTES, length, block, 0)
  accumulate(0, lastSecretWords, 0)
  let sum = BigInt(length) * PRIME64_1
  for (let lane = 0; lane < LANES; lane += 2) {
    const key = 11 + lane * 8
    sum += foldedProduct(laneValue(lane) ^ secret64(key), laneValue(lane + 1) ^ secret64(key + 8))
  }
  return avalanche(wrap(sum))
}

function laneValue(lane: number): bigint {
  return (BigInt(high[lane]!) << 32n) | BigInt(low[lane]!)
}

/** Adds the stripe from word `at` of the block on, keyed with the words of `secret` from `key` on. */
function accumulate(at: number, secret: Uint32Array, key: number): void {
  for (let lane = 0, word = 0; lane < LANES; lane++, word += 2) {
    const dataLow = blockWords[at + word]!
    const dataHigh = blockWords[at + word + 1]!
    addTo(lane ^ 1, dataLow, dataHigh)
    const left = (dataLow ^ secret[key + word]!) >>> 0
    const right = (dataHigh ^ secret[key + word + 1]!) >>> 0
    addTo(lane, Math.imul(left, right) >>> 0, highOfProduct(left, right))
  }
}

function addTo(lane: number, addedLow: number, addedHigh: number): void {
  const sum = low[lane]! + addedLow
  low[lane] = sum
  high[lane] = high[lane]! + addedHigh + (sum > 0xffff_ffff ? 1 : 0)
}

function scramble(): void {
  for (let lane = 0; lane < LANES; lane++) {
    const key = SCRAMBLE_SECRET_WORD + lane * 2
    // The upper 17 bits of the lane go over the lower ones.
    const mixedLow = (low[lane]! ^ (high[lane]! >>> 15) ^ secretWords[key]!) >>> 0
    const mixedHigh = (high[lane]! ^ secretWords[key + 1]!) >>> 0
    low[lane] = Math.imul(mixedLow, PRIME32_1)
    high[lane] = Math.imul(mixedHigh, PRIME32_1) + highOfProduct(mixedLow, PRIME32_1)
  }
}

/** The upper half of the product of two unsigned 32-bit integers. */
function highOfProduct(left: number, right: number): number {
  const leftLow = left & 0xffff
  const leftHigh = left >>> 16
  const rightLow = right & 0xffff
  const rightHigh = right >>> 16
  const middle = leftHigh * rightLow + ((leftLow * rightLow) >>> 16)
  const carried = leftLow * rightHigh + (middle & 0xffff)
  return leftHigh * rightHigh + Math.floor(middle / 0x10000) + Math.floor(carried / 0x10000)
}
