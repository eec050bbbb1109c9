/**
 * Random numbers that a seed reproduces on every machine and Node version. Not for secrets.
 *
 * Generator: sfc32 (Chris Doty-Humphrey's Small Fast Counter, PractRand), 128 bits of state in four 32-bit words. The
 * seed is spread over the state with splitmix32, so that neighbouring seeds give unrelated sequences.
 */
export class SeededRandom {
  readonly seed: number
  #a: number
  #b: number
  #c: number
  #counter = 1

  /** @param seed An integer; only its low 53 bits count. */
  constructor(seed: number) {
    this.seed = seed
    let low = seed >>> 0
    const high = Math.floor(Math.abs(seed) / 2 ** 32) >>> 0
    const spread = (): number => {
      low = (low + 0x9e3779b9) >>> 0
      let mixed = Math.imul(low ^ (low >>> 16), 0x85ebca6b)
      mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
      return (mixed ^ (mixed >>> 16)) >>> 0
    }
    this.#a = spread()
    this.#b = spread() ^ high
    this.#c = spread()
    for (let i = 0; i < 15; i++) this.uint32()
  }

  /** 0 … 2^32 − 1, each equally likely. */
  uint32(): number {
    const result = (this.#a + this.#b + this.#counter) >>> 0
    this.#counter = (this.#counter + 1) >>> 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) >>> 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) >>> 0
    return result
  }

  /** [0, 1) with 53 random bits. */
  float(): number {
    return ((this.uint32() >>> 5) * 2 ** 26 + (this.uint32() >>> 6)) / 2 ** 53
  }

  /** An integer from `low` to `high`, both included; the span may be up to 2^53. */
  int(low: number, high: number): number {
    const span = high - low + 1
    if (!(span >= 1)) throw new RangeError(`int(${low}, ${high}): empty range`)
    return low + Math.floor(this.float() * span)
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.float() < probability
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError('pick() from nothing')
    return items[this.int(0, items.length - 1)] as T
  }

  /** A shuffled copy. */
  shuffle<T>(items: readonly T[]): T[] {
    const out = [...items]
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.int(0, i)
      const swapped = out[i] as T
      out[i] = out[j] as T
      out[j] = swapped
    }
    return out
  }

  /** `count` bytes, each value equally likely. */
  bytes(count: number): Buffer {
    const out = Buffer.allocUnsafeSlow(count)
    for (let i = 0; i < count; i++) out[i] = this.uint32() >>> 24
    return out
  }

  /** `count` characters of `alphabet`. */
  text(count: number, alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789'): string {
    let out = ''
    for (let i = 0; i < count; i++) out += alphabet[this.int(0, alphabet.length - 1)]
    return out
  }

  /** A generator of its own, for a part that must not change when another part draws more numbers. */
  fork(): SeededRandom {
    return new SeededRandom(this.uint32() * 2 ** 21 + (this.uint32() >>> 11))
  }
}
