/**
 * Commands on one list: pushing, popping, looking, changing. Those that move elements between lists, pop from the first of
 * several, and wait: list-move.ts.
 *
 * Source: redis 7.0 t_list.c.
 */
import { NOTIFY_LIST } from '../keyspace/key-events.ts'
import { viewOf } from '../memory/copy-bytes.ts'
import { INT64_MIN } from '../encoding/integer.ts'
import {
  NO_SUCH_KEY,
  NOT_AN_INTEGER,
  OUT_OF_RANGE,
  SYNTAX_ERROR,
  wrongNumberOfArguments,
} from '../resp/error-replies.ts'
import { prepareElement } from '../values/list-node.ts'
import type { ListCursor } from '../values/list-cursor.ts'
import { deleteFound, findForRead, findForWrite, foundChanged, integerArgument } from './access.ts'
import { argIs, argText } from './arguments.ts'
import type {
  CommandArgs,
  CommandContext,
  CommandRow,
  CommandTable,
  KeyPositions,
  ReadContext,
  RowFunction,
} from './command.ts'
import { DENYOOM, FAST, READONLY, WRITE } from './flags.ts'
import {
  beginList,
  changeList,
  expectList,
  listRule,
  openList,
  putList,
  removeFromEnd,
  replyElements,
} from './list-access.ts'
import { runLRange, sliceLRange } from './list-range.ts'
import { notify, notifyDeleted } from './notify.ts'
import { boundedArgument } from './ranged-integer.ts'
import { wideInteger } from './wide-integer.ts'

const RANK_ZERO_ERROR: string =
  "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the " +
  'end of the list'

/** LPUSH, RPUSH; LPUSHX, RPUSHX when only an existing list is wanted. */
function push(context: CommandContext, atHead: boolean, existing: boolean): void {
  const { args, reply } = context
  const found = findForWrite(context, 1)
  if (found && !expectList(context)) return
  if (!found && existing) {
    reply.integer(0)
    return
  }
  const list = found ? changeList(context, 1) : beginList(context)
  const rule = listRule(context)
  const event = atHead ? 'lpush' : 'rpush'
  const before = list.count
  try {
    for (let i = 2; i < args.count; i++) {
      prepareElement(args.bytes, args.start[i]!, args.end[i]!)
      list.push(atHead, rule)
    }
  } finally {
    // Memory may end behind the first one.
    if (found && list.count > before) {
      foundChanged(context, 1)
      notify(context, NOTIFY_LIST, event, 1)
    }
  }
  if (!found) {
    putList(context, 1)
    notify(context, NOTIFY_LIST, event, 1)
  }
  reply.integer(list.count)
}

/** LPOP, RPOP key [count] */
function pop(context: CommandContext, atHead: boolean): void {
  const { args, reply } = context
  if (args.count > 3) {
    reply.error(wrongNumberOfArguments(atHead ? 'lpop' : 'rpop'))
    return
  }
  const counts = args.count === 3
  let wanted = 1
  if (counts) {
    const count = boundedArgument(context, 2, 0)
    if (count === undefined) return
    wanted = count
  }
  if (!findForWrite(context, 1)) {
    if (counts) reply.nullArray()
    else reply.nullBulk()
    return
  }
  if (!expectList(context)) return
  const list = changeList(context, 1)
  if (!counts) {
    replyOneEnd(context, list, atHead)
    removeFromEnd(context, list, 1, atHead, 1)
    return
  }
  const length = list.count
  wanted = Math.min(wanted, length)
  replyElements(context, list, atHead ? 0 : length - wanted, atHead ? wanted : length, !atHead)
  if (wanted > 0) removeFromEnd(context, list, 1, atHead, wanted)
}

function replyOneEnd({ reply }: ReadContext, list: ListCursor, atHead: boolean): void {
  if (atHead) list.first()
  else list.last()
  list.load()
  list.reply(reply)
}

/** LLEN key */
function llen(context: ReadContext): void {
  if (!findForRead(context, 1)) context.reply.integer(0)
  else if (expectList(context)) context.reply.integer(openList(context).count)
}

/** LINDEX key index */
function lindex(context: ReadContext): void {
  const { reply } = context
  if (!findForRead(context, 1)) {
    reply.nullBulk()
    return
  }
  if (!expectList(context)) return
  const index = integerArgument(context, 2)
  if (Number.isNaN(index)) return
  const list = openList(context)
  if (!list.seek(index < 0 ? index + list.count : index)) {
    reply.nullBulk()
    return
  }
  list.load()
  list.reply(reply)
}

/** LSET key index element */
function lset(context: CommandContext): void {
  const { args, reply } = context
  if (!findForWrite(context, 1)) {
    reply.error(NO_SUCH_KEY)
    return
  }
  if (!expectList(context)) return
  const index = integerArgument(context, 2)
  if (Number.isNaN(index)) return
  const list = changeList(context, 1)
  let position = positionOf(index, list.count)
  if (position < 0 && context.fromPrimary) position = positionOf(lowIndex(args, 2), list.count)
  if (position < 0) {
    reply.error(OUT_OF_RANGE)
    return
  }
  prepareElement(args.bytes, args.start[3]!, args.end[3]!)
  list.replace(position, listRule(context))
  foundChanged(context, 1)
  reply.ok()
  notify(context, NOTIFY_LIST, 'lset', 1)
}

/** @returns -1 when there is none */
function positionOf(index: number, count: number): number {
  const position = index < 0 ? index + count : index
  return position >= 0 && position < count ? position : -1
}

/**
 * redis 7.2 to 8.0 and Valkey 8 keep the low 32 bits of LSET's index, so that one which no list has can change an element. They tell their
 * replicas the whole one; from a primary that refuses it, it does not come.
 */
function lowIndex(args: CommandArgs, index: number): number {
  return Number(BigInt.asIntN(32, BigInt(argText(args, index))))
}

/** LINSERT key BEFORE|AFTER pivot element */
function linsert(context: CommandContext): void {
  const { args, reply } = context
  const behind = argIs(args, 2, 'AFTER')
  if (!behind && !argIs(args, 2, 'BEFORE')) {
    reply.error(SYNTAX_ERROR)
    return
  }
  if (!findForWrite(context, 1)) {
    reply.integer(0)
    return
  }
  if (!expectList(context)) return
  const list = changeList(context, 1)
  if (!seekElement(list, list.first(), false, context, 3)) {
    reply.integer(-1)
    return
  }
  prepareElement(args.bytes, args.start[4]!, args.end[4]!)
  list.insert(behind, listRule(context))
  foundChanged(context, 1)
  reply.integer(list.count)
  notify(context, NOTIFY_LIST, 'linsert', 1)
}

/** From the position on, goes to the element that equals argument `index`. @param more is there a position? */
function seekElement(list: ListCursor, more: boolean, backward: boolean, context: ReadContext, index: number): boolean {
  const { args } = context
  const view = viewOf(args.bytes)
  const start = args.start[index]!
  const end = args.end[index]!
  for (let there = more; there; there = backward ? list.previous() : list.next()) {
    list.load()
    if (list.equals(args.bytes, view, start, end)) return true
  }
  return false
}

/** LREM key count element */
function lrem(context: CommandContext): void {
  const { reply } = context
  const count = integerArgument(context, 2)
  if (Number.isNaN(count)) return
  if (!findForWrite(context, 1)) {
    reply.integer(0)
    return
  }
  if (!expectList(context)) return
  const list = changeList(context, 1)
  const backward = count < 0
  const wanted = count === 0 ? Infinity : Math.abs(count)
  let removed = 0
  let more = backward ? list.last() : list.first()
  while (removed < wanted && seekElement(list, more, backward, context, 3)) {
    more = list.remove(backward)
    removed++
  }
  if (removed > 0) {
    const empty = list.count === 0
    if (empty) deleteFound(context, 1)
    else foundChanged(context, 1)
    notify(context, NOTIFY_LIST, 'lrem', 1)
    if (empty) notifyDeleted(context, 1)
  }
  reply.integer(removed)
}

/** LTRIM key start stop */
function ltrim(context: CommandContext): void {
  const { reply } = context
  const start = integerArgument(context, 2)
  if (Number.isNaN(start)) return
  const stop = integerArgument(context, 3)
  if (Number.isNaN(stop)) return
  if (!findForWrite(context, 1)) {
    reply.ok()
    return
  }
  if (!expectList(context)) return
  const list = changeList(context, 1)
  const from = Math.max(0, start < 0 ? start + list.count : start)
  const to = Math.min(list.count, (stop < 0 ? stop + list.count : stop) + 1)
  if (from >= to) {
    deleteFound(context, 1)
    notify(context, NOTIFY_LIST, 'ltrim', 1)
    notifyDeleted(context, 1)
  } else {
    list.trim(from, to)
    foundChanged(context, 1)
    notify(context, NOTIFY_LIST, 'ltrim', 1)
  }
  reply.ok()
}

interface PositionOptions {
  rank: number
  /** -1: not given. */
  count: number
  /** Elements to look at; 0: all. */
  lengthMax: number
}

/** The options from argument 3 on, or undefined after an error reply. */
function positionOptions(context: ReadContext): PositionOptions | undefined {
  const { args, reply } = context
  const options = { rank: 1, count: -1, lengthMax: 0 }
  for (let i = 3; i < args.count; i++) {
    const hasValue = i + 1 < args.count
    if (argIs(args, i, 'RANK') && hasValue) {
      const rank = wideInteger(context, ++i)
      if (rank === undefined || rank === 0) {
        reply.error(rank === undefined ? NOT_AN_INTEGER : RANK_ZERO_ERROR)
        return undefined
      }
      // The smallest integer has no positive counterpart: Redis takes it for -1.
      options.rank = rank === INT64_MIN ? -1 : Number(rank)
    } else if (argIs(args, i, 'COUNT') && hasValue) {
      const count = boundedArgument(context, ++i, 0, "ERR COUNT can't be negative")
      if (count === undefined) return undefined
      options.count = count
    } else if (argIs(args, i, 'MAXLEN') && hasValue) {
      const lengthMax = boundedArgument(context, ++i, 0, "ERR MAXLEN can't be negative")
      if (lengthMax === undefined) return undefined
      options.lengthMax = lengthMax
    } else {
      reply.error(SYNTAX_ERROR)
      return undefined
    }
  }
  return options
}

/** LPOS key element [RANK rank] [COUNT count] [MAXLEN length] */
function lpos(context: ReadContext): void {
  const { reply } = context
  const options = positionOptions(context)
  if (options === undefined) return
  const found = findForRead(context, 1)
  if (found && !expectList(context)) return
  const positions = found ? findPositions(context, options, openList(context)) : []
  if (options.count !== -1) {
    reply.array(positions.length)
    for (const position of positions) reply.integer(position)
  } else if (positions.length > 0) reply.integer(positions[0]!)
  else reply.nullBulk()
}

function findPositions({ args }: ReadContext, options: PositionOptions, list: ListCursor): number[] {
  const { bytes } = args
  const view = viewOf(bytes)
  const start = args.start[2]!
  const end = args.end[2]!
  const backward = options.rank < 0
  const length = list.count
  const lookedAtMax = options.lengthMax === 0 ? length : Math.min(length, options.lengthMax)
  const wanted = options.count === -1 ? 1 : options.count === 0 ? Infinity : options.count
  const positions: number[] = []
  let skipped = Math.abs(options.rank) - 1
  let more = backward ? list.last() : list.first()
  for (let index = 0; more && index < lookedAtMax; index++, more = backward ? list.previous() : list.next()) {
    list.load()
    if (!list.equals(bytes, view, start, end)) continue
    if (skipped > 0) {
      skipped--
      continue
    }
    positions.push(backward ? length - 1 - index : index)
    if (positions.length >= wanted) break
  }
  return positions
}

const ONE_KEY: KeyPositions = [1, 1, 1]
const GROUP = 'list'

function row(
  arity: number,
  flags: number,
  since: string,
  summary: string,
  complexity: string,
  keyFlags: readonly string[],
  code: RowFunction,
): CommandRow {
  return { arity, flags, keys: ONE_KEY, since, group: GROUP, summary, complexity, keyFlags, ...code }
}

const INSERTS = ['RW', 'insert']
const DELETES = ['RW', 'access', 'delete']
const READS = ['RO', 'access']

/** Commands on one list. */
export const listCommands: CommandTable = {
  LPUSH: row(
    -3,
    WRITE | DENYOOM | FAST,
    '1.0.0',
    'Puts elements before the first one of a list.',
    'O(N), N elements given',
    INSERTS,
    { run: (context) => push(context, true, false) },
  ),
  RPUSH: row(
    -3,
    WRITE | DENYOOM | FAST,
    '1.0.0',
    'Puts elements behind the last one of a list.',
    'O(N), N elements given',
    INSERTS,
    { run: (context) => push(context, false, false) },
  ),
  LPUSHX: row(
    -3,
    WRITE | DENYOOM | FAST,
    '2.2.0',
    'Puts elements before the first one of a list that exists.',
    'O(N), N elements given',
    INSERTS,
    { run: (context) => push(context, true, true) },
  ),
  RPUSHX: row(
    -3,
    WRITE | DENYOOM | FAST,
    '2.2.0',
    'Puts elements behind the last one of a list that exists.',
    'O(N), N elements given',
    INSERTS,
    { run: (context) => push(context, false, true) },
  ),
  LPOP: row(-2, WRITE | FAST, '1.0.0', 'Takes elements from the head of a list.', 'O(N), N elements taken', DELETES, {
    run: (context) => pop(context, true),
  }),
  RPOP: row(-2, WRITE | FAST, '1.0.0', 'Takes elements from the tail of a list.', 'O(N), N elements taken', DELETES, {
    run: (context) => pop(context, false),
  }),
  LLEN: row(2, READONLY | FAST, '1.0.0', 'Returns how many elements a list has.', 'O(1)', ['RO'], { read: llen }),
  LRANGE: row(
    4,
    READONLY,
    '1.0.0',
    'Returns a range of elements of a list.',
    'O(log(S)+N), S nodes before the range of N elements',
    READS,
    { read: runLRange, slices: sliceLRange },
  ),
  LINDEX: row(3, READONLY, '1.0.0', 'Returns the element at a position of a list.', 'O(log(N))', READS, {
    read: lindex,
  }),
  LSET: row(
    4,
    WRITE | DENYOOM,
    '1.0.0',
    'Replaces the element at a position of a list.',
    'O(log(N))',
    ['RW', 'update'],
    { run: lset },
  ),
  LINSERT: row(
    5,
    WRITE | DENYOOM,
    '2.2.0',
    'Puts an element before or behind another one of a list.',
    'O(N), N elements before that one',
    INSERTS,
    { run: linsert },
  ),
  LREM: row(
    4,
    WRITE,
    '1.0.0',
    'Removes elements that equal a given one from a list.',
    'O(N+M), N elements, M removed',
    ['RW', 'delete'],
    { run: lrem },
  ),
  LTRIM: row(4, WRITE, '1.0.0', 'Keeps a range of elements of a list.', 'O(N), N elements removed', ['RW', 'delete'], {
    run: ltrim,
  }),
  LPOS: row(
    -3,
    READONLY,
    '6.0.6',
    'Returns the positions of elements of a list that equal a given one.',
    'O(N), N elements',
    READS,
    { read: lpos },
  ),
}
