/**
 * The RESP server in the link thread: listens, accepts, closes, and holds what its clients share. What a command does is
 * not its business; what a key means even less. Turns and limits are those of `connection-host.ts`.
 */
import type { Socket } from 'node:net'
import {
  CommandRegistry,
  idleNodeState,
  MAX_CLIENTS_ERROR,
  OwnExpiringKeys,
  refusesReads,
} from '@understudy/core/internal'
import type {
  Clock,
  CommandRename,
  CommandTable,
  KeyChangeListener,
  Keyspace,
  Logger,
  NodeState,
} from '@understudy/core/internal'
import type { RemoteSocket } from '../io-thread/remote-socket.ts'
import type { ConnectionIdentity } from './connection.ts'
import { ConnectionHost, type SlowCommand } from './connection-host.ts'
import {
  CLIENT_CLOSE_AFTER_REPLY,
  CLIENT_CLOSED,
  CLIENT_DROPPED_REPLIES,
  CLIENT_UNAUTHENTICATED,
  CLIENT_UNIX_SOCKET,
} from './connection-flags.ts'
import { directWrites } from './direct-writes.ts'
import { ClientSession } from './session.ts'
import { Listeners, type ListenOptions, openHere, type OpenPlace, type TcpListenOptions } from './listeners.ts'
import { ClientMemory } from './client-memory.ts'
import { ForeignProtocol } from './foreign-protocol.ts'
import { InfoRegistry } from './info.ts'
import { KeyChanges } from './key-changes.ts'
import { BlockedKeys } from './blocked-keys.ts'
import { KeyWatches } from './watch.ts'
import { GATE_MEMORY, GATE_MONITOR, GATE_NODE, GATE_PAUSE, SharedWords } from './shared-words.ts'
import { LatencyMonitor } from './latency-monitor.ts'
import { type MonitoredCommand, monitorLine } from './monitor.ts'
import { Pauses } from './pauses.ts'
import { PubSub } from './pubsub.ts'
import { addressesOf, keepAlive } from './socket-facts.ts'
import { ServerStatistics } from './statistics.ts'
import { SlowLog } from './slow-log.ts'
import { ReplyPins } from './reply-pins.ts'
import { Tracking } from './tracking.ts'
import type { ClientSettings } from './settings.ts'
import type { ServerPorts } from './ports.ts'

/** An I/O thread says about once a second what it knows of a connection, and later when it gets no processor. */
const REMOTE_FACTS_AGE_MS = 2000

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

export class ClientServer extends ConnectionHost<ClientSession> {
  declare readonly statistics: ServerStatistics
  readonly registry: CommandRegistry<ClientSession>
  readonly node: NodeState
  readonly ports: ServerPorts
  readonly pubsub: PubSub = new PubSub()
  readonly monitors: Set<ClientSession> = new Set()
  readonly slowLog: SlowLog = new SlowLog()
  readonly latency: LatencyMonitor = new LatencyMonitor()
  readonly foreignProtocol: ForeignProtocol
  readonly tracking: Tracking
  readonly watches: KeyWatches
  /** What clients have given a time to live while this node is a replica. */
  readonly ownExpiring: OwnExpiringKeys
  /** Which commands are held back: CLIENT PAUSE, and its like. */
  readonly pauses: Pauses
  readonly blockedKeys: BlockedKeys = new BlockedKeys(this)
  readonly replyPins: ReplyPins = new ReplyPins(this)
  readonly memory: ClientMemory = new ClientMemory()
  readonly info: InfoRegistry = new InfoRegistry()
  /** What the I/O threads look at. */
  readonly words: SharedWords = new SharedWords()
  /** Called at the end of each turn, when everything was given to sockets: the channels to I/O threads. */
  readonly turnListeners: (() => void)[] = []
  /** Who listens instead of this thread: the I/O threads. */
  openPlace: OpenPlace | undefined
  readonly startedAtMs: number
  keyspace: Keyspace
  readonly #listeners: Listeners
  #inputMax = 0
  #outputMax = 0

  constructor(options: ClientServerOptions) {
    const registry = new CommandRegistry(options.families, options.renames)
    super({ ...options, statistics: new ServerStatistics(registry.size) })
    this.registry = registry
    this.node = options.node ?? idleNodeState()
    this.keyspace = options.keyspace
    const openPlace = openHere(
      (socket, unixPath) => this.#accept(socket, unixPath),
      () => this.settings.tcpBacklog,
      (error) => this.logger.warning(`Accepting client connection: ${error.message}`),
    )
    this.#listeners = new Listeners((place) => (this.openPlace ?? openPlace)(place))
    this.pauses = new Pauses({
      clock: options.clock,
      changed: () => {
        this.words.setGate(GATE_PAUSE, this.pauses.holdsReads)
        this.ports.paused?.(this.pauses.isActive)
      },
      resume: (session) => this.resume(session),
    })
    this.foreignProtocol = new ForeignProtocol(options.clock, options.logger)
    this.tracking = new Tracking((id) => this.sessions.get(id))
    this.watches = new KeyWatches(() => this.keyspace, options.clock)
    this.ownExpiring = new OwnExpiringKeys(options.keyspace)
    this.ports = options.ports
    this.startedAtMs = options.clock.wallMs()
    this.changes = new KeyChanges(this)
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

  /** Stops listening and closes every connection. */
  async close(): Promise<void> {
    this.stopCron()
    this.pauses.stop()
    const closing = this.#listeners.close()
    for (const session of this.sessions.values()) session.kill()
    await closing
  }

  /** May clients write here? */
  get writable(): boolean {
    return !this.node.replica || !this.node.replicaReadOnly
  }

  /** The state of the node changed: threads that answer reads have to know whether they still may. */
  nodeChanged(): void {
    this.words.setGate(GATE_NODE, refusesReads(this.node))
    this.words.setGate(GATE_MEMORY, this.node.outOfMemory)
    this.words.setWritable(this.writable)
    // A primary looks after all keys.
    if (!this.node.replica) this.ownExpiring.clear()
  }

  startMonitor(session: ClientSession): void {
    this.monitors.add(session)
    this.words.setGate(GATE_MONITOR, true)
  }

  stopMonitor(session: ClientSession): void {
    if (this.monitors.delete(session) && this.monitors.size === 0) this.words.setGate(GATE_MONITOR, false)
  }

  /** Writes the reply of a command that waited: at once, in whatever turn. */
  replyNow(session: ClientSession, writeReply: () => void): void {
    const outer = this.current
    this.current = session
    try {
      if (outer === undefined) {
        this.encoder.resp = session.resp
        this.encoder.discardReplies = (session.flags & CLIENT_DROPPED_REPLIES) !== 0
        writeReply()
        session.releasePushes()
        this.encoder.discardReplies = false
        session.flush()
      } else {
        // Another connection's replies are in the shared encoder.
        session.replyAside(() => {
          writeReply()
          session.releasePushes()
        })
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

  /** enable-debug-command. */
  protectedCommandsAllowed(session: ClientSession): boolean {
    const { enableDebugCommand } = this.settings
    const isLocal = (session.flags & CLIENT_UNIX_SOCKET) !== 0 || isLoopback(session.address)
    return enableDebugCommand === 'yes' || (enableDebugCommand === 'local' && isLocal)
  }

  protected noteSlow({ args, micros, seconds }: SlowCommand): void {
    if (this.current !== undefined) this.addSlow(this.current, { args, micros, seconds })
  }

  /** A command of `session` was slow, here or in its I/O thread. */
  addSlow({ address, name }: ClientSession, { args, micros, seconds }: SlowCommand): void {
    this.slowLog.add(args, micros, seconds, address, name, this.settings.slowlogLengthMax)
  }

  /** An event was slow, here or in an I/O thread. */
  noteLatency(event: string, elapsedMs: number): void {
    this.latency.add(event, elapsedMs, this.clock.wallMs())
  }

  /** Shows a command to those who monitor. */
  feedMonitors(command: MonitoredCommand): void {
    const bytes = Buffer.from(`+${monitorLine(command, this.clock.wallMs())}\r\n`, 'latin1')
    for (const monitor of this.monitors) {
      // Lines count as replies, unlike messages.
      if ((monitor.flags & CLIENT_DROPPED_REPLIES) !== 0) continue
      monitor.pushEncoder().raw(bytes, 0, bytes.length)
    }
  }

  /** A connection is over: nothing refers to it any more. */
  forget(session: ClientSession): void {
    if (session.closed) return
    session.flags |= CLIENT_CLOSED
    session.endWait()
    this.longReplies.drop(session)
    this.replyPins.ended(session)
    session.discardTransaction()
    this.pubsub.unsubscribeAll(session)
    this.stopMonitor(session)
    this.tracking.disable(session)
    this.pauses.forget(session)
    this.sessions.delete(session.id)
    this.memory.forget(session)
    this.ports.sessionClosed?.(session)
  }

  longReplyEnded(session: ClientSession): void {
    this.replyPins.ended(session)
  }

  /** A connection came. @returns why it is refused, or undefined. Counted as one or the other, never both (redis 7.0 networking.c acceptCommonHandler()). */
  #refusal(address: string, isUnix: boolean): string | undefined {
    const { settings, statistics } = this
    const isLocal = isUnix || isLoopback(address)
    const text =
      this.sessions.size >= settings.maxclients
        ? MAX_CLIENTS_ERROR
        : settings.protectedMode && settings.requirepass === '' && !isLocal
          ? PROTECTED_MODE_ERROR
          : undefined
    if (text === undefined) statistics.connectionsReceived++
    else statistics.connectionsRejected++
    return text
  }

  /** Flags that a new connection has. */
  #firstFlags(isUnix: boolean): number {
    return (isUnix ? CLIENT_UNIX_SOCKET : 0) | (this.settings.requirepass === '' ? 0 : CLIENT_UNAUTHENTICATED)
  }

  #accept(accepted: Socket, unixPath: string | undefined): void {
    const isUnix = unixPath !== undefined
    this.attach(accepted, (socket) => {
      const { address, localAddress } = addressesOf(socket, unixPath)
      const refused = this.#refusal(address, isUnix)
      if (refused !== undefined) {
        socket.write(`-${refused}\r\n`)
        socket.destroySoon()
        return undefined
      }
      if (!isUnix) keepAlive(socket, this.settings)
      const session = new ClientSession(this, directWrites(socket), {
        id: this.words.takeClientId(),
        address,
        localAddress,
      })
      session.flags = this.#firstFlags(isUnix)
      return session
    })
  }

  /**
   * An I/O thread accepted a connection. @returns why it has to be refused, or its session: what the thread forwards is
   * given to `receive`, its end to `endInput`.
   */
  acceptRemote(socket: RemoteSocket, identity: ConnectionIdentity, isUnix: boolean): ClientSession | string {
    const refused = this.#refusal(identity.address, isUnix)
    if (refused !== undefined) return refused
    const session = new ClientSession(this, socket, identity, socket)
    session.flags = this.#firstFlags(isUnix)
    this.sessions.set(session.id, session)
    return session
  }

  protected override endTurn(): void {
    if (this.blockedKeys.hasReady) this.blockedKeys.serve()
    this.sendReplies()
    this.tracking.flushBroadcast()
    this.sendPushes()
    this.runSuspended()
    this.replyPins.serve()
    this.longReplies.runTurn()
    for (const listener of this.turnListeners) listener()
  }

  protected override everyTick(nowMs: number): void {
    this.statistics.sampleRates(nowMs)
    // Other pins may have ended.
    this.replyPins.serve()
    this.replyPins.makeRoom()
    this.tracking.limitKeys(this.settings.trackingTableKeysMax, this.clock)
  }

  /** Counts the memory of all clients as it is now. O(clients). */
  countMemory(): number {
    for (const session of this.sessions.values()) this.memory.count(session)
    return this.memory.bytes
  }

  protected lookAfter(session: ClientSession, nowMs: number): void {
    const { facts } = session
    this.memory.count(session)
    this.#inputMax = Math.max(this.#inputMax, facts.inputBytes)
    this.#outputMax = Math.max(this.#outputMax, facts.outputBytes)
    const { timeoutSeconds } = this.settings
    const idleMsMax = timeoutSeconds * 1000 + (session.remote === undefined ? 0 : REMOTE_FACTS_AGE_MS)
    const waits = session.waits || this.replyPins.isWaiting(session)
    const mayIdle = session.type !== 'normal' || waits || this.monitors.has(session)
    if (timeoutSeconds > 0 && nowMs - facts.lastInteractionMs > idleMsMax && !mayIdle) {
      this.logger.verbose(`Closing idle client id=${session.id} addr=${session.address}`)
      session.kill()
    }
  }

  protected override everySecond(): void {
    this.statistics.recentInputBufferMax = this.#inputMax
    this.statistics.recentOutputBufferMax = this.#outputMax
    this.#inputMax = this.#outputMax = 0
  }
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address.startsWith('[::1]')
}
