/**
 * Commands about the server: INFO, TIME, LASTSAVE, LOLWUT, WAIT, SHUTDOWN, MODULE, CLUSTER. CONFIG, ROLE, REPLICAOF and the
 * commands on the dataset come from elsewhere.
 *
 * Source: redis 7.0 server.c, replication.c waitCommand(), db.c shutdownCommand(), cluster.c.
 */
import {
  ADMIN,
  ALLOW_BUSY,
  argInteger,
  argIs,
  argText,
  CLUSTER_DISABLED_ERROR,
  FAST,
  LOADING,
  NO_ASYNC_LOADING,
  NO_MULTI,
  NOSCRIPT,
  NOT_AN_INTEGER,
  READONLY,
  STALE,
  SYNTAX_ERROR,
  WAIT_ON_REPLICA_ERROR,
} from '@understudy/core/internal'
import type { CommandTable } from '@understudy/core/internal'
import { CLIENT_MULTI } from '../clients/connection-flags.ts'
import type { ClientSession } from '../clients/session.ts'
import { container, row } from './rows.ts'
import type { Row } from './rows.ts'

/** No section's name is as long. */
const SECTION_BYTES_MAX = 64

function info(client: ClientSession): void {
  const { args, reply, server } = client
  const sections: string[] = []
  for (let i = 1; i < args.count; i++) sections.push(argText(args, i, SECTION_BYTES_MAX))
  reply.verbatim('txt', server.info.render(sections))
}

function time(client: ClientSession): void {
  const { reply, server } = client
  const nowMs = server.clock.wallMs()
  const micros = Math.floor((nowMs % 1000) * 1000) + Math.floor((performance.now() % 1) * 1000)
  reply.array(2)
  reply.bulkString(String(Math.floor(nowMs / 1000)))
  reply.bulkString(String(Math.min(999_999, micros)))
}

/** LOLWUT [VERSION version]: as Redis answers for versions that have no picture. */
function lolwut(client: ClientSession): void {
  const { args, reply, server } = client
  if (args.count >= 3 && argIs(args, 1, 'VERSION') && Number.isNaN(argInteger(args, 2))) {
    reply.error(NOT_AN_INTEGER)
    return
  }
  reply.verbatim('txt', `Redis ver. ${server.settings.redisVersion}\n`)
}

function lastSave(client: ClientSession): void {
  const { reply, server } = client
  reply.integer(server.ports.lastSave?.() ?? Math.floor(server.startedAtMs / 1000))
}

function wait(client: ClientSession): void {
  const { args, reply, server } = client
  if (server.node.replica) {
    reply.error(WAIT_ON_REPLICA_ERROR)
    return
  }
  const wanted = argInteger(args, 1)
  const timeoutMs = argInteger(args, 2)
  if (Number.isNaN(wanted)) {
    reply.error(NOT_AN_INTEGER)
    return
  }
  if (Number.isNaN(timeoutMs)) {
    reply.error('ERR timeout is not an integer or out of range')
    return
  }
  if (timeoutMs < 0) {
    reply.error('ERR timeout is negative')
    return
  }
  const { acknowledgements } = server.ports
  const offset = client.writtenOffset
  const count = (): number => acknowledgements?.count(offset) ?? 0
  const answer = (): void => client.reply.integer(count())
  if (count() >= wanted || (client.flags & CLIENT_MULTI) !== 0) return answer()
  const cancel = acknowledgements?.whenAcknowledged(offset, wanted, () => client.unblock(answer))
  client.block(timeoutMs, answer, { ended: () => cancel?.() })
}

const SHUTDOWN_FAILED = 'ERR Errors trying to SHUTDOWN. Check logs.'

/** SHUTDOWN [NOSAVE|SAVE] [NOW] [FORCE], SHUTDOWN ABORT. */
function shutdown(client: ClientSession): void {
  const { args, reply, server } = client
  let save: 'default' | 'yes' | 'no' = 'default'
  let now = false
  let force = false
  let abort = false
  for (let i = 1; i < args.count; i++) {
    if (argIs(args, i, 'NOSAVE') && save !== 'yes') save = 'no'
    else if (argIs(args, i, 'SAVE') && save !== 'no') save = 'yes'
    else if (argIs(args, i, 'NOW')) now = true
    else if (argIs(args, i, 'FORCE')) force = true
    else if (argIs(args, i, 'ABORT')) abort = true
    else {
      reply.error(SYNTAX_ERROR)
      return
    }
  }
  if (abort) {
    if (save !== 'default' || now || force) reply.error(SYNTAX_ERROR)
    else if (server.ports.shutdownAbort?.() === true) reply.ok()
    else reply.error('ERR No shutdown in progress.')
    return
  }
  const cancelled = (): void => client.unblock(() => client.reply.error(SHUTDOWN_FAILED))
  // On success there is no reply: the connection ends with the process.
  const outcome = server.ports.shutdown?.({ save, now, force }, cancelled) ?? 'failed'
  if (outcome === 'failed') reply.error(SHUTDOWN_FAILED)
  else if (outcome === 'waiting') client.block(0, () => {}, { mayBeEnded: false })
}

function moduleList(client: ClientSession): void {
  client.reply.array(0)
}

function noModules(client: ClientSession): void {
  client.reply.error('ERR Error loading the extension. Please check the server logs.')
}

function clusterDisabled(client: ClientSession): void {
  client.reply.error(CLUSTER_DISABLED_ERROR)
}

const GROUP = 'server'
const CLUSTER = 'cluster'
const NEEDS_CLUSTER = 'Needs a cluster: refused.'

function clusterRow(arity: number, flags: number, since: string): Row {
  return row(arity, STALE | flags, since, CLUSTER, NEEDS_CLUSTER, clusterDisabled)
}

const CHANGE: number = ADMIN | NO_ASYNC_LOADING

export const serverCommands: CommandTable<ClientSession> = {
  INFO: row(-1, LOADING | STALE, '1.0.0', GROUP, 'State and statistics of the server, by sections.', info, {
    categories: ['dangerous'],
    tips: ['nondeterministic_output', 'request_policy:all_shards', 'response_policy:special'],
    usage: '[<section> ...]',
  }),
  TIME: row(1, LOADING | STALE | FAST, '2.6.0', GROUP, "The server's time: seconds and microseconds.", time, {
    tips: ['nondeterministic_output'],
  }),
  LASTSAVE: row(1, LOADING | STALE | FAST, '1.0.0', GROUP, 'When the data were last saved.', lastSave, {
    categories: ['admin', 'dangerous'],
    tips: ['nondeterministic_output'],
  }),
  LOLWUT: row(-1, READONLY | FAST, '5.0.0', GROUP, 'Shows the version; no picture, as in most versions.', lolwut),
  WAIT: row(3, NOSCRIPT, '3.0.0', 'generic', 'Waits until replicas have acknowledged the writes so far.', wait, {
    categories: ['connection'],
    tips: ['request_policy:all_shards', 'response_policy:agg_min'],
  }),
  SHUTDOWN: row(
    -1,
    ADMIN | NOSCRIPT | LOADING | STALE | NO_MULTI | ALLOW_BUSY,
    '1.0.0',
    GROUP,
    'Ends the server.',
    shutdown,
    { usage: '[NOSAVE|SAVE] [NOW] [FORCE] [ABORT]' },
  ),
  MODULE: container('MODULE', '4.0.0', GROUP, 'Modules: none can be loaded here.', {
    LIST: row(2, ADMIN | NOSCRIPT, '4.0.0', GROUP, 'Loaded modules: none.', moduleList, {
      tips: ['nondeterministic_output_order'],
    }),
    LOAD: row(-3, ADMIN | NOSCRIPT | NO_ASYNC_LOADING, '4.0.0', GROUP, 'Refused.', noModules, {
      usage: '<path> [<arg> ...]',
    }),
    LOADEX: row(-3, ADMIN | NOSCRIPT | NO_ASYNC_LOADING, '7.0.0', GROUP, 'Refused.', noModules, {
      usage: '<path> ...',
    }),
    UNLOAD: row(
      3,
      ADMIN | NOSCRIPT | NO_ASYNC_LOADING,
      '4.0.0',
      GROUP,
      'Refused.',
      (client) => {
        client.reply.error('ERR Error unloading module: no such module with that name')
      },
      { usage: '<name>' },
    ),
  }),
  CLUSTER: container('CLUSTER', '3.0.0', CLUSTER, 'Clusters are not supported.', {
    ADDSLOTS: clusterRow(-3, CHANGE, '3.0.0'),
    ADDSLOTSRANGE: clusterRow(-4, CHANGE, '7.0.0'),
    BUMPEPOCH: clusterRow(2, CHANGE, '3.0.0'),
    'COUNT-FAILURE-REPORTS': clusterRow(3, ADMIN, '3.0.0'),
    COUNTKEYSINSLOT: clusterRow(3, 0, '3.0.0'),
    DELSLOTS: clusterRow(-3, CHANGE, '3.0.0'),
    DELSLOTSRANGE: clusterRow(-4, CHANGE, '7.0.0'),
    FAILOVER: clusterRow(-2, CHANGE, '3.0.0'),
    FLUSHSLOTS: clusterRow(2, CHANGE, '3.0.0'),
    FORGET: clusterRow(3, CHANGE, '3.0.0'),
    GETKEYSINSLOT: clusterRow(4, 0, '3.0.0'),
    INFO: clusterRow(2, 0, '3.0.0'),
    KEYSLOT: clusterRow(3, 0, '3.0.0'),
    LINKS: clusterRow(2, 0, '7.0.0'),
    MEET: clusterRow(-4, CHANGE, '3.0.0'),
    MYID: clusterRow(2, 0, '3.0.0'),
    NODES: clusterRow(2, 0, '3.0.0'),
    REPLICAS: clusterRow(3, ADMIN, '5.0.0'),
    REPLICATE: clusterRow(3, CHANGE, '3.0.0'),
    RESET: clusterRow(-2, ADMIN | NOSCRIPT, '3.0.0'),
    SAVECONFIG: clusterRow(2, CHANGE, '3.0.0'),
    'SET-CONFIG-EPOCH': clusterRow(3, CHANGE, '3.0.0'),
    SETSLOT: clusterRow(-4, CHANGE, '3.0.0'),
    SHARDS: clusterRow(2, LOADING, '7.0.0'),
    SLAVES: clusterRow(3, ADMIN, '3.0.0'),
    SLOTS: clusterRow(2, LOADING, '3.0.0'),
  }),
}
