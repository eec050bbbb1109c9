/**
 * ZUNION, ZINTER, ZDIFF, their STORE forms and ZINTERCARD. Results are made off the heap, as a sorted set beside all keys.
 * Source: redis 7.0 t_zset.c zunionInterDiffGenericCommand().
 */
import { NOT_AN_INTEGER, SYNTAX_ERROR, WRONG_TYPE } from '../resp/error-replies.ts'
import { isSetForm, isZsetForm } from '../values/form-numbers.ts'
import { SetMembers } from '../values/set-members.ts'
import { SortedSet } from '../values/sorted-set.ts'
import { findForRead, requireWriter } from './access.ts'
import { argIs } from './arguments.ts'
import type { CommandContext, ReadContext } from './command.ts'
import { atLeast } from './integer-range.ts'
import { hasTooManyKeys } from './source-keys.ts'
import { wideInteger } from './wide-integer.ts'
import { scoreArgument, type ZsetResult, withResult } from './zset-access.ts'

const UNION = 0
const INTER = 1
const DIFF = 2

const SUM = 0
const MIN = 1
const MAX = 2

/** One input: a sorted set, a set (scores are 1) or nothing. */
class Source {
  readonly #zset: SortedSet | undefined
  readonly #set: SetMembers | undefined
  readonly count: number
  weight = 1
  /** Of the last `find`. */
  score = 0

  constructor(zset: SortedSet | undefined, set: SetMembers | undefined) {
    this.#zset = zset
    this.#set = set
    this.count = zset?.count ?? set?.count ?? 0
  }

  find(bytes: Uint8Array, start: number, end: number): boolean {
    this.score = 1
    if (this.#set !== undefined) return this.#set.has(bytes, start, end)
    if (this.#zset === undefined || !this.#zset.find(bytes, start, end)) return false
    this.score = this.#zset.score
    return true
  }

  forEach(visit: (bytes: Uint8Array, start: number, end: number, score: number) => void): void {
    this.#set?.forEach((bytes, start, end) => visit(bytes, start, end, 1))
    const zset = this.#zset
    if (zset === undefined) return
    for (let more = zset.seekRank(0); more; more = zset.next()) {
      visit(zset.memberBytes, zset.memberStart, zset.memberEnd, zset.score)
    }
  }
}

interface Operation {
  readonly kind: number
  /** Argument of the number of keys; 2 when argument 1 is where the result goes. */
  readonly numkeysAt: number
  readonly name: string
  readonly cardinalityOnly?: boolean
}

function run(context: ReadContext, operation: Operation): void {
  const { args, reply } = context
  const { kind, numkeysAt, cardinalityOnly } = operation
  const stores = numkeysAt === 2
  const numkeys = wideInteger(context, numkeysAt)
  if (numkeys === undefined) return reply.error(NOT_AN_INTEGER)
  if (numkeys < 1) return reply.error(`ERR at least 1 input key is needed for '${operation.name}' command`)
  if (numkeys > args.count - numkeysAt - 1) return reply.error(SYNTAX_ERROR)
  if (hasTooManyKeys(context, Number(numkeys))) return
  const sources: Source[] = []
  let next = numkeysAt + 1
  for (let i = Number(numkeys); i > 0; i--) {
    const source = openSource(context, next++)
    if (source === undefined) return reply.error(WRONG_TYPE)
    sources.push(source)
  }
  let aggregate = SUM
  let withScores = false
  let limit = 0
  while (next < args.count) {
    const remaining = args.count - next
    const combines = kind !== DIFF && cardinalityOnly !== true
    if (combines && remaining >= sources.length + 1 && argIs(args, next, 'WEIGHTS')) {
      next++
      for (const source of sources) {
        source.weight = scoreArgument(context, next++, 'ERR weight value is not a float')
        if (Number.isNaN(source.weight)) return
      }
    } else if (combines && remaining >= 2 && argIs(args, next, 'AGGREGATE')) {
      if (argIs(args, next + 1, 'SUM')) aggregate = SUM
      else if (argIs(args, next + 1, 'MIN')) aggregate = MIN
      else if (argIs(args, next + 1, 'MAX')) aggregate = MAX
      else return reply.error(SYNTAX_ERROR)
      next += 2
    } else if (!stores && cardinalityOnly !== true && argIs(args, next, 'WITHSCORES')) {
      withScores = true
      next++
    } else if (cardinalityOnly === true && remaining >= 2 && argIs(args, next, 'LIMIT')) {
      const wanted = atLeast(context, next + 1, 0, "ERR LIMIT can't be negative")
      if (wanted === undefined) return
      limit = wanted
      next += 2
    } else return reply.error(SYNTAX_ERROR)
  }
  if (kind !== DIFF) sources.sort((a, b) => a.count - b.count)
  if (cardinalityOnly === true) return reply.integer(countInter(sources, limit))
  withResult(context, stores ? 1 : 2, (result) => {
    if (kind === UNION) unite(sources, aggregate, result)
    else if (kind === INTER) intersect(sources, aggregate, result)
    else subtract(sources, result)
    if (stores) storeResult(context, result, operation.name)
    else showResult(context, result, withScores)
  })
}

/** @returns undefined when the key holds another type. */
function openSource(context: ReadContext, index: number): Source | undefined {
  const { keyspace } = context
  if (!findForRead(context, index)) return new Source(undefined, undefined)
  const { rdbType } = keyspace.entry
  if (isZsetForm(rdbType)) return new Source(new SortedSet().open(keyspace), undefined)
  return isSetForm(rdbType) ? new Source(undefined, new SetMembers().open(keyspace)) : undefined
}

function combine(left: number, right: number, aggregate: number): number {
  if (aggregate === MIN) return right < left ? right : left
  if (aggregate === MAX) return right > left ? right : left
  const sum = left + right
  // Opposite infinities.
  return Number.isNaN(sum) ? 0 : sum
}

function weighted(source: Source, score: number): number {
  const value = source.weight * score
  return Number.isNaN(value) ? 0 : value
}

function unite(sources: readonly Source[], aggregate: number, result: ZsetResult): void {
  const { set } = result
  for (const source of sources) {
    source.forEach((bytes, start, end, score) => {
      const value = weighted(source, score)
      if (set.find(bytes, start, end)) set.setTableScore(combine(set.score, value, aggregate))
      else result.add(bytes, start, end, value)
    })
  }
}

function intersect(sources: readonly Source[], aggregate: number, result: ZsetResult): void {
  const first = sources[0]!
  first.forEach((bytes, start, end, score) => {
    let value = weighted(first, score)
    for (let i = 1; i < sources.length; i++) {
      const source = sources[i]!
      if (!source.find(bytes, start, end)) return
      value = combine(value, source.weight * source.score, aggregate)
    }
    if (!result.set.find(bytes, start, end)) result.add(bytes, start, end, value)
  })
}

function subtract(sources: readonly Source[], result: ZsetResult): void {
  sources[0]!.forEach((bytes, start, end, score) => {
    for (let i = 1; i < sources.length; i++) if (sources[i]!.find(bytes, start, end)) return
    if (!result.set.find(bytes, start, end)) result.add(bytes, start, end, score)
  })
}

/** @param limit 0 for none. */
function countInter(sources: readonly Source[], limit: number): number {
  let count = 0
  sources[0]!.forEach((bytes, start, end) => {
    if (limit !== 0 && count >= limit) return
    for (let i = 1; i < sources.length; i++) if (!sources[i]!.find(bytes, start, end)) return
    count++
  })
  return count
}

function showResult({ reply }: ReadContext, result: ZsetResult, withScores: boolean): void {
  const { set } = result
  set.indexAll()
  const nested = withScores && reply.resp === 3
  reply.array(withScores && !nested ? set.count * 2 : set.count)
  for (let more = set.seekRank(0); more; more = set.next()) {
    if (nested) reply.array(2)
    reply.bulk(set.memberBytes, set.memberStart, set.memberEnd)
    if (withScores) reply.double(set.score)
  }
  result.free()
}

function storeResult(context: ReadContext, result: ZsetResult, event: string): void {
  requireWriter(context)
  result.store(context, event)
}

export function zunion(context: ReadContext): void {
  run(context, { kind: UNION, numkeysAt: 1, name: 'zunion' })
}

export function zinter(context: ReadContext): void {
  run(context, { kind: INTER, numkeysAt: 1, name: 'zinter' })
}

export function zdiff(context: ReadContext): void {
  run(context, { kind: DIFF, numkeysAt: 1, name: 'zdiff' })
}

export function zunionstore(context: CommandContext): void {
  run(context, { kind: UNION, numkeysAt: 2, name: 'zunionstore' })
}

export function zinterstore(context: CommandContext): void {
  run(context, { kind: INTER, numkeysAt: 2, name: 'zinterstore' })
}

export function zdiffstore(context: CommandContext): void {
  run(context, { kind: DIFF, numkeysAt: 2, name: 'zdiffstore' })
}

export function zintercard(context: ReadContext): void {
  run(context, { kind: INTER, numkeysAt: 1, name: 'zintercard', cardinalityOnly: true })
}
