/**
 * Integers of 64 bits as arguments where their range decides what is answered. Nearly all are safe integers and stay
 * numbers; only beyond 2^53 is a bigint made.
 *
 * Source: redis 7.0 object.c getLongLongFromObject(), getIntFromObjectOrReply().
 */
import { parseBigInteger, parseInteger } from '../encoding/integer.ts'
import { NOT_AN_INTEGER } from '../resp/error-replies.ts'
import type { ReadContext } from './command.ts'

const INT32_MAX = 0x7fff_ffff

/** Argument `index` as an integer of 64 bits; undefined when it is not one. */
export function wideInteger({ args }: ReadContext, index: number): number | bigint | undefined {
  const value = parseInteger(args.bytes, args.start[index]!, args.end[index]!)
  if (Number.isNaN(value)) return undefined
  return Number.isSafeInteger(value) ? value : parseBigInteger(args.bytes, args.start[index]!, args.end[index]!)
}

/** Argument `index` as an int, or undefined after an error reply (redis 7.0 object.c getIntFromObjectOrReply()). */
export function intArgument(context: ReadContext, index: number, errorText?: string): number | undefined {
  const value = wideInteger(context, index)
  if (value === undefined) context.reply.error(errorText ?? NOT_AN_INTEGER)
  else if (value > INT32_MAX || value < -INT32_MAX - 1) {
    context.reply.error(errorText ?? `ERR value is out of range, value must between ${-INT32_MAX - 1} and ${INT32_MAX}`)
  } else return Number(value)
  return undefined
}
