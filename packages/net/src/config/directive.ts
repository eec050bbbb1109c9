/**
 * The shape of one row of the directive table. Rows are data alone: how a value is read and printed is in `values.ts`
 * (numbers, yes/no, names, strings) and `special-values.ts` (forms that one directive has to itself).
 *
 * All text of the configuration is kept as *byte strings*: one character (U+0000 … U+00FF) per byte, as
 * `Buffer.toString('latin1')` gives it. Passwords may be any bytes, and files need not be UTF-8. `byteString()` and
 * `fromByteString()` convert from and to ordinary strings; file paths come out of `Config.path()` as ordinary strings.
 */

/** Upper ends of the C types that Redis keeps numbers in; also how they are named in error texts. */
export type IntegerCeiling = 'int' | 'uint' | 'long' | 'ulong'

export const CEILINGS: Readonly<Record<IntegerCeiling, bigint>> = {
  int: 2n ** 31n - 1n,
  uint: 2n ** 32n - 1n,
  long: 2n ** 63n - 1n,
  ulong: 2n ** 64n - 1n,
}

interface CommonRow {
  /** Old or foreign names that mean the same. They show up in CONFIG GET beside the name, as in Redis. */
  readonly aliases?: readonly string[]
  /** Names that are accepted as well, but not listed by CONFIG GET with a pattern (names of other servers). */
  readonly silentAliases?: readonly string[]
  /**
   * May CONFIG SET change it? Left out: yes. 'no': only at start. 'protected': only as `enable-protected-configs`
   * allows (redis 7.0 config.c PROTECTED_CONFIG).
   */
  readonly change?: 'no' | 'protected'
  /** CONFIG SET is refused with -LOADING while a dataset is loaded (DENY_LOADING_CONFIG). */
  readonly notWhileLoading?: true
  /** Not shown by CONFIG GET with a pattern, only by its exact name (HIDDEN_CONFIG). */
  readonly hidden?: true
  /** Listeners run also when the value did not change: files may have other content (VOLATILE_CONFIG). */
  readonly volatile?: true
  /** Never printed into logs. */
  readonly sensitive?: true
  /** False: Redis, Valkey or KeyDB knows it, this server accepts it, warns and does nothing. Left out: it has effect. */
  readonly supported?: false
  /** Said instead of the general warning when an unsupported directive is set. */
  readonly warning?: string
  /** Only in files and on the command line: neither CONFIG GET nor CONFIG SET knows it. */
  readonly fileOnly?: true
  /** A directive of ours or of a newer server: redis 7.0 does not know it. */
  readonly foreign?: true
  /** Unit of the number or of what the value counts, for --help and documents. */
  readonly unit?: string
}

export interface BooleanRow extends CommonRow {
  readonly type: 'bool'
  readonly default: boolean
}

export interface IntegerRow extends CommonRow {
  readonly type: 'int'
  /** How the text is written: decimal when left out; memory takes units (`1mb`); octal is for modes. */
  readonly form?: 'memory' | 'memory-or-percent' | 'octal'
  readonly min: number
  readonly max: number | IntegerCeiling
  /** A percentage is kept as a negative number, in `memory-or-percent` alone. */
  readonly default: number
  /** Values below or above are accepted and moved to these. */
  readonly least?: number
  readonly most?: number
}

export interface ChoiceRow extends CommonRow {
  readonly type: 'enum'
  /** In the order in which the error text names them. */
  readonly values: readonly string[]
  readonly default: string
  /** Spellings that mean another value: `{ relative: 'yes' }`. They must be among `values`, or be hidden. */
  readonly same?: Readonly<Record<string, string>>
  /** Several of the values at once, separated by spaces. */
  readonly several?: true
}

export interface TextRow extends CommonRow {
  readonly type: 'string'
  readonly default: string
  /** A check by name, see `values.ts`. */
  readonly check?: 'db-filename' | 'aof-filename' | 'aof-dirname' | 'hostname' | 'title-template'
  /** Written by CONFIG REWRITE even when empty (Redis: a string whose empty value is not NULL). */
  readonly keepEmpty?: true
}

/** Directives with a form of their own, and those that may be repeated: see `special-values.ts`. */
export interface SpecialRow extends CommonRow {
  readonly type: 'special'
  readonly form: SpecialForm
}

export type SpecialForm =
  | 'bind'
  | 'client-output-buffer-limit'
  | 'dir'
  | 'include'
  | 'latency-tracking-info-percentiles'
  | 'lines'
  | 'notify-keyspace-events'
  | 'oom-score-adj-values'
  | 'rename-command'
  | 'replicaof'
  | 'save'
  | 'upstream-command'

export type DirectiveRow = BooleanRow | IntegerRow | ChoiceRow | TextRow | SpecialRow

/** The bytes of an ordinary string (its UTF-8) as a byte string. */
export function byteString(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

/** A byte string as an ordinary string; bytes that are not UTF-8 become U+FFFD. */
export function fromByteString(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
