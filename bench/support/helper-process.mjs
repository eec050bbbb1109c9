/** The owner's side of a process that helps to measure: what it says is awaited by kind, and kept until then. */
import { fork } from 'node:child_process'
import { within } from './deadline.mjs'

const TIMEOUT_MS = 60_000

/** @typedef {{ kind: string, message: string }} Message `message`: of kind 'failed'. */

/** @template {object} Said What its messages carry. */
export class HelperProcess {
  #child
  #name
  /** @type {(Message & Said)[]} */
  #received = []
  #wake = () => {}

  /**
   * @param {URL} file
   * @param {string} name For errors: 'the … process'.
   * @param {{ args?: string[], env?: Record<string, string> }} [options] `env`: beside what this process has.
   */
  constructor(file, name, { args = [], env = {} } = {}) {
    this.#name = name
    this.#child = fork(file, args, { env: { ...process.env, ...env } })
    this.#child.on('message', (message) => this.#take(/** @type {Message & Said} */ (message)))
    // Whoever waits for it would wait in vain. It comes behind all that it has said.
    this.#child.on('close', (code, signal) => {
      const message = signal === null ? `ended with code ${code}` : `was ended by ${signal}`
      this.#take(/** @type {Message & Said} */ ({ kind: 'ended', message }))
    })
  }

  /** One that has failed has gone: `next` tells. @param {object} order */
  send(order) {
    if (this.#child.connected) this.#child.send(order, () => {})
  }

  kill() {
    this.#child.kill('SIGKILL')
  }

  /** Its next message. @param {string} kind @returns {Promise<Said>} @throws when it is of another kind */
  async next(kind) {
    const message = await within(this.#message(), TIMEOUT_MS, `'${kind}' of the ${this.#name} process`)
    if (message.kind !== kind) throw new Error(`${this.#name} process: ${message.message}`)
    return message
  }

  /** @param {Message & Said} message */
  #take(message) {
    this.#received.push(message)
    this.#wake()
  }

  async #message() {
    for (;;) {
      const message = this.#received.shift()
      if (message !== undefined) return message
      await new Promise((/** @type {(value?: unknown) => void} */ resolve) => (this.#wake = () => resolve()))
    }
  }
}
