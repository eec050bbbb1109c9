/** Integers of commands that must lie in a range. Source: redis 7.0 object.c getRangeLongFromObjectOrReply(). */
import { NOT_AN_INTEGER } from '../resp/error-replies.ts'
import type { ReadContext } from './command.ts'
import { wideInteger } from './wide-integer.ts'

const INT64_MAX = 2n ** 63n - 1n

/** Argument `index` if it is `min` or more; undefined after an error reply. Beyond 2^53 it is rounded. */
export function atLeast(context: ReadContext, index: number, min: number, error: string): number | undefined {
  const value = wideInteger(context, index)
  if (value === undefined || value < min) {
    context.reply.error(error)
    return undefined
  }
  return Number(value)
}

/** Argument `index` between -(2^63 - 1) and 2^63 - 1; undefined after an error reply. */
export function symmetricLong(context: ReadContext, index: number): number | bigint | undefined {
  const value = wideInteger(context, index)
  if (value === undefined) context.reply.error(NOT_AN_INTEGER)
  else if (value < -INT64_MAX) {
    context.reply.error(`ERR value is out of range, value must between ${-INT64_MAX} and ${INT64_MAX}`)
    return undefined
  }
  return value
}
