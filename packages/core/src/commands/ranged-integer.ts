/**
 * Integer arguments with the bounds that list commands and their like set (redis 7.0 object.c
 * getRangeLongFromObjectOrReply(), getPositiveLongFromObjectOrReply()).
 */
import type { ReadContext } from './command.ts'
import { wideInteger } from './wide-integer.ts'

const MUST_BE_POSITIVE = 'ERR value is out of range, must be positive'

/** Argument `index`, at least `min`; undefined after an error reply, the same for what is no integer. Rounded beyond 2^53. */
export function boundedArgument(
  context: ReadContext,
  index: number,
  min: number,
  errorText: string = MUST_BE_POSITIVE,
): number | undefined {
  const value = wideInteger(context, index)
  if (value !== undefined && value >= min) return Number(value)
  context.reply.error(errorText)
  return undefined
}
