/**
 * A list that is so long that it is sent in slices, turned all the time by one client and read whole by another: each reply must be some
 * turn of it, of one moment. Both connect again when they lose their connection.
 *
 *   const list = RotatingList.start(() => port)
 *   …
 *   await list.stop()                                 throws what was wrong
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { RawClient } from './raw-client.ts'

/** More than what is still replied at once. */
const LENGTH = 40_000
const KEY = 'rotating'
const PAUSE_MS = 200

export class RotatingList {
  /** Whole lists that were read. */
  replies = 0
  failure: Error | undefined
  readonly #port: () => number
  readonly #running: readonly Promise<void>[]
  #isFilled = false
  #fills = 0
  #ends = false

  /** @param port where to connect; asked each time. */
  static start(port: () => number): RotatingList {
    return new RotatingList(port)
  }

  private constructor(port: () => number) {
    this.#port = port
    this.#running = [this.#run((client) => this.#turn(client)), this.#run((client) => this.#read(client))]
  }

  /** Connections may end for good from now on. */
  expectEnd(): void {
    this.#ends = true
  }

  async stop(): Promise<void> {
    this.#ends = true
    await Promise.all(this.#running)
    if (this.failure !== undefined) throw this.failure
  }

  async #turn(client: RawClient): Promise<void> {
    if (!this.#isFilled) {
      // In one step, and each time from a list of its own: what was sent by a connection that was lost may be run later than this.
      const filled = `${KEY}:${++this.#fills}`
      await client.call('RPUSH', filled, ...Array.from({ length: LENGTH }, (_, i) => i))
      await client.call('RENAME', filled, KEY)
      this.#isFilled = true
    }
    await client.pipeline(Array.from({ length: 20 }, () => ['RPOPLPUSH', KEY, KEY]))
  }

  async #read(client: RawClient): Promise<void> {
    await sleep(PAUSE_MS)
    if (!this.#isFilled) return
    const reply = await client.call('LRANGE', KEY, 0, -1)
    if (!Array.isArray(reply)) throw new Error(`LRANGE replied ${String(reply).slice(0, 100)}`)
    if (reply.length !== LENGTH) {
      const ends = [reply[0], reply[1], reply.at(-2), reply.at(-1)].join(', ')
      throw new Error(`LRANGE replied ${reply.length} elements (${ends})`)
    }
    const first = Number(reply[0])
    for (const [index, item] of reply.entries()) {
      if (Number(item) !== (first + index) % LENGTH)
        throw new Error(`element ${index} is ${String(item)}, the first one ${first}`)
    }
    this.replies++
  }

  async #run(step: (client: RawClient) => Promise<void>): Promise<void> {
    while (!this.#ends && this.failure === undefined) {
      let client: RawClient | undefined
      try {
        client = await RawClient.connect({ port: this.#port() })
        while (!this.#ends) await step(client)
      } catch (error) {
        const failure = error instanceof Error ? error : new Error(String(error))
        // Connections may be lost, with whatever was under way; but nothing wrong may come.
        if (!failure.message.startsWith('the connection ended') && !this.#ends) this.failure ??= failure
      } finally {
        client?.close()
      }
    }
  }
}
