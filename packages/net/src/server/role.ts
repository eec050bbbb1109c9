/**
 * How this node changes its role, whoever wants it: REPLICAOF, FAILOVER, a primary that hands over (PSYNC FAILOVER). What link,
 * configuration and clients have to hear of it is the same each time.
 *
 * Source: redis 7.0 replication.c replicationSetMaster(), replicationUnsetMaster().
 */
import { UNBLOCKED_ROLE_CHANGE_ERROR } from '@understudy/core/internal'
import type { ClientSession } from '../clients/session.ts'
import { describeClient } from '../commands/client-line.ts'
import { byteString } from '../config/directive.ts'
import { Failover, type FailoverTarget } from '../replicas/failover.ts'
import type { Node } from './node.ts'

/**
 * Its data never came, or were dropped for new ones, and those are being loaded: as a primary it would be an empty one. A file that is loaded
 * at start goes on to be loaded whatever the role is.
 */
export function wouldBeEmpty({ hasData, fileLoading, link }: Node): boolean {
  return !hasData && fileLoading === undefined && (link.state.name === 'receiving' || link.state.name === 'loading')
}

/**
 * Follows nobody from now on. Not to be called while `wouldBeEmpty()`: who takes over has its data, and who takes its role back was told of
 * none. @param cause for the log, as in `user request from '…'`
 */
export function becomePrimary(node: Node, cause: string): void {
  node.link.replicaOfNoOne(cause)
  // Also when it was to follow one only once its file is loaded.
  node.config.assign('replicaof', undefined)
  if (!node.hasData && node.fileLoading === undefined) node.persistence.beganEmpty()
  node.hasData = true
  node.updateState()
}

/** Follows this primary from now on. @param by who asks, for the log. @returns 'same': it does so already, nothing was done */
export function becomeReplica(node: Node, { host, port }: FailoverTarget, by: string): 'same' | 'changed' {
  // What an EXEC wrote before this is a part of the history that the new primary is asked to continue.
  node.below.own.unitEnded()
  goBackToKnownId(node)
  if (node.link.replicaOf(host, port, by) === 'same') return 'same'
  follows(node, { host, port })
  return 'changed'
}

/** An id that nobody was told of, and under which nothing was written, is of no use in asking a primary to go on from it. */
function goBackToKnownId(node: Node): void {
  const { below, link, state } = node
  // What is written while no stream is kept moves no offset.
  if (state.replica || !below.isBacklogActive || below.isIdKnown) return
  if (link.history.returnToPast()) node.historyRenamed()
}

/** Its primary asks this replica to take over. @param session the primary's connection */
export function takeOver(node: Node, session: ClientSession): void {
  becomePrimary(node, `failover request from '${describeClient(session)}'`)
}

/** FAILOVER of this node. `node` need not be complete yet. */
export function newFailover(node: Node): Failover {
  return new Failover({
    clock: node.clock,
    logger: node.logger,
    isReplica: () => node.state.replica,
    replicas: () => node.below.list(),
    offset: () => node.link.history.replOffset,
    holdWrites: (held) => node.server.pauses.holdWrites('failover', held),
    handOver: (target) => {
      node.link.handOver(target.host, target.port)
      follows(node, target)
    },
    takeBack: () => becomePrimary(node, 'FAILOVER aborted'),
  })
}

function follows(node: Node, { host, port }: FailoverTarget): void {
  node.config.assign('replicaof', { host: byteString(host), port })
  node.updateState()
  node.server.unblockAll(UNBLOCKED_ROLE_CHANGE_ERROR)
}
