/**
 * One client of the server, as the link thread knows it: what it said about itself, its transaction, its subscriptions. It
 * is the context its commands run in. Its bytes are the business of `connection.ts`; `dispatcher.ts` runs commands,
 * `server.ts` accepts and closes.
 */
import { denyWait, ReplyEncoder } from '@understudy/core/internal'
import type { CommandContext, CommandEntry, Effects, Keyspace, KeyWait } from '@understudy/core/internal'
import { Connection, type ConnectionIdentity, type ConnectionSocket } from './connection.ts'
import {
  CLIENT_BLOCKED,
  CLIENT_DIRTY_CAS,
  CLIENT_DIRTY_EXEC,
  CLIENT_MULTI,
  CLIENT_REPLICA,
} from './connection-flags.ts'
import { runOne } from './dispatcher.ts'
import { TIMER_MS_MAX } from './settings.ts'
import type { ClientServer } from './server.ts'
import type { RemoteSocket } from '../io-thread/remote-socket.ts'
import type { TrackingOptions } from './tracking.ts'
import type { Watch } from './watch.ts'
import { TransactionQueue } from './transaction.ts'
import { Subscriptions } from './pubsub.ts'

const HELD_BYTES = 512

/** A command that waits. */
export interface BlockedState {
  timer: NodeJS.Timeout | undefined
  /** Writes the reply for a time-out. */
  readonly timedOut: () => void
  /** Called when the wait ends in whatever way. */
  readonly ended: () => void
  /** Ended by CLIENT UNBLOCK and by a change of role. */
  readonly mayBeEnded: boolean
}

/** What CLIENT LIST and the limits want to know of a connection, wherever it is. */
export interface ConnectionFacts {
  readonly lastInteractionMs: number
  readonly inputBytes: number
  readonly outputBytes: number
  /** Full name of the last command. */
  readonly command: string | undefined
}

export interface BlockOptions {
  readonly ended?: () => void
  readonly mayBeEnded?: boolean
}

export class ClientSession extends Connection implements CommandContext {
  readonly server: ClientServer
  readonly createdAtMs: number
  readonly fromPrimary = false
  user = 'default'
  name = ''
  libraryName = ''
  libraryVersion = ''
  entry: CommandEntry<ClientSession> | undefined
  readonly subscriptions: Subscriptions = new Subscriptions()
  transaction: TransactionQueue<CommandEntry<ClientSession>> | undefined
  watched: Watch[] = []
  /** Memory of `watched`, roughly. */
  watchedBytes = 0
  tracking: TrackingOptions | undefined
  /** CLIENT CACHING for the next command: set by it, dropped after the command that follows. */
  caching: 'yes' | 'no' | undefined
  cachingIsFresh = false
  redirectBroken = false
  blocked: BlockedState | undefined
  /** Offset of the replication stream behind what this client wrote last: what WAIT waits for. */
  writtenOffset = 0
  /** Of a replica below: what is kept for it outside of this connection's buffers. */
  feed: { readonly lagBytes: number } | undefined
  /** So many of the next commands, MULTI and what it queues, have got their replies already, in their I/O thread. */
  answered = 0
  /** The connection is in an I/O thread, and this is what it forwards to. */
  readonly remote: RemoteSocket | undefined
  /** What `ClientMemory` counts for it. */
  countedBytes = 0
  #holdsPushes = false
  #held: ReplyEncoder | undefined

  constructor(server: ClientServer, socket: ConnectionSocket, identity: ConnectionIdentity, remote?: RemoteSocket) {
    super(server, socket, identity)
    this.server = server
    this.remote = remote
    this.createdAtMs = this.lastInteractionMs
  }

  get writable(): boolean {
    return this.server.writable
  }

  get keyspace(): Keyspace {
    return this.server.keyspace
  }

  get effects(): Effects | undefined {
    return this.server.ports.writes?.effects
  }

  override get ownsSocket(): boolean {
    return this.remote === undefined
  }

  get waits(): boolean {
    return this.blocked !== undefined
  }

  override get memoryBytes(): number {
    const { inputBytes, outputBytes } = this.facts
    const elsewhere = inputBytes - this.decoder.pendingBytes + outputBytes - this.pendingOutputBytes
    return super.memoryBytes + elsewhere + (this.transaction?.heldBytes ?? 0) + this.watchedBytes
  }

  /** What is waiting in its buffers, here and in its I/O thread, and when it was heard of last. */
  get facts(): ConnectionFacts {
    const own: ConnectionFacts = {
      lastInteractionMs: this.lastInteractionMs,
      inputBytes: this.decoder.pendingBytes,
      outputBytes: this.pendingOutputBytes,
      command: this.entry?.name,
    }
    return this.remote?.factsBeside(own) ?? own
  }

  runCommand(): void {
    runOne(this, this.server)
  }

  commandsDone(): void {
    this.remote?.commandsDone()
  }

  /** What a replica reads is the stream, and a reply would become a part of it: as in redis 7.0 (_addReplyToBufferOrList()) that is its end. */
  override flush(): void {
    if ((this.flags & CLIENT_REPLICA) === 0 || this.reply.length === 0 || this.closed) return super.flush()
    this.reply.clear()
    this.server.logger.warning(
      `Replica generated a reply to command '${this.entry?.name ?? '<unknown>'}', disconnecting it: id=${this.id} addr=${this.address}`,
    )
    this.kill()
  }

  finishInput(): void {
    this.closeAfterReply()
  }

  /**
   * The encoder for what is not the reply to this connection's own command: push messages, MONITOR lines. It may be used
   * at any time; the bytes leave in the order in which they were written.
   */
  pushEncoder(): ReplyEncoder {
    if (this.server.current !== this) return this.openSide()
    if (!this.#holdsPushes) return this.reply
    this.#held ??= new ReplyEncoder(HELD_BYTES)
    this.#held.resp = this.resp
    this.#held.discardReplies = this.reply.discardReplies
    return this.#held
  }

  /** EXEC begins: its reply is one array, so messages for this connection itself wait for its end (redis 7.2; 7.0 mixes them). */
  holdPushes(): void {
    this.#holdsPushes = true
  }

  /** EXEC has ended: what waited goes behind its reply. */
  releasePushes(): void {
    const held = this.#held
    this.#holdsPushes = false
    this.#held = undefined
    if (held !== undefined) this.reply.raw(held.bytes, 0, held.length)
  }

  /** Was the command under way answered by its I/O thread? Asked once for each command that MULTI queues, and for MULTI. */
  takeAnswered(): boolean {
    if (this.answered === 0) return false
    this.answered--
    return true
  }

  /** Begins MULTI. */
  beginTransaction(): void {
    this.flags |= CLIENT_MULTI
    this.transaction = new TransactionQueue()
  }

  /** Ends MULTI without running it, and every WATCH. */
  discardTransaction(): void {
    this.flags &= ~(CLIENT_MULTI | CLIENT_DIRTY_CAS | CLIENT_DIRTY_EXEC)
    this.transaction = undefined
    this.unwatchAll()
  }

  unwatchAll(): void {
    this.flags &= ~CLIENT_DIRTY_CAS
    if (this.watched.length === 0) return
    for (const watch of this.watched) this.server.watches.unwatch(watch)
    this.watched = []
    this.watchedBytes = 0
  }

  /** Was a watched key touched since WATCH? */
  watchedTouched(): boolean {
    if ((this.flags & CLIENT_DIRTY_CAS) !== 0) return true
    return this.watched.some((watch) => this.server.watches.touchedQuietly(watch))
  }

  /**
   * The command under way waits for keys. In MULTI nobody waits: its time is over at once (redis 7.0
   * CLIENT_DENY_BLOCKING).
   */
  wait(wait: KeyWait): void {
    if ((this.flags & CLIENT_MULTI) !== 0) denyWait(this, wait)
    else this.server.blockedKeys.block(this, wait)
  }

  /** No further command of this connection runs until `unblock`. @param timeoutMs 0: no limit. */
  block(timeoutMs: number, timedOut: () => void, options: BlockOptions = {}): void {
    const { ended = () => {}, mayBeEnded = true } = options
    const blocked: BlockedState = { timer: undefined, timedOut, ended, mayBeEnded }
    this.blocked = blocked
    this.flags |= CLIENT_BLOCKED
    if (timeoutMs <= 0) return
    const { clock } = this.server
    const endMs = clock.monotonicMs() + timeoutMs
    const arm = (): void => {
      const restMs = endMs - clock.monotonicMs()
      const over = restMs <= TIMER_MS_MAX
      blocked.timer = setTimeout(
        () => (over ? this.unblock(timedOut) : arm()),
        over ? Math.max(1, restMs) : TIMER_MS_MAX,
      )
    }
    arm()
  }

  /** @param writeReply writes the reply of the command that waited into `reply`. */
  unblock(writeReply: () => void): void {
    if (!this.endWait() || this.closed) return
    this.server.replyNow(this, writeReply)
    this.server.resume(this)
  }

  /** The command that waited has its reply, or is gone. @returns false when none waited. */
  endWait(): boolean {
    const { blocked } = this
    if (blocked === undefined) return false
    clearTimeout(blocked.timer)
    this.blocked = undefined
    this.flags &= ~CLIENT_BLOCKED
    blocked.ended()
    return true
  }
}
