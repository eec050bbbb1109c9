/**
 * Tells the function of a timer whether its thread was busy with something else until now (a long command, SAVE, DEBUG DIGEST). Node runs
 * timers that are due before it reads from sockets, so whoever has to have been heard of within some time would be judged while what he
 * sent waits to be read: by the next run it was.
 */

/** So late is late: far more than what slices of work take, far less than what anybody is given to be heard of. */
const LATE_MS = 1000

export class TimerLateness {
  /** Whether the first run is in time nobody knows. */
  #beforeMs = Number.NEGATIVE_INFINITY

  /** To be asked once in each run of the timer. @param nowMs monotonic */
  isLate(nowMs: number): boolean {
    const isLate = nowMs - this.#beforeMs > LATE_MS
    this.#beforeMs = nowMs
    return isLate
  }
}
