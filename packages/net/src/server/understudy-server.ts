/**
 * One server, put together: keyspace, link, loader and clients are introduced to each other here and nowhere else. What
 * each does is in its own room; this file only connects them and knows in which order they start and end.
 */
import { strict as assert } from 'node:assert'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  BacklogWriter,
  type Clock,
  dataCommandFamilies,
  debugDatasetSubcommands,
  generateReplid,
  idleNodeState,
  Keyspace,
  LibraryStore,
  type Logger,
  memoryFingerprint,
  type NodeState,
  NOTIFY_KEY_MISS,
  type PinLimits,
  policyTracksFrequency,
  RDB_VERSION_DEFAULT,
  RDB_VERSION_WRITTEN_MAX,
  Readers,
  ReplicaError,
  snapshotPosition,
} from '@understudy/core/internal'
import { EMBEDDER_SNAPSHOTS_MAX, RdbLoaderPool, SnapshotPool } from '@understudy/rdb-worker'
import { chooseKeyEvents, deliverKeyEvents } from '../clients/key-notifications.ts'
import { ClientServer } from '../clients/server.ts'
import { GATE_EVENTS } from '../clients/shared-words.ts'
import { addClientInfoSections } from '../commands/info-sections.ts'
import { clientCommandFamilies } from '../commands/index.ts'
import type { Config } from '../config/config.ts'
import { fromByteString } from '../config/directive.ts'
import { IoThreads } from '../io-thread/io-threads.ts'
import { debugReplication } from './debug-replication.ts'
import { debugThreads } from './debug-threads.ts'
import { debugTurns } from './debug-turns.ts'
import { askPrimary } from '../link/ask-primary.ts'
import type { ReplicaLink } from '../link/replica-link.ts'
import type { BarStream } from '../log/progress.ts'
import type { Failover } from '../replicas/failover.ts'
import { ReplicasBelow } from '../replicas/replicas-below.ts'
import type { StreamLog } from '../stream-log/stream-log.ts'
import { temporaryPath } from '../temporary-path.ts'
import { WorkerSnapshots } from '../replicas/worker-snapshots.ts'
import { ActiveDefrag } from './active-defrag.ts'
import { usedBacklogBytes } from './backlog-size.ts'
import { ClientEviction } from './client-eviction.ts'
import { collectGarbageSoon } from './collect-garbage.ts'
import { configCommands } from './config-commands.ts'
import { DatasetSnapshot, type DatasetSnapshotOptions } from './dataset-snapshot.ts'
import { CLIENT_DIRECTIVES, clientSettings, follow, replicaSettings } from './configure.ts'
import { fitMaxclients } from './descriptor-limit.ts'
import { addDataInfoSections, memoryFacts, streamStatLines } from './info-sections.ts'
import { bytesAtStart, findFileAtStart, startFromFile } from './file-at-start.ts'
import type { FileLoading, Node } from './node.ts'
import { Housekeeping } from './housekeeping.ts'
import { newLink } from './link-of-node.ts'
import { countGoodReplicas, updateNodeState } from './node-state.ts'
import { tellPosition } from './told-readers.ts'
import { KEY_CHECK_QUESTION, KeyCheck } from './key-check.ts'
import { ioThreadCount, listenAnew, listenOptions } from './listening.ts'
import { LoadReport } from './load-report.ts'
import { MemoryLimit } from './memory-limit.ts'
import { MonitoredStream } from './monitored-stream.ts'
import { Persistence } from './persistence.ts'
import { persistenceCommands } from './persistence-commands.ts'
import { PrimaryClient } from './primary-client.ts'
import { replicationCommands } from './replication-commands.ts'
import { newFailover, takeOver } from './role.ts'
import { newShutdown, type Shutdown, shutdownLines } from './shutdown.ts'
import { snapshotPreamble, snapshotRules } from './snapshot-facts.ts'
import { StreamApplier } from './stream-applier.ts'
import { streamCommands } from './stream-commands.ts'
import { goOnFrom, newStreamLog, type Replay } from './stream-log-of-node.ts'
import { UnappliedCommands } from './unapplied.ts'
import { ensureWorkingDirectory } from './working-directory.ts'

const KEY_CHECK_TIMEOUT_MS = 5000
/** What is kept for a snapshot is never more than the dataset was; a slow disk is no reason to begin again. */
const SNAPSHOT_LIMITS: PinLimits = { bytesMax: Number.POSITIVE_INFINITY, durationMsMax: Number.POSITIVE_INFINITY }

export interface UnderstudyServerOptions {
  readonly config: Config
  readonly logger: Logger
  readonly version: string
  /** SHUTDOWN was accepted: end the process. */
  readonly onShutdown: () => void
  /** propagation-error-behavior panic. */
  readonly onPanic: (reason: string) => void
  /** Where the progress of loads is drawn, if it is a terminal. Left out: nowhere, since what an application's terminal shows is its own. */
  readonly bar?: BarStream
  /** The role changed: for the log's role character. */
  readonly onRole?: (isReplica: boolean) => void
}

const systemClock: Clock = { monotonicMs: () => performance.now(), wallMs: () => Date.now() }

export class UnderstudyServer implements Node {
  readonly config: Config
  readonly clock: Clock = systemClock
  readonly logger: Logger
  readonly keyspace: Keyspace
  readonly readers: Readers
  readonly backlog: BacklogWriter
  readonly state: NodeState = idleNodeState()
  readonly link: ReplicaLink
  readonly applier: StreamApplier
  readonly monitoredStream: MonitoredStream
  readonly unapplied: UnappliedCommands
  readonly below: ReplicasBelow
  readonly failover: Failover
  readonly shutdown: Shutdown
  readonly server: ClientServer
  /** undefined with `io-threads 1`, or when it begins listening nowhere: the link thread serves the clients itself. */
  readonly ioThreads: IoThreads | undefined
  readonly libraries: LibraryStore = new LibraryStore()
  readonly runId: string = generateReplid()
  hasData = false
  fileLoading: FileLoading | undefined
  lastSnapshot = { keysLoaded: 0, keysExpired: 0, skippedModuleKeys: 0 }

  readonly #options: UnderstudyServerOptions
  readonly #loader: RdbLoaderPool
  readonly loadReport: LoadReport
  readonly keyCheck: KeyCheck
  readonly #primaryClient = new PrimaryClient(this)
  readonly defrag: ActiveDefrag
  readonly memoryLimit: MemoryLimit
  readonly clientEviction: ClientEviction = new ClientEviction(this)
  readonly persistence: Persistence
  readonly streamLog: StreamLog
  readonly #replay: Replay
  readonly #snapshots: SnapshotPool
  readonly #housekeeping: Housekeeping
  /** Does this turn run no commands, for memory to be touched at its end? */
  #touchesAhead = false
  /** Of the application; some of them may be over. */
  readonly #openSnapshots = new Set<DatasetSnapshot>()
  /** The only start; stop() waits for its end. */
  #starting: Promise<void> | undefined
  isStopped = false

  constructor(options: UnderstudyServerOptions) {
    const { config, logger } = options
    this.#options = options
    this.config = config
    const threads = config.get('rdb-load-threads')
    this.#loader = new RdbLoaderPool(threads === 0 ? {} : { threads })
    // Before anything is open.
    fitMaxclients(config, logger, this.#loader.threads)
    // While the rest is put together.
    const fileBytes = bytesAtStart(config)
    if (fileBytes !== undefined) this.#loader.prepare(fileBytes)
    // The first load or snapshot would hold this thread for it, when clients are served.
    memoryFingerprint()
    this.logger = logger
    this.loadReport = new LoadReport(logger, options.bar)
    this.keyspace = new Keyspace({ databaseCount: config.get('databases') })
    this.readers = new Readers(this.keyspace)
    this.#housekeeping = new Housekeeping(this)
    this.memoryLimit = new MemoryLimit(this)
    // The memory of the old generation goes back when this thread, too, has let go of it.
    this.keyspace.generationListeners.push(collectGarbageSoon)
    this.defrag = new ActiveDefrag({
      keyspace: this.keyspace,
      config,
      clock: systemClock,
      isLoading: () => this.state.loading || this.state.asyncLoading,
    })
    this.#snapshots = new SnapshotPool(() => {
      // A thread is about to be needed.
      ensureWorkingDirectory(config.get('dir'))
      return this.keyspace.pin(SNAPSHOT_LIMITS, systemClock.monotonicMs())
    })
    this.persistence = new Persistence({
      config,
      logger,
      clock: systemClock,
      keyspace: this.keyspace,
      preamble: () => snapshotPreamble(this),
      snapshots: this.#snapshots,
      onOutcome: () => this.updateState(),
      onSaved: (aux) => this.streamLog.saved(snapshotPosition(aux)),
    })
    this.backlog = new BacklogWriter(usedBacklogBytes(config.get('repl-backlog-size'), logger))
    this.backlog.overflow.letGo = collectGarbageSoon
    this.streamLog = newStreamLog(this)
    this.unapplied = new UnappliedCommands(logger)
    const settings = clientSettings(config)
    this.below = new ReplicasBelow({
      clock: systemClock,
      logger,
      keyspace: this.keyspace,
      backlog: this.backlog,
      settings: replicaSettings(config),
      source: new WorkerSnapshots({
        pool: this.#snapshots,
        clock: systemClock,
        logger,
        temporaryPath: (kind) => temporaryPath(config.get('dir'), kind, fromByteString(config.get('dbfilename'))),
        preamble: () => snapshotPreamble(this),
        rules: () => snapshotRules(config),
      }),
      history: () => this.link.history,
      isReplica: () => this.state.replica,
      isLinkUp: () => this.state.linkUp,
      upstreamDb: () => this.link.stream.db,
      endTurnSoon: () => this.server.endTurnSoon(),
      keepNextTurn: () => this.server.keepNextTurn(),
      goodReplicasChanged: () => countGoodReplicas(this),
      isPaused: () => this.server.pauses.isActive,
      isFailingOver: () => this.failover.isUnderWay,
      takeOver: (session) => takeOver(this, session),
      isStreamLogged: () => this.streamLog.state !== 'off',
      ownAppended: () => this.streamLog.appended(),
      ownInterrupted: (cause) => this.streamLog.interrupted(cause),
      idChanged: () => tellPosition(this, this.link.history.replid),
    })
    this.failover = newFailover(this)
    this.shutdown = newShutdown(this, () => options.onShutdown())
    const renames = config.get('rename-command').map(({ from, to }) => [from, to] as const)
    const dataFamilies = dataCommandFamilies({
      libraries: this.libraries,
      memory: () => memoryFacts(this),
      datasetFlushed: () => {
        // While the log is replayed at start the file that it follows is worth more.
        if (!this.state.loading) this.persistence.datasetFlushed()
      },
    })
    this.server = new ClientServer({
      settings,
      families: [
        ...dataFamilies,
        ...clientCommandFamilies({
          ...debugDatasetSubcommands,
          ...debugThreads(() => this.ioThreads),
          ...debugTurns(settings, () => this.ioThreads?.settingsChanged()),
          ...debugReplication(this),
        }),
        configCommands(this),
        replicationCommands(this),
        persistenceCommands(this.persistence),
      ],
      renames,
      keyspace: this.keyspace,
      ports: {
        shutdown: (request, cancelled) => this.shutdown.begin(request, cancelled),
        shutdownAbort: () => this.shutdown.abort(),
        writes: this.below.own,
        memory: this.memoryLimit,
        acknowledgements: this.below.acknowledgements,
        paused: (isPaused) => this.link.hold(isPaused),
        sessionClosed: (session) => this.below.sessionClosed(session),
        foreignConnections: () => this.#primaryClient.connections(),
        lastSave: () => Math.floor(this.persistence.lastSaveMs / 1000),
      },
      clock: systemClock,
      logger,
      node: this.state,
    })
    this.keyspace.listener = this.server.changes
    this.server.turnListeners.push(() => this.#lookAfterReplicas())
    // What the primary sends it sends again; what clients of a primary wrote nobody else has.
    this.server.repliesMustWait = () => this.below.own.effects !== undefined && this.streamLog.holdsReplies
    const { registry, statistics, pubsub } = this.server
    this.monitoredStream = new MonitoredStream(this.server, () => this.link.connectionEnds)
    this.applier = new StreamApplier([...dataFamilies, streamCommands(pubsub)], {
      clock: systemClock,
      logger,
      keyspace: this.keyspace,
      settings,
      statistics,
      unapplied: this.unapplied,
      statisticsIdOf: (name) => registry.findFullName(name)?.id,
      offset: () => (this.#replay.stream ?? this.link.stream).fromOffset,
      toOffset: () => (this.#replay.stream ?? this.link.stream).toOffset,
      blockedKeys: this.server.blockedKeys,
      monitored: this.monitoredStream,
      onError: (text) => this.#streamError(text),
    })
    this.#replay = {
      ahead: this.applier.ahead,
      command: this.applier.command,
      group: this.applier.group,
      stream: undefined,
    }
    this.keyCheck = new KeyCheck({
      logger,
      databaseCount: this.keyspace.databaseCount,
      keysIn: (db) => this.keyspace.size(db),
      position: () => ({ replid: this.link.history.replid, offset: this.link.stream.appliedOffset }),
      isFaithful: () => this.state.replica && this.state.replicaReadOnly && config.get('replica-ignore-maxmemory'),
      ask: () => {
        const { host = '', port = 0 } = this.link.getStatus()
        return askPrimary(this.link.config, { host, port }, KEY_CHECK_QUESTION, KEY_CHECK_TIMEOUT_MS)
      },
    })
    this.link = newLink(this, this.#loader, this.#primaryClient)
    addClientInfoSections(
      this.server,
      {
        runId: this.runId,
        executable: process.argv[1] ?? '',
        configFile: config.file ?? '',
        version: options.version,
      },
      {
        moreServer: () => [...(this.ioThreads?.infoLines ?? []), ...shutdownLines(this.shutdown)],
        moreStats: () => streamStatLines(this),
      },
    )
    addDataInfoSections(this)
    follow(config, ['maxmemory-policy', 'lfu-log-factor', 'lfu-decay-time'], () => this.#followUse())
    this.memoryLimit.start()
    deliverKeyEvents(this.keyspace.events, pubsub)
    follow(config, ['notify-keyspace-events'], () => {
      chooseKeyEvents(this.keyspace.events, config.get('notify-keyspace-events'))
      this.server.words.setGate(GATE_EVENTS, (this.keyspace.events.mask & NOTIFY_KEY_MISS) !== 0)
    })
    follow(config, ['replica-read-only', 'replica-serve-stale-data', 'save', 'stop-writes-on-bgsave-error'], () =>
      this.updateState(),
    )
    const threadCount = ioThreadCount(config)
    if (threadCount > 1) {
      const { server, readers } = this
      this.ioThreads = new IoThreads({ count: threadCount, server, readers, renames })
      server.openPlace = (place) => this.ioThreads!.open(place)
      follow(config, CLIENT_DIRECTIVES, () => this.ioThreads?.settingsChanged())
    }
    config.onChange('repl-backlog-size', (bytes) => this.backlog.resize(usedBacklogBytes(bytes, logger)))
    config.onChange('port', () => listenAnew(this, 'port'))
    config.onChange('bind', () => listenAnew(this, 'bind'))
    config.onChange('hz', () => this.server.restartCron())
    for (const name of ['min-replicas-to-write', 'min-replicas-max-lag'] as const) {
      config.onChange(name, () => this.below.countGood())
    }
  }

  /**
   * Opens the port, loads the file of `dir`/`dbfilename` when there is one (clients are told -LOADING meanwhile), and
   * starts to follow the primary; the first sync may come later (`link.getStatus().isUp`). Keeps the process until `stop()`, which is
   * also due after a start that failed. Once: a server that was stopped stays so.
   * @throws RdbError for a corrupt file, ReplicaError FILE_FAILED for one that cannot be read, NOT_READY when `stop()` came before it was
   * over, the system's error when the port is taken.
   */
  start(): Promise<void> {
    const starting = this.#startOnce()
    this.#starting ??= starting
    return starting
  }

  async #startOnce(): Promise<void> {
    assert.ok(this.#starting === undefined && !this.isStopped, 'a server is started once: make another one')
    try {
      await this.#start()
    } catch (error) {
      throw this.isStopped ? stoppedMeanwhile(error) : error
    }
  }

  async #start(): Promise<void> {
    const { config, logger } = this
    const file = await findFileAtStart(this)
    if (this.isStopped) throw stoppedMeanwhile()
    this.fileLoading = file
    this.hasData = config.get('replicaof') === undefined
    this.updateState()
    await this.server.listen(listenOptions(config))
    if (this.isStopped) {
      await this.server.close()
      throw stoppedMeanwhile()
    }
    this.#housekeeping.start()
    this.below.start()
    if (file !== undefined) await startFromFile(this, this.#loader, file, this.#replay)
    else {
      await goOnFrom(this, [], this.#replay)
      tellPosition(this, this.link.history.replid)
    }
    if (this.isStopped) throw stoppedMeanwhile()
    // REPLICAOF may have come meanwhile, and is done already.
    const primary = config.get('replicaof')
    if (primary !== undefined) this.link.replicaOf(primary.host, primary.port)
    this.updateState()
    logger.notice('Ready to accept connections')
  }

  /**
   * Closes link, clients, port and worker threads, and ends a start that is under way, which then fails with NOT_READY. Readers that
   * are open go on reading what was here at the end, until they are closed; their `lagMs` grows. `readers.attach()` throws NOT_READY
   * from now on, and so does a handle that nobody has opened yet. What was written is in the log of the stream when it resolves,
   * however slow the disk is.
   * @param threadsMsMax how long threads are waited for, milliseconds
   */
  async stop(threadsMsMax: number = Number.POSITIVE_INFINITY): Promise<void> {
    this.isStopped = true
    this.#housekeeping.stop()
    this.memoryLimit.stop()
    this.below.stop()
    this.link.stop()
    this.keyCheck.stop()
    this.ioThreads?.replaceNoMore()
    this.readers.close()
    // Clients are gone when this returns, so the log gets no more.
    const closed = this.server.close()
    // What a start is about to open it closes itself, and threads have to be there for that. Who called it hears what became of it.
    const started = this.#starting?.catch(() => {})
    const threads = closed
      .then(() => Promise.all([started, this.#loader.close()]))
      .then(() => Promise.all([this.ioThreads?.stop(), this.#snapshots.close()]))
    const waited = threadsMsMax === Number.POSITIVE_INFINITY ? threads : Promise.race([threads, sleep(threadsMsMax)])
    await Promise.all([waited, this.streamLog.close()])
  }

  /**
   * The dataset as it is now, between two commands, as the bytes of an RDB snapshot.
   * @throws ReplicaError NOT_READY before there are data and behind `stop()`, PIN_LIMIT (retryable) while four are open that were neither read
   * to their ends nor closed, BAD_ARGUMENT for a version that is not written
   */
  snapshot({ rdbVersion = RDB_VERSION_DEFAULT }: DatasetSnapshotOptions = {}): DatasetSnapshot {
    // A later one, or none, would be written at the head of a file whose rest is of another.
    if (!Number.isInteger(rdbVersion) || rdbVersion < RDB_VERSION_DEFAULT || rdbVersion > RDB_VERSION_WRITTEN_MAX) {
      const range = `${RDB_VERSION_DEFAULT} to ${RDB_VERSION_WRITTEN_MAX}`
      throw new ReplicaError('BAD_ARGUMENT', `snapshots are written in RDB versions ${range}, not ${rdbVersion}`)
    }
    if (!this.hasData || this.fileLoading !== undefined) {
      throw new ReplicaError('NOT_READY', 'this node has no data yet', { retryable: true })
    }
    if (this.isStopped) throw new ReplicaError('NOT_READY', 'this server was stopped', { retryable: false })
    for (const snapshot of this.#openSnapshots) if (!snapshot.isOpen) this.#openSnapshots.delete(snapshot)
    if (this.#openSnapshots.size >= EMBEDDER_SNAPSHOTS_MAX) {
      const reason = `${EMBEDDER_SNAPSHOTS_MAX} snapshots are open: read them to their ends, or close them`
      throw new ReplicaError('PIN_LIMIT', reason, { retryable: true })
    }
    const { aux, libraries } = snapshotPreamble(this)
    const pass = this.#snapshots.begin(
      { aux, libraries },
      { ...snapshotRules(this.config), rdbVersion, hasKeys: true, isLive: true },
    )
    const snapshot = new DatasetSnapshot(pass, snapshotPosition(aux))
    this.#openSnapshots.add(snapshot)
    return snapshot
  }

  updateState(): void {
    updateNodeState(this)
    this.#options.onRole?.(this.state.replica)
  }

  /** At the end of each turn. */
  #lookAfterReplicas(): void {
    this.below.endTurn()
    this.#touchAhead()
    this.failover.look()
    this.shutdown.look()
  }

  /** A huge page that the dataset grows into may hold the loop for milliseconds: in a turn without commands, one at a time. */
  #touchAhead(): void {
    const { generation } = this.keyspace
    if (this.#touchesAhead) generation.touchAhead()
    this.#touchesAhead = generation.needsTouch
    if (this.#touchesAhead) this.server.keepNextTurn()
  }

  historyRenamed(): void {
    this.below.historyChanged()
    this.streamLog.historyChanged()
    tellPosition(this, this.link.history.replid)
  }

  /** What records keep of their use follows from the policy. */
  #followUse(): void {
    const { config, keyspace, readers } = this
    keyspace.access.tracksFrequency = policyTracksFrequency(config.get('maxmemory-policy'))
    keyspace.access.logFactor = config.get('lfu-log-factor')
    keyspace.access.decayMinutes = config.get('lfu-decay-time')
    readers.exchangeMarks()
  }

  #streamError(text: string): void {
    const behaviour = this.config.get('propagation-error-behavior')
    if (behaviour === 'ignore') return
    if (behaviour === 'panic-on-replicas' && !this.state.replica) return
    this.#options.onPanic(
      `a command of the primary failed with '${text}' and propagation-error-behavior is ${behaviour}`,
    )
  }
}

function stoppedMeanwhile(cause?: unknown): ReplicaError {
  return new ReplicaError('NOT_READY', 'this server was stopped before it had started', { retryable: false, cause })
}
