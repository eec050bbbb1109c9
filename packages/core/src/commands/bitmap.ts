/**
 * Strings as arrays of bits: SETBIT, GETBIT, BITCOUNT and BITPOS, and the table of the bitmap commands (redis 7.0
 * bitops.c). BITOP is bitop.ts, BITFIELD bitfield.ts.
 */
import { countBits, findOtherByte, firstBit } from '../encoding/bits.ts'
import { NOTIFY_STRING } from '../keyspace/key-events.ts'
import { SYNTAX_ERROR } from '../resp/error-replies.ts'
import {
  expectString,
  findForRead,
  findForWrite,
  foundChanged,
  growFound,
  integerArgument,
  isBackwards,
  makeEmptyString,
} from './access.ts'
import { argIs } from './arguments.ts'
import { bitOffsetArgument } from './bit-offset.ts'
import { keyFlagsOfBitField, runBitField, runBitFieldRo } from './bitfield.ts'
import { runBitOp } from './bitop.ts'
import type { CommandContext, CommandTable, ReadContext } from './command.ts'
import { DENYOOM, FAST, READONLY, WRITE } from './flags.ts'
import { notify } from './notify.ts'

const BAD_BIT = 'ERR bit is not an integer or out of range'

const oneByte: Uint8Array = new Uint8Array(1)

/** SETBIT key offset 0|1 */
function runSetBit(context: CommandContext): void {
  const { keyspace, reply } = context
  const { entry } = keyspace
  const offset = bitOffsetArgument(context, 2, 0)
  if (Number.isNaN(offset)) return
  const bit = integerArgument(context, 3, BAD_BIT)
  if (Number.isNaN(bit)) return
  if (bit !== 0 && bit !== 1) {
    reply.error(BAD_BIT)
    return
  }
  const found = findForWrite(context, 1)
  if (found && !expectString(context)) return
  if (!found) makeEmptyString(context, 1)
  const at = Math.floor(offset / 8)
  const grown = at >= entry.length
  if (grown) growFound(context, 1, at + 1)
  const mask = 0x80 >> (offset % 8)
  const before = entry.byteAt(at)
  oneByte[0] = bit === 1 ? before | mask : before & ~mask
  let changed = grown
  try {
    keyspace.writeEntry(at, oneByte, 0, 1)
    changed ||= oneByte[0] !== before
  } finally {
    // When memory ends here it may be longer all the same.
    if (changed) {
      foundChanged(context, 1)
      notify(context, NOTIFY_STRING, 'setbit', 1)
    }
  }
  reply.integer((before & mask) === 0 ? 0 : 1)
}

/** GETBIT key offset */
function runGetBit(context: ReadContext): void {
  const offset = bitOffsetArgument(context, 2, 0)
  if (Number.isNaN(offset)) return
  if (!findForRead(context, 1)) {
    context.reply.integer(0)
    return
  }
  if (!expectString(context)) return
  const { entry } = context.keyspace
  const at = Math.floor(offset / 8)
  context.reply.integer(at < entry.length && (entry.byteAt(at) & (0x80 >> (offset % 8))) !== 0 ? 1 : 0)
}

/** BITCOUNT key [start end [BYTE|BIT]]. As in 7.0, arguments are looked at only when the key exists. */
function runBitCount(context: ReadContext): void {
  const { args, reply } = context
  const { entry } = context.keyspace
  if (!findForRead(context, 1)) {
    reply.integer(0)
    return
  }
  if (!expectString(context)) return
  if (args.count === 2) {
    reply.integer(entry.length === 0 ? 0 : countRange(context, 0, entry.length * 8))
    return
  }
  if (args.count === 3 || args.count > 5) {
    reply.error(SYNTAX_ERROR)
    return
  }
  let from = integerArgument(context, 2)
  if (Number.isNaN(from)) return
  let to = integerArgument(context, 3)
  if (Number.isNaN(to)) return
  if (isBackwards(context, 2, from, to)) {
    reply.integer(0)
    return
  }
  const unit = args.count === 5 ? unitArgument(context, 4) : 8
  if (unit === 0) return
  const units = (entry.length * 8) / unit
  if (from < 0) from = Math.max(0, units + from)
  if (to < 0) to = Math.max(0, units + to)
  if (to >= units) to = units - 1
  reply.integer(from > to ? 0 : countRange(context, from * unit, (to + 1) * unit))
}

/** Set bits [from, to) of the string just found. */
function countRange(context: ReadContext, from: number, to: number): number {
  const { entry } = context.keyspace
  const firstByte = Math.floor(from / 8)
  const endByte = Math.ceil(to / 8)
  let count = 0
  for (let position = firstByte; position < endByte;) {
    const piece = Math.min(entry.pieceAt(position), endByte - position)
    count += countBits(entry.pieceBytes, entry.pieceStart, entry.pieceStart + piece)
    position += piece
  }
  // Bits of the bytes at the edges that lie outside.
  oneByte[0] = entry.byteAt(firstByte) & ~(0xff >> (from % 8))
  count -= countBits(oneByte, 0, 1)
  oneByte[0] = entry.byteAt(endByte - 1) & ((1 << (endByte * 8 - to)) - 1)
  return count - countBits(oneByte, 0, 1)
}

/** BITPOS key bit [start [end [BYTE|BIT]]]. As in 7.0, the range is looked at only when the key exists. */
function runBitPos(context: ReadContext): void {
  const { args, reply } = context
  const { entry } = context.keyspace
  const bit = integerArgument(context, 2)
  if (Number.isNaN(bit)) return
  if (bit !== 0 && bit !== 1) {
    reply.error('ERR The bit argument must be 1 or 0.')
    return
  }
  if (!findForRead(context, 1)) {
    reply.integer(bit === 1 ? -1 : 0)
    return
  }
  if (!expectString(context)) return
  if (args.count > 6) {
    reply.error(SYNTAX_ERROR)
    return
  }
  const endGiven = args.count >= 5
  let from = args.count > 3 ? integerArgument(context, 3) : 0
  if (Number.isNaN(from)) return
  const unit = args.count === 6 ? unitArgument(context, 5) : 8
  if (unit === 0) return
  let to = endGiven ? integerArgument(context, 4) : -1
  if (Number.isNaN(to)) return
  const units = (entry.length * 8) / unit
  if (from < 0) from = Math.max(0, units + from)
  if (to < 0) to = Math.max(0, units + to)
  if (to >= units) to = units - 1
  if (from > to) {
    reply.integer(-1)
    return
  }
  const position = findBit(context, bit, from * unit, (to + 1) * unit)
  // Without an explicit end a string is followed by zeros for ever.
  if (position === -1 && bit === 0 && !endGiven) reply.integer(entry.length * 8)
  else reply.integer(position)
}

/** First bit in [from, to) of the string just found that equals `bit`, -1 when there is none. */
function findBit(context: ReadContext, bit: number, from: number, to: number): number {
  const { entry } = context.keyspace
  const without = bit === 1 ? 0 : 0xff
  const endByte = Math.ceil(to / 8)
  let position = Math.floor(from / 8)
  // The first byte alone, as if the bits before `from` were of the other kind.
  if (from % 8 !== 0) {
    const outside = ~(0xff >> (from % 8)) & 0xff
    const byte = entry.byteAt(position)
    const at = firstBit(bit === 1 ? byte & ~outside : byte | outside, bit)
    if (at < 8) return position * 8 + at < to ? position * 8 + at : -1
    position++
  }
  while (position < endByte) {
    const piece = Math.min(entry.pieceAt(position), endByte - position)
    const skipped = findOtherByte(entry.pieceBytes, entry.pieceStart, entry.pieceStart + piece, without)
    position += skipped
    if (skipped === piece) continue
    const at = position * 8 + firstBit(entry.byteAt(position), bit)
    return at < to ? at : -1
  }
  return -1
}

/** BYTE or BIT: bits per unit; 0 after having written the error. */
function unitArgument(context: ReadContext, index: number): number {
  if (argIs(context.args, index, 'BIT')) return 1
  if (argIs(context.args, index, 'BYTE')) return 8
  context.reply.error(SYNTAX_ERROR)
  return 0
}

const ONE_KEY = [1, 1, 1] as const
const GROUP = 'bitmap'

export const bitmapCommands: CommandTable = {
  SETBIT: {
    arity: 4,
    flags: WRITE | DENYOOM,
    keys: ONE_KEY,
    since: '2.2.0',
    group: GROUP,
    summary: 'Sets or clears one bit of a string.',
    run: runSetBit,
  },
  GETBIT: {
    arity: 3,
    flags: READONLY | FAST,
    keys: ONE_KEY,
    since: '2.2.0',
    group: GROUP,
    summary: 'Returns one bit of a string.',
    read: runGetBit,
  },
  BITCOUNT: {
    arity: -2,
    flags: READONLY,
    keys: ONE_KEY,
    since: '2.6.0',
    group: GROUP,
    summary: 'Counts the set bits of a string or a part of it.',
    read: runBitCount,
  },
  BITPOS: {
    arity: -3,
    flags: READONLY,
    keys: ONE_KEY,
    since: '2.8.7',
    group: GROUP,
    summary: 'Finds the first set or clear bit.',
    read: runBitPos,
  },
  BITOP: {
    arity: -4,
    flags: WRITE | DENYOOM,
    keys: [2, -1, 1],
    since: '2.6.0',
    group: GROUP,
    summary: 'Combines strings bit by bit into another one.',
    keySpecs: ['OW update @2', 'RO access @3..'],
    run: runBitOp,
  },
  BITFIELD: {
    arity: -2,
    flags: WRITE | DENYOOM,
    keys: ONE_KEY,
    since: '3.2.0',
    group: GROUP,
    summary: 'Reads and changes integers of any width inside a string.',
    keyFlags: ['RW', 'access', 'update', 'variable_flags'],
    keyFlagsOfRequest: keyFlagsOfBitField,
    run: runBitField,
  },
  BITFIELD_RO: {
    arity: -2,
    flags: READONLY | FAST,
    keys: ONE_KEY,
    since: '6.0.0',
    group: GROUP,
    summary: 'Reads integers of any width from a string.',
    read: runBitFieldRo,
  },
}
