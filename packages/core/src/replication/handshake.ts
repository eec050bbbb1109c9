/**
 * What is said before PSYNC, and which answers are good enough to go on. It holds no state: link-machine.ts walks
 * through the steps.
 *
 *     PING ──► +PONG ──► AUTH, REPLCONF listening-port, [ip-address], capa, [version] in one write ──► a reply to each
 *
 * Source: redis 7.0 replication.c syncWithMaster(); seen on the wire of 7.0.15.
 */
import { encodeRequest } from './requests.ts'

/** In the order in which they are sent and answered. */
export type HandshakeStep = 'auth' | 'listening-port' | 'ip-address' | 'capa' | 'version'

export interface HandshakeOptions {
  /** masteruser; empty: AUTH with the password alone. */
  user: string | Uint8Array
  /** masterauth, binary-safe; empty: no AUTH. */
  password: string | Uint8Array
  /** The port by which others reach us: replica-announce-port, or our own. */
  listeningPort: number
  /** replica-announce-ip; empty: the primary takes the address of the connection. */
  announceIp: string
  /** Sent as REPLCONF version, only to a primary that is known to take it (Valkey 8 and later). */
  version: string | undefined
  /** Names of PSYNC and REPLCONF at a primary that has renamed them (`upstream-command psync NAME`). */
  psync: string
  replconf: string
}

export const DEFAULT_HANDSHAKE: Readonly<HandshakeOptions> = {
  user: '',
  password: '',
  listeningPort: 6379,
  announceIp: '',
  version: undefined,
  psync: 'PSYNC',
  replconf: 'REPLCONF',
}

export function encodePing(): Uint8Array {
  return encodeRequest('PING')
}

/** Everything between PONG and PSYNC: the steps that are answered, and their bytes for one write. */
export function encodeIntroduction(options: Readonly<HandshakeOptions>): { steps: HandshakeStep[]; bytes: Uint8Array } {
  const steps: HandshakeStep[] = []
  const requests: Uint8Array[] = []
  const add = (step: HandshakeStep, ...args: (string | Uint8Array)[]): void => {
    steps.push(step)
    requests.push(encodeRequest(...args))
  }
  if (options.password.length > 0) {
    if (options.user.length > 0) add('auth', 'AUTH', options.user, options.password)
    else add('auth', 'AUTH', options.password)
  }
  const name = options.replconf
  add('listening-port', name, 'listening-port', String(options.listeningPort))
  if (options.announceIp !== '') add('ip-address', name, 'ip-address', options.announceIp)
  add('capa', name, 'capa', 'eof', 'capa', 'psync2')
  if (options.version !== undefined) add('version', name, 'version', options.version)
  return { steps, bytes: Buffer.concat(requests) }
}

/** A primary that wants AUTH first, or does not let us PING, may still take AUTH or PSYNC. */
export function isPongGoodEnough(line: string): boolean {
  return (
    line.startsWith('+') ||
    line.startsWith('-NOAUTH') ||
    line.startsWith('-NOPERM') ||
    line.startsWith('-ERR operation not permitted')
  )
}

export type StepVerdict = 'ok' | 'not-fatal' | 'fatal' | 'garbage'

/** `-` on AUTH ends the attempt, `-` on a REPLCONF does not; anything that is neither + nor - is not a primary. */
export function judgeReply(step: HandshakeStep, line: string): StepVerdict {
  if (line.startsWith('+')) return 'ok'
  if (!line.startsWith('-')) return 'garbage'
  return step === 'auth' ? 'fatal' : 'not-fatal'
}
