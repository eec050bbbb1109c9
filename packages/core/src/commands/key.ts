/**
 * Keys as wholes, whatever their type: DEL, EXISTS, TYPE, RENAME, COPY, MOVE … Values are never looked into.
 *
 * Source: redis 7.0 db.c.
 */
import { NOTIFY_GENERIC } from '../keyspace/key-events.ts'
import { NO_SUCH_KEY, SYNTAX_ERROR } from '../resp/error-replies.ts'
import { rdbTypeFacts } from '../object-codec/rdb-types.ts'
import { argIs } from './arguments.ts'
import type { CommandContext, CommandTable, ReadContext } from './command.ts'
import { DENYOOM, FAST, READONLY, WRITE } from './flags.ts'
import { keyBytes, keyEnd, keyStart, locateKey } from './key-bytes.ts'
import { deleteFound, findForRead, findForWrite, findQuietly, sameArgument } from './access.ts'
import { entryExpired, existsForWrite } from './lookup.ts'
import { notify, notifyDeleted, notifyInDatabase } from './notify.ts'
import { intArgument } from './wide-integer.ts'

export const SAME_OBJECT_ERROR = 'ERR source and destination objects are the same'
export const DB_OUT_OF_RANGE_ERROR = 'ERR DB index is out of range'
/** Keys looked at before RANDOMKEY answers that there is none, when all that it drew had expired. */
const RANDOM_KEYS_LOOKED_AT_MAX = 10_000
const KEYS_PER_SCAN = 64
const RANDOM_TRIES = 100

function del(context: CommandContext): void {
  let deleted = 0
  for (let i = 1; i < context.args.count; i++) {
    if (!findForWrite(context, i)) continue
    deleteFound(context, i)
    notifyDeleted(context, i)
    deleted++
  }
  context.reply.integer(deleted)
}

function exists(context: ReadContext): void {
  let found = 0
  for (let i = 1; i < context.args.count; i++) if (findQuietly(context, i)) found++
  context.reply.integer(found)
}

function touch(context: ReadContext): void {
  let found = 0
  for (let i = 1; i < context.args.count; i++) if (findForRead(context, i)) found++
  context.reply.integer(found)
}

function type(context: ReadContext): void {
  const found = findQuietly(context, 1)
  context.reply.simple(found ? (rdbTypeFacts(context.keyspace.entry.rdbType)?.typeName ?? 'none') : 'none')
}

/** Gives argument `from` of this database to argument `to` of `toDb`. */
function transplant(context: CommandContext, from: number, to: number, toDb: number, copy: boolean): void {
  const { args, keyspace, db } = context
  keyspace.transplant(
    db,
    args.bytes,
    args.start[from]!,
    args.end[from]!,
    toDb,
    args.bytes,
    args.start[to]!,
    args.end[to]!,
    copy,
  )
}

function giveName(context: CommandContext): void {
  transplant(context, 1, 2, context.db, false)
  notify(context, NOTIFY_GENERIC, 'rename_from', 1)
  notify(context, NOTIFY_GENERIC, 'rename_to', 2)
}

function rename(context: CommandContext): void {
  const { reply } = context
  if (!findForWrite(context, 1)) reply.error(NO_SUCH_KEY)
  else {
    if (!sameArgument(context, 1, 2)) {
      // Nothing is lost by it when it had expired, but that is told (redis 7.0 lookupKeyWrite()).
      findForWrite(context, 2)
      giveName(context)
    }
    reply.ok()
  }
}

function renamenx(context: CommandContext): void {
  const { reply } = context
  if (!findForWrite(context, 1)) reply.error(NO_SUCH_KEY)
  else if (sameArgument(context, 1, 2) || findForWrite(context, 2)) reply.integer(0)
  else {
    giveName(context)
    reply.integer(1)
  }
}

/** Argument `index` as the number of a database, or undefined after an error reply. */
function databaseArgument(context: ReadContext, index: number): number | undefined {
  const db = intArgument(context, index)
  if (db === undefined) return undefined
  if (db >= 0 && db < context.keyspace.databaseCount) return db
  context.reply.error(DB_OUT_OF_RANGE_ERROR)
  return undefined
}

function copy(context: CommandContext): void {
  const { args, reply } = context
  let toDb = context.db
  let replace = false
  for (let i = 3; i < args.count; i++) {
    if (argIs(args, i, 'REPLACE')) replace = true
    else if (argIs(args, i, 'DB') && i + 1 < args.count) {
      const db = databaseArgument(context, ++i)
      if (db === undefined) return
      toDb = db
    } else {
      reply.error(SYNTAX_ERROR)
      return
    }
  }
  if (toDb === context.db && sameArgument(context, 1, 2)) reply.error(SAME_OBJECT_ERROR)
  else if (!findForRead(context, 1) || (existsForWrite(context, 2, toDb) && !replace)) reply.integer(0)
  else {
    transplant(context, 1, 2, toDb, true)
    notifyInDatabase(context, NOTIFY_GENERIC, 'copy_to', toDb, 2)
    reply.integer(1)
  }
}

function move(context: CommandContext): void {
  const { reply } = context
  const toDb = databaseArgument(context, 2)
  if (toDb === undefined) return
  if (toDb === context.db) reply.error(SAME_OBJECT_ERROR)
  else if (!findForWrite(context, 1) || existsForWrite(context, 1, toDb)) reply.integer(0)
  else {
    transplant(context, 1, 1, toDb, false)
    notify(context, NOTIFY_GENERIC, 'move_from', 1)
    notifyInDatabase(context, NOTIFY_GENERIC, 'move_to', toDb, 1)
    reply.integer(1)
  }
}

function randomkey(context: ReadContext): void {
  const { keyspace, reply, db } = context
  for (let tries = 0; tries < RANDOM_TRIES; tries++) {
    if (!keyspace.randomKey(db, Math.random)) break
    if (entryExpired(context)) continue
    locateKey(keyspace.entry)
    reply.bulk(keyBytes, keyStart, keyEnd)
    return
  }
  // Nearly all keys have expired and wait for the primary's DEL: take the first that has not.
  if (!replyFirstAlive(context)) reply.nullBulk()
}

/** @returns false when none was found among the first keys of the database. */
function replyFirstAlive(context: ReadContext): boolean {
  const { keyspace, reply, db } = context
  let found = false
  let cursor = 0
  for (let looked = 0; looked < RANDOM_KEYS_LOOKED_AT_MAX; looked += KEYS_PER_SCAN) {
    cursor = keyspace.scan(db, cursor, KEYS_PER_SCAN, (entry) => {
      if (found || entryExpired(context)) return
      found = true
      locateKey(entry)
      reply.bulk(keyBytes, keyStart, keyEnd)
    })
    if (found || cursor === 0) break
  }
  return found
}

const MULTI_SHARD_SUM = ['request_policy:multi_shard', 'response_policy:agg_sum'] as const

/** Commands about whole keys. */
export const keyCommands: CommandTable = {
  DEL: {
    arity: -2,
    flags: WRITE,
    keys: [1, -1, 1],
    since: '1.0.0',
    group: 'generic',
    summary: 'Delete a key',
    tips: MULTI_SHARD_SUM,
    keyFlags: ['RM', 'delete'],
    run: del,
  },
  UNLINK: {
    arity: -2,
    flags: WRITE | FAST,
    keys: [1, -1, 1],
    since: '4.0.0',
    group: 'generic',
    summary: 'Delete a key; a large value is freed in slices',
    tips: MULTI_SHARD_SUM,
    keyFlags: ['RM', 'delete'],
    run: del,
  },
  EXISTS: {
    arity: -2,
    flags: READONLY | FAST,
    keys: [1, -1, 1],
    since: '1.0.0',
    group: 'generic',
    summary: 'Determine if a key exists',
    tips: MULTI_SHARD_SUM,
    keyFlags: ['RO'],
    read: exists,
  },
  TOUCH: {
    arity: -2,
    flags: READONLY | FAST,
    keys: [1, -1, 1],
    since: '3.2.1',
    group: 'generic',
    summary: 'Mark keys as accessed and count those that exist',
    tips: MULTI_SHARD_SUM,
    keyFlags: ['RO'],
    read: touch,
  },
  TYPE: {
    arity: 2,
    flags: READONLY | FAST,
    keys: [1, 1, 1],
    since: '1.0.0',
    group: 'generic',
    summary: 'Determine the type stored at a key',
    keyFlags: ['RO'],
    read: type,
  },
  RENAME: {
    arity: 3,
    flags: WRITE,
    keys: [1, 2, 1],
    since: '1.0.0',
    group: 'generic',
    summary: 'Rename a key',
    keySpecs: ['RW access delete @1', 'OW update @2'],
    run: rename,
  },
  RENAMENX: {
    arity: 3,
    flags: WRITE | FAST,
    keys: [1, 2, 1],
    since: '1.0.0',
    group: 'generic',
    summary: 'Rename a key, only if the new key does not exist',
    keySpecs: ['RW access delete @1', 'OW insert @2'],
    run: renamenx,
  },
  COPY: {
    arity: -3,
    flags: WRITE | DENYOOM,
    keys: [1, 2, 1],
    since: '6.2.0',
    group: 'generic',
    summary: 'Copy a key',
    keySpecs: ['RO access @1', 'OW update @2'],
    run: copy,
  },
  MOVE: {
    arity: 3,
    flags: WRITE | FAST,
    keys: [1, 1, 1],
    since: '1.0.0',
    group: 'generic',
    summary: 'Move a key to another database',
    run: move,
  },
  RANDOMKEY: {
    arity: 1,
    flags: READONLY,
    keys: [0, 0, 0],
    since: '1.0.0',
    group: 'generic',
    summary: 'Return a random key from the keyspace',
    tips: ['request_policy:all_shards', 'nondeterministic_output'],
    read: randomkey,
  },
}
