/**
 * Bytes that have left the backlog ring and that a replica below still needs: one that is sent a snapshot, or that reads
 * more slowly than the stream grows. They are kept once for all replicas, in blocks of one size behind the ring, and go
 * when the slowest has read them. How much may be kept is not decided here: `lagBytes` of a cursor is what limits look at.
 *
 *     block 0      block 1            │ ring
 *     ┌───────────┬───────────┬───────┼──────────────────────────┐
 *     │ first     │           │       │ lost + 1 …           end │
 *     └───────────┴───────────┴───────┴──────────────────────────┘
 *           ▲ slowest cursor                ▲ another
 *
 * Belongs to the thread of the backlog's writer.
 */
import assert from 'node:assert/strict'
import { isSizeFault } from '../errors.ts'
import { copyBytes, viewOf } from '../memory/copy-bytes.ts'
import { untouchedMemory } from '../memory/untouched-memory.ts'

/** Bytes of a block. */
const BLOCK_BYTES: number = 256 * 1024
/** So much that was let go of is worth a collection of garbage: when nothing is kept any more, and while some is. */
const GONE_BYTES_AT_END: number = 8 << 20
const GONE_BYTES_BETWEEN: number = 64 << 20

/**
 * Shared memory, although nobody else reads it: V8 would collect its whole heap for every few megabytes that other arrays take. It comes
 * from the system page by page: the C allocator's comes in huge pages, each of which holds the writer for some milliseconds.
 */
class Block {
  readonly #memory = untouchedMemory(BLOCK_BYTES)
  readonly bytes = new Uint8Array(this.#memory, 0, BLOCK_BYTES)
  readonly view = new DataView(this.#memory, 0, BLOCK_BYTES)
}

/** Where one replica reads. */
export class BacklogCursor {
  /** Number of the next byte it needs, counted from 1 as in PSYNC. */
  offset: number
  /** That byte, or one behind it, could not be kept: there was no memory. It gets nothing more. */
  isOverrun = false

  constructor(offset: number) {
    this.offset = offset
  }
}

export class BacklogOverflow {
  readonly #cursors = new Set<BacklogCursor>()
  /** Number of the first byte of the first block; blocks follow each other without a gap. */
  #first = 0
  /** Number behind the last byte kept. */
  #end = 0
  #blocks: Block[] = []
  /** No cursor is before this byte; perhaps none is at it any more. */
  #neededFrom = Infinity
  /** Let go of since somebody was told. */
  #goneBytes = 0

  /** Told when much memory was let go of; it goes back with the next collection of garbage. */
  letGo: () => void = () => {}

  /** Memory taken. */
  get byteLength(): number {
    return this.#blocks.length * BLOCK_BYTES
  }

  /** Whoever reads from `cursor.offset` on: nothing behind it is lost until `remove`. */
  add(cursor: BacklogCursor): void {
    this.#cursors.add(cursor)
    this.#neededFrom = Math.min(this.#neededFrom, cursor.offset)
  }

  remove(cursor: BacklogCursor): void {
    this.#cursors.delete(cursor)
    this.#release()
  }

  /** Another history: nothing is kept. Cursors must be gone. */
  clear(): void {
    assert.equal(this.#cursors.size, 0, 'replicas of another history still read')
    this.#dropAll()
    this.#neededFrom = Infinity
  }

  /** Does anybody need a byte up to number `lost`, which is about to leave the ring? O(1) but for every turn of the ring. */
  needs(lost: number): boolean {
    if (lost < this.#neededFrom) return false
    this.#release()
    return lost >= this.#neededFrom
  }

  /**
   * Keeps bytes that leave the ring. Without memory for them, whoever needs them is overrun, and the stream goes on.
   * @param offset number of the first of `bytes[start .. end)`; of those, what nobody needs is left out. @param view over the same bytes
   */
  keep(offset: number, bytes: Uint8Array, start: number, end: number, view: DataView = viewOf(bytes)): void {
    const behind = offset + (end - start)
    if (behind <= this.#neededFrom) return
    if (this.#blocks.length === 0) this.#first = this.#end = Math.max(offset, this.#neededFrom)
    assert(this.#end >= offset, 'bytes of the backlog were skipped')
    let from = start + (this.#end - offset)
    while (from < end) {
      const position = (this.#end - this.#first) % BLOCK_BYTES
      if (this.#end - this.#first === this.#blocks.length * BLOCK_BYTES && !this.#addBlock()) {
        this.#overrun(behind)
        return
      }
      const count = Math.min(end - from, BLOCK_BYTES - position)
      const block = this.#blocks[this.#blocks.length - 1]!
      copyBytes(bytes, view, from, from + count, block.bytes, block.view, position)
      this.#end += count
      from += count
    }
  }

  /** @returns false: there is no memory */
  #addBlock(): boolean {
    try {
      this.#blocks.push(new Block())
      return true
    } catch (error) {
      if (isSizeFault(error)) return false
      throw error
    }
  }

  /** Bytes up to the one before number `behind` are lost to those that needed them; nobody else needs what is kept. */
  #overrun(behind: number): void {
    for (const cursor of this.#cursors) {
      if (cursor.offset >= behind) continue
      cursor.isOverrun = true
      this.#cursors.delete(cursor)
    }
    this.#release()
  }

  /** Copies kept bytes from number `offset` on. @returns how many; 0: it is not here. */
  read(offset: number, target: Uint8Array): number {
    if (this.#blocks.length === 0 || offset < this.#first || offset >= this.#end) return 0
    const at = offset - this.#first
    const { bytes } = this.#blocks[Math.floor(at / BLOCK_BYTES)]!
    const position = at % BLOCK_BYTES
    const count = Math.min(BLOCK_BYTES - position, this.#end - offset, target.length)
    target.set(bytes.subarray(position, position + count))
    return count
  }

  /** A cursor moved on: blocks that nobody needs go. Cheap while there are none. */
  moved(): void {
    if (this.#blocks.length > 0) this.#release()
  }

  #release(): void {
    let needed = Infinity
    for (const { offset } of this.#cursors) needed = Math.min(needed, offset)
    this.#neededFrom = needed
    if (needed >= this.#end) {
      this.#dropAll()
      return
    }
    const gone = Math.floor((needed - this.#first) / BLOCK_BYTES)
    if (gone <= 0) return
    this.#blocks.splice(0, gone)
    this.#first += gone * BLOCK_BYTES
    this.#noteGone(gone, GONE_BYTES_BETWEEN)
  }

  #dropAll(): void {
    const { length } = this.#blocks
    this.#blocks = []
    this.#noteGone(length, GONE_BYTES_AT_END)
  }

  #noteGone(blocks: number, enoughBytes: number): void {
    this.#goneBytes += blocks * BLOCK_BYTES
    if (this.#goneBytes < enoughBytes) return
    this.#goneBytes = 0
    this.letGo()
  }
}
