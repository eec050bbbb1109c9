/** Single members, cardinality, random members and ZSCAN. Source: redis 7.0 t_zset.c. */
import { SCORE_TEXT_BYTES_MAX, writeScore } from '../encoding/score-text.ts'
import { FLAG_LARGE_ENCODING } from '../keyspace/layout.ts'
import { SYNTAX_ERROR, wrongNumberOfArguments } from '../resp/error-replies.ts'
import { LARGE_REPORTS_PACKED } from '../values/form-numbers.ts'
import { SortedSet } from '../values/sorted-set.ts'
import { findForRead } from './access.ts'
import { argIs } from './arguments.ts'
import type { CommandContext, ReadContext } from './command.ts'
import { symmetricLong } from './integer-range.ts'
import { beginElementScan, scanCount, scanMatches, scanned, writeScanned } from './scan-options.ts'
import {
  elementsRemoved,
  expectZset,
  missingIsEmpty,
  missingIsNull,
  missingIsNullArray,
  missingIsZero,
  readZset,
  writeZset,
} from './zset-access.ts'

/** COUNT of ZRANDMEMBER … WITHSCORES: half of what a long holds. */
const PAIRS_MAX: bigint = (2n ** 63n - 1n) / 2n
const members: SortedSet = new SortedSet()
const scoreText: Uint8Array = new Uint8Array(SCORE_TEXT_BYTES_MAX)

export function zcard(context: ReadContext): void {
  const set = readZset(context, 1, missingIsZero)
  if (set !== undefined) context.reply.integer(set.count)
}

export function zscore(context: ReadContext): void {
  const { args, reply } = context
  const set = readZset(context, 1, missingIsNull)
  if (set === undefined) return
  if (set.find(args.bytes, args.start[2]!, args.end[2]!)) reply.double(set.score)
  else reply.nullBulk()
}

export function zmscore(context: ReadContext): void {
  const { args, reply } = context
  const isThere = findForRead(context, 1)
  if (isThere && !expectZset(context)) return
  const set = isThere ? members.open(context.keyspace) : undefined
  reply.array(args.count - 2)
  for (let i = 2; i < args.count; i++) {
    if (set?.find(args.bytes, args.start[i]!, args.end[i]!) === true) reply.double(set.score)
    else reply.nullBulk()
  }
}

/** ZRANK key member [WITHSCORE]; a wrong fourth argument is told as 7.0 does, which has no WITHSCORE. */
function rankOf(context: ReadContext, name: string, reverse: boolean): void {
  const { args, reply } = context
  const withScore = args.count === 4 && argIs(args, 3, 'WITHSCORE')
  if (args.count > 3 && !withScore) return reply.error(wrongNumberOfArguments(name))
  const set = readZset(context, 1, withScore ? missingIsNullArray : missingIsNull)
  if (set === undefined) return
  const start = args.start[2]!
  const end = args.end[2]!
  if (!set.find(args.bytes, start, end)) return withScore ? reply.nullArray() : reply.nullBulk()
  if (withScore) reply.array(2)
  const { score } = set
  set.locate(args.bytes, start, end)
  const rank = set.rank()
  reply.integer(reverse ? set.count - 1 - rank : rank)
  if (withScore) reply.double(score)
}

export function zrank(context: ReadContext): void {
  rankOf(context, 'zrank', false)
}

export function zrevrank(context: ReadContext): void {
  rankOf(context, 'zrevrank', true)
}

export function zrem(context: CommandContext): void {
  const { args, reply } = context
  const set = writeZset(context, 1, missingIsZero)
  if (set === undefined) return
  let removed = 0
  let left = set.count
  for (let i = 2; i < args.count && left > 0; i++) {
    const start = args.start[i]!
    const end = args.end[i]!
    if (!set.find(args.bytes, start, end)) continue
    left = set.remove(args.bytes, start, end)
    removed++
  }
  if (removed > 0) elementsRemoved(context, 1, 'zrem', left)
  reply.integer(removed)
}

export function zrandmember(context: ReadContext): void {
  const { args, reply } = context
  if (args.count === 2) {
    const set = readZset(context, 1, missingIsNull)
    if (set === undefined) return
    set.seekRank(randomBelow(set.count))
    return reply.bulk(set.memberBytes, set.memberStart, set.memberEnd)
  }
  const wanted = symmetricLong(context, 2)
  if (wanted === undefined) return
  const withScores = args.count === 4
  if (args.count > 4 || (withScores && !argIs(args, 3, 'WITHSCORES'))) return reply.error(SYNTAX_ERROR)
  if (withScores && (wanted < -PAIRS_MAX || wanted > PAIRS_MAX)) return reply.error('ERR value is out of range')
  const set = readZset(context, 1, missingIsEmpty)
  if (set === undefined) return
  if (wanted === 0 || wanted === 0n) return reply.array(0)
  showRandom(context, set, Number(wanted), withScores)
}

function showRandom({ reply }: ReadContext, set: SortedSet, wanted: number, withScores: boolean): void {
  const size = set.count
  const count = wanted < 0 ? -wanted : Math.min(wanted, size)
  const nested = withScores && reply.resp === 3
  reply.array(withScores && !nested ? count * 2 : count)
  const show = (): void => {
    if (nested) reply.array(2)
    reply.bulk(set.memberBytes, set.memberStart, set.memberEnd)
    if (withScores) reply.double(set.score)
  }
  if (wanted < 0) {
    for (let i = 0; i < count; i++) {
      set.seekRank(randomBelow(size))
      show()
    }
    return
  }
  // Each element of the way is taken with the chance that makes all choices equally likely.
  let left = count
  if (count * 8 > size) {
    let more = set.seekRank(0)
    for (let rank = 0; left > 0 && more; rank++) {
      if (Math.random() * (size - rank) < left) {
        show()
        left--
      }
      more = set.next()
    }
    return
  }
  const shown = new Set<number>()
  while (left > 0) {
    const rank = randomBelow(size)
    if (shown.has(rank)) continue
    shown.add(rank)
    set.seekRank(rank)
    show()
    left--
  }
}

function randomBelow(count: number): number {
  return Math.floor(Math.random() * count)
}

export function zscan(context: ReadContext): void {
  const cursor = beginElementScan(context, expectZset)
  if (cursor === undefined) return
  const set = members.open(context.keyspace)
  const isListpack = set.isPacked
    ? (context.keyspace.entry.flags & FLAG_LARGE_ENCODING) === 0
    : (set.value.bits & LARGE_REPORTS_PACKED) !== 0
  let items = 0
  const show = (): void => {
    const { memberBytes, memberStart, memberEnd } = set
    if (!scanMatches(context, memberBytes, memberStart, memberEnd)) return
    scanned.bulk(memberBytes, memberStart, memberEnd)
    // A listpack of Redis holds whole scores as integers, and prints them as such.
    const size = Math.abs(set.score)
    if (isListpack && size >= 1e17 && size <= 2 ** 62) scanned.bulkString(String(BigInt(set.score)))
    else scanned.bulk(scoreText, 0, writeScore(set.score, scoreText, 0))
    items += 2
  }
  // What Redis holds as a listpack comes at once, and so does what we hold as one.
  const atOnce = set.isPacked || isListpack
  let next = 0
  if (atOnce) for (let more = set.seekRank(0); more; more = set.next()) show()
  else next = set.scanTable(cursor, scanCount, show)
  writeScanned(context, next, items)
}
