/**
 * Directives with a form of their own: how they are read from arguments, printed by CONFIG GET and written by CONFIG
 * REWRITE. The rest of the table is in `values.ts`. Source: redis 7.0 config.c, the setConfig…Option(),
 * getConfig…Option() and rewriteConfig…Option() of each.
 */
import { realpathSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { quoteArgument } from './arguments-of-line.ts'
import { byteString, fromByteString, type SpecialForm } from './directive.ts'
import { formatKeyspaceEvents, parseKeyspaceEvents } from './keyspace-events.ts'
import { formatMemory, parseInteger, parseMemory } from './numbers.ts'
import { systemErrorText } from './system-error-text.ts'

export interface SavePoint {
  readonly seconds: number
  readonly changes: number
}

export interface OutputBufferLimit {
  /** Bytes; 0 is no limit. */
  readonly hardBytes: number
  /** Bytes that may not be exceeded for `softSeconds`; 0 is no limit. */
  readonly softBytes: number
  readonly softSeconds: number
}

export interface OutputBufferLimits {
  readonly normal: OutputBufferLimit
  readonly replica: OutputBufferLimit
  readonly pubsub: OutputBufferLimit
}

export interface PrimaryAddress {
  readonly host: string
  readonly port: number
}

/** What each form is as a value. Texts are byte strings. */
export interface SpecialValues {
  bind: readonly string[]
  'client-output-buffer-limit': OutputBufferLimits
  /** Absolute path, an ordinary string as the file system functions take it. */
  dir: string
  include: readonly string[]
  'latency-tracking-info-percentiles': readonly number[]
  lines: readonly (readonly string[])[]
  /** Flags of `keyspace-events.ts`. */
  'notify-keyspace-events': number
  'oom-score-adj-values': readonly number[]
  'rename-command': readonly { readonly from: string; readonly to: string }[]
  replicaof: PrimaryAddress | undefined
  save: readonly SavePoint[]
  /** Lower-case name of a command of the link to the name that the primary knows it by. */
  'upstream-command': Readonly<Record<string, string>>
}

/** A mistake in a value: the text becomes the end of the error that the user sees. */
export class BadValue extends Error {}

export interface ParseContext<Value> {
  /** The value so far: what is kept when only a part is set, or what a repeated directive adds to. */
  readonly current: Value
  /** Repeated lines add up; from CONFIG SET a value replaces everything. */
  readonly fromFile: boolean
  /** The first of this directive in the configuration: forgets the default. */
  readonly firstInFile: boolean
  /** Base of relative paths. */
  readonly dir: string
}

/** A line that CONFIG REWRITE writes: `text` stands behind the name. */
export interface RewriteLine {
  readonly text: string
  /** Append it when the file has no line of this directive to put it in: the value is not the default. */
  readonly force: boolean
}

export interface SpecialCodec<Value> {
  initial(dir: string): Value
  /** @throws BadValue */
  parse(args: readonly string[], context: ParseContext<Value>): Value
  /** As CONFIG GET prints it. */
  format(value: Value): string
  /** Lines for CONFIG REWRITE; undefined leaves what the file says, an empty list removes the lines it has. */
  rewrite(value: Value): readonly RewriteLine[] | undefined
  /** One argument may hold them all, separated by spaces (MULTI_ARG_CONFIG). */
  readonly manyArguments: boolean
}

const MAX_BIND_ADDRESSES = 16
const DEFAULT_BIND = ['*', '-::*']
const DEFAULT_PERCENTILES = [50, 99, 99.9]
const DEFAULT_OOM_VALUES = [0, 200, 800]
const LINK_COMMANDS = ['auth', 'ping', 'psync', 'replconf', 'sync']

function forced(text: string): RewriteLine {
  return { text, force: true }
}

function sameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i])
}

function integerIn(text: string, min: number, max: number): number | undefined {
  const value = parseInteger(text)
  return value !== undefined && value >= BigInt(min) && value <= BigInt(max) ? Number(value) : undefined
}

const bind: SpecialCodec<SpecialValues['bind']> = {
  initial: () => DEFAULT_BIND,
  parse(args) {
    if (args.length > MAX_BIND_ADDRESSES) throw new BadValue('Too many bind addresses specified.')
    return args.length === 1 && args[0] === '' ? [] : args
  },
  format: (value) => value.join(' '),
  rewrite: (value) => (sameList(value, DEFAULT_BIND) ? [] : [forced(value.length === 0 ? '""' : value.join(' '))]),
  manyArguments: true,
}

const NO_LIMIT: OutputBufferLimit = { hardBytes: 0, softBytes: 0, softSeconds: 0 }
const DEFAULT_LIMITS: OutputBufferLimits = {
  normal: NO_LIMIT,
  replica: { hardBytes: 256 * 1024 * 1024, softBytes: 64 * 1024 * 1024, softSeconds: 60 },
  pubsub: { hardBytes: 32 * 1024 * 1024, softBytes: 8 * 1024 * 1024, softSeconds: 60 },
}
const LIMIT_CLASSES: Readonly<Record<string, keyof OutputBufferLimits>> = {
  normal: 'normal',
  slave: 'replica',
  replica: 'replica',
  pubsub: 'pubsub',
}

const outputBufferLimit: SpecialCodec<OutputBufferLimits> = {
  initial: () => DEFAULT_LIMITS,
  parse(args, { current }) {
    if (args.length % 4 !== 0) throw new BadValue('Wrong number of arguments in buffer limit configuration.')
    const limits = { ...current }
    for (let i = 0; i < args.length; i += 4) {
      const client = LIMIT_CLASSES[args[i]!.toLowerCase()]
      if (client === undefined) throw new BadValue('Invalid client class specified in buffer limit configuration.')
      const hard = parseMemory(args[i + 1]!)
      const soft = parseMemory(args[i + 2]!)
      const softSeconds = integerIn(args[i + 3]!, 0, Number.MAX_SAFE_INTEGER)
      if (hard === undefined || soft === undefined || softSeconds === undefined) {
        throw new BadValue('Error in hard, soft or soft_seconds setting in buffer limit configuration.')
      }
      limits[client] = { hardBytes: Number(hard), softBytes: Number(soft), softSeconds }
    }
    return limits
  },
  format: ({ normal, replica, pubsub }) =>
    [['normal', normal] as const, ['slave', replica] as const, ['pubsub', pubsub] as const]
      .map(([name, limit]) => `${name} ${limit.hardBytes} ${limit.softBytes} ${limit.softSeconds}`)
      .join(' '),
  rewrite: (limits) =>
    (['normal', 'replica', 'pubsub'] as const).map((client) => {
      const { hardBytes, softBytes, softSeconds } = limits[client]
      const usual = DEFAULT_LIMITS[client]
      return {
        text: `${client} ${formatMemory(BigInt(hardBytes))} ${formatMemory(BigInt(softBytes))} ${softSeconds}`,
        force: hardBytes !== usual.hardBytes || softBytes !== usual.softBytes || softSeconds !== usual.softSeconds,
      }
    }),
  manyArguments: true,
}

const dir: SpecialCodec<string> = {
  initial: (start) => start,
  parse(args, context) {
    if (args.length !== 1) throw new BadValue('wrong number of arguments')
    try {
      const path = realpathSync(resolve(context.dir, fromByteString(args[0]!)))
      if (args[0] === '' || !statSync(path).isDirectory()) {
        throw new BadValue(args[0] === '' ? 'No such file or directory' : 'Not a directory')
      }
      return path
    } catch (error) {
      throw error instanceof BadValue ? error : new BadValue(systemErrorText(error))
    }
  },
  format: (value) => byteString(value),
  rewrite: (value) => [forced(quoteArgument(byteString(value)))],
  manyArguments: false,
}

const percentiles: SpecialCodec<readonly number[]> = {
  initial: () => DEFAULT_PERCENTILES,
  parse(args) {
    if (args.length === 1 && args[0] === '') return []
    return args.map((text) => {
      const value = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN
      if (Number.isNaN(value)) throw new BadValue('Invalid latency-tracking-info-percentiles parameters')
      if (value < 0 || value > 100) {
        throw new BadValue('latency-tracking-info-percentiles parameters should sit between [0.0,100.0]')
      }
      return value
    })
  },
  // Ten significant digits, as C's %.10g; all this precision is more than a percentile needs.
  format: (value) => value.map((one) => String(Number(one.toPrecision(10)))).join(' '),
  rewrite: (value) => [
    {
      text: value.length === 0 ? '""' : percentiles.format(value),
      force: !sameList(value, DEFAULT_PERCENTILES),
    },
  ],
  manyArguments: true,
}

const keyspaceEvents: SpecialCodec<number> = {
  initial: () => 0,
  parse(args) {
    const flags = args.length === 1 ? parseKeyspaceEvents(args[0]!) : undefined
    if (flags === undefined) throw new BadValue("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
    return flags
  },
  format: formatKeyspaceEvents,
  rewrite: (flags) => [{ text: `"${formatKeyspaceEvents(flags)}"`, force: flags !== 0 }],
  manyArguments: false,
}

const oomScoreValues: SpecialCodec<readonly number[]> = {
  initial: () => DEFAULT_OOM_VALUES,
  parse(args) {
    if (args.length !== 3) throw new BadValue('wrong number of arguments')
    return args.map((text) => {
      const value = integerIn(text, -2000, 2000)
      if (value === undefined) {
        throw new BadValue('Invalid oom-score-adj-values, elements must be between -2000 and 2000.')
      }
      return value
    })
  },
  format: (value) => value.join(' '),
  rewrite: (value) => [{ text: value.join(' '), force: !sameList(value, DEFAULT_OOM_VALUES) }],
  manyArguments: true,
}

const replicaOf: SpecialCodec<PrimaryAddress | undefined> = {
  initial: () => undefined,
  parse(args) {
    const [host, port] = args
    if (args.length !== 2 || host === undefined || port === undefined) {
      throw new BadValue('wrong number of arguments')
    }
    if (host.toLowerCase() === 'no' && port.toLowerCase() === 'one') return undefined
    const number = integerIn(port, 0, 65535)
    if (number === undefined) throw new BadValue('Invalid master port')
    return { host, port: number }
  },
  format: (value) => (value === undefined ? '' : `${value.host} ${value.port}`),
  rewrite: (value) => (value === undefined ? [] : [forced(`${value.host} ${value.port}`)]),
  manyArguments: true,
}

const save: SpecialCodec<readonly SavePoint[]> = {
  initial: () => [
    { seconds: 3600, changes: 1 },
    { seconds: 300, changes: 100 },
    { seconds: 60, changes: 10000 },
  ],
  parse(args, { current, fromFile, firstInFile }) {
    if (args.length === 0 || (args.length === 1 && args[0] === '')) return []
    if (args.length % 2 !== 0) throw new BadValue('Invalid save parameters')
    const points: SavePoint[] = fromFile && !firstInFile ? [...current] : []
    for (let i = 0; i < args.length; i += 2) {
      const seconds = integerIn(args[i]!, 1, Number.MAX_SAFE_INTEGER)
      const changes = integerIn(args[i + 1]!, 0, 2147483647)
      if (seconds === undefined || changes === undefined) throw new BadValue('Invalid save parameters')
      points.push({ seconds, changes })
    }
    return points
  },
  format: (value) => value.map(({ seconds, changes }) => `${seconds} ${changes}`).join(' '),
  rewrite: (value) =>
    value.length === 0 ? [forced('""')] : value.map(({ seconds, changes }) => forced(`${seconds} ${changes}`)),
  manyArguments: true,
}

const renameCommand: SpecialCodec<SpecialValues['rename-command']> = {
  initial: () => [],
  parse(args, { current }) {
    if (args.length !== 2) throw new BadValue('wrong number of arguments')
    return [...current, { from: args[0]!.toLowerCase(), to: args[1]! }]
  },
  format: () => '',
  rewrite: () => undefined,
  manyArguments: false,
}

const upstreamCommand: SpecialCodec<SpecialValues['upstream-command']> = {
  initial: () => ({}),
  parse(args, { current, fromFile }) {
    const names: Record<string, string> = fromFile ? { ...current } : {}
    if (args.length === 1 && args[0] === '') return {}
    if (args.length % 2 !== 0) throw new BadValue('wrong number of arguments')
    for (let i = 0; i < args.length; i += 2) {
      const command = args[i]!.toLowerCase()
      if (!LINK_COMMANDS.includes(command)) {
        throw new BadValue(`the first of two must be a command of the link: ${LINK_COMMANDS.join(', ')}`)
      }
      if (!/^[!-~]+$/.test(args[i + 1]!)) throw new BadValue('a command name is made of printable characters')
      names[command] = args[i + 1]!
    }
    return names
  },
  format: (value) =>
    Object.entries(value)
      .map(([command, name]) => `${command} ${name}`)
      .join(' '),
  rewrite: (value) => Object.entries(value).map(([command, name]) => forced(`${command} ${name}`)),
  manyArguments: true,
}

const include: SpecialCodec<readonly string[]> = {
  initial: () => [],
  parse: (args, { current }) => [...current, ...args],
  format: () => '',
  rewrite: () => undefined,
  manyArguments: false,
}

const lines: SpecialCodec<SpecialValues['lines']> = {
  initial: () => [],
  parse: (args, { current }) => [...current, args],
  format: () => '',
  rewrite: () => undefined,
  manyArguments: false,
}

export const SPECIAL_CODECS: { readonly [Form in SpecialForm]: SpecialCodec<SpecialValues[Form]> } = {
  bind,
  'client-output-buffer-limit': outputBufferLimit,
  dir,
  include,
  'latency-tracking-info-percentiles': percentiles,
  lines,
  'notify-keyspace-events': keyspaceEvents,
  'oom-score-adj-values': oomScoreValues,
  'rename-command': renameCommand,
  replicaof: replicaOf,
  save,
  'upstream-command': upstreamCommand,
}
