/**
 * A client that reads a replica without pause and knows what must hold at every moment: two keys written in one MULTI
 * are equal, however they are read together; keys that nobody changes are all there; nothing goes back in time.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { CountingClient } from './counting-client.ts'
import type { RawClient } from './raw-client.ts'
import { type Reply, ReplyError } from './resp-reader.ts'
import { SeededRandom } from './seeded-random.ts'
import type { TestServer } from './test-server.ts'
import { pairKeys } from './write-load.ts'

/** Keys of database 0 that nobody changes. */
const FIXED_KEYS = 3000
const FIXED_AT_ONCE = 30
const PAUSE_MS = 1

const fixedKey = (index: number): string => `fixed:${index}`
const fixedValue = (index: number): string => `value of ${index}`

/** Writes the keys that do not change. */
export async function writeInvariants(port: number): Promise<void> {
  const client = await CountingClient.connect(port)
  await client.send(Array.from({ length: FIXED_KEYS }, (_, i) => ['SET', fixedKey(i), fixedValue(i)]))
  await client.settled()
  client.close()
}

export class InvariantReader {
  /** -LOADING is an answer; otherwise only before the first other one. */
  mayBeLoading = true
  /** Rounds that were answered with data. */
  answered = 0
  /** From asking to the last reply, of each round. */
  readonly latenciesMs: number[] = []
  readonly #client: RawClient
  readonly #pairs: number
  readonly #random: SeededRandom
  readonly #seen: Float64Array
  #isRunning = true
  #failure: Error | undefined
  #loop: Promise<void> = Promise.resolve()

  static async start(replica: TestServer, pairs: number, seed: number): Promise<InvariantReader> {
    const reader = new InvariantReader(await replica.raw(), pairs, seed)
    reader.#loop = reader.#run()
    return reader
  }

  private constructor(client: RawClient, pairs: number, seed: number) {
    this.#client = client
    this.#pairs = pairs
    this.#random = new SeededRandom(seed)
    this.#seen = new Float64Array(pairs)
  }

  /** @throws the first thing that was wrong. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  /** @returns how many rounds of reads were answered. */
  async stop(): Promise<number> {
    this.#isRunning = false
    await this.#loop
    this.#client.close()
    this.check()
    return this.answered
  }

  async #run(): Promise<void> {
    try {
      while (this.#isRunning) {
        if (await this.#round()) {
          this.answered++
          await sleep(PAUSE_MS)
        } else {
          if (this.answered > 0 && !this.mayBeLoading) throw new Error('-LOADING after data had been served')
          await sleep(5)
        }
      }
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error))
    }
  }

  /** False: told that there are no data yet. */
  async #round(): Promise<boolean> {
    const random = this.#random
    const index = random.int(0, this.#pairs - 1)
    const [a, b] = pairKeys(index)
    const other = pairKeys(random.int(0, this.#pairs - 1))
    const first = random.int(0, FIXED_KEYS - FIXED_AT_ONCE)
    const fixed = Array.from({ length: FIXED_AT_ONCE }, (_, i) => fixedKey(first + i))
    const asked = performance.now()
    const replies = await this.#client.pipeline([
      ['MGET', a, ...other, b],
      ['MULTI'],
      ['GET', b],
      ['MGET', ...fixed],
      ['GET', a],
      ['EXEC'],
      ['DBSIZE'],
    ])
    this.latenciesMs.push(performance.now() - asked)
    const refused = replies.find((reply): reply is ReplyError => reply instanceof ReplyError)
    if (refused !== undefined) {
      // The dataset may come between two commands of a pipeline, not go.
      if (refused.code === 'LOADING' || refused.code === 'EXECABORT') return false
      throw refused
    }
    const [read, , , , , group, size] = replies as [Reply[], Reply, Reply, Reply, Reply, Reply[], number]
    const values = group[1] as Reply[]
    this.#pair(index, 'MGET', read[0], read[3])
    if (read[1] !== read[2]) throw new Error(`MGET saw half a transaction: ${String(read[1])} and ${String(read[2])}`)
    this.#pair(index, 'MULTI', group[2], group[0])
    for (const [i, value] of values.entries()) {
      if (value !== fixedValue(first + i)) throw new Error(`half a dataset: '${fixed[i]}' holds ${String(value)}`)
    }
    if (size < FIXED_KEYS + 2 * this.#pairs) throw new Error(`half a dataset: DBSIZE ${size}`)
    return true
  }

  #pair(index: number, how: string, a: Reply | undefined, b: Reply | undefined): void {
    if (a !== b) throw new Error(`${how} saw half a transaction: ${String(a)} and ${String(b)} of pair ${index}`)
    const version = Number(a)
    if (typeof a !== 'string' || version < this.#seen[index]!) {
      throw new Error(`${how}: pair ${index} went back from ${this.#seen[index]} to ${String(a)}`)
    }
    this.#seen[index] = version
  }
}
