/**
 * The connections of one I/O thread: accepts them, answers their reads from the shared keyspace, and forwards everything
 * else to the link thread. The turns, the limits and the output are those of `connection-host.ts`, as in the link thread.
 *
 * A connection's replies stay in order because it has its commands run in one place at a time: from the first forwarded
 * command on everything is forwarded, until the link thread says that all of it is done (FRAME_SETTLED) and what the
 * session is now. While one is in a state that the link thread has to look after (MULTI, subscriptions, CLIENT REPLY OFF
 * …), or the gate of `shared-words.ts` is closed, its reads are forwarded, too.
 */
import type { Socket } from 'node:net'
import {
  ALWAYS_WHOLE,
  arityFits,
  isSizeFault,
  LONG_REPLY,
  LONG_REPLY_BYTES,
  NeedsWriter,
  ReadTooLong,
  ReplicaError,
  requestsAhead,
  runSharedRead,
  SKIP_SLOWLOG,
  SlicedReply,
} from '@understudy/core/internal'
import type {
  CommandEntry,
  CommandRegistry,
  LongReplyRequest,
  ReadContext,
  SharedKeyspace,
} from '@understudy/core/internal'
import { ConnectionHost, type HostOptions, type SlowCommand } from '../clients/connection-host.ts'
import {
  CLIENT_CLOSED,
  CLIENT_FORWARDS_FULL,
  CLIENT_INPUT_ENDED,
  CLIENT_REPLICA,
  CLIENT_TRACKED,
  CLIENT_UNAUTHENTICATED,
  CLIENT_WATCHES,
} from '../clients/connection-flags.ts'
import { directWrites } from '../clients/direct-writes.ts'
import type { MeteredCommand } from '../clients/meter.ts'
import { PinnedReply } from '../clients/pinned-reply.ts'
import type { SharedWords } from '../clients/shared-words.ts'
import { addressesOf, keepAlive } from '../clients/socket-facts.ts'
import type { Channel } from './channel.ts'
import { type ConnectionTable, NO_COMMAND } from './connection-table.ts'
import {
  FRAME_ANSWERED,
  FRAME_AUTHENTICATED,
  FRAME_CLOSED,
  FRAME_COMMANDS,
  FRAME_DESTROY,
  FRAME_FINISH,
  FRAME_GONE,
  FRAME_INPUT_ENDED,
  FRAME_LATENCY,
  FRAME_NO_DELAY,
  FRAME_OPEN,
  FRAME_OUTPUT,
  FRAME_REPLIED,
  FRAME_SETTLED,
  FRAME_SLOW,
  FRAME_TAKEN,
  FRAME_WAITS,
  type FrameReader,
} from './frames.ts'
import { NO_QUEUE } from '../clients/transaction.ts'
import { IoSession } from './io-session.ts'
import {
  beginOrDiscard,
  queueRead,
  type ReadTransaction,
  runQueuedReads,
  transactionCommand,
} from './read-transactions.ts'
import { TOLD_FLAGS } from './remote-socket.ts'

/** A connection forwards so much ahead of what the link thread has run; one command may go beyond. */
const FORWARDS_BYTES_MAX: number = 64 * 1024
/** Reads of a connection in one of these states are the link thread's. */
const FORWARDED_STATES: number = TOLD_FLAGS | CLIENT_TRACKED
const MIRRORED_FLAGS: number = FORWARDED_STATES | CLIENT_WATCHES
/** Output is copied out of a batch longer than this, so that a slow reader does not hold it all. */
const SHARED_BATCH_BYTES_MAX: number = 64 * 1024

export interface IoServerOptions extends HostOptions {
  /** The commands that can be read anywhere. */
  readonly registry: CommandRegistry
  readonly keyspace: SharedKeyspace
  readonly channel: Channel
  readonly words: SharedWords
  readonly table: ConnectionTable
  /** Ids of all commands in the statistics, by full name. */
  readonly commandIds: ReadonlyMap<string, number>
  readonly runsTransactions: boolean
}

export class IoServer extends ConnectionHost<IoSession> {
  readonly keyspace: SharedKeyspace
  readonly #registry: CommandRegistry
  readonly #channel: Channel
  readonly #words: SharedWords
  readonly #table: ConnectionTable
  readonly #commandIds: ReadonlyMap<string, number>
  readonly #runsTransactions: boolean
  /** Input of this turn, counted when the turn ends: what a counter of the whole server tells of has been forwarded. */
  #inputBytes = 0
  // What `#work` runs: one function for all reads.
  #session: IoSession | undefined
  #read: ((context: ReadContext) => void) | undefined
  readonly #work: () => void = () => this.#read!(this.#session!)
  readonly #readOne: () => void = () => runSharedRead(this.#session!, this.#work)

  constructor(options: IoServerOptions) {
    super(options)
    this.#registry = options.registry
    this.keyspace = options.keyspace
    this.#channel = options.channel
    this.#words = options.words
    this.#table = options.table
    this.#commandIds = options.commandIds
    this.#runsTransactions = options.runsTransactions
  }

  get writable(): boolean {
    return this.#words.writable
  }

  accept(accepted: Socket, unixPath: string | undefined): void {
    this.attach(accepted, (socket) => {
      const { address, localAddress } = addressesOf(socket, unixPath)
      if (unixPath === undefined) keepAlive(socket, this.settings)
      const id = this.#words.takeClientId()
      const slot = this.#table.take(this.clock.monotonicMs())
      const isUnix = unixPath === undefined ? 0 : 1
      this.#channel.frames.facts(FRAME_OPEN, id, isUnix, slot, `${address}\0${localAddress}`)
      this.endTurnSoon()
      const session = new IoSession(this, directWrites(socket), { id, address, localAddress }, slot)
      // What the link thread will say, too. Until then the small limits of strangers hold.
      if (this.settings.requirepass !== '') session.flags |= CLIENT_UNAUTHENTICATED
      return session
    })
  }

  /** Runs the command that the decoder found, when it is a read that may run here; forwards it otherwise. */
  runOrForward(session: IoSession): void {
    const runs =
      !session.forwards &&
      !this.forwardsReads(session) &&
      this.#words.readsAllowed &&
      (session.transaction === undefined || this.#words.transactionsAllowed) &&
      (this.#runHere(session) || (this.#runsTransactions && this.#runTransactionCommand(session)))
    if (runs) return
    if (session.transaction !== undefined) this.#handOver(session, session.transaction)
    this.forward(session)
  }

  /** Is it in a state that the link thread has to look after? */
  forwardsReads(session: IoSession): boolean {
    return (session.flags & FORWARDED_STATES) !== 0
  }

  /** Frames from the link thread. */
  receiveFrames(frames: FrameReader): void {
    while (frames.next()) {
      const session = this.sessions.get(frames.id)
      if (session === undefined) continue
      switch (frames.kind) {
        case FRAME_OUTPUT:
          this.#pass(session, frames)
          break
        case FRAME_SETTLED:
          this.#settled(session, frames)
          break
        case FRAME_WAITS:
          this.#waits(session)
          break
        case FRAME_AUTHENTICATED:
          session.flags &= ~CLIENT_UNAUTHENTICATED
          break
        case FRAME_NO_DELAY:
          session.socket.setNoDelay(frames.number(0) === 1)
          break
        case FRAME_FINISH:
          session.closeAfterReply()
          break
        case FRAME_DESTROY:
          session.kill()
          break
        default:
          throw new Error(`frame of kind ${frames.kind} in an I/O thread`)
      }
    }
    this.endTurnSoon()
  }

  /** The link thread has pinned what a long reply of this connection shows. Ownership of the pin moves. */
  beginLongReply(id: number, request: LongReplyRequest): void {
    const session = this.sessions.get(id)
    if (session === undefined) request.pin.port.close()
    else this.longReplies.begin(session, new PinnedReply(new SlicedReply(request, this.#registry, this.settings)))
  }

  longReplyEnded(session: IoSession): void {
    this.#table.writeReplyOverdue(session.slot, 0)
    this.#channel.frames.signal(FRAME_REPLIED, session.id)
  }

  forget(session: IoSession): void {
    if (session.closed) return
    session.flags |= CLIENT_CLOSED
    this.longReplies.drop(session)
    this.sessions.delete(session.id)
    this.#table.free(session.slot)
    this.#channel.frames.signal(FRAME_CLOSED, session.id)
    this.endTurnSoon()
  }

  /** The client sent its end of stream while the link thread works for it. */
  tellEnd(session: IoSession): void {
    this.#channel.frames.signal(FRAME_INPUT_ENDED, session.id)
    this.endTurnSoon()
  }

  /** The client sent its end of stream, and what is not forwarded yet stands behind a command that waits. */
  tellGone(session: IoSession): void {
    this.#channel.frames.signal(FRAME_GONE, session.id)
    this.endTurnSoon()
  }

  /** How much of its output a replica has taken. */
  tellTaken(session: IoSession): void {
    this.#channel.frames.facts(FRAME_TAKEN, session.id, session.receivedOutput, session.pendingOutputBytes, '')
    this.endTurnSoon()
  }

  /** Writes what the link thread wants to know of the connection. */
  noteFacts(session: IoSession): void {
    if (session.closed) return
    const { slot, lastInteractionMs, inputBytes, pendingOutputBytes, entry, transaction } = session
    this.#table.write(slot, lastInteractionMs, inputBytes, pendingOutputBytes, entry?.id ?? NO_COMMAND)
    this.#table.writeQueue(slot, transaction ?? NO_QUEUE)
  }

  protected noteSlow({ args, micros, seconds }: SlowCommand): void {
    if (this.current === undefined) return
    this.#channel.frames.facts(FRAME_SLOW, this.current.id, micros, seconds, JSON.stringify(args))
  }

  protected noteLatency(event: string, elapsedMs: number): void {
    this.#channel.frames.facts(FRAME_LATENCY, 0, elapsedMs, 0, event)
  }

  /** Who takes nothing of a long reply may have to give way, as the link thread decides. */
  protected override everyTick(): void {
    for (const connection of this.longReplies.connections) {
      const session = this.sessions.get(connection.id)
      if (session !== undefined) this.#table.writeReplyOverdue(session.slot, this.longReplies.overdue(session))
    }
  }

  protected lookAfter(session: IoSession): void {
    this.noteFacts(session)
  }

  /** Whoever has a reply may ask the link thread for the counters. */
  protected override sendReplies(): void {
    this.#countLookups()
    super.sendReplies()
  }

  protected override endTurn(): void {
    this.sendReplies()
    this.sendPushes()
    this.runSuspended()
    this.longReplies.runTurn()
    this.#countLookups()
    this.#channel.send()
    this.statistics.netInputBytes += this.#inputBytes
    this.#inputBytes = 0
  }

  #countLookups(): void {
    this.statistics.hits = this.keyspace.hits
    this.statistics.misses = this.keyspace.misses
  }

  protected override countInput(bytes: number): void {
    this.#inputBytes += bytes
    this.endTurnSoon()
  }

  /** @returns false: it is no read, or has to run in the link thread. */
  #runHere(session: IoSession): boolean {
    const { decoder, transaction } = session
    const entry = this.#registry.resolve(decoder)
    if (entry?.read === undefined || !arityFits(entry.arity, decoder.count)) return false
    if (transaction !== undefined) return queueRead(session, transaction, entry)
    const { meter } = this
    meter.before(entry)
    session.entry = entry
    if (!this.#runRead(session, entry)) return false
    meter.after(entry)
    return true
  }

  /** Only for what is going to run here, by the look of the first. */
  override touchAhead(session: IoSession): void {
    const { bytes, ends, starts } = requestsAhead
    const entry = this.#registry.find(bytes, starts[0]!, ends[0]!)
    if (entry?.read !== undefined && !session.forwards) super.touchAhead(session)
  }

  /** MULTI, EXEC, DISCARD. @returns false: it is none of them, or the link thread has to see to it. */
  #runTransactionCommand(session: IoSession): boolean {
    const command = transactionCommand(session)
    if (command === undefined || !this.#words.transactionsAllowed) return false
    const { meter } = this
    const { transaction } = session
    const own: MeteredCommand = { id: this.#commandIds.get(command)!, name: command, flags: SKIP_SLOWLOG, row: {} }
    meter.before(own)
    if (command === 'exec') {
      if (transaction === undefined || !this.#runTransaction(session, transaction)) return false
    } else if (!beginOrDiscard(session, command)) return false
    session.entry = own
    meter.after(own)
    return true
  }

  #runTransaction(session: IoSession, transaction: ReadTransaction): boolean {
    const beganMs = performance.now()
    let errors: (string | undefined)[] = []
    const run = (): void => void (errors = runQueuedReads(session, transaction))
    if (!this.#attempt(session, run)) return false
    session.transaction = undefined
    const { entries } = transaction.queue
    const elapsedMs = (performance.now() - beganMs) / Math.max(1, entries.length)
    for (const [index, entry] of entries.entries()) {
      this.statistics.countCommands(entry.id, 1, elapsedMs, this.settings.latencyTracking)
      if (errors[index] !== undefined) this.countFailure(entry, errors[index])
    }
    return true
  }

  /** The transaction goes on in the link thread. */
  #handOver(session: IoSession, transaction: ReadTransaction): void {
    session.transaction = undefined
    this.#channel.frames.facts(FRAME_ANSWERED, session.id, transaction.sources.length, 0, '')
    for (const source of transaction.sources) this.#channel.bytes(FRAME_COMMANDS, session.id, source)
    session.forwardedBytes += transaction.sourceBytes
  }

  /** @returns false: it has to run in the link thread, and left no reply. */
  #runRead(session: IoSession, entry: CommandEntry): boolean {
    const errorsBefore = session.reply.errorCount
    this.#session = session
    this.#read = entry.read
    // A long one is the link thread's to pin; it comes back to be made here.
    if (entry.slices !== undefined) session.reply.longFrom = LONG_REPLY_BYTES
    const isDone = this.#attempt(session, this.#readOne)
    session.reply.longFrom = ALWAYS_WHOLE
    if (!isDone) return false
    if (session.reply.errorCount !== errorsBefore) this.countFailure(entry, session.reply.lastError)
    return true
  }

  /** Runs what replies from the shared keyspace. @returns false: it did not, and has to be forwarded. */
  #attempt(session: IoSession, run: () => void): boolean {
    const { reply } = session
    const lengthBefore = reply.length
    const errorsBefore = reply.errorCount
    try {
      run()
    } catch (error) {
      if (isForTheWriter(error)) return false
      throw error
    }
    if (this.#words.readsAllowed) return true
    // What was read may be of the time after the gate was closed: an empty dataset, say, of a node that loads.
    reply.length = lengthBefore
    reply.errorCount = errorsBefore
    return false
  }

  /** Sends what the decoder found to the link thread. */
  forward(session: IoSession): void {
    const { sourceBytes, sourceStart, sourceEnd } = session.decoder
    this.#channel.bytes(FRAME_COMMANDS, session.id, sourceBytes, sourceStart, sourceEnd)
    session.forwardedBytes += sourceEnd - sourceStart
    session.entry = undefined
    this.endTurnSoon()
    if (!this.#mayForward(session)) session.flags |= CLIENT_FORWARDS_FULL
  }

  /** Is there room for more of this connection's commands? When it is the channel's that lacks, the connection waits for it. */
  #mayForward(session: IoSession): boolean {
    if (session.forwardedBytes - session.settledBytes > FORWARDS_BYTES_MAX) return false
    if (!this.#channel.isFull) return true
    this.#channel.whenRoom(session.goOn)
    return false
  }

  /** There may be room again for what a connection forwards. */
  goOn(session: IoSession): void {
    if (session.closed || (session.flags & CLIENT_FORWARDS_FULL) === 0 || !this.#mayForward(session)) return
    session.flags &= ~CLIENT_FORWARDS_FULL
    this.resume(session)
  }

  #pass(session: IoSession, frames: FrameReader): void {
    const { payload, bytes } = frames
    session.receivedOutput += payload.length
    session.pass(
      bytes.length > SHARED_BATCH_BYTES_MAX && payload.length * 2 < bytes.length ? Buffer.from(payload) : payload,
    )
    if (session.closed || !session.holdsUpForOutput()) return
    if (!session.waits) session.socket.pause()
  }

  /** A command waits in the link thread, perhaps for ever: what stands behind it is read, as far as the limit of the input goes. */
  #waits(session: IoSession): void {
    session.waitsThere = true
    if (!session.waits) return
    if ((session.flags & CLIENT_INPUT_ENDED) !== 0) session.giveUp()
    else session.socket.resume()
  }

  #settled(session: IoSession, frames: FrameReader): void {
    // Read again when what it has is forwarded.
    if (session.waits) session.socket.pause()
    session.waitsThere = false
    session.settledBytes = frames.number(0)
    session.db = frames.word(2)
    session.resp = frames.word(3) === 3 ? 3 : 2
    session.flags = (session.flags & ~MIRRORED_FLAGS) | (frames.word(4) & MIRRORED_FLAGS)
    if ((session.flags & CLIENT_REPLICA) !== 0) this.tellTaken(session)
    this.goOn(session)
  }
}

/** The link thread pins what is long, takes its time for what is disturbed again and again here, and says what is wrong with the rest. A bug is none of them. */
function isForTheWriter(error: unknown): boolean {
  return (
    error === LONG_REPLY ||
    error instanceof NeedsWriter ||
    error instanceof ReadTooLong ||
    error instanceof ReplicaError ||
    isSizeFault(error)
  )
}
