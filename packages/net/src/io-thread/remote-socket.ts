/**
 * What a `ClientSession` of the link thread has for a socket when its connection is in an I/O thread: output goes through
 * the channel, and the session's state follows it as soon as everything forwarded was run, so that the I/O thread knows
 * when it may answer reads again.
 */
import type { LongReplyRequest } from '@understudy/core/internal'
import type { ConnectionSocket } from '../clients/connection.ts'
import {
  CLIENT_MULTI,
  CLIENT_NO_TOUCH,
  CLIENT_PUBSUB,
  CLIENT_REPLICA,
  CLIENT_REPLY_OFF,
  CLIENT_REPLY_SKIP,
  CLIENT_REPLY_SKIP_NEXT,
  CLIENT_STOPPED,
  CLIENT_TRACKED,
  CLIENT_UNAUTHENTICATED,
  CLIENT_WATCHES,
} from '../clients/connection-flags.ts'
import type { ClientSession, ConnectionFacts } from '../clients/session.ts'
import { NO_QUEUE } from '../clients/transaction.ts'
import type { ConnectionTable } from './connection-table.ts'
import { FRAME_DESTROY, FRAME_FINISH } from './frames.ts'

/** Flags of a session that its I/O thread must know. */
export const TOLD_FLAGS: number =
  CLIENT_UNAUTHENTICATED |
  CLIENT_MULTI |
  CLIENT_NO_TOUCH |
  CLIENT_PUBSUB |
  CLIENT_REPLICA |
  CLIENT_REPLY_OFF |
  CLIENT_REPLY_SKIP |
  CLIENT_REPLY_SKIP_NEXT

/** The link thread's end of the channel to one I/O thread. */
export interface RemoteChannel {
  readonly table: ConnectionTable
  /** Full name of a command by its id in the statistics. */
  commandName(id: number): string | undefined
  output(id: number, bytes: Buffer): void
  /** Tells of the connection's end. */
  signal(id: number, kind: number): void
  setNoDelay(id: number, noDelay: boolean): void
  settled(id: number, forwardedBytes: number, db: number, resp: number, flags: number): void
  /** Tells that a command of the connection waits. */
  waits(id: number): void
  /** Tells that the client has told the password. */
  authenticated(id: number): void
  /** Calls `done` now, or when the channel has room again. */
  whenRoom(done: () => void): void
  /** Has the connection's thread make this reply, behind all output before it. */
  handOver(id: number, request: LongReplyRequest): void
  /** Asks for `settle()` of this socket at the end of the turn. */
  settleSoon(socket: RemoteSocket): void
}

export class RemoteSocket implements ConnectionSocket {
  destroyed = false
  readonly writableLength = 0
  /** Set by whoever makes the session. */
  session: ClientSession | undefined
  /** Bytes of commands that came so far. */
  forwardedBytes = 0
  /** Bytes of output so far; of a replica below, how many of them came and were sent, as far as is known. */
  #outputBytes = 0
  #takenBytes = 0
  readonly #channel: RemoteChannel
  readonly #id: number
  readonly #slot: number
  #settlesSoon = false

  /** @param slot of the connection in the thread's table. */
  constructor(channel: RemoteChannel, id: number, slot: number) {
    this.#channel = channel
    this.#id = id
    this.#slot = slot
  }

  /** What is known of the connection here, and in its thread. */
  factsBeside(own: ConnectionFacts): ConnectionFacts {
    const { table } = this.#channel
    const there = table.read(this.#slot)
    const isLater = there.lastInteractionMs > own.lastInteractionMs
    return {
      lastInteractionMs: isLater ? there.lastInteractionMs : own.lastInteractionMs,
      inputBytes: own.inputBytes + there.inputBytes,
      outputBytes: own.outputBytes + there.outputBytes,
      command: there.commandId < 0 ? own.command : (this.#channel.commandName(there.commandId) ?? own.command),
      replyOverdue: there.replyOverdue,
      // It is in one place: handed over, it has left the thread.
      queue: own.queue === NO_QUEUE ? there.queue : own.queue,
    }
  }

  /** Of a replica below: output on its way, or not yet taken by its connection. The I/O thread tells when that changes. */
  get untakenBytes(): number {
    return this.#outputBytes - this.#takenBytes
  }

  /** @param receivedBytes of output came, of which so many are unsent. */
  noteTaken(receivedBytes: number, unsentBytes: number): void {
    this.#takenBytes = receivedBytes - unsentBytes
  }

  write(view: Buffer, done: () => void): void {
    this.#outputBytes += view.length
    this.#channel.output(this.#id, view)
    this.#channel.whenRoom(done)
  }

  /** Has the connection's thread make a long reply: output that comes before it was written. */
  handOver(request: LongReplyRequest): void {
    this.#channel.handOver(this.#id, request)
  }

  /** The I/O thread takes no more than a bounded part of a connection's input ahead: there is nothing to pause here. */
  pause(): void {}

  resume(): void {}

  setNoDelay(noDelay: boolean): void {
    if (!this.destroyed) this.#channel.setNoDelay(this.#id, noDelay)
  }

  /** Before the output that this allows: the session's state follows only behind it. */
  authenticated(): void {
    this.#channel.authenticated(this.#id)
  }

  destroySoon(): void {
    if (this.destroyed) return
    this.destroyed = true
    this.#channel.signal(this.#id, FRAME_FINISH)
  }

  destroy(): void {
    if (this.destroyed) return
    this.destroyed = true
    this.#channel.signal(this.#id, FRAME_DESTROY)
  }

  /** The session ran what it had, or has to wait. */
  commandsDone(): void {
    if (this.#settlesSoon) return
    this.#settlesSoon = true
    this.#channel.settleSoon(this)
  }

  /**
   * Tells the I/O thread what the session is now, or that it waits, behind its replies. Call at the end of a turn.
   * @returns false: something is still to be run or sent; ask again.
   */
  settle(): boolean {
    const { session } = this
    if (session === undefined || session.closed) return true
    const { waits } = session
    if ((session.flags & CLIENT_STOPPED) !== 0 && !waits) {
      this.#settlesSoon = false
      return true
    }
    session.trySend()
    if (session.pendingOutputBytes > 0) return false
    this.#settlesSoon = false
    if (waits) {
      this.#channel.waits(this.#id)
      return true
    }
    const flags =
      (session.flags & TOLD_FLAGS) |
      (session.tracking === undefined ? 0 : CLIENT_TRACKED) |
      (session.watched.length === 0 ? 0 : CLIENT_WATCHES)
    this.#channel.settled(this.#id, this.forwardedBytes, session.db, session.resp, flags)
    return true
  }
}
