/** Bit offsets as arguments of SETBIT, GETBIT and BITFIELD (redis 7.0 bitops.c getBitOffsetFromArgument). */
import { parseBigInteger, parseInteger } from '../encoding/integer.ts'
import { VALUE_BYTES_MAX } from '../limits.ts'
import type { ReadContext } from './command.ts'

const HASH = 35

/**
 * The offset in argument `index`; NaN after having written the error. Clients are bound by proto-max-bulk-len.
 * @param fieldBits width of the fields that '#' counts in; 0 when '#' is not allowed.
 */
export function bitOffsetArgument(context: ReadContext, index: number, fieldBits: number): number {
  const { args } = context
  const start = args.start[index]!
  const end = args.end[index]!
  const counted = fieldBits > 0 && args.bytes[start] === HASH && start < end
  let offset = parseInteger(args.bytes, counted ? start + 1 : start, end)
  if (counted && !Number.isNaN(offset)) {
    offset *= fieldBits
    // Redis multiplies in 64 bits, and a product beyond them may come back into range.
    if (!Number.isSafeInteger(offset)) {
      offset = Number(BigInt.asIntN(64, parseBigInteger(args.bytes, start + 1, end)! * BigInt(fieldBits)))
    }
  }
  const bytesMax = context.fromPrimary ? VALUE_BYTES_MAX : context.settings.protoMaxBulkBytes
  if (offset >= 0 && Math.floor(offset / 8) < bytesMax) return offset
  context.reply.error('ERR bit offset is not an integer or out of range')
  return NaN
}
