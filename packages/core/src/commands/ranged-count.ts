/** The count of HRANDFIELD, SRANDMEMBER and ZRANDMEMBER: any int64 but the smallest. */
import { INT64_MIN, parseBigInteger, parseInteger } from '../encoding/integer.ts'
import { NOT_AN_INTEGER } from '../resp/error-replies.ts'
import type { ReadContext } from './command.ts'

/** Argument `index`, rounded beyond 2^53, or undefined after an error reply (redis 7.0 object.c getRangeLongFromObjectOrReply()). */
export function rangedCount(context: ReadContext, index: number): number | undefined {
  const { args, reply } = context
  const start = args.start[index]!
  const end = args.end[index]!
  const value = parseInteger(args.bytes, start, end)
  if (Number.isNaN(value)) reply.error(NOT_AN_INTEGER)
  else if (!Number.isSafeInteger(value) && parseBigInteger(args.bytes, start, end) === INT64_MIN) {
    reply.error('ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807')
  } else return value
  return undefined
}
