/**
 * Reading from accepted connections into one shared buffer. Node allocates 64 KiB for every read of an accepted socket
 * and shrinks it afterwards; with many small requests that is a good part of the server's CPU time (`bench get` shows it).
 * Sockets that are made with `onread` do not, but only clients can ask for it.
 *
 * So the connection's handle is moved from the socket that the server made into one with `onread`. The handle is not a
 * documented part of Node (it has been the same since 0.12); where it is missing, the server's own socket is used and
 * everything works as well, only slower.
 */
import { Socket } from 'node:net'

/** Longest read: as much as Node itself would read at once. */
const SHARED_BYTES = 64 * 1024

const shared: Buffer = Buffer.allocUnsafeSlow(SHARED_BYTES)

/** What net.Server keeps on a socket that it made. */
interface AcceptedSocket {
  _handle?: object | null
  /** The server counts its open connections by it. */
  _server?: unknown
}

export interface SharedReads {
  readonly socket: Socket
  /** False: `receive` gets chunks that nobody else will write to. */
  readonly isShared: boolean
}

/**
 * @param accepted from a server with `pauseOnConnect`; not to be used any more.
 * @param receive gets what was read: the first `length` bytes of a chunk. With `isShared` it is borrowed until `receive` returns, and always the
 * same buffer: views of it are made once, not for each read.
 */
export function readShared(accepted: Socket, receive: (chunk: Buffer, length: number) => void): SharedReads {
  const inside = accepted as unknown as AcceptedSocket
  const handle = inside._handle
  if (handle === undefined || handle === null || !('_server' in inside)) {
    accepted.on('data', (chunk: Buffer) => receive(chunk, chunk.length))
    accepted.resume()
    return { socket: accepted, isShared: false }
  }
  inside._handle = null
  const options = {
    handle,
    allowHalfOpen: true,
    readable: true,
    writable: true,
    onread: {
      buffer: shared,
      callback: (count: number) => {
        receive(shared, count)
        return true
      },
    },
  }
  const socket = new Socket(options)
  ;(socket as unknown as AcceptedSocket)._server = inside._server
  inside._server = null
  return { socket, isShared: true }
}
