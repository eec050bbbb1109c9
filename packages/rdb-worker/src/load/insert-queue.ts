/**
 * Entries on their way from the thread that scans a snapshot to one that inserts them: a ring of chunks in shared memory.
 * Knows nothing of hashes or regions.
 *
 *   data      | chunk 0 | chunk 1 | … | chunk 15 |       chunk n stands at n modulo CHUNKS
 *   chunk     | words used by rows | float64: base of values' places | rows, 48 bytes each … free … | bytes of keys and values |
 *               word 0               words 2, 3                        words 12 …                   CHUNK_ROWS_BYTES …
 *   row       int32 words
 *               0  [ frequency + 1 : 16 | kind : 8 | RDB type : 8 ]
 *               1  database
 *               2  key start    3  key end       bytes in `data`
 *               4  value start  5  value end     bytes in `data`
 *               6  idle seconds, -1: not told
 *               7  hashOrder    8  hashTag
 *               9  where the value begins in the snapshot, from the chunk's base on; -1: the value is checked
 *              10  float64: expireAtMs, -1: none; of a HINT the number of keys
 *
 *   control   int32 slots, each alone on 128 bytes:
 *     HEAD        chunks given, modulo 2^32            written by the scanner
 *     WAKE        changes whenever the scanner did     written by the scanner and the pool, waited on by the inserter
 *     FLAGS       JOINED, END; STOP                    set by the scanner; by the pool
 *     TAIL        chunks taken, modulo 2^32            written by the inserter
 *     NEWS        changes whenever the inserter did    written by the inserter and the pool, waited on by the scanner
 *     STATE       STARTING ► READY ► DONE or FAILED; GONE   written by the inserter; by the pool when its thread is gone
 *
 * Both sides block in Atomics.wait, and both are woken by the pool when the other one has died: neither waits for ever.
 */
import { strict as assert } from 'node:assert'
import { copyBytes, untouchedMemory, viewOf } from '@understudy/core/loading'

const SLOT_INTS = 32
const HEAD = 0
const WAKE = SLOT_INTS
const FLAGS = 2 * SLOT_INTS
const TAIL = 3 * SLOT_INTS
const NEWS = 4 * SLOT_INTS
const STATE = 5 * SLOT_INTS
const CONTROL_BYTES = 6 * SLOT_INTS * 4

const FLAG_JOINED = 1
const FLAG_END = 2
const FLAG_STOP = 4

/** The thread is being started. */
const INSERTER_STARTING = 0
/** It waits for its regions. */
export const INSERTER_READY = 1
/** It has sent its segments. */
export const INSERTER_DONE = 2
/** It has sent an error. */
export const INSERTER_FAILED = 3
/** Its thread does not exist any more, or works for somebody else. */
const INSERTER_GONE = 4

const CHUNKS = 16
const CHUNK_BYTES: number = 128 << 10
const CHUNK_WORDS: number = CHUNK_BYTES >> 2
const DATA_BYTES: number = CHUNKS * CHUNK_BYTES
const ROW_WORDS = 12
/** Float64 index in a chunk: the byte of the snapshot from which the places of its unchecked values are counted. */
const CHUNK_BASE = 1
/** A third for rows: keys and values of 85 bytes fill both parts at once. */
const CHUNK_ROWS_BYTES: number = 48 * 960
/** Longest row, key and value together. */
export const ENTRY_BYTES_MAX: number = CHUNK_BYTES - CHUNK_ROWS_BYTES

/** The furthest from a chunk's base that the value of a row may begin. */
const PLACE_MAX = 0x7fff_ffff

/** A whole entry. */
export const ROW_PUT = 0
/** RESIZEDB: how many keys to expect in the database. */
export const ROW_HINT = 1
/** A piece of a key that is too long for a chunk: belongs to the PUT or BEGIN that follows. */
export const ROW_KEY = 2
/** An entry whose value comes in pieces, APPEND by APPEND, up to END or DROP. */
export const ROW_BEGIN = 3
export const ROW_APPEND = 4
export const ROW_END = 5
/** The value that came in pieces has no elements. */
export const ROW_DROP = 6

/** Both buffers of a queue; travels between threads. The data are growable: views are given a length. */
export interface InsertQueueMemory {
  readonly control: SharedArrayBuffer
  readonly data: SharedArrayBuffer
}

export function createInsertQueue(): InsertQueueMemory {
  return {
    control: new SharedArrayBuffer(CONTROL_BYTES),
    data: untouchedMemory(DATA_BYTES),
  }
}

/** The scanning side. One per queue, one thread, which blocks while all chunks are full. */
export class InsertQueueProducer {
  /** Of the next row's value, as `RdbSink.uncheckedAt`; -1 again after `push`. */
  uncheckedAt = -1
  /** More than half of the chunks waited when the last one was given: the inserter is the slower of the two. */
  isLong = false
  readonly #control: Int32Array
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #words: Int32Array
  readonly #times: Float64Array
  /** The scanner is the only writer of HEAD, so it need not load it. */
  #head = 0
  #joined = false
  /** Word index of the chunk being filled, of its next row and of the end of its rows; byte index of its free bytes, and their end. */
  #chunk = 0
  #row = 0
  #rowEnd = 0
  #at = 0
  #end = 0
  /** The chunk's base, -1: none yet. */
  #base = -1

  constructor(memory: InsertQueueMemory) {
    this.#control = new Int32Array(memory.control)
    this.#bytes = new Uint8Array(memory.data, 0, DATA_BYTES)
    this.#view = new DataView(memory.data, 0, DATA_BYTES)
    this.#words = new Int32Array(memory.data, 0, DATA_BYTES >> 2)
    this.#times = new Float64Array(memory.data, 0, DATA_BYTES >> 3)
    this.#open()
  }

  /** Waits until the inserter is up, or is known not to come. */
  waitUntilUp(): void {
    for (;;) {
      const news = Atomics.load(this.#control, NEWS)
      if (this.state !== INSERTER_STARTING) return
      Atomics.wait(this.#control, NEWS, news)
    }
  }

  /** Is there somebody to take regions, who has none yet? */
  get joinable(): boolean {
    return !this.#joined && Atomics.load(this.#control, STATE) === INSERTER_READY
  }

  /** What the inserter needs to begin was sent to its port. */
  join(): void {
    this.#joined = true
    this.#raise(FLAG_JOINED)
  }

  get joined(): boolean {
    return this.#joined
  }

  /**
   * Adds a row, and the bytes of its key and value, at most ENTRY_BYTES_MAX together.
   * @returns false: the inserter is not there any more (`state`), and the row is lost
   */
  push(
    kind: number,
    order: number,
    tag: number,
    db: number,
    rdbType: number,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
    time: number,
    idleSeconds: number,
    freq: number,
  ): boolean {
    const bytes = keyEnd - keyStart + (valueEnd - valueStart)
    const { uncheckedAt } = this
    if (uncheckedAt >= 0 && this.#base === -1) this.#setBase(uncheckedAt)
    if (this.#row === this.#rowEnd || this.#at + bytes > this.#end || uncheckedAt - this.#base > PLACE_MAX) {
      assert.ok(bytes <= ENTRY_BYTES_MAX)
      if (!this.publish()) return false
      if (uncheckedAt >= 0) this.#setBase(uncheckedAt)
    }
    const words = this.#words
    const row = this.#row
    const keyAt = this.#at
    const valueAt = keyAt + (keyEnd - keyStart)
    copyBytes(key, viewOf(key), keyStart, keyEnd, this.#bytes, this.#view, keyAt)
    copyBytes(value, viewOf(value), valueStart, valueEnd, this.#bytes, this.#view, valueAt)
    words[row] = ((freq + 1) << 16) | (kind << 8) | rdbType
    words[row + 1] = db
    words[row + 2] = keyAt
    words[row + 3] = valueAt
    words[row + 4] = valueAt
    words[row + 5] = keyAt + bytes
    words[row + 6] = Math.min(idleSeconds, 0x7fff_ffff)
    words[row + 7] = order
    words[row + 8] = tag
    words[row + 9] = uncheckedAt < 0 ? -1 : uncheckedAt - this.#base
    this.uncheckedAt = -1
    this.#times[(row + 10) >>> 1] = time
    this.#row = row + ROW_WORDS
    this.#at = keyAt + bytes
    return true
  }

  /** Gives the chunk away, unless it is empty, and waits for a free one. @returns false as `push` */
  publish(): boolean {
    const control = this.#control
    const rows = this.#chunk + ROW_WORDS
    if (this.#row > rows) {
      this.#words[this.#chunk] = this.#row - rows
      this.#head = (this.#head + 1) | 0
      // Pairs with the load in `InsertQueueConsumer.next`: the rows are stored before the count that covers them.
      Atomics.store(control, HEAD, this.#head)
      this.#wake()
      for (;;) {
        // Loaded before anything else: whatever the inserter does from here on changes it, and the wait returns at once.
        const news = Atomics.load(control, NEWS)
        if (Atomics.load(control, STATE) !== INSERTER_READY) return false
        // Pairs with the store in `InsertQueueConsumer.release`: the chunk was read and may be overwritten.
        const filled = (this.#head - Atomics.load(control, TAIL)) | 0
        this.isLong = filled > CHUNKS / 2
        if (filled < CHUNKS) break
        Atomics.wait(control, NEWS, news)
      }
      this.#open()
    }
    return Atomics.load(control, STATE) === INSERTER_READY
  }

  /** Nothing more will come. */
  end(): void {
    this.publish()
    this.#raise(FLAG_END)
  }

  /** After `end()`: waits until the inserter is through with everything. @returns its last state */
  waitForEnd(): number {
    for (;;) {
      const news = Atomics.load(this.#control, NEWS)
      const { state } = this
      if (state !== INSERTER_READY) return state
      Atomics.wait(this.#control, NEWS, news)
    }
  }

  get state(): number {
    return Atomics.load(this.#control, STATE)
  }

  #setBase(uncheckedAt: number): void {
    this.#base = uncheckedAt
    this.#times[(this.#chunk >>> 1) + CHUNK_BASE] = uncheckedAt
  }

  #open(): void {
    this.#base = -1
    this.#chunk = (this.#head & (CHUNKS - 1)) * CHUNK_WORDS
    this.#row = this.#chunk + ROW_WORDS
    this.#rowEnd = this.#chunk + Math.floor(CHUNK_ROWS_BYTES / 4 / ROW_WORDS) * ROW_WORDS
    this.#at = (this.#chunk << 2) + CHUNK_ROWS_BYTES
    this.#end = (this.#chunk << 2) + CHUNK_BYTES
  }

  #raise(flag: number): void {
    Atomics.or(this.#control, FLAGS, flag)
    this.#wake()
  }

  #wake(): void {
    Atomics.add(this.#control, WAKE, 1)
    Atomics.notify(this.#control, WAKE)
  }
}

export const QUEUE_CHUNK = 0
export const QUEUE_ENDED = 1
export const QUEUE_STOPPED = 2

/** The inserting side. One per queue, one thread, which blocks. */
export class InsertQueueConsumer {
  readonly bytes: Uint8Array
  // The row that `open` shows.
  kind = 0
  rdbType = 0
  db = 0
  keyStart = 0
  keyEnd = 0
  valueStart = 0
  valueEnd = 0
  time = 0
  idleSeconds = 0
  freq = 0
  order = 0
  tag = 0
  /** As `RdbSink.uncheckedAt`. */
  uncheckedAt = -1
  readonly #control: Int32Array
  readonly #words: Int32Array
  readonly #times: Float64Array
  #tail = 0

  constructor(memory: InsertQueueMemory) {
    this.#control = new Int32Array(memory.control)
    this.bytes = new Uint8Array(memory.data, 0, DATA_BYTES)
    this.#words = new Int32Array(memory.data, 0, DATA_BYTES >> 2)
    this.#times = new Float64Array(memory.data, 0, DATA_BYTES >> 3)
  }

  /** Tells the scanner where this side stands. */
  setState(state: number): void {
    // The pool may have said GONE meanwhile: that stays.
    const before = Atomics.load(this.#control, STATE)
    if (before !== INSERTER_GONE) Atomics.compareExchange(this.#control, STATE, before, state)
    wakeScanner(this.#control)
  }

  /** Blocks until the scanner has given regions. @returns false: the load is over before it came to that */
  waitForJoin(): boolean {
    for (;;) {
      const wake = Atomics.load(this.#control, WAKE)
      const flags = Atomics.load(this.#control, FLAGS)
      if ((flags & FLAG_STOP) !== 0) return false
      if ((flags & FLAG_JOINED) !== 0) return true
      Atomics.wait(this.#control, WAKE, wake)
    }
  }

  /** Blocks until a chunk is there, or none will come, or the load was given up. */
  next(): typeof QUEUE_CHUNK | typeof QUEUE_ENDED | typeof QUEUE_STOPPED {
    for (;;) {
      const wake = Atomics.load(this.#control, WAKE)
      const flags = Atomics.load(this.#control, FLAGS)
      if ((flags & FLAG_STOP) !== 0) return QUEUE_STOPPED
      if (Atomics.load(this.#control, HEAD) !== this.#tail) return QUEUE_CHUNK
      if ((flags & FLAG_END) !== 0) return QUEUE_ENDED
      Atomics.wait(this.#control, WAKE, wake)
    }
  }

  /** After `next()` returned QUEUE_CHUNK: word indexes of its rows, `for (let row = first; row < end; row += ROW_STRIDE)`. */
  get firstRow(): number {
    return (this.#tail & (CHUNKS - 1)) * CHUNK_WORDS + ROW_WORDS
  }

  get rowsEnd(): number {
    return this.firstRow + this.#words[(this.#tail & (CHUNKS - 1)) * CHUNK_WORDS]!
  }

  open(row: number): void {
    const words = this.#words
    const word0 = words[row]!
    this.rdbType = word0 & 0xff
    this.kind = (word0 >>> 8) & 0xff
    this.freq = (word0 >>> 16) - 1
    this.db = words[row + 1]!
    this.keyStart = words[row + 2]!
    this.keyEnd = words[row + 3]!
    this.valueStart = words[row + 4]!
    this.valueEnd = words[row + 5]!
    this.idleSeconds = words[row + 6]!
    this.order = words[row + 7]!
    this.tag = words[row + 8]!
    const place = words[row + 9]!
    this.uncheckedAt =
      place < 0 ? -1 : this.#times[(((this.#tail & (CHUNKS - 1)) * CHUNK_WORDS) >>> 1) + CHUNK_BASE]! + place
    this.time = this.#times[(row + 10) >>> 1]!
  }

  /** Nobody looks at the chunk any more. */
  release(): void {
    this.#tail = (this.#tail + 1) | 0
    Atomics.store(this.#control, TAIL, this.#tail)
    // A scanner that waits has filled all chunks: woken for each of them, the threads would change places at every one.
    if (((Atomics.load(this.#control, HEAD) - this.#tail) | 0) <= CHUNKS / 2) wakeScanner(this.#control)
  }
}

export const ROW_STRIDE: number = ROW_WORDS

/** The pool's side: what it does when one of the threads has come to its end, in any way. */
export class InsertQueueGuard {
  readonly #control: Int32Array

  constructor(memory: InsertQueueMemory) {
    this.#control = new Int32Array(memory.control)
  }

  /** It was not heard of yet. */
  get starting(): boolean {
    return Atomics.load(this.#control, STATE) === INSERTER_STARTING
  }

  /** The scanner is through, or dead: the inserter shall let go. Harmless when it has. */
  stop(): void {
    Atomics.or(this.#control, FLAGS, FLAG_STOP)
    Atomics.add(this.#control, WAKE, 1)
    Atomics.notify(this.#control, WAKE)
  }

  /** The inserter's thread is through, or dead. What it said last stays, if it was the end. */
  gone(): void {
    Atomics.compareExchange(this.#control, STATE, INSERTER_STARTING, INSERTER_GONE)
    Atomics.compareExchange(this.#control, STATE, INSERTER_READY, INSERTER_GONE)
    wakeScanner(this.#control)
  }
}

function wakeScanner(control: Int32Array): void {
  Atomics.add(control, NEWS, 1)
  Atomics.notify(control, NEWS)
}
