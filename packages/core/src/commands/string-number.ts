/**
 * Strings as numbers: INCR, DECR, INCRBY, DECRBY and INCRBYFLOAT (redis 7.0 t_string.c incrDecrCommand,
 * incrbyfloatCommand). Integers are int64: plain numbers while they are safe, bigint beyond.
 */
import {
  INT64_MAX,
  INT64_MIN,
  INTEGER_TEXT_BYTES_MAX,
  parseBigInteger,
  parseInteger,
  writeBigInteger,
  writeInteger,
} from '../encoding/integer.ts'
import { addLongDoubles, formatLongDouble, parseLongDouble } from '../encoding/long-double.ts'
import type { Entry } from '../keyspace/entry.ts'
import { NOTIFY_STRING } from '../keyspace/key-events.ts'
import { FLAG_TEXT } from '../keyspace/layout.ts'
import { NOT_AN_INTEGER, NOT_A_FLOAT } from '../resp/error-replies.ts'
import { expectString, findForWrite, integerArgument, putFound } from './access.ts'
import type { CommandContext, ReadContext } from './command.ts'
import { notify } from './notify.ts'

const WOULD_OVERFLOW = 'ERR increment or decrement would overflow'
/** Decimal text of the new value, and the old one when it is not in one piece. */
const text: Uint8Array = new Uint8Array(32)

export function runIncr(context: CommandContext): void {
  addSafe(context, 1)
}

export function runDecr(context: CommandContext): void {
  addSafe(context, -1)
}

/** INCRBY key increment */
export function runIncrBy(context: CommandContext): void {
  const value = integerArgument(context, 2)
  if (Number.isNaN(value)) return
  if (Number.isSafeInteger(value)) addSafe(context, value)
  else addExact(context, exactArgument(context, 2))
}

/** DECRBY key decrement */
export function runDecrBy(context: CommandContext): void {
  const value = integerArgument(context, 2)
  if (Number.isNaN(value)) return
  if (Number.isSafeInteger(value)) {
    addSafe(context, -value)
    return
  }
  const exact = exactArgument(context, 2)
  if (exact === INT64_MIN) context.reply.error('ERR decrement would overflow')
  else addExact(context, -exact)
}

/** INCRBYFLOAT key increment */
export function runIncrByFloat(context: CommandContext): void {
  const { args, keyspace, reply } = context
  const { entry } = keyspace
  const found = findForWrite(context, 1)
  if (found && !expectString(context)) return
  const bytes = found ? entry.toBuffer() : ZERO_TEXT
  const value = parseLongDouble(bytes, 0, bytes.length)
  const increment = value && parseLongDouble(args.bytes, args.start[2]!, args.end[2]!)
  if (value === undefined || increment === undefined) {
    reply.error(NOT_A_FLOAT)
    return
  }
  const infinite = value === 'infinite' || increment === 'infinite'
  const sum = infinite ? undefined : addLongDoubles(value, increment)
  if (sum === undefined) {
    reply.error('ERR increment would produce NaN or Infinity')
    return
  }
  const result = Buffer.from(formatLongDouble(sum), 'latin1')
  putFound(context, 1, FLAG_TEXT, result, 0, result.length, found ? entry.expireAtMs : -1)
  tellSum(context, result)
  notify(context, NOTIFY_STRING, 'incrbyfloat', 1)
  reply.bulk(result, 0, result.length)
}

/** The sum itself, lest it is another one where numbers are added otherwise: `SET key sum KEEPTTL`. */
function tellSum({ effects, args, db }: CommandContext, sum: Buffer): void {
  if (effects === undefined) return
  effects.begin(db, 'SET', 4)
  effects.argument(args, 1)
  effects.bytes(sum, 0, sum.length)
  effects.word('KEEPTTL')
}

const ZERO_TEXT: Buffer = Buffer.from('0')

/** Adds a safe integer to the string at the key, as long as everything stays safe. */
function addSafe(context: CommandContext, increment: number): void {
  const { entry } = context.keyspace
  const found = findForWrite(context, 1)
  let value = 0
  if (found) {
    if (!expectString(context)) return
    value = integerOf(entry)
    if (Number.isNaN(value)) {
      context.reply.error(NOT_AN_INTEGER)
      return
    }
  }
  const sum = value + increment
  if (!Number.isSafeInteger(value) || !Number.isSafeInteger(sum)) {
    addExact(context, BigInt(increment))
    return
  }
  putFound(context, 1, 0, text, 0, writeInteger(text, 0, sum), found ? entry.expireAtMs : -1)
  notify(context, NOTIFY_STRING, 'incrby', 1)
  context.reply.integer(sum)
}

/** The same in 64-bit arithmetic. */
function addExact(context: CommandContext, increment: bigint): void {
  const { entry } = context.keyspace
  const found = findForWrite(context, 1)
  let value: bigint | undefined = 0n
  if (found) {
    if (!expectString(context)) return
    value = Number.isNaN(integerOf(entry)) ? undefined : exactOf(entry)
  }
  if (value === undefined) {
    context.reply.error(NOT_AN_INTEGER)
    return
  }
  const sum = value + increment
  if (sum > INT64_MAX || sum < INT64_MIN) {
    context.reply.error(WOULD_OVERFLOW)
    return
  }
  putFound(context, 1, 0, text, 0, writeBigInteger(text, 0, sum), found ? entry.expireAtMs : -1)
  notify(context, NOTIFY_STRING, 'incrby', 1)
  context.reply.integer(sum)
}

function exactArgument(context: ReadContext, index: number): bigint {
  const { args } = context
  return parseBigInteger(args.bytes, args.start[index]!, args.end[index]!)!
}

/** The string as an integer, NaN when it is none. */
function integerOf(entry: Entry): number {
  if (entry.length > INTEGER_TEXT_BYTES_MAX) return NaN
  if (!entry.isChunked) return parseInteger(entry.bytes, entry.start, entry.start + entry.length)
  entry.copy(0, entry.length, text, 0)
  return parseInteger(text, 0, entry.length)
}

function exactOf(entry: Entry): bigint | undefined {
  entry.copy(0, entry.length, text, 0)
  return parseBigInteger(text, 0, entry.length)
}
