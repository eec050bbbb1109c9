/** A reply that is too long to be held: the array of the numbers 0 … size - 1, rotated, each piece looked at as it comes. */
const LF = 10
const CR = 13
const STAR = 42
const ZERO = 48

export class RotationBytes {
  #size
  /** Elements announced, -1 before that. */
  #count = -1
  /** Lines behind the first: length and number of each element. */
  #lines = 0
  #before = -1
  // Of the line that is being received.
  #prefix = 0
  #number = 0

  /** @param {number} size */
  constructor(size) {
    this.#size = size
  }

  /** Announced were none: there is no list at the moment. */
  get isEmpty() {
    return this.#count === 0
  }

  /** What comes now is the next such reply. */
  expect() {
    this.#count = -1
    this.#lines = 0
    this.#before = -1
  }

  /**
   * @param {Buffer} chunk
   * @returns {boolean} The reply is complete.
   * @throws when it is none of that kind
   */
  take(chunk) {
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i] ?? 0
      if (byte >= ZERO) this.#number = this.#number * 10 + byte - ZERO
      else if (byte === LF) {
        if (this.#count === -1) this.#begin(chunk)
        else if (this.#lines++ % 2 === 1) this.#element()
        this.#number = 0
        this.#prefix = 0
      } else if (byte !== CR) this.#prefix = byte
    }
    if (this.#count === -1 || this.#lines < 2 * this.#count) return false
    if (this.#lines > 2 * this.#count || this.#number !== 0) throw new Error('huge: more came than the list')
    return true
  }

  /** @param {Buffer} chunk */
  #begin(chunk) {
    this.#count = this.#number
    const isDue = this.#prefix === STAR && (this.#count === 0 || this.#count === this.#size)
    if (!isDue) throw new Error(`huge: LRANGE said ${chunk.toString('latin1', 0, 100)}`)
  }

  #element() {
    const number = this.#number
    if (this.#before !== -1 && number !== (this.#before + 1) % this.#size) {
      throw new Error(`huge: behind ${this.#before} stands ${number}`)
    }
    this.#before = number
  }
}
