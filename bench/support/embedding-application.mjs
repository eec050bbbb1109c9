/** The owner's side of embedding-process.mjs. */
import { HelperProcess } from './helper-process.mjs'
import { HUGE_PAGES_ENVIRONMENT } from './huge-pages.mjs'

const PROCESS = new URL('./embedding-process.mjs', import.meta.url)

/** @typedef {'string' | 'view' | 'Buffer' | 'mget of 16' | 'Map'} Way */

/**
 * @typedef {object} Reading
 * @property {Way} way
 * @property {number} milliseconds
 * @property {1 | 2} threadCount
 * @property {number} writesPerSecond Of the writer, meanwhile.
 */

/**
 * @typedef {object} Rates
 * @property {number} readsPerSecond Of all threads together.
 * @property {number} writesPerSecond
 */

export class EmbeddingApplication {
  /** @type {HelperProcess<Rates>} */
  #process

  /** @param {number} seed @param {number} count */
  constructor(seed, count) {
    const args = [String(seed), String(count)]
    this.#process = new HelperProcess(PROCESS, 'embedding', { args, env: HUGE_PAGES_ENVIRONMENT })
  }

  /** One that has `count` keys. @param {number} seed @param {number} count */
  static async start(seed, count) {
    const application = new EmbeddingApplication(seed, count)
    await application.#process.next('ready')
    return application
  }

  /** @param {Way} way @param {number} milliseconds @param {Partial<Reading>} [how] @throws when a value was wrong */
  async read(way, milliseconds, how = {}) {
    this.#process.send({ way, milliseconds, threadCount: 1, writesPerSecond: 0, ...how })
    return await this.#process.next('read')
  }

  kill() {
    this.#process.kill()
  }
}
