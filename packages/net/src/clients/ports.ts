/**
 * What the RESP server asks of the process it runs in: persistence, replicas, shutdown. Everything optional that is left
 * out has the answer of a server that does not do such things.
 */
import type { Effects } from '@understudy/core/internal'
import type { ClientType } from './connection.ts'
import type { ClientSession } from './session.ts'

/** SHUTDOWN [NOSAVE|SAVE] [NOW] [FORCE]. */
export interface ShutdownRequest {
  readonly save: 'default' | 'yes' | 'no'
  readonly now: boolean
  readonly force: boolean
}

/** The process is about to end, or will when replicas have caught up, or goes on: something could not be saved. */
export type ShutdownOutcome = 'ending' | 'waiting' | 'failed'

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

/** Where clients' writes go for the replicas below (`replicas/own-stream.ts`). */
export interface WriteSink {
  /** Undefined while nobody is to be told: a comparison is all that it costs then. */
  readonly effects: Effects | undefined
  /** A command or an EXEC is over: what it told goes, whole. Called inside the unit, if there is one. */
  unitEnded(): boolean
  /**
   * What a command did cannot be told, and what was told of its unit goes with it: who reads the stream has to begin anew, with all of
   * the data. Called inside the unit. @param cause for the log
   */
  interrupted(cause: string): void
  /** Number of the last byte told: master_repl_offset. */
  readonly offset: number
}

/** WAIT: replicas below and what they have acknowledged (`replicas/acknowledgements.ts`). */
export interface Acknowledgements {
  /** Replicas that have everything up to `offset`. */
  count(offset: number): number
  /** Asks replicas for ACKs at once, and calls `done` as soon as so many have everything up to `offset`. @returns cancels it */
  whenAcknowledged(offset: number, replicas: number, done: () => void): () => void
}

/** maxmemory (`server/memory-limit.ts`). */
export interface MemoryPort {
  /** Is there one? */
  readonly isLimited: boolean
  /** Called before each command: evicts keys, or says in `NodeState.outOfMemory` that there are none to evict. */
  makeRoom(): void
}

export interface ServerPorts {
  readonly memory?: MemoryPort
  readonly writes?: WriteSink
  /** @param cancelled called when a shutdown that waits comes to nothing */
  readonly shutdown?: (request: ShutdownRequest, cancelled: () => void) => ShutdownOutcome
  /** @returns false when no shutdown waits */
  readonly shutdownAbort?: () => boolean
  /** Seconds since 1970 of the last save. */
  readonly lastSave?: () => number
  readonly acknowledgements?: Acknowledgements
  readonly foreignConnections?: () => Iterable<ForeignConnection>
  /** Clients' writes are held back, or not any more. */
  readonly paused?: (isPaused: boolean) => void
  /** A connection ended. */
  readonly sessionClosed?: (session: ClientSession) => void
}
