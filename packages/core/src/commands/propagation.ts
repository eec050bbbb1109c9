/**
 * How the effect of a write is told to replicas below: what a row's `propagate` may say. Not the code that writes the
 * stream; that reads the rule of the row.
 *
 * Commands whose effect depends on the clock, on chance, on what waits or on arithmetic of this machine go as what they
 * did, so that every replica holds the same bytes. Nothing goes for a command that changed nothing, unless the rule says so.
 *
 * Source: redis 7.0 (rewriteClientCommandVector() and alsoPropagate() in t_*.c, expire.c, geo.c), 8.0 t_hash.c.
 */
import type { CommandContext } from './command.ts'
import { MAY_REPLICATE, WRITE } from './flags.ts'
import type { CommandEntry } from './table.ts'

/** Rule -> what replicas below get; in the words of docs/commands.md. */
export const PROPAGATION_RULES = {
  verbatim: 'itself',
  always: 'itself, even when it changed nothing',
  del: '`DEL key`',
  pexpireat: '`PEXPIREAT key ms [NX|XX|GT|LT]`; `DEL key` when the time is past',
  getex: '`PEXPIREAT key ms` or `PERSIST key`; `DEL key` when the time is past',
  set: '`SET key value`, a time as `PXAT ms`',
  'set-keepttl': '`SET key sum KEEPTTL`',
  msetex: 'itself, the time as `PXAT ms`',
  restore: 'itself, the time in milliseconds with `ABSTTL`; `DEL key` when it is past',
  hpexpireat: '`HPEXPIREAT key ms FIELDS n field …` of the fields it changed; `HDEL` when the time is past',
  hgetex: '`HPEXPIREAT key ms FIELDS …` or `HPERSIST key FIELDS …`; `HDEL` when the time is past',
  hsetex: 'itself, the time as `PXAT ms`; `HDEL` when it is past',
  hdel: '`HDEL key field …`',
  'hset-keepttl': '`HSETEX key KEEPTTL FIELDS 1 field sum`',
  lpop: '`LPOP key`',
  rpop: '`RPOP key`',
  'list-pop': '`LPOP key n` or `RPOP key n`',
  lmove: '`LMOVE source target LEFT|RIGHT LEFT|RIGHT`',
  rpoplpush: '`RPOPLPUSH source target`',
  srem: '`SREM key member …`; `DEL key` when all members went',
  zpopmin: '`ZPOPMIN key`',
  zpopmax: '`ZPOPMAX key`',
  'zset-pop': '`ZPOPMIN key n` or `ZPOPMAX key n`',
  zadd: '`ZADD key [NX|XX] [CH] score member …`',
  xadd: 'itself with the ID it got; `~` trimming as `MAXLEN = n` or `MINID = id`',
  xtrim: '`XTRIM key MAXLEN = n` or `MINID = id`',
  xclaim:
    '`XCLAIM key group consumer 0 id TIME ms RETRYCOUNT n FORCE JUSTID LASTID id` per entry; `XGROUP SETID` and `CREATECONSUMER`',
} as const

export type PropagationRule = keyof typeof PROPAGATION_RULES

/** The rule of a command or subcommand; undefined when replicas below never hear of it. */
export function propagationOf<Context extends CommandContext>(
  entry: CommandEntry<Context>,
): PropagationRule | undefined {
  if (entry.row.propagate !== undefined) return entry.row.propagate
  return (entry.flags & (WRITE | MAY_REPLICATE)) === 0 ? undefined : 'verbatim'
}
