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
  LOADING_ERROR,
  NO_ASYNC_LOADING,
  NO_MULTI,
  NOSCRIPT,
  NOT_AN_INTEGER,
  STALE,
  SYNTAX_ERROR,
  type CommandTable,
} from '@understudy/core/internal'
import { CLIENT_REPLICA } from '../clients/connection-flags.ts'
import { type ClientSession } from '../clients/session.ts'
import { describeClient } from '../commands/client-line.ts'
import { row } from '../commands/rows.ts'
import type { FailoverTarget } from '../replicas/failover.ts'
import type { Node } from './node.ts'
import { becomePrimary, becomeReplica, wouldBeEmpty } from './role.ts'

const PORT_MAX = 65_535

export function replicationCommands(node: Node): CommandTable<ClientSession> {
  const replicaOf = (client: ClientSession): void => runReplicaOf(node, client)
  // Unlike in Redis also while a snapshot is received or loaded, which ends then: a node that was never synced says it is
  // loading as long as it has no primary to be synced by, and must be told of another one, or be made a primary. NO ONE is refused
  // where an end of the load would leave it without the data that are to come.
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
      runFailover(node, client),
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
  if (node.failover.isUnderWay) {
    reply.error('ERR REPLICAOF not allowed while failing over.')
    return
  }
  const by = describeClient(client)
  if (argIs(args, 1, 'NO') && argIs(args, 2, 'ONE')) {
    if (wouldBeEmpty(node)) return reply.error(LOADING_ERROR)
    becomePrimary(node, `user request from '${by}'`)
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
  const outcome = becomeReplica(node, { host: argText(args, 1), port }, by)
  if (outcome === 'same') reply.simple('OK Already connected to specified master')
  else reply.ok()
}

/** FAILOVER [TO host port [FORCE]] [TIMEOUT milliseconds], or FAILOVER ABORT. */
function runFailover(node: Node, { args, reply }: ClientSession): void {
  if (args.count === 2 && argIs(args, 1, 'ABORT')) {
    if (node.failover.abort()) reply.ok()
    else reply.error('ERR No failover in progress.')
    return
  }
  let target: FailoverTarget | undefined
  let timeoutMs = 0
  let force = false
  for (let i = 1; i < args.count; i++) {
    if (argIs(args, i, 'TIMEOUT') && i + 1 < args.count && timeoutMs === 0) {
      timeoutMs = argInteger(args, ++i)
      if (Number.isNaN(timeoutMs)) return reply.error(NOT_AN_INTEGER)
      if (timeoutMs <= 0) return reply.error('ERR FAILOVER timeout must be greater than 0')
    } else if (argIs(args, i, 'TO') && i + 2 < args.count && target === undefined) {
      const port = argInteger(args, i + 2)
      if (Number.isNaN(port)) return reply.error(NOT_AN_INTEGER)
      target = { host: argText(args, i + 1), port }
      i += 2
    } else if (argIs(args, i, 'FORCE') && !force) force = true
    else return reply.error(SYNTAX_ERROR)
  }
  const refusal = node.failover.begin({ target, timeoutMs, force })
  if (refusal === undefined) reply.ok()
  else reply.error(refusal)
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
