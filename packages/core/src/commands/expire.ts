/**
 * Times to live: EXPIRE and its relatives, PERSIST, TTL and its relatives. Times are held in milliseconds since 1970 as
 * float64, so beyond 2^53 (the year 287,396) they are rounded.
 *
 * Source: redis 7.0 expire.c. A time in the past deletes the key for a client of a writable node; the stream stores it,
 * as a replica does, and the primary's DEL follows.
 */
import { INT64_MAX, INT64_MIN } from '../encoding/integer.ts'
import { NOTIFY_GENERIC } from '../keyspace/key-events.ts'
import { NOT_AN_INTEGER } from '../resp/error-replies.ts'
import { argIs, argText } from './arguments.ts'
import type { CommandContext, CommandRow, CommandTable, ReadContext } from './command.ts'
import { FAST, READONLY, WRITE } from './flags.ts'
import { findForWrite, findQuietly, tellExpire } from './access.ts'
import { notify, notifyDeleted } from './notify.ts'
import { wideInteger } from './wide-integer.ts'

const NX = 1
const XX = 2
const GT = 4
const LT = 8

/** The condition flags behind the time, or -1 after an error reply. */
function expireConditions({ args, reply }: ReadContext): number {
  let flags = 0
  for (let i = 3; i < args.count; i++) {
    if (argIs(args, i, 'NX')) flags |= NX
    else if (argIs(args, i, 'XX')) flags |= XX
    else if (argIs(args, i, 'GT')) flags |= GT
    else if (argIs(args, i, 'LT')) flags |= LT
    else {
      reply.error(`ERR Unsupported option ${argText(args, i).replace(/\0.*$/s, '')}`)
      return -1
    }
  }
  if ((flags & NX) !== 0 && (flags & (XX | GT | LT)) !== 0) {
    reply.error('ERR NX and XX, GT or LT options at the same time are not compatible')
    return -1
  }
  if ((flags & (GT | LT)) === (GT | LT)) {
    reply.error('ERR GT and LT options at the same time are not compatible')
    return -1
  }
  return flags
}

/** The largest float64 below 2^63: what fits both a record's 64 bits and a number. */
const EXPIRE_AT_MS_MAX: number = 2 ** 63 - 1024

/** @returns milliseconds since 1970, or undefined after an error reply. */
function expireTime(context: ReadContext, name: string, unitMs: number, baseMs: number): number | undefined {
  const when = wideInteger(context, 2)
  if (when === undefined) {
    context.reply.error(NOT_AN_INTEGER)
    return undefined
  }
  if (typeof when === 'number') {
    const atMs = when * unitMs + baseMs
    if (Number.isSafeInteger(atMs)) return atMs
  }
  const wide = BigInt(when) * BigInt(unitMs)
  if (wide <= INT64_MAX && wide >= INT64_MIN && wide + BigInt(baseMs) <= INT64_MAX) {
    return Math.min(Number(wide + BigInt(baseMs)), EXPIRE_AT_MS_MAX)
  }
  context.reply.error(`ERR invalid expire time in '${name}' command`)
  return undefined
}

function runExpire(context: CommandContext, name: string, unitMs: number, relative: boolean): void {
  const { args, keyspace, reply, db, nowMs } = context
  const conditions = expireConditions(context)
  if (conditions < 0) return
  const atMs = expireTime(context, name, unitMs, relative ? nowMs : 0)
  if (atMs === undefined) return
  if (!findForWrite(context, 1)) {
    reply.integer(0)
    return
  }
  const current = keyspace.entry.expireAtMs
  if (
    ((conditions & NX) !== 0 && current !== -1) ||
    ((conditions & XX) !== 0 && current === -1) ||
    // No time to live is the longest of all.
    ((conditions & GT) !== 0 && (current === -1 || atMs <= current)) ||
    ((conditions & LT) !== 0 && current !== -1 && atMs >= current)
  ) {
    reply.integer(0)
    return
  }
  const start = args.start[1]!
  const end = args.end[1]!
  if (atMs <= nowMs && !context.fromPrimary) {
    keyspace.deleteEntry(db, args.bytes, start, end)
    context.effects?.ofKey(db, 'DEL', args, 1)
    notifyDeleted(context, 1)
  } else {
    keyspace.setEntryExpire(db, args.bytes, start, end, atMs)
    tellExpire(context, atMs)
    notify(context, NOTIFY_GENERIC, 'expire', 1)
  }
  reply.integer(1)
}

function persist(context: CommandContext): void {
  const { args, keyspace, reply, db } = context
  const expires = findForWrite(context, 1) && keyspace.entry.expireAtMs !== -1
  if (expires) {
    keyspace.setEntryExpire(db, args.bytes, args.start[1]!, args.end[1]!, -1)
    notify(context, NOTIFY_GENERIC, 'persist', 1)
  }
  reply.integer(expires ? 1 : 0)
}

function runTtl(context: ReadContext, unitMs: number, absolute: boolean): void {
  const { reply, keyspace, nowMs } = context
  if (!findQuietly(context, 1)) {
    reply.integer(-2)
    return
  }
  const { expireAtMs } = keyspace.entry
  if (expireAtMs === -1) {
    reply.integer(-1)
    return
  }
  const ms = Math.max(0, absolute ? expireAtMs : expireAtMs - nowMs)
  const shown = unitMs === 1 ? ms : Math.floor((ms + unitMs / 2) / unitMs)
  reply.integer(Number.isSafeInteger(shown) ? shown : BigInt(shown))
}

function expireRow(name: string, since: string, summary: string, unitMs: number, relative: boolean): CommandRow {
  return {
    arity: -3,
    flags: WRITE | FAST,
    keys: [1, 1, 1],
    since,
    group: 'generic',
    summary,
    propagate: 'pexpireat',
    keyFlags: ['RW', 'update'],
    run: (context) => runExpire(context, name, unitMs, relative),
  }
}

function ttlRow(since: string, summary: string, unitMs: number, absolute: boolean): CommandRow {
  return {
    arity: 2,
    flags: READONLY | FAST,
    keys: [1, 1, 1],
    since,
    group: 'generic',
    summary,
    ...(absolute ? {} : { tips: ['nondeterministic_output'] }),
    read: (context) => runTtl(context, unitMs, absolute),
  }
}

/** Commands about times to live. */
export const expireCommands: CommandTable = {
  EXPIRE: expireRow('expire', '1.0.0', "Set a key's time to live in seconds", 1000, true),
  PEXPIRE: expireRow('pexpire', '2.6.0', "Set a key's time to live in milliseconds", 1, true),
  EXPIREAT: expireRow('expireat', '1.2.0', 'Set the expiration for a key as a UNIX timestamp', 1000, false),
  PEXPIREAT: expireRow('pexpireat', '2.6.0', 'Set the expiration for a key in milliseconds since 1970', 1, false),
  PERSIST: {
    arity: 2,
    flags: WRITE | FAST,
    keys: [1, 1, 1],
    since: '2.2.0',
    group: 'generic',
    summary: 'Remove the expiration from a key',
    keyFlags: ['RW', 'update'],
    run: persist,
  },
  TTL: ttlRow('1.0.0', 'Get the time to live for a key in seconds', 1000, false),
  PTTL: ttlRow('2.6.0', 'Get the time to live for a key in milliseconds', 1, false),
  EXPIRETIME: ttlRow('7.0.0', 'Get the expiration Unix timestamp for a key', 1000, true),
  PEXPIRETIME: ttlRow('7.0.0', 'Get the expiration of a key in milliseconds since 1970', 1, true),
}
