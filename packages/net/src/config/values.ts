/**
 * Reading and printing the value of any row of the table. Numbers are bigints here (`numbers.ts` says why); special
 * forms are handed on to `special-values.ts`. Source: redis 7.0 config.c, the …ConfigSet(), …ConfigGet() and
 * …ConfigRewrite() of each type.
 */
// A value is always of its row's type: only parseValue() and initialValue() make them.
/* oxlint-disable typescript/no-unsafe-type-assertion */
import { quoteArgument, splitArguments } from './arguments-of-line.ts'
import type { ChoiceRow, DirectiveRow, TextRow } from './directive.ts'
import { formatNumber, parseNumber, rewriteNumber } from './numbers.ts'
import { BadValue, type ParseContext, type RewriteLine, SPECIAL_CODECS, type SpecialCodec } from './special-values.ts'

const HOST_NAME_LENGTH_MAX = 255

/** The codec of a special row; its value type is known to `Config.get()`'s types alone. */
function codecOf(row: DirectiveRow & { type: 'special' }): SpecialCodec<unknown> {
  return SPECIAL_CODECS[row.form]
}

export function initialValue(row: DirectiveRow, dir: string): unknown {
  switch (row.type) {
    case 'bool':
    case 'string':
      return row.default
    case 'int':
      return BigInt(row.default)
    case 'enum':
      return row.several ? [row.default] : row.default
    default:
      return codecOf(row).initial(dir)
  }
}

/** May one argument hold several, separated by spaces? (redis 7.0 config.c MULTI_ARG_CONFIG) */
function takesManyArguments(row: DirectiveRow): boolean {
  if (row.type === 'special') return codecOf(row).manyArguments
  return row.type === 'enum' && row.several === true
}

/** The arguments as a line of a file gives them: `save "900 1"` means the same as `save 900 1`. */
export function spreadArguments(row: DirectiveRow, args: readonly string[]): readonly string[] {
  if (!takesManyArguments(row) || args.length !== 1 || args[0] === '') return args
  const words = splitArguments(args[0]!)
  if (words === undefined) throw new BadValue('Unbalanced quotes in configuration line')
  return words
}

/** The arguments as CONFIG SET gives them: every single space separates, so that two in a row are an empty word. */
export function spreadText(row: DirectiveRow, text: string): readonly string[] {
  if (!takesManyArguments(row)) return [text]
  return text === '' ? [] : text.split(' ')
}

function parseChoice(row: ChoiceRow, args: readonly string[]): unknown {
  const chosen = new Set<string>()
  for (const arg of args) {
    const value = arg.toLowerCase()
    if (!row.values.includes(value)) chosen.clear()
    else chosen.add(row.same?.[value] ?? value)
    if (chosen.size === 0) break
  }
  if (chosen.size === 0) {
    throw new BadValue(`argument(s) must be one of the following: ${row.values.join(', ')}`)
  }
  if (!row.several) return [...chosen][0]
  if (chosen.has('save') && chosen.has('nosave')) {
    throw new BadValue("shutdown options SAVE and NOSAVE can't be used simultaneously")
  }
  // 'default' is the absence of all others.
  const others = row.values.filter((value) => chosen.has(value) && value !== row.default)
  return others.length === 0 ? [row.default] : others
}

const TITLE_VARIABLES = /\{(?:title|listen-addr|server-mode|port|tls-port|unixsocket|config-file)\}/g

const TEXT_CHECKS: Readonly<Record<NonNullable<TextRow['check']>, (text: string) => string | undefined>> = {
  'db-filename': (text) => (/[/\\]/.test(text) ? "dbfilename can't be a path, just a filename" : undefined),
  'aof-filename': (text) => {
    if (text === '') return "appendfilename can't be empty"
    return /[/\\]/.test(text) ? "appendfilename can't be a path, just a filename" : undefined
  },
  'aof-dirname': (text) => {
    if (text === '') return "appenddirname can't be empty"
    return /[/\\]/.test(text) ? "appenddirname can't be a path, just a dirname" : undefined
  },
  hostname: (text) => {
    if (text.length > HOST_NAME_LENGTH_MAX) return `Hostnames must be less than ${HOST_NAME_LENGTH_MAX + 1} characters`
    if (/^[A-Za-z0-9.-]*$/.test(text)) return undefined
    return 'Hostnames may only contain alphanumeric characters, hyphens or dots'
  },
  'title-template': (text) =>
    /[{}]/.test(text.replace(TITLE_VARIABLES, ''))
      ? 'template format is invalid or contains unknown variables'
      : undefined,
}

/** @throws BadValue with the text of the error as Redis has it. */
export function parseValue(row: DirectiveRow, args: readonly string[], context: ParseContext<unknown>): unknown {
  if (row.type === 'special') return codecOf(row).parse(args, context)
  if (row.type === 'enum' && row.several) return parseChoice(row, args)
  if (args.length !== 1) throw new BadValue('wrong number of arguments')
  const text = args[0]!
  switch (row.type) {
    case 'bool': {
      const answer = text.toLowerCase()
      if (answer !== 'yes' && answer !== 'no') throw new BadValue("argument must be 'yes' or 'no'")
      return answer === 'yes'
    }
    case 'int': {
      const parsed = parseNumber(row, text)
      if ('error' in parsed) throw new BadValue(parsed.error)
      return parsed.value
    }
    case 'enum':
      return parseChoice(row, args)
    default: {
      const problem = row.check === undefined ? undefined : TEXT_CHECKS[row.check](text)
      if (problem !== undefined) throw new BadValue(problem)
      return text
    }
  }
}

/** As CONFIG GET prints it. */
export function formatValue(row: DirectiveRow, value: unknown): string {
  switch (row.type) {
    case 'bool':
      return value === true ? 'yes' : 'no'
    case 'int':
      return formatNumber(row, value as bigint)
    case 'enum':
      return row.several ? (value as string[]).join(' ') : (value as string)
    case 'string':
      return value as string
    default:
      return codecOf(row).format(value)
  }
}

/** Lines for CONFIG REWRITE; undefined leaves what the file says, an empty list removes the lines it has. */
export function rewriteValue(row: DirectiveRow, value: unknown): readonly RewriteLine[] | undefined {
  switch (row.type) {
    case 'string': {
      const text = value as string
      if (text === '' && row.keepEmpty !== true) return []
      return [{ text: quoteArgument(text), force: text !== row.default }]
    }
    case 'int': {
      const number = value as bigint
      return [{ text: rewriteNumber(row, number), force: number !== BigInt(row.default) }]
    }
    case 'bool':
      return [{ text: formatValue(row, value), force: value !== row.default }]
    case 'enum': {
      const text = formatValue(row, value)
      return [{ text, force: text !== row.default }]
    }
    default:
      return codecOf(row).rewrite(value)
  }
}

/** Is it the same value? Values are scalars or small structures that print differently when they differ. */
export function sameValue(row: DirectiveRow, a: unknown, b: unknown): boolean {
  if (a === b) return true
  return typeof a === 'object' && typeof b === 'object' && JSON.stringify(a) === JSON.stringify(b) && row.type !== 'int'
}

/** What `Config.get()` hands out for a value kept here. */
export function publicValue(value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value
}
