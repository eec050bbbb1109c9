/**
 * When to try again. A lost link is tried again at once, because a small backlog lasts milliseconds; only an attempt
 * that failed makes the next one wait: 1 s, 2 s, 4 s, 8 s, 10 s, with jitter downwards so that replicas of one primary
 * do not come back together. A success starts the row anew.
 *
 * A primary that accepts and drops us over and over would be asked without a pause; so a few links in a row that did
 * not live for a second count as a failure.
 *
 * A stream that cannot be followed costs the primary a snapshot for each new attempt, and most of these end as the one before: that the
 * snapshot was loaded starts no row anew, only a link that went on for a minute does.
 */
export const RECONNECT_FIRST_MS = 1000
export const RECONNECT_MS_MAX = 10_000
/** Up to this part of the delay is taken off at random. */
export const RECONNECT_JITTER = 0.2
export const SHORT_LIFE_MS = 1000
export const SHORT_LIVES_MAX = 5
/** A link that lived so long had a stream that can be followed. */
export const FOLLOWED_MS_MIN = 60_000

export class ReconnectPolicy {
  readonly #random: () => number
  #failures = 0
  #shortLives = 0
  #unfollowable = 0

  /** @param random [0, 1); tests pass a seeded one. */
  constructor(random: () => number) {
    this.#random = random
  }

  /** @returns milliseconds to wait after an attempt that did not lead to a working link. */
  delayAfterFailure(): number {
    return this.#delay(this.#failures++)
  }

  /** @returns milliseconds to wait after a link that had worked for `livedMs`, and whose stream cannot be followed any further. */
  delayAfterUnfollowable(livedMs: number): number {
    if (livedMs >= FOLLOWED_MS_MIN) this.#unfollowable = 0
    return this.#delay(this.#unfollowable++)
  }

  /** @returns milliseconds to wait after losing a link that had worked for `livedMs`: 0, unless it keeps happening. */
  delayAfterLoss(livedMs: number): number {
    this.#shortLives = livedMs < SHORT_LIFE_MS ? this.#shortLives + 1 : 0
    return this.#shortLives > SHORT_LIVES_MAX ? this.delayAfterFailure() : 0
  }

  /** The link works. */
  succeeded(): void {
    if (this.#shortLives <= SHORT_LIVES_MAX) this.#failures = 0
  }

  /** Another primary: nothing is known about it. */
  reset(): void {
    this.#failures = 0
    this.#shortLives = 0
    this.#unfollowable = 0
  }

  #delay(failures: number): number {
    const delayMs = Math.min(RECONNECT_FIRST_MS * 2 ** Math.min(failures, 10), RECONNECT_MS_MAX)
    return Math.round(delayMs * (1 - RECONNECT_JITTER * this.#random()))
  }
}
