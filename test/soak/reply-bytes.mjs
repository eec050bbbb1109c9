/**
 * Replies of a RESP2 server, looked at where they lie: a soak that reads as much as a server can send must not make a string of
 * each element to check it. Plain JavaScript, since a worker thread runs without a transpiler.
 *
 *   received:  expect(count), then take(chunk) until it says that all of them are whole
 *   looked at: next() moves from one element to the next, into arrays; type, value, start and end tell of the one it met
 */
const LF = 10
const CR = 13
const MINUS = 45
const ZERO = 48
const NINE = 57

// First bytes of elements.
const ARRAY = 42
const BULK = 36
const ERROR = 45
const SIMPLE = 43

export class ReplyBytes {
  bytes = Buffer.allocUnsafe(4096)
  /** First byte of the element that `next()` met. */
  type = 0
  /** What an integer is; how long a bulk or an array is, -1 for null. */
  value = 0
  /** Of the content of a bulk, or the text of a line. */
  start = 0
  end = 0
  /** Bytes received. */
  #length = 0
  #at = 0
  #scanned = 0
  #missing = 0

  /** What comes now are so many replies. @param {number} count */
  expect(count) {
    this.#length = 0
    this.#at = 0
    this.#scanned = 0
    this.#missing = count
  }

  /**
   * Copies what came.
   *
   * @param {Uint8Array} chunk
   * @returns {boolean} All replies are whole.
   */
  take(chunk) {
    const length = this.#length + chunk.length
    if (length > this.bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(length, this.bytes.length * 2))
      grown.set(this.bytes.subarray(0, this.#length))
      this.bytes = grown
    }
    this.bytes.set(chunk, this.#length)
    this.#length = length
    while (this.#missing > 0) {
      const behind = this.#read(this.#scanned)
      if (behind === -1) return false
      this.#scanned = behind
      this.#missing += this.type === ARRAY ? Math.max(0, this.value) - 1 : -1
    }
    if (this.#scanned !== length) throw new Error('more came than was asked for')
    return true
  }

  /** Moves to the next element. @throws when that is an error */
  next() {
    this.#at = this.#read(this.#at)
    if (this.type === ERROR) throw new Error(this.text)
  }

  /** Moves to an array. @param {number} length @throws {Error} when there is none of that length */
  array(length) {
    this.next()
    if (this.type !== ARRAY || this.value !== length) throw new Error(`not ${length} elements but ${this.value}`)
  }

  /** Moves on and reads a bulk, or an integer, as a number. */
  nextNumber() {
    this.next()
    return this.type === BULK ? this.#number(this.start, this.end) : this.value
  }

  /** The number behind the last other character of the element, as in 'member 17' and 'a3'. */
  get trailingNumber() {
    let from = this.end
    while (from > this.start && isDigit(this.bytes[from - 1] ?? 0)) from--
    return this.#number(from, this.end)
  }

  get text() {
    return this.bytes.toString('latin1', this.start, this.end)
  }

  /** Is the content between two positions that of the element? @param {number} start @param {number} end */
  isSame(start, end) {
    return this.bytes.compare(this.bytes, start, end, this.start, this.end) === 0
  }

  /** @param {number} at @returns {number} behind the element there, which the fields tell of; -1: it is not whole */
  #read(at) {
    const { bytes } = this
    const length = this.#length
    let lineEnd = at + 1
    while (lineEnd < length && bytes[lineEnd] !== LF) lineEnd++
    if (lineEnd >= length) return -1
    this.type = bytes[at] ?? 0
    this.start = at + 1
    this.end = lineEnd - 1
    if (bytes[this.end] !== CR) throw new Error('a line without CR')
    if (this.type === ERROR || this.type === SIMPLE) return lineEnd + 1
    this.value = this.#number(this.start, this.end)
    if (this.type !== BULK || this.value === -1) return lineEnd + 1
    this.start = lineEnd + 1
    this.end = this.start + this.value
    return this.end + 2 > length ? -1 : this.end + 2
  }

  /** @param {number} start @param {number} end */
  #number(start, end) {
    const { bytes } = this
    const isNegative = bytes[start] === MINUS
    let number = 0
    for (let i = isNegative ? start + 1 : start; i < end; i++) number = number * 10 + (bytes[i] ?? 0) - ZERO
    return isNegative ? -number : number
  }
}

/** @param {number} byte */
function isDigit(byte) {
  return byte >= ZERO && byte <= NINE
}
