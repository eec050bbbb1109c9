/**
 * What is done with a full resync, by repl-diskless-load, by the room there is, and by whether the old data may go before it is known what
 * comes; and what the loader is told. Pure; the link carries it out.
 */
import type { FullSync, RdbLoadOptions, SnapshotFraming } from '@understudy/core/internal'
import type { FullSyncGate } from './full-sync-gate.ts'
import type { ReplicaLinkConfig } from './replica-link-ports.ts'

export type FullSyncPlan =
  /** The snapshot is not taken. */
  | { readonly do: 'hold'; readonly why: string }
  | {
      readonly do: 'load'
      /** The old data go before the new ones come. */
      readonly dropsFirst: boolean
      /** Why they have to, if there is no room for both. */
      readonly shortage?: string
      /** The snapshot is kept as a file, too. */
      readonly usesFile: boolean
    }

export interface FullSyncQuestion {
  readonly mode: ReplicaLinkConfig['disklessLoad']
  readonly framing: SnapshotFraming
  readonly sync: FullSync
  /** This node has no keys. */
  readonly wasEmpty: boolean
  /** It is taken, whatever is against it: somebody said so. */
  readonly accepts: boolean
  readonly gate: FullSyncGate
}

export function planFullSync({ mode, framing, sync, wasEmpty, accepts, gate }: FullSyncQuestion): FullSyncPlan {
  const usesFile = mode === 'disabled' || (mode === 'on-empty-db' && !wasEmpty)
  const stay = wasEmpty || accepts ? undefined : gate.refuseDropFirst()
  const drops = mode === 'flush-before-load' || mode === 'flushdb'
  if (drops && stay === undefined) return { do: 'load', dropsFirst: true, usesFile }
  if (!wasEmpty) {
    const room = gate.roomForTwo(sync, framing.kind === 'length' ? framing.byteLength : undefined)
    if (room.do === 'hold' && !accepts) return room
    if (room.do === 'flush') {
      if (stay !== undefined) return { do: 'hold', why: `${room.why}; ${stay}` }
      return { do: 'load', dropsFirst: true, shortage: room.why, usesFile }
    }
  }
  return { do: 'load', dropsFirst: false, usesFile }
}

/** @param file where the snapshot is written, too */
export function loadOptionsOf(
  config: ReplicaLinkConfig,
  framing: SnapshotFraming,
  file: string | undefined,
): RdbLoadOptions {
  const { databaseCount, hashSeed, encodings, tracksFrequency, verifyChecksum, keyLoadDelayMicros } = config
  return {
    framing,
    databaseCount,
    hashSeed,
    encodings,
    tracksFrequency,
    verifyChecksum,
    ...(keyLoadDelayMicros === 0 ? {} : { keyLoadDelayMicros }),
    ...(file === undefined ? {} : { file }),
  }
}
