/** Threads that read a keyspace while a soak writes it; what each does is in a file of its own (see reading-thread.mjs). */
import { Worker } from 'node:worker_threads'
import { Arena, type Keyspace, type Readers } from '@understudy/core/internal'
import type { SeededRandom } from '../support/seeded-random.ts'
import { waitFor } from '../support/wait-for.ts'
import { occasionalPause, widenAtomics } from './widened-races.mjs'

/** How the races are run. */
export interface RaceOptions {
  /** Part of the protocol that is left out. */
  readonly sabotage?: Sabotage
  /** Both sides pause within the race windows (widened-races.mjs). */
  readonly widened?: boolean
}

/** Part of the readers' protocol that is left out, for the test of the test. */
export type Sabotage = 'none' | 'skip-validation' | 'skip-entering' | 'skip-leaving'

/** What every reading thread tells at its end. */
export interface ReaderResult {
  readonly failures: number
  readonly firstFailure: string
  /** Of reads: StuckMeter. */
  readonly longestMs: number
  readonly longestWholeMs: number
  readonly retries: number
}

export function sabotageWriter(keyspace: Keyspace, sabotage: Sabotage): void {
  if (sabotage === 'skip-entering') Object.assign(keyspace.counters, { enterStep: 0, leaveStep: 2 })
  if (sabotage === 'skip-leaving') Object.assign(keyspace.counters, { enterStep: 2, leaveStep: 0 })
}

/**
 * Pauses within the writer's critical sections: at the steps of the protocol (widened-races.mjs), and wherever a change takes or
 * gives back memory, which is when tables and values are half of the old and half of the new.
 * @returns what undoes it.
 */
export function widenWriter(random: SeededRandom): () => void {
  const pause = occasionalPause((bound) => random.int(0, bound - 1))
  const restore = widenAtomics(pause)
  const { prototype } = Arena
  const allocate: (this: Arena, bytes: number) => number = Reflect.get(prototype, 'allocate')
  const free: (this: Arena, address: number) => void = Reflect.get(prototype, 'free')
  prototype.allocate = function (bytes) {
    pause()
    return allocate.call(this, bytes)
  }
  prototype.free = function (address) {
    free.call(this, address)
    pause()
  }
  return () => {
    restore()
    Object.assign(prototype, { allocate, free })
  }
}

export class ReadingThreads<Result extends ReaderResult> {
  /** Two words: not 0: stop; how many are reading. */
  readonly #shared = new Int32Array(new SharedArrayBuffer(8))
  readonly #results: Promise<Result>[]
  #haveFailed = false

  /** Starts one for each of `widens`: does it sometimes stay between looking and validating? @param facts sent to all. */
  constructor(
    file: string,
    readers: Readers,
    random: SeededRandom,
    options: RaceOptions & { readonly widens: readonly boolean[]; readonly facts?: object },
  ) {
    this.#results = options.widens.map((widen) => {
      const handle = readers.attach()
      const worker = new Worker(new URL(file, import.meta.url), {
        workerData: {
          ...options.facts,
          handle,
          seed: random.int(1, 2 ** 31),
          skipValidation: options.sabotage === 'skip-validation',
          widen,
          widened: options.widened === true,
          stop: this.#shared.buffer,
        },
        transferList: [handle.port],
      })
      return new Promise((resolve, reject) => {
        worker.once('message', (result: Result) => {
          this.#haveFailed ||= result.failures > 0
          resolve(result)
        })
        worker.once('error', reject)
      })
    })
    for (const result of this.#results) result.catch(() => {}) // results() tells
  }

  /** Resolves when all are: what is written before, nobody sees. A machine that is busy may take seconds to start a thread. */
  async areReading(): Promise<void> {
    await waitFor('the threads to read', () => Atomics.load(this.#shared, 1) === this.#results.length)
  }

  /** One of them saw something impossible: there is no need to go on. */
  get haveFailed(): boolean {
    return this.#haveFailed
  }

  /** Tells them to end. */
  stop(): void {
    Atomics.store(this.#shared, 0, 1)
  }

  /** What they saw, when all have ended. */
  async results(): Promise<Result[]> {
    return await Promise.all(this.#results)
  }
}
