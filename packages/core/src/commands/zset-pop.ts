/** ZPOPMIN, ZPOPMAX, ZMPOP and their blocking forms. Source: redis 7.0 t_zset.c genericZpopCommand(), zmpopGenericCommand(). */
import { SYNTAX_ERROR } from '../resp/error-replies.ts'
import { findForWrite } from './access.ts'
import { argIs } from './arguments.ts'
import { timeoutSecondsArgument, waitForKeys } from './blocking.ts'
import type { CommandArgs, CommandContext, ReadContext } from './command.ts'
import { atLeast } from './integer-range.ts'
import { elementsRemoved, expectZset, writeZset } from './zset-access.ts'

/** How the reply looks: flat or nested pairs, with the key before them or without. */
const FLAT = 0
const NESTED = 1
const KEY_FLAT = 2
const KEY_NESTED = 3

/** Pops from the key of argument `index`, which holds a sorted set. */
function popFrom(context: CommandContext, index: number, max: boolean, count: number, shape: number): void {
  const { args, reply } = context
  const set = writeZset(context, index, () => {})
  if (set === undefined) return
  const size = set.count
  const popped = Math.min(count, size)
  if (shape === FLAT) reply.array(popped * 2)
  else if (shape === NESTED) reply.array(popped)
  else {
    reply.array(shape === KEY_FLAT ? popped * 2 + 1 : 2)
    reply.bulk(args.bytes, args.start[index]!, args.end[index]!)
    if (shape === KEY_NESTED) reply.array(popped)
  }
  set.seekRank(max ? size - 1 : 0)
  for (let left = popped; left > 0; left--) {
    if (shape === NESTED || shape === KEY_NESTED) reply.array(2)
    reply.bulk(set.memberBytes, set.memberStart, set.memberEnd)
    reply.double(set.score)
    if (left > 1) {
      if (max) set.previous()
      else set.next()
    }
  }
  const left = set.removeRanks(max ? size - popped : 0, popped)
  elementsRemoved(context, index, max ? 'zpopmax' : 'zpopmin', left)
  if (shape === KEY_FLAT || shape === KEY_NESTED) tellPop(context, index, max, popped)
}

/** Of the commands that choose their key: `ZPOPMIN key n` or `ZPOPMAX key n`. */
function tellPop({ effects, args, db }: CommandContext, index: number, max: boolean, popped: number): void {
  if (effects === undefined) return
  effects.begin(db, max ? 'ZPOPMAX' : 'ZPOPMIN', 3)
  effects.argument(args, index)
  effects.integer(popped)
}

function zpop(context: CommandContext, max: boolean): void {
  const { args, reply } = context
  if (args.count > 3) return reply.error(SYNTAX_ERROR)
  let count: number | undefined = 1
  if (args.count === 3) {
    count = atLeast(context, 2, 0, 'ERR value is out of range, must be positive')
    if (count === undefined) return
  }
  if (!findForWrite(context, 1)) return reply.array(0)
  if (!expectZset(context)) return
  if (count === 0) return reply.array(0)
  popFrom(context, 1, max, count, reply.resp === 3 && args.count === 3 ? NESTED : FLAT)
}

export function zpopmin(context: CommandContext): void {
  zpop(context, false)
}

export function zpopmax(context: CommandContext): void {
  zpop(context, true)
}

interface MultiPop {
  first: number
  last: number
  max: boolean
  count: number
}

/** `numkeys key … MIN|MAX [COUNT n]` from argument `index` on; undefined after an error reply. */
function parseMultiPop(context: ReadContext, index: number): MultiPop | undefined {
  const { args, reply } = context
  const keys = atLeast(context, index, 1, 'ERR numkeys should be greater than 0')
  if (keys === undefined) return undefined
  const whereAt = index + keys + 1
  if (whereAt >= args.count) {
    reply.error(SYNTAX_ERROR)
    return undefined
  }
  const max = argIs(args, whereAt, 'MAX')
  if (!max && !argIs(args, whereAt, 'MIN')) {
    reply.error(SYNTAX_ERROR)
    return undefined
  }
  let count: number | undefined
  for (let i = whereAt + 1; i < args.count; i += 2) {
    if (count !== undefined || !argIs(args, i, 'COUNT') || i + 1 >= args.count) {
      reply.error(SYNTAX_ERROR)
      return undefined
    }
    count = atLeast(context, i + 1, 1, 'ERR count should be greater than 0')
    if (count === undefined) return undefined
  }
  return { first: index + 1, last: index + keys, max, count: count ?? 1 }
}

/** @returns true when a reply was written: elements, or an error. */
function popIfThere(context: CommandContext, index: number, max: boolean, count: number, shape: number): boolean {
  if (!findForWrite(context, index)) return false
  if (expectZset(context)) popFrom(context, index, max, count, shape)
  return true
}

export function zmpop(context: CommandContext): void {
  const pop = parseMultiPop(context, 1)
  if (pop === undefined) return
  for (let i = pop.first; i <= pop.last; i++) if (popIfThere(context, i, pop.max, pop.count, KEY_NESTED)) return
  context.reply.nullArray()
}

export function bzmpop(context: CommandContext): void {
  const pop = parseMultiPop(context, 2)
  if (pop === undefined) return
  const timeoutMs = timeoutSecondsArgument(context, 1)
  if (timeoutMs === undefined) return
  waitToPop(context, timeoutMs, pop, KEY_NESTED)
}

function bzpop(context: CommandContext, max: boolean): void {
  const last = context.args.count - 1
  const timeoutMs = timeoutSecondsArgument(context, last)
  if (timeoutMs === undefined) return
  waitToPop(context, timeoutMs, { first: 1, last: last - 1, max, count: 1 }, KEY_FLAT)
}

function waitToPop(context: CommandContext, timeoutMs: number, pop: MultiPop, shape: number): void {
  const keys: number[] = []
  for (let i = pop.first; i <= pop.last; i++) {
    if (popIfThere(context, i, pop.max, pop.count, shape)) return
    keys.push(i)
  }
  waitForKeys(context, {
    awaitedType: 'zset',
    keys,
    timeoutMs,
    retry: (later, index) => popIfThere(later, index, pop.max, pop.count, shape),
    timedOut: (later) => later.reply.nullArray(),
  })
}

export function bzpopmin(context: CommandContext): void {
  bzpop(context, false)
}

export function bzpopmax(context: CommandContext): void {
  bzpop(context, true)
}

/** Keys behind a number of keys at argument `index`. */
export function keysBehindNumber(index: number): (args: CommandArgs, into: number[]) => void {
  return (args, into) => {
    let keys = 0
    for (let at = args.start[index]!; at < args.end[index]!; at++) keys = keys * 10 + (args.bytes[at]! - 48)
    if (!(keys >= 1 && keys < args.count - index)) return
    for (let i = 1; i <= keys; i++) into.push(index + i)
  }
}
