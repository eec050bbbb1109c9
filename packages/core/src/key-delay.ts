/**
 * key-load-delay and rdb-key-save-delay: time that is taken with every key, for tests that need a load or a snapshot to be under
 * way for long.
 */

/** Sleeps are as long as this, so that one sleep serves many keys and whoever sleeps looks around soon. */
const SLEEP_MS = 5

export class KeyDelay {
  readonly #perKeyMs: number
  readonly #sleep: (milliseconds: number) => void
  #owedMs = 0

  /**
   * @param delayMicros microseconds per key; negative: that many keys per microsecond, as redis 7.0 debug.c debugDelay()
   * @param sleep blocks the thread for that many milliseconds; may throw to end the work
   */
  constructor(delayMicros: number, sleep: (milliseconds: number) => void) {
    this.#perKeyMs = (delayMicros < 0 ? 1 / -delayMicros : delayMicros) / 1000
    this.#sleep = sleep
  }

  /** For each key once. */
  pause(): void {
    this.#owedMs += this.#perKeyMs
    while (this.#owedMs >= SLEEP_MS) {
      this.#sleep(SLEEP_MS)
      this.#owedMs -= SLEEP_MS
    }
  }
}

const never = new Int32Array(new SharedArrayBuffer(4))

/** Blocks the thread. */
export function sleepHere(milliseconds: number): void {
  Atomics.wait(never, 0, 0, milliseconds)
}
