/**
 * Lines of redis.conf: text in, words and their places out. What the words mean is `load-config.ts`. Source of the
 * syntax: redis 7.0 config.c loadServerConfigFromString().
 */
import { ConfigError } from '@understudy/core/internal'
import { splitArguments } from './arguments-of-line.ts'
import { fromByteString } from './directive.ts'

/** One directive as it was written, with what an error message needs. Words are byte strings. */
export interface ConfLine {
  /** Name in lower case, then its arguments. Never empty. */
  readonly words: readonly [name: string, ...args: string[]]
  /** For messages: `the configuration file '/etc/redis.conf', at line 7`. */
  readonly place: string
  /** Short form for warnings: `/etc/redis.conf:7`. */
  readonly shortPlace: string
  /** The line as it stands there, printable. */
  readonly text: string
}

/** A mistake in a line, as redis-server words it. What is wrong comes last. */
export function lineError(line: Omit<ConfLine, 'words'>, reason: string, code: ConfigError['code']): ConfigError {
  return new ConfigError(code, `Reading ${line.place}\n>>> '${line.text}'\n${reason}`)
}

/** For messages alone: control characters and what is too long to read are taken out. */
function printable(line: string): string {
  const text = fromByteString(line.length > 300 ? `${line.slice(0, 300)}...` : line)
  // oxlint-disable-next-line no-control-regex
  return text.replace(/[\x00-\x1f\x7f]/g, '?')
}

/**
 * @param text Byte string.
 * @param source Name of the file for messages.
 * @throws ConfigError CONFIG_SYNTAX with file and line when quotes do not balance.
 */
export function parseConfText(text: string, source: string): ConfLine[] {
  const lines: ConfLine[] = []
  for (const [i, raw] of text.split('\n').entries()) {
    const line = raw.replace(/^[ \t\r]+|[ \t\r]+$/g, '')
    if (line === '' || line.startsWith('#')) continue
    const about = {
      place: `the configuration file '${source}', at line ${i + 1}`,
      shortPlace: `${source}:${i + 1}`,
      text: printable(line),
    }
    const words = splitArguments(line)
    if (words === undefined) throw lineError(about, 'Unbalanced quotes in configuration line', 'CONFIG_SYNTAX')
    const [name, ...args] = words
    if (name !== undefined) lines.push({ ...about, words: [name.toLowerCase(), ...args] })
  }
  return lines
}
