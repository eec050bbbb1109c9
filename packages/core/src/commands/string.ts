/**
 * The string commands as a table, and those that change parts of a string or read several (redis 7.0 t_string.c). Reading one is
 * string-range.ts, storing string-set.ts, counting string-number.ts, LCS lcs.ts.
 *
 * A string remembers whether it was changed in place (FLAG_RAW): OBJECT ENCODING tells 'raw' then, as in Redis.
 */
import { NOTIFY_STRING } from '../keyspace/key-events.ts'
import { KEYS_AHEAD_MAX } from '../limits.ts'
import {
  argumentLength,
  expectString,
  expectStringLength,
  findForRead,
  findForWrite,
  foundChanged,
  growFound,
  integerArgument,
  makeEmptyString,
  putFound,
  touchKeys,
} from './access.ts'
import type { CommandContext, CommandTable, ReadContext } from './command.ts'
import { notify } from './notify.ts'
import { DENYOOM, FAST, MOVABLE_KEYS, READONLY, WRITE } from './flags.ts'
import { runLcs } from './lcs.ts'
import { runDelEx, runDigest } from './string-condition.ts'
import { runGet, runGetRange, sliceGet, sliceGetRange } from './string-range.ts'
import { runDecr, runDecrBy, runIncr, runIncrBy, runIncrByFloat } from './string-number.ts'
import {
  findMSetExKeys,
  runGetDel,
  runGetEx,
  runGetSet,
  runMSet,
  runMSetEx,
  runMSetNx,
  runPSetEx,
  keyFlagsOfSet,
  runSet,
  runSetEx,
  runSetNx,
} from './string-set.ts'

/** MGET key [key …]: keys of other types are nil. */
function runMGet(context: ReadContext): void {
  const { args, reply } = context
  const { entry } = context.keyspace
  reply.array(args.count - 1)
  for (let index = 1; index < args.count; index++) {
    const touched = (index - 1) % KEYS_AHEAD_MAX
    if (touched === 0) touchKeys(context, index)
    if (findForRead(context, index, touched) && entry.isString) entry.replyBulk(reply, 0, entry.length)
    else reply.nullBulk()
  }
}

function runStrLen(context: ReadContext): void {
  if (!findForRead(context, 1)) context.reply.integer(0)
  else if (expectString(context)) context.reply.integer(context.keyspace.entry.length)
}

/** APPEND key value */
function runAppend(context: CommandContext): void {
  const { bytes, start, end } = context.args
  const { keyspace, reply } = context
  const { entry } = keyspace
  if (!findForWrite(context, 1)) {
    putFound(context, 1, 0, bytes, start[2]!, end[2]!, -1)
    notify(context, NOTIFY_STRING, 'append', 1)
    reply.integer(end[2]! - start[2]!)
    return
  }
  if (!expectString(context)) return
  const before = entry.length
  const length = before + argumentLength(context, 2)
  if (!expectStringLength(context, length)) return
  growFound(context, 1, length)
  try {
    keyspace.writeEntry(before, bytes, start[2]!, end[2]!)
  } finally {
    // When memory ends here it is longer all the same.
    foundChanged(context, 1)
    notify(context, NOTIFY_STRING, 'append', 1)
  }
  reply.integer(length)
}

/** SETRANGE key offset value */
function runSetRange(context: CommandContext): void {
  const { bytes, start, end } = context.args
  const { keyspace, reply } = context
  const { entry } = keyspace
  const offset = integerArgument(context, 2)
  if (Number.isNaN(offset)) return
  if (offset < 0) {
    reply.error('ERR offset is out of range')
    return
  }
  const count = argumentLength(context, 3)
  const found = findForWrite(context, 1)
  if (found && !expectString(context)) return
  if (count === 0) {
    reply.integer(found ? entry.length : 0)
    return
  }
  if (!expectStringLength(context, offset + count)) return
  if (!found) makeEmptyString(context, 1)
  if (offset + count > entry.length) growFound(context, 1, offset + count)
  try {
    keyspace.writeEntry(offset, bytes, start[3]!, end[3]!)
  } finally {
    // When memory ends here it may be longer, and have a part of the bytes.
    foundChanged(context, 1)
    notify(context, NOTIFY_STRING, 'setrange', 1)
  }
  reply.integer(entry.length)
}

const ONE_KEY = [1, 1, 1] as const
const GROUP = 'string'

export const stringCommands: CommandTable = {
  GET: {
    arity: 2,
    flags: READONLY | FAST,
    keys: ONE_KEY,
    since: '1.0.0',
    group: GROUP,
    summary: 'Returns the string at a key.',
    read: runGet,
    slices: sliceGet,
  },
  SET: {
    arity: -3,
    flags: WRITE | DENYOOM,
    keys: ONE_KEY,
    since: '1.0.0',
    group: GROUP,
    summary: 'Stores a string at a key, with conditions and a time to live on request.',
    propagate: 'set',
    keyFlags: ['RW', 'access', 'update', 'variable_flags'],
    keyFlagsOfRequest: keyFlagsOfSet,
    run: runSet,
  },
  DIGEST: {
    arity: 2,
    flags: READONLY | FAST,
    keys: ONE_KEY,
    since: '8.4.0',
    group: GROUP,
    summary: 'Returns the XXH3 digest of the string at a key.',
    read: runDigest,
  },
  DELEX: {
    arity: -2,
    flags: WRITE | FAST,
    keys: ONE_KEY,
    since: '8.4.0',
    group: GROUP,
    summary: 'Deletes a key if its value, or the digest of it, is or is not as given.',
    propagate: 'del',
    keyFlags: ['RW', 'delete'],
    run: runDelEx,
  },
  SETNX: {
    arity: 3,
    flags: WRITE | DENYOOM | FAST,
    keys: ONE_KEY,
    since: '1.0.0',
    group: GROUP,
    summary: 'Stores a string at a key that does not exist yet.',
    keyFlags: ['OW', 'insert'],
    run: runSetNx,
  },
  SETEX: {
    arity: 4,
    flags: WRITE | DENYOOM,
    keys: ONE_KEY,
    since: '2.0.0',
    group: GROUP,
    summary: 'Stores a string that expires after some seconds.',
    propagate: 'set',
    keyFlags: ['OW', 'update'],
    run: runSetEx,
  },
  PSETEX: {
    arity: 4,
    flags: WRITE | DENYOOM,
    keys: ONE_KEY,
    since: '2.6.0',
    group: GROUP,
    summary: 'Stores a string that expires after some milliseconds.',
    propagate: 'set',
    keyFlags: ['OW', 'update'],
    run: runPSetEx,
  },
  GETSET: {
    arity: 3,
    flags: WRITE | DENYOOM | FAST,
    keys: ONE_KEY,
    since: '1.0.0',
    group: GROUP,
    summary: 'Stores a string and returns the one it replaces.',
    propagate: 'set',
    run: runGetSet,
  },
  GETDEL: {
    arity: 2,
    flags: WRITE | FAST,
    keys: ONE_KEY,
    since: '6.2.0',
    group: GROUP,
    summary: 'Returns a string and removes its key.',
    propagate: 'del',
    keyFlags: ['RW', 'access', 'delete'],
    run: runGetDel,
  },
  GETEX: {
    arity: -2,
    flags: WRITE | FAST,
    keys: ONE_KEY,
    since: '6.2.0',
    group: GROUP,
    summary: 'Returns a string and changes when it expires.',
    propagate: 'getex',
    run: runGetEx,
  },
  MGET: {
    arity: -2,
    flags: READONLY | FAST,
    keys: [1, -1, 1],
    since: '1.0.0',
    group: GROUP,
    summary: 'Returns the strings at several keys.',
    read: runMGet,
  },
  MSET: {
    arity: -3,
    flags: WRITE | DENYOOM,
    keys: [1, -1, 2],
    since: '1.0.1',
    group: GROUP,
    summary: 'Stores several strings at once.',
    keyFlags: ['OW', 'update'],
    run: runMSet,
  },
  MSETNX: {
    arity: -3,
    flags: WRITE | DENYOOM,
    keys: [1, -1, 2],
    since: '1.0.1',
    group: GROUP,
    summary: 'Stores several strings, or none when one of the keys exists.',
    keyFlags: ['OW', 'insert'],
    run: runMSetNx,
  },
  // Redis 8.4: known here because streams carry it.
  MSETEX: {
    arity: -4,
    flags: WRITE | DENYOOM | MOVABLE_KEYS,
    keys: [0, 0, 0],
    since: '8.4.0',
    group: GROUP,
    summary: 'Stores several strings with one time to live.',
    propagate: 'set',
    run: runMSetEx,
    findKeys: findMSetExKeys,
  },
  APPEND: {
    arity: 3,
    flags: WRITE | DENYOOM | FAST,
    keys: ONE_KEY,
    since: '2.0.0',
    group: GROUP,
    summary: 'Adds bytes to the end of a string.',
    keyFlags: ['RW', 'insert'],
    run: runAppend,
  },
  STRLEN: {
    arity: 2,
    flags: READONLY | FAST,
    keys: ONE_KEY,
    since: '2.2.0',
    group: GROUP,
    summary: 'Returns how many bytes a string has.',
    keyFlags: ['RO'],
    read: runStrLen,
  },
  SETRANGE: {
    arity: 4,
    flags: WRITE | DENYOOM,
    keys: ONE_KEY,
    since: '2.2.0',
    group: GROUP,
    summary: 'Overwrites a part of a string, making it longer if need be.',
    keyFlags: ['RW', 'update'],
    run: runSetRange,
  },
  GETRANGE: {
    arity: 4,
    flags: READONLY,
    keys: ONE_KEY,
    since: '2.4.0',
    group: GROUP,
    summary: 'Returns a part of a string.',
    read: runGetRange,
    slices: sliceGetRange,
  },
  SUBSTR: {
    arity: 4,
    flags: READONLY,
    keys: ONE_KEY,
    since: '1.0.0',
    group: GROUP,
    summary: 'Returns a part of a string; the old name of GETRANGE.',
    read: runGetRange,
    slices: sliceGetRange,
  },
  INCR: {
    arity: 2,
    flags: WRITE | DENYOOM | FAST,
    keys: ONE_KEY,
    since: '1.0.0',
    group: GROUP,
    summary: 'Adds one to the integer at a key.',
    run: runIncr,
  },
  DECR: {
    arity: 2,
    flags: WRITE | DENYOOM | FAST,
    keys: ONE_KEY,
    since: '1.0.0',
    group: GROUP,
    summary: 'Takes one from the integer at a key.',
    run: runDecr,
  },
  INCRBY: {
    arity: 3,
    flags: WRITE | DENYOOM | FAST,
    keys: ONE_KEY,
    since: '1.0.0',
    group: GROUP,
    summary: 'Adds to the integer at a key.',
    run: runIncrBy,
  },
  DECRBY: {
    arity: 3,
    flags: WRITE | DENYOOM | FAST,
    keys: ONE_KEY,
    since: '1.0.0',
    group: GROUP,
    summary: 'Takes from the integer at a key.',
    run: runDecrBy,
  },
  INCRBYFLOAT: {
    arity: 3,
    flags: WRITE | DENYOOM | FAST,
    keys: ONE_KEY,
    since: '2.6.0',
    group: GROUP,
    summary: 'Adds to the floating point number at a key.',
    propagate: 'set-keepttl',
    run: runIncrByFloat,
  },
  LCS: {
    arity: -3,
    flags: READONLY,
    keys: [1, 2, 1],
    since: '7.0.0',
    group: GROUP,
    summary: 'Finds the longest common subsequence of two strings.',
    read: runLcs,
  },
}
