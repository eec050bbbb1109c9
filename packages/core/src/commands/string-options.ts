/**
 * The options that SET, GETEX and MSETEX share: expiry, conditions, GET, KEEPTTL and PERSIST (redis 7.0 t_string.c
 * parseExtendedStringArgumentsOrReply). Parsed into registers of this module, which stay valid until the next call, so
 * that a SET with options costs no object.
 * IFEQ and its like: Redis 8.4, Valkey 8.1.
 */
import { INT64_MAX, parseBigInteger, parseInteger } from '../encoding/integer.ts'
import { SYNTAX_ERROR, NOT_AN_INTEGER } from '../resp/error-replies.ts'
import { argIs } from './arguments.ts'
import type { ReadContext } from './command.ts'

export const OPTION_NX = 0x1
export const OPTION_XX = 0x2
export const OPTION_GET = 0x4
export const OPTION_KEEPTTL = 0x8
export const OPTION_PERSIST = 0x10
export const OPTION_EX = 0x20
export const OPTION_PX = 0x40
export const OPTION_EXAT = 0x80
export const OPTION_PXAT = 0x100
export const OPTION_IFEQ = 0x200
export const OPTION_IFNE = 0x400
export const OPTION_IFDEQ = 0x800
const OPTION_IFDNE = 0x1000

const OPTION_EXPIRES: number = OPTION_EX | OPTION_PX | OPTION_EXAT | OPTION_PXAT
export const OPTION_COMPARES: number = OPTION_IFEQ | OPTION_IFNE | OPTION_IFDEQ | OPTION_IFDNE
const CONDITIONS: number = OPTION_NX | OPTION_XX | OPTION_COMPARES
const TIMES: number = OPTION_EXPIRES | OPTION_KEEPTTL | OPTION_PERSIST

/** Options a command knows. */
export const SET_OPTIONS: number = CONDITIONS | OPTION_GET | OPTION_KEEPTTL | OPTION_EXPIRES
export const GETEX_OPTIONS: number = OPTION_PERSIST | OPTION_EXPIRES
export const MSETEX_OPTIONS: number = OPTION_NX | OPTION_XX | OPTION_KEEPTTL | OPTION_EXPIRES

/** Registers: what the last parseStringOptions found. */
export let optionFlags = 0
/** Index of the argument with the time, 0 without one. */
export let expireIndex = 0
/** Index of the argument that IFEQ and its like compare with. */
export let compareIndex = 0

/**
 * Parses the arguments from `from` to the end. @param known the options this command has.
 * @returns false after having written the syntax error.
 */
export function parseStringOptions(context: ReadContext, from: number, known: number): boolean {
  const { count } = context.args
  optionFlags = 0
  expireIndex = 0
  compareIndex = 0
  for (let index = from; index < count; index++) {
    const option = known & optionAt(context, index)
    const next = index + 1 < count
    if (option === 0 || !fits(option) || ((option & (OPTION_EXPIRES | OPTION_COMPARES)) !== 0 && !next)) {
      context.reply.error(SYNTAX_ERROR)
      return false
    }
    optionFlags |= option
    if ((option & OPTION_EXPIRES) !== 0) expireIndex = ++index
    else if ((option & OPTION_COMPARES) !== 0) compareIndex = ++index
  }
  return true
}

/** May the option stand beside those seen? Repeating one is allowed. */
function fits(option: number): boolean {
  if ((option & CONDITIONS) !== 0) return (optionFlags & CONDITIONS & ~option) === 0
  if ((option & TIMES) !== 0) return (optionFlags & TIMES & ~option) === 0
  return true
}

function optionAt(context: ReadContext, index: number): number {
  switch (context.args.end[index]! - context.args.start[index]!) {
    case 2:
      if (argIs(context.args, index, 'EX')) return OPTION_EX
      if (argIs(context.args, index, 'PX')) return OPTION_PX
      if (argIs(context.args, index, 'NX')) return OPTION_NX
      return argIs(context.args, index, 'XX') ? OPTION_XX : 0
    case 3:
      return argIs(context.args, index, 'GET') ? OPTION_GET : 0
    case 4:
      if (argIs(context.args, index, 'PXAT')) return OPTION_PXAT
      if (argIs(context.args, index, 'EXAT')) return OPTION_EXAT
      if (argIs(context.args, index, 'IFEQ')) return OPTION_IFEQ
      return argIs(context.args, index, 'IFNE') ? OPTION_IFNE : 0
    case 5:
      if (argIs(context.args, index, 'IFDEQ')) return OPTION_IFDEQ
      return argIs(context.args, index, 'IFDNE') ? OPTION_IFDNE : 0
    case 7:
      if (argIs(context.args, index, 'KEEPTTL')) return OPTION_KEEPTTL
      return argIs(context.args, index, 'PERSIST') ? OPTION_PERSIST : 0
    default:
      return 0
  }
}

/** Latest time a record can hold as it is (the largest double below 2^63). */
const EXPIRE_AT_MS_MAX: number = 2 ** 63 - 1024
const SECONDS_MAX: bigint = INT64_MAX / 1000n

/**
 * The time in argument `index` as milliseconds since 1970. @param option which of EX, PX, EXAT, PXAT it is.
 * @param name the command, for the error. @returns NaN after having written the error.
 */
export function expireArgument(context: ReadContext, index: number, option: number, name: string): number {
  const { args } = context
  const start = args.start[index]!
  const end = args.end[index]!
  const value = parseInteger(args.bytes, start, end)
  if (Number.isNaN(value)) {
    context.reply.error(NOT_AN_INTEGER)
    return NaN
  }
  const seconds = (option & (OPTION_EX | OPTION_EXAT)) !== 0
  const relative = (option & (OPTION_EX | OPTION_PX)) !== 0
  let at = (seconds ? value * 1000 : value) + (relative ? context.nowMs : 0)
  if (value > 0 && !Number.isSafeInteger(at)) {
    at = expireBeyondSafe(parseBigInteger(args.bytes, start, end)!, seconds, relative ? context.nowMs : 0)
  }
  if (value > 0 && at > 0) return at
  context.reply.error(`ERR invalid expire time in '${name}' command`)
  return NaN
}

/** The same in 64-bit arithmetic; 0 when it overflows. */
function expireBeyondSafe(value: bigint, seconds: boolean, nowMs: number): number {
  if (seconds && value > SECONDS_MAX) return 0
  const at = (seconds ? value * 1000n : value) + BigInt(nowMs)
  return at > INT64_MAX ? 0 : Math.min(Number(at), EXPIRE_AT_MS_MAX)
}
