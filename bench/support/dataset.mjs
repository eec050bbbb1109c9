/**
 * The keys and values of a benchmark: record `index` of a seeded dataset, computed, never stored. Whoever knows seed and
 * index knows what the answer to GET must be, so contents can be checked without keeping a second copy of them.
 *
 *   random key    16 hex digits of a 64-bit permutation of the index: distinct by construction, without any order
 *   numbered key  key:000000000042, what `redis-benchmark -r` asks for; 16 bytes too
 *   value         32 random bytes (incompressible) of seed, index and round
 */

export const KEY_BYTES = 16
export const VALUE_BYTES = 32

const HEX = Buffer.from('0123456789abcdef', 'latin1')
const FEISTEL_ROUNDS = 4

/**
 * Mixes 32 bits so that every input bit changes about half of the output bits.
 *
 * @param {number} word
 */
export function mix(word) {
  let x = Math.imul(word ^ (word >>> 16), 0x7feb352d)
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
  return x ^ (x >>> 16)
}

export class Dataset {
  /**
   * @param {number} seed
   * @param {object} [options]
   * @param {'random' | 'numbered'} [options.keys]
   */
  constructor(seed, { keys = 'random' } = {}) {
    this.seed = seed | 0
    this.keys = keys
  }

  /**
   * Writes the key of record `index` (16 bytes) to `target` at `at`.
   *
   * @param {number} index
   * @param {Uint8Array} target
   * @param {number} at
   */
  writeKey(index, target, at) {
    if (this.keys === 'numbered') {
      target[at] = 107
      target[at + 1] = 101
      target[at + 2] = 121
      target[at + 3] = 58
      let rest = index
      for (let i = KEY_BYTES - 1; i >= 4; i--) {
        target[at + i] = 48 + (rest % 10)
        rest = Math.floor(rest / 10)
      }
      return
    }
    // A Feistel network permutes 64 bits whatever its round function is: no two records share a key.
    let left = 0
    let right = index | 0
    for (let round = 0; round < FEISTEL_ROUNDS; round++) {
      const next = left ^ mix((right + Math.imul(this.seed + round, 0x9e3779b1)) | 0)
      left = right
      right = next
    }
    writeHex(left, target, at)
    writeHex(right, target, at + 8)
  }

  /**
   * Writes the value of record `index` (32 bytes). Another round is another value.
   *
   * @param {number} index
   * @param {number} round
   * @param {Uint8Array} target
   * @param {number} at
   */
  writeValue(index, round, target, at) {
    let state = mix(index ^ mix(this.seed ^ Math.imul(round + 1, 0x85ebca6b)))
    for (let i = 0; i < VALUE_BYTES; i += 4) {
      state = (state + 0x6d2b79f5) | 0
      const word = mix(state)
      target[at + i] = word
      target[at + i + 1] = word >>> 8
      target[at + i + 2] = word >>> 16
      target[at + i + 3] = word >>> 24
    }
  }

  /**
   * Writes a value of record `index` that is text: 32 random ASCII characters.
   *
   * @param {number} index
   * @param {Uint8Array} target
   * @param {number} at
   */
  writeText(index, target, at) {
    this.writeValue(index, 0, target, at)
    for (let i = at; i < at + VALUE_BYTES; i++) target[i] = 32 + ((target[i] ?? 0) & 63)
  }

  /** @param {number} index */
  text(index) {
    const bytes = Buffer.alloc(VALUE_BYTES)
    this.writeText(index, bytes, 0)
    return bytes.toString('latin1')
  }

  /** @param {number} index */
  key(index) {
    const bytes = Buffer.alloc(KEY_BYTES)
    this.writeKey(index, bytes, 0)
    return bytes
  }

  /**
   * @param {number} index
   * @param {number} round
   */
  value(index, round) {
    const bytes = Buffer.alloc(VALUE_BYTES)
    this.writeValue(index, round, bytes, 0)
    return bytes
  }
}

/**
 * @param {number} word
 * @param {Uint8Array} target
 * @param {number} at
 */
function writeHex(word, target, at) {
  for (let i = 0; i < 8; i++) target[at + i] = HEX[(word >>> (28 - i * 4)) & 15] ?? 0
}

/**
 * A seeded generator of numbers in [0, 1), for samples and resampling.
 *
 * @param {number} seed
 * @returns {() => number}
 */
export function randomNumbers(seed) {
  let state = seed | 0
  return () => {
    state = (state + 0x9e3779b9) | 0
    return (mix(state) >>> 0) / 2 ** 32
  }
}
