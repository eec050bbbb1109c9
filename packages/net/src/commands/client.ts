/**
 * CLIENT: what a connection tells and asks about itself, and what an operator does to connections.
 *
 * Source: redis 7.0 networking.c clientCommand(), catClientInfoString(), clientKillCommand(); SETINFO and NO-TOUCH are of
 * 7.2, MAXAGE of 7.4.
 */
import {
  ADMIN,
  argInteger,
  argIs,
  argText,
  INVALID_CLIENT_NAME_ERROR,
  LOADING,
  NOSCRIPT,
  STALE,
  subcommandSyntaxError,
  SYNTAX_ERROR,
  UNBLOCKED_ERROR,
  wideInteger,
} from '@understudy/core/internal'
import type { CommandTable } from '@understudy/core/internal'
import {
  CLIENT_CLOSE_AFTER_REPLY,
  CLIENT_NO_EVICT,
  CLIENT_NO_TOUCH,
  CLIENT_REPLY_OFF,
  CLIENT_REPLY_SKIP,
  CLIENT_REPLY_SKIP_NEXT,
} from '../clients/connection-flags.ts'
import type { ClientType } from '../clients/connection.ts'
import type { ClientServer } from '../clients/server.ts'
import type { ClientSession } from '../clients/session.ts'
import { describeClient } from './client-line.ts'
import { clientCaching, clientTracking, clientTrackingInfo } from './client-tracking.ts'
import { validClientName } from './connection.ts'
import { container, row } from './rows.ts'

/** Of a number of 64 bits, with its sign. */
const TIMEOUT_DIGITS_MAX = 20

function setName(client: ClientSession): void {
  const name = argText(client.args, 2)
  if (!validClientName(name)) {
    client.reply.error(INVALID_CLIENT_NAME_ERROR)
    return
  }
  client.name = name
  client.reply.ok()
}

function getName(client: ClientSession): void {
  if (client.name === '') client.reply.nullBulk()
  else client.reply.bulkLatin1(client.name)
}

function setInfo(client: ClientSession): void {
  const { args, reply } = client
  const value = argText(args, 3)
  const isName = argIs(args, 2, 'LIB-NAME')
  if (!isName && !argIs(args, 2, 'LIB-VER')) {
    reply.error(`ERR Unrecognized option '${argText(args, 2)}'`)
    return
  }
  if (!validClientName(value)) {
    const option = isName ? 'lib-name' : 'lib-ver'
    reply.error(`ERR ${option} cannot contain spaces, newlines or special characters.`)
    return
  }
  if (isName) client.libraryName = value
  else client.libraryVersion = value
  reply.ok()
}

function parseType(text: string): ClientType | undefined {
  switch (text.toLowerCase()) {
    case 'normal':
      return 'normal'
    case 'slave':
    case 'replica':
      return 'replica'
    case 'pubsub':
      return 'pubsub'
    case 'master':
    case 'primary':
      return 'master'
    default:
      return undefined
  }
}

/** Any number of 64 bits may be asked for, though no connection has a number beyond 2^53. @returns undefined when it is none */
function readId(client: ClientSession, index: number): number | undefined {
  const id = wideInteger(client, index)
  return id === undefined ? undefined : Number(id)
}

/** What CLIENT LIST has a line for. */
interface Listed {
  readonly type: ClientType
  readonly line: () => string
}

/** By id: connections of clients, and what is connected by other means. */
function listed(server: ClientServer): Map<number, Listed> {
  const found = new Map<number, Listed>()
  for (const session of server.sessions.values()) {
    found.set(session.id, { type: session.type, line: () => describeClient(session) })
  }
  for (const other of server.ports.foreignConnections?.() ?? []) {
    found.set(other.id, { type: other.type, line: () => other.describe() })
  }
  return found
}

function list(client: ClientSession): void {
  const { args, reply, server } = client
  let type: ClientType | undefined
  let ids: number[] | undefined
  if (args.count === 4 && argIs(args, 2, 'TYPE')) {
    type = parseType(argText(args, 3))
    if (type === undefined) {
      reply.error(`ERR Unknown client type '${argText(args, 3)}'`)
      return
    }
  } else if (args.count > 3 && argIs(args, 2, 'ID')) {
    ids = []
    for (let i = 3; i < args.count; i++) {
      const id = readId(client, i)
      if (id === undefined) {
        reply.error('ERR Invalid client ID')
        return
      }
      ids.push(id)
    }
  } else if (args.count !== 2) {
    reply.error(SYNTAX_ERROR)
    return
  }
  const all = listed(server)
  let text = ''
  for (const id of ids ?? all.keys()) {
    const found = all.get(id)
    if (found !== undefined && (type === undefined || found.type === type)) text += `${found.line()}\n`
  }
  reply.verbatim('txt', text)
}

interface KillFilter {
  id?: number
  type?: ClientType
  user?: string
  address?: string
  localAddress?: string
  maxAgeMs?: number
  skipMe: boolean
}

/** @returns undefined when an error was written. */
function parseKillFilter(client: ClientSession): KillFilter | undefined {
  const { args, reply } = client
  const filter: KillFilter = { skipMe: true }
  for (let i = 2; i < args.count; i += 2) {
    const value = i + 1 < args.count ? argText(args, i + 1) : undefined
    if (value === undefined) {
      reply.error(SYNTAX_ERROR)
      return undefined
    }
    if (argIs(args, i, 'ID')) {
      const id = readId(client, i + 1)
      if (id === undefined || id <= 0) {
        reply.error('ERR client-id should be greater than 0')
        return undefined
      }
      filter.id = id
    } else if (argIs(args, i, 'MAXAGE')) {
      const seconds = argInteger(args, i + 1)
      if (!(seconds > 0)) {
        reply.error('ERR maxage is not an integer or out of range')
        return undefined
      }
      filter.maxAgeMs = seconds * 1000
    } else if (argIs(args, i, 'TYPE')) {
      const type = parseType(value)
      if (type === undefined) {
        reply.error(`ERR Unknown client type '${value}'`)
        return undefined
      }
      filter.type = type
    } else if (argIs(args, i, 'ADDR')) filter.address = value
    else if (argIs(args, i, 'LADDR')) filter.localAddress = value
    else if (argIs(args, i, 'USER')) {
      if (value !== 'default') {
        reply.error(`ERR No such user '${value}'`)
        return undefined
      }
      filter.user = value
    } else if (argIs(args, i, 'SKIPME')) {
      if (argIs(args, i + 1, 'YES')) filter.skipMe = true
      else if (argIs(args, i + 1, 'NO')) filter.skipMe = false
      else {
        reply.error(SYNTAX_ERROR)
        return undefined
      }
    } else {
      reply.error(SYNTAX_ERROR)
      return undefined
    }
  }
  return filter
}

function kill(client: ClientSession): void {
  const { args, reply } = client
  const oldForm = args.count === 3
  const filter: KillFilter | undefined = oldForm
    ? { address: argText(args, 2), skipMe: false }
    : parseKillFilter(client)
  if (filter === undefined) return
  const killed = killMatching(client, filter)
  if (!oldForm) reply.integer(killed)
  else if (killed > 0) reply.ok()
  else reply.error('ERR No such client')
}

interface Killable {
  readonly id: number
  readonly type: ClientType
  readonly address: string
  readonly localAddress: string
}

function matches(filter: KillFilter, candidate: Killable, ageMs: number, user: string): boolean {
  return (
    (filter.address === undefined || filter.address === candidate.address) &&
    (filter.localAddress === undefined || filter.localAddress === candidate.localAddress) &&
    (filter.type === undefined || filter.type === candidate.type) &&
    (filter.id === undefined || filter.id === candidate.id) &&
    (filter.user === undefined || filter.user === user) &&
    (filter.maxAgeMs === undefined || ageMs >= filter.maxAgeMs)
  )
}

function killMatching(client: ClientSession, filter: KillFilter): number {
  const { server } = client
  const nowMs = server.clock.monotonicMs()
  let killed = 0
  for (const session of server.sessions.values()) {
    if (!matches(filter, session, nowMs - session.createdAtMs, session.user)) continue
    if (session === client && filter.skipMe) continue
    // The sender still gets its reply.
    if (session === client) client.flags |= CLIENT_CLOSE_AFTER_REPLY
    else session.kill()
    killed++
  }
  for (const other of server.ports.foreignConnections?.() ?? []) {
    if (!matches(filter, other, other.ageMs, other.type === 'master' ? '(superuser)' : 'default')) continue
    other.kill()
    killed++
  }
  return killed
}

/** Milliseconds of as many bits as in Redis: 64. @returns the error's text for anything else */
function readTimeoutMs({ args }: ClientSession, index: number): number | string {
  const text = argText(args, index, TIMEOUT_DIGITS_MAX + 1)
  const value = /^(0|-?[1-9]\d*)$/.test(text) ? BigInt(text) : undefined
  if (value === undefined || BigInt.asIntN(64, value) !== value) return 'ERR timeout is not an integer or out of range'
  return value < 0n ? 'ERR timeout is negative' : Number(value)
}

function pause(client: ClientSession): void {
  const { args, reply, server } = client
  if (args.count > 4) {
    reply.error(subcommandSyntaxError(args, 'client'))
    return
  }
  const timeoutMs = readTimeoutMs(client, 2)
  const writesOnly = args.count === 4 && argIs(args, 3, 'WRITE')
  if (args.count === 4 && !writesOnly && !argIs(args, 3, 'ALL')) {
    reply.error('ERR CLIENT PAUSE mode must be WRITE or ALL')
    return
  }
  if (typeof timeoutMs === 'string') reply.error(timeoutMs)
  else {
    server.pauses.begin('client-command', server.clock.monotonicMs() + timeoutMs, writesOnly)
    reply.ok()
  }
}

function unpause(client: ClientSession): void {
  client.server.pauses.end('client-command')
  client.reply.ok()
}

function replyMode(client: ClientSession): void {
  const { args, reply } = client
  if (argIs(args, 2, 'ON')) {
    client.flags &= ~(CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP | CLIENT_REPLY_SKIP_NEXT)
    reply.discardReplies = false
    reply.ok()
  } else if (argIs(args, 2, 'OFF')) {
    client.flags |= CLIENT_REPLY_OFF
    reply.discardReplies = true
  } else if (argIs(args, 2, 'SKIP')) {
    if ((client.flags & CLIENT_REPLY_OFF) === 0) client.flags |= CLIENT_REPLY_SKIP_NEXT
  } else reply.error(SYNTAX_ERROR)
}

function switchFlag(flag: number): (client: ClientSession) => void {
  return (client) => {
    if (argIs(client.args, 2, 'ON')) client.flags |= flag
    else if (argIs(client.args, 2, 'OFF')) client.flags &= ~flag
    else {
      client.reply.error(SYNTAX_ERROR)
      return
    }
    client.reply.ok()
  }
}

function unblock(client: ClientSession): void {
  const { args, reply, server } = client
  if (args.count > 4) {
    reply.error(subcommandSyntaxError(args, 'client'))
    return
  }
  const byError = args.count === 4 && argIs(args, 3, 'ERROR')
  if (args.count === 4 && !byError && !argIs(args, 3, 'TIMEOUT')) {
    reply.error('ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR')
    return
  }
  const id = argInteger(args, 2)
  if (Number.isNaN(id)) {
    reply.error('ERR value is not an integer or out of range')
    return
  }
  const target = server.sessions.get(id)
  const blocked = target?.blocked
  if (target === undefined || blocked === undefined || !blocked.mayBeEnded) {
    reply.integer(0)
    return
  }
  target.unblock(byError ? () => target.reply.error(UNBLOCKED_ERROR) : blocked.timedOut)
  reply.integer(1)
}

const GROUP = 'connection'
const OWN: number = NOSCRIPT | LOADING | STALE
const OPERATOR: number = ADMIN | OWN

export const clientCommands: CommandTable<ClientSession> = {
  CLIENT: container('CLIENT', '2.4.0', GROUP, 'Tells about connections and changes them.', {
    CACHING: row(
      3,
      OWN,
      '6.0.0',
      GROUP,
      'Tracks the keys of the next command, or does not (OPTIN, OPTOUT).',
      clientCaching,
      {
        usage: '(YES|NO)',
      },
    ),
    GETNAME: row(2, OWN, '2.6.9', GROUP, 'Name of this connection.', getName),
    GETREDIR: row(2, OWN, '6.0.0', GROUP, 'Connection that gets the invalidations of this one.', (client) => {
      client.reply.integer(client.tracking === undefined ? -1 : client.tracking.redirect)
    }),
    ID: row(2, OWN, '5.0.0', GROUP, 'Id of this connection.', (client) => client.reply.integer(client.id)),
    INFO: row(
      2,
      OWN,
      '6.2.0',
      GROUP,
      'Line of CLIENT LIST for this connection.',
      (client) => client.reply.verbatim('txt', `${describeClient(client)}\n`),
      { tips: ['nondeterministic_output'] },
    ),
    KILL: row(-3, OPERATOR, '2.4.0', GROUP, 'Closes connections, by address or by filters.', kill, {
      usage: '<ip:port> | <option> <value> [<option> <value> ...]',
    }),
    LIST: row(-2, OPERATOR, '2.4.0', GROUP, 'One line for each connection.', list, {
      usage: '[TYPE (NORMAL|MASTER|REPLICA|PUBSUB) | ID <id> ...]',
      tips: ['nondeterministic_output'],
    }),
    'NO-EVICT': row(
      3,
      OPERATOR,
      '7.0.0',
      GROUP,
      'Exempts this connection from client eviction.',
      switchFlag(CLIENT_NO_EVICT),
      {
        usage: '(ON|OFF)',
      },
    ),
    'NO-TOUCH': row(
      3,
      OWN,
      '7.2.0',
      GROUP,
      'Commands of this connection do not count as access to keys.',
      switchFlag(CLIENT_NO_TOUCH),
      {
        usage: '(ON|OFF)',
      },
    ),
    PAUSE: row(-3, OPERATOR, '3.0.0', GROUP, 'Holds back commands of all clients for some milliseconds.', pause, {
      usage: '<timeout> [WRITE|ALL]',
    }),
    REPLY: row(3, OWN, '3.2.0', GROUP, 'Whether this connection gets replies.', replyMode, { usage: '(ON|OFF|SKIP)' }),
    SETINFO: row(4, OWN, '7.2.0', GROUP, 'Name and version of the client library.', setInfo, {
      usage: '(LIB-NAME|LIB-VER) <value>',
    }),
    SETNAME: row(3, OWN, '2.6.9', GROUP, 'Names this connection.', setName, { usage: '<name>' }),
    TRACKING: row(-3, OWN, '6.0.0', GROUP, 'Tells this connection when keys it read change.', clientTracking, {
      usage: '(ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> ...] [OPTIN] [OPTOUT] [NOLOOP]',
    }),
    TRACKINGINFO: row(2, OWN, '6.2.0', GROUP, 'State of tracking on this connection.', clientTrackingInfo),
    UNBLOCK: row(-3, OPERATOR, '5.0.0', GROUP, 'Ends the blocking command of another connection.', unblock, {
      usage: '<clientid> [TIMEOUT|ERROR]',
    }),
    UNPAUSE: row(2, OPERATOR, '6.2.0', GROUP, 'Ends CLIENT PAUSE.', unpause),
  }),
}
