/**
 * The time after a full resync in which the stream that came meanwhile is applied: the connection is still read into the
 * queue, and the stream takes from its other end, a turn's worth at a time, until the queue is empty.
 */
import type { CommandStream } from '@understudy/core/internal'
import type { SpillQueue } from './spill-queue.ts'

export class CatchUp {
  readonly queue: SpillQueue
  /** The stream has not used up what it was given last. */
  isStreamBusy = false
  readonly #startedMs: number
  readonly #startedBytes: number

  /** @param queue what waits; owned from now on */
  constructor(queue: SpillQueue, nowMs: number) {
    this.queue = queue
    this.#startedMs = nowMs
    this.#startedBytes = queue.byteLength
  }

  get isOver(): boolean {
    return this.queue.byteLength === 0
  }

  /**
   * Gives the stream its next bytes, unless it is busy: it would take the whole queue into its own memory, which has no bound.
   * @returns false: nothing to do before the file was read
   */
  feed(stream: CommandStream): boolean {
    if (this.isStreamBusy) return true
    const bytes = this.queue.peek()
    if (bytes === undefined) return false
    stream.push(bytes)
    this.queue.consume(bytes.length)
    return true
  }

  /** When the queue will be empty at the speed at which it shrinks; -1: it does not shrink, or that is not known yet. */
  etaSeconds(nowMs: number): number {
    const shrunkBytes = this.#startedBytes - this.queue.byteLength
    const elapsedMs = nowMs - this.#startedMs
    if (shrunkBytes <= 0 || elapsedMs <= 0) return -1
    return Math.round((this.queue.byteLength * elapsedMs) / shrunkBytes / 1000)
  }
}
