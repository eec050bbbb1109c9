/**
 * Keeps what the blocks of one region held when a pin began, for as long as the pin lasts (docs/pins.md): before a block is changed
 * it is copied aside, and what is freed stays where it is. Only the writer of the region calls this; readers find the copies by
 * kept-blocks.ts.
 *
 *   idle ──begin()──► keeping ──end()──► idle          arena and writers call in while `RegionMemory.keeper` is this
 *                        │  release(): pins ended, others go on
 *                        ▼
 *              what is kept waits in order of epochs ──step()──► freed, in slices
 *
 * An era lasts from the first pin to the end of the last one. Its index is given up with it; what it kept is freed without looking
 * at blocks again, which may serve others by then.
 */
import { KeyspaceError } from '../errors.ts'
import { BLOCK_BYTES_MAX, RUN_BYTES, SEGMENTS_PER_REGION_MAX } from '../limits.ts'
import { type Arena, pieceBytesOf, runOf } from './arena.ts'
import { copyBytes } from './copy-bytes.ts'
import {
  INDEX_ENTRIES_WORD,
  INDEX_PIECE_WORD,
  INDEX_RUN_WORDS,
  isVersion,
  pieceOf,
  pieceStartOf,
  VERSION_BYTES,
  VERSION_COPY,
  VERSION_EPOCH,
  VERSION_OLDER,
  VERSION_OLDER_EPOCH,
  wordOf,
} from './kept-blocks.ts'
import { KeptQueue, KIND_BLOCK, KIND_SPAN, KIND_VERSION } from './kept-queue.ts'
import { byteOffsetOf } from './region-memory.ts'

/** Things freed between two looks at the clock. */
const FREED_PER_STEP = 256

/** Bits that number a run in its segment. */
const RUN_BITS = 15

/** What the region's keeper asks of those who began the pins. */
export interface KeeperOwner {
  /** A copy was published: whoever validates from now on must find it. */
  published(): void
  /** Versions that no pin needs were unlinked, and are about to be freed: whoever looks at one now must notice. */
  unlinked(): void
  /** `bytes` more are kept. */
  kept(bytes: number): void
  /** There is no memory to keep blocks in: all pins of the region are broken when this returns. */
  outOfMemory(): void
}

interface Era {
  /** Indexes of the segments, as on the board. */
  readonly indexes: Int32Array
  /** Runs that were given entries: segment and number, as RUN_BITS parts them. */
  readonly runs: number[]
  readonly queue: KeptQueue
}

export class BlockKeeper {
  readonly #arena: Arena
  readonly #owner: KeeperOwner
  readonly #board: Int32Array
  /** Word of the board for segment 0 of this region. */
  readonly #boardAt: number
  #era: Era | undefined
  readonly #ended: Era[] = []
  /** Epoch of the newest pin that has not ended: what changes is copied for those up to it. */
  #newest = 0
  /** Versions and blocks older than this epoch may go. */
  #oldest = 0
  /** Bytes of blocks that only pins need: copies, their index, and what was freed. */
  heldBytes = 0
  /** What is allocated and freed is this keeper's own. */
  #isOwn = false
  /** Versions that were unlinked in this step. */
  readonly #unlinked = new Int32Array(FREED_PER_STEP)
  // Registers of #locate(): the entry of a block.
  #entries!: Int32Array
  #entry = 0
  #pieceBytes = 0

  constructor(arena: Arena, owner: KeeperOwner, board: Int32Array, boardAt: number) {
    this.#arena = arena
    this.#owner = owner
    this.#board = board
    this.#boardAt = boardAt
  }

  /** Is anything kept, or waiting to be freed? */
  get isHolding(): boolean {
    return this.#era !== undefined || this.#ended.length > 0
  }

  /** A pin of this epoch begins, greater than all before it in this era. */
  begin(epoch: number): void {
    if (this.#era === undefined) {
      this.#era = { indexes: new Int32Array(SEGMENTS_PER_REGION_MAX), runs: [], queue: new KeptQueue() }
      this.#oldest = epoch
    }
    this.#newest = epoch
    this.#arena.memory.keeper = this
    this.#arena.memory.holder = this
  }

  /** A pin has ended; those that go on are of epochs from `oldest` to `newest`. */
  release(oldest: number, newest: number): void {
    this.#oldest = oldest
    this.#newest = newest
  }

  /** The last pin has ended. Nothing is kept from now on; what was waits for `step()`. */
  end(): void {
    if (this.#era === undefined) return
    this.#arena.memory.keeper = undefined
    this.#board.fill(0, this.#boardAt, this.#boardAt + SEGMENTS_PER_REGION_MAX)
    this.#ended.push(this.#era)
    this.#era = undefined
  }

  // ---- called by whoever changes, allocates and frees -------------------------------------------------------------

  /** See `RegionMemory.keep()`. */
  keep(address: number): void {
    try {
      this.#keep(address)
    } catch (error) {
      this.#giveUp(error)
    }
  }

  /** A block was allocated: the pins that there are do not know it. */
  born(address: number): void {
    if (this.#isOwn || this.#era === undefined) return
    try {
      this.#locate(address, true)
      this.#entries[this.#entry] = this.#newest
    } catch (error) {
      this.#giveUp(error)
    }
  }

  spanBorn(address: number, runs: number): void {
    for (let run = 0; run < runs; run++) this.born(pieceAddress(address, run))
  }

  /** A block is about to be freed. @returns true when it stays, until `step()` frees it. */
  defersFree(address: number): boolean {
    if (this.#isOwn || this.#isUnknown(address)) return false
    this.#era!.queue.push(KIND_BLOCK, address, this.#newest, 0)
    this.#holds(this.#pieceBytes)
    return true
  }

  defersSpanFree(address: number, runs: number): boolean {
    if (this.#isOwn) return false
    let isUnknown = true
    for (let run = 0; run < runs; run++) if (!this.#isUnknown(pieceAddress(address, run))) isUnknown = false
    if (isUnknown) return false
    this.#era!.queue.push(KIND_SPAN, address, this.#newest, 0)
    this.#holds(runs * RUN_BYTES)
    return true
  }

  /**
   * The writer has no memory any more: it comes before the pins. What is kept for none that goes on is freed at once, however long that
   * takes; if there was nothing of that kind, all pins of the region are broken. @returns false when there is nothing to give, or it is
   * this keeper that asks for memory.
   */
  givesWay(): boolean {
    if (this.#isOwn || !this.isHolding) return false
    const held = this.heldBytes
    while (!this.step());
    if (this.heldBytes < held) return true
    this.#owner.outOfMemory()
    while (!this.step());
    return true
  }

  // ---- freeing ----------------------------------------------------------------------------------------------------

  /** Frees a slice of what no pin needs any more, of some 0.1 ms. @returns true when all of that is freed. */
  step(): boolean {
    this.#isOwn = true
    const usedBefore = this.#arena.usedBytes
    try {
      let left = FREED_PER_STEP
      while (this.#ended.length > 0 && left > 0) {
        const era = this.#ended[0]!
        left -= this.#freeKept(era, Infinity, left)
        if (left > 0) left -= this.#freeEntries(era, left)
        if (left > 0) this.#ended.shift()
      }
      if (this.#era !== undefined && left > 0) left -= this.#freeKept(this.#era, this.#oldest, left)
      return left > 0
    } finally {
      this.#isOwn = false
      this.heldBytes -= usedBefore - this.#arena.usedBytes
    }
  }

  /** @returns how many things were freed. */
  #freeKept(era: Era, before: number, most: number): number {
    const { queue } = era
    const arena = this.#arena
    const isLive = era === this.#era
    let freed = 0
    let versions = 0
    while (freed < most && queue.first() && queue.epoch < before) {
      const { kind, address, version } = queue
      queue.removeFirst()
      freed++
      if (kind === KIND_BLOCK) arena.free(address)
      else if (kind === KIND_SPAN) arena.freeSpan(address)
      else {
        if (isLive) this.#cutChain(address)
        this.#unlinked[versions++] = version
      }
    }
    // All are unlinked before the first is freed: readers of later pins may just have come upon one, and ask once for all.
    if (isLive && versions > 0) this.#owner.unlinked()
    for (let i = 0; i < versions; i++) {
      const version = this.#unlinked[i]!
      this.#freePiece(arena.memory.i32[version >>> 28]![wordOf(version) + VERSION_COPY]!)
      arena.free(version)
    }
    return freed
  }

  /** Cuts the versions that are older than every pin off the chain of a block, which is still in use. */
  #cutChain(address: number): void {
    this.#locate(address, false)
    const entries = this.#entries
    const { i32 } = this.#arena.memory
    const oldest = this.#oldest
    let version = Atomics.load(entries, this.#entry)
    for (let isFirst = true; isVersion(version); isFirst = false) {
      const words = i32[version >>> 28]!
      const at = wordOf(version)
      if (isFirst && words[at + VERSION_EPOCH]! < oldest) {
        Atomics.store(entries, this.#entry, 0)
        return
      }
      // Readers are those of later epochs, which do not follow this link.
      if (words[at + VERSION_OLDER_EPOCH]! < oldest) {
        words[at + VERSION_OLDER_EPOCH] = 0
        words[at + VERSION_OLDER] = 0
        return
      }
      version = words[at + VERSION_OLDER]!
    }
  }

  #freePiece(address: number): void {
    if (pieceBytesOf(this.#arena.memory, address) === RUN_BYTES) this.#arena.freeSpan(address)
    else this.#arena.free(address)
  }

  /** Frees the index of an era that has ended. */
  #freeEntries(era: Era, most: number): number {
    const { memory } = this.#arena
    let freed = 0
    for (let run = era.runs.pop(); run !== undefined; run = era.runs.pop()) {
      const index = era.indexes[run >>> RUN_BITS]!
      const row = wordOf(index) + (run & (2 ** RUN_BITS - 1)) * INDEX_RUN_WORDS
      const entries = memory.i32[index >>> 28]![row + INDEX_ENTRIES_WORD]!
      this.#arena.free(entries)
      if (++freed === most) return freed
    }
    for (let segment = 0; segment < SEGMENTS_PER_REGION_MAX; segment++) {
      const index = era.indexes[segment]!
      if (index === 0) continue
      this.#freePiece(index)
      era.indexes[segment] = 0
    }
    return freed
  }

  // ---- keeping ----------------------------------------------------------------------------------------------------

  #holds(bytes: number): void {
    this.heldBytes += bytes
    this.#owner.kept(bytes)
  }

  #keep(address: number): void {
    this.#locate(address, true)
    const before = this.#entries[this.#entry]!
    const { memory } = this.#arena
    const epoch = isVersion(before) ? memory.i32[before >>> 28]![wordOf(before) + VERSION_EPOCH]! : before
    if (epoch >= this.#newest) return
    const bytes = this.#pieceBytes
    const start = pieceStartOf(address, bytes)
    this.#isOwn = true
    let copy = 0
    let version = 0
    try {
      copy = bytes === RUN_BYTES ? this.#arena.allocateSpan(bytes) : this.#arena.allocate(bytes)
      version = this.#arena.allocate(VERSION_BYTES)
    } catch (error) {
      if (copy !== 0) this.#freePiece(copy)
      throw error
    } finally {
      this.#isOwn = false
    }
    const { u8, views } = memory
    const from = byteOffsetOf(start)
    const to = byteOffsetOf(copy)
    copyBytes(u8[start >>> 28]!, views[start >>> 28]!, from, from + bytes, u8[copy >>> 28]!, views[copy >>> 28]!, to)
    const words = memory.i32[version >>> 28]!
    const at = wordOf(version)
    words[at + VERSION_EPOCH] = this.#newest
    words[at + VERSION_COPY] = copy
    words[at + VERSION_OLDER] = isVersion(before) ? before : 0
    words[at + VERSION_OLDER_EPOCH] = isVersion(before) ? epoch : 0
    // Only now may others find it, and only then may the caller change the block.
    Atomics.store(this.#entries, this.#entry, version)
    this.#owner.published()
    this.#era!.queue.push(KIND_VERSION, start, this.#newest, version)
    this.#holds(bytes + VERSION_BYTES)
  }

  /** Was the block allocated after all pins had begun, so that none knows it? */
  #isUnknown(address: number): boolean {
    this.#pieceBytes = pieceBytesOf(this.#arena.memory, address)
    if (!this.#locate(address, false)) return false
    const entry = this.#entries[this.#entry]!
    return !isVersion(entry) && entry >= this.#newest
  }

  /** Finds the entry of a block, or makes it. @returns false when there is none. */
  #locate(address: number, make: boolean): boolean {
    const { memory } = this.#arena
    const era = this.#era!
    const segment = address >>> 28
    const run = runOf(address)
    const bytes = pieceBytesOf(memory, address)
    if (era.indexes[segment] === 0) {
      if (!make) return false
      this.#makeIndex(era, segment)
    }
    const index = era.indexes[segment]!
    const rows = memory.i32[index >>> 28]!
    const row = wordOf(index) + run * INDEX_RUN_WORDS
    if (rows[row + INDEX_ENTRIES_WORD] === 0 || rows[row + INDEX_PIECE_WORD] !== bytes) {
      if (!make) return false
      this.#makeEntries(era, rows, row, segment, run, bytes)
    }
    const entries = rows[row + INDEX_ENTRIES_WORD]!
    this.#entries = memory.i32[entries >>> 28]!
    this.#entry = wordOf(entries) + pieceOf(address, bytes)
    this.#pieceBytes = bytes
    return true
  }

  #makeIndex(era: Era, segment: number): void {
    const index = this.#allocateZeroed(this.#arena.memory.runsIn(segment) * INDEX_RUN_WORDS * 4)
    era.indexes[segment] = index
    Atomics.store(this.#board, this.#boardAt + segment, index)
  }

  /** Entries of a run that has none, or had blocks of another size when it got them: none of those is known to a pin. */
  #makeEntries(era: Era, rows: Int32Array, row: number, segment: number, run: number, bytes: number): void {
    const made = this.#allocateZeroed(Math.max(VERSION_BYTES, Math.floor(RUN_BYTES / bytes) * 4))
    const before = rows[row + INDEX_ENTRIES_WORD]!
    rows[row + INDEX_PIECE_WORD] = bytes
    Atomics.store(rows, row + INDEX_ENTRIES_WORD, made)
    if (before === 0) era.runs.push((segment << RUN_BITS) | run)
    else {
      this.heldBytes -= pieceBytesOf(this.#arena.memory, before)
      this.#isOwn = true
      this.#arena.free(before)
      this.#isOwn = false
    }
  }

  #allocateZeroed(bytes: number): number {
    const { memory } = this.#arena
    this.#isOwn = true
    try {
      if (bytes > BLOCK_BYTES_MAX) {
        const span = this.#arena.allocateSpan(bytes)
        this.heldBytes += Math.ceil(bytes / RUN_BYTES) * RUN_BYTES
        return span
      }
      const made = this.#arena.allocate(bytes)
      this.heldBytes += pieceBytesOf(memory, made)
      memory.i32[made >>> 28]!.fill(0, wordOf(made), wordOf(made) + ((bytes + 3) >>> 2))
      return made
    } finally {
      this.#isOwn = false
    }
  }

  /** Without memory for copies no pin can go on; the writer can. */
  #giveUp(error: unknown): void {
    if (!(error instanceof KeyspaceError)) throw error
    this.#owner.outOfMemory()
  }
}

/** Address of the `run`-th run of a span. */
function pieceAddress(address: number, run: number): number {
  return address + run * (RUN_BYTES >>> 3)
}
