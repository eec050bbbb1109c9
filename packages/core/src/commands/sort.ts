/**
 * SORT and SORT_RO of keys that do not exist, which is all that can be answered while lists, sets and sorted sets are
 * held as opaque bytes. Options are checked as Redis does; sorting a value that exists is refused by name.
 *
 * Source: redis 7.0 sort.c sortCommandGeneric(), db.c sortGetKeys().
 */
import { rdbTypeFacts } from '../object-codec/rdb-types.ts'
import { SYNTAX_ERROR, WRONG_TYPE } from '../resp/error-replies.ts'
import { argIs } from './arguments.ts'
import type { CommandArgs, CommandContext, CommandTable } from './command.ts'
import { DENYOOM, MOVABLE_KEYS, READONLY, WRITE } from './flags.ts'
import { deleteFound, findForRead, findForWrite, integerArgument } from './access.ts'

/** Index of the STORE argument, 0 for none, -1 after an error reply. */
function sortOptions(context: CommandContext, readonly: boolean): number {
  const { args, reply } = context
  let store = 0
  for (let i = 2; i < args.count; i++) {
    const left = args.count - i - 1
    if (argIs(args, i, 'ASC') || argIs(args, i, 'DESC') || argIs(args, i, 'ALPHA')) continue
    if (argIs(args, i, 'LIMIT') && left >= 2) {
      if (Number.isNaN(integerArgument(context, i + 1)) || Number.isNaN(integerArgument(context, i + 2))) return -1
      i += 2
    } else if (argIs(args, i, 'STORE') && left >= 1 && !readonly) store = ++i
    else if ((argIs(args, i, 'BY') || argIs(args, i, 'GET')) && left >= 1) i++
    else {
      reply.error(SYNTAX_ERROR)
      return -1
    }
  }
  return store
}

function runSort(context: CommandContext, readonly: boolean): void {
  const { keyspace, reply } = context
  const store = sortOptions(context, readonly)
  if (store < 0) return
  if (findForRead(context, 1)) {
    const typeName = rdbTypeFacts(keyspace.entry.rdbType)?.typeName
    const sortable = typeName === 'list' || typeName === 'set' || typeName === 'zset'
    reply.error(sortable ? `ERR SORT of a ${typeName} is not supported by this version` : WRONG_TYPE)
  } else if (store === 0) reply.array(0)
  else {
    if (findForWrite(context, store)) deleteFound(context, store)
    reply.integer(0)
  }
}

/** The key sorted, and the one behind the last STORE. */
function findSortKeys(args: CommandArgs, into: number[]): void {
  into.push(1)
  let store = 0
  for (let i = 2; i < args.count; i++) {
    if (argIs(args, i, 'LIMIT')) i += 2
    else if (argIs(args, i, 'GET') || argIs(args, i, 'BY')) i++
    else if (argIs(args, i, 'STORE') && i + 1 < args.count) store = i + 1
  }
  if (store !== 0) into.push(store)
}

/** SORT, SORT_RO. */
export const sortCommands: CommandTable = {
  SORT: {
    arity: -2,
    flags: WRITE | DENYOOM | MOVABLE_KEYS,
    keys: [1, 1, 1],
    since: '1.0.0',
    group: 'generic',
    summary: 'Sort the elements in a list, set or sorted set',
    categories: ['set', 'sortedset', 'list', 'dangerous'],
    groupCategory: false,
    findKeys: findSortKeys,
    run: (context) => runSort(context, false),
  },
  SORT_RO: {
    arity: -2,
    flags: READONLY | MOVABLE_KEYS,
    keys: [1, 1, 1],
    since: '7.0.0',
    group: 'generic',
    summary: 'Sort the elements in a list, set or sorted set. Read-only variant of SORT.',
    categories: ['set', 'sortedset', 'list', 'dangerous'],
    groupCategory: false,
    findKeys: (_args, into) => into.push(1),
    run: (context) => runSort(context, true),
  },
}
