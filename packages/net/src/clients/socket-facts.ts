/** What is said of an accepted socket: its addresses as CLIENT LIST shows them, and tcp-keepalive. */
import type { Socket } from 'node:net'
import type { ClientSettings } from './settings.ts'

/** @param unixPath the Unix socket it came by. */
export function addressesOf(
  socket: Socket,
  unixPath: string | undefined,
): { readonly address: string; readonly localAddress: string } {
  if (unixPath !== undefined) return { address: `${unixPath}:0`, localAddress: `${unixPath}:0` }
  return {
    address: hostPort(socket.remoteAddress, socket.remotePort),
    localAddress: hostPort(socket.localAddress, socket.localPort),
  }
}

export function hostPort(host: string | undefined, port: number | undefined): string {
  const plain = (host ?? '?').replace(/^::ffff:(?=\d+\.)/, '')
  return plain.includes(':') ? `[${plain}]:${port ?? 0}` : `${plain}:${port ?? 0}`
}

export function keepAlive(socket: Socket, { tcpKeepaliveSeconds }: ClientSettings): void {
  if (tcpKeepaliveSeconds > 0) socket.setKeepAlive(true, tcpKeepaliveSeconds * 1000)
}
