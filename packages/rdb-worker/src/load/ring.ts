/**
 * A ring of bytes in shared memory between the thread that receives a snapshot and the one that loads it.
 *
 *   data      | free | received, not yet taken | free |          capacity: a power of two
 *                    ▲ tail                    ▲ head            free-running counts modulo 2^32
 *
 *   control   int32 slots, each alone on 128 bytes so that the threads do not fight over a cache line:
 *     HEAD        bytes received, modulo 2^32        written by the producer
 *     WAKE        changes whenever the producer did  written by the producer, waited on by the consumer
 *     FLAGS       END, ABORT                         written by the producer
 *     TAIL        bytes taken, modulo 2^32           written by the consumer
 *     WANT_SPACE  1: the producer found no room      set by the producer, cleared by the consumer
 *   and int64 slots:
 *     LOADED_BYTES, LOADED_KEYS                      written by the consumer, for progress
 *
 * The producer never blocks: it is told about room by a message. The consumer blocks in Atomics.wait.
 */
import { strict as assert } from 'node:assert'
import { untouchedMemory } from '@understudy/core/loading'

const SLOT_INTS = 32
const HEAD = 0
const WAKE = SLOT_INTS
const FLAGS = 2 * SLOT_INTS
const TAIL = 3 * SLOT_INTS
const WANT_SPACE = 4 * SLOT_INTS
/** Nobody ever notifies on it: for sleeping. */
const SLEEP = 5 * SLOT_INTS
/** As indexes of a BigInt64Array. */
const LOADED_BYTES = (6 * SLOT_INTS) / 2
const LOADED_KEYS = LOADED_BYTES + 1
const CONTROL_BYTES = 7 * SLOT_INTS * 4

const FLAG_END = 1
const FLAG_ABORT = 2

export const RING_BYTES_DEFAULT: number = 8 << 20

/** Both buffers of a ring; travels between threads. The data may be growable: views are given a length. */
export interface RingMemory {
  readonly control: SharedArrayBuffer
  readonly data: SharedArrayBuffer
}

export function createRing(capacity: number = RING_BYTES_DEFAULT): RingMemory {
  assert(capacity >= 16 && capacity <= 2 ** 30 && (capacity & (capacity - 1)) === 0)
  return { control: new SharedArrayBuffer(CONTROL_BYTES), data: untouchedMemory(capacity) }
}

/** The receiving side. One per ring, one thread. */
export class RingProducer {
  readonly #control: Int32Array
  readonly #progress: BigInt64Array
  readonly #data: Uint8Array
  /** The producer is the only writer of HEAD, so it need not load it. */
  #head = 0

  constructor(memory: RingMemory) {
    this.#control = new Int32Array(memory.control)
    this.#progress = new BigInt64Array(memory.control)
    this.#data = new Uint8Array(memory.data, 0, memory.data.byteLength)
  }

  /** The next free bytes in one row, at most `limit`; undefined if there are none: the consumer will then tell. */
  writable(limit: number): Uint8Array | undefined {
    let free = this.#free()
    if (free === 0) {
      // Ask first, look again after: the consumer stores TAIL before it looks at WANT_SPACE, so one of the two sees the
      // other's store.
      Atomics.store(this.#control, WANT_SPACE, 1)
      free = this.#free()
      if (free === 0) return undefined
      Atomics.store(this.#control, WANT_SPACE, 0)
    }
    const at = this.#head & (this.#data.length - 1)
    return this.#data.subarray(at, at + Math.min(limit, free, this.#data.length - at))
  }

  /** Pairs with the store in `RingConsumer.release`: what was before TAIL has been read and may be overwritten. */
  #free(): number {
    return this.#data.length - ((this.#head - Atomics.load(this.#control, TAIL)) >>> 0)
  }

  produced(count: number): void {
    assert(count >= 0 && count <= this.#free(), 'more bytes were produced than there was room for')
    this.#head = (this.#head + count) | 0
    // Pairs with the load in `RingConsumer.wait`: the bytes are stored before the count that covers them.
    Atomics.store(this.#control, HEAD, this.#head)
    this.#wake()
  }

  end(): void {
    this.#raise(FLAG_END)
  }

  abort(): void {
    this.#raise(FLAG_ABORT)
  }

  #raise(flag: number): void {
    Atomics.or(this.#control, FLAGS, flag)
    this.#wake()
  }

  #wake(): void {
    Atomics.add(this.#control, WAKE, 1)
    Atomics.notify(this.#control, WAKE)
  }

  progress(): { loadedBytes: number; loadedKeys: number } {
    return {
      loadedBytes: Number(Atomics.load(this.#progress, LOADED_BYTES)),
      loadedKeys: Number(Atomics.load(this.#progress, LOADED_KEYS)),
    }
  }

  /** After the consumer has stopped: the bytes it did not take, where they are. */
  untaken(): Uint8Array[] {
    const tail = Atomics.load(this.#control, TAIL)
    const count = (this.#head - tail) >>> 0
    const at = tail & (this.#data.length - 1)
    const first = Math.min(count, this.#data.length - at)
    return [this.#data.subarray(at, at + first), this.#data.subarray(0, count - first)]
  }
}

export const RING_BYTES = 0
export const RING_ENDED = 1
export const RING_ABORTED = 2

/** The loading side. One per ring, one thread, which blocks. */
export class RingConsumer {
  /** After `wait()` returned RING_BYTES: `data[start .. end)` are there to be read. */
  readonly data: Uint8Array
  start = 0
  end = 0
  readonly #control: Int32Array
  readonly #progress: BigInt64Array
  readonly #onSpace: () => void
  #tail = 0

  /** @param onSpace tells the producer that there is room again */
  constructor(memory: RingMemory, onSpace: () => void) {
    this.#control = new Int32Array(memory.control)
    this.#progress = new BigInt64Array(memory.control)
    this.data = new Uint8Array(memory.data, 0, memory.data.byteLength)
    this.#onSpace = onSpace
  }

  /** Blocks until bytes are there, or none will come, or the load was given up. */
  wait(): typeof RING_BYTES | typeof RING_ENDED | typeof RING_ABORTED {
    for (;;) {
      // Loaded before anything else: whatever the producer does from here on changes it, and the wait returns at once.
      const wake = Atomics.load(this.#control, WAKE)
      const flags = Atomics.load(this.#control, FLAGS)
      if ((flags & FLAG_ABORT) !== 0) return RING_ABORTED
      const count = (Atomics.load(this.#control, HEAD) - this.#tail) >>> 0
      if (count > 0) {
        this.start = this.#tail & (this.data.length - 1)
        this.end = Math.min(this.data.length, this.start + count)
        return RING_BYTES
      }
      if ((flags & FLAG_END) !== 0) return RING_ENDED
      Atomics.wait(this.#control, WAKE, wake)
    }
  }

  /** `count` bytes from `start` on were copied away. */
  release(count: number): void {
    this.start += count
    this.#tail = (this.#tail + count) | 0
    Atomics.store(this.#control, TAIL, this.#tail)
    if (Atomics.load(this.#control, WANT_SPACE) === 0) return
    // A quarter at least, so that a fast producer is not woken for every piece.
    const taken = (Atomics.load(this.#control, HEAD) - this.#tail) >>> 0
    if (this.data.length - taken < this.data.length / 4) return
    if (Atomics.exchange(this.#control, WANT_SPACE, 0) === 1) this.#onSpace()
  }

  aborted(): boolean {
    return (Atomics.load(this.#control, FLAGS) & FLAG_ABORT) !== 0
  }

  /** Sleeps. The producer does not end it: ask `aborted()` between short ones. */
  sleep(milliseconds: number): void {
    Atomics.wait(this.#control, SLEEP, 0, milliseconds)
  }

  setProgress(loadedBytes: number, loadedKeys: number): void {
    Atomics.store(this.#progress, LOADED_BYTES, BigInt(loadedBytes))
    Atomics.store(this.#progress, LOADED_KEYS, BigInt(loadedKeys))
  }
}
