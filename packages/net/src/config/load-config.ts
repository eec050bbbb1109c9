/**
 * From file and command line to a Config. The file is read first, then stdin when asked for, then the directives of the
 * command line as if they stood at the file's end (redis 7.0 config.c loadServerConfig()). Warnings are given once per
 * directive; the first mistake ends it.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { ConfigError } from '@understudy/core/internal'
import { takeAclLines } from './acl-lines.ts'
import { type ConfLine, lineError, parseConfText } from './conf-file.ts'
import { Config } from './config.ts'
import { byteString, fromByteString } from './directive.ts'
import { allSpellings, findDirective } from './directives.ts'
import { includePaths } from './include-paths.ts'
import { nearestName } from './nearest-name.ts'
import { BadValue } from './special-values.ts'
import { systemErrorText } from './system-error-text.ts'

/** Redis recurses until its stack ends; nobody nests files that deep on purpose. */
const INCLUDE_DEPTH_MAX = 16

export interface ConfigSources {
  /** Path of the file, ordinary string; relative to `dir`. */
  readonly file?: string | undefined
  readonly fromStdin?: boolean
  /** Directives of the command line. */
  readonly lines?: readonly ConfLine[]
}

export interface LoadOptions {
  /** Working directory. Absolute. Default: the process'. */
  readonly dir?: string
  /** Told once per directive that has no effect here. */
  readonly warn?: (message: string) => void
  /** Default: reads file descriptor 0 to its end. */
  readonly readStdin?: () => Buffer
}

/**
 * Reads everything. Blocks while files are read.
 * @throws ConfigError: CONFIG_UNKNOWN_DIRECTIVE, CONFIG_BAD_VALUE, CONFIG_SYNTAX with file, line and the line's text in
 * the message (several lines); FILE_FAILED for a file that cannot be read.
 */
export function loadConfig(sources: ConfigSources, options: LoadOptions = {}): Config {
  const dir = options.dir ?? process.cwd()
  const config = new Config(options.warn === undefined ? { dir } : { dir, warn: options.warn })
  if (sources.file !== undefined) {
    config.file = resolve(dir, sources.file)
    takeFile(config, config.file, 0)
  }
  if (sources.fromStdin) {
    const read = options.readStdin ?? (() => readFileSync(0))
    takeLines(config, parseConfText(read().toString('latin1'), 'standard input'), 0)
  }
  takeLines(config, sources.lines ?? [], 0)
  // Not where it stands: the file of a distribution says so, and the command line may say otherwise.
  if (config.get('daemonize')) {
    const text =
      "'daemonize yes': this server stays in the foreground; add --daemonize no, and leave the rest to a supervisor"
    throw new ConfigError('CONFIG_BAD_VALUE', text)
  }
  takeAclLines(config)
  return config
}

function takeFile(config: Config, path: string, depth: number): void {
  let text: string
  try {
    text = readFileSync(path, 'latin1')
  } catch (error) {
    throw new ConfigError('FILE_FAILED', `Fatal error, can't open config file '${path}': ${systemErrorText(error)}`, {
      cause: error,
    })
  }
  takeLines(config, parseConfText(text, path), depth)
}

function takeLines(config: Config, lines: readonly ConfLine[], depth: number): void {
  for (const line of lines) takeLine(config, line, depth)
}

function takeLine(config: Config, line: ConfLine, depth: number): void {
  const [name, ...args] = line.words
  if (name === 'sentinel') throw lineError(line, 'sentinel directive while not in sentinel mode', 'CONFIG_BAD_VALUE')
  const directive = findDirective(name)
  if (directive === undefined) {
    throw lineError(line, unknownDirective(name), 'CONFIG_UNKNOWN_DIRECTIVE')
  }
  if (directive.name === 'include') {
    if (args.length !== 1) throw lineError(line, 'wrong number of arguments', 'CONFIG_BAD_VALUE')
    if (depth >= INCLUDE_DEPTH_MAX) {
      throw lineError(line, `files are included more than ${INCLUDE_DEPTH_MAX} deep`, 'CONFIG_BAD_VALUE')
    }
    const paths = includePaths(fromByteString(args[0]!), config.get('dir'))
    for (const path of paths) takeFile(config, path, depth + 1)
    return
  }
  try {
    config.takeLine(directive, args, line.shortPlace)
  } catch (error) {
    if (error instanceof BadValue) throw lineError(line, error.message, 'CONFIG_BAD_VALUE')
    throw error
  }
}

function unknownDirective(name: string): string {
  const names = [...allSpellings()].filter(({ row }) => row.hidden !== true).map(({ spelling }) => spelling)
  const shown = fromByteString(name.slice(0, 100))
  return `Bad directive or wrong number of arguments: there is no '${shown}'; the nearest known name is '${nearestName(name, names)}'`
}

/** The lines that redis-server prints for such an error, for stderr. */
export function fatalConfigText(error: ConfigError, version: string): string {
  if (error.code === 'FILE_FAILED') return error.message
  return `\n*** FATAL CONFIG FILE ERROR (Understudy ${version}) ***\n${error.message}`
}

/** A line of the command line. @param words Ordinary strings. @param at Position of the name, 1 is the first. */
export function commandLineLine(words: readonly [string, ...string[]], at: number): ConfLine {
  const [name, ...args] = words
  return {
    words: [byteString(name).toLowerCase(), ...args.map(byteString)],
    place: `the command line, at argument ${at}`,
    shortPlace: `command line, argument ${at}`,
    text: [name, ...args.map((word) => JSON.stringify(word))].join(' '),
  }
}
