/**
 * BITOP: bitwise operations over whole strings into another (redis 7.0 bitops.c bitopCommand; DIFF, DIFF1, ANDOR and ONE:
 * Redis 8.2, taken from the stream only). Works block by block, so that long strings need no second copy: when the target
 * is also a source, a block of it is read before it is written.
 */
import { NOTIFY_STRING } from '../keyspace/key-events.ts'
import { FLAG_RAW } from '../keyspace/layout.ts'
import { SYNTAX_ERROR } from '../resp/error-replies.ts'
import {
  deleteFound,
  expectString,
  findForRead,
  findForWrite,
  foundChanged,
  growFound,
  putFound,
  sameArgument,
} from './access.ts'
import { argIs } from './arguments.ts'
import type { CommandContext, ReadContext } from './command.ts'
import { notify, notifyDeleted } from './notify.ts'

const AND = 1
const OR = 2
const XOR = 3
const NOT = 4
/** In the first but in none of the others. */
const DIFF = 5
/** In one of the others but not in the first. */
const DIFF1 = 6
/** In the first and in one of the others. */
const ANDOR = 7
/** In exactly one. */
const ONE = 8

const TARGET = 2
const FIRST_SOURCE = 3
const BLOCK_BYTES = 65_536
const BLOCK_WORDS: number = BLOCK_BYTES / 4

/** The result of a block, the next source, and what else the operation has to remember. */
const result: Int32Array = new Int32Array(BLOCK_WORDS)
const operand: Int32Array = new Int32Array(BLOCK_WORDS)
const others: Int32Array = new Int32Array(BLOCK_WORDS)
const resultBytes: Uint8Array = new Uint8Array(result.buffer)
const operandBytes: Uint8Array = new Uint8Array(operand.buffer)

/** BITOP operation target source [source …] */
export function runBitOp(context: CommandContext): void {
  const { args, reply } = context
  const operation = operationArgument(context)
  if (operation === 0) {
    reply.error(SYNTAX_ERROR)
    return
  }
  if (operation === NOT && args.count !== 4) {
    reply.error('ERR BITOP NOT must be called with a single source key.')
    return
  }
  if ((operation === DIFF || operation === DIFF1 || operation === ANDOR) && args.count < 5) {
    reply.error('ERR BITOP DIFF, DIFF1 and ANDOR must be called with at least two source keys.')
    return
  }
  const { entry } = context.keyspace
  let length = 0
  for (let index = FIRST_SOURCE; index < args.count; index++) {
    if (!findForRead(context, index)) continue
    if (!expectString(context)) return
    if (entry.length > length) length = entry.length
  }
  if (length === 0) {
    if (findForWrite(context, TARGET)) {
      deleteFound(context, TARGET)
      notifyDeleted(context, TARGET)
    }
  } else if (length <= BLOCK_BYTES) {
    combine(context, operation, 0, length)
    findForWrite(context, TARGET)
    putFound(context, TARGET, FLAG_RAW, resultBytes, 0, length, -1)
  } else combineInPlace(context, operation, length)
  if (length > 0) notify(context, NOTIFY_STRING, 'set', TARGET)
  reply.integer(length)
}

/** Makes the target `length` bytes long and fills it block by block. */
function combineInPlace(context: CommandContext, operation: number, length: number): void {
  const { args, keyspace } = context
  const found = findForWrite(context, TARGET)
  let isSource = false
  for (let index = FIRST_SOURCE; index < args.count; index++) isSource ||= sameArgument(context, TARGET, index)
  if (!found || !isSource) {
    putFound(context, TARGET, FLAG_RAW, resultBytes, 0, 0, -1)
    findForWrite(context, TARGET)
  } else keyspace.setEntryExpire(context.db, args.bytes, args.start[TARGET]!, args.end[TARGET]!, -1)
  growFound(context, TARGET, length)
  try {
    for (let from = 0; from < length; from += BLOCK_BYTES) {
      const count = Math.min(BLOCK_BYTES, length - from)
      combine(context, operation, from, count)
      // A fresh target reads as zeros where nothing was written.
      if (!isSource && isZero(count)) continue
      findForWrite(context, TARGET)
      keyspace.writeEntry(from, resultBytes, 0, count)
    }
  } finally {
    // Memory may end behind the first block.
    findForWrite(context, TARGET)
    foundChanged(context, TARGET)
  }
}

/** Computes bytes [from, from + count) of the result. */
function combine(context: ReadContext, operation: number, from: number, count: number): void {
  const words = (count + 3) >>> 2
  const last = context.args.count - 1
  loadBlock(context, FIRST_SOURCE, from, count, resultBytes)
  if (operation === NOT) {
    invert(result, words)
    return
  }
  if (operation >= DIFF) others.fill(0, 0, words)
  for (let index = FIRST_SOURCE + 1; index <= last; index++) {
    loadBlock(context, index, from, count, operandBytes)
    if (operation === AND) and(result, operand, words)
    else if (operation === OR) or(result, operand, words)
    else if (operation === XOR) xor(result, operand, words)
    else if (operation === ONE) {
      orBoth(others, result, operand, words)
      or(result, operand, words)
    } else or(others, operand, words)
  }
  if (operation === DIFF1) invert(result, words)
  else if (operation === DIFF || operation === ONE) invert(others, words)
  if (operation >= DIFF) and(result, others, words)
}

// Each loop is a function of its own with the arrays as parameters: V8 then keeps them, and their bounds, in registers. Four words at a
// time; blocks are long enough for the up to three behind the last one, which nobody looks at.

function invert(into: Int32Array, words: number): void {
  for (let i = 0; i < words; i += 4) {
    into[i] = ~into[i]!
    into[i + 1] = ~into[i + 1]!
    into[i + 2] = ~into[i + 2]!
    into[i + 3] = ~into[i + 3]!
  }
}

function and(into: Int32Array, other: Int32Array, words: number): void {
  for (let i = 0; i < words; i += 4) {
    into[i] = into[i]! & other[i]!
    into[i + 1] = into[i + 1]! & other[i + 1]!
    into[i + 2] = into[i + 2]! & other[i + 2]!
    into[i + 3] = into[i + 3]! & other[i + 3]!
  }
}

function or(into: Int32Array, other: Int32Array, words: number): void {
  for (let i = 0; i < words; i += 4) {
    into[i] = into[i]! | other[i]!
    into[i + 1] = into[i + 1]! | other[i + 1]!
    into[i + 2] = into[i + 2]! | other[i + 2]!
    into[i + 3] = into[i + 3]! | other[i + 3]!
  }
}

function xor(into: Int32Array, other: Int32Array, words: number): void {
  for (let i = 0; i < words; i += 4) {
    into[i] = into[i]! ^ other[i]!
    into[i + 1] = into[i + 1]! ^ other[i + 1]!
    into[i + 2] = into[i + 2]! ^ other[i + 2]!
    into[i + 3] = into[i + 3]! ^ other[i + 3]!
  }
}

/** Adds what both `a` and `b` have. */
function orBoth(into: Int32Array, a: Int32Array, b: Int32Array, words: number): void {
  for (let i = 0; i < words; i++) into[i] = into[i]! | (a[i]! & b[i]!)
}

/** Bytes [from, from + count) of the source in argument `index`; zeros behind its end and up to a whole word. */
function loadBlock(context: ReadContext, index: number, from: number, count: number, into: Uint8Array): void {
  const { entry } = context.keyspace
  let loaded = 0
  if (findForRead(context, index) && entry.length > from) {
    loaded = Math.min(count, entry.length - from)
    entry.copy(from, from + loaded, into, 0)
  }
  into.fill(0, loaded, (count + 3) & ~3)
}

function isZero(count: number): boolean {
  for (let i = 0; i < count >>> 2; i++) if (result[i] !== 0) return false
  for (let i = count & ~3; i < count; i++) if (resultBytes[i] !== 0) return false
  return true
}

function operationArgument(context: ReadContext): number {
  if (argIs(context.args, 1, 'AND')) return AND
  if (argIs(context.args, 1, 'OR')) return OR
  if (argIs(context.args, 1, 'XOR')) return XOR
  if (argIs(context.args, 1, 'NOT')) return NOT
  if (!context.fromPrimary) return 0
  if (argIs(context.args, 1, 'DIFF')) return DIFF
  if (argIs(context.args, 1, 'DIFF1')) return DIFF1
  if (argIs(context.args, 1, 'ANDOR')) return ANDOR
  return argIs(context.args, 1, 'ONE') ? ONE : 0
}
