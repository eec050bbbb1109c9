/**
 * Pieces of a snapshot in shared memory, from the thread that makes it to the one that sends them: slots that are used in turn, so
 * that no more of a snapshot is ever in memory than they hold.
 *
 *   slots     | piece 4 | piece 5 | piece 2 | piece 3 |      piece n is in slot n modulo their number
 *                                      ▲ FREED = 2           WRITTEN = 6: the writer waits
 *
 *   control   int32 slots, each alone on 128 bytes so that the threads do not fight over a cache line:
 *     WRITTEN   pieces written                      by the writer
 *     FREED     pieces that nobody needs any more   by the reader
 *     GIVEN_UP  1: nobody wants the snapshot        by the reader
 *     WAKE      changes whenever the reader did     by the reader; the writer waits on it
 *   and behind them, per slot: the length of its piece, by the writer
 *
 * The reader never blocks: it is told of a piece by a message. The writer blocks in Atomics.wait.
 */
import { strict as assert } from 'node:assert'
import { copyRange, untouchedMemory } from '@understudy/core/saving'

const SLOT_INTS = 32
const WRITTEN = 0
const FREED = SLOT_INTS
const GIVEN_UP = 2 * SLOT_INTS
const WAKE = 3 * SLOT_INTS
const LENGTHS = 4 * SLOT_INTS

export const PIECE_BYTES_MAX: number = 256 << 10
export const PIECE_SLOTS = 16

/** Travels between threads. */
export interface PieceMemory {
  readonly slots: number
  readonly control: SharedArrayBuffer
  readonly data: SharedArrayBuffer
}

/** @param slots PIECE_SLOTS; 0: no pieces go out this way, the snapshot can only be given up. */
export function createPieces(slots: number): PieceMemory {
  return {
    slots,
    control: new SharedArrayBuffer((LENGTHS + slots) * 4),
    data: untouchedMemory(slots * PIECE_BYTES_MAX),
  }
}

/** The side of the thread that makes the snapshot. */
export class PieceWriter {
  readonly #slots: number
  readonly #control: Int32Array
  readonly #data: Uint8Array
  readonly #announce: () => void
  #written = 0

  /** @param announce tells the reader that there is a piece more. */
  constructor({ slots, control, data }: PieceMemory, announce: () => void) {
    this.#slots = slots
    this.#control = new Int32Array(control)
    this.#data = new Uint8Array(data, 0, data.byteLength)
    this.#announce = announce
  }

  get isGivenUp(): boolean {
    return Atomics.load(this.#control, GIVEN_UP) !== 0
  }

  /** Copies `bytes[start .. end)`, at most PIECE_BYTES_MAX, into the next slot; waits until one is free, or all is given up. */
  write(bytes: Uint8Array, start: number, end: number): void {
    assert(end - start <= PIECE_BYTES_MAX)
    for (;;) {
      // Loaded before anything else: whatever the reader does from here on changes it, and the wait returns at once.
      const wake = Atomics.load(this.#control, WAKE)
      if (this.isGivenUp) return
      if (this.#written - Atomics.load(this.#control, FREED) < this.#slots) break
      Atomics.wait(this.#control, WAKE, wake)
    }
    const slot = this.#written % this.#slots
    copyRange(bytes, start, end, this.#data, slot * PIECE_BYTES_MAX)
    this.#control[LENGTHS + slot] = end - start
    // Pairs with the load in `PieceReader.written`: the piece and its length are stored before the count that covers them.
    Atomics.store(this.#control, WRITTEN, ++this.#written)
    this.#announce()
  }
}

/** The side of the thread that sends them. */
export class PieceReader {
  readonly slots: number
  readonly #control: Int32Array
  readonly #data: SharedArrayBuffer

  constructor({ slots, control, data }: PieceMemory) {
    this.slots = slots
    this.#control = new Int32Array(control)
    this.#data = data
  }

  /** Pieces written so far. */
  get written(): number {
    return Atomics.load(this.#control, WRITTEN)
  }

  /** Piece `index`, written and not yet freed: shared memory, borrowed until it is freed. */
  piece(index: number): Buffer {
    const slot = index % this.slots
    return Buffer.from(this.#data, slot * PIECE_BYTES_MAX, this.#control[LENGTHS + slot])
  }

  /** Nobody needs the first `count` pieces any more. */
  free(count: number): void {
    // Pairs with the load in `PieceWriter.write`: the pieces were read before their slots are written again.
    if (Atomics.exchange(this.#control, FREED, count) !== count) this.#wake()
  }

  /** Nobody wants the rest. */
  giveUp(): void {
    Atomics.store(this.#control, GIVEN_UP, 1)
    this.#wake()
  }

  #wake(): void {
    Atomics.add(this.#control, WAKE, 1)
    Atomics.notify(this.#control, WAKE)
  }
}
