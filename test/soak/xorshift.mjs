/** Random numbers that a seed reproduces, for threads without a transpiler; elsewhere there is test/support/seeded-random.ts. */

/**
 * xorshift32 (Marsaglia, "Xorshift RNGs", 2003).
 *
 * @param {number} seed
 * @returns {(bound: number) => number} draws from 0 … bound - 1
 */
export function xorshift(seed) {
  let state = seed >>> 0 || 1
  return (bound) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % bound
  }
}
