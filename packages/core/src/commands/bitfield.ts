/**
 * BITFIELD and BITFIELD_RO: integers of 1 to 64 bits inside a string (redis 7.0 bitops.c bitfieldGeneric). All
 * operations are parsed before the first is done. Fields of up to 32 bits are handled as plain numbers, wider ones as
 * bigint.
 */
import { readBits, writeBits } from '../encoding/bits.ts'
import { INT64_MAX, parseBigInteger, parseInteger } from '../encoding/integer.ts'
import { NOTIFY_STRING } from '../keyspace/key-events.ts'
import { SYNTAX_ERROR } from '../resp/error-replies.ts'
import {
  expectString,
  findForRead,
  findForWrite,
  foundChanged,
  growFound,
  integerArgument,
  makeEmptyString,
} from './access.ts'
import { argIs } from './arguments.ts'
import { bitOffsetArgument } from './bit-offset.ts'
import type { CommandArgs, CommandContext, ReadContext } from './command.ts'
import { notify } from './notify.ts'

const GET = 0
const SET = 1
const INCRBY = 2

const WRAP = 0
const SATURATE = 1
const FAIL = 2

const BAD_TYPE = 'ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.'
const NARROW_BITS_MAX = 32
const LOWER_I = 105
const LOWER_U = 117

interface Operation {
  readonly kind: number
  readonly signed: boolean
  readonly bits: number
  readonly offset: number
  readonly overflow: number
  /** What to set or to add; bigint only where a number would not be exact. */
  readonly value: number | bigint
}

/** The bytes a field lies in: 64 bits from any bit on touch nine. */
const field: Uint8Array = new Uint8Array(9)
/** Register of the change functions: the field has another value now. */
let fieldChanged = false

/** What BITFIELD does to its key (redis 7.0 db.c bitfieldGetKeys()). */
export function keyFlagsOfBitField(args: CommandArgs): readonly string[] {
  for (let i = 2; i < args.count; i++) {
    if (argIs(args, i, 'SET') || argIs(args, i, 'INCRBY')) return ['RW', 'access', 'update']
  }
  return ['RO', 'access']
}

/** BITFIELD key [GET type offset | [OVERFLOW WRAP|SAT|FAIL] SET|INCRBY type offset value …] */
export function runBitField(context: CommandContext): void {
  const operations = parseOperations(context)
  if (operations === undefined) return
  const last = lastBitChanged(operations)
  if (last === -1) readFields(context, operations)
  else changeFields(context, operations, last)
}

/** BITFIELD_RO key [GET type offset …] */
export function runBitFieldRo(context: ReadContext): void {
  const operations = parseOperations(context)
  if (operations === undefined) return
  if (lastBitChanged(operations) === -1) readFields(context, operations)
  else context.reply.error('ERR BITFIELD_RO only supports the GET subcommand')
}

/** The last bit that an operation sets or adds to, -1 when all only read. */
function lastBitChanged(operations: readonly Operation[]): number {
  let last = -1
  for (const { kind, offset, bits } of operations) if (kind !== GET) last = Math.max(last, offset + bits - 1)
  return last
}

function readFields(context: ReadContext, operations: readonly Operation[]): void {
  const found = findForRead(context, 1)
  if (found && !expectString(context)) return
  context.reply.array(operations.length)
  for (const operation of operations) {
    loadField(context, operation, found)
    replyField(context, operation)
  }
}

/** @param lastBit the last one that is set or added to. */
function changeFields(context: CommandContext, operations: readonly Operation[], lastBit: number): void {
  const { keyspace, reply } = context
  const { entry } = keyspace
  const found = findForWrite(context, 1)
  if (found && !expectString(context)) return
  if (!found) makeEmptyString(context, 1)
  const length = Math.floor(lastBit / 8) + 1
  let changed = length > entry.length
  // Also when it is long enough: a string that BITFIELD may write becomes 'raw', whatever comes of it.
  growFound(context, 1, Math.max(length, entry.length))
  reply.array(operations.length)
  try {
    for (const operation of operations) {
      loadField(context, operation, true)
      if (operation.kind === GET) replyField(context, operation)
      else if (changeField(context, operation)) {
        changed ||= fieldChanged
        const at = Math.floor(operation.offset / 8)
        keyspace.writeEntry(at, field, 0, Math.floor((operation.offset + operation.bits - 1) / 8) - at + 1)
      }
    }
  } finally {
    // Memory may end behind the first one, or when the string has become longer.
    if (changed) {
      foundChanged(context, 1)
      notify(context, NOTIFY_STRING, 'setbit', 1)
    }
  }
}

/** All operations, or undefined after having written an error. */
function parseOperations(context: ReadContext): Operation[] | undefined {
  const { args, reply } = context
  const operations: Operation[] = []
  let overflow = WRAP
  for (let index = 2; index < args.count;) {
    const behind = args.count - index - 1
    let kind: number
    if (argIs(context.args, index, 'GET') && behind >= 2) kind = GET
    else if (argIs(context.args, index, 'SET') && behind >= 3) kind = SET
    else if (argIs(context.args, index, 'INCRBY') && behind >= 3) kind = INCRBY
    else if (argIs(context.args, index, 'OVERFLOW') && behind >= 1) {
      overflow = overflowArgument(context, index + 1)
      if (overflow === -1) {
        reply.error('ERR Invalid OVERFLOW type specified')
        return undefined
      }
      index += 2
      continue
    } else {
      reply.error(SYNTAX_ERROR)
      return undefined
    }
    const type = args.bytes[args.start[index + 1]!]
    const signed = type === LOWER_I
    const bits = parseInteger(args.bytes, args.start[index + 1]! + 1, args.end[index + 1]!)
    if ((!signed && type !== LOWER_U) || !(bits >= 1 && bits <= (signed ? 64 : 63))) {
      reply.error(BAD_TYPE)
      return undefined
    }
    const offset = bitOffsetArgument(context, index + 2, bits)
    if (Number.isNaN(offset)) return undefined
    let value: number | bigint = 0
    if (kind !== GET) {
      value = integerArgument(context, index + 3)
      if (Number.isNaN(value)) return undefined
      if (!Number.isSafeInteger(value)) {
        value = parseBigInteger(args.bytes, args.start[index + 3]!, args.end[index + 3]!)!
      }
    }
    operations.push({ kind, signed, bits, offset, overflow, value })
    index += kind === GET ? 3 : 4
  }
  return operations
}

function overflowArgument(context: ReadContext, index: number): number {
  if (argIs(context.args, index, 'WRAP')) return WRAP
  if (argIs(context.args, index, 'SAT')) return SATURATE
  return argIs(context.args, index, 'FAIL') ? FAIL : -1
}

/** Copies the bytes of a field; zeros behind the end of the string. */
function loadField(context: ReadContext, operation: Operation, found: boolean): void {
  const { entry } = context.keyspace
  const at = Math.floor(operation.offset / 8)
  field.fill(0)
  if (found && at < entry.length) entry.copy(at, Math.min(entry.length, at + field.length), field, 0)
}

function replyField(context: ReadContext, operation: Operation): void {
  context.reply.integer(operation.bits <= NARROW_BITS_MAX ? narrowValue(operation) : wideValue(operation))
}

/** SET or INCRBY: replies, and writes into `field`. @returns false when OVERFLOW FAIL keeps the field as it is. */
function changeField(context: CommandContext, operation: Operation): boolean {
  const { value, bits } = operation
  // Any sum of a narrow field and a number of this size is exact.
  if (bits <= NARROW_BITS_MAX && typeof value === 'number' && Math.abs(value) < 2 ** 52) {
    return changeNarrow(context, operation, value)
  }
  return changeWide(context, operation, BigInt(value))
}

function narrowValue({ signed, bits, offset }: Operation): number {
  const value = readBits(field, offset % 8, bits)
  return signed && value >= 2 ** (bits - 1) ? value - 2 ** bits : value
}

function changeNarrow(context: ReadContext, operation: Operation, value: number): boolean {
  const { kind, signed, bits, overflow } = operation
  const range = 2 ** bits
  const max = signed ? range / 2 - 1 : range - 1
  const min = signed ? -range / 2 : 0
  const before = narrowValue(operation)
  let after = kind === SET ? value : before + value
  if (after > max || after < min) {
    if (overflow === FAIL) {
      context.reply.nullBulk()
      return false
    }
    // A negative number set to an unsigned field counts as too large: Redis compares it as uint64.
    if (overflow === SATURATE) after = after > max || (kind === SET && !signed) ? max : min
    else {
      after = ((after % range) + range) % range
      if (after > max) after -= range
    }
  }
  context.reply.integer(kind === SET ? before : after)
  writeBits(field, operation.offset % 8, bits, after < 0 ? after + range : after)
  fieldChanged = after !== before
  return true
}

function wideValue({ signed, bits, offset }: Operation): bigint {
  const at = offset % 8
  let value: bigint
  if (bits <= 32) value = BigInt(readBits(field, at, bits))
  else value = (BigInt(readBits(field, at, bits - 32)) << 32n) | BigInt(readBits(field, at + bits - 32, 32))
  return signed ? BigInt.asIntN(bits, value) : value
}

function changeWide(context: ReadContext, operation: Operation, value: bigint): boolean {
  const { kind, signed, bits, overflow } = operation
  const max = 2n ** BigInt(signed ? bits - 1 : bits) - 1n
  const min = signed ? -max - 1n : 0n
  const before = wideValue(operation)
  let after = kind === SET ? value : before + value
  if (after > max || after < min) {
    if (overflow === FAIL) {
      context.reply.nullBulk()
      return false
    }
    // The distance of a number close to the least int64 from `max` overflows in Redis, and it counts as too large.
    const wraps = kind === SET && (!signed || (bits < 64 && max - after > INT64_MAX))
    if (overflow === SATURATE) after = after > max || wraps ? max : min
    else after = signed ? BigInt.asIntN(bits, after) : BigInt.asUintN(bits, after)
  }
  context.reply.integer(kind === SET ? before : after)
  const pattern = BigInt.asUintN(bits, after)
  const at = operation.offset % 8
  if (bits <= 32) writeBits(field, at, bits, Number(pattern))
  else {
    writeBits(field, at, bits - 32, Number(pattern >> 32n))
    writeBits(field, at + bits - 32, 32, Number(pattern & 0xffff_ffffn))
  }
  fieldChanged = after !== before
  return true
}
