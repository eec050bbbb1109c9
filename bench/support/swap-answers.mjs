/** Answers to GETs over one connection while the dataset is replaced (swap-values.mjs), and how long each took. */
import { performance } from 'node:perf_hooks'
import { VALUE_BYTES } from './dataset.mjs'
import { SwapValues } from './swap-values.mjs'

/** So many may be asked for and not answered. A power of two. */
export const UNANSWERED_MAX = 65_536
const HEADER = Buffer.from(`$${VALUE_BYTES}\r\n`, 'latin1')
const REPLY_BYTES = HEADER.length + VALUE_BYTES + 2

export class SwapAnswers {
  /** @type {number[]} */
  latenciesMs = []
  #values
  #indexes = new Float64Array(UNANSWERED_MAX)
  #askedMs = new Float64Array(UNANSWERED_MAX)
  #asked = 0
  /** @type {Buffer} */
  #input = Buffer.alloc(0)

  /**
   * @param {import('./dataset.mjs').Dataset} dataset
   * @param {number} from Round of the old values.
   * @param {number} to Round of the new ones.
   */
  constructor(dataset, from, to) {
    this.#values = new SwapValues(dataset, from, to)
  }

  get reads() {
    return this.#values.reads
  }

  /** Of them, those of the old dataset. */
  get before() {
    return this.#values.before
  }

  get unanswered() {
    return this.#asked - this.reads
  }

  /** @param {number} index */
  asked(index) {
    const place = this.#asked++ & (UNANSWERED_MAX - 1)
    this.#indexes[place] = index
    this.#askedMs[place] = performance.now()
  }

  /** @param {Buffer} bytes @throws when one is wrong */
  take(bytes) {
    const input = this.#input.length === 0 ? bytes : Buffer.concat([this.#input, bytes])
    const nowMs = performance.now()
    let at = 0
    for (; at + REPLY_BYTES <= input.length; at += REPLY_BYTES) {
      const place = this.reads & (UNANSWERED_MAX - 1)
      this.latenciesMs.push(nowMs - (this.#askedMs[place] ?? 0))
      this.#check(input, at, this.#indexes[place] ?? 0)
    }
    this.#input = input.subarray(at)
    // An error and a nil are shorter than a value.
    const held = Math.min(this.#input.length, HEADER.length)
    if (input.compare(HEADER, 0, held, at, at + held) !== 0) this.#wrong(input, at, this.reads + 1)
  }

  /**
   * @param {Buffer} input
   * @param {number} at
   * @param {number} index
   */
  #check(input, at, index) {
    if (input.compare(HEADER, 0, HEADER.length, at, at + HEADER.length) !== 0) this.#wrong(input, at, this.reads + 1)
    if (!this.#values.isRight(index, input, at + HEADER.length)) this.#wrong(input, at)
  }

  /** @param {Buffer} input @param {number} at @param {number} [read] @returns {never} */
  #wrong(input, at, read = this.reads) {
    const text = input.toString('latin1', at, at + REPLY_BYTES).trimEnd()
    throw new Error(`read ${read}, ${this.before} of the old dataset before it: ${JSON.stringify(text)}`)
  }
}
