/**
 * The long replies of one thread's connections, while they are made (docs/large-replies.md): each does a slice of its work whenever its
 * connection has sent the last one, and all together take a bounded part of a turn of the event loop. Until its end nothing else
 * of that connection runs or is sent.
 */
import { isSizeFault, ReplicaError } from '@understudy/core/internal'
import type { Connection } from './connection.ts'
import { CLIENT_LONG_REPLY } from './connection-flags.ts'
import type { ConnectionHost } from './connection-host.ts'
import { ReplyPace } from './reply-pace.ts'

/** Of a turn of the event loop, for the slices of all connections. */
const TURN_MS_MAX = 2

/** A reply under way: made here (`pinned-reply.ts`), or in the connection's I/O thread. */
export interface LongReplyWork {
  /** The pin does not hold any more: it cannot be finished. */
  readonly isBroken: boolean
  /**
   * Does a slice; everything before was sent. @param endMs when to end, by `performance.now()`.
   * @returns true when the reply is complete. @throws ReplicaError PIN_BROKEN, or whatever `isSizeFault`
   */
  step(connection: Connection, endMs: number): boolean
  /** It is complete, or nobody wants it any more. */
  close(): void
}

interface ReplyUnderWay {
  readonly work: LongReplyWork
  readonly pace: ReplyPace
}

export class LongReplies {
  readonly #host: ConnectionHost
  readonly #underWay = new Map<Connection, ReplyUnderWay>()
  /** Those that may do a slice, in the order in which they came. */
  readonly #ready = new Set<Connection>()

  constructor(host: ConnectionHost) {
    this.#host = host
  }

  /** From now on the connection is busy with this reply. Ownership of the work moves. */
  begin(connection: Connection, work: LongReplyWork): void {
    connection.flags |= CLIENT_LONG_REPLY
    connection.socket.pause()
    this.#host.stalledPeers.watch(connection)
    this.#underWay.set(connection, { work, pace: new ReplyPace() })
    this.wake(connection)
  }

  /** The connection may have sent what it had, or its work goes on without that. */
  wake(connection: Connection): void {
    this.#ready.add(connection)
    this.#host.endTurnSoon()
  }

  /** The slices of a turn. */
  runTurn(): void {
    if (this.#ready.size === 0) return
    const endMs = performance.now() + TURN_MS_MAX
    for (const connection of this.#ready) {
      this.#ready.delete(connection)
      this.#runSlice(connection, endMs)
      if (performance.now() > endMs) break
    }
    if (this.#ready.size > 0) this.#host.endTurnSoon()
  }

  /** The reply is complete: the connection goes on. */
  finish(connection: Connection): void {
    if (!this.drop(connection)) return
    connection.flags &= ~CLIENT_LONG_REPLY
    this.#host.longReplyEnded(connection)
    this.#host.resume(connection)
  }

  /** The connection is gone, or the reply is complete. @returns false when there was none. */
  drop(connection: Connection): boolean {
    const reply = this.#underWay.get(connection)
    if (reply === undefined) return false
    this.#underWay.delete(connection)
    this.#ready.delete(connection)
    reply.work.close()
    return true
  }

  /** Connections that are busy with long replies. */
  get connections(): Iterable<Connection> {
    return this.#underWay.keys()
  }

  /** How long the connection's client has taken nothing of its long reply: see `ReplyPace.overdue`. 0: it has none. */
  overdue(connection: Connection): number {
    return this.#underWay.get(connection)?.pace.overdue ?? 0
  }

  /** Looks at everybody's pace, and closes the connections whose pins have been broken, though they take nothing. Every 1/hz seconds. */
  tick(): void {
    const elapsedMs = 1000 / this.#host.settings.hz
    for (const [connection, { work, pace }] of this.#underWay) {
      if (this.#ready.has(connection)) pace.took()
      pace.tick(elapsedMs, connection.socket.queuedBytes ?? connection.socket.writableLength)
      if (work.isBroken) this.#host.dropForPin(connection)
    }
  }

  #runSlice(connection: Connection, endMs: number): void {
    const reply = this.#underWay.get(connection)
    if (reply === undefined) return
    const { work, pace } = reply
    connection.sendUnsent()
    // `Connection.written()` wakes it.
    if (!connection.takesPiece) return
    pace.took()
    let isComplete: boolean
    try {
      isComplete = work.step(connection, endMs)
    } catch (error) {
      if (error instanceof ReplicaError && error.code === 'PIN_BROKEN') this.#host.dropForPin(connection)
      else if (error instanceof ReplicaError || isSizeFault(error)) this.#host.dropForFault(connection, error)
      else throw error
      return
    }
    if (isComplete) this.finish(connection)
  }
}
