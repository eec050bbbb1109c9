/**
 * The RESP server: listens, accepts, closes, and holds what its connections share. What a command does is not its
 * business; what a key means even less.
 *
 * One thread. A readable event hands its piece of input to the connection's decoder and runs it (`dispatcher.ts`). A
 * pipeline that uses up its turn goes on in the next turn of the event loop, after everybody else had one.
 */
import type { Socket } from 'node:net'
import {
  CommandRegistry,
  FAST,
  idleNodeState,
  MAX_CLIENTS_ERROR,
  MAY_REPLICATE,
  ReplyEncoder,
  SKIP_SLOWLOG,
  WRITE,
} from '@understudy/core/internal'
import type {
  Clock,
  CommandEntry,
  CommandRename,
  CommandTable,
  KeyChangeListener,
  Keyspace,
  Logger,
  NodeState,
} from '@understudy/core/internal'
import {
  CLIENT_BACK_PRESSURE,
  CLIENT_CLOSE_AFTER_REPLY,
  CLIENT_CLOSED,
  CLIENT_INPUT_ENDED,
  CLIENT_POSTPONED,
  CLIENT_REPLY_OFF,
  CLIENT_REPLY_SKIP,
  CLIENT_STOPPED,
  CLIENT_SUSPENDED,
  CLIENT_UNAUTHENTICATED,
  CLIENT_UNIX_SOCKET,
  ClientSession,
} from './session.ts'
import { runCommands } from './dispatcher.ts'
import { Listeners, type ListenOptions, type TcpListenOptions } from './listeners.ts'
import { readShared } from './shared-reads.ts'
import { CommandMeter } from './meter.ts'
import { InfoRegistry } from './info.ts'
import { BlockedKeys } from './blocked-keys.ts'
import { KeyWatches } from './watch.ts'
import { LatencyMonitor } from './latency-monitor.ts'
import { PubSub } from './pubsub.ts'
import { ServerStatistics } from './statistics.ts'
import { SlabPool } from './slabs.ts'
import { shortenedArgs, SlowLog } from './slow-log.ts'
import { Tracking } from './tracking.ts'
import { type ClientSettings, TIMER_MS_MAX } from './settings.ts'
import type { ServerPorts } from './ports.ts'

/** A piece of input at least this long may be followed by another one in the same turn of the event loop. */
const LONG_CHUNK_BYTES = 16 * 1024
const PROTECTED_MODE_ERROR =
  'DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the ' +
  'default user. In this mode connections are only accepted from the loopback interface. To accept others: set a ' +
  'password with requirepass, or bind only to trusted addresses and set protected-mode to no, or connect locally ' +
  "and run 'CONFIG SET protected-mode no'."

export interface ClientServerOptions {
  settings: ClientSettings
  families: readonly CommandTable<ClientSession>[]
  renames?: readonly CommandRename[]
  keyspace: Keyspace
  ports: ServerPorts
  clock: Clock
  logger: Logger
  /** State of the node; changed in place by its owner. */
  node?: NodeState
}

export class ClientServer {
  readonly settings: ClientSettings
  readonly registry: CommandRegistry<ClientSession>
  readonly statistics: ServerStatistics
  readonly node: NodeState
  readonly clock: Clock
  readonly logger: Logger
  readonly ports: ServerPorts
  /** Every connection by id, in order of arrival. */
  readonly sessions: Map<number, ClientSession> = new Map()
  readonly pubsub: PubSub = new PubSub()
  readonly monitors: Set<ClientSession> = new Set()
  readonly slowLog: SlowLog = new SlowLog()
  readonly latency: LatencyMonitor = new LatencyMonitor()
  readonly tracking: Tracking
  readonly watches: KeyWatches
  readonly blockedKeys: BlockedKeys = new BlockedKeys(this)
  readonly info: InfoRegistry = new InfoRegistry()
  readonly encoder: ReplyEncoder = new ReplyEncoder(64)
  readonly slabs: SlabPool = new SlabPool(this.encoder)
  readonly meter: CommandMeter = new CommandMeter(this)
  readonly startedAtMs: number
  keyspace: Keyspace
  /** The connection whose commands run now. */
  current: ClientSession | undefined
  /** CLIENT PAUSE until (wall clock), 0 for none. */
  pauseUntilMs = 0
  pauseWritesOnly = false
  readonly postponed: Set<ClientSession> = new Set()
  /** Counts turns of the event loop in which long pieces of input came. */
  turn = 1

  readonly #listeners: Listeners
  #nextClientId = 1
  #suspended: ClientSession[] = []
  #unsent: ClientSession[] = []
  #unflushed: ClientSession[] = []
  #immediate: NodeJS.Immediate | undefined
  #cron: NodeJS.Timeout | undefined
  #cronCount = 0
  #pauseTimer: NodeJS.Timeout | undefined
  readonly #runImmediate: () => void = () => this.#endTurn()

  constructor(options: ClientServerOptions) {
    this.settings = options.settings
    this.registry = new CommandRegistry(options.families, options.renames)
    this.statistics = new ServerStatistics(this.registry.size)
    this.node = options.node ?? idleNodeState()
    this.clock = options.clock
    this.logger = options.logger
    this.keyspace = options.keyspace
    this.#listeners = new Listeners({
      backlog: () => this.settings.tcpBacklog,
      accept: (socket, unixPath) => this.#accept(socket, unixPath),
      failed: (error) => this.logger.warning(`Accepting client connection: ${error.message}`),
    })
    this.tracking = new Tracking((id) => this.sessions.get(id))
    this.watches = new KeyWatches(() => this.keyspace, options.clock)
    this.ports = options.ports
    this.startedAtMs = options.clock.wallMs()
    const { tracking, watches, blockedKeys } = this
    this.changes = {
      get active(): boolean {
        return watches.active || tracking.active || blockedKeys.active
      },
      keyChanged: (db, key, start, end, gone) => {
        if (watches.active) watches.keyChanged(db, key, start, end)
        if (blockedKeys.active) blockedKeys.keyChanged(db, key, start, end, gone)
        if (tracking.active) {
          tracking.keyChanged(key, start, end, this.current)
          this.endTurnSoon()
        }
      },
      keyReady: (db, key, start, end) => {
        if (blockedKeys.active) blockedKeys.keyChanged(db, key, start, end)
      },
      databaseFlushed: (db) => {
        watches.databaseFlushed(db)
        blockedKeys.databaseFlushed(db)
        tracking.flushed()
      },
      databasesSwapped: (first, second) => {
        watches.databasesSwapped(first, second)
        blockedKeys.databasesSwapped(first, second)
        tracking.flushed()
      },
    }
    options.keyspace.listener = this.changes
  }

  /**
   * What the keyspace tells about changes: WATCH and CLIENT TRACKING live on it. The constructor makes it the keyspace's
   * listener; who wants to hear too puts a listener of their own there and calls this one.
   */
  readonly changes: KeyChangeListener

  /** Opens all listening sockets. @throws as `Listeners.open`. */
  async listen(options: ListenOptions): Promise<void> {
    await this.#listeners.open(options)
    this.restartCron()
  }

  /** CONFIG SET port and bind; connections stay. @throws as `Listeners.reopen`. */
  relisten(options: TcpListenOptions): Promise<void> {
    return this.#listeners.reopen(options)
  }

  /** The TCP port that is listened on; 0 for none. */
  get port(): number {
    return this.#listeners.port
  }

  /** Begins the periodic work anew: at start, and when `hz` changed. */
  restartCron(): void {
    clearInterval(this.#cron)
    this.#cronCount = 0
    const intervalMs = Math.max(2, Math.floor(1000 / this.settings.hz))
    this.#cron = setInterval(() => this.#runCron(), intervalMs)
    this.#cron.unref()
  }

  /** Stops listening and closes every connection. */
  async close(): Promise<void> {
    clearInterval(this.#cron)
    clearTimeout(this.#pauseTimer)
    const closing = this.#listeners.close()
    for (const session of this.sessions.values()) session.kill()
    await closing
  }

  /** A number for CLIENT LIST that no other connection has had. */
  takeClientId(): number {
    return this.#nextClientId++
  }

  /**
   * Sends a connection's replies at the end of this turn of the event loop: all readable connections are read first, as
   * redis does (beforeSleep). A client of many connections then finds many replies when it wakes, not one at a time.
   */
  writeSoon(session: ClientSession): void {
    this.#unsent.push(session)
    this.endTurnSoon()
  }

  /** Sends push output at the end of this turn of the event loop. */
  scheduleFlush(session: ClientSession): void {
    this.#unflushed.push(session)
    this.endTurnSoon()
  }

  /** Runs the rest of a connection's pipeline in the next turn. */
  runLater(session: ClientSession): void {
    this.#suspended.push(session)
    this.endTurnSoon()
  }

  /** Something that stopped a connection is over. */
  resume(session: ClientSession): void {
    if ((session.flags & CLIENT_STOPPED) !== 0 || session.closed) return
    session.flags |= CLIENT_SUSPENDED
    this.runLater(session)
  }

  /** Writes the reply of a command that waited: at once, in whatever turn. */
  replyNow(session: ClientSession, writeReply: () => void): void {
    const outer = this.current
    this.current = session
    try {
      if (outer === undefined) {
        this.encoder.resp = session.resp
        this.encoder.discardReplies = (session.flags & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP)) !== 0
        writeReply()
        this.encoder.discardReplies = false
        session.flush()
      } else {
        // Another connection's replies are in the shared encoder.
        session.replyAside(writeReply)
      }
    } finally {
      this.current = outer
    }
  }

  /** The role changes: whoever waits gets an error and is closed (redis 7.0 disconnectAllBlockedClients()). */
  unblockAll(error: string): void {
    for (const session of this.sessions.values()) {
      if (session.blocked?.mayBeEnded !== true) continue
      session.unblock(() => session.reply.error(error))
      session.flags |= CLIENT_CLOSE_AFTER_REPLY
    }
  }

  /** CLIENT PAUSE: later and wider pauses win. */
  pause(untilMs: number, writesOnly: boolean): void {
    this.pauseUntilMs = Math.max(this.pauseUntilMs, untilMs)
    this.pauseWritesOnly =
      this.pauseUntilMs !== 0 && this.postponed.size === 0 ? writesOnly : this.pauseWritesOnly && writesOnly
    this.#awaitPauseEnd()
  }

  #awaitPauseEnd(): void {
    clearTimeout(this.#pauseTimer)
    const restMs = this.pauseUntilMs - this.clock.wallMs()
    const wake = (): void => (restMs > TIMER_MS_MAX ? this.#awaitPauseEnd() : this.unpause())
    this.#pauseTimer = setTimeout(wake, Math.min(Math.max(1, restMs), TIMER_MS_MAX))
    this.#pauseTimer.unref()
  }

  unpause(): void {
    clearTimeout(this.#pauseTimer)
    this.pauseUntilMs = 0
    this.pauseWritesOnly = false
    for (const session of this.postponed) {
      session.flags &= ~CLIENT_POSTPONED
      this.resume(session)
    }
    this.postponed.clear()
  }

  /** Does CLIENT PAUSE hold this command back? */
  pauseHolds(session: ClientSession, entry: CommandEntry<ClientSession>): boolean {
    if (this.clock.wallMs() >= this.pauseUntilMs) {
      this.unpause()
      return false
    }
    if (session.type === 'replica') return false
    if (!this.pauseWritesOnly) return true
    const flags = entry.name === 'exec' ? entry.flags | (session.transaction?.flags ?? 0) : entry.flags
    return (flags & (WRITE | MAY_REPLICATE)) !== 0
  }

  /** enable-debug-command. */
  protectedCommandsAllowed(session: ClientSession): boolean {
    const { enableDebugCommand } = this.settings
    return enableDebugCommand === 'yes' || (enableDebugCommand === 'local' && isLocal(session.address, session.flags))
  }

  /**
   * Counts `count` calls of a command that took `elapsedMs` together; the last one goes into the slow log when that was
   * slow. @param argsKept the current connection's arguments are still those of that one.
   */
  account(entry: CommandEntry<ClientSession>, count: number, elapsedMs: number, argsKept: boolean): void {
    const { settings, current } = this
    this.statistics.countCommands(entry.id, count, elapsedMs, settings.latencyTracking)
    const slowMicros = settings.slowlogSlowerThanMicros
    if (slowMicros >= 0 && elapsedMs * 1000 >= slowMicros && (entry.flags & SKIP_SLOWLOG) === 0 && current) {
      const micros = Math.round(elapsedMs * 1000)
      const seconds = Math.floor(current.nowMs / 1000)
      const args = argsKept ? shortenedArgs(current.args) : [entry.name]
      this.slowLog.add(args, micros, seconds, current.address, current.name, settings.slowlogLengthMax)
    }
    const thresholdMs = settings.latencyMonitorThresholdMs
    if (thresholdMs > 0 && elapsedMs >= thresholdMs) {
      this.latency.add((entry.flags & FAST) === 0 ? 'command' : 'fast-command', elapsedMs, this.clock.wallMs())
    }
  }

  /** @param line latin1, without '+' and CRLF. */
  feedMonitors(line: string): void {
    for (const monitor of this.monitors) {
      const encoder = monitor.pushEncoder()
      const bytes = Buffer.from(`+${line}\r\n`, 'latin1')
      encoder.raw(bytes, 0, bytes.length)
    }
  }

  /** Beyond client-output-buffer-limit. */
  dropForOutput(session: ClientSession): void {
    this.logger.warning(
      `Client id=${session.id} addr=${session.address} name=${session.name} omem=${session.pendingOutputBytes} ` +
        'scheduled to be closed ASAP for overcoming of output buffer limits.',
    )
    session.kill()
  }

  /** Beyond client-query-buffer-limit. */
  dropForInput(session: ClientSession): void {
    this.logger.warning(
      `Closing client that reached max query buffer length: id=${session.id} addr=${session.address} ` +
        `qbuf=${session.decoder.pendingBytes}`,
    )
    session.kill()
  }

  /** A connection is over: nothing refers to it any more. */
  forget(session: ClientSession): void {
    if (session.closed) return
    session.flags |= CLIENT_CLOSED
    session.endWait()
    session.discardTransaction()
    this.pubsub.unsubscribeAll(session)
    this.monitors.delete(session)
    this.tracking.disable(session)
    this.postponed.delete(session)
    this.sessions.delete(session.id)
    this.ports.sessionClosed?.(session)
  }

  #accept(accepted: Socket, unixPath: string | undefined): void {
    const { settings, statistics } = this
    let session: ClientSession | undefined
    const { socket, isShared } = readShared(accepted, (chunk) => {
      if (session === undefined) return
      this.#receive(session, chunk)
      if (isShared) session.decoder.keep()
    })
    socket.on('error', ignoreError)
    statistics.connectionsReceived++
    if (this.sessions.size >= settings.maxclients) {
      statistics.connectionsRejected++
      refuse(socket, MAX_CLIENTS_ERROR)
      return
    }
    if (unixPath === undefined && settings.tcpKeepaliveSeconds > 0) {
      socket.setKeepAlive(true, settings.tcpKeepaliveSeconds * 1000)
    }
    const flags = unixPath === undefined ? 0 : CLIENT_UNIX_SOCKET
    const address = unixPath === undefined ? hostPort(socket.remoteAddress, socket.remotePort) : `${unixPath}:0`
    if (settings.protectedMode && settings.requirepass === '' && !isLocal(address, flags)) {
      statistics.connectionsRejected++
      refuse(socket, PROTECTED_MODE_ERROR)
      return
    }
    const localAddress = unixPath === undefined ? hostPort(socket.localAddress, socket.localPort) : `${unixPath}:0`
    const made = new ClientSession(this, socket, this.takeClientId(), address, localAddress, this.clock.monotonicMs())
    made.flags = flags | (settings.requirepass === '' ? 0 : CLIENT_UNAUTHENTICATED)
    session = made
    this.sessions.set(made.id, made)
    socket.on('end', () => this.#inputEnded(made))
    socket.on('close', () => this.forget(made))
  }

  #receive(session: ClientSession, chunk: Buffer): void {
    if (session.closed) return
    const { decoder } = session
    const { settings, statistics } = this
    statistics.netInputBytes += chunk.length
    statistics.readsProcessed++
    session.inputBytesTotal += chunk.length
    session.lastInteractionMs = this.clock.monotonicMs()
    decoder.bulkBytesMax = settings.protoMaxBulkBytes
    decoder.feed(chunk)
    if (decoder.pendingBytes > settings.clientQueryBufferBytesMax) {
      this.dropForInput(session)
      return
    }
    if (chunk.length >= LONG_CHUNK_BYTES) {
      if (session.turn !== this.turn) {
        session.turn = this.turn
        session.turnBytes = session.turnMs = 0
      }
      session.turnBytes += chunk.length
      this.endTurnSoon()
      if (session.turnBytes > settings.turnBytesMax && (session.flags & CLIENT_STOPPED) === 0) {
        session.flags |= CLIENT_SUSPENDED
        session.socket.pause()
        this.runLater(session)
        return
      }
    } else if (session.turn !== this.turn) session.turnBytes = session.turnMs = 0
    if ((session.flags & CLIENT_STOPPED) === 0) runCommands(session)
  }

  #inputEnded(session: ClientSession): void {
    if (session.closed) return
    session.flags |= CLIENT_INPUT_ENDED
    // A pipeline that is still being worked on is finished first; a client that waits is gone.
    if (session.blocked !== undefined) session.kill()
    else if ((session.flags & (CLIENT_SUSPENDED | CLIENT_BACK_PRESSURE | CLIENT_POSTPONED)) === 0)
      session.closeAfterReply()
  }

  /** Asks for `#endTurn` after the events of this turn. */
  endTurnSoon(): void {
    if (this.#immediate === undefined) this.#immediate = setImmediate(this.#runImmediate)
  }

  #sendUnsent(): void {
    const unsent = this.#unsent
    if (unsent.length === 0) return
    this.#unsent = []
    for (const session of unsent) session.sendUnsent()
  }

  #endTurn(): void {
    this.#immediate = undefined
    this.turn++
    if (this.blockedKeys.hasReady) this.blockedKeys.serve()
    this.#sendUnsent()
    this.tracking.flushBroadcast()
    const unflushed = this.#unflushed
    if (unflushed.length > 0) {
      this.#unflushed = []
      for (const session of unflushed) session.flushSide()
    }
    const suspended = this.#suspended
    if (suspended.length === 0) return
    this.#suspended = []
    for (const session of suspended) {
      if (session.closed) continue
      session.flags &= ~CLIENT_SUSPENDED
      session.turnBytes = session.turnMs = 0
      if ((session.flags & CLIENT_CLOSE_AFTER_REPLY) !== 0) session.closeAfterReply()
      if ((session.flags & CLIENT_STOPPED) !== 0) continue
      runCommands(session)
      if (!session.closed && (session.flags & CLIENT_STOPPED) === 0) session.socket.resume()
    }
  }

  #runCron(): void {
    const nowMs = this.clock.monotonicMs()
    this.statistics.sampleRates(nowMs)
    this.#cronCount++
    if (this.#cronCount % this.settings.hz !== 0) return
    this.slabs.trim()
    const idleMsMax = this.settings.timeoutSeconds * 1000
    let inputMax = 0
    let outputMax = 0
    for (const session of this.sessions.values()) {
      const idleMs = nowMs - session.lastInteractionMs
      inputMax = Math.max(inputMax, session.decoder.pendingBytes)
      outputMax = Math.max(outputMax, session.pendingOutputBytes)
      session.checkSoftLimit()
      if (idleMs > 2000) session.decoder.shrink()
      const mayIdle = session.type !== 'normal' || session.blocked !== undefined || this.monitors.has(session)
      if (idleMsMax > 0 && idleMs > idleMsMax && !mayIdle) {
        this.logger.verbose(`Closing idle client id=${session.id} addr=${session.address}`)
        session.kill()
      }
    }
    this.statistics.recentInputBufferMax = inputMax
    this.statistics.recentOutputBufferMax = outputMax
  }
}

function ignoreError(): void {
  // A connection's end is seen in 'close'; the reason (reset, broken pipe) changes nothing.
}

function refuse(socket: Socket, text: string): void {
  socket.write(`-${text}\r\n`)
  socket.destroySoon()
}

export function hostPort(host: string | undefined, port: number | undefined): string {
  const plain = (host ?? '?').replace(/^::ffff:(?=\d+\.)/, '')
  return plain.includes(':') ? `[${plain}]:${port ?? 0}` : `${plain}:${port ?? 0}`
}

function isLocal(address: string, flags: number): boolean {
  return (flags & CLIENT_UNIX_SOCKET) !== 0 || address.startsWith('127.') || address.startsWith('[::1]')
}
