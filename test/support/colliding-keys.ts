/**
 * Keys of 20 bytes whose hash has the same `hashOrder`, for a seed that is known: what nobody outside can make, and what
 * overflow pages are for. Found by meeting in the middle: each step of the hash can be undone when its word is known.
 */
import { strict as assert } from 'node:assert'
import { HashSeed, hashKey, hashOrder } from '@understudy/core/internal'
import type { SeededRandom } from './seeded-random.ts'

const KEY_BYTES = 20
const FORWARD = 1 << 20

/** The inverse of an odd number modulo 2^32. */
function inverse(odd: number): number {
  let x = odd
  for (let i = 0; i < 5; i++) x = Math.imul(x, 2 - Math.imul(odd, x))
  return x
}

/** x ^ (x >>> 15), undone. */
function unshift15(x: number): number {
  const once = x ^ (x >>> 15)
  return once ^ (once >>> 30)
}

const rotl13 = (x: number): number => (x << 13) | (x >>> 19)
const rotr13 = (x: number): number => (x >>> 13) | (x << 19)

/** At least `count` different keys of one hashOrder. Takes about a second. */
export function collidingKeys(seedBytes: Uint8Array, count: number, random: SeededRandom): Buffer[] {
  const seed = new HashSeed(seedBytes)
  const m0 = seed.multiplier0
  const m1 = seed.multiplier1
  const m0Inverse = inverse(m0)
  const m1Inverse = inverse(m1)
  const lowInverse = inverse(0x85ebca6b)
  const highInverse = inverse(0xc2b2ae35)
  /** The word that leads lane a from `before` to `after`. */
  const wordBetween = (before: number, after: number): number => before ^ Math.imul(unshift15(after), m0Inverse)
  // Forward: two words that bring lane a to aMeet; lane b differs. Backward from many ends with the wanted order: the last
  // two words bring lane a from aMeet over aBack; lane b differs. They meet where the third word fits lane b.
  const aMeet = random.uint32() | 0
  const aThird = random.uint32() | 0
  const aBack = random.uint32() | 0
  const a0 = seed.lane0 ^ KEY_BYTES
  const forward = new Map<number, number>()
  for (let i = 0; i < FORWARD; i++) {
    const word = random.uint32() | 0
    let a = Math.imul(a0 ^ word, m0)
    a ^= a >>> 15
    const b = Math.imul((rotl13(seed.lane1) + word) | 0, m1)
    const second = wordBetween(a, aMeet)
    forward.set(Math.imul((rotl13(b) + second) | 0, m1), word)
  }
  const third = wordBetween(aMeet, aThird)
  const fourth = wordBetween(aThird, aBack)
  const keys = new Map<string, Buffer>()
  const wanted = random.uint32() | 0
  while (keys.size < count) {
    // An end with the wanted order: the last steps of the hash, undone.
    const a5 = Math.imul(unshift15(wanted), m1Inverse)
    const upper = random.uint32() >>> 16
    const a4 = a5 ^ upper
    const bMixed = Math.imul((upper << 16) | (random.uint32() >>> 16), highInverse)
    const b = bMixed ^ (a4 >>> 13)
    const a = Math.imul(a4, lowInverse) ^ (b >>> 16)
    const fifth = wordBetween(aBack, a)
    const b4 = rotr13((Math.imul(b, m1Inverse) - fifth) | 0)
    const b3 = rotr13((Math.imul(b4, m1Inverse) - fourth) | 0)
    const b2 = rotr13((Math.imul(b3, m1Inverse) - third) | 0)
    const first = forward.get(b2)
    if (first === undefined) continue
    let aFirst = Math.imul(a0 ^ first, m0)
    aFirst ^= aFirst >>> 15
    const key = Buffer.alloc(KEY_BYTES)
    for (const [i, word] of [first, wordBetween(aFirst, aMeet), third, fourth, fifth].entries()) {
      key.writeInt32LE(word | 0, i * 4)
    }
    hashKey(seed, key, 0, KEY_BYTES)
    assert.equal(hashOrder, wanted)
    keys.set(key.toString('latin1'), key)
  }
  return [...keys.values()]
}
