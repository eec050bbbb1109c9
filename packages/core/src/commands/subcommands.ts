/** Containers of subcommands (OBJECT, MEMORY, FUNCTION): their row, its dispatch for callers without a table, and HELP. */
import { unknownSubcommand, wrongNumberOfArguments } from '../resp/error-replies.ts'
import { argText } from './arguments.ts'
import type { CommandRow, ReadContext, RowFunction, SubcommandRow } from './command.ts'
import { LOADING, STALE } from './flags.ts'
import { arityFits } from './table.ts'

/** One line of HELP per command, and lines that explain it. */
export type HelpLine = readonly [usage: string, ...explanation: readonly string[]]

type Subcommands = Readonly<Record<string, SubcommandRow & RowFunction>>

/**
 * The row of a container. HELP is added. A command table calls a subcommand's own `run`; whoever calls the container's
 * gets the same with the checks of name and arity.
 */
export function container(
  name: string,
  facts: Pick<CommandRow, 'since' | 'group' | 'summary'>,
  subcommands: Subcommands,
  help: readonly HelpLine[],
  helpSince: string,
): CommandRow {
  const all: Subcommands = {
    ...subcommands,
    HELP: {
      arity: 2,
      flags: LOADING | STALE,
      keys: [0, 0, 0],
      since: helpSince,
      group: facts.group,
      summary: 'Show helpful text about the different subcommands',
      read: (context) => writeHelp(context, name, help),
    },
  }
  return {
    ...facts,
    arity: -2,
    flags: 0,
    keys: [0, 0, 0],
    subcommands: all,
    run(context) {
      const subname = argText(context.args, 1).toUpperCase()
      const row = Object.hasOwn(all, subname) ? all[subname] : undefined
      if (row === undefined) context.reply.error(unknownSubcommand(context.args, name))
      else if (!arityFits(row.arity, context.args.count)) {
        context.reply.error(wrongNumberOfArguments(`${name.toLowerCase()}|${subname.toLowerCase()}`))
      } else (row.run ?? row.read)(context)
    },
  }
}

function writeHelp({ reply }: ReadContext, name: string, help: readonly HelpLine[]): void {
  const lines = [`${name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`]
  for (const [usage, ...explanation] of help) lines.push(usage, ...explanation.map((line) => `    ${line}`))
  lines.push('HELP', '    Prints this help.')
  reply.array(lines.length)
  for (const line of lines) reply.simple(line)
}
