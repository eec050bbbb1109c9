/**
 * Sends many commands without looking at each answer: counts replies, keeps errors, holds the number of commands under
 * way within a bound. For filling a server and for write load; RawClient is for everything that cares about replies.
 */
import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import { type Argument, encodeCommands } from './raw-client.ts'
import { readReplyAt, ReplyError } from './resp-reader.ts'

/** More are not sent before some are answered. */
const IN_FLIGHT_MAX = 20_000
const ERRORS_KEPT = 100

export class CountingClient {
  replies = 0
  errorCount = 0
  /** The first errors. */
  readonly errors: string[] = []
  /** Commands sent, or waiting to be. */
  sent = 0
  readonly #socket: Socket
  #pending: Buffer = Buffer.alloc(0)
  #wake: (() => void) | undefined
  #failure: Error | undefined

  static async connect(port: number): Promise<CountingClient> {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    return new CountingClient(socket)
  }

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (bytes: Buffer) => this.#count(bytes))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the server closed the connection')))
  }

  /** Sends `commands` and returns when there is room for more. */
  async send(commands: readonly (readonly Argument[])[]): Promise<void> {
    if (commands.length === 0) return
    this.sent += commands.length
    this.#socket.write(encodeCommands(commands))
    await this.#until(() => this.sent - this.replies < IN_FLIGHT_MAX)
  }

  /** Until every command is answered. */
  settled(): Promise<void> {
    return this.#until(() => this.replies >= this.sent)
  }

  close(): void {
    this.#socket.removeAllListeners('close')
    this.#socket.destroy()
  }

  async #until(done: () => boolean): Promise<void> {
    while (!done()) {
      if (this.#failure !== undefined) throw this.#failure
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  #count(bytes: Buffer): void {
    const all = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes])
    let at = 0
    while (at < all.length) {
      const result = readReplyAt(all, at)
      if (!('value' in result)) break
      at = result.end
      this.replies++
      for (const reply of Array.isArray(result.value) ? result.value : [result.value]) {
        if (!(reply instanceof ReplyError)) continue
        this.errorCount++
        if (this.errors.length < ERRORS_KEPT) this.errors.push(reply.message)
      }
    }
    this.#pending = all.subarray(at)
    this.#wake?.()
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#wake?.()
  }
}
