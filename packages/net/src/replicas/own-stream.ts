/**
 * The replication stream that this node writes itself while it is nobody's replica: the effects of clients' writes and of
 * expiry, PING, GETACK. Their bytes go into the backlog as they are made, and the offset moves with them. While it is
 * stopped, on a replica or with nobody below and no log, `effects` is undefined, and a write costs one comparison.
 *
 * Source: redis 7.0 replication.c replicationFeedSlaves(), replicationCron().
 */
import {
  type BacklogWriter,
  type Clock,
  Effects,
  type Keyspace,
  type ReplicationHistory,
} from '@understudy/core/internal'

const PING: Uint8Array = Buffer.from('*1\r\n$4\r\nPING\r\n')
const GETACK: Uint8Array = Buffer.from('*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n')

export interface OwnStreamPorts {
  readonly keyspace: Keyspace
  readonly backlog: BacklogWriter
  readonly clock: Clock
  history(): ReplicationHistory
  /** Bytes were added: feeds have something to send. */
  appended(): void
  /** Something was done that the stream does not have: nobody can go on in it. @param cause for the log */
  interrupted(cause: string): void
}

export class OwnStream {
  readonly #ports: OwnStreamPorts
  readonly #effects = new Effects()
  readonly #target = { append: (bytes: Uint8Array, start: number, end: number) => this.#append(bytes, start, end) }
  #isActive = false

  constructor(ports: OwnStreamPorts) {
    this.#ports = ports
  }

  /** Where writes tell what they do; undefined while nobody hears it. */
  get effects(): Effects | undefined {
    return this.#isActive ? this.#effects : undefined
  }

  /** Selected database at the stream's end; -1: the next write selects its own. */
  get db(): number {
    return this.#effects.db
  }

  /** Writes are told from now on, behind the history's offset, which is the backlog's end. */
  start(): void {
    this.#isActive = true
    this.#effects.forgetDb()
  }

  /** What was told leaves; what comes is not told. */
  stop(): void {
    this.unitEnded()
    this.#isActive = false
  }

  /** Who reads from here on knows of no database: the next write says its own. */
  selectAgain(): void {
    this.unitEnded()
    this.#effects.forgetDb()
  }

  /**
   * A unit is over: what it did enters the backlog, whole.
   * @returns whether it did anything.
   */
  unitEnded(): boolean {
    return this.#effects.moveTo(this.#target)
  }

  interrupted(cause: string): void {
    this.#effects.discard()
    this.#ports.interrupted(cause)
  }

  /** Number of the last byte of the stream: master_repl_offset. */
  get offset(): number {
    return this.#ports.backlog.endOffset
  }

  ping(): void {
    this.#append(PING, 0, PING.length)
  }

  /** Asks every replica for an ACK at once. */
  getAck(): void {
    this.#append(GETACK, 0, GETACK.length)
  }

  #append(bytes: Uint8Array, start: number, end: number): void {
    const { backlog, keyspace, clock } = this.#ports
    const history = this.#ports.history()
    backlog.append(bytes, start, end)
    history.replOffset = backlog.endOffset
    // Readers in other threads learn with the data as of which offset they are.
    const isUnit = !keyspace.counters.isOpen
    if (isUnit) keyspace.begin()
    keyspace.position.note(history.replOffset, clock.wallMs())
    if (isUnit) keyspace.end()
    this.#ports.appended()
  }
}
