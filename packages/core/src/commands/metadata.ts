/**
 * What COMMAND and ACL tell about a command beside its row: ACL categories and key specifications derived from flags
 * and group, and the keys of a concrete request.
 *
 * Source: redis 7.0 server.c setImplicitACLCategories(), populateCommandLegacyRangeSpec(), db.c getKeysFromCommand().
 */
import type { CommandArgs, CommandContext } from './command.ts'
import type { CommandEntry } from './table.ts'
import { ADMIN, BLOCKING, FAST, FLAG_NAMES, PUBSUB, READONLY, WRITE } from './flags.ts'
import { coversKey, type KeySpec, parseKeySpec, writeKeySpec } from './key-spec.ts'
import type { ReplyEncoder } from '../resp/encoder.ts'
import { syntaxOf } from './syntax.ts'
import { writeArguments } from './syntax-notation.ts'

/** In the order in which Redis lists them. */
export const ACL_CATEGORIES: readonly string[] = [
  'keyspace',
  'read',
  'write',
  'set',
  'sortedset',
  'list',
  'hash',
  'string',
  'bitmap',
  'hyperloglog',
  'geo',
  'stream',
  'pubsub',
  'admin',
  'fast',
  'slow',
  'blocking',
  'dangerous',
  'connection',
  'transaction',
  'scripting',
]

const CATEGORY_OF_GROUP: Readonly<Record<string, string>> = {
  generic: 'keyspace',
  set: 'set',
  'sorted-set': 'sortedset',
  sorted_set: 'sortedset',
  list: 'list',
  hash: 'hash',
  string: 'string',
  bitmap: 'bitmap',
  hyperloglog: 'hyperloglog',
  geo: 'geo',
  stream: 'stream',
  connection: 'connection',
  transactions: 'transaction',
  scripting: 'scripting',
}

/** Categories of an entry in `ACL_CATEGORIES` order, without '@'. */
export function categoriesOf<Context extends CommandContext>(entry: CommandEntry<Context>): string[] {
  const { flags, row } = entry
  const found = new Set<string>(row.categories)
  if ((flags & WRITE) !== 0) found.add('write')
  if ((flags & READONLY) !== 0 && row.group !== 'scripting') found.add('read')
  if ((flags & ADMIN) !== 0) found.add('admin').add('dangerous')
  if ((flags & PUBSUB) !== 0) found.add('pubsub')
  if ((flags & BLOCKING) !== 0) found.add('blocking')
  found.add((flags & FAST) === 0 ? 'slow' : 'fast')
  // A container has the categories of its flags alone; its subcommands carry the group's.
  // WAIT is documented as generic and belongs to the connection.
  const elsewhere = row.groupCategory === false || found.has('connection')
  const category = elsewhere ? undefined : CATEGORY_OF_GROUP[row.group]
  if (category !== undefined && !(entry.subcommands !== undefined && row.arity === -2)) found.add(category)
  return ACL_CATEGORIES.filter((name) => found.has(name))
}

/**
 * Indexes of the key arguments, in `into`.
 * @returns false when the request does not have the keys its command declares.
 */
export function findKeys<Context extends CommandContext>(
  entry: CommandEntry<Context>,
  args: CommandArgs,
  into: number[],
): boolean {
  if (entry.row.findKeys !== undefined) {
    entry.row.findKeys(args, into)
    return true
  }
  const [first, lastDeclared, step] = entry.row.keys
  if (first === 0) return true
  const last = lastDeclared < 0 ? args.count + lastDeclared : lastDeclared
  if (last >= args.count || last < first) return false
  for (let index = first; index <= last; index += step) into.push(index)
  return true
}

/** Does the command work on keys at all? */
export function takesKeys<Context extends CommandContext>(entry: CommandEntry<Context>): boolean {
  // What shard channels have in the place of keys only serves to find their slot.
  return (entry.row.keys[0] !== 0 || entry.row.findKeys !== undefined) && (entry.flags & PUBSUB) === 0
}

/** What a request does to the key that is its argument `index`, for COMMAND GETKEYSANDFLAGS. */
export function keyFlagsAt<Context extends CommandContext>(
  entry: CommandEntry<Context>,
  args: CommandArgs,
  index: number,
): readonly string[] {
  const { row } = entry
  if (row.keyFlagsOfRequest !== undefined) return row.keyFlagsOfRequest(args)
  const specs = row.keySpecs?.map(parseKeySpec) ?? []
  // A key that no specification leads to is the target of SORT, whose specification is the last.
  const spec = specs.find((candidate) => coversKey(candidate, args, index)) ?? specs.at(-1)
  return spec?.flags ?? keyFlagsOf(entry)
}

/** What a command does to its keys, when it is the same for all. */
function keyFlagsOf<Context extends CommandContext>(entry: CommandEntry<Context>): readonly string[] {
  if (entry.row.keyFlags !== undefined) return entry.row.keyFlags
  if ((entry.flags & PUBSUB) !== 0) return ['not_key']
  if ((entry.flags & READONLY) !== 0) return ['RO', 'access']
  if ((entry.flags & WRITE) !== 0) return ['RW', 'access', 'update']
  return ['RO']
}

/** Writes one element of COMMAND INFO: ten fields as in redis 7.0 addReplyCommandInfo(). */
export function writeCommandInfo<Context extends CommandContext>(
  reply: ReplyEncoder,
  entry: CommandEntry<Context>,
): void {
  const [first, last, step] = entry.row.keys
  reply.array(10)
  reply.bulkString(entry.name)
  reply.integer(entry.arity)
  const flags = FLAG_NAMES.filter(([flag]) => (entry.flags & flag) !== 0)
  reply.set(flags.length)
  for (const [, name] of flags) reply.simple(name)
  reply.integer(first)
  reply.integer(last)
  reply.integer(step)
  const categories = categoriesOf(entry)
  reply.set(categories.length)
  for (const category of categories) reply.simple(`@${category}`)
  const tips = entry.row.tips ?? []
  reply.set(tips.length)
  for (const tip of tips) reply.bulkString(tip)
  const specs = keySpecsOf(entry)
  reply.set(specs.length)
  for (const spec of specs) writeKeySpec(reply, spec)
  const subcommands = entry.subcommands?.entries ?? []
  reply.set(subcommands.length)
  for (const subcommand of subcommands) writeCommandInfo(reply, subcommand)
}

/** Where the keys of a command stand: as its row says, or else in the one range of its key positions. */
function keySpecsOf<Context extends CommandContext>(entry: CommandEntry<Context>): readonly KeySpec[] {
  const { keys, keyKeyword, keySpecs } = entry.row
  if (keySpecs !== undefined) return keySpecs.map(parseKeySpec)
  const [first, last, step] = keys
  const flags = keyFlagsOf(entry)
  if (keyKeyword !== undefined) return [{ flags, begin: keyKeyword, keys: { last: -1, step: 1, limit: 2 } }]
  if (first === 0) return []
  return [{ flags, begin: first, keys: { last: last < 0 ? last : last - first, step, limit: 0 } }]
}

/** Writes name and documentation of an entry: COMMAND DOCS. */
export function writeCommandDocs<Context extends CommandContext>(
  reply: ReplyEncoder,
  entry: CommandEntry<Context>,
): void {
  const { row } = entry
  const subcommands = entry.subcommands?.entries ?? []
  reply.bulkString(entry.name)
  const syntax = syntaxOf(entry.name)
  const more = [row.complexity, syntax, entry.subcommands].filter((part) => part !== undefined).length
  reply.map(3 + more)
  reply.bulkString('summary')
  reply.bulkString(row.summary)
  reply.bulkString('since')
  reply.bulkString(row.since)
  reply.bulkString('group')
  reply.bulkString(row.group)
  if (row.complexity !== undefined) {
    reply.bulkString('complexity')
    reply.bulkString(row.complexity)
  }
  if (syntax !== undefined) {
    reply.bulkString('arguments')
    writeArguments(reply, syntax)
  }
  if (entry.subcommands !== undefined) {
    reply.bulkString('subcommands')
    reply.map(subcommands.length)
    for (const subcommand of subcommands) writeCommandDocs(reply, subcommand)
  }
}
