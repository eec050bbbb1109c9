/** The owner's side of fake-primary-process.mjs: starts it, tells it what to send, ends it. */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { within } from './deadline.mjs'

const PROCESS = fileURLToPath(new URL('./fake-primary-process.mjs', import.meta.url))

/** @typedef {{ kind: string, port: number, elapsedMs: number, cpuSeconds: number, bytes: number, message: string }} Message */

export class FakePrimary {
  port = 0
  #child
  /** @type {Message[]} */
  #received = []
  /** @type {(() => void) | undefined} */
  #wake

  /**
   * Starts it with the parts of a stream.
   *
   * @param {import('./stream-parts.mjs').StreamPlan} plan
   */
  static async start(plan) {
    const primary = new FakePrimary(plan)
    primary.port = (await primary.#next('ready', 120_000, 'the prebuilt stream')).port
    return primary
  }

  /** @param {import('./stream-parts.mjs').StreamPlan} plan */
  constructor(plan) {
    this.#child = fork(PROCESS, [JSON.stringify(plan)], { execArgv: ['--max-old-space-size=512'] })
    this.#child.on('message', (message) => this.#take(/** @type {Message} */ (message)))
    this.#child.on('exit', (code) => this.#take(failure(`the fake primary ended with code ${code}`)))
  }

  /** Waits until a replica has loaded the empty snapshot and follows. */
  async attached() {
    await this.#next('attached', 30_000, 'a replica that follows the stream')
  }

  /**
   * Sends a part and waits for the ACK of its last command.
   *
   * @param {number} part
   * @param {number} timeoutMs
   * @returns {Promise<{ elapsedMs: number, cpuSeconds: number, bytes: number }>} CPU: of the fake primary itself.
   */
  async send(part, timeoutMs) {
    this.#child.send({ kind: 'send', part })
    return await this.#next('done', timeoutMs, 'the ACK of the last offset')
  }

  stop() {
    this.#child.removeAllListeners('exit')
    this.#child.kill('SIGKILL')
  }

  /** Forgets what a replica that is gone has caused. */
  forget() {
    this.#received = []
  }

  /**
   * @param {string} kind
   * @param {number} timeoutMs
   * @param {string} what
   */
  async #next(kind, timeoutMs, what) {
    return await within(this.#nextOfKind(kind), timeoutMs, what)
  }

  /** @param {string} kind */
  async #nextOfKind(kind) {
    for (;;) {
      const message = this.#received.shift()
      if (message === undefined) {
        await new Promise((/** @type {(value?: unknown) => void} */ resolve) => (this.#wake = resolve))
      } else if (message.kind === 'failed') throw new Error(`fake primary: ${message.message}`)
      else if (message.kind === kind) return message
    }
  }

  /** @param {Message} message */
  #take(message) {
    this.#received.push(message)
    this.#wake?.()
  }
}

/**
 * @param {string} message
 * @returns {Message}
 */
function failure(message) {
  return { kind: 'failed', port: 0, elapsedMs: 0, cpuSeconds: 0, bytes: 0, message }
}
