/**
 * How much of the primary's bytes one turn of the event loop may take: at most TURN_BYTES_MAX of them, for at most
 * TURN_MS_MAX, counted from the first bytes of the turn on. Then others have theirs.
 */
import { TURN_BYTES_MAX, TURN_MS_MAX } from '@understudy/core/internal'

export class TurnBudget {
  #bytes = 0
  #beganMs = 0
  #end: NodeJS.Immediate | undefined

  /** Bytes came. @param nowMs the link's clock */
  spend(bytes: number, nowMs: number): void {
    this.#bytes += bytes
    if (this.#end !== undefined) return
    this.#beganMs = nowMs
    this.#end = setImmediate(() => {
      this.#end = undefined
      this.#bytes = 0
    })
  }

  /** This turn has brought as many bytes as it may. */
  get isSpent(): boolean {
    return this.#bytes >= TURN_BYTES_MAX
  }

  /** Milliseconds that are left of this turn. */
  msLeft(nowMs: number): number {
    return Math.max(TURN_MS_MAX - (this.#end === undefined ? 0 : nowMs - this.#beganMs), 0)
  }

  stop(): void {
    clearImmediate(this.#end)
  }
}
