/**
 * All replicas below this node: takes their REPLCONF, PSYNC and SYNC, gives them snapshots and the stream, watches over
 * time-outs and limits, and tells how many have what (WAIT, min-replicas-to-write, INFO, ROLE). What one of them is in is
 * `replica-machine.ts`; bytes are `replica-feed.ts`; what this node writes itself while it is a primary, `own-stream.ts`.
 *
 * Belongs to the link thread.
 *
 * Source: redis 7.0 replication.c syncCommand(), replicationCron(), refreshGoodSlavesCount().
 */
import type {
  BacklogWriter,
  Clock,
  Keyspace,
  Logger,
  ReplicationHistory,
  SnapshotPosition,
} from '@understudy/core/internal'
import { argInteger, argIs, argText, NOT_AN_INTEGER, printable } from '@understudy/core/internal'
import { CLIENT_MONITOR, CLIENT_REPLICA } from '../clients/connection-flags.ts'
import type { ClientSession } from '../clients/session.ts'
import { TimerLateness } from '../timer-lateness.ts'
import { WaitForAcknowledgements } from './acknowledgements.ts'
import { readReplconf } from './introduction.ts'
import { OwnStream } from './own-stream.ts'
import { judgeResync, REPLID_BYTES_MAX } from './partial-resync.ts'
import { Replica } from './replica.ts'
import type { ReplicaSettings } from './settings.ts'
import {
  type DueSnapshot,
  dueSnapshots,
  isSame,
  roomForSnapshots,
  type SharedSnapshot,
  type Waiting,
} from './snapshot-sharing.ts'
import { SnapshotPauses } from './snapshot-pauses.ts'
import type { SnapshotReader, SnapshotSource, SnapshotWish } from './snapshot-source.ts'

const CRON_MS = 100
/** What replicas read that do not tell their version: redis 7.0. */
const RDB_VERSION_OLDEST = 10
/** Only Valkey tells its version, from 8.0 on. */
const RDB_VERSION_OF_VALKEY = 11
const VERSION_OF_VALKEY_MIN = 8

export interface ReplicasBelowPorts {
  readonly clock: Clock
  readonly logger: Logger
  readonly keyspace: Keyspace
  readonly backlog: BacklogWriter
  readonly source: SnapshotSource
  /** Read at every use. */
  readonly settings: ReplicaSettings
  readonly history: () => ReplicationHistory
  /** Is this node a replica itself, and does its stream come in? */
  readonly isReplica: () => boolean
  readonly isLinkUp: () => boolean
  /** Selected database of the stream that comes in. */
  readonly upstreamDb: () => number
  /** Ask for `endTurn` at the end of this turn of the event loop. */
  readonly endTurnSoon: () => void
  /** As `endTurnSoon` for the next turn, in which no commands run. Called at the end of a turn. */
  readonly keepNextTurn: () => void
  /** More replicas are good enough for writes, or fewer. */
  readonly goodReplicasChanged: () => void
  /** Are clients' writes held back? Then nothing but what they wrote stands in the stream: no GETACK either. */
  readonly isPaused: () => boolean
  /** Is the role being handed over? */
  readonly isFailingOver: () => boolean
  /** Be a primary: the one that this node follows, whose connection this is, asks for it. */
  readonly takeOver: (session: ClientSession) => void
  /** Is the stream written to a log? It is kept then, whether replicas come or not. */
  readonly isStreamLogged: () => boolean
  /** Bytes of this node's own were added to the backlog. */
  readonly ownAppended: () => void
  /** This node's own stream lacks something that was done, so that the log of it is worth nothing from here on. */
  readonly ownInterrupted: (cause: string) => void
  /** A history that nobody can have known has got another id. */
  readonly idChanged: () => void
}

export class ReplicasBelow {
  readonly own: OwnStream
  /** What was granted to replicas (INFO stats). */
  readonly counters = { fullSyncs: 0, partialSyncs: 0, partialSyncsRefused: 0 }
  readonly #ports: ReplicasBelowPorts
  readonly #replicas = new Map<ClientSession, Replica>()
  #snapshots: SharedSnapshot[] = []
  readonly #pauses = new SnapshotPauses()
  /** Is the stream kept in the backlog? On a replica with the first sync, on a primary with the first replica, or its log. */
  #isBacklogActive = false
  /** Id of the history that a replica was told of last. */
  #toldReplid = ''
  #noneSinceMs = 0
  #pingAtMs = 0
  #goodReplicas = 0
  #hasAppended = false
  #asksForAcks = false
  /** Turns of the event loop that end before snapshots are begun, that one included; 0: none is due. */
  #turnsToSnapshot = 0
  #timer: NodeJS.Timeout | undefined
  readonly #lateness = new TimerLateness()
  /** For WAIT. */
  readonly acknowledgements: WaitForAcknowledgements

  constructor(ports: ReplicasBelowPorts) {
    this.#ports = ports
    const { keyspace, backlog, clock } = ports
    this.own = new OwnStream({
      keyspace,
      backlog,
      clock,
      history: () => ports.history(),
      appended: () => {
        ports.ownAppended()
        this.appended()
      },
      interrupted: (cause) => this.#interrupted(cause),
    })
    this.acknowledgements = new WaitForAcknowledgements({
      count: (offset) => this.acknowledged(offset),
      // Once for all that ask in one turn.
      ask: () => {
        this.#asksForAcks = true
        ports.endTurnSoon()
      },
    })
  }

  start(): void {
    this.#timer = setInterval(() => this.#cron(), CRON_MS).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    for (const replica of this.#attached()) replica.session.kill()
  }

  // ── what happens to this node ──

  /** Whether this node is a replica, and its link up, may have changed. Writes of its own are told only while it is none. */
  roleChanged(): void {
    if (this.#ports.isReplica()) {
      if (this.#ports.isLinkUp()) this.#isBacklogActive = true
      if (this.own.effects !== undefined) this.own.stop()
    } else if (this.#isBacklogActive && this.own.effects === undefined) {
      this.#noneSinceMs = this.#ports.clock.monotonicMs()
      this.own.start()
    }
    this.countGood()
  }

  /** A primary's stream is wanted before a replica comes. */
  keepStream(): void {
    this.#activateBacklog()
  }

  /** This node begins with data of before: replicas that have the same may go on from there. @param isReplica it will be one */
  historyRestored(isReplica: boolean): void {
    this.#isBacklogActive = true
    if (!isReplica) this.roleChanged()
  }

  /**
   * The history goes on under another name, or is another one: replicas hear of it when they come again. Call it before the
   * backlog is replaced.
   */
  historyChanged(): void {
    for (const replica of this.#attached()) replica.session.kill()
  }

  /** Bytes were added to the backlog. */
  appended(): void {
    if (this.#hasAppended || this.#replicas.size === 0) return
    this.#hasAppended = true
    this.#ports.endTurnSoon()
  }

  /** At the end of each turn of the event loop. */
  endTurn(): void {
    // What an EXEC wrote behind its REPLICAOF NO ONE.
    if (this.own.effects !== undefined) this.own.unitEnded()
    if (this.#turnsToSnapshot > 0) {
      if (--this.#turnsToSnapshot === 0) this.#beginSnapshots()
      else this.#ports.keepNextTurn()
    }
    if (this.#asksForAcks && !this.#ports.isPaused()) {
      this.#asksForAcks = false
      if (this.own.effects !== undefined) this.own.getAck()
    }
    this.#hasAppended = false
    if (this.#replicas.size === 0) return
    const nowMs = this.#ports.clock.monotonicMs()
    for (const replica of this.#attached()) {
      replica.feed.pump()
      const { isOverrun } = replica.feed
      if (!isOverrun && !replica.feed.isTooFarBehind(nowMs)) continue
      this.#ports.logger.warning(
        `Client id=${replica.session.id} addr=${replica.session.address} omem=${replica.feed.lagBytes} ` +
          `scheduled to be closed ASAP ${isOverrun ? 'for want of memory to keep its part of the stream' : 'for overcoming of output buffer limits'}.`,
      )
      replica.session.kill()
    }
  }

  // ── what replicas say ──

  replconf(session: ClientSession): void {
    const known = this.#replicas.get(session)
    const replica = known ?? new Replica(session, this.#ports)
    const outcome = readReplconf(session.args, replica.machine.introduction)
    if (outcome.reply === 'error') return session.reply.error(outcome.text)
    if (outcome.reply === 'ok') {
      if (known === undefined) this.#replicas.set(session, replica)
      return session.reply.ok()
    }
    if (outcome.ack === undefined || !replica.isAttached) return
    replica.machine.acknowledged(outcome.ack, this.#ports.clock.monotonicMs())
    replica.carryOut()
    this.countGood()
    this.acknowledgements.look()
  }

  /** PSYNC replid offset [FAILOVER], or SYNC. */
  synchronize(session: ClientSession, isPsync: boolean): void {
    const { reply, args } = session
    const { clock, backlog, settings, logger, isReplica } = this.#ports
    if ((session.flags & (CLIENT_REPLICA | CLIENT_MONITOR)) !== 0) return
    const known = this.#replicas.get(session)
    const replica = known ?? new Replica(session, this.#ports)
    const refusal = this.#takeOverRefusal(session, isPsync) ?? this.#refusal(session, replica)
    if (refusal !== undefined) return reply.error(refusal)
    const offset = isPsync ? argInteger(args, 2) : -1
    if (Number.isNaN(offset)) return reply.error(NOT_AN_INTEGER)
    const history = this.#ports.history()
    const nowMs = clock.monotonicMs()
    if (isPsync) {
      const request = { replid: argText(args, 1, REPLID_BYTES_MAX), offset }
      const source = { history, backlog: this.#isBacklogActive ? backlog : undefined, isFollowing: isReplica() }
      const verdict = judgeResync(request, source, replica.name)
      if (verdict.kind === 'later') {
        logger.notice(verdict.reason)
        return reply.error("NOMASTERLINK Can't SYNC before I have as much of my master's stream as you")
      }
      if (verdict.kind === 'partial') this.counters.partialSyncs++
      else if (verdict.isRefusal) this.counters.partialSyncsRefused++
      replica.machine.psync(request, verdict, history.replid, nowMs)
    } else replica.machine.sync(nowMs)
    this.#replicas.set(session, replica)
    replica.carryOut()
    session.flags |= CLIENT_REPLICA
    session.feed = replica.feed
    if (settings.disableNoDelay) session.socket.setNoDelay(false)
    if (!replica.machine.isOnline) {
      this.counters.fullSyncs++
      this.#activateBacklog()
      if (!this.#join(replica)) this.#snapshotSoon()
    }
    this.#toldReplid = history.replid
    this.countGood()
  }

  sessionClosed(session: ClientSession): void {
    const replica = this.#replicas.get(session)
    if (replica === undefined) return
    this.#replicas.delete(session)
    if (!replica.isAttached) return
    this.#ports.logger.notice(`Connection with replica ${replica.name} lost.`)
    replica.closed()
    this.#noneSinceMs = this.#ports.clock.monotonicMs()
    this.countGood()
  }

  /** CONFIG RESETSTAT. */
  resetCounters(): void {
    Object.assign(this.counters, { fullSyncs: 0, partialSyncs: 0, partialSyncsRefused: 0 })
  }

  // ── what others want to know ──

  /** Where in the history the data are, for a snapshot of them. */
  get position(): SnapshotPosition {
    const { history, isReplica, upstreamDb } = this.#ports
    const { replid, replOffset: offset } = history()
    // A primary that has selected none selects one before it writes.
    return { replid, offset, db: isReplica() ? upstreamDb() : Math.max(0, this.own.db) }
  }

  /** Has a replica been told of the id of now? Others may go on from it then. */
  get isIdKnown(): boolean {
    return this.#toldReplid === this.#ports.history().replid
  }

  get isBacklogActive(): boolean {
    return this.#isBacklogActive
  }

  /** Connected replicas, in the order in which they came. */
  list(): Replica[] {
    return [...this.#attached()]
  }

  /** Replicas whose ACK came within min-replicas-max-lag. */
  get goodReplicas(): number {
    return this.#goodReplicas
  }

  /** Counts them anew: often, and when what is good enough has changed. */
  countGood(): void {
    const { clock, settings } = this.#ports
    const heardSinceMs = clock.monotonicMs() - settings.replicasMaxLagMs
    let count = 0
    for (const { machine } of this.#attached()) if (machine.isOnline && machine.ackAtMs >= heardSinceMs) count++
    this.#goodReplicas = count
    this.#ports.goodReplicasChanged()
  }

  /** Replicas that have acknowledged everything up to `offset`. */
  acknowledged(offset: number): number {
    let count = 0
    for (const { machine } of this.#attached()) if (machine.isOnline && machine.ackOffset >= offset) count++
    return count
  }

  /** Memory of what is kept for replicas beside the backlog. */
  get keptBytes(): number {
    return this.#ports.backlog.overflow.byteLength
  }

  // ── inside ──

  *#attached(): Generator<Replica> {
    for (const replica of this.#replicas.values()) if (replica.isAttached) yield replica
  }

  /** PSYNC … FAILOVER makes a primary of this node first. @returns why not; undefined: it did, or was not asked to */
  #takeOverRefusal(session: ClientSession, isPsync: boolean): string | undefined {
    const { args } = session
    if (!isPsync || args.count <= 3 || !argIs(args, 3, 'FAILOVER')) return undefined
    const { logger, history, isReplica, takeOver } = this.#ports
    const replid = argText(args, 1, REPLID_BYTES_MAX)
    logger.warning(`Failover request received for replid ${printable(replid)}.`)
    if (!isReplica()) return "ERR PSYNC FAILOVER can't be sent to a master."
    if (replid.toLowerCase() !== history().replid) return 'ERR PSYNC FAILOVER replid must match my replid.'
    takeOver(session)
    return undefined
  }

  #refusal(session: ClientSession, replica: Replica): string | undefined {
    const { isReplica, isLinkUp, isFailingOver } = this.#ports
    if (isFailingOver()) return "NOMASTERLINK Can't SYNC while failing over"
    if (isReplica() && !isLinkUp()) return "NOMASTERLINK Can't SYNC while not connected with my master"
    if (session.reply.length > 0 || session.pendingOutputBytes > 0) {
      return 'ERR SYNC and PSYNC are invalid with pending output'
    }
    const { filter, takesMark } = replica.machine.introduction
    if ((!filter.data || !filter.functions) && !takesMark) return 'ERR Filtered replica requires EOF capability'
    return undefined
  }

  /** A primary begins to keep its stream: what was written before nobody can ask for, so the history is a new one. */
  #activateBacklog(): void {
    if (this.#isBacklogActive) return
    const history = this.#ports.history()
    this.#isBacklogActive = true
    this.#beginAnew(history)
    this.#ports.logger.notice(
      `Replication backlog created, my new replication IDs are '${history.replid}' and '${history.replid2}'`,
    )
    this.own.start()
  }

  /** repl-backlog-ttl. */
  #freeBacklog(seconds: number): void {
    this.own.stop()
    this.#isBacklogActive = false
    this.#beginAnew(this.#ports.history())
    this.#ports.logger.notice(`Replication backlog freed after ${seconds} seconds without connected replicas.`)
  }

  /** No replica may go on from the history so far. The offset goes on, and nobody knows the new id: the backlog can stay. */
  #interrupted(cause: string): void {
    const history = this.#ports.history()
    this.historyChanged()
    this.#ports.ownInterrupted(cause)
    history.beginAnew()
    this.#ports.idChanged()
    this.#ports.logger.warning(
      `Replicas have to be given all of the data anew: ${cause}. My new replication ID is '${history.replid}'`,
    )
  }

  #beginAnew(history: ReplicationHistory): void {
    history.beginAnew()
    this.#ports.backlog.restart(history.replOffset)
    this.#ports.idChanged()
  }

  #wishOf({ machine }: Replica): SnapshotWish {
    const { takesMark, filter, version } = machine.introduction
    const { disklessSync, rdbVersion } = this.#ports.settings
    const told =
      Number.parseInt(version ?? '', 10) >= VERSION_OF_VALKEY_MIN ? RDB_VERSION_OF_VALKEY : RDB_VERSION_OLDEST
    return {
      rdbVersion: rdbVersion === 0 ? told : rdbVersion,
      filter,
      needsLength: !takesMark || !disklessSync,
    }
  }

  /**
   * In a turn of its own, without commands: the first PSYNC and the first snapshot take milliseconds each, as code that never ran
   * before, and the pin of a large dataset one more.
   */
  #snapshotSoon(): void {
    this.#turnsToSnapshot = 2
    this.#ports.endTurnSoon()
  }

  /** Gives it a snapshot that others have, if all of it and of the stream behind it can still be had. */
  #join(replica: Replica): boolean {
    const { backlog } = this.#ports
    const wish = this.#wishOf(replica)
    for (const shared of this.#snapshots) {
      const { users, content, position, snapshot } = shared
      if (users === 0 || !isSame(content, wish) || !backlog.covers(position.offset + 1)) continue
      // Between an interrupted stream's two parts something is missing.
      if (position.replid !== this.#ports.history().replid) continue
      const reader = snapshot.open(wish.needsLength)
      if (reader === undefined) continue
      this.#give(replica, wish, shared, reader)
      return true
    }
    return false
  }

  #give(replica: Replica, wish: SnapshotWish, shared: SharedSnapshot, reader: SnapshotReader): void {
    const { clock, logger } = this.#ports
    replica.give(shared, reader, (isWhole) => {
      if (isWhole) return this.#pauses.succeeded(wish)
      const pauseMs = this.#pauses.failed(wish, clock.monotonicMs())
      if (pauseMs !== undefined)
        logger.notice(`Snapshots for such replicas are tried again in ${pauseMs / 1000} seconds`)
    })
  }

  #beginSnapshots(): void {
    for (const { request, waiting } of this.#dueSnapshots()) {
      if (!this.#ports.isReplica()) this.own.selectAgain()
      const { position } = this
      const snapshot = this.#ports.source.begin(request)
      const shared: SharedSnapshot = { snapshot, content: request, position, users: 0 }
      this.#snapshots.push(shared)
      for (const { replica, wish } of waiting) this.#give(replica, wish, shared, snapshot.open(wish.needsLength)!)
    }
  }

  /** Those that are to be begun now, and may be. */
  #dueSnapshots(): DueSnapshot<Replica>[] {
    const { settings, clock, source } = this.#ports
    this.#snapshots = this.#snapshots.filter(({ users }) => users > 0)
    const nowMs = clock.monotonicMs()
    const waiting: Waiting<Replica>[] = []
    for (const replica of this.#attached()) {
      const { state } = replica.machine
      if (state.name !== 'awaiting') continue
      const wish = this.#wishOf(replica)
      if (this.#pauses.mayBegin(wish, nowMs)) waiting.push({ replica, wish, sinceMs: state.sinceMs })
    }
    const room = roomForSnapshots(this.#snapshots, source)
    if (waiting.length === 0 || room <= 0) return []
    const times = { delayMs: settings.disklessDelayMs, enoughReplicas: settings.disklessReplicasMax }
    return dueSnapshots(waiting, nowMs, times).slice(0, room)
  }

  #cron(): void {
    const { clock, settings } = this.#ports
    const nowMs = clock.monotonicMs()
    // Their ACKs may wait to be read.
    if (!this.#lateness.isLate(nowMs)) for (const replica of this.#attached()) replica.tick(nowMs, settings)
    if (this.#turnsToSnapshot === 0 && this.#dueSnapshots().length > 0) this.#snapshotSoon()
    this.#ping(nowMs)
    const seconds = settings.backlogTtlSeconds
    const isIdle = this.own.effects !== undefined && this.list().length === 0
    const mayEnd = isIdle && !this.#ports.isStreamLogged()
    if (mayEnd && seconds > 0 && nowMs - this.#noneSinceMs > seconds * 1000) this.#freeBacklog(seconds)
    this.countGood()
    this.endTurn()
  }

  /** Only the top of a chain adds bytes: below it offsets are those of the primary. */
  #ping(nowMs: number): void {
    if (this.own.effects === undefined || this.#ports.isFailingOver()) return
    if (nowMs - this.#pingAtMs < this.#ports.settings.pingPeriodMs) return
    this.#pingAtMs = nowMs
    if (this.list().length > 0) this.own.ping()
  }
}
