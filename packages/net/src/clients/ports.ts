/**
 * What the RESP server asks of the process it runs in: persistence, replicas, shutdown. Everything optional that is left
 * out has the answer of a server that does not do such things.
 */
import type { CommandArgs, CommandEntry } from '@understudy/core/internal'
import type { ClientType } from './connection.ts'
import type { ClientSession } from './session.ts'

/** SHUTDOWN [NOSAVE|SAVE] [NOW] [FORCE]. */
export interface ShutdownRequest {
  readonly save: 'default' | 'yes' | 'no'
  readonly now: boolean
  readonly force: boolean
}

/** A connection that is not a session: the link to the primary, a replica fed by other means. */
export interface ForeignConnection {
  readonly id: number
  readonly type: ClientType
  readonly address: string
  readonly localAddress: string
  /** Age in milliseconds, for CLIENT KILL MAXAGE. */
  readonly ageMs: number
  /** Its line in CLIENT LIST. */
  describe(): string
  kill(): void
}

/**
 * Hears of clients' writes in the order in which they took effect, for passing them on. Calls come inside the unit. A
 * write that changed nothing is told as well, and commands are told as the client sent them: what replicas need instead
 * (PXAT for EX, LPOP for BLPOP) is the listener's to know.
 */
export interface WriteListener {
  /** EXEC begins: the writes up to `groupEnded` take effect together, and are to be passed on as one MULTI … EXEC. */
  groupBegan(): void
  /** A command with the WRITE flag ran without an error. Arguments are borrowed for the call. */
  wrote(entry: CommandEntry<ClientSession>, args: CommandArgs, db: number): void
  groupEnded(): void
}

export interface ServerPorts {
  readonly writes?: WriteListener
  /** @returns an error text (with its code) when the shutdown is refused; otherwise the process is about to end. */
  readonly shutdown?: (request: ShutdownRequest) => string | undefined
  readonly shutdownAbort?: () => boolean
  /** Seconds since 1970 of the last save. */
  readonly lastSave?: () => number
  /** WAIT on a primary: replicas that acknowledged everything this connection wrote. */
  readonly acknowledgedReplicas?: () => number
  readonly foreignConnections?: () => Iterable<ForeignConnection>
  /** A connection ended. */
  readonly sessionClosed?: (session: ClientSession) => void
}
