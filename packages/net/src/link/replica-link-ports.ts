/** What a ReplicaLink is given: its configuration, and what it asks of the rest of the server. Types alone. */
import type {
  BacklogWriter,
  Clock,
  CommandArgs,
  EncodingThresholds,
  FrameCommand,
  HandshakeOptions,
  LinkState,
  Logger,
  RdbLoader,
  RdbLoadResult,
  SnapshotPosition,
  StreamGroup,
} from '@understudy/core/internal'
import type { FullSyncGate } from './full-sync-gate.ts'
import type { OpenSpillFile } from './spill-file.ts'
import type { SpillLimits } from './spill-queue.ts'
import type { TlsFiles } from './transport.ts'

/** Read whenever it is needed, so CONFIG SET works by changing the object. */
export interface ReplicaLinkConfig {
  /** repl-timeout. */
  replTimeoutMs: number
  handshake: HandshakeOptions
  /** bind-source-addr; empty: any. */
  sourceAddress: string
  /** repl-disable-tcp-nodelay. */
  disableNoDelay: boolean
  /** tls-replication yes: the files; no: undefined. */
  tls: TlsFiles | undefined
  /** repl-diskless-load; flushdb is the same as flush-before-load. */
  disklessLoad: 'disabled' | 'on-empty-db' | 'swapdb' | 'flush-before-load' | 'flushdb'
  /** dir and dbfilename. */
  directory: string
  dbFileName: string
  /** rdb-del-sync-files, when this node keeps no files of its own. */
  deleteSyncFiles: boolean
  databaseCount: number
  hashSeed: Uint8Array
  /** Read at the start of each load. */
  encodings: EncodingThresholds
  /** An LFU policy is configured. */
  tracksFrequency: boolean
  /** rdbchecksum. */
  verifyChecksum: boolean
  /** key-load-delay, microseconds; 0: none. */
  keyLoadDelayMicros: number
  /** For what comes while a snapshot is loaded: replica-full-sync-buffer-limit, replica-full-sync-spill-limit. */
  spill: SpillLimits
}

/** What the link asks of the rest of the server. Everything is called on the link's thread and must not wait. */
export interface ReplicaLinkPorts {
  readonly clock: Clock
  readonly logger: Logger
  readonly loader: Pick<RdbLoader, 'load'>
  readonly backlog: BacklogWriter
  /** Commands that come next: see StreamHandler. */
  readonly commandsAhead?: (commands: readonly CommandArgs[], count: number, db: number) => void
  /** A command of the stream. Errors of the command are the port's business; a throw ends the link (see onStreamError). */
  readonly applyCommand: (args: CommandArgs, db: number) => void
  /** A MULTI … EXEC group, to be applied as one. */
  readonly applyGroup: (group: StreamGroup) => void
  /** A frame command (PING, SELECT …) went by: for cmdstat and MONITOR. */
  readonly onFrame?: (name: FrameCommand, args: CommandArgs, db: number) => void
  /**
   * A whole, checked snapshot: swap the generation in. Called before replid, offset and backlog change, in the same
   * turn. A throw counts as a failed load: the old data must be in place then.
   */
  readonly onFullSync: (result: RdbLoadResult) => void
  /** flush-before-load: drop the data now, and whoever reads the backlog, which is about to be replaced. */
  readonly dropData: () => void
  /** Has this node any key? For on-empty-db. */
  readonly isEmpty: () => boolean
  /** replid changed: replicas below must be told (disconnected). Also called after a full resync. */
  readonly onHistoryChanged?: () => void
  /** Who was asked to take over has done so, or refused: then this node is to be a primary again (`replicaOfNoOne`). */
  readonly onHandedOver?: (accepted: boolean) => void
  /**
   * A full resync is over: data, history, backlog and stream are the new ones. @param file what the file that a start loads has; undefined:
   * that is not of these data.
   */
  readonly onSynced?: (file: SnapshotPosition | undefined) => void
  /** The backlog was replaced (full resync): hand the new memory to readers. */
  readonly onBacklogReplaced?: () => void
  /** After every drain that applied something, and when it stops: offsets have moved. */
  readonly onApplied?: (appliedOffset: number) => void
  /** The link's state changed. */
  readonly onState?: (name: LinkState['name']) => void
  /** May data be replaced? Left out: always. */
  readonly gate?: FullSyncGate
  /** Default: a real file. */
  readonly openSpillFile?: OpenSpillFile
  /** Jitter, [0, 1). Default Math.random. */
  readonly random?: () => number
}
