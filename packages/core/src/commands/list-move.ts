/**
 * Commands that move elements between lists or pop from the first of several keys, and those that wait for an element to come.
 *
 * Source: redis 7.0 t_list.c.
 */
import { NOTIFY_LIST } from '../keyspace/key-events.ts'
import { SYNTAX_ERROR } from '../resp/error-replies.ts'
import { prepareElement } from '../values/list-node.ts'
import { findForWrite, foundChanged } from './access.ts'
import { argIs } from './arguments.ts'
import { timeoutSecondsArgument, waitForKeys } from './blocking.ts'
import type { CommandArgs, CommandContext, CommandTable, KeyPositions, ReadContext } from './command.ts'
import { BLOCKING, DENYOOM, MOVABLE_KEYS, NOSCRIPT, WRITE } from './flags.ts'
import {
  beginList,
  changeList,
  endArgument,
  expectList,
  listRule,
  openList,
  putList,
  removeFromEnd,
  replyElements,
} from './list-access.ts'
import { notify } from './notify.ts'
import { boundedArgument } from './ranged-integer.ts'
import { wideInteger } from './wide-integer.ts'

const MOVED_BYTES_KEPT = 65_536
/** The element being moved. */
let moved: Uint8Array = new Uint8Array(256)

/**
 * Moves an element from one end of the list in argument 1, which was just found, to an end of that in argument 2, and replies it.
 * Put there first and taken away then, so that a list may be both. @returns false when a type was wrong: nothing was moved.
 */
function moveElement(context: CommandContext, fromHead: boolean, toHead: boolean): boolean {
  const { reply } = context
  if (!expectList(context)) return false
  const source = openList(context)
  if (fromHead) source.first()
  else source.last()
  source.load()
  const length = source.elementLength
  if (moved.length < length) moved = new Uint8Array(length)
  source.copyElement(moved, 0)
  const found = findForWrite(context, 2)
  if (found && !expectList(context)) return false
  const target = found ? changeList(context, 2) : beginList(context)
  prepareElement(moved, 0, length)
  target.push(toHead, listRule(context))
  if (found) foundChanged(context, 2)
  else putList(context, 2)
  notify(context, NOTIFY_LIST, toHead ? 'lpush' : 'rpush', 2)
  reply.bulk(moved, 0, length)
  if (moved.length > MOVED_BYTES_KEPT) moved = new Uint8Array(256)
  findForWrite(context, 1)
  removeFromEnd(context, changeList(context, 1), 1, fromHead, 1)
  return true
}

/** LMOVE source destination LEFT|RIGHT LEFT|RIGHT */
function lmove(context: CommandContext): void {
  const fromHead = endArgument(context, 3)
  if (fromHead === undefined) return
  const toHead = endArgument(context, 4)
  if (toHead === undefined) return
  if (findForWrite(context, 1)) moveElement(context, fromHead, toHead)
  else context.reply.nullBulk()
}

/** RPOPLPUSH source destination */
function rpoplpush(context: CommandContext): void {
  if (findForWrite(context, 1)) moveElement(context, false, true)
  else context.reply.nullBulk()
}

/** What the commands that wait are without waiting; replicas are told that. */
type MoveName = 'LMOVE' | 'RPOPLPUSH'

/** `LMOVE source destination LEFT|RIGHT LEFT|RIGHT`, or `RPOPLPUSH source destination`. */
function moveAndTell(context: CommandContext, name: MoveName, fromHead: boolean, toHead: boolean): void {
  const { effects, args, db } = context
  if (!moveElement(context, fromHead, toHead) || effects === undefined) return
  effects.begin(db, name, name === 'LMOVE' ? 5 : 3)
  effects.argumentsOf(args, 1, 3)
  if (name === 'RPOPLPUSH') return
  effects.word(fromHead ? 'LEFT' : 'RIGHT')
  effects.word(toHead ? 'LEFT' : 'RIGHT')
}

function moveOrWait(
  context: CommandContext,
  name: MoveName,
  fromHead: boolean,
  toHead: boolean,
  timeoutIndex: number,
): void {
  const timeoutMs = timeoutSecondsArgument(context, timeoutIndex)
  if (timeoutMs === undefined) return
  if (findForWrite(context, 1)) {
    moveAndTell(context, name, fromHead, toHead)
    return
  }
  waitForKeys(context, {
    awaitedType: 'list',
    keys: [1],
    timeoutMs,
    retry: (later) => {
      if (!findForWrite(later, 1)) return false
      moveAndTell(later, name, fromHead, toHead)
      return true
    },
    timedOut: (later) => later.reply.nullArray(),
    denied: (later) => later.reply.nullBulk(),
  })
}

/** BLMOVE source destination LEFT|RIGHT LEFT|RIGHT timeout */
function blmove(context: CommandContext): void {
  const fromHead = endArgument(context, 3)
  if (fromHead === undefined) return
  const toHead = endArgument(context, 4)
  if (toHead !== undefined) moveOrWait(context, 'LMOVE', fromHead, toHead, 5)
}

/** BLPOP, BRPOP key [key …] timeout */
function blockingPop(context: CommandContext, atHead: boolean): void {
  const last = context.args.count - 1
  const timeoutMs = timeoutSecondsArgument(context, last)
  if (timeoutMs === undefined) return
  for (let i = 1; i < last; i++) if (popWithKey(context, i, atHead)) return
  waitForKeys(context, {
    awaitedType: 'list',
    keys: indexes(1, last),
    timeoutMs,
    retry: (later, index) => popWithKey(later, index, atHead),
    timedOut: (later) => later.reply.nullArray(),
  })
}

/** Pops one element and replies key and element. @returns true when a reply was written. */
function popWithKey(context: CommandContext, index: number, atHead: boolean): boolean {
  if (!findForWrite(context, index)) return false
  if (!expectList(context)) return true
  const { args, reply } = context
  const list = changeList(context, index)
  reply.array(2)
  reply.bulk(args.bytes, args.start[index]!, args.end[index]!)
  if (atHead) list.first()
  else list.last()
  list.load()
  list.reply(reply)
  removeFromEnd(context, list, index, atHead, 1)
  context.effects?.ofKey(context.db, atHead ? 'LPOP' : 'RPOP', args, index)
  return true
}

interface SeveralKeys {
  /** Key arguments [first, end). */
  readonly first: number
  readonly end: number
  readonly atHead: boolean
  readonly count: number
}

/** numkeys key [key …] LEFT|RIGHT [COUNT count], from argument `at` on; undefined after an error reply. */
function severalKeys(context: ReadContext, at: number): SeveralKeys | undefined {
  const { args, reply } = context
  const keys = boundedArgument(context, at, 1, 'ERR numkeys should be greater than 0')
  if (keys === undefined) return undefined
  const end = at + 1 + keys
  if (end >= args.count) {
    reply.error(SYNTAX_ERROR)
    return undefined
  }
  const atHead = endArgument(context, end)
  if (atHead === undefined) return undefined
  let count = -1
  for (let i = end + 1; i < args.count; i++) {
    if (count !== -1 || !argIs(args, i, 'COUNT') || i + 1 >= args.count) {
      reply.error(SYNTAX_ERROR)
      return undefined
    }
    const told = boundedArgument(context, ++i, 1, 'ERR count should be greater than 0')
    if (told === undefined) return undefined
    count = told
  }
  return { first: at + 1, end, atHead, count: count === -1 ? 1 : count }
}

/** Pops several elements and replies key and elements. @returns true when a reply was written. */
function popSeveral(context: CommandContext, index: number, atHead: boolean, count: number): boolean {
  if (!findForWrite(context, index)) return false
  if (!expectList(context)) return true
  const { args, reply } = context
  const list = changeList(context, index)
  const length = list.count
  const taken = Math.min(count, length)
  reply.array(2)
  reply.bulk(args.bytes, args.start[index]!, args.end[index]!)
  replyElements(context, list, atHead ? 0 : length - taken, atHead ? taken : length, !atHead)
  removeFromEnd(context, list, index, atHead, taken)
  const { effects } = context
  if (effects !== undefined) {
    effects.begin(context.db, atHead ? 'LPOP' : 'RPOP', 3)
    effects.argument(args, index)
    effects.integer(taken)
  }
  return true
}

/** LMPOP numkeys key [key …] LEFT|RIGHT [COUNT count] */
function lmpop(context: CommandContext): void {
  const keys = severalKeys(context, 1)
  if (keys === undefined) return
  for (let i = keys.first; i < keys.end; i++) if (popSeveral(context, i, keys.atHead, keys.count)) return
  context.reply.nullArray()
}

/** BLMPOP timeout numkeys key [key …] LEFT|RIGHT [COUNT count] */
function blmpop(context: CommandContext): void {
  const keys = severalKeys(context, 2)
  if (keys === undefined) return
  const timeoutMs = timeoutSecondsArgument(context, 1)
  if (timeoutMs === undefined) return
  const { atHead, count } = keys
  for (let i = keys.first; i < keys.end; i++) if (popSeveral(context, i, atHead, count)) return
  waitForKeys(context, {
    awaitedType: 'list',
    keys: indexes(keys.first, keys.end),
    timeoutMs,
    retry: (later, index) => popSeveral(later, index, atHead, count),
    timedOut: (later) => later.reply.nullArray(),
  })
}

function indexes(first: number, end: number): number[] {
  return Array.from({ length: end - first }, (_, i) => first + i)
}

/** The keys that a number of keys in argument `at` announces. */
function findCountedKeys(args: CommandArgs, at: number, into: number[]): void {
  const count = wideInteger({ args } as ReadContext, at)
  if (count === undefined || count < 1) return
  for (let i = at + 1; i <= at + Number(count) && i < args.count; i++) into.push(i)
}

const TWO_KEYS: KeyPositions = [1, 2, 1]
const NO_KEYS: KeyPositions = [0, 0, 0]
const ALL_BUT_LAST: KeyPositions = [1, -2, 1]
const GROUP = 'list'
const DELETES = ['RW', 'access', 'delete']

/** Commands on several lists. */
export const listMoveCommands: CommandTable = {
  LMOVE: {
    arity: 5,
    flags: WRITE | DENYOOM,
    keys: TWO_KEYS,
    since: '6.2.0',
    group: GROUP,
    summary: 'Takes an element from one end of a list, puts it to an end of another, and returns it.',
    complexity: 'O(1)',
    keyFlags: DELETES,
    keySpecs: ['RW access delete @1', 'RW insert @2'],
    run: lmove,
  },
  RPOPLPUSH: {
    arity: 3,
    flags: WRITE | DENYOOM,
    keys: TWO_KEYS,
    since: '1.2.0',
    group: GROUP,
    summary: 'Takes the last element of a list, puts it before the first of another, and returns it.',
    complexity: 'O(1)',
    keyFlags: DELETES,
    keySpecs: ['RW access delete @1', 'RW insert @2'],
    run: rpoplpush,
  },
  BLMOVE: {
    arity: 6,
    flags: WRITE | DENYOOM | NOSCRIPT | BLOCKING,
    keys: TWO_KEYS,
    since: '6.2.0',
    group: GROUP,
    summary: 'LMOVE that waits for an element to come.',
    propagate: 'lmove',
    complexity: 'O(1)',
    keyFlags: DELETES,
    keySpecs: ['RW access delete @1', 'RW insert @2'],
    run: blmove,
  },
  BRPOPLPUSH: {
    arity: 4,
    flags: WRITE | DENYOOM | NOSCRIPT | BLOCKING,
    keys: TWO_KEYS,
    since: '2.2.0',
    group: GROUP,
    summary: 'RPOPLPUSH that waits for an element to come.',
    propagate: 'rpoplpush',
    complexity: 'O(1)',
    keyFlags: DELETES,
    keySpecs: ['RW access delete @1', 'RW insert @2'],
    run: (context) => moveOrWait(context, 'RPOPLPUSH', false, true, 3),
  },
  BLPOP: {
    arity: -3,
    flags: WRITE | NOSCRIPT | BLOCKING,
    keys: ALL_BUT_LAST,
    since: '2.0.0',
    group: GROUP,
    summary: 'Takes the first element of the first list that has one; waits for it.',
    propagate: 'lpop',
    complexity: 'O(N), N keys',
    keyFlags: DELETES,
    run: (context) => blockingPop(context, true),
  },
  BRPOP: {
    arity: -3,
    flags: WRITE | NOSCRIPT | BLOCKING,
    keys: ALL_BUT_LAST,
    since: '2.0.0',
    group: GROUP,
    summary: 'Takes the last element of the first list that has one; waits for it.',
    propagate: 'rpop',
    complexity: 'O(N), N keys',
    keyFlags: DELETES,
    run: (context) => blockingPop(context, false),
  },
  LMPOP: {
    arity: -4,
    flags: WRITE | MOVABLE_KEYS,
    keys: NO_KEYS,
    since: '7.0.0',
    group: GROUP,
    summary: 'Takes elements from the first list that has some.',
    propagate: 'list-pop',
    complexity: 'O(N+M), N keys, M elements taken',
    findKeys: (args, into) => findCountedKeys(args, 1, into),
    keySpecs: ['RW access delete @1#'],
    run: lmpop,
  },
  BLMPOP: {
    arity: -5,
    flags: WRITE | BLOCKING | MOVABLE_KEYS,
    keys: NO_KEYS,
    since: '7.0.0',
    group: GROUP,
    summary: 'LMPOP that waits for an element to come.',
    propagate: 'list-pop',
    complexity: 'O(N+M), N keys, M elements taken',
    findKeys: (args, into) => findCountedKeys(args, 2, into),
    keySpecs: ['RW access delete @2#'],
    run: blmpop,
  },
}
