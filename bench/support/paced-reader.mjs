/** The owner's side of read-process.mjs. */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { within } from './deadline.mjs'

const PROCESS = fileURLToPath(new URL('./read-process.mjs', import.meta.url))
const TIMEOUT_MS = 60_000

/**
 * @typedef {object} ReadingPhase
 * @property {number} reads
 * @property {number} before Of them, those that were answered from the old dataset.
 * @property {number} perSecond
 * @property {number} p50Ms From the write of a request to its reply.
 * @property {number} p999Ms
 * @property {number} longestMs
 */

/** @typedef {ReadingPhase & { kind: string, message: string }} Message */

export class PacedReader {
  #child
  /** What came and was not asked for yet. @type {Message[]} */
  #received = []
  #wake = () => {}

  /** @param {import('node:child_process').ChildProcess} child */
  constructor(child) {
    this.#child = child
    child.on('message', (message) => {
      this.#received.push(/** @type {Message} */ (message))
      this.#wake()
    })
  }

  /**
   * Reads from now on.
   *
   * @param {import('./read-process.mjs').Order} order
   */
  static async start(order) {
    const reader = new PacedReader(fork(PROCESS))
    reader.#child.send(order)
    await reader.#next('ready')
    return reader
  }

  /** Ends it when all is answered. @returns {Promise<ReadingPhase>} @throws when an answer was wrong */
  async stop() {
    if (this.#child.connected) this.#child.send({}, () => {})
    return await this.#next('stopped')
  }

  kill() {
    this.#child.kill('SIGKILL')
  }

  /** @param {string} kind @returns {Promise<Message>} */
  async #next(kind) {
    const message = await within(this.#message(), TIMEOUT_MS, `'${kind}' of the reading process`)
    if (message.kind !== kind) throw new Error(`reading process: ${message.message}`)
    return message
  }

  async #message() {
    for (;;) {
      const message = this.#received.shift()
      if (message !== undefined) return message
      await new Promise((/** @type {(value?: unknown) => void} */ resolve) => (this.#wake = () => resolve()))
    }
  }
}
