/**
 * What the rooms of one server share: the parts that `understudy-server.ts` introduces to each other, as the commands
 * and INFO sections of this folder see them. No logic here.
 */
import type {
  BacklogWriter,
  Clock,
  Keyspace,
  LibraryStore,
  Logger,
  NodeState,
  Readers,
} from '@understudy/core/internal'
import type { ClientServer } from '../clients/server.ts'
import type { Config } from '../config/config.ts'
import type { ReplicaLink } from '../link/replica-link.ts'
import type { Failover } from '../replicas/failover.ts'
import type { ReplicasBelow } from '../replicas/replicas-below.ts'
import type { ClientEviction } from './client-eviction.ts'
import type { ActiveDefrag } from './active-defrag.ts'
import type { KeyCheck } from './key-check.ts'
import type { LoadReport } from './load-report.ts'
import type { MemoryLimit } from './memory-limit.ts'
import type { MonitoredStream } from './monitored-stream.ts'
import type { Persistence } from './persistence.ts'
import type { Shutdown } from './shutdown.ts'
import type { StreamApplier } from './stream-applier.ts'
import type { StreamLog } from '../stream-log/stream-log.ts'
import type { UnappliedCommands } from './unapplied.ts'

/** Progress of a file that is loaded at start; undefined otherwise. */
export interface FileLoading {
  readonly path: string
  readonly startedMs: number
  loadedBytes: number
  totalBytes: number
  loadedKeys: number
}

export interface Node {
  readonly config: Config
  readonly clock: Clock
  readonly logger: Logger
  readonly keyspace: Keyspace
  readonly readers: Readers
  readonly backlog: BacklogWriter
  readonly state: NodeState
  readonly link: ReplicaLink
  readonly applier: StreamApplier
  readonly monitoredStream: MonitoredStream
  readonly unapplied: UnappliedCommands
  readonly below: ReplicasBelow
  readonly failover: Failover
  readonly shutdown: Shutdown
  readonly server: ClientServer
  readonly libraries: LibraryStore
  readonly defrag: ActiveDefrag
  readonly memoryLimit: MemoryLimit
  readonly clientEviction: ClientEviction
  readonly persistence: Persistence
  readonly streamLog: StreamLog
  readonly keyCheck: KeyCheck
  readonly loadReport: LoadReport
  /** Has this node ever had a dataset: loaded, synced, or its own as a primary? */
  hasData: boolean
  fileLoading: FileLoading | undefined
  /** Nothing is begun any more. */
  readonly isStopped: boolean
  /** What the loaded snapshot said and skipped. */
  lastSnapshot: { keysLoaded: number; keysExpired: number; skippedModuleKeys: number }
  /** The bytes of the stream go on under another id: replicas below, the log and readers are told. */
  historyRenamed(): void
  /** Recomputes `state` after the link or the configuration changed. */
  updateState(): void
}
