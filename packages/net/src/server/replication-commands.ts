/**
 * Commands about replication: REPLICAOF, ROLE, REPLCONF, PSYNC, SYNC, FAILOVER.
 *
 * Source: redis 7.0 replication.c replicaofCommand(), roleCommand(), replconfCommand(), failoverCommand().
 */
import {
  ADMIN,
  argInteger,
  argIs,
  argText,
  FAST,
  LOADING,
  NO_ASYNC_LOADING,
  NO_MULTI,
  NOSCRIPT,
  STALE,
  UNBLOCKED_ROLE_CHANGE_ERROR,
  type CommandTable,
} from '@understudy/core/internal'
import { CLIENT_REPLICA } from '../clients/connection-flags.ts'
import { type ClientSession } from '../clients/session.ts'
import { describeClient } from '../commands/client-line.ts'
import { row } from '../commands/rows.ts'
import { byteString } from '../config/directive.ts'
import type { Node } from './node.ts'

const PORT_MAX = 65_535

export function replicationCommands(node: Node): CommandTable<ClientSession> {
  const replicaOf = (client: ClientSession): void => runReplicaOf(node, client)
  // Unlike in Redis also while a snapshot is received or loaded, which ends then: a node that was never synced says it is
  // loading as long as it has no primary to be synced by, and must be told of another one.
  const linkFlags = ADMIN | NOSCRIPT | LOADING | STALE
  return {
    REPLICAOF: row(3, linkFlags, '5.0.0', 'server', 'Makes this node a replica of another, or a primary.', replicaOf),
    SLAVEOF: row(3, linkFlags, '1.0.0', 'server', 'Makes this node a replica of another, or a primary.', replicaOf),
    ROLE: row(1, NOSCRIPT | LOADING | STALE | FAST, '2.8.12', 'server', 'Tells the role in replication.', (client) =>
      runRole(node, client),
    ),
    REPLCONF: row(
      -1,
      ADMIN | NOSCRIPT | LOADING | STALE,
      '3.0.0',
      'server',
      'Replicas tell about themselves with it.',
      (client) => node.below.replconf(client),
    ),
    PSYNC: row(
      -3,
      ADMIN | NO_MULTI | NOSCRIPT | NO_ASYNC_LOADING,
      '2.8.0',
      'server',
      'Replicas ask for the stream with it.',
      (client) => node.below.synchronize(client, true),
    ),
    SYNC: row(
      1,
      ADMIN | NO_MULTI | NOSCRIPT | NO_ASYNC_LOADING,
      '1.0.0',
      'server',
      'Replicas of old ask for a snapshot with it.',
      (client) => node.below.synchronize(client, false),
    ),
    FAILOVER: row(-1, ADMIN | NOSCRIPT | STALE, '6.2.0', 'server', 'Hands the role of primary over.', (client) =>
      client.reply.error(
        node.state.replica
          ? 'ERR FAILOVER is not valid when server is a replica.'
          : node.below.list().length === 0
            ? 'ERR FAILOVER requires connected replicas.'
            : 'ERR FAILOVER is not available in this version of Understudy: REPLICAOF NO ONE promotes a replica',
      ),
    ),
    FULLRESYNC: row(
      2,
      linkFlags,
      '7.0.0',
      'server',
      'Goes on after a full resync was refused: ACCEPT takes the next one, RETRY judges it anew.',
      (client) => runFullResync(node, client),
    ),
  }
}

function runReplicaOf(node: Node, client: ClientSession): void {
  const { args, reply } = client
  const by = describeClient(client)
  if (argIs(args, 1, 'NO') && argIs(args, 2, 'ONE')) {
    if (node.link.replicaOfNoOne(by)) node.config.assign('replicaof', undefined)
    node.hasData = true
    node.updateState()
    reply.ok()
    return
  }
  if ((client.flags & CLIENT_REPLICA) !== 0) {
    reply.error('ERR Command is not valid when client is a replica.')
    return
  }
  const port = argInteger(args, 2)
  if (!(port >= 0 && port <= PORT_MAX)) {
    reply.error('ERR Invalid master port')
    return
  }
  const host = argText(args, 1)
  // What an EXEC wrote before this is a part of the history that the new primary is asked to continue.
  node.below.own.unitEnded()
  if (!node.state.replica && node.below.isBacklogActive && node.link.history.returnToPast()) node.historyRenamed()
  if (node.link.replicaOf(host, port, by) === 'same') {
    reply.simple('OK Already connected to specified master')
    return
  }
  node.config.assign('replicaof', { host: byteString(host), port })
  node.updateState()
  node.server.unblockAll(UNBLOCKED_ROLE_CHANGE_ERROR)
  reply.ok()
}

/** For a link in state 'held' (full-resync-policy, refuse-empty-primary, full-sync-low-memory). */
function runFullResync(node: Node, client: ClientSession): void {
  const { args, reply } = client
  const accepts = argIs(args, 1, 'ACCEPT')
  if (!accepts && !argIs(args, 1, 'RETRY'))
    return reply.error('ERR syntax error: FULLRESYNC ACCEPT or FULLRESYNC RETRY')
  if (node.link.state.name !== 'held')
    return reply.error('ERR no full resync was refused: INFO replication, full_resync_held')
  if (accepts && node.config.get('full-resync-policy') === 'never') {
    return reply.error('ERR full-resync-policy is never: CONFIG SET full-resync-policy ask allows it')
  }
  node.link.release(accepts)
  reply.ok()
}

function runRole(node: Node, client: ClientSession): void {
  const { reply } = client
  const status = node.link.getStatus()
  if (status.host === undefined) {
    reply.array(3)
    reply.bulkString('master')
    reply.integer(node.link.history.replOffset)
    const online = node.below.list().filter(({ machine }) => machine.isOnline)
    reply.array(online.length)
    for (const { ip, port, machine } of online) {
      reply.array(3)
      reply.bulkLatin1(ip)
      reply.bulkString(String(port))
      reply.bulkString(String(machine.ackOffset))
    }
    return
  }
  reply.array(5)
  reply.bulkString('slave')
  reply.bulkString(status.host)
  reply.integer(status.port ?? 0)
  reply.bulkString(status.roleState)
  reply.integer(status.isUp ? status.appliedOffset : -1)
}
