/**
 * Times to live of fields (redis 7.4 and 8.0 t_hash.c, valkey 9.0): known here because streams carry HPEXPIREAT, HPERSIST and
 * HSETEX; the others for symmetry. Errors are those of redis 8.0.2. A field with a time to live makes its hash a table.
 *
 * Replies per field: -2 no such field, -1 no time to live, 0 the condition was not met, 1 done, 2 removed since the time is past.
 */
import { NOTIFY_HASH } from '../keyspace/key-events.ts'
import { wrongNumberOfArguments } from '../resp/error-replies.ts'
import { findForRead, findForWrite, foundChanged, integerArgument } from './access.ts'
import { argIs, argText } from './arguments.ts'
import type { CommandArgs, CommandContext, CommandRow, CommandTable, ReadContext, RowFunction } from './command.ts'
import { DENYOOM, FAST, READONLY, WRITE } from './flags.ts'
import {
  createEmptyHash,
  dropEmptyHash,
  expectHash,
  fieldExpireAtMs,
  findField,
  removeField,
  replyFieldValue,
  setField,
  setFieldExpire,
} from './hash-value.ts'
import { notify, notifyDeleted } from './notify.ts'

const NO_FIELD = -2
const NO_TIME = -1
const NOT_MET = 0
const DONE = 1
const REMOVED = 2
/** Latest time of a field (redis 7.4 ebuckets.h EB_EXPIRE_TIME_MAX), and the latest that a client may give it (HFE_MAX_ABS_TIME_MSEC). */
const FIELD_EXPIRE_AT_MS_MAX: number = 2 ** 48 - 2
const CLIENT_EXPIRE_AT_MS_MAX: number = 2 ** 46 - 1
const NEGATIVE_TIME = 'ERR invalid expire time, must be >= 0'

/** What is wrong with the count behind FIELDS, by command, as redis 8.0 says it. */
const COUNT_ERROR_OF_EXPIRE = 'ERR Parameter `numFields` should be greater than 0'
const COUNT_ERROR_OF_SET = 'ERR invalid number of fields'
const COUNT_ERROR = 'ERR Number of fields must be a positive integer'
const NO_FIELDS = 'ERR Mandatory argument FIELDS is missing or not at the right position'
const COUNT_MISMATCH = 'ERR The `numfields` parameter must match the number of arguments'

/** First field and behind the last, of the last `readFields`. */
let first = 0
let last = 0

/** How a command's FIELDS are written, and what is said when they are wrong. */
interface FieldsForm {
  /** Arguments per field. */
  readonly stride: number
  readonly countError: string
}

const FIELDS: FieldsForm = { stride: 1, countError: COUNT_ERROR }
const FIELDS_OF_EXPIRE: FieldsForm = { stride: 1, countError: COUNT_ERROR_OF_EXPIRE }
const FIELDS_OF_SET: FieldsForm = { stride: 2, countError: COUNT_ERROR_OF_SET }

/** Reads `FIELDS count field …` at argument `index`; it ends the command. @returns false after an error reply. */
function readFields(context: ReadContext, index: number, { stride, countError }: FieldsForm): boolean {
  const { args, reply } = context
  if (index + 1 >= args.count || !argIs(args, index, 'FIELDS')) {
    reply.error(NO_FIELDS)
    return false
  }
  const count = integerArgument(context, index + 1, countError)
  if (Number.isNaN(count)) return false
  if (count < 1) {
    reply.error(countError)
    return false
  }
  first = index + 2
  last = args.count
  if (last - first === count * stride) return true
  reply.error(stride === 1 ? COUNT_MISMATCH : wrongNumberOfArguments(commandName(args)))
  return false
}

function commandName(args: CommandArgs): string {
  return argText(args, 0).toLowerCase()
}

/** The time in argument `index` as milliseconds since 1970. @returns undefined after an error reply. */
function timeArgument(context: ReadContext, index: number, unitMs: number, isAbsolute: boolean): number | undefined {
  const { args, reply, nowMs } = context
  const value = integerArgument(context, index)
  if (Number.isNaN(value)) return undefined
  const expireAtMs = value * unitMs + (isAbsolute ? 0 : nowMs)
  const latest = context.fromPrimary ? FIELD_EXPIRE_AT_MS_MAX : CLIENT_EXPIRE_AT_MS_MAX
  if (value >= 0 && expireAtMs <= latest) return expireAtMs
  reply.error(value < 0 ? NEGATIVE_TIME : `ERR invalid expire time in '${commandName(args)}' command`)
  return undefined
}

/** Writes the same number for every field of a key that does not exist. */
function replyForAll(context: ReadContext, value: number): void {
  context.reply.array(last - first)
  for (let i = first; i < last; i++) context.reply.integer(value)
}

/** Tells of the end of a hash whose last field was removed, or of the change. */
function noteChange(context: CommandContext, event: string, isChanged: boolean): void {
  if (!isChanged) return
  const isGone = context.keyspace.entry.address === 0
  if (!isGone) foundChanged(context, 1)
  notify(context, NOTIFY_HASH, event, 1)
  if (isGone) notifyDeleted(context, 1)
}

/** In place of a time: the fields are gone. */
const REMOVE = -2

/**
 * Replicas get the time that the fields in these arguments have now: `HPEXPIREAT key ms FIELDS n field …`, `HPERSIST` for -1,
 * `HDEL key field …` for REMOVE.
 */
function tellFieldTimes({ effects, args, db }: CommandContext, expireAtMs: number, fields: readonly number[]): void {
  if (effects === undefined || fields.length === 0) return
  if (expireAtMs === REMOVE) {
    effects.begin(db, 'HDEL', 2 + fields.length)
    effects.argument(args, 1)
  } else {
    const hasTime = expireAtMs !== -1
    effects.begin(db, hasTime ? 'HPEXPIREAT' : 'HPERSIST', (hasTime ? 5 : 4) + fields.length)
    effects.argument(args, 1)
    if (hasTime) effects.integer(expireAtMs)
    effects.word('FIELDS')
    effects.integer(fields.length)
  }
  for (const field of fields) effects.argument(args, field)
}

/** A field and its value behind it: `HSET key field value`, and its time, which older replicas could not take with it. */
function tellField(context: CommandContext, index: number, expireAtMs: number): void {
  const { effects, args, db } = context
  if (effects === undefined) return
  effects.begin(db, 'HSET', 4)
  effects.argument(args, 1)
  effects.argumentsOf(args, index, index + 2)
  if (expireAtMs !== -1) tellFieldTimes(context, expireAtMs, [index])
}

/** May a field with this time (-1: none) get the new one? */
function isConditionMet(args: CommandArgs, condition: number, before: number, after: number): boolean {
  if (condition === 0) return true
  if (argIs(args, condition, 'NX')) return before === -1
  if (argIs(args, condition, 'XX')) return before !== -1
  if (argIs(args, condition, 'GT')) return before !== -1 && after > before
  return before === -1 || after < before
}

/** HEXPIRE, HPEXPIRE, HEXPIREAT, HPEXPIREAT key time [NX|XX|GT|LT] FIELDS count field [field …] */
function expireFields(context: CommandContext, unitMs: number, isAbsolute: boolean): void {
  const { args, keyspace, reply, nowMs } = context
  const found = findForWrite(context, 1)
  if (found && !expectHash(context)) return
  const expireAtMs = timeArgument(context, 2, unitMs, isAbsolute)
  if (expireAtMs === undefined) return
  const hasCondition = ['NX', 'XX', 'GT', 'LT'].some((name) => argIs(args, 3, name))
  const condition = hasCondition ? 3 : 0
  if (!readFields(context, hasCondition ? 4 : 3, FIELDS_OF_EXPIRE)) return
  if (!found) {
    replyForAll(context, NO_FIELD)
    return
  }
  const isPast = expireAtMs <= nowMs && !context.fromPrimary
  const changed: number[] = []
  reply.array(last - first)
  try {
    for (let i = first; i < last; i++) {
      let outcome = NO_FIELD
      if (keyspace.entry.address !== 0 && findField(context, i)) {
        if (!isConditionMet(args, condition, fieldExpireAtMs(context), expireAtMs)) outcome = NOT_MET
        else if (isPast) {
          removeField(context, i)
          outcome = REMOVED
        } else {
          setFieldExpire(context, i, expireAtMs)
          outcome = DONE
        }
      }
      if (outcome === DONE || outcome === REMOVED) changed.push(i)
      reply.integer(outcome)
    }
  } finally {
    // Memory may end behind the first one.
    tellFieldTimes(context, isPast ? REMOVE : expireAtMs, changed)
    noteChange(context, isPast ? 'hdel' : 'hexpire', changed.length > 0)
  }
}

/** HPERSIST key FIELDS count field [field …] */
function runHPersist(context: CommandContext): void {
  const { reply } = context
  const found = findForWrite(context, 1)
  if ((found && !expectHash(context)) || !readFields(context, 2, FIELDS)) return
  if (!found) {
    replyForAll(context, NO_FIELD)
    return
  }
  let isChanged = false
  reply.array(last - first)
  try {
    for (let i = first; i < last; i++) {
      if (!findField(context, i)) reply.integer(NO_FIELD)
      else if (fieldExpireAtMs(context) === -1) reply.integer(NO_TIME)
      else {
        setFieldExpire(context, i, -1)
        isChanged = true
        reply.integer(DONE)
      }
    }
  } finally {
    // Memory may end behind the first one.
    noteChange(context, 'hpersist', isChanged)
  }
}

/** HTTL, HPTTL, HEXPIRETIME, HPEXPIRETIME key FIELDS count field [field …] */
function replyTimes(context: ReadContext, unitMs: number, isAbsolute: boolean): void {
  const { reply, nowMs } = context
  const found = findForRead(context, 1)
  if ((found && !expectHash(context)) || !readFields(context, 2, FIELDS)) return
  if (!found) {
    replyForAll(context, NO_FIELD)
    return
  }
  reply.array(last - first)
  for (let i = first; i < last; i++) {
    if (!findField(context, i)) {
      reply.integer(NO_FIELD)
      continue
    }
    const expireAtMs = fieldExpireAtMs(context)
    if (expireAtMs === -1) reply.integer(NO_TIME)
    else reply.integer(Math.floor((Math.max(0, expireAtMs - (isAbsolute ? 0 : nowMs)) + unitMs - 1) / unitMs))
  }
}

/** HGETDEL key FIELDS count field [field …] */
function runHGetDel(context: CommandContext): void {
  const { keyspace, reply } = context
  const found = findForWrite(context, 1)
  if ((found && !expectHash(context)) || !readFields(context, 2, FIELDS)) return
  const changed: number[] = []
  reply.array(last - first)
  for (let i = first; i < last; i++) {
    if (found && keyspace.entry.address !== 0 && findField(context, i)) {
      replyFieldValue(context)
      removeField(context, i)
      changed.push(i)
    } else reply.nullBulk()
  }
  tellFieldTimes(context, REMOVE, changed)
  noteChange(context, 'hdel', changed.length > 0)
}

const KEEP = -2

/**
 * Reads what HGETEX and HSETEX say of times, from argument 2 on. @returns the index of FIELDS, 0 after an error reply.
 * `optionTime` is the time, -1 for none, KEEP to leave it as it is.
 */
function readTimeOptions(context: ReadContext, isSet: boolean): number {
  const { args, reply } = context
  optionTime = isSet ? -1 : KEEP
  condition = ''
  let hasTime = false
  let i = 2
  for (; i < args.count && !argIs(args, i, 'FIELDS'); i++) {
    const time = TIME_OPTIONS.find(([name]) => argIs(args, i, name))
    const isTime = time !== undefined || argIs(args, i, isSet ? 'KEEPTTL' : 'PERSIST')
    const isCondition = isSet && (argIs(args, i, 'FNX') || argIs(args, i, 'FXX'))
    if ((!isTime && !isCondition) || (isTime && hasTime && !isSet)) {
      const [word = ''] = argText(args, i).split('\0')
      reply.error(isSet ? `ERR unknown argument: ${word}` : NO_FIELDS)
      return 0
    }
    if (isCondition) {
      if (condition !== '') {
        reply.error('ERR Only one of FXX or FNX arguments can be specified')
        return 0
      }
      condition = argIs(args, i, 'FNX') ? 'FNX' : 'FXX'
      continue
    }
    if (hasTime) {
      reply.error('ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified')
      return 0
    }
    hasTime = true
    if (time === undefined) optionTime = isSet ? KEEP : -1
    else if (i + 1 < args.count) {
      const expireAtMs = timeArgument(context, ++i, time[1], time[2])
      if (expireAtMs === undefined) return 0
      optionTime = expireAtMs
    }
  }
  return i
}

let optionTime = KEEP
let condition = ''
const TIME_OPTIONS: readonly (readonly [name: string, unitMs: number, isAbsolute: boolean])[] = [
  ['EX', 1000, false],
  ['PX', 1, false],
  ['EXAT', 1000, true],
  ['PXAT', 1, true],
]

/** HGETEX key [EX s|PX ms|EXAT s|PXAT ms|PERSIST] FIELDS count field [field …] */
function runHGetEx(context: CommandContext): void {
  const { keyspace, reply, nowMs } = context
  const found = findForWrite(context, 1)
  if (found && !expectHash(context)) return
  const index = readTimeOptions(context, false)
  if (index === 0 || !readFields(context, index, FIELDS)) return
  const isPast = optionTime >= 0 && optionTime <= nowMs && !context.fromPrimary
  const changed: number[] = []
  reply.array(last - first)
  try {
    for (let i = first; i < last; i++) {
      if (!found || keyspace.entry.address === 0 || !findField(context, i)) {
        reply.nullBulk()
        continue
      }
      replyFieldValue(context)
      if (isPast) removeField(context, i)
      else if (optionTime === KEEP || optionTime === fieldExpireAtMs(context)) continue
      else setFieldExpire(context, i, optionTime)
      changed.push(i)
    }
  } finally {
    // Memory may end behind the first one.
    tellFieldTimes(context, isPast ? REMOVE : optionTime, changed)
    noteChange(context, isPast ? 'hdel' : optionTime === -1 ? 'hpersist' : 'hexpire', changed.length > 0)
  }
}

/** HSETEX key [FNX|FXX] [EX s|PX ms|EXAT s|PXAT ms|KEEPTTL] FIELDS count field value [field value …] */
function runHSetEx(context: CommandContext): void {
  const { args, keyspace, reply, nowMs } = context
  let found = findForWrite(context, 1)
  if (found && !expectHash(context)) return
  const index = readTimeOptions(context, true)
  if (index === 0 || !readFields(context, index, FIELDS_OF_SET)) return
  if (condition !== '') {
    for (let i = first; i < last; i += 2) {
      if ((found && findField(context, i)) === (condition === 'FXX')) continue
      reply.integer(0)
      return
    }
  }
  const isPast = optionTime >= 0 && optionTime <= nowMs && !context.fromPrimary
  if (!found) {
    createEmptyHash(context)
    found = true
  }
  let isChanged = isPast
  try {
    for (let i = first; i < last && keyspace.entry.address !== 0; i += 2) {
      if (isPast) {
        removeField(context, i)
        tellFieldTimes(context, REMOVE, [i])
        continue
      }
      const expireAtMs = optionTime !== KEEP ? optionTime : findField(context, i) ? fieldExpireAtMs(context) : -1
      setField(context, i, args.bytes, args.start[i + 1]!, args.end[i + 1]!, expireAtMs)
      isChanged = true
      tellField(context, i, expireAtMs)
    }
  } finally {
    // A time that is past sets nothing, and memory may end before the first one: what was made for it goes.
    if (isPast || !isChanged) dropEmptyHash(context)
    noteChange(context, isPast ? 'hdel' : 'hset', isChanged)
  }
  reply.integer(1)
}

function row(arity: number, flags: number, since: string, summary: string, code: RowFunction): CommandRow {
  return { arity, flags: flags | FAST, keys: [1, 1, 1], since, group: 'hash', summary, ...code }
}

const UPDATE = ['RW', 'update']
const BY_THE_CLOCK = { tips: ['nondeterministic_output'] }

/** HEXPIRE and its like. */
function expireRow(summary: string, unitMs: number, absolute: boolean): CommandRow {
  const run = (context: CommandContext): void => expireFields(context, unitMs, absolute)
  return { ...row(-6, WRITE, '7.4.0', summary, { run }), keyFlags: UPDATE, propagate: 'hpexpireat' }
}

export const hashExpireCommands: CommandTable = {
  HEXPIRE: expireRow('Sets the time to live of fields, in seconds.', 1000, false),
  HPEXPIRE: expireRow('Sets the time to live of fields, in milliseconds.', 1, false),
  HEXPIREAT: expireRow('Sets when fields expire, in seconds since 1970.', 1000, true),
  HPEXPIREAT: expireRow('Sets when fields expire, in milliseconds since 1970.', 1, true),
  HPERSIST: {
    ...row(-5, WRITE, '7.4.0', 'Removes the time to live of fields.', { run: runHPersist }),
    keyFlags: UPDATE,
  },
  HTTL: {
    ...row(-5, READONLY, '7.4.0', 'Returns the time to live of fields, in seconds.', {
      read: (context) => replyTimes(context, 1000, false),
    }),
    ...BY_THE_CLOCK,
  },
  HPTTL: {
    ...row(-5, READONLY, '7.4.0', 'Returns the time to live of fields, in milliseconds.', {
      read: (context) => replyTimes(context, 1, false),
    }),
    ...BY_THE_CLOCK,
  },
  HEXPIRETIME: row(-5, READONLY, '7.4.0', 'Returns when fields expire, in seconds since 1970.', {
    read: (context) => replyTimes(context, 1000, true),
  }),
  HPEXPIRETIME: row(-5, READONLY, '7.4.0', 'Returns when fields expire, in milliseconds since 1970.', {
    read: (context) => replyTimes(context, 1, true),
  }),
  HGETDEL: {
    ...row(-5, WRITE, '8.0.0', 'Returns and removes fields.', { run: runHGetDel }),
    keyFlags: ['RW', 'access', 'delete'],
    propagate: 'hdel',
  },
  HGETEX: {
    ...row(-5, WRITE, '8.0.0', 'Returns fields and sets their time to live.', { run: runHGetEx }),
    propagate: 'hgetex',
  },
  HSETEX: {
    ...row(-6, WRITE | DENYOOM, '8.0.0', 'Sets fields with a time to live.', { run: runHSetEx }),
    keyFlags: UPDATE,
    propagate: 'hsetex',
  },
}
