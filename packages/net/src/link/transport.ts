/**
 * A connection to the primary, TCP or TLS, that receives straight into memory its owner names: no Buffer is allocated
 * per read. It does not know what the bytes mean.
 *
 * `node:net` reads with `onread: { buffer: () => view, callback }`. After every callback Node asks for the next view,
 * also when the callback has just paused the socket; so a view may be older than what its owner did since, and the
 * callback is told which view was filled. TLS may still deliver what it had decrypted after a pause (pieces of 16 KiB).
 * Source: Node 20 lib/net.js initSocketHandle(), lib/internal/stream_base_commons.js onStreamRead().
 */
import { readFileSync, readdirSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls, createSecureContext } from 'node:tls'
import type { ConnectionOptions, SecureVersion } from 'node:tls'
import { LinkError } from '@understudy/core/internal'

/** The tls-* directives that matter when we are the client. Paths; empty or left out: not used. */
export interface TlsFiles {
  readonly caCertFile?: string
  readonly caCertDir?: string
  /** tls-client-cert-file, else tls-cert-file. */
  readonly certFile?: string
  readonly keyFile?: string
  readonly keyFilePass?: string
  /** tls-protocols, as in 'TLSv1.2 TLSv1.3'. */
  readonly protocols?: string
  readonly ciphers?: string
  readonly cipherSuites?: string
}

export interface TransportOptions {
  readonly host: string
  readonly port: number
  /** bind-source-addr; empty: the system chooses. */
  readonly sourceAddress?: string
  /** repl-disable-tcp-nodelay. */
  readonly disableNoDelay?: boolean
  /** Present: tls-replication yes. */
  readonly tls?: TlsFiles
}

/** Called by the transport; never after `close()`. */
export interface TransportEvents {
  connected(): void
  /** Where the next bytes go; asked ahead of time. */
  view(): Uint8Array
  /** `view[0 .. count)` was filled. False: read no more until `resume()`. */
  received(count: number, view: Uint8Array): boolean
  /** Exactly once, unless `close()` came first. */
  ended(reason: string): void
}

/** As the socket knows them: undefined before it is connected and after its end. */
export type ConnectionEnds = {
  readonly [End in 'remoteAddress' | 'remotePort' | 'localAddress' | 'localPort']: Socket[End] | undefined
}

const KEEP_ALIVE_AFTER_MS = 60_000
/** Hours of acknowledgements at one a second; more is there only for who asks for them without end. */
const UNREAD_BYTES_MAX: number = 1 << 20

export class PrimaryConnection {
  readonly #socket: Socket
  #events: TransportEvents | undefined

  /** Begins to connect. @throws LinkError LINK_TLS_FAILED when certificates or keys cannot be read. */
  constructor(options: TransportOptions, events: TransportEvents) {
    this.#events = events
    const onread = {
      buffer: (): Uint8Array => this.#events?.view() ?? NOWHERE,
      callback: (count: number, view: Uint8Array): boolean => this.#events?.received(count, view) ?? false,
    }
    const target = {
      host: options.host,
      port: options.port,
      noDelay: options.disableNoDelay !== true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_AFTER_MS,
      ...(options.sourceAddress === undefined || options.sourceAddress === ''
        ? {}
        : { localAddress: options.sourceAddress }),
    }
    let socket: Socket
    if (options.tls === undefined) {
      socket = connectTcp({ ...target, onread })
      socket.once('connect', () => this.#events?.connected())
    } else {
      try {
        socket = connectTls({ ...target, ...tlsOptions(options.tls), onread } as ConnectionOptions)
      } catch (error) {
        throw tlsError(error)
      }
      socket.once('secureConnect', () => this.#events?.connected())
      // connectTls() does not pass these on.
      socket.setNoDelay(target.noDelay)
      socket.setKeepAlive(true, KEEP_ALIVE_AFTER_MS)
    }
    this.#socket = socket
    let failure = ''
    socket.on('error', (error) => {
      failure = describeError(error)
    })
    socket.once('end', () => {
      failure ||= 'connection closed by the primary'
    })
    socket.once('close', () => this.#ended(failure || 'connection closed'))
  }

  /** Both ends of the connection, as far as the socket knows them. */
  get ends(): ConnectionEnds {
    const { remoteAddress, remotePort, localAddress, localPort } = this.#socket
    return { remoteAddress, remotePort, localAddress, localPort }
  }

  /** A primary that goes on sending, and reads nothing for so long that much waits for it here, is given up: `ended`. */
  send(bytes: Uint8Array): void {
    const socket = this.#socket
    if (socket.destroyed || !socket.writable) return
    if (socket.writableLength <= UNREAD_BYTES_MAX) socket.write(bytes)
    else socket.destroy(new LinkError('LINK_CLOSED', 'the primary does not read what it is sent'))
  }

  /** Goes on reading after `received` answered false. */
  resume(): void {
    if (!this.#socket.destroyed) this.#socket.resume()
  }

  /** Drops the connection at once; no event comes after this. */
  close(): void {
    this.#events = undefined
    this.#socket.destroy()
  }

  #ended(reason: string): void {
    const events = this.#events
    this.#events = undefined
    events?.ended(reason)
  }
}

/** Oldest first, as tls-protocols spells them. */
const TLS_VERSIONS: readonly SecureVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']

/** Bytes of a connection that nobody wants any more. */
const NOWHERE = new Uint8Array(1024)

/** @throws LinkError LINK_TLS_FAILED when no connection can be made with these: a file that cannot be read, a key that is another's. */
export function checkTls(files: TlsFiles): void {
  try {
    createSecureContext(tlsOptions(files))
  } catch (error) {
    throw tlsError(error)
  }
}

/**
 * As Redis' TLS does it: the peer's chain must lead to our CA, its host name is not compared (a primary is told by
 * address, and Sentinel gives addresses). So the CA must be named: with those that Node trusts by itself, whoever has a certificate for
 * any name at all could be the primary. Files are read at every attempt, so renewed certificates are used.
 */
function tlsOptions(files: TlsFiles): ConnectionOptions {
  const read = (path: string, what: string): Buffer => {
    try {
      return readFileSync(path)
    } catch (error) {
      throw new LinkError('LINK_TLS_FAILED', `cannot read the TLS ${what} '${path}': ${describeError(error)}`)
    }
  }
  if (!files.caCertFile && !files.caCertDir) {
    throw new LinkError('LINK_TLS_FAILED', 'tls-replication needs tls-ca-cert-file or tls-ca-cert-dir')
  }
  const ca: Buffer[] = []
  if (files.caCertFile) ca.push(read(files.caCertFile, 'CA certificate'))
  if (files.caCertDir) ca.push(...readDirectory(files.caCertDir))
  // Node takes what is none without a word.
  if (!ca.some(hasCertificate)) {
    const where = [files.caCertFile, files.caCertDir].filter(Boolean).join("' and '")
    throw new LinkError('LINK_TLS_FAILED', `there is no CA certificate in '${where}'`)
  }
  const ciphers = [files.cipherSuites, files.ciphers].filter((list) => list !== undefined && list !== '').join(':')
  const wanted = (files.protocols ?? '').toLowerCase().split(/\s+/)
  const versions = TLS_VERSIONS.filter((version) => wanted.includes(version.toLowerCase()))
  return {
    rejectUnauthorized: true,
    checkServerIdentity: () => undefined,
    ca,
    ...(files.certFile ? { cert: read(files.certFile, 'certificate') } : {}),
    ...(files.keyFile ? { key: read(files.keyFile, 'key') } : {}),
    ...(files.keyFilePass ? { passphrase: files.keyFilePass } : {}),
    ...(ciphers === '' ? {} : { ciphers }),
    ...(versions.length > 0 ? { minVersion: versions[0]!, maxVersion: versions.at(-1)! } : {}),
  }
}

function readDirectory(directory: string): Buffer[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => readFileSync(join(directory, entry.name)))
      .filter(hasCertificate)
  } catch (error) {
    throw new LinkError('LINK_TLS_FAILED', `cannot read tls-ca-cert-dir '${directory}': ${describeError(error)}`)
  }
}

function hasCertificate(pem: Buffer): boolean {
  return pem.includes('BEGIN CERTIFICATE') || pem.includes('BEGIN TRUSTED CERTIFICATE')
}

function tlsError(error: unknown): LinkError {
  if (error instanceof LinkError) return error
  return new LinkError('LINK_TLS_FAILED', `TLS cannot be set up: ${describeError(error)}`, { cause: error })
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'Connection refused',
  ECONNRESET: 'Connection reset by peer',
  EPIPE: 'Broken pipe',
  ETIMEDOUT: 'Connection timed out',
  EHOSTUNREACH: 'No route to host',
  ENETUNREACH: 'Network is unreachable',
  ENOTFOUND: 'host name not found',
  EADDRNOTAVAIL: 'Cannot assign requested address (bind-source-addr?)',
}

/** The system's words for an error, with its code; an AggregateError (several addresses tried) by its parts. */
function describeError(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(describeError).join('; ')
  if (!(error instanceof Error)) return String(error)
  const { code, reason } = error as NodeJS.ErrnoException & { readonly reason?: string }
  // OpenSSL's, whose message has addresses and source lines.
  if (reason !== undefined) return `${reason} (${code})`
  if (code === undefined) return error.message
  return WORDS[code] === undefined ? error.message : `${WORDS[code]} (${code})`
}
