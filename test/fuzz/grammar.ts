/**
 * How commands are described: a command is its name and parts; a part appends arguments and declares the options it can
 * bring, whose use is counted. A grammar is data: what is random is drawn when a command is made.
 */
import { STRING_BYTES_MAX, type Draw, type Pool, type Word } from './draw.ts'

/** What a part writes to. */
export interface Making {
  readonly draw: Draw
  readonly words: Word[]
  /** Options used. */
  readonly options: string[]
}

export interface Part {
  emit(making: Making): void
  /** Options that this part may bring. */
  readonly options: readonly string[]
}

export interface CommandGrammar {
  /** Upper case; a subcommand stands behind its container: 'OBJECT ENCODING'. */
  readonly name: string
  readonly parts: readonly Part[]
  readonly options: readonly string[]
  /** How often, compared with others. Default 1. */
  readonly weight: number
  /** May stand between MULTI and EXEC. */
  readonly inMulti: boolean
  /** Unknown to redis 7.0. */
  readonly isLater: boolean
}

export interface Grammar {
  readonly family: string
  readonly commands: readonly CommandGrammar[]
}

export interface CommandSettings {
  readonly weight?: number
  readonly inMulti?: boolean
  readonly isLater?: boolean
}

export function command(name: string, parts: readonly Part[] = [], settings: CommandSettings = {}): CommandGrammar {
  const options = [...new Set(parts.flatMap((part) => part.options))]
  return { name, parts, options, weight: 1, inMulti: true, isLater: false, ...settings }
}

export function part(emit: (making: Making) => void, options: readonly string[] = []): Part {
  return { emit, options }
}

/** One argument. */
export function word(make: (draw: Draw) => Word): Part {
  return part(({ draw, words }) => void words.push(make(draw)))
}

export function literal(text: string): Part {
  return word((draw) => inSomeCase(draw, text))
}

/** A counted keyword with what follows it. */
export function option(name: string, ...parts: readonly Part[]): Part {
  return part(
    (making) => {
      making.options.push(name)
      making.words.push(inSomeCase(making.draw, name))
      for (const each of parts) each.emit(making)
    },
    [name, ...parts.flatMap((each) => each.options)],
  )
}

/** A counted form without a keyword of its own. */
export function form(name: string, ...parts: readonly Part[]): Part {
  return part(
    (making) => {
      making.options.push(name)
      for (const each of parts) each.emit(making)
    },
    [name, ...parts.flatMap((each) => each.options)],
  )
}

export function all(...parts: readonly Part[]): Part {
  return part(
    (making) => {
      for (const each of parts) each.emit(making)
    },
    parts.flatMap((each) => each.options),
  )
}

export function maybe(probability: number, ...parts: readonly Part[]): Part {
  const inner = all(...parts)
  return part((making) => {
    if (making.draw.chance(probability)) inner.emit(making)
  }, inner.options)
}

export function oneOf(...parts: readonly Part[]): Part {
  return part(
    (making) => making.draw.pick(parts).emit(making),
    parts.flatMap((each) => each.options),
  )
}

/** Mostly none, one or a few of them in any order, whether they agree with each other or not. */
export function some(...parts: readonly Part[]): Part {
  return part(
    (making) => {
      const { draw } = making
      const count = draw.pick([0, 1, 1, 1, 2, 2, 3])
      const chosen = draw.random.shuffle(parts).slice(0, count)
      if (chosen.length > 0 && draw.chance(0.03)) chosen.push(draw.pick(parts))
      for (const each of chosen) each.emit(making)
    },
    parts.flatMap((each) => each.options),
  )
}

/** Each with a probability of its own, in order. */
export function each(probability: number, ...parts: readonly Part[]): Part {
  return all(...parts.map((one) => maybe(probability, one)))
}

export function many(low: number, high: number, ...parts: readonly Part[]): Part {
  const inner = all(...parts)
  return part((making) => {
    for (let i = making.draw.howMany(low, high); i > 0; i--) inner.emit(making)
  }, inner.options)
}

/** How many keys follow, and the keys; sometimes a lie. */
export function numberedKeys(pool: Pool | readonly Pool[], high = 4): Part {
  return part(({ draw, words }) => {
    const count = draw.int(1, high)
    words.push(draw.chance(0.93) ? String(count) : draw.pick([String(count + 1), '0', '-1', 'x', '2147483648', '']))
    for (let i = 0; i < count; i++) words.push(draw.key(typeof pool === 'string' ? pool : draw.pick(pool)))
  })
}

export const key = (pool: Pool | readonly Pool[]): Part =>
  word((draw) => draw.key(typeof pool === 'string' ? pool : draw.pick(pool)))
/** A key of any type. */
export const anyKey: Part = word((draw) => draw.key(draw.pool()))
/** Two keys, mostly of the same type. */
export const keyPair: Part = part(({ draw, words }) => {
  const pool = draw.pool()
  words.push(draw.key(pool), draw.key(draw.chance(0.9) ? pool : draw.pool()))
})
export const value: Part = word((draw) => draw.value())
export const element: Part = word((draw) => draw.element())
export const integer: Part = word((draw) => draw.integer())
export const float: Part = word((draw) => draw.float())
export const pattern: Part = word((draw) => draw.pattern())
export const database: Part = word((draw) => draw.database())
/** Position in a sequence; negative from its end. */
export const index: Part = word((draw) => draw.integer(-12, 12))
/** A count that is mostly right. */
export const count: Part = word((draw) => draw.integer(draw.chance(0.9) ? 1 : -3, 12))
/** LIMIT's and COUNT's: from nothing to everything. */
export const bound: Part = word((draw) => draw.integer(-1, 20))
export const pastable = (unitMs: 1 | 1000): Part => word((draw) => draw.duration(unitMs, true))
export const duration = (unitMs: 1 | 1000): Part => word((draw) => draw.duration(unitMs, false))
export const instant = (unitMs: 1 | 1000): Part => word((draw) => draw.instant(unitMs))
export const scoreBound: Part = word((draw) => draw.scoreBound())
export const lexBound: Part = word((draw) => draw.lexBound())
/** Seconds a blocking command may wait: next to none, or wrong. Zero would be for ever. */
export const blockSeconds: Part = word((draw) =>
  draw.chance(0.9) ? draw.pick(['0.001', '0.002', '1e-3']) : draw.pick(['-1', 'x', '', '-0.5', 'nan', '1e300', 'inf']),
)
/** Where a string is changed: seldom so far that it becomes long. */
export const byteOffset: Part = word((draw) => {
  if (draw.chance(0.01)) return String(draw.int(0, STRING_BYTES_MAX))
  return draw.chance(0.02)
    ? draw.pick(['16383', '16384', '16385', '70000'])
    : draw.integer(draw.chance(0.9) ? 0 : -3, 100)
})

/** Keywords in any case. */
function inSomeCase(draw: Draw, text: string): Word {
  const kind = draw.random.float()
  if (kind < 0.7) return text
  return kind < 0.95 ? text.toLowerCase() : text.slice(0, 1) + text.slice(1).toLowerCase()
}
