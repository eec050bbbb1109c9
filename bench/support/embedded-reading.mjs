/** The owner's side of embedding-server.mjs. */
import { fileURLToPath } from 'node:url'

/** What embedding-server.mjs is told: the JSON of an EmbeddedOrder. */
export const READING_VARIABLE = 'UNDERSTUDY_BENCH_READING'
const PROGRAM = fileURLToPath(new URL('./embedding-server.mjs', import.meta.url))
const TIMEOUT_MS = 60_000

/** @typedef {Omit<import('./read-process.mjs').Order, 'port'>} EmbeddedOrder */

/** For `Contenders`: the application that reads so. @param {EmbeddedOrder} order */
export function embeddingApplication(order) {
  return { file: PROGRAM, env: { [READING_VARIABLE]: JSON.stringify(order) } }
}

export class EmbeddedReading {
  #process

  /** @param {import('./contenders.mjs').Contender} contender that runs such an application */
  constructor({ process }) {
    this.#process = process
  }

  /** @param {import('./contenders.mjs').Contender} contender As for the constructor. @returns when its reads count */
  static async start(contender) {
    const reading = new EmbeddedReading(contender)
    await reading.#told(/^reading$/)
    return reading
  }

  /** @returns {Promise<import('./paced-reader.mjs').ReadingPhase>} @throws when a value was wrong, which ends the application */
  async stop() {
    const line = await this.#told(/^read /)
    return JSON.parse(line.slice('read '.length))
  }

  /** Nothing: what is left ends with the application. */
  kill() {}

  /** @param {RegExp} pattern */
  async #told(pattern) {
    const fromLine = this.#process.mark()
    this.#process.signal('SIGUSR2')
    return await this.#process.waitForLine(pattern, { fromLine, timeoutMs: TIMEOUT_MS })
  }
}
