/** Counts which rows of the command table, and which options of the grammars, the commands of a run have used. */
import type { CommandTable } from '@understudy/core/internal'
import { UNTESTED } from './exceptions.ts'
import type { FuzzCommand } from './generator.ts'
import type { Grammar } from './grammar.ts'

/** What a run must use each row and option, when it is long enough. */
export const USES_MIN = 1000
/** One use for so many commands is asked of a shorter run, less three standard deviations. */
const COMMANDS_PER_USE = 8000
const ERRORS_MIN = 0.2

export class Coverage {
  readonly #uses = new Map<string, number>()
  readonly #tableRows: readonly string[]
  readonly #left: readonly string[]
  commands = 0
  errors = 0

  /** @param isKnown Rows that the reference has, too. */
  constructor(grammars: readonly Grammar[], tableRows: readonly string[], isKnown: (row: string) => boolean) {
    this.#tableRows = tableRows.filter((row) => isKnown(row))
    this.#left = tableRows.filter((row) => !isKnown(row))
    for (const { commands } of grammars) {
      for (const { name, options } of commands) {
        if (!isKnown(name)) continue
        this.#uses.set(name, 0)
        for (const option of options) this.#uses.set(`${name} … ${option}`, 0)
      }
    }
    for (const name of ['MULTI', 'EXEC', 'DISCARD', 'WATCH', 'UNWATCH']) this.#uses.set(name, 0)
  }

  add({ row, options }: FuzzCommand): void {
    this.commands++
    this.#uses.set(row, (this.#uses.get(row) ?? 0) + 1)
    for (const option of new Set(options)) {
      const name = `${row} … ${option}`
      this.#uses.set(name, (this.#uses.get(name) ?? 0) + 1)
    }
  }

  get errorShare(): number {
    return this.errors / Math.max(1, this.commands)
  }

  /** What is wrong with it, in sentences; nothing when all is covered. */
  faults(): string[] {
    const faults: string[] = []
    for (const row of this.#tableRows) {
      if (!this.#uses.has(row) && UNTESTED[row] === undefined) {
        faults.push(
          `the command table has ${row}, and no grammar makes it (test/fuzz/grammars, or UNTESTED in exceptions.ts)`,
        )
      }
    }
    const mean = this.commands / COMMANDS_PER_USE
    const wanted = Math.min(USES_MIN, Math.floor(mean - 3 * Math.sqrt(mean)))
    for (const [name, uses] of this.#uses) {
      if (uses < wanted) faults.push(`${name} was used ${uses} times in ${this.commands} commands, not ${wanted}`)
    }
    if (this.errors < this.commands * ERRORS_MIN) {
      faults.push(`only ${this.errors} of ${this.commands} commands were errors, not ${ERRORS_MIN * 100} %`)
    }
    return faults
  }

  /** Lines for people. */
  report(): string[] {
    const rows = [...this.#uses].filter(([name]) => !name.includes(' … ')).toSorted(([a], [b]) => (a < b ? -1 : 1))
    const lines = rows.map(([row, uses]) => {
      const options = [...this.#uses]
        .filter(([name]) => name.startsWith(`${row} … `))
        .map(([name, count]) => `${name.slice(row.length + 3)} ${count}`)
      return `${row} ${uses}${options.length === 0 ? '' : `: ${options.join(', ')}`}`
    })
    const least = Math.min(...this.#uses.values())
    const share = (this.errorShare * 100).toFixed(1)
    lines.push(
      `${this.commands} commands, ${share} % errors; ${rows.length} rows, ${this.#uses.size - rows.length} options, each at least ${least} times`,
    )
    if (this.#left.length > 0) lines.push(`newer than the reference, left out: ${this.#left.join(', ')}`)
    return lines
  }
}

/** Names of the rows of the table, subcommands behind their containers. */
export function rowsOfTable(families: readonly CommandTable[]): string[] {
  return families.flatMap((family) =>
    Object.entries(family).flatMap(([name, { subcommands }]) =>
      subcommands === undefined ? [name] : Object.keys(subcommands).map((subcommand) => `${name} ${subcommand}`),
    ),
  )
}
