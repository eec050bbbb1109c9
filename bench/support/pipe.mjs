/** Commands to a server as fast as it takes them, over one connection; replies are only counted. */
import { once } from 'node:events'
import { connect } from 'node:net'

const BUFFER_BYTES = 1 << 20
const LINE_FEED = 10
const ERROR = 45

export class Pipe {
  #socket
  #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES)
  #used = 0
  #sent = 0
  #answered = 0
  /** First error reply. @type {string | undefined} */
  #error
  /** Rejects when the server closes the connection: whoever waits for it waits for this as well. @type {Promise<never>} */
  #closed

  /** @param {import('node:net').Socket} socket */
  constructor(socket) {
    this.#socket = socket
    socket.on('data', (bytes) => this.#count(bytes))
    socket.on('error', () => {})
    this.#closed = new Promise((_, reject) => {
      socket.on('close', () => reject(new Error('the server closed the connection')))
    })
    this.#closed.catch(() => {})
  }

  /** @param {number} port */
  static async open(port) {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    return new Pipe(socket)
  }

  /**
   * Queues a command whose reply is one line.
   *
   * @param {...(string | Buffer)} words
   * @returns {Promise<void> | undefined} To be awaited when there is one: the server is behind.
   */
  send(...words) {
    let bytes = 16
    for (const word of words) bytes += word.length + 16
    const full = this.#used + bytes > BUFFER_BYTES ? this.#flush() : undefined
    this.#head('*', words.length)
    for (const word of words) {
      this.#head('$', word.length)
      if (typeof word === 'string') this.#used += this.#buffer.write(word, this.#used, 'latin1')
      else this.#used += word.copy(this.#buffer, this.#used)
      this.#used += this.#buffer.write('\r\n', this.#used, 'latin1')
    }
    this.#sent++
    return full
  }

  /** Waits for all replies and closes. @throws with the first error reply, or when the server has closed before the last one. */
  async end() {
    await this.#flush()
    while (this.#answered < this.#sent) await Promise.race([once(this.#socket, 'data'), this.#closed])
    this.#socket.destroy()
    if (this.#error !== undefined) throw new Error(`the server answered ${this.#error}`)
  }

  async #flush() {
    const chunk = Buffer.from(this.#buffer.subarray(0, this.#used))
    this.#used = 0
    if (!this.#socket.write(chunk)) await Promise.race([once(this.#socket, 'drain'), this.#closed])
  }

  /** @param {string} type @param {number} count */
  #head(type, count) {
    this.#used += this.#buffer.write(`${type}${count}\r\n`, this.#used, 'latin1')
  }

  /** @param {Buffer} bytes */
  #count(bytes) {
    for (let i = 0; i < bytes.length; i++) {
      if (bytes[i] === LINE_FEED) this.#answered++
      else if (bytes[i] === ERROR && (i === 0 || bytes[i - 1] === LINE_FEED)) {
        this.#error ??= bytes.toString('latin1', i, Math.min(bytes.length, i + 100))
      }
    }
  }
}
