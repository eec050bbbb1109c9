/** What repl-diskless-load makes of a full resync, and what the loader is told. Pure; the link carries it out. */
import type { RdbLoadOptions, SnapshotFraming } from '@understudy/core/internal'
import type { ReplicaLinkConfig } from './replica-link-ports.ts'

export interface FullSyncPlan {
  /** The old data go before the new ones come. */
  readonly dropsFirst: boolean
  /** The snapshot is kept as a file, too. */
  readonly usesFile: boolean
}

export function planFullSync(mode: ReplicaLinkConfig['disklessLoad'], wasEmpty: boolean): FullSyncPlan {
  return {
    dropsFirst: mode === 'flush-before-load' || mode === 'flushdb',
    usesFile: mode === 'disabled' || (mode === 'on-empty-db' && !wasEmpty),
  }
}

/** @param file the snapshot is written there, too */
export function loadOptionsOf(
  config: ReplicaLinkConfig,
  framing: SnapshotFraming,
  file: RdbLoadOptions['file'],
): RdbLoadOptions {
  const { databaseCount, hashSeed, encodings, verifyChecksum, keyLoadDelayMicros } = config
  return {
    framing,
    databaseCount,
    hashSeed,
    encodings,
    verifyChecksum,
    ...(keyLoadDelayMicros === 0 ? {} : { keyLoadDelayMicros }),
    ...(file === undefined ? {} : { file }),
  }
}
