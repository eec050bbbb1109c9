/** Short ways to write the rows of this folder's tables, and the HELP that follows from them. */
import type { CommandMetadata, KeyPositions, PropagationRule, SubcommandRow } from '@understudy/core/internal'
import { LOADING, STALE } from '@understudy/core/internal'
import type { ClientSession } from '../clients/session.ts'

export const NO_KEYS: KeyPositions = [0, 0, 0]

export type Row = SubcommandRow<ClientSession> & { readonly run: (client: ClientSession) => void }

/** A command or subcommand without keys. */
export function row(
  arity: number,
  flags: number,
  since: string,
  group: string,
  summary: string,
  run: (client: ClientSession) => void,
  more: CommandMetadata & { readonly keys?: KeyPositions; readonly propagate?: PropagationRule } = {},
): Row {
  return { arity, flags, keys: NO_KEYS, since, group, summary, run, ...more }
}

/** A container: adds HELP to its subcommands. `run` answers what no subcommand does, which the table prevents. */
export function container(
  name: string,
  since: string,
  group: string,
  summary: string,
  subcommands: Readonly<Record<string, Row>>,
): Row & { readonly subcommands: Readonly<Record<string, Row>> } {
  const help = row(2, LOADING | STALE, since, group, `Lists the subcommands of ${name}.`, (client) => {
    writeHelp(client, name, all)
  })
  const all: Record<string, Row> = { ...subcommands, HELP: help }
  const run = (client: ClientSession): void => writeHelp(client, name, all)
  return { ...row(-2, 0, since, group, summary, run), subcommands: all }
}

function writeHelp(client: ClientSession, name: string, subcommands: Readonly<Record<string, Row>>): void {
  const { reply } = client
  const lines = [`${name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`]
  for (const [subcommand, { usage, summary }] of Object.entries(subcommands)) {
    lines.push(usage === undefined ? subcommand : `${subcommand} ${usage}`, `    ${summary}`)
  }
  reply.array(lines.length)
  for (const line of lines) reply.simple(line)
}
