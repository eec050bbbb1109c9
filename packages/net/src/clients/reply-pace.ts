/**
 * How a client takes its long reply. Who takes nothing may have to give way to others who wait for a pin (`reply-pins.ts`), and each is
 * measured by its own pace: between a client and this process lie buffers of the system of some megabytes, so one that reads slowly and steadily
 * takes much at once, after a long pause.
 */

/** A pause that everybody is let have, in milliseconds. */
const PAUSE_MS = 2000
/** A client that has ended a pause by itself is let have one so many times as long, up to a bound in milliseconds. */
const PAUSE_GROWTH = 3
const PAUSE_MS_MAX = 30_000

export class ReplyPace {
  #allowedMs = PAUSE_MS
  #pausedMs = 0
  #hasTaken = false
  #queuedBytes = 0

  /** It has taken all that it was given, or none of the delay is its own. */
  took(): void {
    this.#hasTaken = true
  }

  /**
   * Call it now and then. Time in which nobody called, because the thread was busy, is not counted against the client.
   * @param elapsedMs between two calls. @param queuedBytes given to the system, which has not taken them yet
   */
  tick(elapsedMs: number, queuedBytes: number): void {
    if (this.#hasTaken || queuedBytes < this.#queuedBytes) {
      this.#allowedMs = Math.max(this.#allowedMs, Math.min(this.#pausedMs * PAUSE_GROWTH, PAUSE_MS_MAX))
      this.#pausedMs = 0
    } else this.#pausedMs += elapsedMs
    this.#hasTaken = false
    this.#queuedBytes = queuedBytes
  }

  /** How long it has taken nothing, in proportion to what it is let have: from 1 on it may have to give way. */
  get overdue(): number {
    return this.#pausedMs / this.#allowedMs
  }
}
