/** Beside access.ts: who sees an expired key when it was met otherwise than by its name, or in another database. */
import { NOTIFY_EXPIRED } from '../keyspace/key-events.ts'
import type { CommandContext, ReadContext } from './command.ts'
import { notifyInDatabase } from './notify.ts'

/** Has the time of the key in `entry` come? Never for the stream, which acts on it as if it were alive. */
export function entryExpired(context: ReadContext): boolean {
  const { expireAtMs } = context.keyspace.entry
  return expireAtMs >= 0 && !context.fromPrimary && context.nowMs > expireAtMs
}

/** Is the key of argument `index` in database `db`? For a client an expired one is removed and counts as absent. */
export function existsForWrite(context: CommandContext, index: number, db: number): boolean {
  const { args, keyspace } = context
  const start = args.start[index]!
  const end = args.end[index]!
  if (!keyspace.lookup(db, args.bytes, start, end)) return false
  if (!entryExpired(context)) return true
  keyspace.expiredKeys++
  keyspace.deleteEntry(db, args.bytes, start, end)
  notifyInDatabase(context, NOTIFY_EXPIRED, 'expired', db, index)
  return false
}
