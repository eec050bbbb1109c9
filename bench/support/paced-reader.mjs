/** The owner's side of read-process.mjs. */
import { HelperProcess } from './helper-process.mjs'

const PROCESS = new URL('./read-process.mjs', import.meta.url)

/**
 * @typedef {object} ReadingPhase
 * @property {number} reads
 * @property {number} before Of them, those that were answered from the old dataset.
 * @property {number} perSecond
 * @property {number} p50Ms From the write of a request to its reply.
 * @property {number} p999Ms
 * @property {number} longestMs
 * @property {number} [p999LateMs] From the moment that a read was due, or before; where that is told apart.
 */

export class PacedReader {
  /** @type {HelperProcess<ReadingPhase>} */
  #process = new HelperProcess(PROCESS, 'reading')

  /**
   * Reads from now on; what is told of the time that reads take begins some seconds later, when this resolves.
   *
   * @param {import('./read-process.mjs').Order} order
   */
  static async start(order) {
    const reader = new PacedReader()
    reader.#process.send(order)
    await reader.#process.next('ready')
    return reader
  }

  /** Ends it when all is answered. @returns {Promise<ReadingPhase>} @throws when an answer was wrong */
  async stop() {
    this.#process.send({})
    return await this.#process.next('stopped')
  }

  kill() {
    this.#process.kill()
  }
}
