/** A server as the harness sees it: commands in, the exact bytes of their replies out, in order. */
import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import type { Word } from './draw.ts'
import { replyEnd } from './replies.ts'

export interface Endpoint {
  readonly name: string
  /** Sends all at once and resolves to one reply for each. */
  call(commands: readonly (readonly Word[])[]): Promise<Buffer[]>
  close(): void
}

const REPLY_TIMEOUT_MS = 30_000

/** The server is gone, or does not answer any more. */
export class EndpointFailure extends Error {}

/** A connection to a server of this machine. */
export class SocketEndpoint implements Endpoint {
  readonly name: string
  readonly #socket: Socket
  #received: Buffer = Buffer.alloc(0)
  #chunks: Buffer[] = []
  #chunkBytes = 0
  #waiting: { count: number; replies: Buffer[]; resolve: () => void; reject: (error: Error) => void } | undefined
  #ended: EndpointFailure | undefined

  static async connect(name: string, port: number): Promise<SocketEndpoint> {
    const socket = connect({ host: '127.0.0.1', port })
    await once(socket, 'connect')
    return new SocketEndpoint(name, socket)
  }

  private constructor(name: string, socket: Socket) {
    this.name = name
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk)
      this.#chunkBytes += chunk.length
      // A long reply is looked at again when it has doubled, not at each of its pieces.
      if (this.#chunkBytes * 4 >= this.#received.length) this.#take()
      else setImmediate(() => this.#take())
    })
    const ended = (error?: Error): void => {
      this.#ended ??= new EndpointFailure(`${name} closed the connection`, { cause: error })
      this.#waiting?.reject(this.#ended)
    }
    socket.on('error', ended)
    socket.on('close', () => ended())
  }

  async call(commands: readonly (readonly Word[])[]): Promise<Buffer[]> {
    if (this.#ended !== undefined) throw this.#ended
    if (this.#waiting !== undefined) throw new Error(`${this.name} is being called`)
    if (commands.length === 0) return []
    const replies: Buffer[] = []
    let timer: NodeJS.Timeout | undefined
    const done = new Promise<void>((resolve, reject) => {
      this.#waiting = { count: commands.length, replies, resolve, reject }
      timer = setTimeout(() => {
        const command = commands[replies.length]!.map((word) => JSON.stringify(word.toString('latin1').slice(0, 60)))
        this.#ended = new EndpointFailure(`${this.name} does not answer ${command.join(' ')}`)
        reject(this.#ended)
      }, REPLY_TIMEOUT_MS)
    })
    this.#socket.write(encodeCommands(commands))
    try {
      await done
    } finally {
      clearTimeout(timer)
      this.#waiting = undefined
    }
    return replies
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(): void {
    if (this.#chunkBytes === 0) return
    this.#received = Buffer.concat([this.#received, ...this.#chunks])
    this.#chunks = []
    this.#chunkBytes = 0
    const waiting = this.#waiting
    if (waiting === undefined) return
    let at = 0
    while (waiting.replies.length < waiting.count) {
      const end = replyEnd(this.#received, at)
      if (end < 0) break
      waiting.replies.push(this.#received.subarray(at, end))
      at = end
    }
    this.#received = this.#received.subarray(at)
    if (waiting.replies.length === waiting.count) waiting.resolve()
  }
}

function encodeCommands(commands: readonly (readonly Word[])[]): Buffer {
  let size = 0
  for (const words of commands) {
    size += 16
    for (const word of words) size += 16 + (typeof word === 'string' ? word.length * 3 : word.length)
  }
  const out = Buffer.allocUnsafe(size)
  let at = 0
  for (const words of commands) {
    at += out.write(`*${words.length}\r\n`, at, 'latin1')
    for (const word of words) {
      // Words are bytes: each character of a string is one.
      at += out.write(`$${word.length}\r\n`, at, 'latin1')
      at += typeof word === 'string' ? out.write(word, at, 'latin1') : word.copy(out, at)
      at += out.write('\r\n', at, 'latin1')
    }
  }
  return out.subarray(0, at)
}
