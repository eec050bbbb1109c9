/**
 * How the effect of a write is told to replicas below: what a row's `propagate` may say. `verbatim` and `always` are carried
 * out by the dispatcher; the functions of rows with another rule tell `context.effects` themselves.
 *
 * Commands whose effect depends on the clock, on chance, on what waits or on arithmetic of this machine go as what they
 * did, so that every replica holds the same bytes. Nothing goes for a command that changed nothing, unless the rule says so.
 * Only commands of redis 7.0 go, unless the data themselves are of a later one (times of fields).
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
  pexpireat: '`PEXPIREAT key ms`; `DEL key` when the time is past',
  getex: '`PEXPIREAT key ms` or `PERSIST key`; `DEL key` when the time is past',
  set: '`SET key value [PXAT ms]`, for each key',
  'set-keepttl': '`SET key sum KEEPTTL`',
  restore: 'itself, the time in milliseconds with `ABSTTL`; `DEL key` when it is past',
  hpexpireat: '`HPEXPIREAT key ms FIELDS n field …` of the fields it changed; `HDEL` when the time is past',
  hgetex: '`HPEXPIREAT key ms FIELDS …` or `HPERSIST key FIELDS …`; `HDEL` when the time is past',
  hsetex: '`HSET key field value` and `HPEXPIREAT key ms FIELDS 1 field`, for each field; `HDEL` when the time is past',
  hdel: '`HDEL key field …`',
  hset: '`HSET key field sum`, and `HPEXPIREAT` when the field has a time',
  lpop: '`LPOP key`',
  rpop: '`RPOP key`',
  'list-pop': '`LPOP key n` or `RPOP key n`',
  lmove: '`LMOVE source target LEFT|RIGHT LEFT|RIGHT`',
  rpoplpush: '`RPOPLPUSH source target`',
  srem: '`SREM key member …`; `DEL key` when all members went',
  'zset-pop': '`ZPOPMIN key n` or `ZPOPMAX key n`',
  zadd: '`ZADD key [NX|XX] [CH] score member …`',
  xdel: '`XDEL key id` and `XACK key group id` for each entry that goes',
  xadd: 'itself with the ID it got; trimming as `MAXLEN = n`, by policy as for `xdel`',
  xtrim: '`XTRIM key MAXLEN = n`, by policy as for `xdel`',
  xclaim:
    '`XCLAIM key group consumer 0 id TIME ms RETRYCOUNT n FORCE JUSTID LASTID id` per entry; `XGROUP SETID`, `CREATECONSUMER`, `XACK`',
} as const

export type PropagationRule = keyof typeof PROPAGATION_RULES

/** The rule of a command or subcommand; undefined when replicas below never hear of it. */
export function propagationOf<Context extends CommandContext>(
  entry: CommandEntry<Context>,
): PropagationRule | undefined {
  if (entry.row.propagate !== undefined) return entry.row.propagate
  return (entry.flags & (WRITE | MAY_REPLICATE)) === 0 ? undefined : 'verbatim'
}
