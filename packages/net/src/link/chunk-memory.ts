/**
 * Memory for the chunks of a queue, all of one size, used again and again until the queue is done with.
 *
 * Shared memory, although nobody else reads it: V8 would collect its whole heap for every few megabytes that other arrays take, in the
 * middle of a full sync. It is cut from blocks that come from the system: what the C allocator has handed out in pieces of this
 * size it hardly ever gives back. A block is no larger than half a huge page, which would take milliseconds to be cleared.
 */
import { untouchedMemory } from '@understudy/core/internal'

export const CHUNK_BYTES: number = 256 << 10
const BLOCK_BYTES: number = 1 << 20

export class ChunkMemory {
  /** Latest use first: what is still in the caches. */
  #free: Uint8Array[] = []
  /** Bytes taken from the system. Most of them go back with the collection of garbage that follows the end of this object. */
  byteLength = 0

  take(): Uint8Array {
    if (this.#free.length === 0) this.#addBlock()
    return this.#free.pop()!
  }

  /** Nobody looks at the chunk any more. */
  give(chunk: Uint8Array): void {
    this.#free.push(chunk)
  }

  #addBlock(): void {
    const block = untouchedMemory(BLOCK_BYTES)
    this.byteLength += BLOCK_BYTES
    for (let at = BLOCK_BYTES; at > 0; at -= CHUNK_BYTES) {
      this.#free.push(new Uint8Array(block, at - CHUNK_BYTES, CHUNK_BYTES))
    }
  }
}
