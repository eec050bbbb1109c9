/**
 * The command line, as redis-server takes it: `[/path/to/redis.conf | -] [--directive value …]…`, or one of --help, -h,
 * --version, -v; or `check [--json] FILE…`, which Redis has as a program of its own. Parsing alone: what directives mean is `config/`. Source: redis 7.0 server.c main().
 */
import { ConfigError } from '@understudy/core/internal'
import { splitArguments } from '../config/arguments-of-line.ts'
import type { ConfLine } from '../config/conf-file.ts'
import { byteString, fromByteString } from '../config/directive.ts'
import type { CheckCommand } from './check.ts'
import { commandLineLine, type ConfigSources } from '../config/load-config.ts'

export type CommandLine = { kind: 'help' } | { kind: 'version' } | CheckCommand | ({ kind: 'run' } & ConfigSources)

/** Programs of their own in Redis, started by the same executable. */
const REFUSED: Readonly<Record<string, string>> = {
  '--sentinel': 'this server is no Sentinel (it can be watched by one)',
  '--test-memory': 'there is no memory test here',
  '--check-system': 'there is no system check here',
}

/**
 * @param argv Arguments without the program's name and path: `process.argv.slice(2)`.
 * @throws ConfigError CONFIG_SYNTAX for what cannot be a command line; Error with the usage of `check`.
 */
export function parseArguments(argv: readonly string[]): CommandLine {
  const first = argv[0]
  if (wantsHelp(first)) return { kind: 'help' }
  if (first === '--version' || first === '-v') return { kind: 'version' }
  if (first === 'check') return wantsHelp(argv[1]) ? { kind: 'help' } : checkCommand(argv.slice(1))
  let file: string | undefined
  let fromStdin = false
  let at = 0
  if (first !== undefined && !first.startsWith('-')) {
    file = first
    at = 1
  }
  const lines: ConfLine[] = []
  // The directive being read: its words so far and where its name stands (1 is the first argument).
  let words: [string, ...string[]] | undefined
  let nameAt = 0
  // A lone name takes the next argument as a value even if that starts with --.
  let wantsValue = false
  const finish = (): void => {
    if (words === undefined) return
    // `--save` without a value switches snapshots off.
    if (words.length === 1 && words[0].toLowerCase() === 'save') words.push('')
    lines.push(commandLineLine(words, nameAt))
    words = undefined
  }
  for (; at < argv.length; at++) {
    const argument = argv[at]!
    const refusal = wantsValue ? undefined : REFUSED[argument.toLowerCase()]
    if (refusal !== undefined) throw new ConfigError('CONFIG_SYNTAX', `${argument}: ${refusal}`)
    if (argument === '-' && (at === 0 || at === argv.length - 1)) {
      fromStdin = true
    } else if (argument.startsWith('--') && (!wantsValue || isSave(words))) {
      finish()
      nameAt = at + 1
      words = nameAndValues(argument, nameAt)
      wantsValue = words.length === 1
    } else if (words === undefined) {
      throw new ConfigError(
        'CONFIG_SYNTAX',
        `Argument ${at + 1} of the command line, '${argument}', is not the value of a directive: write --name value`,
      )
    } else {
      words.push(argument)
      wantsValue = false
    }
  }
  finish()
  return { kind: 'run', file, fromStdin, lines }
}

function wantsHelp(argument: string | undefined): boolean {
  return argument === '--help' || argument === '-h'
}

/** A configuration file of that name is given as ./check. */
function checkCommand(argv: readonly string[]): CheckCommand {
  const files = argv.filter((argument) => argument !== '--json')
  const unknown = files.find((argument) => argument.startsWith('-'))
  if (unknown !== undefined || files.length === 0) {
    const fault = unknown === undefined ? 'no file is named' : `there is no option ${unknown}`
    throw new Error(`check: ${fault}\nUsage: understudy check [--json] FILE...`)
  }
  return { kind: 'check', files, json: files.length < argv.length }
}

function isSave(words: readonly string[] | undefined): boolean {
  return words?.length === 1 && words[0]!.toLowerCase() === 'save'
}

/** `--port`, or several words in one argument as in `"--port 6380"`. */
function nameAndValues(argument: string, at: number): [string, ...string[]] {
  const words = splitArguments(byteString(argument.slice(2)))?.map(fromByteString)
  if (words === undefined) {
    throw new ConfigError('CONFIG_SYNTAX', `Argument ${at} of the command line: quotes do not balance in '${argument}'`)
  }
  const [name, ...values] = words
  if (name === undefined) {
    throw new ConfigError('CONFIG_SYNTAX', `Argument ${at} of the command line, '${argument}', names no directive`)
  }
  return [name, ...values]
}
