/** The owner's side of fake-primary-process.mjs: starts it, tells it what to send, ends it. */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { within } from './deadline.mjs'

const PROCESS = fileURLToPath(new URL('./fake-primary-process.mjs', import.meta.url))

/**
 * @typedef {object} Message
 * @property {string} kind
 * @property {number} port
 * @property {number[]} turns
 * @property {number} feed
 * @property {number} elapsedMs
 * @property {number} cpuSeconds
 * @property {string} message
 */

export class FakePrimary {
  port = 0
  /** Of each part: how many turns it is sent in. @type {readonly number[]} */
  turns = []
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
    const { port, turns } = await primary.#next('ready', 120_000, 'the prebuilt stream')
    primary.port = port
    primary.turns = turns
    return primary
  }

  /** @param {import('./stream-parts.mjs').StreamPlan} plan */
  constructor(plan) {
    this.#child = fork(PROCESS, [JSON.stringify(plan)], { execArgv: ['--max-old-space-size=512'] })
    this.#child.on('message', (message) => this.#take(/** @type {Message} */ (message)))
    this.#child.on('exit', (code) => this.#take(failure(`the fake primary ended with code ${code}`)))
  }

  /** Waits until one more replica has loaded the empty snapshot and follows. @returns its number, for `send` */
  async attached() {
    return (await this.#next('attached', 30_000, 'a replica that follows the stream')).feed
  }

  /**
   * Sends a turn of a part, or the whole part, to one replica, and waits for the ACK of its last command.
   *
   * @param {{ feed: number, part: number, turn?: number }} what
   * @param {number} timeoutMs
   * @returns {Promise<{ elapsedMs: number, cpuSeconds: number }>} CPU: of the fake primary itself.
   */
  async send(what, timeoutMs) {
    this.#child.send(what)
    return await this.#next('done', timeoutMs, 'the ACK of the last offset')
  }

  stop() {
    this.#child.removeAllListeners('exit')
    this.#child.kill('SIGKILL')
  }

  /** Forgets what replicas that are gone have caused. */
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
  return { kind: 'failed', port: 0, turns: [], feed: 0, elapsedMs: 0, cpuSeconds: 0, message }
}
