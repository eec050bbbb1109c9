/**
 * DUMP and RESTORE: one value as a payload, of any type and encoding.
 *
 * Source: redis 7.0 cluster.c dumpCommand(), restoreCommand(). Payloads of later versions (up to RDB 12, and Valkey's 80)
 * are taken as well. An all-zero checksum means 'none' on the stream only.
 */
import { RdbError } from '../errors.ts'
import { NOTIFY_GENERIC, NOTIFY_NEW } from '../keyspace/key-events.ts'
import { decodeRestore, encodeDump, type RestoredValue } from '../object-codec/dump.ts'
import { BUSYKEY_ERROR, NOT_AN_INTEGER, SYNTAX_ERROR } from '../resp/error-replies.ts'
import { argIs } from './arguments.ts'
import type { CommandContext, CommandRow, CommandTable, ReadContext } from './command.ts'
import { snapshotValue } from '../values/stored-value.ts'
import { ASKING, DENYOOM, READONLY, WRITE } from './flags.ts'
import { findForRead, findForWrite, integerArgument } from './access.ts'
import { notify, notifyDeleted } from './notify.ts'
import { wideInteger } from './wide-integer.ts'
import { ValueFault } from '../object-codec/value-walker.ts'

const CHECKSUM_BYTES = 8
const BAD_FOOTER_ERROR = 'ERR DUMP payload version or checksum are wrong'
const BAD_DATA_ERROR = 'ERR Bad data format'
const FREQ_MAX = 255

function dump(context: ReadContext): void {
  const { keyspace, reply } = context
  if (!findForRead(context, 1)) {
    reply.nullBulk()
    return
  }
  const value = snapshotValue(keyspace)
  const payload = encodeDump(value.rdbType, value.source)
  reply.bulk(payload, 0, payload.length)
}

interface RestoreOptions {
  replace: boolean
  absolute: boolean
  /** -1: not given. */
  idleSeconds: number
  freq: number
}

/** @returns undefined after an error reply. */
function restoreOptions(context: ReadContext): RestoreOptions | undefined {
  const { args, reply } = context
  const options = { replace: false, absolute: false, idleSeconds: -1, freq: -1 }
  for (let i = 4; i < args.count; i++) {
    const hasValue = i + 1 < args.count
    if (argIs(args, i, 'REPLACE')) options.replace = true
    else if (argIs(args, i, 'ABSTTL')) options.absolute = true
    else if (argIs(args, i, 'IDLETIME') && hasValue && options.freq === -1) {
      const value = integerArgument(context, ++i)
      if (Number.isNaN(value)) return undefined
      if (value < 0) {
        reply.error('ERR Invalid IDLETIME value, must be >= 0')
        return undefined
      }
      options.idleSeconds = value
    } else if (argIs(args, i, 'FREQ') && hasValue && options.idleSeconds === -1) {
      const value = integerArgument(context, ++i)
      if (Number.isNaN(value)) return undefined
      if (value < 0 || value > FREQ_MAX) {
        reply.error('ERR Invalid FREQ value, must be >= 0 and <= 255')
        return undefined
      }
      options.freq = value
    } else {
      reply.error(SYNTAX_ERROR)
      return undefined
    }
  }
  return options
}

/** The value in argument 3, or undefined after an error reply. */
function payloadArgument({ args, reply, fromPrimary }: ReadContext): RestoredValue | undefined {
  const start = args.start[3]!
  const end = args.end[3]!
  try {
    const value = decodeRestore(args.bytes, start, end)
    if (fromPrimary || hasChecksum(args.bytes, end)) return value
    reply.error(BAD_FOOTER_ERROR)
  } catch (error) {
    if (!(error instanceof RdbError)) throw error
    const footer =
      error.code === 'RDB_TRUNCATED' || error.code === 'RDB_BAD_VERSION' || error.code === 'RDB_BAD_CHECKSUM'
    reply.error(footer || (!fromPrimary && !hasChecksum(args.bytes, end)) ? BAD_FOOTER_ERROR : BAD_DATA_ERROR)
  }
  return undefined
}

function hasChecksum(bytes: Uint8Array, end: number): boolean {
  for (let i = end - CHECKSUM_BYTES; i < end; i++) if (bytes[i] !== 0) return true
  return false
}

function restore(context: CommandContext): void {
  const { args, keyspace, reply, db, nowMs, fromPrimary } = context
  const options = restoreOptions(context)
  if (options === undefined) return
  const found = findForWrite(context, 1)
  if (found && !options.replace) {
    reply.error(BUSYKEY_ERROR)
    return
  }
  const ttl = wideInteger(context, 2)
  if (ttl === undefined || ttl < 0) {
    reply.error(ttl === undefined ? NOT_AN_INTEGER : 'ERR Invalid TTL value, must be >= 0')
    return
  }
  const value = payloadArgument(context)
  if (value === undefined) return
  const start = args.start[1]!
  const end = args.end[1]!
  const expireAtMs = ttl === 0 ? -1 : restoredTime(ttl, options.absolute ? 0 : nowMs)
  if (expireAtMs !== -1 && expireAtMs <= nowMs && !fromPrimary) {
    // As if it had been restored and then expired.
    if (found && keyspace.delete(db, args.bytes, start, end)) {
      context.effects?.ofKey(db, 'DEL', args, 1)
      notifyDeleted(context, 1)
    }
  } else {
    if (!putRestored(context, value, expireAtMs)) return
    tellRestore(context, options, expireAtMs)
    if ((options.idleSeconds !== -1 || options.freq !== -1) && keyspace.lookup(db, args.bytes, start, end)) {
      keyspace.setAccess(options.idleSeconds, options.freq)
    }
    if (found) notify(context, NOTIFY_NEW, 'new', 1)
    notify(context, NOTIFY_GENERIC, 'restore', 1)
  }
  reply.ok()
}

/** The payload as it came, its time absolute: `RESTORE key ms payload [REPLACE] [ABSTTL] [IDLETIME s|FREQ n]`. */
function tellRestore({ effects, args, db }: CommandContext, options: RestoreOptions, expireAtMs: number): void {
  if (effects === undefined) return
  const words: string[] = []
  if (options.replace) words.push('REPLACE')
  if (expireAtMs !== -1) words.push('ABSTTL')
  if (options.idleSeconds !== -1) words.push('IDLETIME', String(options.idleSeconds))
  if (options.freq !== -1) words.push('FREQ', String(options.freq))
  effects.begin(db, 'RESTORE', 4 + words.length)
  effects.argument(args, 1)
  effects.integer(Math.max(0, expireAtMs))
  effects.argument(args, 3)
  for (const word of words) effects.word(word)
}

/** @returns false after an error reply. */
function putRestored(context: CommandContext, value: RestoredValue, expireAtMs: number): boolean {
  const { args, keyspace, settings, db } = context
  const { rdbType, bytes, start, end } = value
  try {
    const key = args.bytes
    const { encodings } = settings
    keyspace.putEncoded(db, key, args.start[1]!, args.end[1]!, rdbType, bytes, start, end, expireAtMs, encodings)
    return true
  } catch (error) {
    if (!(error instanceof ValueFault)) throw error
    context.reply.error(BAD_DATA_ERROR)
    return false
  }
}

/** Beyond 63 bits the sum wraps around into the past, as it does in Redis. */
function restoredTime(ttl: number | bigint, baseMs: number): number {
  const sum = Number(ttl) + baseMs
  return Number.isSafeInteger(sum) ? sum : Number(BigInt.asIntN(64, BigInt(ttl) + BigInt(baseMs)))
}

function restoreRow(since: string, summary: string, flags: number): CommandRow {
  return {
    arity: -4,
    flags: WRITE | DENYOOM | flags,
    keys: [1, 1, 1],
    since,
    group: 'generic',
    summary,
    propagate: 'restore',
    keyFlags: ['OW', 'update'],
    categories: ['dangerous'],
    run: restore,
  }
}

/** DUMP, RESTORE. */
export const dumpCommands: CommandTable = {
  DUMP: {
    arity: 2,
    flags: READONLY,
    keys: [1, 1, 1],
    since: '2.6.0',
    group: 'generic',
    summary: 'Return a serialized version of the value stored at the specified key',
    tips: ['nondeterministic_output'],
    read: dump,
  },
  RESTORE: restoreRow('2.6.0', 'Create a key using the provided serialized value, previously obtained using DUMP', 0),
  'RESTORE-ASKING': {
    ...restoreRow('3.0.0', 'An internal command for migrating keys in a cluster', ASKING),
    group: 'server',
    categories: ['keyspace', 'dangerous'],
  },
}
