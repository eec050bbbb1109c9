/** The soak's end of the thread that has its connections (every-reader-connections.mjs). */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { SeededRandom } from '../support/seeded-random.ts'
import { KINDS } from './every-reader-shapes.mjs'

export interface ConnectionsResult {
  /** By kind. */
  readonly reads: Readonly<Record<string, number>>
  /** From asking to the last reply, in a thread that shares the processors with all others. */
  readonly longestMs: number
  /** How often it took more than 50 ms. */
  readonly late: number
}

type Message = 'ready' | { readonly failure: string } | ConnectionsResult

export class EveryReaderConnections {
  readonly #worker: Worker
  #failure: Error | undefined

  /** All are connected when it returns. */
  static async open(port: number, random: SeededRandom): Promise<EveryReaderConnections> {
    const workerData = { port, seed: random.int(1, 2 ** 31) }
    const worker = new Worker(new URL('./every-reader-connections.mjs', import.meta.url), { workerData })
    const connections = new EveryReaderConnections(worker)
    await connections.#next()
    return connections
  }

  private constructor(worker: Worker) {
    this.#worker = worker
    worker.on('message', (message: Message) => {
      if (message !== 'ready' && 'failure' in message) this.#failure ??= new Error(message.failure)
    })
    worker.on('error', (error) => (this.#failure ??= error))
  }

  begin(): void {
    this.#worker.postMessage('begin')
  }

  /** @throws when something was wrong */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Waits for all replies. @throws when something was wrong, or one kind of read never came */
  async stop(): Promise<ConnectionsResult> {
    this.#worker.postMessage('stop')
    const result = await this.#next()
    for (const kind of KINDS) {
      if (!(result.reads[kind]! > 0)) throw new Error(`no ${kind} was read`)
    }
    return result
  }

  /** Also after a failure. */
  async end(): Promise<void> {
    await this.#worker.terminate()
  }

  async #next(): Promise<ConnectionsResult> {
    const [message] = (await once(this.#worker, 'message')) as [Message]
    this.check()
    return message as ConnectionsResult
  }
}
