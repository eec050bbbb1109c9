/** The owner's side of ping-process.mjs. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { within } from './deadline.mjs'

const PROCESS = fileURLToPath(new URL('./ping-process.mjs', import.meta.url))
const TIMEOUT_MS = 60_000

/**
 * @typedef {object} PingPhase
 * @property {number} answers
 * @property {number} longestMs
 * @property {number} meanMs
 * @property {[upTo: string, answers: number][]} buckets
 */

/** @typedef {PingPhase & { kind: string, message: string }} Message */

export class Pinger {
  #child

  /** @param {import('node:child_process').ChildProcess} child */
  constructor(child) {
    this.#child = child
  }

  /** Begins to ping the server at `port`. @param {number} port */
  static async start(port) {
    const pinger = new Pinger(fork(PROCESS, [String(port)]))
    await pinger.#next('ready')
    return pinger
  }

  /** What was seen since the last call. @returns {Promise<PingPhase>} */
  async phase() {
    this.#child.send({})
    return await this.#next('phase')
  }

  stop() {
    this.#child.kill('SIGKILL')
  }

  /** @param {string} kind @returns {Promise<Message>} */
  async #next(kind) {
    const [received] = await within(once(this.#child, 'message'), TIMEOUT_MS, `'${kind}' of the pinging process`)
    const message = /** @type {Message} */ (received)
    if (message.kind !== kind) throw new Error(`pinging process: ${message.message}`)
    return message
  }
}
