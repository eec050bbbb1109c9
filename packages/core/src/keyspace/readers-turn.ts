/**
 * How readers that keep failing get a moment in which the writer changes nothing, so that a shard that is written all the time
 * cannot starve them. One word of the control block:
 *
 * ```
 * bits 0 … 11   how many readers ask and are not done
 * bit  12       it is their turn: the writer stays out
 * bits 13 … 31  number of the turn that is given or comes next
 * ```
 *
 * A reader adds itself and waits for the bit; when it is done it takes itself off. The writer looks at the end of each unit:
 * if anybody asks it sets the bit and waits until nobody does, for 1 ms at most, or 4 behind a long unit. Then the number grows and everybody is
 * off: a request belongs to one turn. So a reader that is done early does not end the turn of another; one whose thread has
 * ended costs the writer one moment and not one per unit; and a living one, which finds its number gone, asks again.
 *
 * Nor can readers starve the writer: behind a turn it works for twice as long before it gives another.
 */
import { C_READERS_TURN } from './layout.ts'

const ASKING = 0xfff
const TURN = 0x1000
const NUMBER_SHIFT = 13

/** Longest that the writer stays out, milliseconds. */
const TURN_MS_MAX = 4
/** Given in any case; and how long a reader waits for one before it tries again. */
const TURN_MS_MIN = 1

/** Of the writer's time, as multiples of the turn before: how long it works before it gives another. */
const WORK_PER_TURN = 2
/** And of the turn that follows: who has waited for all of a long group is not to miss his turn and wait for all of the next. */
const WORK_PER_LONG_TURN = 4

/** Is anybody asking? */
export function readersAsk(control: Int32Array): boolean {
  return (Atomics.load(control, C_READERS_TURN) & ASKING) !== 0
}

/** The turns that one writer gives. */
export class ReadersTurns {
  #endedMs = 0
  #nextMs = 0

  /** Writer, outside of units: stays out if anybody asks and the last turn is long enough ago. */
  giveIfAsked(control: Int32Array): void {
    // A plain load first: at the end of each unit, an atomic one costs as much as entering a shard. Who is missed now is seen next time.
    if ((control[C_READERS_TURN]! & ASKING) === 0 || !readersAsk(control)) return
    const beganMs = performance.now()
    if (beganMs < this.#nextMs) return
    const workedMs = beganMs - this.#endedMs
    giveTurn(control, Math.min(TURN_MS_MAX, Math.max(TURN_MS_MIN, workedMs / WORK_PER_LONG_TURN)))
    this.#endedMs = performance.now()
    this.#nextMs = this.#endedMs + (this.#endedMs - beganMs) * WORK_PER_TURN
  }
}

/** Writer, outside of units: stays out until nobody asks, or `turnMs` are over. */
export function giveTurn(control: Int32Array, turnMs: number): void {
  const number = Atomics.or(control, C_READERS_TURN, TURN) >>> NUMBER_SHIFT
  // Readers begin when they hear of it, so that they have the whole moment.
  Atomics.notify(control, C_READERS_TURN)
  const endMs = performance.now() + turnMs
  for (;;) {
    const word = Atomics.load(control, C_READERS_TURN)
    const leftMs = endMs - performance.now()
    if ((word & ASKING) === 0 || leftMs <= 0) break
    if (Atomics.wait(control, C_READERS_TURN, word, leftMs) === 'timed-out') break
  }
  // Who adds himself right now is lost, and notices by the number.
  Atomics.store(control, C_READERS_TURN, (number + 1) << NUMBER_SHIFT)
  Atomics.notify(control, C_READERS_TURN)
}

/** One reader's requests. */
export class TurnRequest {
  /** Where it asked last; undefined: nowhere. */
  #control: Int32Array | undefined
  #number = 0

  /** Asks for a turn, unless it does already, and waits until it has come: TURN_MS_MIN at most. */
  ask(control: Int32Array): void {
    if (this.#control !== control || Atomics.load(control, C_READERS_TURN) >>> NUMBER_SHIFT !== this.#number) {
      this.#control = control
      this.#number = Atomics.add(control, C_READERS_TURN, 1) >>> NUMBER_SHIFT
    }
    const endMs = performance.now() + TURN_MS_MIN
    for (;;) {
      const word = Atomics.load(control, C_READERS_TURN)
      const leftMs = endMs - performance.now()
      if ((word & TURN) !== 0 || word >>> NUMBER_SHIFT !== this.#number || leftMs <= 0) return
      Atomics.wait(control, C_READERS_TURN, word, leftMs)
    }
  }

  /** The reads have come to an end: the writer need not wait for this reader. */
  withdraw(): void {
    const control = this.#control
    if (control === undefined) return
    this.#control = undefined
    for (;;) {
      const word = Atomics.load(control, C_READERS_TURN)
      if (word >>> NUMBER_SHIFT !== this.#number || (word & ASKING) === 0) return
      if (Atomics.compareExchange(control, C_READERS_TURN, word, word - 1) !== word) continue
      if ((word & ASKING) === 1) Atomics.notify(control, C_READERS_TURN)
      return
    }
  }
}
