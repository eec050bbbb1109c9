/**
 * Whole databases: DBSIZE, FLUSHDB, FLUSHALL, SWAPDB. Flushing unlinks at once and frees in slices whether ASYNC or SYNC
 * is said: nobody has to wait for it.
 *
 * Source: redis 7.0 db.c.
 */
import { SYNTAX_ERROR } from '../resp/error-replies.ts'
import { argIs } from './arguments.ts'
import type { CommandContext, CommandTable, ReadContext } from './command.ts'
import { FAST, READONLY, WRITE } from './flags.ts'
import { DB_OUT_OF_RANGE_ERROR } from './key.ts'
import { intArgument } from './wide-integer.ts'

/** Expired keys that wait for the primary's DEL are counted. */
function dbsize({ reply, keyspace, db }: ReadContext): void {
  reply.integer(keyspace.size(db))
}

function flushArgumentsFit({ args, reply }: ReadContext): boolean {
  if (args.count === 1 || (args.count === 2 && (argIs(args, 1, 'ASYNC') || argIs(args, 1, 'SYNC')))) return true
  reply.error(SYNTAX_ERROR)
  return false
}

function flushdb(context: CommandContext): void {
  if (!flushArgumentsFit(context)) return
  context.keyspace.flushDatabase(context.db)
  context.reply.ok()
}

function flushall(context: CommandContext, flushed: () => void): void {
  if (!flushArgumentsFit(context)) return
  context.keyspace.flushAll()
  flushed()
  context.reply.ok()
}

function swapdb(context: CommandContext): void {
  const { keyspace, reply } = context
  const first = intArgument(context, 1, 'ERR invalid first DB index')
  if (first === undefined) return
  const second = intArgument(context, 2, 'ERR invalid second DB index')
  if (second === undefined) return
  const count = keyspace.databaseCount
  if (first < 0 || first >= count || second < 0 || second >= count) {
    reply.error(DB_OUT_OF_RANGE_ERROR)
    return
  }
  if (first !== second) keyspace.swapDatabases(first, second)
  reply.ok()
}

const ALL_SUCCEEDED = ['request_policy:all_shards', 'response_policy:all_succeeded'] as const

/** Commands about whole databases. @param flushed called when FLUSHALL has removed everything, inside its unit */
export function databaseCommands(flushed: () => void = () => {}): CommandTable {
  return {
    DBSIZE: {
      arity: 1,
      flags: READONLY | FAST,
      keys: [0, 0, 0],
      since: '1.0.0',
      group: 'server',
      summary: 'Return the number of keys in the selected database',
      categories: ['keyspace'],
      tips: ['request_policy:all_shards', 'response_policy:agg_sum'],
      read: dbsize,
    },
    FLUSHDB: {
      arity: -1,
      flags: WRITE,
      keys: [0, 0, 0],
      since: '1.0.0',
      group: 'server',
      summary: 'Remove all keys from the current database',
      propagate: 'always',
      categories: ['keyspace', 'dangerous'],
      tips: ALL_SUCCEEDED,
      run: flushdb,
    },
    FLUSHALL: {
      arity: -1,
      flags: WRITE,
      keys: [0, 0, 0],
      since: '1.0.0',
      group: 'server',
      summary: 'Remove all keys from all databases',
      propagate: 'always',
      categories: ['keyspace', 'dangerous'],
      tips: ALL_SUCCEEDED,
      run: (context) => flushall(context, flushed),
    },
    SWAPDB: {
      arity: 3,
      flags: WRITE | FAST,
      keys: [0, 0, 0],
      since: '4.0.0',
      group: 'server',
      summary: 'Swap two Redis databases',
      categories: ['keyspace', 'dangerous'],
      run: swapdb,
    },
  }
}
