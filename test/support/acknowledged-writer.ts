/**
 * A client of an installation with Sentinel: writes one key after the other to whoever is the primary, and waits for a replica
 * each time. What WAIT 1 has acknowledged must not be lost, whatever happens to the servers.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Argument, RawClient } from './raw-client.ts'

const WAIT_MS = 200
const PAUSE_MS = 5
const TIMEOUT_MS = 5000

export class AcknowledgedWriter {
  /** Names of the keys that a replica has, too; each holds its own name. */
  readonly acknowledged: string[] = []
  readonly #primaryPort: () => Promise<number>
  #client: RawClient | undefined
  #written = 0
  #isStopped = false
  readonly #done: Promise<void>

  /** Begins to write. @param primaryPort asked for after every failure */
  constructor(primaryPort: () => Promise<number>) {
    this.#primaryPort = primaryPort
    this.#done = this.#run()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#done
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      try {
        await this.#writeOne()
      } catch {
        // It died, was demoted, or closed the connection: nothing was acknowledged.
        this.#client?.close()
        this.#client = undefined
        await sleep(PAUSE_MS)
      }
    }
    this.#client?.close()
  }

  async #writeOne(): Promise<void> {
    this.#client ??= await RawClient.connect({ port: await this.#primaryPort(), timeoutMs: TIMEOUT_MS })
    const key = `written:${this.#written++}`
    const commands: Argument[][] = [
      ['SET', key, key],
      ['WAIT', 1, WAIT_MS],
    ]
    const [set, replicas] = await this.#client.pipeline(commands)
    if (set !== 'OK' || typeof replicas !== 'number') throw new Error(`${String(set)}, ${String(replicas)}`)
    if (replicas >= 1) this.acknowledged.push(key)
    else await sleep(PAUSE_MS)
  }
}
