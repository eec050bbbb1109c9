/**
 * The time after a full resync in which the stream that came meanwhile is applied: the connection is still read into the
 * queue, and the stream takes from the other end, a turn's worth at a time, until nothing waits any more.
 *
 *     stream ◄── what the load has left ◄── queue ◄── connection
 */
import { type CommandStream, TURN_BYTES_MAX } from '@understudy/core/internal'
import type { SpillQueue } from './spill-queue.ts'

export class CatchUp {
  readonly queue: SpillQueue
  /** The stream has not used up what it was given last. */
  isStreamBusy = false
  /** What stands before the queue: megabytes, in memory that is there already. */
  readonly #before: Uint8Array[]
  #beforeBytes: number
  readonly #startedMs: number
  readonly #startedBytes: number
  readonly #startedBeforeBytes: number

  /** @param before @param queue what waits, in this order; owned from now on */
  constructor(before: readonly Uint8Array[], queue: SpillQueue, nowMs: number) {
    this.queue = queue
    this.#before = [...before]
    this.#beforeBytes = before.reduce((sum, { length }) => sum + length, 0)
    this.#startedBeforeBytes = this.#beforeBytes
    this.#startedMs = nowMs
    this.#startedBytes = this.byteLength
  }

  /** Bytes waiting. */
  get byteLength(): number {
    return this.#beforeBytes + this.queue.byteLength
  }

  /** The most that ever waited, about. */
  get peakBytes(): number {
    return this.#startedBeforeBytes + this.queue.peakBytes
  }

  get isOver(): boolean {
    return this.byteLength === 0
  }

  /**
   * Gives the stream its next bytes, unless it is busy: it would take all that waits into its own memory, which has no bound.
   * @returns false: nothing to do before the file was read
   */
  feed(stream: CommandStream): boolean {
    if (this.isStreamBusy) return true
    const piece = this.#before[0]?.subarray(0, TURN_BYTES_MAX)
    if (piece !== undefined) {
      stream.push(piece)
      this.#usedBefore(piece.length)
      return true
    }
    const bytes = this.queue.peek()
    if (bytes === undefined) return false
    stream.push(bytes)
    this.queue.consume(bytes.length)
    return true
  }

  #usedBefore(count: number): void {
    const rest = this.#before[0]!.subarray(count)
    if (rest.length > 0) this.#before[0] = rest
    else this.#before.shift()
    this.#beforeBytes -= count
  }

  /** When nothing will wait any more, at the speed at which that shrinks; -1: it does not shrink, or that is not known yet. */
  etaSeconds(nowMs: number): number {
    const shrunkBytes = this.#startedBytes - this.byteLength
    const elapsedMs = nowMs - this.#startedMs
    if (shrunkBytes <= 0 || elapsedMs <= 0) return -1
    return Math.round((this.byteLength * elapsedMs) / shrunkBytes / 1000)
  }
}
