/**
 * One client connection: what it said about itself, its decoder, its transaction, its subscriptions and its unsent
 * output. It is the context its commands run in. It owns the socket but decides nothing: `dispatcher.ts` runs commands,
 * `server.ts` accepts and closes.
 *
 * Output takes two ways. While the connection's own commands run they write into the server's shared encoder, which is
 * sent at the end of the turn (`flush`). Everything that reaches it from elsewhere (messages, MONITOR, invalidations)
 * goes into an encoder of its own, which is sent once the turn is over and the socket has taken what it had. Whatever
 * cannot be sent at once joins the second, so that the order is kept and no slab is tied up by a slow reader.
 */
import type { Socket } from 'node:net'
import { denyWait, REPLY_BYTES_MAX, ReplyEncoder, RequestDecoder } from '@understudy/core/internal'
import type { CommandArgs, CommandContext, CommandEntry, Keyspace, KeyWait } from '@understudy/core/internal'
import type { OutputBufferLimit } from '../config/special-values.ts'
import { type ClientSettings, TIMER_MS_MAX } from './settings.ts'
import type { ClientServer } from './server.ts'
import type { SlabWriter } from './slabs.ts'
import type { TrackingOptions } from './tracking.ts'
import type { Watch } from './watch.ts'
import { QueuedArgs, TransactionQueue } from './transaction.ts'
import { Subscriptions } from './pubsub.ts'

/** Bits of `ClientSession.flags`. */
export const CLIENT_MULTI = 0x1
export const CLIENT_DIRTY_CAS = 0x2
export const CLIENT_DIRTY_EXEC = 0x4
export const CLIENT_MONITOR = 0x8
export const CLIENT_REPLY_OFF = 0x10
/** The reply of the command under way is dropped, and of the one after it. */
export const CLIENT_REPLY_SKIP = 0x20
export const CLIENT_REPLY_SKIP_NEXT = 0x40
export const CLIENT_CLOSE_AFTER_REPLY = 0x80
export const CLIENT_UNIX_SOCKET = 0x100
export const CLIENT_READONLY = 0x200
export const CLIENT_NO_EVICT = 0x400
export const CLIENT_NO_TOUCH = 0x800
/** Waiting in a command (WAIT): see `blocked`. */
export const CLIENT_BLOCKED = 0x1000
/** CLIENT PAUSE holds back the command found last. */
export const CLIENT_POSTPONED = 0x2000
/** Its pipeline used up its turn. */
export const CLIENT_SUSPENDED = 0x4000
/** Its output is above the bound. */
export const CLIENT_BACK_PRESSURE = 0x8000
/** The peer sent its end of stream. */
export const CLIENT_INPUT_ENDED = 0x10000
/** A replica reads our stream over this connection. */
export const CLIENT_REPLICA = 0x20000
/** Must authenticate before anything else. */
export const CLIENT_UNAUTHENTICATED = 0x40000
export const CLIENT_CLOSED = 0x80000
/** Has subscriptions. */
export const CLIENT_PUBSUB = 0x100000

/** No command may run now. */
export const CLIENT_STOPPED: number =
  CLIENT_BLOCKED | CLIENT_POSTPONED | CLIENT_SUSPENDED | CLIENT_BACK_PRESSURE | CLIENT_CLOSE_AFTER_REPLY | CLIENT_CLOSED

const SIDE_BYTES = 512
/** Unsent output of a connection that is not read: with it and one message more a buffer still ends below its bound. */
const SIDE_BYTES_MAX = 2 ** 30

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

export interface BlockOptions {
  readonly ended?: () => void
  readonly mayBeEnded?: boolean
}

export type ClientType = 'normal' | 'master' | 'replica' | 'pubsub'

export class ClientSession implements CommandContext, SlabWriter {
  readonly server: ClientServer
  readonly socket: Socket
  readonly id: number
  readonly address: string
  readonly localAddress: string
  readonly createdAtMs: number
  readonly decoder: RequestDecoder = new RequestDecoder()
  /** The server's shared encoder; while a reply is written in another connection's turn, one of its own. */
  reply: ReplyEncoder
  readonly fromPrimary = false
  readonly settings: ClientSettings
  /** The decoder, or the queued arguments while EXEC runs. */
  args: CommandArgs
  db = 0
  nowMs = 0
  resp: 2 | 3 = 2
  flags = 0
  user = 'default'
  name = ''
  libraryName = ''
  libraryVersion = ''
  lastInteractionMs: number
  /** The command under way, or the last one. */
  entry: CommandEntry<ClientSession> | undefined
  readonly subscriptions: Subscriptions = new Subscriptions()
  transaction: TransactionQueue | undefined
  watched: Watch[] = []
  /** Memory of `watched`, roughly. */
  watchedBytes = 0
  tracking: TrackingOptions | undefined
  /** CLIENT CACHING for the next command: set by it, dropped after the command that follows. */
  caching: 'yes' | 'no' | undefined
  cachingIsFresh = false
  redirectBroken = false
  blocked: BlockedState | undefined
  /** Bytes given to the socket and not yet taken. */
  outputBytes = 0
  writesInFlight = 0
  /** Since when the output has been above the soft limit; 0: it is not. */
  softLimitSinceMs = 0
  /** What this connection used of the event loop's turn `turn`. */
  turn = 0
  turnBytes = 0
  turnMs = 0
  /** Bytes in and out, for CLIENT LIST of later versions and for tests. */
  inputBytesTotal = 0
  /** Output that waits for the end of this turn of the event loop, and what to call when it was taken. */
  #unsent: Buffer | undefined
  #unsentDone: (() => void) | undefined
  #side: ReplyEncoder | undefined
  #holdsPushes = false
  #held: ReplyEncoder | undefined
  #sideScheduled = false

  constructor(server: ClientServer, socket: Socket, id: number, address: string, localAddress: string, nowMs: number) {
    this.server = server
    this.socket = socket
    this.id = id
    this.address = address
    this.localAddress = localAddress
    this.createdAtMs = nowMs
    this.lastInteractionMs = nowMs
    this.reply = server.encoder
    this.settings = server.settings
    this.args = this.decoder
  }

  get writable(): boolean {
    const { node } = this.server
    return !node.replica || !node.replicaReadOnly
  }

  get keyspace(): Keyspace {
    return this.server.keyspace
  }

  get closed(): boolean {
    return (this.flags & CLIENT_CLOSED) !== 0
  }

  /** Unsent output in bytes. */
  get pendingOutputBytes(): number {
    return this.outputBytes + (this.#side?.length ?? 0)
  }

  /** Memory of this connection's buffers, roughly. */
  get memoryBytes(): number {
    return (
      2048 +
      this.decoder.heldBytes +
      this.outputBytes +
      (this.#side?.bytes.length ?? 0) +
      (this.transaction?.heldBytes ?? 0) +
      this.watchedBytes
    )
  }

  get type(): ClientType {
    if ((this.flags & CLIENT_REPLICA) !== 0) return 'replica'
    return (this.flags & CLIENT_PUBSUB) !== 0 ? 'pubsub' : 'normal'
  }

  /**
   * The encoder for what is not the reply to this connection's own command: push messages, MONITOR lines. It may be used
   * at any time; the bytes leave in the order in which they were written.
   */
  pushEncoder(): ReplyEncoder {
    if (this.server.current !== this) return this.#openSide()
    if (!this.#holdsPushes) return this.reply
    this.#held ??= new ReplyEncoder(SIDE_BYTES)
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

  #openSide(): ReplyEncoder {
    this.#side ??= new ReplyEncoder(SIDE_BYTES)
    this.#side.resp = this.resp
    if (this.#side.length > SIDE_BYTES_MAX) {
      // Without a limit (client-output-buffer-limit pubsub 0 0 0) the end is what one buffer can hold.
      this.server.dropForOutput(this)
      this.#side.clear()
    }
    if (!this.#sideScheduled) {
      this.#sideScheduled = true
      this.server.scheduleFlush(this)
    }
    return this.#side
  }

  /** Sends what this connection's commands wrote into the shared encoder. */
  flush(): void {
    const encoder = this.reply
    if (encoder.length === 0) return
    if (this.closed) {
      encoder.clear()
      return
    }
    this.sendUnsent()
    const side = this.#side
    if (this.writesInFlight === 0 && (side === undefined || side.length === 0)) {
      this.server.slabs.send(this)
      return
    }
    const target = side ?? (this.#side = new ReplyEncoder(SIDE_BYTES))
    if (target.length + encoder.length > REPLY_BYTES_MAX) {
      encoder.clear()
      this.server.dropForOutput(this)
      return
    }
    target.raw(encoder.bytes, 0, encoder.length)
    encoder.clear()
    this.#sendSide()
    this.#checkOutput()
  }

  /** Sends what `pushEncoder` collected. */
  flushSide(): void {
    this.#sideScheduled = false
    this.#sendSide()
    this.#checkOutput()
  }

  write(view: Buffer, done: () => void): void {
    this.outputBytes += view.length
    this.writesInFlight++
    const { statistics } = this.server
    statistics.netOutputBytes += view.length
    statistics.writesProcessed++
    this.#unsent = view
    this.#unsentDone = done
    this.server.writeSoon(this)
  }

  /** Gives the socket what `write` put off. */
  sendUnsent(): void {
    const view = this.#unsent
    if (view === undefined) return
    const done = this.#unsentDone!
    this.#unsent = undefined
    this.#unsentDone = undefined
    if (this.socket.destroyed) {
      done()
      return
    }
    this.socket.write(view, done)
    if (this.writesInFlight > 0 && this.socket.writableLength > 0) this.#checkOutput()
  }

  written(byteCount: number): void {
    this.outputBytes -= byteCount
    this.writesInFlight--
    if (this.closed) return
    this.#sendSide()
    if (
      (this.flags & CLIENT_BACK_PRESSURE) !== 0 &&
      this.pendingOutputBytes * 2 < this.server.settings.outputPauseBytes
    ) {
      this.flags &= ~CLIENT_BACK_PRESSURE
      this.server.resume(this)
    }
  }

  /** The output is too long to read more from this connection. */
  outputAboveBound(): boolean {
    return this.pendingOutputBytes > this.server.settings.outputPauseBytes
  }

  /** Closes once everything written was sent. */
  closeAfterReply(): void {
    if (this.closed) return
    this.sendUnsent()
    if (this.#side !== undefined && this.#side.length > 0) {
      this.#writeSide(this.#side)
      this.sendUnsent()
    }
    this.socket.destroySoon()
    this.server.forget(this)
  }

  /** Closes at once; unsent output is lost. */
  kill(): void {
    if (this.closed) return
    this.server.forget(this)
    this.socket.destroy()
    this.sendUnsent()
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

  /** Runs `writeReply` with an encoder of this connection's own in place of the shared one, which another turn is using. */
  replyAside(writeReply: () => void): void {
    const shared = this.reply
    const aside = this.#openSide()
    aside.discardReplies = (this.flags & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP)) !== 0
    this.reply = aside
    try {
      writeReply()
    } finally {
      this.reply = shared
      aside.discardReplies = false
    }
  }

  #sendSide(): void {
    const side = this.#side
    if (side === undefined || side.length === 0 || this.writesInFlight > 0 || this.closed) return
    this.#writeSide(side)
  }

  #writeSide(side: ReplyEncoder): void {
    const view = side.detach(Buffer.allocUnsafe(SIDE_BYTES))
    this.write(view, () => this.written(view.length))
  }

  /** client-output-buffer-limit and back-pressure. */
  #checkOutput(): void {
    if (this.closed) return
    const pending = this.pendingOutputBytes
    const limit = this.outputLimit()
    if (limit.hardBytes > 0 && pending > limit.hardBytes) {
      this.server.dropForOutput(this)
      return
    }
    if (limit.softBytes > 0 && pending > limit.softBytes) {
      const nowMs = this.server.clock.monotonicMs()
      if (this.softLimitSinceMs === 0) this.softLimitSinceMs = nowMs
      else if (nowMs - this.softLimitSinceMs > limit.softSeconds * 1000) this.server.dropForOutput(this)
    } else this.softLimitSinceMs = 0
  }

  /** Looks at the soft limit again: it may pass without a write. */
  checkSoftLimit(): void {
    if (this.softLimitSinceMs !== 0) this.#checkOutput()
  }

  outputLimit(): OutputBufferLimit {
    const limits = this.server.settings.outputBufferLimits
    const type = this.type
    return type === 'replica' ? limits.replica : type === 'pubsub' ? limits.pubsub : limits.normal
  }
}

/** Shared by all EXECs: commands of one EXEC run one after the other, and EXEC does not nest. */
export const queuedArgs: QueuedArgs = new QueuedArgs()
