/**
 * One client connection as far as bytes go: its decoder, its share of the event loop's turn, and its unsent output. Which
 * commands there are and what is known of the client is not its business: `session.ts` in the link thread,
 * `io-thread/io-session.ts` in the others. It owns the socket.
 *
 * Output takes two ways. While the connection's own commands run they write into the thread's shared encoder, which is
 * sent at the end of the turn (`flush`). Everything that reaches it from elsewhere (messages, MONITOR, invalidations)
 * goes into an encoder of its own, which is sent once the turn is over and the socket has taken what it had. Whatever
 * cannot be sent at once joins the second, so that the order is kept and no slab is tied up by a slow reader.
 */
import { REPLY_BYTES_MAX, ReplyEncoder, RequestDecoder } from '@understudy/core/internal'
import type { CommandArgs } from '@understudy/core/internal'
import type { OutputBufferLimit } from '../config/special-values.ts'
import {
  CLIENT_BACK_PRESSURE,
  CLIENT_CLOSE_AFTER_REPLY,
  CLIENT_CLOSED,
  CLIENT_DROPPED_REPLIES,
  CLIENT_LONG_REPLY,
  CLIENT_PUBSUB,
  CLIENT_REPLICA,
  CLIENT_SUSPENDED,
  CLIENT_UNAUTHENTICATED,
} from './connection-flags.ts'
import type { ConnectionHost } from './connection-host.ts'
import { HeldInput } from './held-input.ts'
import type { MeteredCommand } from './meter.ts'
import type { ClientSettings } from './settings.ts'
import type { Slab, SlabWriter } from './slabs.ts'

const SIDE_BYTES = 512
/** Of a long write, so much at a time: each part that the socket takes shows that the peer reads. */
const PART_BYTES: number = 256 * 1024
/** Who has not told the password yet is let have no more replies that it does not take (redis 7.0 checkClientOutputBufferLimits()). */
const UNAUTHENTICATED_OUTPUT_BYTES_MAX = 1024
const NO_LIMIT: OutputBufferLimit = { hardBytes: 0, softBytes: 0, softSeconds: 0 }
/** Unsent output of a connection that is not read: with it and one message more a buffer still ends below its bound. */
const SIDE_BYTES_MAX = 2 ** 30

export type ClientType = 'normal' | 'master' | 'replica' | 'pubsub'

/** What a connection asks of its socket: a `net.Socket`, or the other end in an I/O thread (`io-thread/remote-socket.ts`). */
export interface ConnectionSocket {
  readonly destroyed: boolean
  /** Bytes that `write` could not pass on yet. */
  readonly writableLength: number
  /** Of these, what the system has not taken by now, where that is known. */
  readonly queuedBytes?: number
  /** @param done called when the bytes are no longer needed, perhaps before this returns. */
  write(view: Buffer, done: () => void): unknown
  pause(): unknown
  resume(): unknown
  /** TCP_NODELAY; accepted connections have it. */
  setNoDelay(noDelay: boolean): unknown
  /** Closes when everything written was sent. */
  destroySoon(): void
  destroy(): unknown
}

/** Who it is. */
export interface ConnectionIdentity {
  readonly id: number
  /** `host:port` of the peer, or the Unix socket. */
  readonly address: string
  readonly localAddress: string
}

export abstract class Connection implements SlabWriter, ConnectionIdentity {
  readonly host: ConnectionHost
  readonly socket: ConnectionSocket
  readonly id: number
  readonly address: string
  readonly localAddress: string
  readonly decoder: RequestDecoder = new RequestDecoder()
  /** What came while nothing could run, behind what the decoder has. */
  readonly heldInput: HeldInput = new HeldInput()
  /** The thread's shared encoder; while a reply is written in another connection's turn, one of its own. */
  reply: ReplyEncoder
  readonly settings: ClientSettings
  /** The decoder, or the queued arguments while EXEC runs. */
  args: CommandArgs
  db = 0
  nowMs = 0
  resp: 2 | 3 = 2
  flags = 0
  /** The command under way, or the last one. */
  abstract entry: MeteredCommand | undefined
  lastInteractionMs: number
  /** Bytes given to the socket and not yet taken. */
  outputBytes = 0
  writesInFlight = 0
  #writtenBytes = 0
  /** Since when the output has been above the soft limit; 0: it is not. */
  softLimitSinceMs = 0
  /** What this connection used of the event loop's turn `turn`. */
  turn = 0
  turnBytes = 0
  turnMs = 0
  /** Output that waits for the end of this turn of the event loop, and what to call when it was taken. */
  #unsent: Buffer | undefined
  #unsentDone: (() => void) | undefined
  /** What of a long write the socket has not been given yet, and what to call when that was taken. */
  #rest: { readonly view: Buffer; readonly done: () => void } | undefined
  /** The memory of the reply that was given to the socket last. */
  #slab: Slab | undefined
  #slabBytes = 0
  readonly #slabTaken: () => void = () => {
    const slab = this.#slab!
    this.#slab = undefined
    this.host.slabs.release(slab)
    this.written(this.#slabBytes)
  }
  #side: ReplyEncoder | undefined
  /** Some of a long reply was sent, and not its end. */
  #isMidReply = false
  #sideScheduled = false

  constructor(host: ConnectionHost, socket: ConnectionSocket, identity: ConnectionIdentity) {
    this.host = host
    this.socket = socket
    this.id = identity.id
    this.address = identity.address
    this.localAddress = identity.localAddress
    this.lastInteractionMs = host.clock.monotonicMs()
    this.reply = host.encoder
    this.settings = host.settings
    this.args = this.decoder
  }

  /** Runs, queues or refuses the command that the decoder found. */
  abstract runCommand(): void

  /** Would a request without arguments change something? */
  abstract readonly mindsEmpty: boolean

  /** Such a request was found. It has no reply. */
  abstract emptyRequest(): void

  /** The decoder is used up, or nothing may run now. */
  abstract commandsDone(): void

  /** A command waits, or is held back: nothing runs, but the socket is read from, or its end would not be noticed. */
  abstract readonly waits: boolean

  /** The peer has sent its end of stream, and a command waits: that is over, and what was replied before is all. */
  abstract giveUp(): void

  /** The peer has sent its end of stream and everything before it was run. */
  abstract finishInput(): void

  /** False: the socket is another thread's, which counts what goes through it. */
  get ownsSocket(): boolean {
    return true
  }

  /** The input violates the protocol: says so, and closes. */
  failProtocol(): void {
    const { decoder, host } = this
    const text = `ERR ${decoder.error}`
    host.logger.verbose(`Protocol error from client: ${decoder.error}. id=${this.id} addr=${this.address}`)
    this.reply.error(text)
    host.statistics.countError(text)
    this.flags |= CLIENT_CLOSE_AFTER_REPLY
  }

  get closed(): boolean {
    return (this.flags & CLIENT_CLOSED) !== 0
  }

  /** Unsent output in bytes. */
  get pendingOutputBytes(): number {
    return this.outputBytes + (this.#side?.length ?? 0)
  }

  /** Grows, or changes at least, whenever the peer has taken something. */
  get takenBytes(): number {
    return this.#writtenBytes - (this.socket.queuedBytes ?? this.socket.writableLength)
  }

  /** Bytes of input that were not run yet. */
  get inputBytes(): number {
    return this.decoder.pendingBytes + this.heldInput.byteLength
  }

  /** Memory of this connection's buffers, roughly. */
  get memoryBytes(): number {
    return (
      2048 + this.decoder.heldBytes + this.heldInput.memoryBytes + this.outputBytes + (this.#side?.bytes.length ?? 0)
    )
  }

  get type(): ClientType {
    if ((this.flags & CLIENT_REPLICA) !== 0) return 'replica'
    return (this.flags & CLIENT_PUBSUB) !== 0 ? 'pubsub' : 'normal'
  }

  /** An encoder of its own, whose bytes are sent at the end of the turn. */
  protected openSide(): ReplyEncoder {
    this.#side ??= new ReplyEncoder(SIDE_BYTES)
    this.#side.resp = this.resp
    if (this.#side.length > SIDE_BYTES_MAX) {
      // Without a limit (client-output-buffer-limit pubsub 0 0 0) the end is what one buffer can hold.
      this.host.dropForOutput(this)
      this.#side.clear()
    }
    if (!this.#sideScheduled) {
      this.#sideScheduled = true
      this.host.scheduleFlush(this)
    }
    return this.#side
  }

  /** Runs `writeReply` with an encoder of this connection's own in place of the shared one, which another turn is using. */
  replyAside(writeReply: () => void): void {
    const shared = this.reply
    const aside = this.openSide()
    aside.discardReplies = (this.flags & CLIENT_DROPPED_REPLIES) !== 0
    this.reply = aside
    try {
      writeReply()
    } finally {
      this.reply = shared
      aside.discardReplies = false
    }
  }

  /** Sends what this connection's commands wrote into the shared encoder. */
  flush(): void {
    const encoder = this.reply
    if (encoder.length === 0) return
    if (this.closed) {
      encoder.clear()
      return
    }
    this.trySend()
    if (this.#sendsNothing) {
      this.host.slabs.send(this)
      return
    }
    this.#join(encoder.bytes, encoder.length)
    encoder.clear()
  }

  /** Sends bytes that were made elsewhere, behind what waits. Ownership moves. */
  pass(bytes: Buffer): void {
    if (this.closed) return
    this.trySend()
    if (this.#sendsNothing) this.write(bytes, () => this.written(bytes.length))
    else this.#join(bytes, bytes.length)
  }

  /** Called by the pool while nothing else of this connection is under way. */
  writeSlab(slab: Slab, view: Buffer): void {
    this.#slab = slab
    this.#slabBytes = view.length
    this.write(view, this.#slabTaken)
  }

  /** Gives the socket what `write` put off, unless replies have to wait; then what comes joins it. */
  trySend(): void {
    if (this.#unsent !== undefined && !this.host.holdsReplies) this.sendUnsent()
  }

  get #sendsNothing(): boolean {
    return this.writesInFlight === 0 && !this.#isMidReply && (this.#side === undefined || this.#side.length === 0)
  }

  /** May a piece of a long reply be sent? What was written before it has left, and the piece before. */
  get takesPiece(): boolean {
    return this.#isMidReply ? this.writesInFlight === 0 : this.#sendsNothing
  }

  /**
   * Sends what the thread's encoder holds as the next piece of a long reply; until the last one everything else waits.
   * @returns false when there was nothing.
   */
  sendPiece(isLast: boolean): boolean {
    const { encoder, slabs, clock } = this.host
    const isEmpty = encoder.length === 0
    // The first piece counts as begun: a reply may have been counted for before.
    this.#isMidReply = !isLast && (this.#isMidReply || !isEmpty)
    this.lastInteractionMs = clock.monotonicMs()
    if (!isEmpty) {
      slabs.send(this)
      this.sendUnsent()
    }
    if (isLast) this.#sendSide()
    return !isEmpty
  }

  /** Puts bytes behind those that wait. */
  #join(bytes: Buffer, length: number): void {
    const target = this.#side ?? (this.#side = new ReplyEncoder(SIDE_BYTES))
    if (target.length + length > REPLY_BYTES_MAX) {
      this.host.dropForOutput(this)
      return
    }
    target.raw(bytes, 0, length)
    this.#sendSide()
    this.#checkOutput()
  }

  /** Sends what was written aside. */
  flushSide(): void {
    this.#sideScheduled = false
    this.#sendSide()
    this.#checkOutput()
  }

  write(view: Buffer, done: () => void): void {
    this.outputBytes += view.length
    this.writesInFlight++
    if (this.ownsSocket) {
      const { statistics } = this.host
      statistics.netOutputBytes += view.length
      statistics.writesProcessed++
    }
    this.#putOff(view, done, view.length)
  }

  /** @param hurryBytes what of it counts for sending replies before the end of the turn */
  #putOff(view: Buffer, done: () => void, hurryBytes: number): void {
    this.#unsent = view
    this.#unsentDone = done
    this.host.writeSoon(this, hurryBytes)
  }

  /** Gives the socket what was put off. */
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
    this.#give(view, done)
    if (this.writesInFlight > 0 && this.socket.writableLength > 0) this.#checkOutput()
  }

  #give(view: Buffer, done: () => void): void {
    if (view.length <= PART_BYTES || !this.ownsSocket) {
      this.socket.write(view, done)
      return
    }
    this.#rest = { view: view.subarray(PART_BYTES), done }
    this.socket.write(view.subarray(0, PART_BYTES), this.#partTaken)
  }

  /** The next part leaves with the replies of a later turn: a peer that takes all at once does not hold up the others. */
  readonly #partTaken: () => void = () => {
    this.lastInteractionMs = this.host.clock.monotonicMs()
    const rest = this.#rest
    if (rest === undefined) return
    this.#rest = undefined
    if (this.socket.destroyed) rest.done()
    else this.#putOff(rest.view, rest.done, 0)
  }

  /** There is no time to wait for another turn, or until the socket takes a part. */
  #giveAll(): void {
    const left = this.#unsent === undefined ? this.#rest : { view: this.#unsent, done: this.#unsentDone! }
    this.#unsent = this.#unsentDone = this.#rest = undefined
    if (left === undefined) return
    if (this.socket.destroyed) left.done()
    else this.socket.write(left.view, left.done)
  }

  written(byteCount: number): void {
    this.outputBytes -= byteCount
    this.#writtenBytes += byteCount
    this.writesInFlight--
    if (this.closed) return
    // A peer that takes a long reply is not idle. Of the end of a reply its next command tells.
    if (this.outputBytes > 0) this.lastInteractionMs = this.host.clock.monotonicMs()
    this.#sendSide()
    if ((this.flags & CLIENT_LONG_REPLY) !== 0) this.host.longReplies.wake(this)
    if ((this.flags & CLIENT_BACK_PRESSURE) !== 0 && this.pendingOutputBytes * 2 < this.settings.outputPauseBytes) {
      this.flags &= ~CLIENT_BACK_PRESSURE
      this.host.resume(this)
    }
  }

  /** Is the output too long to run more of this connection? @returns true: nothing runs until half of it has left */
  holdsUpForOutput(): boolean {
    if (this.pendingOutputBytes <= this.settings.outputPauseBytes) return false
    this.flags |= CLIENT_BACK_PRESSURE
    this.host.stalledPeers.watch(this)
    return true
  }

  /** Closes at the end of the turn, when replies leave and messages about what the turn has changed were written. */
  closeAfterReply(): void {
    this.flags |= CLIENT_CLOSE_AFTER_REPLY | CLIENT_SUSPENDED
    this.host.runSoon(this)
  }

  /** Sends everything written, and closes. */
  close(): void {
    if (this.closed) return
    this.#giveAll()
    if (this.#side !== undefined && this.#side.length > 0) {
      this.#writeSide(this.#side)
      this.#giveAll()
    }
    this.socket.destroySoon()
    this.host.forget(this)
  }

  /** Closes at once; unsent output is lost. */
  kill(): void {
    if (this.closed) return
    this.host.forget(this)
    this.socket.destroy()
    this.sendUnsent()
  }

  #sendSide(): void {
    const side = this.#side
    if (side === undefined || side.length === 0 || this.writesInFlight > 0 || this.#isMidReply || this.closed) return
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
    if (pending > UNAUTHENTICATED_OUTPUT_BYTES_MAX && (this.flags & CLIENT_UNAUTHENTICATED) !== 0) {
      this.host.dropForOutput(this)
      return
    }
    if (limit.hardBytes > 0 && pending > limit.hardBytes) {
      this.host.dropForOutput(this)
      return
    }
    if (limit.softBytes > 0 && pending > limit.softBytes) {
      const nowMs = this.host.clock.monotonicMs()
      if (this.softLimitSinceMs === 0) this.softLimitSinceMs = nowMs
      else if (nowMs - this.softLimitSinceMs > limit.softSeconds * 1000) this.host.dropForOutput(this)
    } else this.softLimitSinceMs = 0
  }

  /** Looks at the soft limit again: it may pass without a write. */
  checkSoftLimit(): void {
    if (this.softLimitSinceMs !== 0) this.#checkOutput()
  }

  /** A replica has no more in here than its feed lets it, and is held to its limit there (`replicas/replica-feed.ts`). */
  outputLimit(): OutputBufferLimit {
    const limits = this.settings.outputBufferLimits
    const { type } = this
    return type === 'replica' ? NO_LIMIT : type === 'pubsub' ? limits.pubsub : limits.normal
  }
}
