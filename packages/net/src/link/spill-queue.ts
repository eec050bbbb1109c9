/**
 * Bytes of the primary on their way to somebody slower: first in, first out, in memory up to a bound, then in a file up to
 * another. What is in the file stands between two parts in memory:
 *
 *     consume() ◄── front ◄── file ◄── back ◄── view(), received(), push()
 *                   chunks            chunks; the oldest goes to the file while memory is short
 *
 * Nothing blocks: chunks are written and read one at a time while the rest goes on. When the file fails in writing, nothing is
 * lost: the chunk stays in memory, and from then on memory alone is used. When it fails in reading, its bytes are lost, and the
 * owner is told. All methods belong to one thread.
 */
import { strict as assert } from 'node:assert'
import { CHUNK_BYTES, ChunkMemory } from './chunk-memory.ts'
import type { OpenSpillFile, SpillFile } from './spill-file.ts'

export interface SpillLimits {
  /** Bytes in memory, at least two chunks. What is on its way to the file may come on top: WRITTEN_BEHIND_BYTES. */
  readonly memoryBytesMax: number
  /** Bytes in the file. 0: no file. */
  readonly fileBytesMax: number
}

export interface SpillEvents {
  /** `isFull` has become false. */
  readonly onRoom: () => void
  /** `peek()` has bytes that it did not have. */
  readonly onReadable: () => void
  /** The file cannot be written: memory has to do. Told once. */
  readonly onWriteFault: (error: unknown) => void
  /** Bytes in the file cannot be read, and those behind them are of no use. */
  readonly onReadFault: (error: unknown) => void
  /** Much memory was let go of; it goes back with the next collection of garbage. */
  readonly letGo: () => void
}

interface Chunk {
  readonly bytes: Uint8Array
  start: number
  end: number
}

/** How far writing may fall behind before nothing more is received. */
const WRITTEN_BEHIND_BYTES: number = 4 * CHUNK_BYTES
/** So much memory is worth a collection of garbage when nothing waits any more. */
const GONE_BYTES_MIN: number = 8 << 20

export class SpillQueue {
  readonly #memoryBytesMax: number
  readonly #fileBytesMax: number
  readonly #events: SpillEvents
  readonly #path: string
  readonly #open: OpenSpillFile
  #front: Chunk[] = []
  #back: Chunk[] = []
  #memory = new ChunkMemory()
  /** Memory of the last `view`: who asked for it may write to it until he asks again, wherever the queue is by then. */
  #lent: Uint8Array | undefined
  /** Nobody else uses that memory any more. */
  #lentIsDone = false
  #memoryBytes = 0
  #peakBytes = 0
  #file: SpillFile | undefined
  /** The file's bytes in use are those from here … */
  #fileStart = 0
  /** … to here. */
  #fileEnd = 0
  #isWriting = false
  #isReading = false
  #writeFailed = false
  #isDisposed = false
  /** It was full, and nobody was told of room since. */
  #wasFull = false
  #spilledBytes = 0

  /** @param path of the file, should one be needed: it must not exist */
  constructor(limits: SpillLimits, path: string, open: OpenSpillFile, events: SpillEvents) {
    this.#memoryBytesMax = Math.max(limits.memoryBytesMax, 2 * CHUNK_BYTES)
    this.#fileBytesMax = limits.fileBytesMax
    this.#path = path
    this.#open = open
    this.#events = events
  }

  /** Bytes waiting. */
  get byteLength(): number {
    return this.#memoryBytes + this.fileBytes
  }

  /** Bytes of them that are in the file. */
  get fileBytes(): number {
    return this.#fileEnd - this.#fileStart
  }

  /** About as many may wait. */
  get bytesMax(): number {
    return this.#memoryBytesMax + (this.#writeFailed ? 0 : this.#fileBytesMax)
  }

  /** The most that ever waited. */
  get peakBytes(): number {
    return this.#peakBytes
  }

  /** Bytes that have gone to the file so far. */
  get spilledBytes(): number {
    return this.#spilledBytes
  }

  /** No more bytes are to be received until `onRoom`. */
  get isFull(): boolean {
    return this.#memoryBytes >= this.#memoryBytesMax + (this.#maySpill ? WRITTEN_BEHIND_BYTES : 0)
  }

  // ── in ──

  /** Where the next bytes go; never empty. */
  view(): Uint8Array {
    const last = this.#lastChunk()
    this.#lend(last.bytes)
    return last.bytes.subarray(last.end)
  }

  /** `count` bytes were put at the start of `view`: copied, unless it is still where the next bytes go. */
  received(count: number, view: Uint8Array): void {
    const last = this.#lastChunk()
    if (view.buffer === last.bytes.buffer && view.byteOffset === last.bytes.byteOffset + last.end) {
      last.end += count
      this.#grow(count)
    } else {
      this.push(view.subarray(0, count))
    }
  }

  /** Bytes that arrived elsewhere; copied. */
  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const last = this.#lastChunk()
      const count = Math.min(last.bytes.length - last.end, bytes.length - at)
      last.bytes.set(bytes.subarray(at, at + count), last.end)
      at += count
      last.end += count
      this.#grow(count)
    }
  }

  #lastChunk(): Chunk {
    let last = this.#back.at(-1)
    if (last === undefined || last.end === last.bytes.length) {
      last = { bytes: this.#memory.take(), start: 0, end: 0 }
      this.#back.push(last)
    }
    return last
  }

  #lend(bytes: Uint8Array): void {
    if (bytes === this.#lent) return
    if (this.#lentIsDone) this.#memory.give(this.#lent!)
    this.#lent = bytes
    this.#lentIsDone = false
  }

  /** Nobody looks at the chunk any more, but for who has a view of it. */
  #giveMemoryBack({ bytes }: Chunk): void {
    if (bytes === this.#lent) this.#lentIsDone = true
    else this.#memory.give(bytes)
  }

  #grow(count: number): void {
    this.#memoryBytes += count
    this.#peakBytes = Math.max(this.#peakBytes, this.byteLength)
    this.#noteFull()
    if (this.#memoryBytes >= this.#memoryBytesMax) void this.#spill()
  }

  // ── out ──

  /** The oldest bytes; undefined while there are none, or while they are being read from the file. Borrowed. */
  peek(): Uint8Array | undefined {
    const first = this.#first()
    return first === undefined ? undefined : first.bytes.subarray(first.start, first.end)
  }

  /** The first `count` bytes of `peek()` are done with. */
  consume(count: number): void {
    const first = this.#first()!
    first.start += count
    assert(first.start <= first.end)
    this.#memoryBytes -= count
    if (first.start === first.end) {
      if (first !== this.#front[0] && this.#back.length === 1) {
        first.start = 0
        first.end = 0
      } else {
        if (first === this.#front[0]) this.#front.shift()
        else this.#back.shift()
        this.#giveMemoryBack(first)
      }
    }
    if (this.#front.length === 0) void this.#unspill()
    this.#tellRoom()
  }

  #first(): Chunk | undefined {
    const first = this.#front[0]
    if (first !== undefined) return first
    // A chunk on its way to the file stays the oldest of those at the back, and is not given out.
    if (this.fileBytes > 0 || this.#isWriting || this.#isReading) return undefined
    const oldest = this.#back[0]
    return oldest === undefined || oldest.start === oldest.end ? undefined : oldest
  }

  // ── the file ──

  get #maySpill(): boolean {
    return !this.#writeFailed && this.#fileEnd + CHUNK_BYTES <= this.#fileBytesMax
  }

  /** Writes chunks to the file, oldest first, while memory is short. The one being filled stays. */
  async #spill(): Promise<void> {
    if (this.#isWriting || this.#isDisposed) return
    this.#isWriting = true
    try {
      while (this.#maySpill && this.#back.length > 1 && this.#memoryBytes >= this.#memoryBytesMax) {
        const chunk = this.#back[0]!
        const bytes = chunk.bytes.subarray(chunk.start, chunk.end)
        this.#file ??= await this.#open(this.#path)
        if (this.#isDisposed) break
        await this.#file.write(bytes, this.#fileEnd)
        if (this.#isDisposed) break
        this.#fileEnd += bytes.length
        this.#spilledBytes += bytes.length
        this.#back.shift()
        this.#memoryBytes -= bytes.length
        this.#giveMemoryBack(chunk)
      }
    } catch (error) {
      this.#writeFailed = true
      if (!this.#isDisposed) this.#events.onWriteFault(error)
    }
    this.#isWriting = false
    if (this.#isDisposed) return this.#closeFile()
    this.#tellRoom()
    if (this.#front.length > 0) return
    if (this.fileBytes > 0) void this.#unspill()
    else if (this.peek() !== undefined) this.#events.onReadable()
  }

  /** Reads the file's oldest bytes to the front. */
  async #unspill(): Promise<void> {
    if (this.#isReading || this.#isDisposed || this.fileBytes === 0) return
    this.#isReading = true
    try {
      const bytes = this.#memory.take()
      const count = await this.#file!.read(bytes.subarray(0, this.fileBytes), this.#fileStart)
      if (this.#isDisposed) return this.#closeFile()
      if (count === 0) throw new Error('the file ends before its bytes do')
      this.#fileStart += count
      this.#memoryBytes += count
      this.#noteFull()
      this.#front.push({ bytes, start: 0, end: count })
      // Nothing is left in it: the next bytes begin at its beginning, and it does not grow for ever.
      if (this.fileBytes === 0 && !this.#isWriting) this.#fileStart = this.#fileEnd = 0
    } catch (error) {
      this.#isReading = false
      if (this.#isDisposed) return this.#closeFile()
      return this.#events.onReadFault(error)
    }
    this.#isReading = false
    this.#events.onReadable()
  }

  /** Whenever more is in memory: who is told to stop is told when to go on, and asks only now and then. */
  #noteFull(): void {
    this.#wasFull ||= this.isFull
  }

  #tellRoom(): void {
    const wasFull = this.#wasFull
    // It also fills up by itself: when the file has reached its bound, or fails.
    this.#wasFull = this.isFull
    if (wasFull && !this.#wasFull) this.#events.onRoom()
  }

  /** Forgets everything, and gives the disk space back. */
  dispose(): void {
    if (this.#isDisposed) return
    this.#isDisposed = true
    this.#front = []
    this.#back = []
    if (this.#memory.byteLength >= GONE_BYTES_MIN) this.#events.letGo()
    this.#memory = new ChunkMemory()
    this.#lent = undefined
    this.#lentIsDone = false
    this.#memoryBytes = 0
    this.#fileStart = this.#fileEnd = 0
    if (!this.#isWriting && !this.#isReading) void this.#closeFile()
  }

  async #closeFile(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    // Its name is gone already; what closing could say nobody can act on.
    await file?.close().catch(() => {})
  }
}
