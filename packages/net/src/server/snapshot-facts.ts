/**
 * What a snapshot of this node says beside its keys, and what is taken from it at the next start: who made it, and where in which
 * history of replication the data are.
 *
 * Source: redis 7.0 replication.c rdbPopulateSaveInfo(), server.c loadDataFromDisk().
 */
import { type AuxField, snapshotAux, type SnapshotPosition, snapshotPosition } from '@understudy/core/internal'
import type { SnapshotPreamble } from '@understudy/rdb-worker'
import { memoryFacts } from './info-sections.ts'
import type { Node } from './node.ts'

/** Of this moment. */
export function snapshotPreamble(node: Node): SnapshotPreamble {
  const aux = snapshotAux({
    redisVersion: node.server.settings.redisVersion,
    wallMs: node.clock.wallMs(),
    usedBytes: memoryFacts(node).usedBytes,
    position: positionOf(node),
  })
  return { aux, libraries: [...node.libraries.libraries].map(({ code }) => code) }
}

/** Undefined when no replica could go on from there: data without a history that anybody knows. */
function positionOf({ link, state, below }: Node): SnapshotPosition | undefined {
  const belongs = state.replica ? link.history.resumable : below.isBacklogActive
  return belongs ? below.position : undefined
}

/**
 * The data are those of a snapshot: goes on where it was taken, before the link is told of a primary.
 * @param isReplica one will be configured
 */
export function takePosition(node: Node, aux: readonly AuxField[], isReplica: boolean): void {
  const { backlog, below, keyspace, link } = node
  const position = snapshotPosition(aux)
  // REPLICAOF came while the file was loaded: that primary's history is the one that counts.
  if (position === undefined || position.db >= keyspace.databaseCount || link.state.name !== 'none') return
  const { replid, offset, db } = position
  if (isReplica) link.history.resumeFrom(replid, offset)
  else link.history.beginBehind(replid, offset)
  link.moveTo(offset, db)
  backlog.restart(offset)
  if (!isReplica) below.historyRestored()
}
