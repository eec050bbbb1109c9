/** ZADD and ZINCRBY. Source: redis 7.0 t_zset.c zaddGenericCommand(), zsetAdd(). */
import { parseScore } from '../encoding/score-text.ts'
import { FILTERED_NAMES_MIN, NameFilter } from '../encoding/name-filter.ts'
import { NOTIFY_ZSET } from '../keyspace/key-events.ts'
import { SYNTAX_ERROR } from '../resp/error-replies.ts'
import { foundChanged } from './access.ts'
import { argIs } from './arguments.ts'
import type { CommandContext } from './command.ts'
import { notify } from './notify.ts'
import { scoreArgument, writeOrCreateZset } from './zset-access.ts'

export const ADD_NX = 1
export const ADD_XX = 2
const ADD_GT = 4
const ADD_LT = 8
export const ADD_CH = 16
const ADD_INCR = 32

const names = new NameFilter()

export function zadd(context: CommandContext): void {
  addWithOptions(context, 0)
}

/** Options are read here as well, though no valid command has room for them. */
export function zincrby(context: CommandContext): void {
  addWithOptions(context, ADD_INCR)
}

function addWithOptions(context: CommandContext, given: number): void {
  const { args } = context
  let options = given
  let first = 2
  for (; first < args.count; first++) {
    if (argIs(args, first, 'NX')) options |= ADD_NX
    else if (argIs(args, first, 'XX')) options |= ADD_XX
    else if (argIs(args, first, 'CH')) options |= ADD_CH
    else if (argIs(args, first, 'INCR')) options |= ADD_INCR
    else if (argIs(args, first, 'GT')) options |= ADD_GT
    else if (argIs(args, first, 'LT')) options |= ADD_LT
    else break
  }
  addElements(context, options, first)
}

function addElements(context: CommandContext, options: number, first: number): void {
  const { args, reply } = context
  const { count } = args
  if (count === first || (count - first) % 2 !== 0) return reply.error(SYNTAX_ERROR)
  const refused = incompatible(options, (count - first) / 2)
  if (refused !== undefined) return reply.error(refused)
  for (let i = first; i < count; i += 2) if (Number.isNaN(scoreArgument(context, i))) return
  addScored(context, options, first + 1, 2, undefined)
}

/**
 * Adds the members in every `stride`th argument from `first` on. @param scores theirs; undefined: each stands before its
 * member and was checked.
 */
export function addScored(
  context: CommandContext,
  options: number,
  first: number,
  stride: number,
  scores: Float64Array | undefined,
): void {
  const { args, reply } = context
  const { bytes, count } = args
  const set = writeOrCreateZset(context, 1, first)
  if (set === undefined) return
  const onlyNew = (options & ADD_NX) !== 0
  const onlyOld = (options & ADD_XX) !== 0
  const isFiltered = set.isPacked && (count - first) / stride >= FILTERED_NAMES_MIN
  if (isFiltered) set.beginFilter(names)
  let added = 0
  let updated = 0
  let processed = false
  let score = 0
  try {
    for (let i = first, n = 0; i < count; i += stride, n++) {
      score = scores === undefined ? parseScore(bytes, args.start[i - 1]!, args.end[i - 1]!) : scores[n]!
      const start = args.start[i]!
      const end = args.end[i]!
      const mayBeThere = !isFiltered || names.add(bytes, start, end) || !set.isPacked
      if (mayBeThere && set.find(bytes, start, end)) {
        const before = set.score
        if (onlyNew) continue
        if ((options & ADD_INCR) !== 0) {
          score += before
          if (Number.isNaN(score)) return reply.error('ERR resulting score is not a number (NaN)')
        }
        if ((options & ADD_LT) !== 0 && score >= before) continue
        if ((options & ADD_GT) !== 0 && score <= before) continue
        processed = true
        if (score === before) continue
        set.setScore(bytes, start, end, score)
        updated++
      } else if (!onlyOld) {
        set.add(bytes, start, end, score)
        processed = true
        added++
      }
    }
  } finally {
    // Memory may end behind the first one.
    if (added + updated > 0) {
      foundChanged(context, 1)
      notify(context, NOTIFY_ZSET, (options & ADD_INCR) === 0 ? 'zadd' : 'zincr', 1)
    }
  }
  if (scores !== undefined && added + updated > 0) tellScored(context, options, first, stride, scores)
  if ((options & ADD_INCR) === 0) reply.integer((options & ADD_CH) === 0 ? added : added + updated)
  else if (processed) reply.double(score)
  else reply.nullBulk()
}

/** Of members whose scores were computed (GEOADD): `ZADD key [NX|XX] [CH] score member …`. */
function tellScored(
  { effects, args, db }: CommandContext,
  options: number,
  first: number,
  stride: number,
  scores: Float64Array,
): void {
  if (effects === undefined) return
  const words: string[] = []
  if ((options & ADD_NX) !== 0) words.push('NX')
  if ((options & ADD_XX) !== 0) words.push('XX')
  if ((options & ADD_CH) !== 0) words.push('CH')
  effects.begin(db, 'ZADD', 2 + words.length + scores.length * 2)
  effects.argument(args, 1)
  for (const word of words) effects.word(word)
  for (const [n, score] of scores.entries()) {
    effects.integer(score)
    effects.argument(args, first + n * stride)
  }
}

function incompatible(options: number, elements: number): string | undefined {
  if ((options & (ADD_NX | ADD_XX)) === (ADD_NX | ADD_XX)) {
    return 'ERR XX and NX options at the same time are not compatible'
  }
  const exclusive = options & (ADD_NX | ADD_GT | ADD_LT)
  if ((exclusive & (exclusive - 1)) !== 0) {
    return 'ERR GT, LT, and/or NX options at the same time are not compatible'
  }
  if ((options & ADD_INCR) !== 0 && elements > 1) return 'ERR INCR option supports a single increment-element pair'
  return undefined
}
