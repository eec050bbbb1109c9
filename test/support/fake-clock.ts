/** Time that stands still until a test moves it. */
import type { Clock } from '@understudy/core/internal'

export class FakeClock implements Clock {
  #monotonicMs: number
  #wallMs: number

  /** Defaults are odd numbers on purpose, so that a mixed-up clock shows. */
  constructor(start: { monotonicMs?: number; wallMs?: number } = {}) {
    this.#monotonicMs = start.monotonicMs ?? 12_345
    this.#wallMs = start.wallMs ?? 1_700_000_000_000
  }

  monotonicMs(): number {
    return this.#monotonicMs
  }

  wallMs(): number {
    return this.#wallMs
  }

  /** Both clocks go on by `ms`, 0 or more. */
  advance(ms: number): void {
    if (!(ms >= 0)) throw new RangeError(`advance(${ms}): time does not go back; see jumpWall()`)
    this.#monotonicMs += ms
    this.#wallMs += ms
  }

  /** Somebody sets the machine's clock: the wall clock jumps, either way; the monotonic one does not notice. */
  jumpWall(ms: number): void {
    this.#wallMs += ms
  }
}
