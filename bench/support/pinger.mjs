/** The owner's side of ping-process.mjs. */
import { HelperProcess } from './helper-process.mjs'

const PROCESS = new URL('./ping-process.mjs', import.meta.url)

/**
 * @typedef {object} PingPhase
 * @property {number} answers
 * @property {number} longestMs
 * @property {number} meanMs
 * @property {[upTo: string, answers: number][]} buckets
 */

export class Pinger {
  #process

  /** @param {HelperProcess<PingPhase>} process */
  constructor(process) {
    this.#process = process
  }

  /** Begins to ping the server at `port`. @param {number} port */
  static async start(port) {
    const pinger = new Pinger(new HelperProcess(PROCESS, 'pinging', { args: [String(port)] }))
    await pinger.#process.next('ready')
    return pinger
  }

  /** What was seen since the last call. @returns {Promise<PingPhase>} */
  async phase() {
    this.#process.send({})
    return await this.#process.next('phase')
  }

  stop() {
    this.#process.kill()
  }
}
