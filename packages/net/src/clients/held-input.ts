/**
 * Input of a connection that came while nothing of it may run: a command waits, or the peer sends on and takes no replies. It is kept in
 * blocks, and given to the decoder one by one when commands run again, since a decoder has all it was given in one piece of memory, which
 * is copied when it grows.
 */

/** The first block is as long as what came; a connection that waits has seldom more than a short command behind it. */
const BLOCK_BYTES_MIN = 256
const BLOCK_BYTES_MAX: number = 64 * 1024

export class HeldInput {
  /** In order; those before `#first` were taken. The last one has room behind `#filledBytes`. */
  readonly #blocks: Buffer[] = []
  #first = 0
  #filledBytes = 0
  #byteLength = 0
  #memoryBytes = 0

  /** Bytes that were not taken yet. */
  get byteLength(): number {
    return this.#byteLength
  }

  get memoryBytes(): number {
    return this.#memoryBytes
  }

  /** Copies the first `length` bytes of a chunk behind what is here. */
  append(chunk: Buffer, length: number): void {
    this.#byteLength += length
    for (let at = 0; at < length;) {
      const block = this.#blocks.at(-1)
      if (block === undefined || block.length === this.#filledBytes) {
        this.#addBlock(length - at)
        continue
      }
      const copied = chunk.copy(block, this.#filledBytes, at, length)
      this.#filledBytes += copied
      at += copied
    }
  }

  /** @returns what came first, whose ownership moves; undefined: nothing is here */
  take(): Buffer | undefined {
    const block = this.#blocks[this.#first]
    if (block === undefined) return undefined
    this.#first++
    const isLast = this.#first === this.#blocks.length
    const taken = isLast ? block.subarray(0, this.#filledBytes) : block
    if (isLast) {
      this.#blocks.length = this.#first = this.#filledBytes = 0
    } else this.#blocks[this.#first - 1] = EMPTY
    this.#byteLength -= taken.length
    this.#memoryBytes -= block.length
    return taken
  }

  #addBlock(neededBytes: number): void {
    // As long as all before it together: a few blocks for a little, and never much more than what came.
    const length = Math.min(Math.max(neededBytes, this.#byteLength, BLOCK_BYTES_MIN), BLOCK_BYTES_MAX)
    this.#blocks.push(Buffer.allocUnsafeSlow(length))
    this.#filledBytes = 0
    this.#memoryBytes += length
  }
}

const EMPTY: Buffer = Buffer.alloc(0)
