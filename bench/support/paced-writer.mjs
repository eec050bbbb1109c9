/** The owner's side of write-process.mjs. */
import { HelperProcess } from './helper-process.mjs'

const PROCESS = new URL('./write-process.mjs', import.meta.url)

export class PacedWriter {
  /** @type {HelperProcess<{ perSecond: number, errors: number }>} */
  #process = new HelperProcess(PROCESS, 'writing')

  /**
   * Writes from now on.
   *
   * @param {import('./write-process.mjs').Order} order
   */
  static async start(order) {
    const writer = new PacedWriter()
    writer.#process.send(order)
    await writer.#process.next('ready')
    return writer
  }

  /**
   * Ends it when all is answered.
   *
   * @returns {Promise<number>} Commands a second that were written.
   * @throws when one was refused.
   */
  async stop() {
    this.#process.send({})
    const { perSecond, errors } = await this.#process.next('stopped')
    if (errors > 0) throw new Error(`the server refused ${errors} commands`)
    return perSecond
  }

  kill() {
    this.#process.kill()
  }
}
