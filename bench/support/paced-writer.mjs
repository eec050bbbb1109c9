/** The owner's side of write-process.mjs. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { within } from './deadline.mjs'

const PROCESS = fileURLToPath(new URL('./write-process.mjs', import.meta.url))
const TIMEOUT_MS = 60_000

/** @typedef {{ kind: string, message: string, perSecond: number, errors: number }} Message */

export class PacedWriter {
  #child

  /** @param {import('node:child_process').ChildProcess} child */
  constructor(child) {
    this.#child = child
  }

  /**
   * Writes from now on.
   *
   * @param {import('./write-process.mjs').Order} order
   */
  static async start(order) {
    const writer = new PacedWriter(fork(PROCESS))
    writer.#child.send(order)
    await writer.#next('ready')
    return writer
  }

  /**
   * Ends it when all is answered.
   *
   * @returns {Promise<number>} Commands a second that were written.
   * @throws when one was refused.
   */
  async stop() {
    this.#child.send({})
    const { perSecond, errors } = await this.#next('stopped')
    if (errors > 0) throw new Error(`the server refused ${errors} commands`)
    return perSecond
  }

  kill() {
    this.#child.kill('SIGKILL')
  }

  /** @param {string} kind @returns {Promise<Message>} */
  async #next(kind) {
    const [received] = await within(once(this.#child, 'message'), TIMEOUT_MS, `'${kind}' of the writing process`)
    const message = /** @type {Message} */ (received)
    if (message.kind !== kind) throw new Error(`writing process: ${message.message}`)
    return message
  }
}
