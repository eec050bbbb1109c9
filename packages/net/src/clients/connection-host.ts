/**
 * What the connections of one thread share: the turns of its event loop, the encoder and slabs their replies are written
 * into, counters, and the limits they are held to. The link thread's is `server.ts`, an I/O thread's
 * `io-thread/io-server.ts`.
 *
 * A readable event hands its piece of input to the connection's decoder and runs it (`run-commands.ts`). A pipeline that
 * uses up its turn goes on in the next turn of the event loop, after everybody else had one.
 */
import type { Socket } from 'node:net'
import { FAST, ReplyEncoder, requestsAhead, SKIP_SLOWLOG } from '@understudy/core/internal'
import type { Clock, KeyspaceReads, Logger } from '@understudy/core/internal'
import type { Connection } from './connection.ts'
import {
  CLIENT_BACK_PRESSURE,
  CLIENT_CLOSE_AFTER_REPLY,
  CLIENT_FORWARDS_FULL,
  CLIENT_INPUT_ENDED,
  CLIENT_LONG_REPLY,
  CLIENT_STOPPED,
  CLIENT_SUSPENDED,
} from './connection-flags.ts'
import { LongReplies } from './long-replies.ts'
import { CommandMeter, type MeteredCommand } from './meter.ts'
import { runCommands } from './run-commands.ts'
import { secretArguments } from './secret-arguments.ts'
import type { ClientSettings } from './settings.ts'
import { readShared } from './shared-reads.ts'
import { SlabPool } from './slabs.ts'
import { shortenedArgs } from './slow-log.ts'
import type { ThreadStatistics } from './thread-statistics.ts'
import { StalledPeers } from './stalled-peers.ts'
import { touchRequests } from './touch-requests.ts'

/** A piece of input at least this long may be followed by another one in the same turn of the event loop. */
const LONG_CHUNK_BYTES = 16 * 1024
/** States in which input that ended is not yet all run. */
const UNFINISHED: number = CLIENT_SUSPENDED | CLIENT_BACK_PRESSURE | CLIENT_FORWARDS_FULL | CLIENT_LONG_REPLY
/** A connection that was silent so long gives back what it holds for its next request. */
const SHRINK_AFTER_MS = 2000
/** So many bytes of replies do not wait for the end of a turn: those of a thousand pipelines leave the caches before that. */
const UNSENT_BYTES_MAX: number = 256 * 1024

export interface HostOptions {
  readonly settings: ClientSettings
  readonly statistics: ThreadStatistics
  readonly clock: Clock
  readonly logger: Logger
}

/** A command that was slow enough for the slow log. */
export interface SlowCommand {
  /** Latin1, shortened. */
  readonly args: readonly string[]
  readonly micros: number
  /** Seconds since 1970. */
  readonly seconds: number
}

export abstract class ConnectionHost<Session extends Connection = Connection> {
  readonly settings: ClientSettings
  readonly statistics: ThreadStatistics
  readonly clock: Clock
  readonly logger: Logger
  /** Every connection by id, in order of arrival. */
  readonly sessions: Map<number, Session> = new Map()
  readonly encoder: ReplyEncoder = new ReplyEncoder(64)
  readonly slabs: SlabPool = new SlabPool(this.encoder)
  readonly meter: CommandMeter
  readonly longReplies: LongReplies = new LongReplies(this)
  readonly stalledPeers: StalledPeers = new StalledPeers()
  /** The connection whose commands run now. */
  current: Session | undefined
  /** Counts turns of the event loop in which long pieces of input came. */
  turn = 1

  #isHeld = false
  /** Do commands wait, because the end of this turn belongs to something else? */
  #isTurnKept = false
  /** Who runs at the end of this turn. */
  #due: Session[] = []
  /** And of the next one: these had their share of this one. */
  #suspended: Session[] = []
  #unsent: Session[] = []
  #unsentBytes = 0
  #unflushed: Session[] = []
  #immediate: NodeJS.Immediate | undefined
  #cron: NodeJS.Timeout | undefined
  #cronCount = 0
  /** Who is looked after next. */
  #round: Iterator<Session> | undefined
  /** When the first thing of this turn was to be done. */
  #turnBeganMs = 0
  readonly #runImmediate: () => void = () => {
    const beganMs = this.#turnBeganMs
    this.#immediate = undefined
    this.turn++
    this.endTurn()
    this.statistics.countTurn(performance.now() - beganMs)
  }

  constructor(options: HostOptions) {
    this.settings = options.settings
    this.statistics = options.statistics
    this.clock = options.clock
    this.logger = options.logger
    this.meter = new CommandMeter(this)
  }

  /** What the commands of connections look at. */
  abstract readonly keyspace: KeyspaceReads

  /** A connection is over: nothing refers to it any more. */
  abstract forget(session: Session): void

  /** A long reply of this connection is complete; the connection goes on after this. */
  abstract longReplyEnded(session: Connection): void

  /** A command of the current connection was slow. */
  protected abstract noteSlow(slow: SlowCommand): void

  /** An event took longer than latency-monitor-threshold. */
  protected abstract noteLatency(event: string, elapsedMs: number): void

  /** About once a second, for each connection. */
  protected abstract lookAfter(session: Session, nowMs: number): void

  /** Every 1/hz seconds. */
  protected everyTick(_nowMs: number): void {}

  /** Once a second, after the connections. */
  protected everySecond(): void {}

  /**
   * Sends a connection's replies at the end of this turn of the event loop: all readable connections are read first, as
   * redis does (beforeSleep), unless that would be too much to wait. A client of many connections then finds many replies when it
   * wakes, not one at a time. @param byteCount of these replies, as far as they are not to wait for another turn
   */
  writeSoon(session: Session, byteCount: number): void {
    this.#unsent.push(session)
    this.#unsentBytes += byteCount
    this.endTurnSoon()
  }

  /** Sends push output at the end of this turn of the event loop. */
  scheduleFlush(session: Session): void {
    this.#unflushed.push(session)
    this.endTurnSoon()
  }

  /** Runs the rest of a connection's pipeline at the end of the next turn: it used up its share of this one. */
  runLater(session: Session): void {
    this.#suspended.push(session)
    this.endTurnSoon()
  }

  /** Runs what a connection has at the end of this turn. */
  runSoon(session: Session): void {
    this.#due.push(session)
    this.endTurnSoon()
  }

  /** Called at the end of a turn: in the next one no commands run, since something comes at its end that takes long by itself. */
  keepNextTurn(): void {
    this.#isTurnKept = true
    this.endTurnSoon()
  }

  /**
   * Asked at the end of a turn, before its replies leave: do they have to wait, because what the turn wrote must be on the disk first?
   * Nothing runs then, and no reply leaves, until `release()`.
   */
  repliesMustWait: (() => boolean) | undefined

  /** Do replies wait, or will they at the end of this turn? */
  get holdsReplies(): boolean {
    return this.#isHeld || this.repliesMustWait?.() === true
  }

  /** What replies waited for is done. */
  release(): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    this.endTurnSoon()
  }

  /** Something that stopped a connection is over. */
  resume(session: Session): void {
    if ((session.flags & CLIENT_STOPPED) !== 0 || session.closed) return
    session.flags |= CLIENT_SUSPENDED
    this.runSoon(session)
  }

  /** Asks for `endTurn` after the events of this turn. */
  endTurnSoon(): void {
    if (this.#immediate !== undefined) return
    this.#turnBeganMs = performance.now()
    this.#immediate = setImmediate(this.#runImmediate)
  }

  /** Everything readable was read: replies leave, and who used up its share of the last turn gets another one. */
  protected endTurn(): void {
    this.sendReplies()
    this.runSuspended()
  }

  /** Gives sockets what was written in this turn. */
  protected sendReplies(): void {
    const unsent = this.#unsent
    if (unsent.length === 0) return
    this.#isHeld = this.repliesMustWait?.() === true
    if (this.#isHeld) return
    this.#unsent = []
    this.#unsentBytes = 0
    for (const session of unsent) session.sendUnsent()
  }

  /** Gives sockets what was written aside. */
  protected sendPushes(): void {
    const unflushed = this.#unflushed
    if (unflushed.length === 0) return
    this.#unflushed = []
    for (const session of unflushed) session.flushSide()
  }

  /** Runs who is due, unless this turn is kept or replies wait; who used up its share of this turn is due in the next. */
  protected runSuspended(): void {
    const isTurnKept = this.#isTurnKept
    this.#isTurnKept = false
    if (this.#isHeld) return
    if (!isTurnKept) this.#runDue()
    if (this.#suspended.length > 0) {
      this.#due = this.#due.concat(this.#suspended)
      this.#suspended = []
    }
    if (this.#due.length > 0) this.endTurnSoon()
  }

  #runDue(): void {
    const due = this.#due
    if (due.length === 0) return
    this.#due = []
    for (const session of due) {
      if (session.closed) continue
      session.flags &= ~CLIENT_SUSPENDED
      session.turnBytes = session.turnMs = 0
      if ((session.flags & CLIENT_CLOSE_AFTER_REPLY) !== 0) session.close()
      if ((session.flags & CLIENT_STOPPED) !== 0) continue
      runCommands(session)
      if (!session.closed && (session.flags & CLIENT_STOPPED) === 0) session.socket.resume()
    }
  }

  /**
   * Reads from an accepted socket into the session that `connect` makes of it. @param connect gets the socket to write to;
   * undefined: the connection was refused.
   */
  protected attach(accepted: Socket, connect: (socket: Socket) => Session | undefined): void {
    let session: Session | undefined
    const { socket, isShared } = readShared(accepted, (chunk, length) => {
      if (session === undefined) return
      this.countInput(length)
      this.statistics.readsProcessed++
      this.receive(session, chunk, length)
      if (isShared) session.decoder.keep()
    })
    socket.on('error', ignoreError)
    const connected = connect(socket)
    if (connected === undefined) return
    session = connected
    this.sessions.set(connected.id, connected)
    socket.on('end', () => this.endInput(connected))
    socket.on('close', () => this.forget(connected))
  }

  protected countInput(bytes: number): void {
    this.statistics.netInputBytes += bytes
  }

  /** Takes a piece of a connection's input, the first `length` bytes of a chunk, whose ownership is as `RequestDecoder.feed` says. */
  receive(session: Session, chunk: Buffer, length: number = chunk.length): void {
    if (session.closed) return
    const { decoder } = session
    const { settings } = this
    session.lastInteractionMs = this.clock.monotonicMs()
    decoder.bulkBytesMax = settings.protoMaxBulkBytes
    if ((session.flags & CLIENT_STOPPED) === 0) decoder.feed(chunk, length)
    else {
      session.heldInput.append(chunk, length)
      if (this.stalledPeers.holds(session)) return
    }
    if (session.inputBytes > settings.clientQueryBufferBytesMax) {
      this.dropForInput(session)
      return
    }
    if (length >= LONG_CHUNK_BYTES) {
      if (session.turn !== this.turn) {
        session.turn = this.turn
        session.turnBytes = session.turnMs = 0
      }
      session.turnBytes += length
      this.endTurnSoon()
      if (session.turnBytes > settings.turnBytesMax && (session.flags & CLIENT_STOPPED) === 0) {
        this.#putOff(session)
        this.runLater(session)
        return
      }
    } else if (session.turn !== this.turn) session.turnBytes = session.turnMs = 0
    if ((session.flags & CLIENT_STOPPED) !== 0) return
    if (this.#isHeld || this.#isTurnKept) {
      this.#putOff(session)
      this.runSoon(session)
    } else {
      runCommands(session)
      if (this.#unsentBytes > UNSENT_BYTES_MAX && !this.holdsReplies) this.sendReplies()
    }
  }

  /** `requestsAhead` has the next requests of a connection, several: touches what they will look at. */
  touchAhead(session: Connection): void {
    touchRequests(this.keyspace, session.db)
  }

  /** No command runs any more, and the bytes of those found ahead are about to be others. */
  forgetAhead(): void {
    requestsAhead.clear()
    this.keyspace.lookupsAhead.letGo()
  }

  /** Its input is run at the end of a turn, and no more of it is read before. */
  #putOff(session: Session): void {
    session.flags |= CLIENT_SUSPENDED
    session.socket.pause()
  }

  /** The peer has sent its end of stream. A pipeline that is still being worked on is finished first; who waits is gone. */
  endInput(session: Session): void {
    if (session.closed) return
    session.flags |= CLIENT_INPUT_ENDED
    if (session.waits) session.giveUp()
    else if ((session.flags & UNFINISHED) === 0) session.finishInput()
  }

  /**
   * Counts `count` calls of a command that took `elapsedMs` together; the last one goes into the slow log when that was
   * slow. @param argsKept the current connection's arguments are still those of that one.
   */
  account(entry: MeteredCommand, count: number, elapsedMs: number, argsKept: boolean): void {
    const { settings, current } = this
    this.statistics.countCommands(entry.id, count, elapsedMs, settings.latencyTracking)
    const slowMicros = settings.slowlogSlowerThanMicros
    if (slowMicros >= 0 && elapsedMs * 1000 >= slowMicros && (entry.flags & SKIP_SLOWLOG) === 0 && current) {
      const args = argsKept ? shortenedArgs(current.args, secretArguments(entry.row, current.args)) : [entry.name]
      this.noteSlow({ args, micros: Math.round(elapsedMs * 1000), seconds: Math.floor(current.nowMs / 1000) })
    }
    const thresholdMs = settings.latencyMonitorThresholdMs
    if (thresholdMs > 0 && elapsedMs >= thresholdMs) {
      this.noteLatency((entry.flags & FAST) === 0 ? 'command' : 'fast-command', elapsedMs)
    }
  }

  /** A command that ran replied with an error. */
  countFailure(entry: MeteredCommand, error: string): void {
    this.statistics.failed[entry.id]!++
    this.statistics.countError(error)
  }

  /** Beyond client-output-buffer-limit. */
  dropForOutput(session: Connection): void {
    this.statistics.outputLimitDisconnections++
    this.logger.warning(
      `Client id=${session.id} addr=${session.address} omem=${session.pendingOutputBytes} ` +
        'scheduled to be closed ASAP for overcoming of output buffer limits.',
    )
    session.kill()
  }

  /** It took its long reply too slowly: the pin that this is made from was given up (`long-reply-pin-bytes`, `-seconds`, `reply-pins.ts`). */
  dropForPin(session: Connection): void {
    this.statistics.outputLimitDisconnections++
    this.logger.warning(
      `Closing client id=${session.id} addr=${session.address} in the middle of a long reply: it did not take it within ` +
        `${this.settings.longReplyPinSeconds} seconds, or ${this.settings.longReplyPinBytes} bytes of what it reads were changed meanwhile ` +
        '(long-reply-pin-seconds, long-reply-pin-bytes), or it took nothing while others waited for theirs',
    )
    session.kill()
  }

  /** Its long reply cannot be finished, and some of it may have been sent: an item for which there is no memory. */
  dropForFault(session: Connection, error: Error): void {
    this.logger.warning(
      `Closing client id=${session.id} addr=${session.address} in the middle of a long reply: ${error.message}`,
    )
    session.kill()
  }

  /** Beyond client-query-buffer-limit. */
  dropForInput(session: Session): void {
    this.logger.warning(
      `Closing client that reached max query buffer length: id=${session.id} addr=${session.address} ` +
        `qbuf=${session.inputBytes}`,
    )
    session.kill()
  }

  /** Begins the periodic work anew: at start, and when `hz` changed. */
  restartCron(): void {
    this.stopCron()
    this.#cronCount = 0
    const intervalMs = Math.max(2, Math.floor(1000 / this.settings.hz))
    this.#cron = setInterval(() => this.#runCron(), intervalMs)
    this.#cron.unref()
  }

  protected stopCron(): void {
    clearInterval(this.#cron)
  }

  #runCron(): void {
    const nowMs = this.clock.monotonicMs()
    this.everyTick(nowMs)
    this.longReplies.tick()
    this.stalledPeers.tick(1000 / this.settings.hz)
    this.#lookAfterSome(nowMs)
    this.#cronCount++
    if (this.#cronCount % this.settings.hz !== 0) return
    this.slabs.trim()
    this.everySecond()
  }

  /** Everybody about once a second, but not in one turn: of thousands each is far from the caches. */
  #lookAfterSome(nowMs: number): void {
    const round = (this.#round ??= this.sessions.values())
    for (let left = Math.ceil(this.sessions.size / this.settings.hz); left > 0; left--) {
      const { value: session } = round.next()
      if (session === undefined) {
        this.#round = undefined
        return
      }
      session.checkSoftLimit()
      if (nowMs - session.lastInteractionMs > SHRINK_AFTER_MS) session.decoder.shrink()
      this.lookAfter(session, nowMs)
    }
  }
}

function ignoreError(): void {
  // A connection's end is seen in 'close'; the reason (reset, broken pipe) changes nothing.
}
