/** ZRANGE in all its forms, ZRANGESTORE, ZCOUNT, ZLEXCOUNT, ZREMRANGEBY*. Source: redis 7.0 t_zset.c zrangeGenericCommand(). */
import { SYNTAX_ERROR } from '../resp/error-replies.ts'
import type { SortedSet } from '../values/sorted-set.ts'
import type { SortedSetWriter } from '../values/sorted-set-writer.ts'
import { integerArgument } from './access.ts'
import { argIs } from './arguments.ts'
import type { CommandContext, ReadContext } from './command.ts'
import {
  elementsRemoved,
  missingIsEmpty,
  missingIsZero,
  readZset,
  writeZset,
  type ZsetResult,
  withResult,
} from './zset-access.ts'
import { ElementRange } from './zset-ranges.ts'

const RANK = 0
const SCORE = 1
const LEX = 2
const AUTO = 3

const range: ElementRange = new ElementRange()

/** What a ZRANGE asks for. One object, filled by each command. */
const wanted = { kind: RANK, reverse: false, withScores: false, offset: 0, limit: -1, start: 0, end: 0 }

/** Reads everything behind the key at `keyIndex`. @returns false after an error reply. */
function parseRange(context: ReadContext, keyIndex: number, kind: number, reverse: boolean | undefined): boolean {
  const { args, reply } = context
  const store = keyIndex === 2
  wanted.kind = kind
  wanted.reverse = reverse ?? false
  wanted.withScores = false
  wanted.offset = 0
  wanted.limit = -1
  for (let i = keyIndex + 3; i < args.count; i++) {
    if (!store && argIs(args, i, 'WITHSCORES')) wanted.withScores = true
    else if (argIs(args, i, 'LIMIT') && args.count - i - 1 >= 2) {
      wanted.offset = integerArgument(context, i + 1)
      if (Number.isNaN(wanted.offset)) return false
      wanted.limit = integerArgument(context, i + 2)
      if (Number.isNaN(wanted.limit)) return false
      i += 2
    } else if (reverse === undefined && !wanted.reverse && argIs(args, i, 'REV')) wanted.reverse = true
    else if (wanted.kind === AUTO && argIs(args, i, 'BYLEX')) wanted.kind = LEX
    else if (wanted.kind === AUTO && argIs(args, i, 'BYSCORE')) wanted.kind = SCORE
    else {
      reply.error(SYNTAX_ERROR)
      return false
    }
  }
  if (wanted.kind === AUTO) wanted.kind = RANK
  if (wanted.limit !== -1 && wanted.kind === RANK) {
    reply.error('ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX')
    return false
  }
  if (wanted.withScores && wanted.kind === LEX) {
    reply.error('ERR syntax error, WITHSCORES not supported in combination with BYLEX')
    return false
  }
  if (wanted.kind === RANK) {
    wanted.start = integerArgument(context, keyIndex + 1)
    if (Number.isNaN(wanted.start)) return false
    wanted.end = integerArgument(context, keyIndex + 2)
    return !Number.isNaN(wanted.end)
  }
  const minIndex = wanted.reverse ? keyIndex + 2 : keyIndex + 1
  const maxIndex = wanted.reverse ? keyIndex + 1 : keyIndex + 2
  return wanted.kind === SCORE
    ? range.parseScores(context, minIndex, maxIndex)
    : range.parseMembers(context, minIndex, maxIndex)
}

/** Positions the answer in the set: `found.first` is the rank of the first element to show. */
const found = { first: 0, count: 0 }

function locateWanted(set: SortedSet): void {
  found.count = 0
  if (wanted.kind === RANK) {
    locateRanks(set.count, wanted.start, wanted.end)
    if (wanted.reverse) found.first = set.count - 1 - found.first
    return
  }
  const all = range.locate(set)
  const { offset, limit } = wanted
  if (offset < 0 || offset >= all) return
  found.count = limit < 0 ? all - offset : Math.min(limit, all - offset)
  found.first = wanted.reverse ? range.to - 1 - offset : range.from + offset
}

function locateRanks(count: number, from: number, to: number): void {
  let start = from < 0 ? from + count : from
  let end = to < 0 ? to + count : to
  if (start < 0) start = 0
  if (end >= count) end = count - 1
  found.first = start
  found.count = start > end || start >= count ? 0 : end - start + 1
}

function zrangeGeneric(context: ReadContext, kind: number, reverse: boolean | undefined): void {
  if (!parseRange(context, 1, kind, reverse)) return
  const set = readZset(context, 1, missingIsEmpty)
  if (set === undefined) return
  const { reply } = context
  locateWanted(set)
  const { withScores } = wanted
  const nested = withScores && reply.resp === 3
  reply.array(withScores && !nested ? found.count * 2 : found.count)
  let more = found.count > 0 && set.seekRank(found.first)
  for (let left = found.count; left > 0 && more; left--) {
    if (nested) reply.array(2)
    reply.bulk(set.memberBytes, set.memberStart, set.memberEnd)
    if (withScores) reply.double(set.score)
    if (left > 1) more = wanted.reverse ? set.previous() : set.next()
  }
}

export function zrange(context: ReadContext): void {
  zrangeGeneric(context, AUTO, undefined)
}

export function zrevrange(context: ReadContext): void {
  zrangeGeneric(context, RANK, true)
}

export function zrangebyscore(context: ReadContext): void {
  zrangeGeneric(context, SCORE, false)
}

export function zrevrangebyscore(context: ReadContext): void {
  zrangeGeneric(context, SCORE, true)
}

export function zrangebylex(context: ReadContext): void {
  zrangeGeneric(context, LEX, false)
}

export function zrevrangebylex(context: ReadContext): void {
  zrangeGeneric(context, LEX, true)
}

export function zrangestore(context: CommandContext): void {
  if (!parseRange(context, 2, AUTO, undefined)) return
  const set = readZset(context, 2, () => withResult(context, 1, (result) => result.store(context, 'zrangestore')))
  if (set === undefined) return
  locateWanted(set)
  withResult(context, 1, (result) => {
    copyFound(context, set, result)
    result.store(context, 'zrangestore')
  })
}

/** Redis adds one by one to a listpack, as ZADD does: negative zeros lose their sign until one element makes it a skiplist. */
function copyFound({ settings }: ReadContext, set: SortedSet, result: ZsetResult): void {
  const { zsetMaxListpackEntries, zsetMaxListpackValue } = settings.encodings
  let isListpack = wanted.kind !== RANK || found.count <= zsetMaxListpackEntries
  let more = found.count > 0 && set.seekRank(found.first)
  for (let left = found.count; left > 0 && more; left--) {
    const { memberBytes, memberStart, memberEnd, score } = set
    result.set.find(memberBytes, memberStart, memberEnd)
    isListpack &&= result.set.count + 1 <= zsetMaxListpackEntries && memberEnd - memberStart <= zsetMaxListpackValue
    result.add(memberBytes, memberStart, memberEnd, isListpack && score === 0 ? 0 : score)
    if (left > 1) more = wanted.reverse ? set.previous() : set.next()
  }
}

export function zcount(context: ReadContext): void {
  if (!range.parseScores(context, 2, 3)) return
  const set = readZset(context, 1, missingIsZero)
  if (set !== undefined) context.reply.integer(range.locate(set))
}

export function zlexcount(context: ReadContext): void {
  if (!range.parseMembers(context, 2, 3)) return
  const set = readZset(context, 1, missingIsZero)
  if (set !== undefined) context.reply.integer(range.locate(set))
}

export function zremrangebyrank(context: CommandContext): void {
  const start = integerArgument(context, 2)
  if (Number.isNaN(start)) return
  const end = integerArgument(context, 3)
  if (Number.isNaN(end)) return
  const set = writeZset(context, 1, missingIsZero)
  if (set === undefined) return
  locateRanks(set.count, start, end)
  removeRanks(context, set, found.first, found.count, 'zremrangebyrank')
}

export function zremrangebyscore(context: CommandContext): void {
  if (range.parseScores(context, 2, 3)) removeRange(context, 'zremrangebyscore')
}

export function zremrangebylex(context: CommandContext): void {
  if (range.parseMembers(context, 2, 3)) removeRange(context, 'zremrangebylex')
}

function removeRange(context: CommandContext, event: string): void {
  const set = writeZset(context, 1, missingIsZero)
  if (set === undefined) return
  const count = range.locate(set)
  removeRanks(context, set, range.from, count, event)
}

function removeRanks(context: CommandContext, set: SortedSetWriter, from: number, count: number, event: string): void {
  if (count > 0) elementsRemoved(context, 1, event, set.removeRanks(from, count))
  context.reply.integer(count)
}
