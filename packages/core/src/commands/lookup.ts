/**
 * Finding keys for commands that do not care for the value: who sees an expired key, and who removes it.
 *
 * The stream acts on expired keys as if they were alive (redis 7.0 db.c expireIfNeeded(), current_client == master); a
 * client never sees them, and a client that writes (on a writable node) removes the one it meets.
 */
import type { CommandContext } from './command.ts'

/** Has the time of the key in `entry` come? Never for the stream. */
export function entryExpired(context: CommandContext): boolean {
  const { expireAtMs } = context.keyspace.entry
  return expireAtMs !== -1 && !context.fromPrimary && context.nowMs > expireAtMs
}

/** Finds the key in argument `index` of database `db` for reading; `keyspace.entry` then describes it. */
export function findForRead(context: CommandContext, index: number, db: number = context.db): boolean {
  const { args, keyspace } = context
  return keyspace.lookup(db, args.bytes, args.start[index]!, args.end[index]!) && !entryExpired(context)
}

/** As `findForRead`, but removes an expired key. Only inside a unit. */
export function findForWrite(context: CommandContext, index: number, db: number = context.db): boolean {
  const { args, keyspace } = context
  const start = args.start[index]!
  const end = args.end[index]!
  if (!keyspace.lookup(db, args.bytes, start, end)) return false
  if (!entryExpired(context)) return true
  keyspace.deleteEntry(db, args.bytes, start, end)
  return false
}

/** Do two arguments have the same bytes? */
export function sameArgument(context: CommandContext, first: number, second: number): boolean {
  const { bytes, start, end } = context.args
  const from = start[first]!
  const other = start[second]!
  const length = end[first]! - from
  if (end[second]! - other !== length) return false
  for (let i = 0; i < length; i++) if (bytes[from + i] !== bytes[other + i]) return false
  return true
}
