/**
 * What replicas below get of a command that ended in the middle, because memory did: what its keys hold now, as
 * `RESTORE key ms payload REPLACE ABSTTL`, or `DEL key`. The command itself would do there what it could not do here. It says nothing of
 * what the command said before: that has happened, and what comes behind it counts.
 *
 * Redis ends its process where this can happen (redis 7.0 zmalloc.c zmalloc_default_oom()).
 */
import { encodeDump } from '../object-codec/dump.ts'
import { snapshotValue } from '../values/stored-value.ts'
import type { CommandContext } from './command.ts'
import type { Effects } from './effects.ts'
import { findKeys } from './metadata.ts'
import type { CommandEntry } from './table.ts'

/**
 * Tells what all keys in the arguments hold now. Changes `keyspace.entry`.
 * @returns false when the arguments do not say which keys it may have changed; nothing was told then.
 * @throws KeyspaceError KEYSPACE_VALUE_TOO_BIG, or a size fault (errors.ts), for a value that cannot be made a payload; what was told
 * of the unit is of no use then.
 */
export function tellWhatIsKept<Context extends CommandContext>(
  context: Context,
  effects: Effects,
  entry: CommandEntry<Context>,
): boolean {
  const { args } = context
  const keys: number[] = []
  if (!findKeys(entry, args, keys) || keys.length === 0) return false
  for (const index of keys) tellKey(context, effects, index)
  return true
}

function tellKey(context: CommandContext, effects: Effects, index: number): void {
  const { args, keyspace, db } = context
  // Not as a client sees it: a key whose time has come is there until its DEL is told.
  if (!keyspace.lookup(db, args.bytes, args.start[index]!, args.end[index]!)) {
    effects.ofKey(db, 'DEL', args, index)
    return
  }
  const { expireAtMs } = keyspace.entry
  const { rdbType, source } = snapshotValue(keyspace)
  const payload = encodeDump(rdbType, source)
  effects.begin(db, 'RESTORE', 6)
  effects.argument(args, index)
  effects.integer(Math.max(0, expireAtMs))
  effects.bytes(payload, 0, payload.length)
  effects.word('REPLACE')
  effects.word('ABSTTL')
}
