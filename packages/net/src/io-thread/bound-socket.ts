/**
 * A socket that is bound but not listened on: the process keeps it in the link thread for as long as the place is served,
 * and every I/O thread listens on a descriptor of its own that leads to it (`descriptors.ts`). They share one queue of
 * incoming connections, so none is lost when a thread ends, and a second server on the same port is refused as ever,
 * neither of which `reusePort` would give; and Unix sockets work the same way.
 *
 * Node binds without listening only inside `listen` and in its cluster module; `_createServerHandle` is the function that
 * both use (unchanged from Node 0.12 to 24).
 */
import { chmodSync } from 'node:fs'
import * as net from 'node:net'
import { lookup } from 'node:dns/promises'
import { getSystemErrorName } from 'node:util'
import type { ListenPlace } from '../clients/listeners.ts'

/** UV_TCP_IPV6ONLY of libuv's uv.h. */
const IPV6_ONLY = 1
const NO_FD = -1
const UNIX = -1

/** What Node keeps inside a `net.Server`. */
interface NativeHandle {
  readonly fd: number
  close(): void
  getsockname?(into: { port?: number }): number
}

type CreateServerHandle = (
  address: string | null,
  port: number,
  addressType: number,
  fd: number,
  flags?: number,
) => NativeHandle | number

const createHandle = (net as unknown as { readonly _createServerHandle: CreateServerHandle })._createServerHandle

export interface BoundSocket {
  /** For a child process to inherit. */
  readonly fd: number
  /** The system's choice when it was 0; 0 of a Unix socket. */
  readonly port: number
  close(): void
}

/** @throws the system's error (EADDRNOTAVAIL …). That somebody listens there already may show only when a thread listens. */
export async function bindSocket(place: ListenPlace): Promise<BoundSocket> {
  if ('path' in place) {
    const handle = checked(createHandle(place.path, UNIX, UNIX, NO_FD), `bind ${place.path}`)
    try {
      if (place.permissions !== 0) chmodSync(place.path, place.permissions)
    } catch (error) {
      handle.close()
      throw error
    }
    return { fd: handle.fd, port: 0, close: () => handle.close() }
  }
  const { address, family } = await lookup(place.host)
  const name = `bind ${address}:${place.port}`
  const handle = checked(createHandle(address, place.port, family, NO_FD, family === 6 ? IPV6_ONLY : 0), name)
  const bound: { port?: number } = {}
  const error = handle.getsockname?.(bound) ?? 0
  if (error !== 0) {
    handle.close()
    throw systemError(error, name)
  }
  return { fd: handle.fd, port: bound.port ?? place.port, close: () => handle.close() }
}

/** A handle on a descriptor that this process inherited. */
export function handleOfDescriptor(fd: number): object {
  return checked(createHandle(null, 0, NO_FD, fd), `descriptor ${fd}`)
}

function checked(result: NativeHandle | number, what: string): NativeHandle {
  if (typeof result === 'number') throw systemError(result, what)
  return result
}

function systemError(errno: number, what: string): Error {
  const code = getSystemErrorName(errno)
  return Object.assign(new Error(`${what}: ${code}`), { code, errno })
}
