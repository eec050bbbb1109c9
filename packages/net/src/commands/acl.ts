/**
 * ACL: there is one user, `default`, who may do everything and whose password is requirepass. Tools ask for it; changing
 * users is refused in words.
 *
 * Source of the shapes: redis 7.0 acl.c aclCommand().
 */
import { createHash, randomBytes } from 'node:crypto'
import {
  ACL_CATEGORIES,
  ADMIN,
  argInteger,
  argIs,
  argText,
  arityFits,
  categoriesOf,
  LOADING,
  NOT_AN_INTEGER,
  NOSCRIPT,
  STALE,
  wrongNumberOfArguments,
} from '@understudy/core/internal'
import type { CommandEntry, CommandTable } from '@understudy/core/internal'
import { secretFrom } from '../clients/secret-arguments.ts'
import type { ClientSession } from '../clients/session.ts'
import { container, row } from './rows.ts'

const GENPASS_BITS_MAX = 4096

/** Passwords as ACL LIST shows them. */
function passwordDigest(client: ClientSession): string | undefined {
  const { requirepass } = client.server.settings
  return requirepass === '' ? undefined : createHash('sha256').update(requirepass, 'latin1').digest('hex')
}

function list(client: ClientSession): void {
  const digest = passwordDigest(client)
  client.reply.array(1)
  client.reply.bulkString(`user default on ${digest === undefined ? 'nopass' : `#${digest}`} ~* &* +@all`)
}

function users(client: ClientSession): void {
  client.reply.array(1)
  client.reply.bulkString('default')
}

function getUser(client: ClientSession): void {
  const { args, reply } = client
  if (argText(args, 2) !== 'default') {
    reply.nullBulk()
    return
  }
  const digest = passwordDigest(client)
  reply.map(6)
  reply.bulkString('flags')
  const flags = digest === undefined ? ['on', 'nopass'] : ['on']
  reply.set(flags.length)
  for (const flag of flags) reply.bulkString(flag)
  reply.bulkString('passwords')
  reply.array(digest === undefined ? 0 : 1)
  if (digest !== undefined) reply.bulkString(digest)
  for (const [name, value] of [
    ['commands', '+@all'],
    ['keys', '~*'],
    ['channels', '&*'],
  ] as const) {
    reply.bulkString(name)
    reply.bulkString(value)
  }
  reply.bulkString('selectors')
  reply.array(0)
}

function cat(client: ClientSession): void {
  const { args, reply, server } = client
  if (args.count > 3) {
    reply.error(wrongNumberOfArguments('acl|cat'))
    return
  }
  if (args.count === 2) {
    reply.array(ACL_CATEGORIES.length)
    for (const category of ACL_CATEGORIES) reply.bulkString(category)
    return
  }
  const category = argText(args, 2).toLowerCase()
  if (!ACL_CATEGORIES.includes(category)) {
    reply.error(`ERR Unknown category '${argText(args, 2)}'`)
    return
  }
  const names: string[] = []
  const visit = (entry: CommandEntry<ClientSession>): void => {
    if (categoriesOf(entry).includes(category)) names.push(entry.name)
    for (const subcommand of entry.subcommands?.entries ?? []) visit(subcommand)
  }
  for (const entry of server.registry.entries) visit(entry)
  reply.array(names.length)
  for (const name of names) reply.bulkString(name)
}

function dryRun(client: ClientSession): void {
  const { args, reply, server } = client
  const user = argText(args, 2)
  if (user !== 'default') {
    reply.error(`ERR User '${user}' not found`)
    return
  }
  const request = { bytes: args.bytes, count: args.count - 3, start: args.start.subarray(3), end: args.end.subarray(3) }
  const entry = server.registry.resolve(request)
  if (entry === undefined) reply.error(`ERR Command '${argText(args, 3)}' not found`)
  else if (!arityFits(entry.arity, request.count)) reply.error(wrongNumberOfArguments(entry.name))
  else reply.ok()
}

function genPass(client: ClientSession): void {
  const { args, reply } = client
  const bits = args.count > 2 ? argInteger(args, 2) : 256
  if (Number.isNaN(bits)) {
    reply.error(NOT_AN_INTEGER)
    return
  }
  if (!(bits > 0 && bits <= GENPASS_BITS_MAX)) {
    reply.error(
      'ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to ' +
        `${GENPASS_BITS_MAX}`,
    )
    return
  }
  const digits = Math.ceil(bits / 4)
  reply.bulkString(
    randomBytes(Math.ceil(digits / 2))
      .toString('hex')
      .slice(0, digits),
  )
}

function log(client: ClientSession): void {
  const { args, reply } = client
  if (args.count > 2 && argIs(args, 2, 'RESET')) reply.ok()
  else if (args.count > 2 && Number.isNaN(argInteger(args, 2))) reply.error(NOT_AN_INTEGER)
  else reply.array(0)
}

function refuseUsers(client: ClientSession): void {
  client.reply.error("ERR This server has one user only, 'default'; its password is the directive requirepass")
}

function noAclFile(client: ClientSession): void {
  client.reply.error(
    'ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER ' +
      'command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store ' +
      'users in the Redis configuration.',
  )
}

const GROUP = 'server'
const ANYBODY: number = NOSCRIPT | LOADING | STALE
const OPERATOR: number = ADMIN | ANYBODY

export const aclCommands: CommandTable<ClientSession> = {
  ACL: container('ACL', '6.0.0', GROUP, 'Users and what they may do.', {
    CAT: row(-2, ANYBODY, '6.0.0', GROUP, 'Categories, or the commands of one.', cat, { usage: '[<category>]' }),
    DELUSER: row(-3, OPERATOR, '6.0.0', GROUP, 'Refused: there is one user only.', refuseUsers, {
      usage: '<username> ...',
    }),
    DRYRUN: row(-4, OPERATOR, '7.0.0', GROUP, 'Might a user run this command?', dryRun, {
      usage: '<username> <command> [<arg> ...]',
    }),
    GENPASS: row(-2, ANYBODY, '6.0.0', GROUP, 'A random password.', genPass, { usage: '[<bits>]' }),
    GETUSER: row(3, OPERATOR, '6.0.0', GROUP, 'Rights of a user.', getUser, { usage: '<username>' }),
    LIST: row(2, OPERATOR, '6.0.0', GROUP, 'Users as in an ACL file.', list),
    LOAD: row(2, OPERATOR, '6.0.0', GROUP, 'Refused: there is no ACL file.', noAclFile),
    LOG: row(-2, OPERATOR, '6.0.0', GROUP, 'Refused accesses: none.', log, { usage: '[<count>|RESET]' }),
    SAVE: row(2, OPERATOR, '6.0.0', GROUP, 'Refused: there is no ACL file.', noAclFile),
    SETUSER: row(-3, OPERATOR, '6.0.0', GROUP, 'Refused: there is one user only.', refuseUsers, {
      usage: '<username> <attribute> ...',
      secrets: secretFrom(2),
    }),
    USERS: row(2, OPERATOR, '6.0.0', GROUP, 'Names of the users.', users),
    WHOAMI: row(2, ANYBODY, '6.0.0', GROUP, 'Name of the user of this connection.', (client) =>
      client.reply.bulkLatin1(client.user),
    ),
  }),
}
