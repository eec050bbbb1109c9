/**
 * Ranges of a sorted set as commands write them: by score ("(1", "+inf"), by member ("[a", "+"). `locate` turns one into ranks,
 * so that all that follows (limits, both directions, counting, removal) deals with ranks only.
 *
 * Source: redis 7.0 t_zset.c zslParseRange(), zslParseLexRange().
 */
import { parseBound } from '../encoding/score-text.ts'
import type { SortedSet } from '../values/sorted-set.ts'
import type { ReadContext } from './command.ts'

const OPEN_PAREN = 40
const PLUS = 43
const MINUS = 45
const OPEN_BRACKET = 91

const LOWEST = -1
const MEMBER = 0
const HIGHEST = 1

const BAD_SCORE_RANGE = 'ERR min or max is not a float'
const BAD_LEX_RANGE = 'ERR min or max not valid string range item'

interface Bound {
  score: number
  /** Members: LOWEST, MEMBER or HIGHEST. */
  kind: number
  exclusive: boolean
  start: number
  end: number
}

export class ElementRange {
  #byScore = true
  readonly #min: Bound = { score: 0, kind: MEMBER, exclusive: false, start: 0, end: 0 }
  readonly #max: Bound = { score: 0, kind: MEMBER, exclusive: false, start: 0, end: 0 }
  #bytes!: Uint8Array
  /** Ranks of the first element and of the one behind the last, after `locate()`. */
  from = 0
  to = 0

  /** Reads a range of scores from two arguments. @returns false after an error reply. */
  parseScores(context: ReadContext, minIndex: number, maxIndex: number): boolean {
    this.#byScore = true
    if (parseScoreBound(context, minIndex, this.#min) && parseScoreBound(context, maxIndex, this.#max)) return true
    context.reply.error(BAD_SCORE_RANGE)
    return false
  }

  /** Reads a range of members from two arguments, borrowed until the command ends. @returns false after an error reply. */
  parseMembers(context: ReadContext, minIndex: number, maxIndex: number): boolean {
    this.#byScore = false
    this.#bytes = context.args.bytes
    if (parseMemberBound(context, minIndex, this.#min) && parseMemberBound(context, maxIndex, this.#max)) return true
    context.reply.error(BAD_LEX_RANGE)
    return false
  }

  /** Finds the range in a set. @returns the number of elements. */
  locate(set: SortedSet): number {
    this.from = this.#rankOf(set, this.#min, this.#min.exclusive)
    this.to = this.#rankOf(set, this.#max, !this.#max.exclusive)
    if (this.to < this.from) this.to = this.from
    return this.to - this.from
  }

  #rankOf(set: SortedSet, bound: Bound, behind: boolean): number {
    if (this.#byScore) return set.seekScore(bound.score, behind) ? set.rank() : set.count
    if (bound.kind === LOWEST) return 0
    if (bound.kind === HIGHEST) return set.count
    return set.seekMember(this.#bytes, bound.start, bound.end, behind) ? set.rank() : set.count
  }
}

function parseScoreBound({ args }: ReadContext, index: number, bound: Bound): boolean {
  const start = args.start[index]!
  const end = args.end[index]!
  bound.exclusive = end > start && args.bytes[start] === OPEN_PAREN
  bound.score = parseBound(args.bytes, bound.exclusive ? start + 1 : start, end)
  return !Number.isNaN(bound.score)
}

function parseMemberBound({ args }: ReadContext, index: number, bound: Bound): boolean {
  const start = args.start[index]!
  const end = args.end[index]!
  if (end === start) return false
  const first = args.bytes[start]!
  bound.exclusive = first === OPEN_PAREN
  bound.start = start + 1
  bound.end = end
  if (first === OPEN_PAREN || first === OPEN_BRACKET) {
    bound.kind = MEMBER
    return true
  }
  if (first !== PLUS && first !== MINUS) return false
  bound.kind = first === PLUS ? HIGHEST : LOWEST
  return end === start + 1 || args.bytes[start + 1] === 0
}
