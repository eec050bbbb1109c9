/**
 * Commands that store whole strings: SET and its older forms, GETEX, and MSET with its relatives (redis 7.0 t_string.c;
 * MSETEX: Redis 8.4).
 *
 * The stream brings times as PXAT, and one that has passed is stored all the same: the primary's DEL follows.
 */
import { NOTIFY_GENERIC, NOTIFY_KEY_MISS, NOTIFY_STRING } from '../keyspace/key-events.ts'
import { WRONG_TYPE, SYNTAX_ERROR, wrongNumberOfArguments } from '../resp/error-replies.ts'
import {
  deleteFound,
  expectString,
  findForRead,
  findForWrite,
  integerArgument,
  putFound,
  tellExpire,
} from './access.ts'
import { argIs } from './arguments.ts'
import type { CommandArgs, CommandContext, ReadContext } from './command.ts'
import { notify, notifyDeleted } from './notify.ts'
import { conditionHolds } from './string-condition.ts'
import {
  expireArgument,
  expireIndex,
  GETEX_OPTIONS,
  MSETEX_OPTIONS,
  OPTION_COMPARES,
  OPTION_EX,
  OPTION_EXAT,
  OPTION_GET,
  OPTION_KEEPTTL,
  OPTION_NX,
  OPTION_PERSIST,
  OPTION_PX,
  OPTION_PXAT,
  OPTION_XX,
  optionFlags,
  parseStringOptions,
  SET_OPTIONS,
} from './string-options.ts'

/** What SET does to its key: with GET it reads it, too (redis 7.0 db.c setGetKeys()). */
export function keyFlagsOfSet(args: CommandArgs): readonly string[] {
  for (let i = 3; i < args.count; i++) if (argIs(args, i, 'GET')) return ['RW', 'access', 'update']
  return ['OW', 'update']
}

/** SET key value [NX|XX|IFEQ v|IFNE v|IFDEQ d|IFDNE d] [GET] [EX s|PX ms|EXAT s|PXAT ms|KEEPTTL] */
export function runSet(context: CommandContext): void {
  if (context.args.count === 3) {
    putArgument(context, 1, 2, -1)
    tellSet(context, 1, 2, -1)
    notify(context, NOTIFY_STRING, 'set', 1)
    context.reply.ok()
    return
  }
  if (!parseStringOptions(context, 3, SET_OPTIONS)) return
  const options = optionFlags
  let expireAtMs = -1
  if (expireIndex !== 0) {
    expireAtMs = expireArgument(context, expireIndex, options, 'set')
    if (Number.isNaN(expireAtMs)) return
  }
  const found = findForWrite(context, 1)
  const { entry } = context.keyspace
  if (found && (options & (OPTION_GET | OPTION_COMPARES)) !== 0 && !expectString(context)) return
  const wanted = conditionHolds(context, options, found)
  if ((options & OPTION_GET) !== 0) {
    if (found) entry.replyBulk(context.reply, 0, entry.length)
    else {
      notify(context, NOTIFY_KEY_MISS, 'keymiss', 1)
      context.reply.nullBulk()
    }
  }
  if (wanted) {
    if ((options & OPTION_KEEPTTL) !== 0 && found) expireAtMs = entry.expireAtMs
    putFoundArgument(context, 1, 2, expireAtMs)
    tellSet(context, 1, 2, expireAtMs)
    notify(context, NOTIFY_STRING, 'set', 1)
    if (expireIndex !== 0) notify(context, NOTIFY_GENERIC, 'expire', 1)
  }
  if ((options & OPTION_GET) !== 0) return
  if (wanted) context.reply.ok()
  else context.reply.nullBulk()
}

/** SETNX key value */
export function runSetNx(context: CommandContext): void {
  if (findForWrite(context, 1)) {
    context.reply.integer(0)
    return
  }
  putFoundArgument(context, 1, 2, -1)
  notify(context, NOTIFY_STRING, 'set', 1)
  context.reply.integer(1)
}

/** SETEX key seconds value */
export function runSetEx(context: CommandContext): void {
  setWithExpiry(context, OPTION_EX, 'setex')
}

/** PSETEX key milliseconds value */
export function runPSetEx(context: CommandContext): void {
  setWithExpiry(context, OPTION_PX, 'psetex')
}

/** GETSET key value */
export function runGetSet(context: CommandContext): void {
  if (!replyString(context, findForWrite(context, 1))) return
  putFoundArgument(context, 1, 2, -1)
  tellSet(context, 1, 2, -1)
  notify(context, NOTIFY_STRING, 'set', 1)
}

/** GETDEL key */
export function runGetDel(context: CommandContext): void {
  const found = findForWrite(context, 1)
  if (!replyString(context, found) || !found) return
  deleteFound(context, 1)
  context.effects?.ofKey(context.db, 'DEL', context.args, 1)
  notifyDeleted(context, 1)
}

/** GETEX key [EX s|PX ms|EXAT s|PXAT ms|PERSIST] */
export function runGetEx(context: CommandContext): void {
  if (!parseStringOptions(context, 2, GETEX_OPTIONS)) return
  const options = optionFlags
  if (!findForRead(context, 1)) {
    context.reply.nullBulk()
    return
  }
  if (!expectString(context)) return
  let expireAtMs = -1
  if (expireIndex !== 0) {
    expireAtMs = expireArgument(context, expireIndex, options, 'getex')
    if (Number.isNaN(expireAtMs)) return
  }
  const { args, keyspace, reply } = context
  const { entry } = keyspace
  entry.replyBulk(reply, 0, entry.length)
  const absolute = (options & (OPTION_EXAT | OPTION_PXAT)) !== 0
  if (absolute && expireAtMs <= context.nowMs && !context.fromPrimary) {
    deleteFound(context, 1)
    context.effects?.ofKey(context.db, 'DEL', args, 1)
    notifyDeleted(context, 1)
  } else if (expireIndex !== 0 || ((options & OPTION_PERSIST) !== 0 && entry.expireAtMs !== -1)) {
    keyspace.setEntryExpire(context.db, args.bytes, args.start[1]!, args.end[1]!, expireAtMs)
    tellExpire(context, expireAtMs)
    notify(context, NOTIFY_GENERIC, expireIndex === 0 ? 'persist' : 'expire', 1)
  }
}

/** MSET key value [key value …] */
export function runMSet(context: CommandContext): void {
  if (!expectPairs(context, 'mset')) return
  const { count } = context.args
  for (let index = 1; index < count; index += 2) {
    putArgument(context, index, index + 1, -1)
    notify(context, NOTIFY_STRING, 'set', index)
  }
  context.reply.ok()
}

/** MSETNX key value [key value …] */
export function runMSetNx(context: CommandContext): void {
  if (!expectPairs(context, 'msetnx')) return
  const { count } = context.args
  for (let index = 1; index < count; index += 2) {
    if (!findForWrite(context, index)) continue
    context.reply.integer(0)
    return
  }
  for (let index = 1; index < count; index += 2) {
    putArgument(context, index, index + 1, -1)
    notify(context, NOTIFY_STRING, 'set', index)
  }
  context.reply.integer(1)
}

/** MSETEX numkeys key value [key value …] [NX|XX] [EX s|PX ms|EXAT s|PXAT ms|KEEPTTL] */
export function runMSetEx(context: CommandContext): void {
  const keys = integerArgument(context, 1)
  if (Number.isNaN(keys)) return
  const { count } = context.args
  if (keys < 1 || keys * 2 + 2 > count) {
    context.reply.error(keys < 1 ? 'ERR invalid numkeys value' : SYNTAX_ERROR)
    return
  }
  const end = 2 + keys * 2
  if (!parseStringOptions(context, end, MSETEX_OPTIONS)) return
  const options = optionFlags
  let expireAtMs = -1
  if (expireIndex !== 0) {
    expireAtMs = expireArgument(context, expireIndex, options, 'msetex')
    if (Number.isNaN(expireAtMs)) return
  }
  if ((options & (OPTION_NX | OPTION_XX)) !== 0) {
    for (let index = 2; index < end; index += 2) {
      if (findForWrite(context, index) === ((options & OPTION_XX) !== 0)) continue
      context.reply.integer(0)
      return
    }
  }
  const { entry } = context.keyspace
  for (let index = 2; index < end; index += 2) {
    let atMs = expireAtMs
    if ((options & OPTION_KEEPTTL) === 0) putArgument(context, index, index + 1, atMs)
    else {
      if (findForWrite(context, index)) atMs = entry.expireAtMs
      putFoundArgument(context, index, index + 1, atMs)
    }
    tellSet(context, index, index + 1, atMs)
    notify(context, NOTIFY_STRING, 'set', index)
    if (expireIndex !== 0) notify(context, NOTIFY_GENERIC, 'expire', index)
  }
  context.reply.integer(1)
}

/** Keys of MSETEX, whose number is its first argument. */
export function findMSetExKeys(args: CommandArgs, into: number[]): void {
  let keys = 0
  for (let at = args.start[1]!; at < args.end[1]!; at++) keys = keys * 10 + (args.bytes[at]! - 48)
  if (!(keys >= 1 && keys * 2 + 2 <= args.count)) return
  for (let index = 2; index < 2 + keys * 2; index += 2) into.push(index)
}

function setWithExpiry(context: CommandContext, option: number, name: string): void {
  const expireAtMs = expireArgument(context, 2, option, name)
  if (Number.isNaN(expireAtMs)) return
  putArgument(context, 1, 3, expireAtMs)
  tellSet(context, 1, 3, expireAtMs)
  notify(context, NOTIFY_STRING, 'set', 1)
  notify(context, NOTIFY_GENERIC, 'expire', 1)
  context.reply.ok()
}

/** Replicas get the string with the time it has now, whatever was asked for: `SET key value [PXAT ms]`. */
function tellSet({ effects, args, db }: CommandContext, key: number, value: number, expireAtMs: number): void {
  if (effects === undefined) return
  effects.begin(db, 'SET', expireAtMs === -1 ? 3 : 5)
  effects.argument(args, key)
  effects.argument(args, value)
  if (expireAtMs === -1) return
  effects.word('PXAT')
  effects.integer(expireAtMs)
}

/** Stores argument `value` at the key in argument `key`. */
function putArgument(context: CommandContext, key: number, value: number, expireAtMs: number): void {
  const { args } = context
  const { bytes, start, end } = args
  // Nobody needs to look for the old value, unless somebody wants to hear that it had expired.
  if (context.keyspace.events.mask !== 0) findForWrite(context, key)
  context.keyspace.put(context.db, bytes, start[key]!, end[key]!, 0, 0, bytes, start[value]!, end[value]!, expireAtMs)
}

/** The same for the key that was just looked up. */
function putFoundArgument(context: CommandContext, key: number, value: number, expireAtMs: number): void {
  const { bytes, start, end } = context.args
  putFound(context, key, 0, bytes, start[value]!, end[value]!, expireAtMs)
}

/** Replies the string just found, or nil. @returns false when it is no string. */
function replyString(context: ReadContext, found: boolean): boolean {
  const { reply } = context
  if (!found) {
    notify(context, NOTIFY_KEY_MISS, 'keymiss', 1)
    reply.nullBulk()
    return true
  }
  const { entry } = context.keyspace
  if (!entry.isString) {
    reply.error(WRONG_TYPE)
    return false
  }
  entry.replyBulk(reply, 0, entry.length)
  return true
}

function expectPairs(context: ReadContext, name: string): boolean {
  if (context.args.count % 2 === 1) return true
  context.reply.error(wrongNumberOfArguments(name))
  return false
}
