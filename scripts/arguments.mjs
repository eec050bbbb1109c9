/** Arguments of this project's own commands: one table of options says how they are read and what --help prints. */
import { parseArgs } from 'node:util'
import { fail } from './run-tool.mjs'

const INDENT = '  '
const HELP = 'help'

/**
 * @typedef {object} Option
 * @property {string} about One line.
 * @property {string} [value] What has to follow it, as in N or SECONDS; without, it is a switch.
 */

/**
 * @typedef {object} Command
 * @property {string} name As pnpm knows it.
 * @property {string} about One sentence.
 * @property {string} [takes] What may stand beside options, as in [name].
 * @property {string} [lists] Title of `names`.
 * @property {() => Readonly<Record<string, string>>} [names] What may be named, each with a line.
 * @property {Readonly<Record<string, Option>>} options
 */

export class Arguments {
  /** What stands beside options. @type {readonly string[]} */
  positionals
  /** @type {Readonly<Record<string, string | boolean | undefined>>} */
  #values

  /**
   * Ends the process for --help, with code 0, and for what the command does not know, with a line and code 1.
   *
   * @param {Command} command
   * @param {readonly string[]} [given]
   */
  constructor(command, given = process.argv.slice(2)) {
    // pnpm passes on the -- that it is given.
    const args = given.filter((arg) => arg !== '--')
    printHelpIfAsked(command, args)
    const options = Object.fromEntries(
      Object.entries(command.options).map(([name, { value }]) => [
        name,
        { type: value === undefined ? /** @type {const} */ ('boolean') : /** @type {const} */ ('string') },
      ]),
    )
    try {
      const { values, positionals } = parseArgs({ args, allowPositionals: command.takes !== undefined, options })
      this.#values = values
      this.positionals = positionals
    } catch (error) {
      fail(error instanceof Error ? error.message : String(error))
    }
  }

  /**
   * Was this switch given?
   *
   * @param {string} option
   */
  has(option) {
    return this.#values[option] === true
  }

  /**
   * @param {string} option
   * @returns {string | undefined}
   */
  text(option) {
    const value = this.#values[option]
    return typeof value === 'string' ? value : undefined
  }

  /**
   * Ends the process when it is none.
   *
   * @param {string} option
   * @param {object} [wanted]
   * @param {number} [wanted.least]
   * @param {boolean} [wanted.whole]
   */
  number(option, { least = 0, whole = false } = {}) {
    const text = this.text(option)
    if (text === undefined) return undefined
    const value = Number(text)
    if (text.trim() !== '' && value >= least && (!whole || Number.isSafeInteger(value))) return value
    return fail(`--${option} wants a ${whole ? 'whole ' : ''}number of at least ${least}, not '${text}'`)
  }
}

/**
 * For commands that pass arguments on, too. Ends the process with code 0 when help was asked for.
 *
 * @param {Command} command
 * @param {readonly string[]} args
 */
export function printHelpIfAsked(command, args) {
  if (!args.includes(`--${HELP}`) && !args.includes('-h')) return
  console.log(usage(command))
  process.exit(0)
}

/** @param {Command} command */
export function usage({ name, about, takes, lists, names, options }) {
  const lines = [`npx -y pnpm@12 ${name}${takes === undefined ? '' : ` ${takes}`} [options]`, '', about]
  if (names !== undefined) lines.push('', `${lists}:`, ...rows(Object.entries(names())))
  const described = Object.entries(options).map(
    ([option, { value, about: line }]) =>
      /** @type {const} */ ([value === undefined ? `--${option}` : `--${option} ${value}`, line]),
  )
  return [...lines, '', 'Options:', ...rows([...described, [`--${HELP}`, 'this text']])].join('\n')
}

/** @param {readonly (readonly [string, string])[]} pairs */
function rows(pairs) {
  const width = Math.max(...pairs.map(([left]) => left.length))
  return pairs.map(([left, right]) => `${INDENT}${left.padEnd(width)}${INDENT}${right}`)
}
