/**
 * Snapshots for replicas, made by a thread from a pin while the server goes on (docs/pins.md): one pass over the data for all that
 * want the same. Its pieces go to replicas as they are made; for those that need its length it goes into a file in `dir`.
 */
import type { Clock, Logger, RdbChunkOptions, SnapshotRules } from '@understudy/core/internal'
import {
  REPLICA_PASSES_AT_WORK_MAX,
  REPLICA_PASSES_MAX,
  type SnapshotPool,
  type SnapshotPreamble,
} from '@understudy/rdb-worker'
import type { Snapshot, SnapshotRequest, SnapshotSource } from './snapshot-source.ts'

export type SnapshotPassRules = Pick<RdbChunkOptions, 'compress' | 'checksum'> & Omit<SnapshotRules, 'rdbVersion'>

export interface WorkerSnapshotPorts {
  readonly pool: Pick<SnapshotPool, 'begin'>
  readonly clock: Clock
  readonly logger: Logger
  /** Of the file: see `temporary-path.ts`. Asked at every snapshot, as the rest. */
  readonly temporaryPath: (kind: string) => string
  /** What it says beside the keys; of the moment, and so of the position. */
  readonly preamble: () => SnapshotPreamble
  /** rdbcompression, rdbchecksum, and what is told of the use of keys. */
  readonly rules: () => SnapshotPassRules
}

export class WorkerSnapshots implements SnapshotSource {
  readonly snapshotsMax: number = REPLICA_PASSES_MAX
  readonly snapshotsAtWorkMax: number = REPLICA_PASSES_AT_WORK_MAX
  readonly #ports: WorkerSnapshotPorts
  #count = 0

  constructor(ports: WorkerSnapshotPorts) {
    this.#ports = ports
  }

  begin({ rdbVersion, filter, isLive, isCounted }: SnapshotRequest): Snapshot {
    const { pool, clock, logger, temporaryPath, preamble, rules } = this.#ports
    const beganMs = clock.monotonicMs()
    const { aux, libraries } = preamble()
    const spoolPath = temporaryPath(`replica-${++this.#count}-`)
    const pass = pool.begin(
      { aux, libraries: filter.functions ? libraries : [] },
      { ...rules(), rdbVersion, hasKeys: filter.data, isLive, ...(isCounted ? { spoolPath } : {}) },
    )
    pass.written.then(
      ({ bytes }) => {
        const seconds = ((clock.monotonicMs() - beganMs) / 1000).toFixed(3)
        logger.notice(`Snapshot for replicas made: ${bytes} bytes in ${seconds} seconds`)
      },
      // Every replica that waits for it is told; with none there is nobody to tell.
      () => {},
    )
    return pass
  }
}
