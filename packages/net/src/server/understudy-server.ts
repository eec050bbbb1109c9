/**
 * One server, put together: keyspace, link, loader and clients are introduced to each other here and nowhere else. What
 * each does is in its own room; this file only connects them and knows in which order they start and end.
 */
import { statSync } from 'node:fs'
import {
  ActiveExpiry,
  BacklogWriter,
  clampBacklogBytes,
  type Clock,
  dataCommandFamilies,
  debugDatasetSubcommands,
  generateReplid,
  idleNodeState,
  Keyspace,
  LibraryStore,
  type Logger,
  type NodeState,
  NOTIFY_KEY_MISS,
  type PinLimits,
  policyTracksFrequency,
  RDB_VERSION_DEFAULT,
  type RdbLoadResult,
  Readers,
  ReplicaError,
  SLICE_MS_MAX,
  snapshotPosition,
  toldAccess,
} from '@understudy/core/internal'
import { RdbLoaderPool, SnapshotPool } from '@understudy/rdb-worker'
import { chooseKeyEvents, deliverKeyEvents } from '../clients/key-notifications.ts'
import { ClientServer } from '../clients/server.ts'
import { GATE_EVENTS } from '../clients/shared-words.ts'
import { addClientInfoSections } from '../commands/info-sections.ts'
import { clientCommandFamilies } from '../commands/index.ts'
import type { Config } from '../config/config.ts'
import { IoThreads } from '../io-thread/io-threads.ts'
import { debugReplication } from './debug-replication.ts'
import { debugThreads } from './debug-threads.ts'
import { askPrimary } from '../link/ask-primary.ts'
import { ReplicaLink } from '../link/replica-link.ts'
import type { Failover } from '../replicas/failover.ts'
import { ReplicasBelow } from '../replicas/replicas-below.ts'
import type { StreamLog } from '../stream-log/stream-log.ts'
import { type SnapshotPassRules, WorkerSnapshots } from '../replicas/worker-snapshots.ts'
import { ActiveDefrag } from './active-defrag.ts'
import { collectGarbageSoon } from './collect-garbage.ts'
import { configCommands } from './config-commands.ts'
import { DatasetSnapshot, type DatasetSnapshotOptions } from './dataset-snapshot.ts'
import { CLIENT_DIRECTIVES, clientSettings, follow, linkConfig, replicaSettings } from './configure.ts'
import { addDataInfoSections, memoryFacts, streamStatLines } from './info-sections.ts'
import { findFileAtStart, loadFileAtStart, loadProgress } from './file-at-start.ts'
import { fullSyncGate } from './full-sync-policy.ts'
import type { FileLoading, Node } from './node.ts'
import { KEY_CHECK_QUESTION, KeyCheck } from './key-check.ts'
import { listenAnew, listenOptions } from './listening.ts'
import { LoadReport } from './load-report.ts'
import { MemoryLimit } from './memory-limit.ts'
import { Persistence } from './persistence.ts'
import { persistenceCommands } from './persistence-commands.ts'
import { PrimaryClient } from './primary-client.ts'
import { replicationCommands } from './replication-commands.ts'
import { newFailover, takeOver } from './role.ts'
import { newShutdown, type Shutdown, shutdownLines } from './shutdown.ts'
import { snapshotPreamble } from './snapshot-facts.ts'
import { StreamApplier } from './stream-applier.ts'
import { streamCommands } from './stream-commands.ts'
import { goOnFrom, newStreamLog, type Replay } from './stream-log-of-node.ts'
import { UnappliedCommands } from './unapplied.ts'
import { ensureWorkingDirectory } from './working-directory.ts'

const HOUSEKEEPING_MS = 20
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
  readonly unapplied: UnappliedCommands
  readonly below: ReplicasBelow
  readonly failover: Failover
  readonly shutdown: Shutdown
  readonly server: ClientServer
  /** undefined with `io-threads 1`: the link thread serves the clients itself. */
  readonly ioThreads: IoThreads | undefined
  readonly libraries: LibraryStore = new LibraryStore()
  readonly runId: string = generateReplid()
  hasData = false
  fileLoading: FileLoading | undefined
  lastSnapshot = { keysLoaded: 0, keysExpired: 0, skippedModuleKeys: 0 }

  readonly #options: UnderstudyServerOptions
  readonly #loader: RdbLoaderPool
  readonly #loadReport: LoadReport
  readonly keyCheck: KeyCheck
  readonly #primaryClient = new PrimaryClient(this)
  readonly #activeExpiry: ActiveExpiry
  readonly defrag: ActiveDefrag
  readonly memoryLimit: MemoryLimit
  readonly persistence: Persistence
  readonly streamLog: StreamLog
  readonly #replay: Replay
  readonly #snapshots: SnapshotPool
  #housekeeping: NodeJS.Timeout | undefined

  constructor(options: UnderstudyServerOptions) {
    const { config, logger } = options
    this.#options = options
    this.config = config
    const threads = config.get('rdb-load-threads')
    this.#loader = new RdbLoaderPool(threads === 0 ? {} : { threads })
    // While the rest is put together. A file that is not there, or not a file, is found out at the start.
    const file = config.path('dbfilename')
    const fileStats = file === undefined ? undefined : statSync(file, { throwIfNoEntry: false })
    if (fileStats?.isFile() === true) this.#loader.prepare(fileStats.size)
    this.logger = logger
    this.#loadReport = new LoadReport(logger, process.stderr)
    this.keyspace = new Keyspace({ databaseCount: config.get('databases') })
    this.#activeExpiry = new ActiveExpiry(this.keyspace, (db, key) => {
      const { own } = this.below
      own.effects?.deleted(db, key, 0, key.length)
      own.unitEnded()
    })
    this.readers = new Readers(this.keyspace)
    this.memoryLimit = new MemoryLimit(this)
    // The memory of the old generation goes back when this thread, too, has let go of it.
    this.keyspace.generationListeners.push(collectGarbageSoon)
    this.defrag = new ActiveDefrag({
      keyspace: this.keyspace,
      config,
      clock: systemClock,
      isLoading: () => this.state.loading || this.state.asyncLoading,
    })
    this.#snapshots = new SnapshotPool(() => this.keyspace.pin(SNAPSHOT_LIMITS, systemClock.monotonicMs()))
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
    this.backlog = new BacklogWriter(clampBacklogBytes(config.get('repl-backlog-size')))
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
        directory: () => config.get('dir'),
        preamble: () => snapshotPreamble(this),
        rules: () => this.#snapshotRules(),
      }),
      history: () => this.link.history,
      isReplica: () => this.state.replica,
      isLinkUp: () => this.state.linkUp,
      upstreamDb: () => this.link.stream.db,
      endTurnSoon: () => this.server.endTurnSoon(),
      goodReplicasChanged: () => this.#countGoodReplicas(),
      isPaused: () => this.server.pauses.isActive,
      isFailingOver: () => this.failover.isUnderWay,
      takeOver: (session) => takeOver(this, session),
      isStreamLogged: () => this.streamLog.state !== 'off',
      ownAppended: () => this.streamLog.appended(),
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
          ...debugReplication(() => this.link),
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
    this.link = new ReplicaLink(
      linkConfig(config, settings.encodings, this.keyspace.hashSeed, () => this.server.port),
      {
        clock: systemClock,
        logger,
        loader: {
          load: (load) => {
            ensureWorkingDirectory(config.get('dir'))
            return this.#loader.load(load)
          },
        },
        backlog: this.backlog,
        commandsAhead: this.applier.ahead,
        applyCommand: this.applier.command,
        applyGroup: this.applier.group,
        onFrame: (name) => {
          const id = registry.findFullName(name)?.id
          if (id === undefined) return
          statistics.commandsProcessed++
          statistics.calls[id]!++
        },
        onFullSync: (result) => {
          this.#adopt(result, this.link.getStatus().loading?.elapsedMs ?? 0, false)
          // Replicas below, and the log, are of the old history; the backlog that they read is about to go.
          this.below.historyChanged()
          this.streamLog.dataReplaced()
        },
        onHandedOver: (accepted) => this.failover.answered(accepted),
        onSynced: (file) => this.streamLog.dataAdopted(file),
        onHistoryChanged: () => this.historyRenamed(),
        onApplied: (offset) => {
          this.below.appended()
          this.streamLog.appended()
          this.#tellPosition()
          this.keyCheck.applied(offset)
        },
        dropData: () => {
          this.hasData = false
          // I/O threads must know before it that they must not answer from what is empty.
          this.updateState()
          this.keyspace.begin()
          this.keyspace.flushAll()
          this.keyspace.end()
        },
        gate: fullSyncGate({
          policy: () => config.get('full-resync-policy'),
          lowMemory: () => config.get('full-sync-low-memory'),
          refusesEmptyPrimary: () => config.get('refuse-empty-primary'),
          maxmemory: () => config.get('maxmemory'),
          history: () => this.link.history,
          keyCount: () => (this.hasData ? this.keyspace.keyCount : 0),
          datasetBytes: () => this.keyspace.usedBytes,
        }),
        isEmpty: () => !this.hasData || this.keyspace.keyCount === 0,
        onState: (name) => {
          if (name === 'connected') this.keyCheck.linkUp()
          else this.keyCheck.linkDown()
          this.#primaryClient.noteState()
          this.updateState()
        },
      },
    )
    statistics.replicationInputTotal = () => this.link.bytesReceived
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
    for (const name of ['full-resync-policy', 'refuse-empty-primary', 'full-sync-low-memory'] as const) {
      config.onChange(name, () => this.link.release(false))
    }
    follow(config, ['replica-read-only', 'replica-serve-stale-data', 'save', 'stop-writes-on-bgsave-error'], () =>
      this.updateState(),
    )
    const threadCount = config.get('io-threads')
    if (threadCount > 1) {
      const { server, readers } = this
      this.ioThreads = new IoThreads({ count: threadCount, server, readers, renames })
      server.openPlace = (place) => this.ioThreads!.open(place)
      follow(config, CLIENT_DIRECTIVES, () => this.ioThreads?.settingsChanged())
    }
    config.onChange('repl-backlog-size', (bytes) => this.backlog.resize(clampBacklogBytes(bytes)))
    config.onChange('port', () => listenAnew(this))
    config.onChange('bind', () => listenAnew(this))
    config.onChange('hz', () => this.server.restartCron())
  }

  /**
   * Opens the port, loads the file of `dir`/`dbfilename` when there is one (clients are told -LOADING meanwhile), and
   * starts to follow the primary.
   * @throws RdbError for a corrupt file, the system's error when the port is taken.
   */
  async start(): Promise<void> {
    const { config, logger } = this
    const primary = config.get('replicaof')
    const file = await findFileAtStart(this)
    this.fileLoading = file
    this.hasData = primary === undefined
    this.updateState()
    await this.server.listen(listenOptions(config))
    this.#startHousekeeping()
    this.below.start()
    if (file !== undefined) await this.#loadFile(file)
    else await goOnFrom(this, [], primary !== undefined, this.#replay)
    if (primary !== undefined) this.link.replicaOf(primary.host, primary.port)
    this.updateState()
    logger.notice('Ready to accept connections')
  }

  /** Closes link, clients, port and worker threads. */
  async stop(): Promise<void> {
    clearInterval(this.#housekeeping)
    this.defrag.stop()
    this.memoryLimit.stop()
    this.below.stop()
    this.link.stop()
    this.keyCheck.stop()
    this.readers.close()
    await this.server.close()
    await this.streamLog.close()
    await this.ioThreads?.stop()
    await Promise.all([this.#loader.close(), this.#snapshots.close()])
  }

  /**
   * The dataset as it is now, between two commands, as the bytes of an RDB snapshot.
   * @throws ReplicaError NOT_READY before there are data, PIN_LIMIT
   */
  snapshot({ rdbVersion = RDB_VERSION_DEFAULT }: DatasetSnapshotOptions = {}): DatasetSnapshot {
    if (!this.hasData || this.fileLoading !== undefined) {
      throw new ReplicaError('NOT_READY', 'this node has no data yet', { retryable: true })
    }
    const { aux, libraries } = snapshotPreamble(this)
    const pass = this.#snapshots.begin(
      { aux, libraries },
      { ...this.#snapshotRules(), rdbVersion, hasKeys: true, isLive: true },
    )
    return new DatasetSnapshot(pass, snapshotPosition(aux))
  }

  #snapshotRules(): SnapshotPassRules {
    const { config } = this
    return {
      compress: config.get('rdbcompression'),
      checksum: config.get('rdbchecksum'),
      access: toldAccess(config.get('maxmemory-policy')),
      keyDelayMicros: config.get('rdb-key-save-delay'),
    }
  }

  updateState(): void {
    const { state, config } = this
    const status = this.link?.getStatus()
    state.replica = status?.host !== undefined
    state.replicaReadOnly = config.get('replica-read-only')
    state.serveStaleData = config.get('replica-serve-stale-data')
    state.linkUp = status === undefined || status.host === undefined || status.isUp
    // A node that was never synced says so; it does not answer 'no such key' from an empty dataset.
    state.loading = this.fileLoading !== undefined || (state.replica && !this.hasData)
    state.asyncLoading = !state.loading && status?.loading !== undefined
    state.cannotSave = this.persistence.stopsWrites
    state.logFault = this.streamLog.fault
    this.#tellDataset(this.hasData && this.fileLoading === undefined)
    this.below.roleChanged()
    this.server?.nodeChanged()
    this.#options.onRole?.(state.replica)
  }

  /** At the end of each turn. */
  #lookAfterReplicas(): void {
    this.below.endTurn()
    this.failover.look()
    this.shutdown.look()
  }

  historyRenamed(): void {
    this.below.historyChanged()
    this.streamLog.historyChanged()
    this.#tellPosition(this.link.history.replid)
  }

  /** What records keep of their use follows from the policy. */
  #followUse(): void {
    const { config, keyspace, readers } = this
    keyspace.access.tracksFrequency = policyTracksFrequency(config.get('maxmemory-policy'))
    keyspace.access.logFactor = config.get('lfu-log-factor')
    keyspace.access.decayMinutes = config.get('lfu-decay-time')
    readers.exchangeMarks()
  }

  /** min-replicas-to-write. */
  #countGoodReplicas(): void {
    const { state, config } = this
    const needed = config.get('min-replicas-max-lag') > 0 ? config.get('min-replicas-to-write') : 0
    const tooFew = !state.replica && this.below.goodReplicas < needed
    if (tooFew === state.tooFewReplicas) return
    state.tooFewReplicas = tooFew
    this.server.nodeChanged()
  }

  /** Tells readers in other threads where in the stream the data are; what moves it without changing data included. */
  #tellPosition(replid?: string): void {
    const { keyspace } = this
    // REPLICAOF may be part of a transaction; Sentinel sends it so.
    keyspace.inUnit(() => {
      if (replid !== undefined) keyspace.position.setReplid(replid)
      keyspace.position.note(this.link.history.replOffset, this.clock.wallMs())
    })
  }

  /** Tells readers in other threads whether there are data to be read: not before `start()`, and not before the first sync. */
  #tellDataset(has: boolean): void {
    const { keyspace } = this
    if (keyspace.position.hasDataset !== has) keyspace.inUnit(() => keyspace.position.setHasDataset(has))
  }

  /** A checked snapshot takes over, in the same turn of the event loop in which the link moves to its offset. */
  #adopt(result: RdbLoadResult, elapsedMs: number, isFile: boolean): void {
    this.keyspace.adopt(result.generation)
    this.#loadReport.loaded(result, elapsedMs)
    this.keyCheck.begin(result, isFile)
    const { summary, keyCount } = result
    let skippedModuleKeys = 0
    for (const count of Object.values(summary.skippedModules)) skippedModuleKeys += count
    this.lastSnapshot = { keysLoaded: keyCount, keysExpired: 0, skippedModuleKeys }
    for (const [name, count] of Object.entries(summary.skippedModules)) {
      this.logger.warning(`${count} keys of module '${name}' were skipped: their values cannot be held here`)
    }
    const { refused } = this.libraries.adopt(summary.functions)
    if (refused > 0)
      this.logger.warning(`${refused} function libraries of the snapshot cannot be parsed and were left out`)
    this.hasData = true
    this.persistence.noteLoaded(result, isFile)
    this.unapplied.clear()
  }

  async #loadFile(loading: FileLoading): Promise<void> {
    const { config, logger, clock } = this
    try {
      const result = await loadFileAtStart(this, this.#loader, loading)
      this.#adopt(result, clock.monotonicMs() - loading.startedMs, true)
      await goOnFrom(this, result.summary.aux, config.get('replicaof') !== undefined, this.#replay)
      this.#tellPosition(this.link.history.replid)
      const elapsedSeconds = ((clock.monotonicMs() - loading.startedMs) / 1000).toFixed(3)
      logger.notice(`Done loading RDB, keys loaded: ${result.keyCount}, keys expired: 0.`)
      logger.notice(`DB loaded from disk: ${elapsedSeconds} seconds`)
    } finally {
      this.fileLoading = undefined
    }
  }

  #startHousekeeping(): void {
    this.#housekeeping = setInterval(() => {
      const { keyspace } = this
      keyspace.access.setTime(this.clock.wallMs())
      this.readers.exchangeMarks()
      this.#expireKeys()
      this.memoryLimit.tick()
      if (!this.state.loading) this.persistence.tick()
      this.failover.look()
      this.shutdown.look()
      this.streamLog.tick(this.hasData && !this.state.loading)
      keyspace.pins.breakOverdue(this.clock.monotonicMs())
      this.#loadReport.tick(loadProgress(this))
      if (keyspace.lazyFreePending > 0) keyspace.freeSlice(SLICE_MS_MAX)
    }, HOUSEKEEPING_MS)
    this.#housekeeping.unref()
    this.defrag.start()
  }

  /** A replica's keys are its primary's to expire. */
  #expireKeys(): void {
    const { state, server } = this
    if (state.replica || state.loading || server.pauses.isActive || server.settings.activeExpire === false) return
    if (this.#activeExpiry.slice(this.clock.wallMs(), SLICE_MS_MAX) > 0 && server.blockedKeys.hasReady) {
      server.blockedKeys.serve()
    }
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
