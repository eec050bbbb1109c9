/**
 * What a snapshot of this node says beside its keys, and what is taken from it at the next start: who made it, and where in which
 * history of replication the data are.
 *
 * Source: redis 7.0 rdb.c rdbPopulateSaveInfo(), server.c loadDataFromDisk().
 */
import {
  type AuxField,
  type PastReplid,
  snapshotAux,
  type SnapshotFacts,
  type SnapshotPosition,
  snapshotPosition,
  toldAccess,
} from '@understudy/core/internal'
import type { SnapshotPreamble } from '@understudy/rdb-worker'
import type { Config } from '../config/config.ts'
import type { SnapshotPassRules } from '../replicas/worker-snapshots.ts'
import { usedMemory } from './info-sections.ts'
import type { Node } from './node.ts'

/** How snapshots are written, whoever gets them. */
export function snapshotRules(config: Config): SnapshotPassRules {
  return {
    compress: config.get('rdbcompression'),
    checksum: config.get('rdbchecksum'),
    access: toldAccess(config.get('maxmemory-policy')),
    keyDelayMicros: config.get('rdb-key-save-delay'),
  }
}

/** Of this moment. */
export function snapshotPreamble(node: Node): SnapshotPreamble {
  const aux = snapshotAux({
    redisVersion: node.server.settings.redisVersion,
    wallMs: node.clock.wallMs(),
    usedBytes: usedMemory(node),
    ...placeOf(node),
  })
  return { aux, libraries: [...node.libraries.libraries].map(({ code }) => code) }
}

/**
 * A replica's stream goes on in its database whatever is known of its history; a primary has none before it keeps one. Who starts from
 * the data asks a primary to continue: that takes a history which that one can know.
 */
function placeOf({ link, state, below }: Node): Pick<SnapshotFacts, 'streamDb' | 'position'> {
  const { position } = below
  const hasStream = state.replica || below.isBacklogActive
  const isKnown = hasStream && (!state.replica || link.history.resumable)
  return { streamDb: hasStream ? position.db : undefined, position: isKnown ? position : undefined }
}

/** Where a snapshot says its data are; undefined when it does not say, or nothing that can be gone on from here. */
export function positionOfSnapshot(node: Node, aux: readonly AuxField[]): SnapshotPosition | undefined {
  const position = snapshotPosition(aux)
  return position !== undefined && position.db < node.keyspace.databaseCount ? position : undefined
}

/** Where in which history the data of a start are, with the ids that this history had before. */
export interface StartPosition extends SnapshotPosition {
  readonly past?: readonly PastReplid[]
}

/**
 * The data are those of a snapshot, and of the log behind it: goes on where they end, before the link is told of a primary. The
 * backlog ends there already.
 * @param isReplica one will be configured
 */
export function takePosition({ below, link }: Node, position: StartPosition, isReplica: boolean): void {
  const { replid, offset, db, past = [] } = position
  if (isReplica) link.history.resumeFrom(replid, offset, past)
  else link.history.beginBehind(replid, offset, past)
  link.moveTo(offset, db)
  below.historyRestored(isReplica)
}
