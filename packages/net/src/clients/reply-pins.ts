/**
 * Who may have a pin for a long reply (link thread): a bounded number of clients at a time, the others wait for their turn. A client that takes
 * nothing of its reply gives way to them: its pin is broken. The reply is made in the thread that has the connection.
 */
import { KeyspaceError, type PinHandle, SlicedReply } from '@understudy/core/internal'
import { HandedReply } from '../io-thread/handed-reply.ts'
import { CLIENT_LONG_REPLY } from './connection-flags.ts'
import type { LongReplyWork } from './long-replies.ts'
import { PinnedReply } from './pinned-reply.ts'
import type { ClientServer } from './server.ts'
import type { ClientSession } from './session.ts'

/** Long replies at a time. The rest of the pins (`PINS_MAX`) is left to snapshots. */
const LONG_REPLIES_MAX = 48

/** A command whose reply is long. */
interface AskedReply {
  /** As the client sent it. */
  readonly command: Uint8Array<ArrayBuffer>
  /** Undefined: the reply is about all keys. */
  readonly key: Uint8Array | undefined
  readonly db: number
  readonly resp: 2 | 3
}

export class ReplyPins {
  readonly #server: ClientServer
  /** Who has a pin, and its serial number. */
  readonly #holders = new Map<ClientSession, number>()
  /** Those of them whose pins were broken for others: their threads will close them. */
  readonly #givingWay = new Set<ClientSession>()
  readonly #waiting = new Map<ClientSession, AskedReply>()

  constructor(server: ClientServer) {
    this.#server = server
  }

  /** Clients whose long replies are under way. */
  get active(): number {
    return this.#holders.size
  }

  /** Clients that wait for a pin. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** Has its reply yet to begin? */
  isWaiting(session: ClientSession): boolean {
    return this.#waiting.has(session)
  }

  /** The reply of the command in the session's decoder is long. Nothing more of this session runs until it is complete. */
  ask(session: ClientSession): void {
    const { decoder, entry, db, resp } = session
    const { bytes, start, end, sourceBytes, sourceStart, sourceEnd } = decoder
    session.flags |= CLIENT_LONG_REPLY
    this.#server.statistics.longReplies++
    this.#waiting.set(session, {
      command: new Uint8Array(sourceBytes.subarray(sourceStart, sourceEnd)),
      key: entry!.row.keys[0] === 0 ? undefined : new Uint8Array(bytes.subarray(start[1], end[1])),
      db,
      resp,
    })
    this.serve()
  }

  /** Gives pins to those who wait, as far as there are some. Between two units; inside of one nobody is served. */
  serve(): void {
    const { keyspace } = this.#server
    for (const [session, asked] of this.#waiting) {
      if (this.#holders.size >= LONG_REPLIES_MAX || keyspace.counters.isOpen) return
      const pin = this.#pin(asked)
      if (pin === undefined) return
      this.#waiting.delete(session)
      this.#holders.set(session, pin.serial)
      this.#server.longReplies.begin(session, this.#work(session, asked, pin))
    }
  }

  /**
   * Somebody waits though nobody ended: those who take nothing of their replies give way, as many as there are waiting, and first who took
   * nothing for longest. Call it now and then, behind `serve()`.
   */
  makeRoom(): void {
    const { keyspace } = this.#server
    while (this.#givingWay.size < Math.min(this.#waiting.size, this.#holders.size)) {
      const session = this.#mostOverdue()
      if (session === undefined) return
      this.#givingWay.add(session)
      keyspace.pins.breakOne(this.#holders.get(session)!)
    }
  }

  #mostOverdue(): ClientSession | undefined {
    let found: ClientSession | undefined
    let most = 1
    for (const session of this.#holders.keys()) {
      const { replyOverdue } = session.facts
      if (replyOverdue < most || this.#givingWay.has(session)) continue
      found = session
      most = replyOverdue
    }
    return found
  }

  /** A session's reply is complete, or the session is gone. */
  ended(session: ClientSession): void {
    this.#waiting.delete(session)
    this.#givingWay.delete(session)
    if (this.#holders.delete(session) && this.#waiting.size > 0) this.#server.endTurnSoon()
  }

  /** @returns undefined when there are too many pins. */
  #pin({ db, key }: AskedReply): PinHandle | undefined {
    const { keyspace, settings, clock } = this.#server
    const limits = { bytesMax: settings.longReplyPinBytes, durationMsMax: settings.longReplyPinSeconds * 1000 }
    const nowMs = clock.monotonicMs()
    try {
      return key === undefined ? keyspace.pin(limits, nowMs) : keyspace.pinKey(db, key, limits, nowMs)
    } catch (error) {
      if (error instanceof KeyspaceError && error.code === 'PIN_LIMIT') return undefined
      throw error
    }
  }

  #work({ remote }: ClientSession, { command, db, resp }: AskedReply, pin: PinHandle): LongReplyWork {
    const { clock, registry, settings } = this.#server
    const request = { pin, command, db, resp, nowMs: clock.wallMs() }
    if (remote !== undefined) return new HandedReply(remote, request)
    return new PinnedReply(new SlicedReply(request, registry, settings))
  }
}
