/**
 * Commands that wait for keys, as they see it: BLPOP and its like, XREAD BLOCK. A command first tries at once; when
 * there is nothing, it says what it waits for and how to try again, and returns without a reply. Who holds the
 * connections (net) tries again when one of the keys changes, in the order in which clients began to wait, and ends the
 * wait by a reply, by the time-out, by CLIENT UNBLOCK or with the connection.
 *
 * Where nobody can wait (the replication stream, MULTI) the time is over at once, as in Redis.
 *
 * Source: redis 7.0 blocked.c, timeout.c getTimeoutFromObjectOrReply().
 */
import { parseLongDouble } from '../encoding/long-double.ts'
import type { CommandContext, ReadContext } from './command.ts'
import { hasTooManyKeys } from './source-keys.ts'
import { wideInteger } from './wide-integer.ts'

/** Types of values that somebody can wait for, as TYPE names them. */
export type AwaitedType = 'list' | 'zset' | 'stream'

export interface KeyWait {
  /** Type of value that can end the wait: keys of other types are not tried. */
  readonly awaitedType: AwaitedType
  /** Indexes of the arguments with the keys, in the command's order. They may repeat. */
  readonly keys: readonly number[]
  /** Milliseconds until `timedOut`; 0: for ever. */
  readonly timeoutMs: number
  /** Also try when the key is absent or of another type (XREADGROUP, whose group went with the key). */
  readonly triesWithout?: boolean
  /**
   * Tries again, with the same arguments and database, for the key in argument `index` alone. Runs as a command does: in a
   * unit, with a fresh time. @returns false when there is still nothing, and nothing was written or changed; true when a
   * reply was written (an error as well): the wait is over then.
   */
  readonly retry: (context: CommandContext, index: number) => boolean
  /** Writes the reply of a wait whose time is over. */
  readonly timedOut: (context: ReadContext) => void
  /** Writes the reply where nobody can wait, when that is another one (BLMOVE: a null instead of a null array). */
  readonly denied?: (context: ReadContext) => void
}

/** Ends the command without a reply: it goes on when a key changes. Call it last. */
export function waitForKeys(context: ReadContext, wait: KeyWait): void {
  if (hasTooManyKeys(context, wait.keys.length)) return
  if (context.wait === undefined) denyWait(context, wait)
  else context.wait(wait)
}

/** The time is over at once. */
export function denyWait(context: ReadContext, wait: KeyWait): void {
  if (wait.denied === undefined) wait.timedOut(context)
  else wait.denied(context)
}

const INT64_END = 2 ** 63

/** Argument `index`, seconds with a fraction, in milliseconds; undefined after an error reply. 0 means for ever. */
export function timeoutSecondsArgument(context: ReadContext, index: number): number | undefined {
  const { args, reply } = context
  const value = parseLongDouble(args.bytes, args.start[index]!, args.end[index]!)
  if (value === undefined) {
    reply.error('ERR timeout is not a float or out of range')
    return undefined
  }
  if (value === 'infinite') return checkedTimeout(context, Infinity)
  // Zero may have any exponent.
  const seconds = value.significand === 0n ? 0 : Number(value.significand) * 2 ** value.exponent
  return checkedTimeout(context, Math.ceil(seconds * 1000))
}

/** Argument `index`, whole milliseconds (XREAD BLOCK); undefined after an error reply. 0 means for ever. */
export function timeoutMillisecondsArgument(context: ReadContext, index: number): number | undefined {
  const value = wideInteger(context, index)
  // The largest int64 would be rounded up to 2^63.
  if (value !== undefined) return checkedTimeout(context, Math.min(Number(value), INT64_END - 1024))
  context.reply.error('ERR timeout is not an integer or out of range')
  return undefined
}

/** What does not fit 64 bits has wrapped around in redis 7.0, and counts as negative. */
function checkedTimeout(context: ReadContext, timeoutMs: number): number | undefined {
  // -0 is 0.
  if (timeoutMs >= 0 && timeoutMs < INT64_END) return timeoutMs + 0
  context.reply.error('ERR timeout is negative')
  return undefined
}
