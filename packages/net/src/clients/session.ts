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
  CLIENT_CACHING,
  CLIENT_DIRTY_CAS,
  CLIENT_DIRTY_EXEC,
  CLIENT_DROPPED_REPLIES,
  CLIENT_HOLDS_PUSHES,
  CLIENT_MULTI,
  CLIENT_ONE_COMMAND,
  CLIENT_POSTPONED,
  CLIENT_REPLICA,
  CLIENT_REPLY_SKIP,
  CLIENT_REPLY_SKIP_NEXT,
  CLIENT_UNAUTHENTICATED,
} from './connection-flags.ts'
import { runOne } from './dispatcher.ts'
import { TIMER_MS_MAX } from './settings.ts'
import type { ClientServer } from './server.ts'
import type { RemoteSocket } from '../io-thread/remote-socket.ts'
import type { TrackingOptions } from './tracking.ts'
import type { Watch } from './watch.ts'
import { NO_QUEUE, type QueueFacts, TransactionQueue } from './transaction.ts'
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
  /** How long it has taken nothing of its long reply: see `ReplyPace.overdue`. */
  readonly replyOverdue: number
  /** Of its transaction. */
  readonly queue: QueueFacts
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
    return (this.flags & (CLIENT_BLOCKED | CLIENT_POSTPONED)) !== 0
  }

  giveUp(): void {
    this.endWait()
    this.server.pauses.forget(this)
    this.closeAfterReply()
  }

  override get memoryBytes(): number {
    const { inputBytes, outputBytes, queue } = this.facts
    const elsewhere = inputBytes - this.inputBytes + outputBytes - this.pendingOutputBytes
    return super.memoryBytes + elsewhere + queue.heldBytes + this.watchedBytes
  }

  /** What is waiting in its buffers, here and in its I/O thread, and when it was heard of last. */
  get facts(): ConnectionFacts {
    const own: ConnectionFacts = {
      lastInteractionMs: this.lastInteractionMs,
      inputBytes: this.inputBytes,
      outputBytes: this.pendingOutputBytes,
      command: this.entry?.name,
      replyOverdue: this.remote === undefined ? this.server.longReplies.overdue(this) : 0,
      queue: this.transaction ?? NO_QUEUE,
    }
    return this.remote?.factsBeside(own) ?? own
  }

  runCommand(): void {
    runOne(this, this.server)
  }

  get mindsEmpty(): boolean {
    return (this.flags & CLIENT_ONE_COMMAND) !== 0
  }

  /** It counts as the one command for which something held (redis 7.0 processInputBuffer()). */
  emptyRequest(): void {
    this.commandOver(true)
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
   * at any time; the bytes leave in the order in which they were written. CLIENT REPLY does not silence them.
   */
  pushEncoder(): ReplyEncoder {
    if (this.server.current !== this) return this.openSide()
    if ((this.flags & CLIENT_HOLDS_PUSHES) === 0) {
      if (!this.reply.discardReplies) return this.reply
      this.holdPushes()
    }
    this.#held ??= new ReplyEncoder(HELD_BYTES)
    this.#held.resp = this.resp
    return this.#held
  }

  /** From now on messages for this connection itself go behind the reply of its command: that of EXEC is one array (redis 7.2; 7.0 mixes them). */
  holdPushes(): void {
    this.flags |= CLIENT_HOLDS_PUSHES
  }

  /** What waited for the end of this connection's command goes into `reply`, which has its bytes. */
  releasePushes(): void {
    const held = this.#held
    const { reply } = this
    const { discardReplies } = reply
    this.flags &= ~CLIENT_HOLDS_PUSHES
    this.#held = undefined
    if (held === undefined) return
    reply.discardReplies = false
    reply.raw(held.bytes, 0, held.length)
    reply.discardReplies = discardReplies
  }

  /**
   * A command was run, queued or refused: what held for it alone ends, unless it is still to be run or waits (redis 7.0 resetClient()).
   * @param isEmpty it was a request without arguments
   */
  commandOver(isEmpty = false): void {
    if ((this.flags & CLIENT_HOLDS_PUSHES) !== 0) this.releasePushes()
    if ((this.flags & (CLIENT_BLOCKED | CLIENT_POSTPONED)) !== 0) return
    const isClientCommand = !isEmpty && this.entry?.name.startsWith('client|') === true
    if ((this.flags & CLIENT_MULTI) === 0 && !isClientCommand) {
      this.flags &= ~CLIENT_CACHING
    }
    // CLIENT REPLY SKIP drops the reply of the next command.
    const skips = (this.flags & CLIENT_REPLY_SKIP_NEXT) !== 0
    this.flags = (this.flags & ~(CLIENT_REPLY_SKIP | CLIENT_REPLY_SKIP_NEXT)) | (skips ? CLIENT_REPLY_SKIP : 0)
    if (this.server.current === this) this.reply.discardReplies = (this.flags & CLIENT_DROPPED_REPLIES) !== 0
  }

  /** Was the command under way answered by its I/O thread? Asked once for each command that MULTI queues, and for MULTI. */
  takeAnswered(): boolean {
    if (this.answered === 0) return false
    this.answered--
    return true
  }

  /** The client has told the password. */
  authenticated(): void {
    if ((this.flags & CLIENT_UNAUTHENTICATED) !== 0) this.remote?.authenticated()
    this.flags &= ~CLIENT_UNAUTHENTICATED
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
    const { entry, server } = this
    server.replyNow(this, () => {
      const errorsBefore = this.reply.errorCount
      writeReply()
      if (entry !== undefined && this.reply.errorCount !== errorsBefore)
        server.countFailure(entry, this.reply.lastError)
    })
    this.commandOver()
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
