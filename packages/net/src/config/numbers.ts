/**
 * Numbers as Redis' configuration writes them. Everything is a bigint inside, because bounds go to 2^64 − 1 and error
 * texts and CONFIG GET print them exactly; `Config.get()` hands out ordinary numbers.
 */
import { CEILINGS, type IntegerRow } from './directive.ts'

const MEMORY_UNITS: Readonly<Record<string, bigint>> = {
  '': 1n,
  b: 1n,
  k: 1000n,
  kb: 1024n,
  m: 1000n ** 2n,
  mb: 1024n ** 2n,
  g: 1000n ** 3n,
  gb: 1024n ** 3n,
}

const LARGE_UNITS = [
  ['gb', 1024n ** 3n],
  ['mb', 1024n ** 2n],
  ['kb', 1024n],
] as const

/**
 * `100`, `1k` (1000), `1kb` (1024), `1m`, `1mb`, `1g`, `1gb`, whatever the case; the empty text is 0, as in Redis.
 * Undefined when it is none of that, or does not fit 64 bits (Redis wraps around: a trap nobody wants).
 * Source: redis 7.0 util.c memtoull().
 */
export function parseMemory(text: string): bigint | undefined {
  const parts = /^(\d{0,20})([a-z]*)$/i.exec(text)
  if (!parts) return undefined
  const [, digits = '', suffix = ''] = parts
  const unit = MEMORY_UNITS[suffix.toLowerCase()]
  if (unit === undefined) return undefined
  const bytes = BigInt(digits === '' ? 0 : digits) * unit
  return bytes > CEILINGS.ulong ? undefined : bytes
}

/** In the largest unit that leaves no rest: `1mb`, `16kb`, `100`. As CONFIG REWRITE writes it. */
export function formatMemory(bytes: bigint): string {
  if (bytes !== 0n) {
    for (const [unit, size] of LARGE_UNITS) if (bytes % size === 0n) return `${bytes / size}${unit}`
  }
  return bytes.toString()
}

/** Decimal, no sign but `-`, no leading zeros, within 64 bits (redis 7.0 util.c string2ll()). */
export function parseInteger(text: string): bigint | undefined {
  if (!/^(?:0|-?[1-9]\d{0,18})$/.test(text)) return undefined
  const value = BigInt(text)
  return value > CEILINGS.long || value < -CEILINGS.long - 1n ? undefined : value
}

function parseByForm(row: IntegerRow, text: string): bigint | undefined {
  switch (row.form) {
    case 'octal':
      return /^[0-7]{1,20}$/.test(text) ? BigInt(`0o${text}`) : undefined
    case 'memory':
      return parseMemory(text)
    case 'memory-or-percent': {
      const percent = text.endsWith('%') ? parseInteger(text.slice(0, -1)) : undefined
      return percent !== undefined && percent >= 0n ? -percent : parseMemory(text)
    }
    default:
      return parseInteger(text)
  }
}

const PARSE_ERRORS: Readonly<Record<NonNullable<IntegerRow['form']> | 'decimal', string>> = {
  decimal: "argument couldn't be parsed into an integer",
  octal: "argument couldn't be parsed as an octal number",
  memory: 'argument must be a memory value',
  'memory-or-percent': 'argument must be a memory or percent value',
}

/** The value, or the error text of redis 7.0 config.c numericParseString() and numericBoundaryCheck(). */
export function parseNumber(row: IntegerRow, text: string): { value: bigint } | { error: string } {
  const value = parseByForm(row, text)
  if (value === undefined) return { error: PARSE_ERRORS[row.form ?? 'decimal'] }
  const min = BigInt(row.min)
  const max = typeof row.max === 'number' ? BigInt(row.max) : CEILINGS[row.max]
  if (row.form === 'memory-or-percent' && value < 0n) {
    if (value < min) return { error: `percentage argument must be less or equal to ${-min}` }
  } else if (value < min || value > max) {
    const radix = row.form === 'octal' ? 8 : 10
    return { error: `argument must be between ${min.toString(radix)} and ${max.toString(radix)} inclusive` }
  }
  if (row.least !== undefined && value < BigInt(row.least)) return { value: BigInt(row.least) }
  if (row.most !== undefined && value > BigInt(row.most)) return { value: BigInt(row.most) }
  return { value }
}

/** As CONFIG GET prints it: bytes for memory, `5%`, octal digits. */
export function formatNumber(row: IntegerRow, value: bigint): string {
  if (row.form === 'octal') return value.toString(8)
  if (row.form === 'memory-or-percent' && value < 0n) return `${-value}%`
  return value.toString()
}

/** As CONFIG REWRITE writes it: memory with units. */
export function rewriteNumber(row: IntegerRow, value: bigint): string {
  const isMemory = row.form === 'memory' || (row.form === 'memory-or-percent' && value >= 0n)
  return isMemory ? formatMemory(value) : formatNumber(row, value)
}
