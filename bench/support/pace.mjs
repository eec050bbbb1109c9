/** How many of something are due that is to happen so often a second. */
import { performance } from 'node:perf_hooks'

export class Pace {
  #perSecond
  #lastMs = performance.now()
  #due = 0

  /** @param {number} perSecond */
  constructor(perSecond) {
    this.#perSecond = perSecond
  }

  /**
   * @param {number} room So many at most: what a server cannot take is not made up for later.
   * @param {number} [atOnce]
   * @returns {number} How many times `atOnce` of them are due now.
   */
  take(room, atOnce = 1) {
    const nowMs = performance.now()
    this.#due += ((nowMs - this.#lastMs) / 1000) * this.#perSecond
    this.#lastMs = nowMs
    this.#due = Math.min(this.#due, Math.max(0, room))
    const times = Math.floor(this.#due / atOnce)
    this.#due -= times * atOnce
    return times
  }
}
