/** A TCP proxy through which bytes of the server pass at a bounded rate; those of the client pass as they come. */
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

const STEP_MS = 20

export class ThrottlingProxy {
  /** 0: nothing passes. */
  bytesPerSecond: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  static async start(serverPort: number, bytesPerSecond: number): Promise<ThrottlingProxy> {
    const proxy = new ThrottlingProxy(serverPort, bytesPerSecond)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  private constructor(serverPort: number, bytesPerSecond: number) {
    this.bytesPerSecond = bytesPerSecond
    this.#server = createServer((down) => this.#join(down, connect(serverPort, '127.0.0.1')))
  }

  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen')
    return address.port
  }

  /** Cuts all connections; new ones are taken. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async stop(): Promise<void> {
    this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #join(down: Socket, up: Socket): void {
    for (const socket of [down, up]) {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => this.#sockets.delete(socket))
    }
    down.pipe(up)
    let passed = 0
    const timer = setInterval(() => {
      passed = 0
      up.resume()
    }, STEP_MS)
    up.on('data', (bytes: Buffer) => {
      down.write(bytes)
      passed += bytes.length
      if (passed >= (this.bytesPerSecond * STEP_MS) / 1000) up.pause()
    })
    up.on('close', () => {
      clearInterval(timer)
      down.destroy()
    })
    down.on('close', () => up.destroy())
  }
}
