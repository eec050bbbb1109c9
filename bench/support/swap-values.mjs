/**
 * Values that are read while the dataset is replaced by another one with the same keys: every one has to be the key's value in the old
 * dataset or in the new one, and none may be an old one behind a new one.
 */
import { VALUE_BYTES } from './dataset.mjs'

export class SwapValues {
  reads = 0
  /** Of them, those of the old dataset. */
  before = 0
  #dataset
  #from
  #to
  #expected = Buffer.alloc(VALUE_BYTES)

  /**
   * @param {import('./dataset.mjs').Dataset} dataset
   * @param {number} from Round of the old values.
   * @param {number} to Round of the new ones.
   */
  constructor(dataset, from, to) {
    this.#dataset = dataset
    this.#from = from
    this.#to = to
  }

  /**
   * Takes the next value that was read. @param {number} index of its key @param {Buffer} bytes @param {number} at where it begins
   *
   * @returns {boolean} it is right
   */
  isRight(index, bytes, at) {
    this.reads++
    if (this.#isOf(this.#to, index, bytes, at)) return true
    // One of the new dataset came before.
    if (this.before < this.reads - 1) return false
    if (!this.#isOf(this.#from, index, bytes, at)) return false
    this.before++
    return true
  }

  /**
   * @param {number} round
   * @param {number} index
   * @param {Buffer} bytes
   * @param {number} at
   */
  #isOf(round, index, bytes, at) {
    this.#dataset.writeValue(index, round, this.#expected, 0)
    return bytes.compare(this.#expected, 0, VALUE_BYTES, at, at + VALUE_BYTES) === 0
  }
}
