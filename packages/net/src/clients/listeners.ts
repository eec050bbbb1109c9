/**
 * The sockets that clients connect to: TCP on some addresses, and a Unix socket. Opens, moves and closes them; what
 * becomes of a connection is `server.ts`. Source of the rules: redis 7.0 server.c listenToPort(), changeListenPort().
 */
import { chmodSync, unlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'

export interface TcpListenOptions {
  /** Addresses; one that begins with '-' may be missing on this machine. */
  bind: readonly string[]
  /** 0 with `anyPort`: the system chooses; 0 without: no TCP. */
  port: number
  anyPort?: boolean
}

export interface ListenOptions extends TcpListenOptions {
  unixSocket?: string
  unixSocketPermissions?: number
}

export interface ListenerPorts {
  /** tcp-backlog. */
  readonly backlog: () => number
  /** A connection, not read from yet. `unixPath`: the Unix socket it came by. */
  readonly accept: (socket: Socket, unixPath: string | undefined) => void
  /** The system could not accept one (EMFILE …). */
  readonly failed: (error: Error) => void
}

export class Listeners {
  /** The TCP port that is listened on; 0 for none. */
  port = 0
  readonly #ports: ListenerPorts
  readonly #open: Server[] = []
  /** What the TCP listeners were opened with. */
  #listening: TcpListenOptions = { bind: [], port: 0 }

  constructor(ports: ListenerPorts) {
    this.#ports = ports
  }

  /** Opens all. @throws the system's error (EADDRINUSE …) when one cannot be opened; none is open then. */
  async open(options: ListenOptions): Promise<void> {
    try {
      const opensTcp = options.port !== 0 || options.anyPort === true
      this.port = opensTcp ? await this.#openTcp(options) : 0
      this.#listening = { bind: options.bind, port: options.port }
      if (options.unixSocket !== undefined && options.unixSocket !== '') {
        removeStaleSocket(options.unixSocket)
        await this.#listen({ path: options.unixSocket })
        if (options.unixSocketPermissions) chmodSync(options.unixSocket, options.unixSocketPermissions)
      }
    } catch (error) {
      for (const listener of this.#open.splice(0)) listener.close()
      throw error
    }
  }

  /**
   * Opens another TCP port, or the same one on other addresses; the Unix socket stays. Another port is opened before the
   * old one is closed; for new addresses the old ones have to be closed first.
   * @throws as `open`; what was open before is open again then.
   */
  async reopen(options: TcpListenOptions): Promise<void> {
    const previous = this.#listening
    const samePort = options.port === previous.port
    if (samePort && options.bind.join(' ') === previous.bind.join(' ')) return
    const before = this.#open.splice(0)
    const unix = before.filter((listener) => typeof listener.address() === 'string')
    const tcp = before.filter((listener) => !unix.includes(listener))
    const { port } = this
    if (samePort) for (const listener of tcp) listener.close()
    try {
      await this.open(options)
    } catch (error) {
      try {
        if (samePort) await this.open(previous)
        else this.#open.push(...tcp)
        this.port = port
      } finally {
        this.#open.push(...unix)
      }
      throw error
    }
    this.#open.push(...unix)
    if (!samePort) for (const listener of tcp) listener.close()
  }

  /** Stops listening. Resolves when the connections of these listeners are gone, too. */
  async close(): Promise<void> {
    const closing = this.#open.splice(0).map(
      (listener) =>
        new Promise<void>((resolve) => {
          listener.close(() => resolve())
        }),
    )
    await Promise.all(closing)
  }

  /** @returns the port: the system's choice when it was 0. */
  async #openTcp(options: TcpListenOptions): Promise<number> {
    let { port } = options
    for (const address of options.bind) {
      const optional = address.startsWith('-')
      const host = optional ? address.slice(1) : address
      try {
        const listener = await this.#listen({
          host: host === '*' ? '0.0.0.0' : host === '::*' ? '::' : host,
          port,
          ...(host.includes(':') ? { ipv6Only: true } : {}),
        })
        const bound = listener.address()
        if (bound !== null && typeof bound === 'object') port = bound.port
      } catch (error) {
        if (!optional || !isMissingAddress(error)) throw error
      }
    }
    return port
  }

  #listen(place: { readonly path: string } | { readonly host: string; readonly port: number }): Promise<Server> {
    const unixPath = 'path' in place ? place.path : undefined
    const listener = createServer({ noDelay: true, allowHalfOpen: true, pauseOnConnect: true }, (socket) =>
      this.#ports.accept(socket, unixPath),
    )
    return new Promise((resolve, reject) => {
      listener.once('error', reject)
      listener.listen({ ...place, backlog: this.#ports.backlog() }, () => {
        listener.off('error', reject)
        listener.on('error', (error) => this.#ports.failed(error))
        this.#open.push(listener)
        resolve(listener)
      })
    })
  }
}

function isMissingAddress(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT' || code === 'EINVAL'
}

function removeStaleSocket(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  }
}
