/**
 * Conditions on the string at a key: NX and XX, and those of Redis 8.4 that compare the value (IFEQ, IFNE) or its digest
 * (IFDEQ, IFDNE) for SET and DELEX; DELEX and DIGEST themselves.
 *
 * Source: redis 7.0 t_string.c setGenericCommand(); the documentation of SET, DELEX and DIGEST (Redis 8.4).
 */
import { xxh3Hex } from '../encoding/xxh3.ts'
import { SYNTAX_ERROR } from '../resp/error-replies.ts'
import { argumentLength, deleteFound, expectString, findForRead, findForWrite } from './access.ts'
import { argIs } from './arguments.ts'
import type { CommandContext, ReadContext } from './command.ts'
import { notifyDeleted } from './notify.ts'
import {
  compareIndex,
  OPTION_COMPARES,
  OPTION_IFDEQ,
  OPTION_IFEQ,
  OPTION_IFNE,
  OPTION_NX,
  OPTION_XX,
  optionFlags,
  parseStringOptions,
} from './string-options.ts'

/**
 * Does the condition among `options` hold for the string that was just looked up? @param found whether it is there: what is
 * not is unequal to everything.
 */
export function conditionHolds(context: CommandContext, options: number, found: boolean): boolean {
  if ((options & OPTION_NX) !== 0) return !found
  if ((options & OPTION_XX) !== 0) return found
  if ((options & OPTION_COMPARES) === 0) return true
  const isWantedEqual = (options & (OPTION_IFEQ | OPTION_IFDEQ)) !== 0
  if (!found) return !isWantedEqual
  const byValue = (options & (OPTION_IFEQ | OPTION_IFNE)) !== 0
  const isEqual = byValue
    ? equalsArgument(context, compareIndex)
    : argIs(context.args, compareIndex, xxh3Hex(context.keyspace.entry).toUpperCase())
  return isEqual === isWantedEqual
}

/** Is the string just found equal to an argument? */
function equalsArgument(context: CommandContext, index: number): boolean {
  const { entry } = context.keyspace
  const { bytes, start } = context.args
  if (entry.length !== argumentLength(context, index)) return false
  let at = start[index]!
  for (let position = 0; position < entry.length;) {
    const count = entry.pieceAt(position)
    const { pieceBytes, pieceStart } = entry
    for (let i = 0; i < count; i++) if (pieceBytes[pieceStart + i] !== bytes[at++]) return false
    position += count
  }
  return true
}

/** DIGEST key */
export function runDigest(context: ReadContext): void {
  if (!findForRead(context, 1)) context.reply.nullBulk()
  else if (expectString(context)) context.reply.bulkString(xxh3Hex(context.keyspace.entry))
}

/** DELEX key [IFEQ value|IFNE value|IFDEQ digest|IFDNE digest]: without a condition a DEL of one key. */
export function runDelEx(context: CommandContext): void {
  const { count } = context.args
  if (!parseStringOptions(context, 2, OPTION_COMPARES)) return
  if (count !== 2 && count !== 4) {
    context.reply.error(SYNTAX_ERROR)
    return
  }
  const found = findForWrite(context, 1)
  if (found && count === 4 && !expectString(context)) return
  if (!found || !conditionHolds(context, optionFlags, true)) {
    context.reply.integer(0)
    return
  }
  deleteFound(context, 1)
  context.effects?.ofKey(context.db, 'DEL', context.args, 1)
  notifyDeleted(context, 1)
  context.reply.integer(1)
}
