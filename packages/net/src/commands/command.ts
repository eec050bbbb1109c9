/**
 * COMMAND: the tables, told to clients.
 *
 * Source: redis 7.0 server.c commandCommand(), commandDocsCommand(), getKeysSubcommandImpl().
 */
import {
  ACL_CATEGORIES,
  argBytes,
  argIs,
  argText,
  arityFits,
  categoriesOf,
  findKeys,
  globMatches,
  keyFlagsAt,
  LOADING,
  NO_MANDATORY_KEYS,
  STALE,
  SYNTAX_ERROR,
  takesKeys,
  writeCommandDocs,
  writeCommandInfo,
} from '@understudy/core/internal'
import type { CommandArgs, CommandEntry, CommandTable } from '@understudy/core/internal'
import type { ClientSession } from '../clients/session.ts'
import { container, row } from './rows.ts'

type Entry = CommandEntry<ClientSession>

function writeAllInfo(client: ClientSession): void {
  const { entries } = client.server.registry
  client.reply.array(entries.length)
  for (const entry of entries) writeCommandInfo(client.reply, entry)
}

function info(client: ClientSession): void {
  const { args, reply, server } = client
  if (args.count === 2) {
    writeAllInfo(client)
    return
  }
  reply.array(args.count - 2)
  for (let i = 2; i < args.count; i++) {
    const entry = server.registry.findFullName(argText(args, i))
    if (entry === undefined) reply.nullBulk()
    else writeCommandInfo(reply, entry)
  }
}

function docs(client: ClientSession): void {
  const { args, reply, server } = client
  const wanted: Entry[] = []
  if (args.count === 2) wanted.push(...server.registry.entries)
  for (let i = 2; i < args.count; i++) {
    const entry = server.registry.findFullName(argText(args, i))
    if (entry !== undefined) wanted.push(entry)
  }
  reply.map(wanted.length)
  for (const entry of wanted) writeCommandDocs(reply, entry)
}

/** COMMAND LIST [FILTERBY (MODULE name | ACLCAT category | PATTERN pattern)]. */
function list(client: ClientSession): void {
  const { args, reply, server } = client
  let keep: (entry: Entry) => boolean = () => true
  if (args.count === 5 && argIs(args, 2, 'FILTERBY')) {
    if (argIs(args, 3, 'MODULE')) keep = () => false
    else if (argIs(args, 3, 'ACLCAT')) {
      const category = argText(args, 4).toLowerCase()
      keep = ACL_CATEGORIES.includes(category) ? (entry) => categoriesOf(entry).includes(category) : () => false
    } else if (argIs(args, 3, 'PATTERN')) {
      const pattern = argBytes(args, 4)
      keep = ({ name }) => {
        const bytes = Buffer.from(name)
        return globMatches(pattern, 0, pattern.length, bytes, 0, bytes.length, true)
      }
    } else {
      reply.error(SYNTAX_ERROR)
      return
    }
  } else if (args.count !== 2) {
    reply.error(SYNTAX_ERROR)
    return
  }
  const names: string[] = []
  const visit = (entry: Entry): void => {
    if (keep(entry)) names.push(entry.name)
    for (const subcommand of entry.subcommands?.entries ?? []) visit(subcommand)
  }
  for (const entry of server.registry.entries) visit(entry)
  // Not a set in RESP3 either, though their order means nothing.
  reply.array(names.length)
  for (const name of names) reply.bulkString(name)
}

/** The arguments behind COMMAND GETKEYS, as a request of their own. */
function innerRequest(args: CommandArgs): CommandArgs {
  return { bytes: args.bytes, count: args.count - 2, start: args.start.subarray(2), end: args.end.subarray(2) }
}

function getKeys(withFlags: boolean): (client: ClientSession) => void {
  return (client) => {
    const { reply, server } = client
    const request = innerRequest(client.args)
    const entry = server.registry.resolve(request)
    if (entry === undefined) {
      reply.error('ERR Invalid command specified')
      return
    }
    if (!takesKeys(entry)) {
      reply.error('ERR The command has no key arguments')
      return
    }
    if (!arityFits(entry.arity, request.count)) {
      reply.error('ERR Invalid number of arguments specified for command')
      return
    }
    const indexes: number[] = []
    const found = findKeys(entry, request, indexes)
    if (!found || (indexes.length === 0 && (entry.flags & NO_MANDATORY_KEYS) === 0)) {
      reply.error('ERR Invalid arguments specified for command')
      return
    }
    reply.array(indexes.length)
    for (const index of indexes) {
      if (withFlags) reply.array(2)
      reply.bulk(request.bytes, request.start[index]!, request.end[index]!)
      if (withFlags) {
        const flags = keyFlagsAt(entry, request, index)
        reply.set(flags.length)
        for (const flag of flags) reply.simple(flag)
      }
    }
  }
}

const GROUP = 'server'
const FLAGS: number = LOADING | STALE
const MORE = { categories: ['connection'] }
const UNORDERED = { categories: ['connection'], tips: ['nondeterministic_output_order'] }

const subcommands = container('COMMAND', '2.8.13', GROUP, 'Tells about all commands.', {
  COUNT: row(
    2,
    FLAGS,
    '2.8.13',
    GROUP,
    'How many commands there are.',
    (client) => client.reply.integer(client.server.registry.entries.length),
    MORE,
  ),
  DOCS: row(-2, FLAGS, '7.0.0', GROUP, 'Documentation of commands.', docs, {
    ...UNORDERED,
    usage: '[<command-name> ...]',
  }),
  GETKEYS: row(-4, FLAGS, '2.8.13', GROUP, 'The keys of a full command.', getKeys(false), {
    ...MORE,
    usage: '<full-command>',
  }),
  GETKEYSANDFLAGS: row(-4, FLAGS, '7.0.0', GROUP, 'The keys of a full command and how they are used.', getKeys(true), {
    ...MORE,
    usage: '<full-command>',
  }),
  INFO: row(-2, FLAGS, '2.8.13', GROUP, 'Arity, flags and keys of commands.', info, {
    ...UNORDERED,
    usage: '[<command-name> ...]',
  }),
  LIST: row(-2, FLAGS, '7.0.0', GROUP, 'Names of commands.', list, {
    ...UNORDERED,
    usage: '[FILTERBY (MODULE <module-name>|ACLCAT <category>|PATTERN <pattern>)]',
  }),
})

export const commandCommands: CommandTable<ClientSession> = {
  COMMAND: { ...subcommands, arity: -1, flags: FLAGS, run: writeAllInfo, ...UNORDERED },
}
