/**
 * Commands about the connection itself: PING, ECHO, HELLO, AUTH, SELECT, QUIT, RESET, READONLY …
 *
 * Source: redis 7.0 networking.c helloCommand(), acl.c authCommand(), server.c pingCommand(), resetCommand().
 */
import { timingSafeEqual, createHash } from 'node:crypto'
import {
  ALLOW_BUSY,
  argInteger,
  argIs,
  argText,
  CLUSTER_DISABLED_ERROR,
  FAST,
  HELLO_NOAUTH_ERROR,
  INVALID_CLIENT_NAME_ERROR,
  LOADING,
  NO_AUTH,
  NO_PASSWORD_ERROR,
  NOPROTO_ERROR,
  NOSCRIPT,
  STALE,
  WRONGPASS_ERROR,
  wrongNumberOfArguments,
} from '@understudy/core/internal'
import type { CommandTable } from '@understudy/core/internal'
import {
  CLIENT_CLOSE_AFTER_REPLY,
  CLIENT_MONITOR,
  CLIENT_NO_EVICT,
  CLIENT_NO_TOUCH,
  CLIENT_PUBSUB,
  CLIENT_READONLY,
  CLIENT_REPLICA,
  CLIENT_REPLY_OFF,
  CLIENT_REPLY_SKIP,
  CLIENT_REPLY_SKIP_NEXT,
  CLIENT_UNAUTHENTICATED,
} from '../clients/connection-flags.ts'
import { secretFrom, secretsOfHello } from '../clients/secret-arguments.ts'
import type { ClientSession } from '../clients/session.ts'
import { row } from './rows.ts'

const ALWAYS: number = NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY

/** No spaces, newlines or other non-printable bytes. */
export function validClientName(name: string): boolean {
  return /^[!-~]*$/.test(name)
}

function ping(client: ClientSession): void {
  const { args, reply } = client
  if (args.count > 2) {
    reply.error(wrongNumberOfArguments('ping'))
    return
  }
  if (client.resp === 2 && (client.flags & CLIENT_PUBSUB) !== 0) {
    reply.array(2)
    reply.bulkString('pong')
    if (args.count === 2) reply.bulk(args.bytes, args.start[1]!, args.end[1]!)
    else reply.bulkString('')
  } else if (args.count === 1) reply.simple('PONG')
  else reply.bulk(args.bytes, args.start[1]!, args.end[1]!)
}

function echo(client: ClientSession): void {
  const { args, reply } = client
  reply.bulk(args.bytes, args.start[1]!, args.end[1]!)
}

/** Compares in a time that tells nothing about the password, not even its length. */
function samePassword(given: string, wanted: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text, 'latin1').digest()
  return timingSafeEqual(digest(given), digest(wanted))
}

/** @returns true when the connection is authenticated now; otherwise the error was written. */
function authenticate(client: ClientSession, user: string, password: string): boolean {
  const { requirepass } = client.server.settings
  const known = user === 'default'
  const matches = samePassword(password, requirepass)
  if (known && (requirepass === '' || matches)) {
    client.authenticated()
    client.user = user
    return true
  }
  client.reply.error(WRONGPASS_ERROR)
  return false
}

function auth(client: ClientSession): void {
  const { args, reply } = client
  if (args.count > 3) {
    reply.error('ERR syntax error')
    return
  }
  if (args.count === 2) {
    if (client.server.settings.requirepass === '') {
      reply.error(NO_PASSWORD_ERROR)
      return
    }
    if (authenticate(client, 'default', argText(args, 1))) reply.ok()
  } else if (authenticate(client, argText(args, 1), argText(args, 2))) reply.ok()
}

function hello(client: ClientSession): void {
  const { args, reply, server } = client
  let version = 0
  let at = 1
  if (args.count > 1) {
    version = argInteger(args, 1)
    if (Number.isNaN(version)) {
      reply.error('ERR Protocol version is not an integer or out of range')
      return
    }
    if (version < 2 || version > 3) {
      reply.error(NOPROTO_ERROR)
      return
    }
    at = 2
  }
  let credentials: [user: string, password: string] | undefined
  let name: string | undefined
  while (at < args.count) {
    const more = args.count - 1 - at
    if (argIs(args, at, 'AUTH') && more >= 2) {
      credentials = [argText(args, at + 1), argText(args, at + 2)]
      at += 3
    } else if (argIs(args, at, 'SETNAME') && more >= 1) {
      name = argText(args, at + 1)
      if (!validClientName(name)) {
        reply.error(INVALID_CLIENT_NAME_ERROR)
        return
      }
      at += 2
    } else {
      reply.error(`ERR Syntax error in HELLO option '${argText(args, at)}'`)
      return
    }
  }
  if (credentials !== undefined && !authenticate(client, credentials[0], credentials[1])) return
  if ((client.flags & CLIENT_UNAUTHENTICATED) !== 0) {
    reply.error(HELLO_NOAUTH_ERROR)
    return
  }
  if (name !== undefined) client.name = name
  if (version !== 0) setProtocol(client, version === 3 ? 3 : 2)
  reply.map(7)
  reply.bulkString('server')
  reply.bulkString('redis')
  reply.bulkString('version')
  reply.bulkString(server.settings.redisVersion)
  reply.bulkString('proto')
  reply.integer(client.resp)
  reply.bulkString('id')
  reply.integer(client.id)
  reply.bulkString('mode')
  reply.bulkString('standalone')
  reply.bulkString('role')
  reply.bulkString(server.node.replica ? 'replica' : 'master')
  reply.bulkString('modules')
  reply.array(0)
}

function setProtocol(client: ClientSession, version: 2 | 3): void {
  client.resp = version
  client.reply.resp = version
}

function select(client: ClientSession): void {
  const { args, reply, server } = client
  const db = argInteger(args, 1)
  if (Number.isNaN(db) || Math.abs(db) > 0x7fffffff) reply.error('ERR value is not an integer or out of range')
  else if (db < 0 || db >= server.settings.databases) reply.error('ERR DB index is out of range')
  else {
    client.db = db
    reply.ok()
  }
}

function quit(client: ClientSession): void {
  client.reply.ok()
  client.flags |= CLIENT_CLOSE_AFTER_REPLY
}

/** Back to the state after connecting, but for the connection's identity. */
function reset(client: ClientSession): void {
  const { server } = client
  if ((client.flags & CLIENT_REPLICA) !== 0) return client.reply.error('ERR can only reset normal connections')
  client.discardTransaction()
  server.pubsub.unsubscribeAll(client)
  server.tracking.disable(client)
  server.stopMonitor(client)
  client.flags &= ~(
    CLIENT_PUBSUB |
    CLIENT_MONITOR |
    CLIENT_READONLY |
    CLIENT_REPLY_OFF |
    CLIENT_REPLY_SKIP_NEXT |
    CLIENT_NO_EVICT |
    CLIENT_NO_TOUCH
  )
  client.reply.discardReplies = (client.flags & CLIENT_REPLY_SKIP) !== 0
  client.db = 0
  client.name = ''
  client.user = 'default'
  if (server.settings.requirepass !== '') client.flags |= CLIENT_UNAUTHENTICATED
  setProtocol(client, 2)
  client.reply.simple('RESET')
}

/** Cluster clients that read from replicas send READONLY and give up on an error: outside a cluster it is harmless. */
function readonly(client: ClientSession): void {
  client.flags |= CLIENT_READONLY
  client.reply.ok()
}

function readwrite(client: ClientSession): void {
  client.flags &= ~CLIENT_READONLY
  client.reply.ok()
}

function asking(client: ClientSession): void {
  client.reply.error(CLUSTER_DISABLED_ERROR)
}

const GROUP = 'connection'

export const connectionCommands: CommandTable<ClientSession> = {
  PING: row(-1, FAST, '1.0.0', GROUP, 'Answers PONG, or the given message.', ping, {
    tips: ['request_policy:all_shards', 'response_policy:all_succeeded'],
    complexity: 'O(1)',
  }),
  ECHO: row(2, LOADING | STALE | FAST, '1.0.0', GROUP, 'Answers the given message.', echo, { complexity: 'O(1)' }),
  HELLO: row(-1, ALWAYS, '6.0.0', GROUP, 'Chooses the protocol version, authenticates, names the connection.', hello, {
    complexity: 'O(1)',
    secrets: secretsOfHello,
  }),
  AUTH: row(-2, ALWAYS, '1.0.0', GROUP, 'Authenticates the connection.', auth, {
    complexity: 'O(N) of the password',
    secrets: secretFrom(1),
  }),
  SELECT: row(2, LOADING | STALE | FAST, '1.0.0', GROUP, 'Chooses the database.', select, { complexity: 'O(1)' }),
  QUIT: row(-1, ALWAYS, '1.0.0', GROUP, 'Closes the connection.', quit, { complexity: 'O(1)' }),
  RESET: row(1, ALWAYS, '6.2.0', GROUP, 'Puts the connection back into its first state.', reset, {
    complexity: 'O(1)',
  }),
  READONLY: row(
    1,
    LOADING | STALE | FAST,
    '3.0.0',
    GROUP,
    'Allows reads from a replica; no effect outside a cluster.',
    readonly,
    {
      complexity: 'O(1)',
    },
  ),
  READWRITE: row(1, LOADING | STALE | FAST, '3.0.0', GROUP, 'Ends READONLY.', readwrite, { complexity: 'O(1)' }),
  ASKING: row(1, FAST, '3.0.0', GROUP, 'For clusters only.', asking, { complexity: 'O(1)' }),
}
