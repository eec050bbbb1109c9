/**
 * The inserters of one load, in the hands of the pool: made with it, started when it needs them, let go of at its end. Until they are up the
 * thread that scans inserts everything itself, and does not miss those that never come (partitioning-sink.ts).
 */
import { MessageChannel } from 'node:worker_threads'
import { memoryFingerprint } from '@understudy/core/loading'
import type { InserterLink, InsertTask } from '../messages.ts'
import { createInsertQueue, InsertQueueGuard } from './insert-queue.ts'

/** Runs a task in a thread of its own. Rejects when that dies, or does not start before `signal` is aborted. */
export type RunInserter = (task: InsertTask, signal: AbortSignal) => Promise<unknown>

/** The scanner's end, the inserter's, and ours. */
interface Inserter {
  readonly link: InserterLink
  readonly task: InsertTask
  readonly guard: InsertQueueGuard
  readonly giveUp: AbortController
}

export class Inserters {
  readonly #run: RunInserter
  readonly #inserters: Inserter[]
  #state: 'waiting' | 'started' | 'over' = 'waiting'

  /** @param shares of each one, its regions as bits. @param givesWay to threads that serve */
  constructor(shares: readonly number[], givesWay: boolean, run: RunInserter) {
    this.#run = run
    this.#inserters = shares.map((regions) => {
      const queue = createInsertQueue()
      const { port1, port2 } = new MessageChannel()
      return {
        link: { queue, port: port1, regions },
        task: { memoryFingerprint: memoryFingerprint(), queue, port: port2, givesWay },
        guard: new InsertQueueGuard(queue),
        giveUp: new AbortController(),
      }
    })
  }

  /** For the thread that scans; the ports are to be transferred. */
  get links(): InserterLink[] {
    return this.#inserters.map(({ link }) => link)
  }

  /** Once; harmless after it, and at the end. */
  start(): void {
    if (this.#state !== 'waiting') return
    this.#state = 'started'
    for (const inserter of this.#inserters) void this.#runOne(inserter)
  }

  /** The load learns through the queue how it ends. */
  async #runOne({ task, guard, giveUp }: Inserter): Promise<void> {
    try {
      await this.#run(task, giveUp.signal)
    } catch {
      // The thread died. The load fails if it was given a part of the work.
    } finally {
      guard.gone()
    }
  }

  /** A thread of the pool could not start: nobody waits for one that was not heard of. */
  giveUpStarting(): void {
    for (const { guard, giveUp } of this.#inserters) if (guard.starting) giveUp.abort()
  }

  /** The load is over. */
  stop(): void {
    if (this.#state === 'waiting') for (const { task } of this.#inserters) task.port.close()
    this.#state = 'over'
    for (const { guard } of this.#inserters) guard.stop()
  }
}
