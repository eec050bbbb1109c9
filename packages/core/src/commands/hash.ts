/**
 * Hashes (redis 7.0 t_hash.c). Fields and encodings: hash-value.ts; reads of whole hashes: hash-read.ts.
 */
import { INT64_MAX, INT64_MIN, parseBigInteger, writeBigInteger } from '../encoding/integer.ts'
import {
  LISTPACK_EMPTY_BYTES,
  listpackAppend,
  listpackCreate,
  listpackFind,
  listpackItemBytes,
} from '../encoding/listpack-edit.ts'
import { addLongDoubles, formatLongDouble, parseLongDouble } from '../encoding/long-double.ts'
import { FILTERED_NAMES_MIN, NameFilter } from '../encoding/name-filter.ts'
import { NOTIFY_HASH } from '../keyspace/key-events.ts'
import { FLAG_LARGE_ENCODING } from '../keyspace/layout.ts'
import { NOT_A_FLOAT, NOT_AN_INTEGER, wrongNumberOfArguments } from '../resp/error-replies.ts'
import { FORM_HASH_LISTPACK, PACKED_LARGE_ENCODING_BYTES_MAX } from '../values/form-numbers.ts'
import { findForRead, findForWrite, foundChanged } from './access.ts'
import type { CommandContext, CommandTable, ReadContext } from './command.ts'
import { DENYOOM, FAST, READONLY, WRITE } from './flags.ts'
import { runHGetAll, runHKeys, runHRandField, runHScan, runHVals } from './hash-read.ts'
import { sliceHGetAll, sliceHKeys, sliceHVals } from './hash-slices.ts'
import {
  createEmptyHash,
  dropEmptyHash,
  expectHash,
  fieldExpireAtMs,
  fieldValueLength,
  fieldValueToBuffer,
  findField,
  hashLength,
  noteArgumentLengths,
  removeField,
  replyFieldValue,
  setField,
} from './hash-value.ts'
import { notify, notifyDeleted } from './notify.ts'

const WOULD_OVERFLOW = 'ERR increment or decrement would overflow'

/** A hash being made: it becomes a key when it is complete. */
const packing: Uint8Array = new Uint8Array(PACKED_LARGE_ENCODING_BYTES_MAX)
const digits: Uint8Array = new Uint8Array(32)
const names = new NameFilter()

/** Finds the hash of argument 1 for a change. @returns -1 after an error reply, 0 when there is none, 1 when it was found. */
function findHash(context: CommandContext): number {
  if (!findForWrite(context, 1)) return 0
  return expectHash(context) ? 1 : -1
}

/**
 * Makes the key, which was looked up in vain, of fields and values in arguments [from, count), as far as they fit a listpack.
 * @returns the first argument that did not. `added` counts the fields.
 */
function createHash(context: CommandContext, from: number): number {
  const { args, keyspace, settings } = context
  const { encodings } = settings
  let length = LISTPACK_EMPTY_BYTES
  let index = from
  let flags = 0
  added = 0
  listpackCreate(packing, 0)
  for (; index + 1 < args.count; index += 2) {
    const start = args.start[index]!
    const end = args.end[index]!
    const valueStart = args.start[index + 1]!
    const valueEnd = args.end[index + 1]!
    const bytes = listpackItemBytes(args.bytes, start, end) + listpackItemBytes(args.bytes, valueStart, valueEnd)
    if (length + bytes > packing.length) break
    if (added === FILTERED_NAMES_MIN) names.begin(packing, 0, length, 2)
    const mayBeThere = added < FILTERED_NAMES_MIN || names.add(args.bytes, start, end)
    // A field that comes twice is set twice, by the slow way.
    if (mayBeThere && added > 0 && listpackFind(packing, 0, length, args.bytes, start, end, 2) >= 0) break
    listpackAppend(packing, 0, args.bytes, start, end)
    length = listpackAppend(packing, 0, args.bytes, valueStart, valueEnd)
    added++
  }
  for (let i = from; i < args.count && flags === 0; i++) {
    if (args.end[i]! - args.start[i]! > encodings.hashMaxListpackValue) flags = FLAG_LARGE_ENCODING
  }
  if (added > encodings.hashMaxListpackEntries) flags = FLAG_LARGE_ENCODING
  const key = args.bytes
  const keyStart = args.start[1]!
  const keyEnd = args.end[1]!
  keyspace.putLookedUp(context.db, key, keyStart, keyEnd, FORM_HASH_LISTPACK, flags, packing, 0, length, -1)
  return index
}

let added = 0

/** Sets the pairs of arguments [2, count), and tells of it. @returns how many fields are new, -1 after an error reply. */
function setPairs(context: CommandContext): number {
  const { args, keyspace } = context
  const found = findHash(context)
  if (found < 0) return -1
  let created = 0
  let index = 2
  if (found === 0) {
    index = createHash(context, 2)
    created = added
    if (index === args.count) {
      notify(context, NOTIFY_HASH, 'hset', 1)
      return created
    }
    keyspace.lookup(context.db, args.bytes, args.start[1]!, args.end[1]!)
  } else noteArgumentLengths(context, 2, args.count)
  const { entry } = keyspace
  const isFiltered = !entry.isLarge && (args.count - index) >>> 1 >= FILTERED_NAMES_MIN
  if (isFiltered) names.begin(entry.bytes, entry.start, entry.start + entry.length, 2)
  let isChanged = created > 0
  try {
    for (; index < args.count; index += 2) {
      const mayBeThere = !isFiltered || names.add(args.bytes, args.start[index]!, args.end[index]!)
      if (setField(context, index, args.bytes, args.start[index + 1]!, args.end[index + 1]!, -1, mayBeThere)) created++
      isChanged = true
    }
  } finally {
    // Memory may end behind the first one, or before it.
    if (isChanged) noteSet(context, 'hset')
    else dropEmptyHash(context)
  }
  return created
}

/** Tells of fields that were set. */
function noteSet(context: CommandContext, event: string): void {
  foundChanged(context, 1)
  notify(context, NOTIFY_HASH, event, 1)
}

/** HSET key field value [field value …] */
function runHSet(context: CommandContext): void {
  const { args, reply } = context
  if (args.count % 2 === 1) {
    reply.error(wrongNumberOfArguments('hset'))
    return
  }
  const created = setPairs(context)
  if (created >= 0) reply.integer(created)
}

/** HMSET key field value [field value …] */
function runHMSet(context: CommandContext): void {
  const { args, reply } = context
  if (args.count % 2 === 1) reply.error(wrongNumberOfArguments('hmset'))
  else if (setPairs(context) >= 0) reply.ok()
}

/** HSETNX key field value */
function runHSetNx(context: CommandContext): void {
  const { reply } = context
  const found = findHash(context)
  if (found < 0) return
  if (found === 1 && findField(context, 2)) {
    reply.integer(0)
    return
  }
  setPairs(context)
  reply.integer(1)
}

/**
 * Sets the field in argument 2 to bytes that are no argument. @param found what `findHash` returned
 * @param expireAtMs of the field, -1 for none
 */
function storeField(context: CommandContext, found: number, value: Uint8Array, end: number, expireAtMs: number): void {
  if (found === 0) createEmptyHash(context)
  try {
    setField(context, 2, value, 0, end, expireAtMs)
  } catch (error) {
    dropEmptyHash(context)
    throw error
  }
  foundChanged(context, 1)
}

/** HINCRBY key field increment */
function runHIncrBy(context: CommandContext): void {
  const { args, reply } = context
  const increment = parseBigInteger(args.bytes, args.start[3]!, args.end[3]!)
  if (increment === undefined) {
    reply.error(NOT_AN_INTEGER)
    return
  }
  const found = findHash(context)
  if (found < 0) return
  let value: bigint | undefined = 0n
  // It keeps its time to live (redis 7.4).
  let expireAtMs = -1
  if (found === 1 && findField(context, 2)) {
    expireAtMs = fieldExpireAtMs(context)
    const text = fieldValueLength(context) > digits.length ? NO_TEXT : fieldValueToBuffer(context)
    value = parseBigInteger(text, 0, text.length)
    if (value === undefined) {
      reply.error('ERR hash value is not an integer')
      return
    }
  }
  const sum = value + increment
  if (sum > INT64_MAX || sum < INT64_MIN) {
    reply.error(WOULD_OVERFLOW)
    return
  }
  storeField(context, found, digits, writeBigInteger(digits, 0, sum), expireAtMs)
  notify(context, NOTIFY_HASH, 'hincrby', 1)
  reply.integer(sum)
}

const NO_TEXT: Buffer = Buffer.alloc(0)

/** HINCRBYFLOAT key field increment */
function runHIncrByFloat(context: CommandContext): void {
  const { args, reply } = context
  const increment = parseLongDouble(args.bytes, args.start[3]!, args.end[3]!)
  if (increment === undefined || increment === 'infinite') {
    reply.error(increment === undefined ? NOT_A_FLOAT : 'ERR value is NaN or Infinity')
    return
  }
  const found = findHash(context)
  if (found < 0) return
  let value = increment
  let expireAtMs = -1
  if (found === 1 && findField(context, 2)) {
    expireAtMs = fieldExpireAtMs(context)
    const text = fieldValueToBuffer(context)
    const before = parseLongDouble(text, 0, text.length)
    if (before === undefined) {
      reply.error('ERR hash value is not a float')
      return
    }
    const sum = before === 'infinite' ? undefined : addLongDoubles(before, increment)
    if (sum === undefined) {
      reply.error('ERR increment would produce NaN or Infinity')
      return
    }
    value = sum
  }
  const result = Buffer.from(formatLongDouble(value), 'latin1')
  storeField(context, found, result, result.length, expireAtMs)
  tellSum(context, result, expireAtMs)
  notify(context, NOTIFY_HASH, 'hincrbyfloat', 1)
  reply.bulk(result, 0, result.length)
}

/** The sum itself, and the time that HSET takes from the field: `HSET key field sum`, `HPEXPIREAT key ms FIELDS 1 field`. */
function tellSum({ effects, args, db }: CommandContext, sum: Buffer, expireAtMs: number): void {
  if (effects === undefined) return
  effects.begin(db, 'HSET', 4)
  effects.argumentsOf(args, 1, 3)
  effects.bytes(sum, 0, sum.length)
  if (expireAtMs === -1) return
  effects.begin(db, 'HPEXPIREAT', 6)
  effects.argument(args, 1)
  effects.integer(expireAtMs)
  effects.word('FIELDS')
  effects.word('1')
  effects.argument(args, 2)
}

/** HDEL key field [field …] */
function runHDel(context: CommandContext): void {
  const { args, keyspace, reply } = context
  const found = findHash(context)
  if (found < 0) return
  let removed = 0
  if (found === 1) {
    for (let index = 2; index < args.count && keyspace.entry.address !== 0; index++) {
      if (removeField(context, index)) removed++
    }
    if (removed > 0) {
      const isGone = keyspace.entry.address === 0
      if (!isGone) foundChanged(context, 1)
      notify(context, NOTIFY_HASH, 'hdel', 1)
      if (isGone) notifyDeleted(context, 1)
    }
  }
  reply.integer(removed)
}

/** HGET key field */
function runHGet(context: ReadContext): void {
  const { reply } = context
  if (!findForRead(context, 1)) reply.nullBulk()
  else if (expectHash(context)) {
    if (findField(context, 2)) replyFieldValue(context)
    else reply.nullBulk()
  }
}

/** HMGET key field [field …] */
function runHMGet(context: ReadContext): void {
  const { args, reply } = context
  const found = findForRead(context, 1)
  if (found && !expectHash(context)) return
  reply.array(args.count - 2)
  for (let index = 2; index < args.count; index++) {
    if (found && findField(context, index)) replyFieldValue(context)
    else reply.nullBulk()
  }
}

/** HEXISTS key field */
function runHExists(context: ReadContext): void {
  if (!findForRead(context, 1)) context.reply.integer(0)
  else if (expectHash(context)) context.reply.integer(findField(context, 2) ? 1 : 0)
}

/** HLEN key */
function runHLen(context: ReadContext): void {
  if (!findForRead(context, 1)) context.reply.integer(0)
  else if (expectHash(context)) context.reply.integer(hashLength(context))
}

/** HSTRLEN key field */
function runHStrLen(context: ReadContext): void {
  if (!findForRead(context, 1)) context.reply.integer(0)
  else if (expectHash(context)) context.reply.integer(findField(context, 2) ? fieldValueLength(context) : 0)
}

const GROUP = 'hash'
const ONE_KEY = [1, 1, 1] as const
const ANY_ORDER = ['nondeterministic_output_order'] as const
const RANDOM = ['nondeterministic_output'] as const

export const hashCommands: CommandTable = {
  HSET: {
    arity: -4,
    flags: WRITE | DENYOOM | FAST,
    keys: ONE_KEY,
    since: '2.0.0',
    group: GROUP,
    summary: 'Sets fields of a hash.',
    keyFlags: ['RW', 'update'],
    run: runHSet,
  },
  HMSET: {
    arity: -4,
    flags: WRITE | DENYOOM | FAST,
    keys: ONE_KEY,
    since: '2.0.0',
    group: GROUP,
    summary: 'Sets fields of a hash; the old name of HSET.',
    keyFlags: ['RW', 'update'],
    run: runHMSet,
  },
  HSETNX: {
    arity: 4,
    flags: WRITE | DENYOOM | FAST,
    keys: ONE_KEY,
    since: '2.0.0',
    group: GROUP,
    summary: 'Sets a field of a hash that does not have it.',
    keyFlags: ['RW', 'insert'],
    run: runHSetNx,
  },
  HGET: {
    arity: 3,
    flags: READONLY | FAST,
    keys: ONE_KEY,
    since: '2.0.0',
    group: GROUP,
    summary: 'Returns the value of a field of a hash.',
    read: runHGet,
  },
  HMGET: {
    arity: -3,
    flags: READONLY | FAST,
    keys: ONE_KEY,
    since: '2.0.0',
    group: GROUP,
    summary: 'Returns the values of several fields of a hash.',
    read: runHMGet,
  },
  HGETALL: {
    arity: 2,
    flags: READONLY,
    keys: ONE_KEY,
    since: '2.0.0',
    group: GROUP,
    summary: 'Returns all fields and values of a hash.',
    tips: ANY_ORDER,
    read: runHGetAll,
    slices: sliceHGetAll,
  },
  HKEYS: {
    arity: 2,
    flags: READONLY,
    keys: ONE_KEY,
    since: '2.0.0',
    group: GROUP,
    summary: 'Returns all fields of a hash.',
    tips: ANY_ORDER,
    read: runHKeys,
    slices: sliceHKeys,
  },
  HVALS: {
    arity: 2,
    flags: READONLY,
    keys: ONE_KEY,
    since: '2.0.0',
    group: GROUP,
    summary: 'Returns all values of a hash.',
    tips: ANY_ORDER,
    read: runHVals,
    slices: sliceHVals,
  },
  HEXISTS: {
    arity: 3,
    flags: READONLY | FAST,
    keys: ONE_KEY,
    since: '2.0.0',
    group: GROUP,
    summary: 'Tells whether a hash has a field.',
    keyFlags: ['RO'],
    read: runHExists,
  },
  HLEN: {
    arity: 2,
    flags: READONLY | FAST,
    keys: ONE_KEY,
    since: '2.0.0',
    group: GROUP,
    summary: 'Returns how many fields a hash has.',
    keyFlags: ['RO'],
    read: runHLen,
  },
  HSTRLEN: {
    arity: 3,
    flags: READONLY | FAST,
    keys: ONE_KEY,
    since: '3.2.0',
    group: GROUP,
    summary: 'Returns how many bytes the value of a field has.',
    keyFlags: ['RO'],
    read: runHStrLen,
  },
  HINCRBY: {
    arity: 4,
    flags: WRITE | DENYOOM | FAST,
    keys: ONE_KEY,
    since: '2.0.0',
    group: GROUP,
    summary: 'Adds to the integer in a field of a hash.',
    run: runHIncrBy,
  },
  HINCRBYFLOAT: {
    arity: 4,
    flags: WRITE | DENYOOM | FAST,
    keys: ONE_KEY,
    since: '2.6.0',
    group: GROUP,
    summary: 'Adds to the floating point number in a field of a hash.',
    propagate: 'hset',
    run: runHIncrByFloat,
  },
  HDEL: {
    arity: -3,
    flags: WRITE | FAST,
    keys: ONE_KEY,
    since: '2.0.0',
    group: GROUP,
    summary: 'Removes fields of a hash.',
    keyFlags: ['RW', 'delete'],
    run: runHDel,
  },
  HRANDFIELD: {
    arity: -2,
    flags: READONLY,
    keys: ONE_KEY,
    since: '6.2.0',
    group: GROUP,
    summary: 'Returns random fields of a hash.',
    tips: RANDOM,
    read: runHRandField,
  },
  HSCAN: {
    arity: -3,
    flags: READONLY,
    keys: ONE_KEY,
    since: '2.8.0',
    group: GROUP,
    summary: 'Walks the fields and values of a hash.',
    tips: RANDOM,
    read: runHScan,
  },
}
