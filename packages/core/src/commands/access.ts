/**
 * How commands reach their arguments and keys: keys as clients or as the stream see them, type checks, numbers and
 * keywords by their bytes. Nothing here allocates unless it refuses something.
 *
 * Expiry: on the stream a key whose time has come is alive (its DEL is on the way); for a client it is absent, and a
 * write by a client removes it first (redis 7.0 db.c expireIfNeeded).
 */
import { parseBigInteger, parseInteger } from '../encoding/integer.ts'
import { NOTIFY_EXPIRED, NOTIFY_KEY_MISS } from '../keyspace/key-events.ts'
import { FLAG_RAW } from '../keyspace/layout.ts'
import { KEYS_AHEAD_MAX, VALUE_BYTES_MAX } from '../limits.ts'
import { NOT_AN_INTEGER, WRONG_TYPE } from '../resp/error-replies.ts'
import type { ValueBuild } from '../values/value-build.ts'
import type { CommandContext, ReadContext } from './command.ts'
import { notify } from './notify.ts'

const STRING_TOO_LONG = 'ERR string exceeds maximum allowed size (proto-max-bulk-len)'

/** Touches what lookups of the keys from argument `first` on will look at, KEYS_AHEAD_MAX of them: their cache misses overlap. */
export function touchKeys({ args, db, keyspace }: ReadContext, first: number): void {
  keyspace.touchKeys(db, args.bytes, args.start, args.end, first, Math.min(args.count - first, KEYS_AHEAD_MAX))
}

/**
 * Finds the key in argument `index` for reading; `keyspace.entry` describes it then. @param touched which of the keys of the last
 * `touchKeys` it is; -1: none
 */
export function findForRead(context: ReadContext, index: number, touched: number = -1): boolean {
  if (!findQuietly(context, index, touched)) return false
  context.keyspace.markAccess()
  return true
}

/** As findForRead, without marking the access (TTL, TYPE, EXISTS). */
export function findQuietly(context: ReadContext, index: number, touched: number = -1): boolean {
  if (findUnnoticed(context, index, touched)) return true
  notify(context, NOTIFY_KEY_MISS, 'keymiss', index)
  return false
}

/** As findQuietly, and a miss is no event either (OBJECT, MEMORY USAGE). */
export function findUnnoticed(context: ReadContext, index: number, touched: number = -1): boolean {
  const { args, db, keyspace, nowMs } = context
  const start = args.start[index]!
  const end = args.end[index]!
  if (context.fromPrimary) return keyspace.lookup(db, args.bytes, start, end)
  const found =
    touched < 0
      ? keyspace.lookupAlive(db, args.bytes, start, end, nowMs)
      : keyspace.lookupTouchedAlive(touched, db, args.bytes, start, end, nowMs)
  if (found) keyspace.hits++
  else {
    keyspace.misses++
    if (context.effects !== undefined) expireForReplicas(context, index)
  }
  return found
}

/**
 * A write that reads an expired key (SUNIONSTORE …) takes it for absent; replicas below do not: they must lose it first.
 * Outside of writes nothing may be removed, and nothing need be.
 */
function expireForReplicas(context: ReadContext, index: number): void {
  const writer = context as CommandContext
  if (writer.keyspace.counters.isOpen) findForWrite(writer, index)
}

/** Finds the key in argument `index` for changing it. For a client an expired key is removed and counts as absent. */
export function findForWrite(context: CommandContext, index: number): boolean {
  const { args, keyspace } = context
  const start = args.start[index]!
  const end = args.end[index]!
  if (!keyspace.lookup(context.db, args.bytes, start, end)) return false
  if (context.fromPrimary) return true
  const { expireAtMs } = keyspace.entry
  if (expireAtMs < 0 || context.nowMs <= expireAtMs) return true
  keyspace.expireEntry(context.db, args.bytes, start, end)
  notify(context, NOTIFY_EXPIRED, 'expired', index)
  context.effects?.deleted(context.db, args.bytes, start, end)
  return false
}

/** True when the key just found holds a string; otherwise the error is written. */
export function expectString(context: ReadContext): boolean {
  if (context.keyspace.entry.isString) return true
  context.reply.error(WRONG_TYPE)
  return false
}

/** True when the key just found holds one of the forms that `isForm` knows; otherwise the error is written. */
export function expectForm(context: ReadContext, isForm: (rdbType: number) => boolean): boolean {
  if (isForm(context.keyspace.entry.rdbType)) return true
  context.reply.error(WRONG_TYPE)
  return false
}

/** Puts a string at the key of argument `index`, which was looked up just now (found or not). */
export function putFound(
  context: CommandContext,
  index: number,
  flags: number,
  value: Uint8Array,
  start: number,
  end: number,
  expireAtMs: number,
): void {
  const { args } = context
  const keyStart = args.start[index]!
  const keyEnd = args.end[index]!
  context.keyspace.putLookedUp(context.db, args.bytes, keyStart, keyEnd, 0, flags, value, start, end, expireAtMs)
}

/**
 * Makes an empty string that commands change in place ('raw') at the key of argument `index`, which was just looked up in
 * vain; `keyspace.entry` describes it then.
 */
export function makeEmptyString(context: CommandContext, index: number): void {
  putFound(context, index, FLAG_RAW, NO_BYTES, 0, 0, -1)
  findForWrite(context, index)
}

const NO_BYTES: Uint8Array = new Uint8Array(0)

/** Replicas get the time that the key in argument 1 has now, absolute: `PEXPIREAT key ms`, or `PERSIST key` for -1. */
export function tellExpire({ effects, args, db }: CommandContext, expireAtMs: number): void {
  if (effects === undefined) return
  if (expireAtMs === -1) return effects.ofKey(db, 'PERSIST', args, 1)
  effects.begin(db, 'PEXPIREAT', 3)
  effects.argument(args, 1)
  effects.integer(expireAtMs)
}

/**
 * A build of a value for the key that was looked up last (found or not), in its shard, which is entered. @param kept the same
 * command's last one, which is used again: creating keys makes no objects.
 */
export function beginBuild({ keyspace, settings }: CommandContext, kept: ValueBuild | undefined): ValueBuild {
  const isUsable = kept?.regions === keyspace.generation.regions && kept.thresholds === settings.encodings
  const build = isUsable ? kept : keyspace.newBuild(settings.encodings)
  build.begin(keyspace.targetRegion)
  keyspace.enterEntry()
  return build
}

/** Removes the key of argument `index`, which was just found. */
export function deleteFound(context: CommandContext, index: number): void {
  const { args } = context
  context.keyspace.deleteEntry(context.db, args.bytes, args.start[index]!, args.end[index]!)
}

/** Makes the string at the key of argument `index`, which was just found, at least `length` bytes long. */
export function growFound(context: CommandContext, index: number, length: number): void {
  const { args } = context
  context.keyspace.growEntry(args.bytes, args.start[index]!, args.end[index]!, length)
}

/** Tells listeners that the string at the key of argument `index` was changed in place. */
export function foundChanged(context: CommandContext, index: number): void {
  const { args } = context
  context.keyspace.entryChanged(context.db, args.bytes, args.start[index]!, args.end[index]!)
}

/** Lets clients that wait for the key of argument `index` look again, though WATCH need not notice (XGROUP DESTROY). */
export function foundReady(context: CommandContext, index: number): void {
  const { args } = context
  context.keyspace.entryReady(context.db, args.bytes, args.start[index]!, args.end[index]!)
}

/**
 * From here on the command may change data. Where the dataset can only be read it begins again on the writer's thread.
 * @throws NeedsWriter
 */
export function requireWriter(context: ReadContext): asserts context is CommandContext {
  context.keyspace.requireWriter()
}

/** Length of an argument in bytes. */
export function argumentLength(context: ReadContext, index: number): number {
  const { args } = context
  return args.end[index]! - args.start[index]!
}

/** The argument as an int64, rounded beyond 2^53; NaN after having written the error. */
export function integerArgument(context: ReadContext, index: number, error: string = NOT_AN_INTEGER): number {
  const { args } = context
  const value = parseInteger(args.bytes, args.start[index]!, args.end[index]!)
  if (Number.isNaN(value)) context.reply.error(error)
  return value
}

/**
 * Are `from` and `to`, read from arguments `index` and `index + 1`, both negative and in the wrong order? Exact also where
 * they were rounded to the same number.
 */
export function isBackwards(context: ReadContext, index: number, from: number, to: number): boolean {
  if (from >= 0 || to >= 0) return false
  if (from !== to || Number.isSafeInteger(from)) return from > to
  const { bytes, start, end } = context.args
  const exactFrom = parseBigInteger(bytes, start[index]!, end[index]!)!
  return exactFrom > parseBigInteger(bytes, start[index + 1]!, end[index + 1]!)!
}

/** Do two arguments have the same bytes? */
export function sameArgument(context: ReadContext, left: number, right: number): boolean {
  const { args } = context
  const count = args.end[left]! - args.start[left]!
  if (args.end[right]! - args.start[right]! !== count) return false
  const first = args.start[left]!
  const second = args.start[right]!
  for (let i = 0; i < count; i++) if (args.bytes[first + i] !== args.bytes[second + i]) return false
  return true
}

/**
 * May a string become this long? Clients are bound by proto-max-bulk-len, the stream by what the keyspace can hold;
 * otherwise the error is written.
 */
export function expectStringLength(context: ReadContext, length: number): boolean {
  if (length <= (context.fromPrimary ? VALUE_BYTES_MAX : context.settings.protoMaxBulkBytes)) return true
  context.reply.error(STRING_TOO_LONG)
  return false
}
