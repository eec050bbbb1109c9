/**
 * Streams: XADD, XLEN, XSETID, and the table of all stream commands. XRANGE is in stream-range.ts, trimming in stream-trim.ts,
 * deleting in stream-delete.ts, reading many and waiting in stream-read.ts, groups in stream-group.ts and stream-claim.ts,
 * XINFO in stream-info.ts.
 *
 * Source: redis 7.0 t_stream.c.
 */
import { StreamId } from '../encoding/stream-id.ts'
import { NOTIFY_STREAM } from '../keyspace/key-events.ts'
import { NO_SUCH_KEY, SYNTAX_ERROR, wrongNumberOfArguments } from '../resp/error-replies.ts'
import { R_LAST, R_MAX_DELETED } from '../values/stream-layout.ts'
import { findForRead, findForWrite, foundChanged } from './access.ts'
import { argIs } from './arguments.ts'
import type { CommandContext, CommandTable, ReadContext } from './command.ts'
import { BLOCKING, DENYOOM, FAST, MOVABLE_KEYS, READONLY, WRITE } from './flags.ts'
import { notify } from './notify.ts'
import { createStream, idArgument, int64Argument, openFound, replyId, stream } from './stream-access.ts'
import { runXAckDel, runXDel, runXDelEx } from './stream-delete.ts'
import { runXAutoClaim, runXClaim, runXPending } from './stream-claim.ts'
import { runXAck, xgroupCommand } from './stream-group.ts'
import { xinfoCommand } from './stream-info.ts'
import {
  addOrTrimOptions,
  givenId,
  idGiven,
  noMakeStream,
  runXTrim,
  sequenceGiven,
  trim,
  trimmedWords,
  trimsByPolicy,
} from './stream-trim.ts'
import { runXRange, runXRevRange, sliceXRange, sliceXRevRange } from './stream-range.ts'
import { findXReadGroupKeys, findXReadKeys, runXRead, runXReadGroup } from './stream-read.ts'

// ---- writing ------------------------------------------------------------------------------------------------------

const newId = new StreamId()
const lastId = new StreamId()
/** XSETID's greatest deleted ID; where a range begins. */
const otherId = new StreamId()
const TOO_SMALL = 'ERR The ID specified in XADD is equal or smaller than the target stream top item'

/** XADD key [NOMKSTREAM] [KEEPREF|DELREF|ACKED] [MAXLEN|MINID [=|~] threshold [LIMIT count]] *|id field value [field value …] */
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
  try {
    trimAndTell(context, first)
  } finally {
    // Memory may end in the trimming.
    foundChanged(context, 1)
  }
}

/** Trims behind the entry that was added, and tells of both. */
function trimAndTell(context: CommandContext, first: number): void {
  const isByPolicy = trimsByPolicy()
  if (isByPolicy) tellAdded(context, first, [])
  const trimmed = trim(context)
  if (trimmed > 0) notify(context, NOTIFY_STREAM, 'xtrim', 1)
  if (!isByPolicy) tellAdded(context, first, trimmed > 0 ? trimmedWords() : [])
}

/** With the ID it got, and as much trimmed as here: `XADD key [MAXLEN = n] id field value …`. */
function tellAdded({ effects, args, db }: CommandContext, first: number, trimming: readonly string[]): void {
  if (effects === undefined) return
  effects.begin(db, 'XADD', 3 + trimming.length + args.count - first)
  effects.argument(args, 1)
  for (const word of trimming) effects.word(word)
  effects.id(newId)
  effects.argumentsOf(args, first, args.count)
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

/** XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id] */
export function runXSetId(context: CommandContext): void {
  const { args, reply } = context
  if (!idArgument(context, 2, newId, 0, true)) return
  let added: number | bigint = -1
  otherId.setZero()
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
      if (!idArgument(context, i + 1, otherId, 0, true)) return
      if (newId.compare(otherId) < 0) {
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
  if (!otherId.isZero) stream.writeId(R_MAX_DELETED, otherId)
  // Like most that only groups see, this does not count as a change for WATCH.
  context.keyspace.countChange()
  notify(context, NOTIFY_STREAM, 'xsetid', 1)
  reply.ok()
}

// ---- reading ------------------------------------------------------------------------------------------------------

/** XLEN key */
export function runXLen(context: ReadContext): void {
  if (!findForRead(context, 1)) context.reply.integer(0)
  else if (openFound(context)) context.reply.integer(stream.length)
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
  XACKDEL: {
    arity: -6,
    flags: WRITE | FAST,
    keys: ONE_KEY,
    since: '8.2.0',
    group: GROUP,
    summary: 'Acknowledges entries in a consumer group and deletes them.',
    propagate: 'xdel',
    keyFlags: ['RW', 'delete'],
    complexity: 'O(1) for each ID.',
    run: runXAckDel,
  },
  XADD: {
    arity: -5,
    flags: WRITE | DENYOOM | FAST,
    keys: ONE_KEY,
    since: '5.0.0',
    group: GROUP,
    summary: 'Appends an entry to a stream.',
    propagate: 'xadd',
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
    propagate: 'xclaim',
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
    propagate: 'xclaim',
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
  XDELEX: {
    arity: -5,
    flags: WRITE | FAST,
    keys: ONE_KEY,
    since: '8.2.0',
    group: GROUP,
    summary: 'Deletes entries, with a choice of what becomes of what is pending.',
    propagate: 'xdel',
    keyFlags: ['RW', 'delete'],
    complexity: 'O(1) for each ID.',
    run: runXDelEx,
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
    slices: sliceXRange,
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
    propagate: 'xclaim',
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
    slices: sliceXRevRange,
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
    propagate: 'xtrim',
    keyFlags: ['RW', 'delete'],
    tips: NONDETERMINISTIC,
    complexity: 'O(N), with N being the number of evicted entries.',
    run: runXTrim,
  },
}
