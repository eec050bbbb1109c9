/**
 * Integers of 64 bits as arguments. Nearly all are safe integers and stay numbers; only beyond 2^53 is a bigint made.
 *
 * Source: redis 7.0 util.c string2ll() (strict: no '+', no leading zeros, no spaces), object.c getLongLongFromObject().
 */
import { NOT_AN_INTEGER } from '../resp/error-replies.ts'
import { argInteger, argText } from './arguments.ts'
import type { CommandContext } from './command.ts'

export const INT64_MAX = 0x7fff_ffff_ffff_ffffn
export const INT64_MIN: bigint = -INT64_MAX - 1n
const STRICT_INTEGER = /^(?:0|-?[1-9][0-9]{0,18})$/
const INT32_MAX = 0x7fff_ffff

/** Argument `index` as an integer of 64 bits; undefined when it is not one. */
export function wideInteger(context: CommandContext, index: number): number | bigint | undefined {
  const value = argInteger(context.args, index)
  if (!Number.isNaN(value)) return value
  if (context.args.end[index]! - context.args.start[index]! > 20) return undefined
  const text = argText(context.args, index)
  if (!STRICT_INTEGER.test(text)) return undefined
  const wide = BigInt(text)
  return wide > INT64_MAX || wide < INT64_MIN ? undefined : wide
}

/** Argument `index` as an int, or undefined after an error reply (redis 7.0 object.c getIntFromObjectOrReply()). */
export function intArgument(context: CommandContext, index: number, errorText?: string): number | undefined {
  const value = wideInteger(context, index)
  if (value === undefined) context.reply.error(errorText ?? NOT_AN_INTEGER)
  else if (value > INT32_MAX || value < -INT32_MAX - 1) {
    context.reply.error(errorText ?? `ERR value is out of range, value must between ${-INT32_MAX - 1} and ${INT32_MAX}`)
  } else return Number(value)
  return undefined
}

/** Argument `index` as a number (rounded beyond 2^53), or undefined after an error reply. */
export function longArgument(context: CommandContext, index: number): number | undefined {
  const value = wideInteger(context, index)
  if (value === undefined) context.reply.error(NOT_AN_INTEGER)
  return value === undefined ? undefined : Number(value)
}
