/**
 * Who comes first: the thread that is about to give a snapshot its name, or the one that does not want it any more. Between the
 * two, one word of shared memory.
 *
 *   open ──enter()──► naming ──leave()──► named          the saving thread
 *     └──cancel()──► cancelled                           the other one; waits while it is naming
 */
const OPEN = 0
const NAMING = 1
const NAMED = 2
const CANCELLED = 3

/** Giving a name takes a call or two; a disk that hangs in it is not waited for any longer. */
const NAMING_MS_MAX = 5000

export class SaveGate {
  readonly #word: Int32Array

  /** @param memory of four bytes, zeroed. */
  constructor(memory: SharedArrayBuffer) {
    this.#word = new Int32Array(memory)
  }

  /** @returns false when it was cancelled: the snapshot must not get its name. */
  enter(): boolean {
    return Atomics.compareExchange(this.#word, 0, OPEN, NAMING) === OPEN
  }

  get isCancelled(): boolean {
    return Atomics.load(this.#word, 0) === CANCELLED
  }

  leave(): void {
    Atomics.store(this.#word, 0, NAMED)
    Atomics.notify(this.#word, 0)
  }

  /** When this returns, the snapshot has its name or gets none. Blocks for as long as that takes. */
  cancel(): void {
    if (Atomics.compareExchange(this.#word, 0, OPEN, CANCELLED) !== NAMING) return
    Atomics.wait(this.#word, 0, NAMING, NAMING_MS_MAX)
  }
}
