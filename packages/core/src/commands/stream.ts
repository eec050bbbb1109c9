/**
 * Streams: XADD, XTRIM, XDEL, XLEN, XRANGE, XREVRANGE, XSETID, and the table of all stream commands. Reading many and
 * waiting is in stream-read.ts, groups in stream-group.ts and stream-claim.ts, XINFO in stream-info.ts.
 *
 * On the stream trimming comes as `MAXLEN = n` or `MINID = id`, sometimes with a LIMIT beside it that a client may not
 * write: it is ignored there.
 *
 * Source: redis 7.0 t_stream.c.
 */
import { parseStreamId, STREAM_ID_ANY_SEQUENCE, STREAM_ID_BAD, StreamId } from '../encoding/stream-id.ts'
import { NOTIFY_STREAM } from '../keyspace/key-events.ts'
import { NO_SUCH_KEY, SYNTAX_ERROR, wrongNumberOfArguments } from '../resp/error-replies.ts'
import { R_FIRST, R_LAST, R_MAX_DELETED } from '../values/stream-layout.ts'
import { findForRead, findForWrite, foundChanged } from './access.ts'
import { argIs } from './arguments.ts'
import type { CommandContext, CommandTable, ReadContext } from './command.ts'
import { BLOCKING, DENYOOM, FAST, MOVABLE_KEYS, READONLY, WRITE } from './flags.ts'
import { notify } from './notify.ts'
import {
  countArgument,
  createStream,
  idArgument,
  INVALID_ID,
  int64Argument,
  openFound,
  rangeEnd,
  rangeStart,
  replyId,
  replyRange,
  stream,
} from './stream-access.ts'
import { runXAutoClaim, runXClaim, runXPending } from './stream-claim.ts'
import { runXAck, xgroupCommand } from './stream-group.ts'
import { xinfoCommand } from './stream-info.ts'
import { findXReadGroupKeys, findXReadKeys, runXRead, runXReadGroup } from './stream-read.ts'

// ---- options of XADD and XTRIM --------------------------------------------------------------------------------------

const TRIM_NONE = 0
const TRIM_LENGTH = 1
const TRIM_ID = 2
/** Without LIMIT, `~` removes entries of at most so many nodes. */
const TRIMMED_NODES_MAX = 100
const TRIM_LIMIT_UNLIMITED_NODES = 10_000
const TRIM_LIMIT_MAX = 1_000_000

// What the last `addOrTrimOptions` read.
let trimStrategy = TRIM_NONE
let trimApproximate = false
let trimLength = 0
let trimLimit = 0
let noMakeStream = false
/** Was an ID given, and its sequence? */
let idGiven = false
let sequenceGiven = false
const minId = new StreamId()
const givenId = new StreamId()

/** @returns the index of XADD's ID, or behind XTRIM's last argument; -1 after an error reply. */
function addOrTrimOptions(context: ReadContext, add: boolean): number {
  const { args, reply } = context
  trimStrategy = TRIM_NONE
  trimApproximate = noMakeStream = idGiven = sequenceGiven = false
  let limit = 0
  let limitGiven = false
  let i = 2
  for (; i < args.count; i++) {
    const more = args.count - 1 - i
    if (add && isOne(context, i, STAR)) break
    const byLength = more > 0 && argIs(args, i, 'MAXLEN')
    if (byLength || (more > 0 && argIs(args, i, 'MINID'))) {
      if (trimStrategy !== TRIM_NONE) {
        reply.error('ERR syntax error, MAXLEN and MINID options at the same time are not compatible')
        return -1
      }
      trimApproximate = more >= 2 && isOne(context, i + 1, TILDE)
      if (trimApproximate || (more >= 2 && isOne(context, i + 1, EQUALS))) i++
      i++
      if (byLength) {
        const value = int64Argument(context, i)
        if (value === undefined) return -1
        if (value < 0) {
          reply.error('ERR The MAXLEN argument must be >= 0.')
          return -1
        }
        trimLength = Number(value)
      } else if (!idArgument(context, i, minId, 0, true)) return -1
      trimStrategy = byLength ? TRIM_LENGTH : TRIM_ID
    } else if (more > 0 && argIs(args, i, 'LIMIT')) {
      const value = int64Argument(context, ++i)
      if (value === undefined) return -1
      if (value < 0) {
        reply.error('ERR The LIMIT argument must be >= 0.')
        return -1
      }
      limit = Number(value)
      limitGiven = true
    } else if (add && argIs(args, i, 'NOMKSTREAM')) noMakeStream = true
    // Redis 8.2's word for what trimming does here anyway; its others need more than this version knows.
    else if (context.fromPrimary && argIs(args, i, 'KEEPREF')) continue
    else if (add) {
      const parsed = parseStreamId(args.bytes, args.start[i]!, args.end[i]!, givenId, 0, true, true)
      if (parsed === STREAM_ID_BAD) {
        reply.error(INVALID_ID)
        return -1
      }
      idGiven = true
      sequenceGiven = parsed !== STREAM_ID_ANY_SEQUENCE
      break
    } else {
      reply.error(SYNTAX_ERROR)
      return -1
    }
  }
  if (limit !== 0 && trimStrategy === TRIM_NONE) {
    reply.error('ERR syntax error, LIMIT cannot be used without specifying a trimming strategy')
    return -1
  }
  if (!add && trimStrategy === TRIM_NONE) {
    reply.error('ERR syntax error, XTRIM must be called with a trimming strategy')
    return -1
  }
  if (context.fromPrimary) trimLimit = 0
  else if (limitGiven) {
    if (!trimApproximate) {
      reply.error('ERR syntax error, LIMIT cannot be used without the special ~ option')
      return -1
    }
    trimLimit = limit
  } else trimLimit = trimApproximate ? defaultTrimLimit(context.settings.encodings.streamNodeMaxEntries) : 0
  return i
}

function defaultTrimLimit(nodeEntries: number): number {
  return nodeEntries === 0 ? TRIM_LIMIT_UNLIMITED_NODES : Math.min(TRIM_LIMIT_MAX, TRIMMED_NODES_MAX * nodeEntries)
}

const STAR = 42
const TILDE = 126
const EQUALS = 61

function isOne({ args }: ReadContext, index: number, byte: number): boolean {
  return args.end[index] === args.start[index]! + 1 && args.bytes[args.start[index]!] === byte
}

/** @returns entries removed. */
function trim(): number {
  if (trimStrategy === TRIM_LENGTH) return stream.trimToLength(trimLength, trimApproximate, trimLimit)
  return trimStrategy === TRIM_ID ? stream.trimToId(minId, trimApproximate, trimLimit) : 0
}

// ---- writing ------------------------------------------------------------------------------------------------------

const newId = new StreamId()
const lastId = new StreamId()
const TOO_SMALL = 'ERR The ID specified in XADD is equal or smaller than the target stream top item'

/** XADD key [NOMKSTREAM] [MAXLEN|MINID [=|~] threshold [LIMIT count]] *|id field value [field value …] */
export function runXAdd(context: CommandContext): void {
  const { args, reply, settings } = context
  const idIndex = addOrTrimOptions(context, true)
  if (idIndex < 0) return
  const first = idIndex + 1
  const left = args.count - first
  if (left < 2 || left % 2 === 1) {
    reply.error(wrongNumberOfArguments('xadd'))
    return
  }
  if (idGiven && sequenceGiven && givenId.isZero) {
    reply.error('ERR The ID specified in XADD must be greater than 0-0')
    return
  }
  if (findForWrite(context, 1)) {
    if (!openFound(context)) return
  } else if (noMakeStream) {
    reply.nullBulk()
    return
  } else createStream(context, 1)
  if (stream.readId(R_LAST, lastId).isMax) {
    reply.error('ERR The stream has exhausted the last possible ID, unable to add more items')
    return
  }
  if (!chooseId(context) || newId.compare(lastId) <= 0) {
    reply.error(TOO_SMALL)
    return
  }
  context.keyspace.enterEntry()
  const { streamNodeMaxBytes, streamNodeMaxEntries } = settings.encodings
  if (!stream.append(newId, args, first, left / 2, streamNodeMaxBytes, streamNodeMaxEntries)) {
    reply.error('ERR Elements are too large to be stored')
    return
  }
  replyId(reply, newId)
  notify(context, NOTIFY_STREAM, 'xadd', 1)
  if (trimStrategy !== TRIM_NONE && trim() > 0) notify(context, NOTIFY_STREAM, 'xtrim', 1)
  foundChanged(context, 1)
}

/** Sets `newId`. @returns false when the time asked for has no sequence number left. */
function chooseId(context: ReadContext): boolean {
  if (!idGiven) {
    newId.setTime(context.nowMs)
    if (newId.msHi >>> 0 > lastId.msHi >>> 0) return true
    if (newId.msHi === lastId.msHi && newId.msLo >>> 0 > lastId.msLo >>> 0) return true
    newId.copyFrom(lastId).increment()
    return true
  }
  newId.copyFrom(givenId)
  if (sequenceGiven || givenId.msHi !== lastId.msHi || givenId.msLo !== lastId.msLo) return true
  return newId.copyFrom(lastId).incrementSequence()
}

/** XTRIM key MAXLEN|MINID [=|~] threshold [LIMIT count] */
export function runXTrim(context: CommandContext): void {
  const { reply } = context
  if (addOrTrimOptions(context, false) < 0) return
  if (!findForWrite(context, 1)) {
    reply.integer(0)
    return
  }
  if (!openFound(context)) return
  context.keyspace.enterEntry()
  const removed = trim()
  if (removed > 0) {
    notify(context, NOTIFY_STREAM, 'xtrim', 1)
    foundChanged(context, 1)
  }
  reply.integer(removed)
}

/** XDEL key id [id …] */
export function runXDel(context: CommandContext): void {
  const { args, reply } = context
  if (!findForWrite(context, 1)) {
    reply.integer(0)
    return
  }
  if (!openFound(context)) return
  for (let i = 2; i < args.count; i++) if (!idArgument(context, i, newId, 0, true)) return
  context.keyspace.enterEntry()
  let deleted = 0
  let firstDeleted = false
  for (let i = 2; i < args.count; i++) {
    idArgument(context, i, newId, 0, true)
    if (!stream.delete(newId)) continue
    if (newId.compare(stream.readId(R_FIRST, lastId)) === 0) firstDeleted = true
    if (newId.compare(stream.readId(R_MAX_DELETED, lastId)) > 0) stream.writeId(R_MAX_DELETED, newId)
    deleted++
  }
  if (deleted > 0) {
    if (firstDeleted || stream.length === 0) stream.updateFirstId()
    notify(context, NOTIFY_STREAM, 'xdel', 1)
    foundChanged(context, 1)
  }
  reply.integer(deleted)
}

/** XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id] */
export function runXSetId(context: CommandContext): void {
  const { args, reply } = context
  if (!idArgument(context, 2, newId, 0, true)) return
  let added: number | bigint = -1
  minId.setZero()
  for (let i = 3; i < args.count; i += 2) {
    const more = i + 1 < args.count
    if (more && argIs(args, i, 'ENTRIESADDED')) {
      const value = int64Argument(context, i + 1)
      if (value === undefined) return
      if (value < 0) {
        reply.error('ERR entries_added must be positive')
        return
      }
      added = value
    } else if (more && argIs(args, i, 'MAXDELETEDID')) {
      if (!idArgument(context, i + 1, minId, 0, true)) return
      if (newId.compare(minId) < 0) {
        reply.error('ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id')
        return
      }
    } else {
      reply.error(SYNTAX_ERROR)
      return
    }
  }
  if (!findForWrite(context, 1)) {
    reply.error(NO_SUCH_KEY)
    return
  }
  if (!openFound(context)) return
  if (stream.length > 0) {
    stream.edge(false, lastId)
    if (newId.compare(lastId) < 0) {
      reply.error('ERR The ID specified in XSETID is smaller than the target stream top item')
      return
    }
    if (added !== -1 && stream.length > added) {
      reply.error('ERR The entries_added specified in XSETID is smaller than the target stream length')
      return
    }
  }
  context.keyspace.enterEntry()
  stream.writeId(R_LAST, newId)
  if (added !== -1) stream.entriesAdded = added
  if (!minId.isZero) stream.writeId(R_MAX_DELETED, minId)
  // Like most that only groups see, this does not count as a change for WATCH.
  notify(context, NOTIFY_STREAM, 'xsetid', 1)
  reply.ok()
}

// ---- reading ------------------------------------------------------------------------------------------------------

/** XLEN key */
export function runXLen(context: ReadContext): void {
  if (!findForRead(context, 1)) context.reply.integer(0)
  else if (openFound(context)) context.reply.integer(stream.length)
}

function runRange(context: ReadContext, reverse: boolean): void {
  const { args, reply } = context
  if (!rangeStart(context, reverse ? 3 : 2, minId) || !rangeEnd(context, reverse ? 2 : 3, newId)) return
  let count = -1
  for (let i = 4; i < args.count; i += 2) {
    if (!argIs(args, i, 'COUNT') || i + 1 >= args.count) {
      reply.error(SYNTAX_ERROR)
      return
    }
    const value = countArgument(context, i + 1)
    if (value === undefined) return
    count = Math.max(0, value)
  }
  if (!findForRead(context, 1)) {
    reply.array(0)
    return
  }
  if (!openFound(context)) return
  if (count === 0) reply.nullArray()
  else replyRange(reply, minId, newId, Math.max(0, count), reverse)
}

/** XRANGE key start end [COUNT count] */
export function runXRange(context: ReadContext): void {
  runRange(context, false)
}

/** XREVRANGE key end start [COUNT count] */
export function runXRevRange(context: ReadContext): void {
  runRange(context, true)
}

// ---- table --------------------------------------------------------------------------------------------------------

const GROUP = 'stream'
const ONE_KEY = [1, 1, 1] as const
const NO_KEYS = [0, 0, 0] as const
const NONDETERMINISTIC = ['nondeterministic_output'] as const

export const streamCommands: CommandTable = {
  XACK: {
    arity: -4,
    flags: WRITE | FAST,
    keys: ONE_KEY,
    since: '5.0.0',
    group: GROUP,
    summary: 'Marks entries that a consumer group has delivered as processed.',
    keyFlags: ['RW', 'update'],
    complexity: 'O(1) for each message ID processed.',
    run: runXAck,
  },
  XADD: {
    arity: -5,
    flags: WRITE | DENYOOM | FAST,
    keys: ONE_KEY,
    since: '5.0.0',
    group: GROUP,
    summary: 'Appends an entry to a stream.',
    keyFlags: ['RW', 'update'],
    tips: NONDETERMINISTIC,
    complexity: 'O(1) when adding a new entry, O(N) when trimming where N being the number of entries evicted.',
    run: runXAdd,
  },
  XAUTOCLAIM: {
    arity: -6,
    flags: WRITE | FAST,
    keys: ONE_KEY,
    since: '6.2.0',
    group: GROUP,
    summary: 'Gives a consumer the pending entries of others that have waited long enough.',
    keyFlags: ['RW', 'delete'],
    tips: NONDETERMINISTIC,
    complexity: 'O(1) if COUNT is small.',
    run: runXAutoClaim,
  },
  XCLAIM: {
    arity: -6,
    flags: WRITE | FAST,
    keys: ONE_KEY,
    since: '5.0.0',
    group: GROUP,
    summary: 'Gives a consumer pending entries of others.',
    keyFlags: ['RW', 'update'],
    tips: NONDETERMINISTIC,
    complexity: 'O(log N) with N being the number of messages in the PEL of the consumer group.',
    run: runXClaim,
  },
  XDEL: {
    arity: -3,
    flags: WRITE | FAST,
    keys: ONE_KEY,
    since: '5.0.0',
    group: GROUP,
    summary: 'Deletes entries of a stream.',
    keyFlags: ['RW', 'delete'],
    complexity: 'O(1) for each single item to delete in the stream, regardless of the stream size.',
    run: runXDel,
  },
  XGROUP: xgroupCommand,
  XINFO: xinfoCommand,
  XLEN: {
    arity: 2,
    flags: READONLY | FAST,
    keys: ONE_KEY,
    since: '5.0.0',
    group: GROUP,
    summary: 'Number of entries of a stream.',
    keyFlags: ['RO'],
    complexity: 'O(1)',
    read: runXLen,
  },
  XPENDING: {
    arity: -3,
    flags: READONLY,
    keys: ONE_KEY,
    since: '5.0.0',
    group: GROUP,
    summary: 'Shows what a consumer group has delivered and nobody has acknowledged.',
    tips: NONDETERMINISTIC,
    complexity: 'O(N) with N being the number of elements returned.',
    read: runXPending,
  },
  XRANGE: {
    arity: -4,
    flags: READONLY,
    keys: ONE_KEY,
    since: '5.0.0',
    group: GROUP,
    summary: 'Entries of a stream between two IDs.',
    complexity: 'O(N) with N being the number of elements being returned.',
    read: runXRange,
  },
  XREAD: {
    arity: -4,
    flags: READONLY | BLOCKING | MOVABLE_KEYS,
    keys: NO_KEYS,
    since: '5.0.0',
    group: GROUP,
    summary: 'Entries of several streams behind the IDs given, waiting for them if wanted.',
    keyKeyword: ['STREAMS', 1],
    findKeys: findXReadKeys,
    read: runXRead,
  },
  XREADGROUP: {
    arity: -7,
    flags: WRITE | BLOCKING | MOVABLE_KEYS,
    keys: NO_KEYS,
    since: '5.0.0',
    group: GROUP,
    summary: 'New entries for a consumer of a group, or those that are pending for it.',
    keyFlags: ['RO', 'access'],
    keyKeyword: ['STREAMS', 4],
    findKeys: findXReadGroupKeys,
    run: runXReadGroup,
  },
  XREVRANGE: {
    arity: -4,
    flags: READONLY,
    keys: ONE_KEY,
    since: '5.0.0',
    group: GROUP,
    summary: 'Entries of a stream between two IDs, the newest first.',
    complexity: 'O(N) with N being the number of elements returned.',
    read: runXRevRange,
  },
  XSETID: {
    arity: -3,
    flags: WRITE | DENYOOM | FAST,
    keys: ONE_KEY,
    since: '5.0.0',
    group: GROUP,
    summary: 'Sets the last ID of a stream, for replication.',
    keyFlags: ['RW', 'update'],
    complexity: 'O(1)',
    run: runXSetId,
  },
  XTRIM: {
    arity: -4,
    flags: WRITE,
    keys: ONE_KEY,
    since: '5.0.0',
    group: GROUP,
    summary: 'Removes the oldest entries of a stream.',
    keyFlags: ['RW', 'delete'],
    tips: NONDETERMINISTIC,
    complexity: 'O(N), with N being the number of evicted entries.',
    run: runXTrim,
  },
}
