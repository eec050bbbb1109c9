/** ZRANGE in all its forms, ZRANGESTORE, ZCOUNT, ZLEXCOUNT, ZREMRANGEBY*. Source: redis 7.0 t_zset.c zrangeGenericCommand(). */
import type { ReplyEncoder } from '../resp/encoder.ts'
import { SYNTAX_ERROR } from '../resp/error-replies.ts'
import type { SortedSet } from '../values/sorted-set.ts'
import type { SortedSetWriter } from '../values/sorted-set-writer.ts'
import { integerArgument } from './access.ts'
import { argIs } from './arguments.ts'
import type { CommandContext, ReadContext, RowFunction } from './command.ts'
import type { ReplySlices, SliceBounds } from './reply-slices.ts'
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

/** The set, with the answer located in it; undefined when a reply was written. */
function openRange(context: ReadContext, kind: number, reverse: boolean | undefined): SortedSet | undefined {
  if (!parseRange(context, 1, kind, reverse)) return undefined
  const set = readZset(context, 1, missingIsEmpty)
  if (set === undefined) return undefined
  locateWanted(set)
  // From here on it is only gone through.
  set.readsScores = wanted.withScores
  return set
}

/** Are elements with scores arrays of two, not two items? */
function isNested(reply: ReplyEncoder): boolean {
  return wanted.withScores && reply.resp === 3
}

function writeHeader(reply: ReplyEncoder): void {
  reply.array(wanted.withScores && !isNested(reply) ? found.count * 2 : found.count)
}

function writeElement({ keyspace, reply }: ReadContext, set: SortedSet): void {
  const { entry } = keyspace
  if (isNested(reply)) reply.array(2)
  const view = set.memberBytes === entry.bytes ? entry.view : undefined
  reply.bulk(set.memberBytes, set.memberStart, set.memberEnd, view)
  if (wanted.withScores) reply.double(set.score)
}

function runRange(context: ReadContext, kind: number, reverse: boolean | undefined): void {
  const set = openRange(context, kind, reverse)
  if (set === undefined) return
  const { reply } = context
  reply.expectItems(found.count)
  writeHeader(reply)
  let more = found.count > 0 && set.seekRank(found.first)
  for (let left = found.count; left > 0 && more; left--) {
    writeElement(context, set)
    if (left > 1) more = wanted.reverse ? set.previous() : set.next()
  }
}

/** A long range in slices, which go on from a rank. A member is written whole. */
class RangeSlices implements ReplySlices {
  readonly #kind: number
  readonly #reverse: boolean | undefined
  /** Elements written; -1: the header is to be written. */
  #written = -1

  constructor(kind: number, reverse: boolean | undefined) {
    this.#kind = kind
    this.#reverse = reverse
  }

  write(context: ReadContext, slice: SliceBounds): boolean {
    const set = openRange(context, this.#kind, this.#reverse)
    if (set === undefined) return true
    const { reply } = context
    if (this.#written < 0) {
      writeHeader(reply)
      this.#written = 0
    }
    const left = found.count - this.#written
    let more = left > 0 && set.seekRank(wanted.reverse ? found.first - this.#written : found.first + this.#written)
    while (more) {
      if (slice.isOver(reply)) return false
      writeElement(context, set)
      more = ++this.#written < found.count && (wanted.reverse ? set.previous() : set.next())
    }
    return true
  }
}

/** A command that reads a range, whole or in slices. @param reverse undefined: as its options say. */
function readsRange(kind: number, reverse: boolean | undefined): RowFunction {
  return {
    read: (context) => runRange(context, kind, reverse),
    slices: () => new RangeSlices(kind, reverse),
  }
}

export const zrange: RowFunction = readsRange(AUTO, undefined)
export const zrevrange: RowFunction = readsRange(RANK, true)
export const zrangebyscore: RowFunction = readsRange(SCORE, false)
export const zrevrangebyscore: RowFunction = readsRange(SCORE, true)
export const zrangebylex: RowFunction = readsRange(LEX, false)
export const zrevrangebylex: RowFunction = readsRange(LEX, true)

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
