/**
 * The sockets that clients connect to: TCP on some addresses, and a Unix socket. Opens, moves and closes them; what
 * becomes of a connection is `server.ts`. Source of the rules: redis 7.0 server.c listenToPort(), changeListenPort().
 */
import { accessSync, chmodSync, unlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { dirname } from 'node:path'
import { systemErrorCode } from '../config/system-error-text.ts'
import { errorText } from '../error-text.ts'

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

/** One socket to listen on. */
export type ListenPlace =
  | { readonly path: string; readonly permissions: number }
  | { readonly host: string; readonly port: number }

/** A place that is listened on. */
export interface OpenListener {
  /** The system's choice when it was 0; 0 of a Unix socket. */
  readonly port: number
  readonly isUnix: boolean
  /** Stops listening; connections stay. Resolves when the place is free. */
  close(): Promise<void>
}

/** @throws the system's error when the place cannot be listened on; `Listeners` makes it a ListenError. */
export type OpenPlace = (place: ListenPlace) => Promise<OpenListener>

/** A place that cannot be listened on: which one, in the words of Redis, and the system's reason. */
export class ListenError extends Error {
  /** The system's: EADDRINUSE …; undefined when it gave none. */
  readonly code: string | undefined

  constructor(place: ListenPlace, cause: unknown) {
    const what =
      'path' in place
        ? `Failed opening Unix socket ${place.path}`
        : `Failed listening on port ${place.port} (tcp) of ${place.host}`
    super(`${what}: ${errorText(cause)}`, { cause })
    this.name = 'ListenError'
    this.code = systemErrorCode(cause)
  }
}

/** A connection, not read from yet. `unixPath`: the Unix socket it came by. */
export type AcceptSocket = (socket: Socket, unixPath: string | undefined) => void

export class Listeners {
  /** The TCP port that is listened on; 0 for none. */
  port = 0
  readonly #openPlace: OpenPlace
  readonly #open: OpenListener[] = []
  /** What the TCP listeners were opened with. */
  #listening: TcpListenOptions = { bind: [], port: 0 }

  constructor(openPlace: OpenPlace) {
    this.#openPlace = openPlace
  }

  /** Opens all. @throws ListenError when one cannot be opened; none is open then. */
  async open(options: ListenOptions): Promise<void> {
    try {
      const opensTcp = options.port !== 0 || options.anyPort === true
      this.port = opensTcp ? await this.#openTcp(options) : 0
      this.#listening = { bind: options.bind, port: options.port }
      if (options.unixSocket !== undefined && options.unixSocket !== '') {
        await this.#listen({ path: options.unixSocket, permissions: options.unixSocketPermissions ?? 0 })
      }
    } catch (error) {
      await this.close()
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
    const unix = before.filter((listener) => listener.isUnix)
    const tcp = before.filter((listener) => !unix.includes(listener))
    const { port } = this
    if (samePort) await closeAll(tcp)
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
    if (!samePort) await closeAll(tcp)
  }

  /** Stops listening. Connections stay. */
  async close(): Promise<void> {
    await closeAll(this.#open.splice(0))
  }

  /** @returns the port: the system's choice when it was 0. */
  async #openTcp(options: TcpListenOptions): Promise<number> {
    let { port } = options
    for (const address of options.bind) {
      const optional = address.startsWith('-')
      const host = optional ? address.slice(1) : address
      try {
        const listener = await this.#listen({ host: host === '*' ? '0.0.0.0' : host === '::*' ? '::' : host, port })
        port = listener.port
      } catch (error) {
        if (!optional || !isMissingAddress(error)) throw error
      }
    }
    return port
  }

  async #listen(place: ListenPlace): Promise<OpenListener> {
    try {
      if ('path' in place) removeStaleSocket(place.path)
      const listener = await this.#openPlace(place)
      this.#open.push(listener)
      return listener
    } catch (error) {
      throw new ListenError(place, error)
    }
  }
}

async function closeAll(listeners: readonly OpenListener[]): Promise<void> {
  await Promise.all(listeners.map((listener) => listener.close()))
}

/** A server whose connections are read by `shared-reads.ts`, not yet listening. */
export function createListener(accept: AcceptSocket, unixPath: string | undefined): Server {
  return createServer({ noDelay: true, allowHalfOpen: true, pauseOnConnect: true }, (socket) =>
    accept(socket, unixPath),
  )
}

/** Listens in this thread. @param failed hears when the system could not accept a connection (EMFILE …). */
export function openHere(accept: AcceptSocket, backlog: () => number, failed: (error: Error) => void): OpenPlace {
  return (place) => {
    const isUnix = 'path' in place
    const listener = createListener(accept, isUnix ? place.path : undefined)
    return new Promise((resolve, reject) => {
      listener.once('error', reject)
      const where = isUnix ? { path: place.path } : { ...place, ipv6Only: place.host.includes(':') }
      listener.listen({ ...where, backlog: backlog() }, () => {
        listener.off('error', reject)
        listener.on('error', failed)
        try {
          if (isUnix && place.permissions !== 0) chmodSync(place.path, place.permissions)
        } catch (error) {
          listener.close()
          reject(error)
          return
        }
        const bound = listener.address()
        const port = bound !== null && typeof bound === 'object' ? bound.port : 0
        resolve({ port, isUnix, close: () => stopListening(listener) })
      })
    })
  }
}

/** The descriptor is closed at once; that connections are left changes nothing. */
async function stopListening(listener: Server): Promise<void> {
  listener.close()
}

function isMissingAddress(error: unknown): boolean {
  const code = systemErrorCode(error)
  return code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT' || code === 'EINVAL'
}

function removeStaleSocket(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error
    // Of a directory that is not there libuv would say that permission is denied.
    accessSync(dirname(path))
  }
}
