/**
 * What a keeper (block-keeper.ts) keeps, in the order in which it came, which is that of epochs: four words an item, in pieces
 * that are given up as they empty. Memory of the writer's thread, 16 bytes a block.
 */

/** A block, or a span, that was freed and stays. */
export const KIND_BLOCK = 0
export const KIND_SPAN = 1
/** A copy of a block. */
export const KIND_VERSION = 2

const ITEM_WORDS = 4
const PIECE_WORDS: number = 4096 * ITEM_WORDS

export class KeptQueue {
  // Registers of first().
  kind = 0
  address = 0
  epoch = 0
  version = 0
  readonly #pieces: Int32Array[] = []
  #head = 0
  #tail: number = PIECE_WORDS

  push(kind: number, address: number, epoch: number, version: number): void {
    if (this.#tail === PIECE_WORDS) {
      this.#pieces.push(new Int32Array(PIECE_WORDS))
      this.#tail = 0
    }
    const piece = this.#pieces.at(-1)!
    piece[this.#tail] = kind
    piece[this.#tail + 1] = address
    piece[this.#tail + 2] = epoch
    piece[this.#tail + 3] = version
    this.#tail += ITEM_WORDS
  }

  /** Loads the oldest item into the registers. @returns false when there is none. */
  first(): boolean {
    const { length } = this.#pieces
    if (length === 0 || (length === 1 && this.#head === this.#tail)) return false
    const piece = this.#pieces[0]!
    const head = this.#head
    this.kind = piece[head]!
    this.address = piece[head + 1]!
    this.epoch = piece[head + 2]!
    this.version = piece[head + 3]!
    return true
  }

  removeFirst(): void {
    this.#head += ITEM_WORDS
    if (this.#head < PIECE_WORDS) return
    this.#pieces.shift()
    this.#head = 0
    if (this.#pieces.length === 0) this.#tail = PIECE_WORDS
  }
}
