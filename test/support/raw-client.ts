/**
 * A connection to a RESP server for tests that care about exact bytes: sends what it is told, shows what came. It never connects
 * again, never says HELLO by itself, and queues nothing.
 */
import { connect, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions as TlsOptions } from 'node:tls'
import { PushReply, readReplyAt, type Reply, ReplyError } from './resp-reader.ts'

export type Argument = string | number | bigint | Uint8Array

export interface RawClientOptions {
  readonly port: number
  /** Default 127.0.0.1. */
  readonly host?: string
  readonly tls?: TlsOptions
  /** How long connecting or one read may take. Default 20 s. */
  readonly timeoutMs?: number
}

/** A command as RESP sends it: an array of bulk strings. */
export function encodeCommand(...args: Argument[]): Buffer {
  return encodeCommands([args])
}

/** Commands one behind the other. */
export function encodeCommands(commands: readonly (readonly Argument[])[]): Buffer {
  const parts: Uint8Array[] = []
  // Up to the next argument of bytes: one Buffer for all of it, instead of some for each word.
  let text = ''
  for (const args of commands) {
    text += `*${args.length}\r\n`
    for (const arg of args) {
      if (arg instanceof Uint8Array) {
        parts.push(Buffer.from(`${text}$${arg.length}\r\n`), arg)
        text = '\r\n'
      } else {
        const word = String(arg)
        text += `$${Buffer.byteLength(word)}\r\n${word}\r\n`
      }
    }
  }
  parts.push(Buffer.from(text))
  return Buffer.concat(parts)
}

export class RawClient {
  /** Push messages that came while a reply was read. */
  readonly pushes: PushReply[] = []
  readonly socket: Socket
  readonly #timeoutMs: number
  #chunks: Buffer[] = []
  #bytesReceived = 0
  #ended = false
  #error: Error | undefined
  #wake: (() => void) | undefined

  static async connect(options: RawClientOptions): Promise<RawClient> {
    const target = { port: options.port, host: options.host ?? '127.0.0.1' }
    const socket = options.tls ? connectTls({ ...target, ...options.tls }) : connect(target)
    const timeoutMs = options.timeoutMs ?? 20_000
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        socket.destroy()
        reject(new Error(`no connection to ${target.host}:${target.port} within ${timeoutMs} ms`))
      }, timeoutMs)
      socket.once(options.tls ? 'secureConnect' : 'connect', () => {
        clearTimeout(timer)
        socket.removeAllListeners('error')
        resolve()
      })
      socket.once('error', (error) => {
        clearTimeout(timer)
        reject(error)
      })
    })
    return new RawClient(socket, timeoutMs)
  }

  /** Takes over a connected socket, e.g. one that a fake primary accepted. */
  constructor(socket: Socket, timeoutMs = 20_000) {
    this.socket = socket
    this.#timeoutMs = timeoutMs
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk)
      this.#bytesReceived += chunk.length
      this.#wake?.()
    })
    socket.on('error', (error) => {
      this.#error = error
      this.#wake?.()
    })
    const ended = (): void => {
      this.#ended = true
      this.#wake?.()
    }
    socket.on('end', ended)
    socket.on('close', ended)
  }

  /** Sends a command and reads its reply. @throws ReplyError when that is an error. */
  async call(...args: Argument[]): Promise<Reply> {
    this.send(encodeCommand(...args))
    return refuseError(await this.readReply())
  }

  /** As `call`, with strings as Buffers. */
  async callBinary(...args: Argument[]): Promise<Reply> {
    this.send(encodeCommand(...args))
    return refuseError(await this.readReply({ binary: true }))
  }

  /** Sends a command and returns the exact bytes of its reply as Latin-1 text: '$1\r\nv\r\n'. Errors are returned as well. */
  async callExact(...args: Argument[]): Promise<string> {
    this.send(encodeCommand(...args))
    return (await this.readReplyBytes()).toString('latin1')
  }

  /** Sends the commands at once and reads their replies; errors are returned in their places. */
  async pipeline(commands: readonly (readonly Argument[])[]): Promise<Reply[]> {
    this.send(encodeCommands(commands))
    return this.readReplies(commands.length)
  }

  /** Sends bytes as they are; text as UTF-8. */
  send(bytes: Uint8Array | string): void {
    this.socket.write(bytes)
  }

  /** The next reply; an error reply is returned, not thrown. Push messages go to `pushes`. */
  async readReply({ binary = false }: { binary?: boolean } = {}): Promise<Reply> {
    return (await this.readReplies(1, { binary }))[0] as Reply
  }

  /** As `readReply`, so many of them. */
  async readReplies(count: number, { binary = false }: { binary?: boolean } = {}): Promise<Reply[]> {
    const replies: Reply[] = []
    for (let needed = 1; replies.length < count;) {
      await this.#receive(needed, 'a reply')
      // Those that are here are read in one go.
      const bytes = this.received()
      let at = 0
      for (needed = 1; replies.length < count && at < bytes.length;) {
        const result = readReplyAt(bytes, at, binary)
        if (!('value' in result)) {
          needed = Math.max(result.bytesNeeded, bytes.length + 1) - at
          break
        }
        at = result.end
        if (result.value instanceof PushReply) this.pushes.push(result.value)
        else replies.push(result.value)
      }
      this.#drop(at)
    }
    return replies
  }

  /** The next push message; a reply in its place is an error. */
  async readPush(): Promise<PushReply> {
    const waiting = this.pushes.shift()
    if (waiting) return waiting
    const { value } = await this.#nextReply(false)
    if (value instanceof PushReply) return value
    throw new Error(`a push message was due, but a reply came: ${String(value)}`)
  }

  /** The exact bytes of the next reply or push message. */
  async readReplyBytes(): Promise<Buffer> {
    return (await this.#nextReply(true)).bytes
  }

  /** Until at least `count` bytes have come that were not read. */
  async untilReceived(count: number): Promise<void> {
    await this.#receive(count, `${count} bytes`)
  }

  /** Exactly `count` bytes. */
  async readBytes(count: number): Promise<Buffer> {
    await this.untilReceived(count)
    return this.#take(count)
  }

  /** Up to and including the next line feed. */
  async readLine(): Promise<string> {
    for (let searched = 0; ;) {
      const bytes = this.received()
      const at = bytes.indexOf(10, searched)
      if (at !== -1) return this.#take(at + 1).toString('latin1')
      searched = bytes.length
      await this.#receive(bytes.length + 1, 'a line')
    }
  }

  /** Everything up to the end of the connection. @throws when the peer does not end it in time. */
  async readToEnd(): Promise<Buffer> {
    await this.#until(() => this.#ended || this.#error !== undefined, 'the end of the connection')
    return this.#take(this.#bytesReceived)
  }

  /** What has been received and not been read; it stays. */
  received(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0] ?? Buffer.alloc(0)
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Says the end politely (FIN) and does not wait. */
  end(): void {
    this.socket.end()
  }

  close(): void {
    this.socket.destroy()
  }

  async #nextReply(binary: boolean): Promise<{ value: Reply; bytes: Buffer }> {
    for (let needed = 1; ;) {
      await this.#receive(needed, 'a reply')
      const result = readReplyAt(this.received(), 0, binary)
      if ('value' in result) return { value: result.value, bytes: this.#take(result.end) }
      needed = Math.max(result.bytesNeeded, this.#bytesReceived + 1)
    }
  }

  async #receive(count: number, what: string): Promise<void> {
    await this.#until(() => this.#bytesReceived >= count || this.#ended || this.#error !== undefined, what)
    if (this.#bytesReceived >= count) return
    throw new Error(`the connection ended before ${what}; received ${this.#shown()}`, { cause: this.#error })
  }

  async #until(done: () => boolean, what: string): Promise<void> {
    if (done()) return
    await new Promise<void>((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer)
        this.#wake = undefined
      }
      const timer = setTimeout(() => {
        finish()
        reject(new Error(`waited ${this.#timeoutMs} ms for ${what}; received ${this.#shown()}`))
      }, this.#timeoutMs)
      this.#wake = () => {
        if (!done()) return
        finish()
        resolve()
      }
    })
  }

  /** A copy of the next `count` bytes; they are gone. */
  #take(count: number): Buffer {
    const all = this.received()
    const out = Buffer.from(all.subarray(0, count))
    this.#drop(count)
    return out
  }

  /** The next `count` bytes are gone. */
  #drop(count: number): void {
    const all = this.received()
    this.#chunks = count < all.length ? [all.subarray(count)] : []
    this.#bytesReceived -= count
  }

  #shown(): string {
    const bytes = this.received()
    return `${bytes.length} bytes ${JSON.stringify(bytes.toString('latin1', 0, 200))}`
  }
}

function refuseError(reply: Reply): Reply {
  if (reply instanceof ReplyError) throw reply
  return reply
}
