/**
 * npx -y pnpm@12 commands [--check]
 *
 * Writes docs/commands.md from the command tables of the built packages; with `--check` it changes nothing and fails when
 * the file is out of date. `npx -y pnpm@12 check` and the tests run it with `--check`.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  CommandRegistry,
  dataCommandFamilies,
  FLAG_NAMES,
  LibraryStore,
  PROPAGATION_RULES,
  propagationOf,
  PROTECTED,
  WRITE,
} from '@understudy/core/internal'
import { loadConfig, parseArguments, ServerLog, streamCommands, UnderstudyServer } from '@understudy/net/internal'
import { fail, ROOT } from './run-tool.mjs'

/** @typedef {import('@understudy/core/internal').CommandEntry<any>} CommandEntry */

const FILE = 'docs/commands.md'
/** Groups in the order of the page; others follow by name. */
const GROUPS = [
  'string',
  'bitmap',
  'hyperloglog',
  'generic',
  'transactions',
  'pubsub',
  'connection',
  'server',
  'scripting',
]
/** Frames of the stream that the link itself handles (core: replication/command-stream.ts). */
const LINK_FRAMES = ['PING', 'SELECT', 'MULTI', 'EXEC', 'REPLCONF GETACK']

const text = page()
if (process.argv.includes('--check')) {
  if (readFileSync(join(ROOT, FILE), 'utf8') !== text) fail(`${FILE} is out of date: run npx -y pnpm@12 commands`)
} else {
  writeFileSync(join(ROOT, FILE), text)
}

function page() {
  const { clients, stream } = registries()
  /** @type {Map<string, CommandEntry[]>} */
  const byGroup = new Map()
  const names = new Map([...stream.entries, ...clients.entries].map((entry) => [entry.name, entry]))
  let commands = 0
  let subcommands = 0
  for (const entry of names.values()) {
    const { group } = entry.row
    const entries = byGroup.get(group) ?? []
    entries.push(entry)
    byGroup.set(group, entries)
    commands++
    subcommands += entry.subcommands?.entries.length ?? 0
  }
  const groups = [...byGroup.keys()].sort((a, b) => rank(a) - rank(b) || compare(a, b))
  const lines = [
    '# Commands',
    '',
    '<!-- Made by scripts/list-commands.mjs from the command tables; change those, then run npx -y pnpm@12 commands. -->',
    '',
    `${commands} commands and ${subcommands} subcommands. _Arity_ counts the name; a negative one is a least number. _Since_ is the version of`,
    'Redis that introduced the command. Then:',
    '',
    '- _stream_: `applied` when the primary sends it. Empty: it changes nothing, so no primary sends it.',
    '- _read_: `yes` when clients may call it on any node (what cannot be done, like saving or clustering, is answered by an error that',
    '  says so); `debug`: only with `enable-debug-command`.',
    '- _write_: `yes` when clients may call it on a primary (`REPLICAOF NO ONE`) and on a replica with `replica-read-only no`; any',
    '  other replica answers `-READONLY`.',
    '- _replicas below_: what this node tells its own replicas of a change: a rule of [the list at the end](#what-replicas-below-get).',
    '',
    `The replication link itself takes ${LINK_FRAMES.slice(0, -1).join(', ')} and ${LINK_FRAMES.at(-1)} out of the stream. Every other command of the`,
    'stream that is not listed here as applied changes nothing here: it is counted by name, logged, and shown in `INFO replication`',
    '(`stream_commands_not_applied`, `not_applied_<name>`).',
  ]
  for (const group of groups) {
    const rows = [['command', 'arity', 'since', 'flags', 'stream', 'read', 'write', 'replicas below']]
    for (const entry of (byGroup.get(group) ?? []).sort((a, b) => compare(a.name, b.name))) {
      rows.push(row(entry, clients, stream))
      for (const subcommand of (entry.subcommands?.entries ?? []).toSorted((a, b) => compare(a.name, b.name))) {
        rows.push(row(subcommand, clients, stream))
      }
    }
    lines.push('', `## ${group}`, '', ...table(rows))
  }
  const rules = Object.entries(PROPAGATION_RULES).map(([rule, text]) => [rule, text.replaceAll('|', '\\|')])
  lines.push('', '## What replicas below get', '', 'For a command that changed something:', '')
  lines.push(...table([['rule', 'on the stream'], ...rules]))
  return `${lines.join('\n')}\n`
}

/** The same lists of families as a running server has, and as its stream applier has. */
function registries() {
  const config = loadConfig(/** @type {any} */ (parseArguments(['--port', '0', '--loglevel', 'warning'])), {
    warn: () => {},
  })
  const server = new UnderstudyServer({
    config,
    logger: new ServerLog({ level: 'warning' }),
    version: '0',
    onShutdown: () => {},
    onPanic: () => {},
  })
  const memory = () => fail('not asked for')
  const families = [
    ...dataCommandFamilies({ libraries: new LibraryStore(), memory }),
    streamCommands(server.server.pubsub),
  ]
  return { clients: server.server.registry, stream: new CommandRegistry(families) }
}

/**
 * @param {CommandEntry} entry
 * @param {CommandRegistry<any>} clients
 * @param {CommandRegistry<any>} stream
 */
function row(entry, clients, stream) {
  const forClients = clients.findFullName(entry.name)
  const onStream = stream.findFullName(entry.name)
  const flags = FLAG_NAMES.filter(([flag]) => (entry.flags & flag) !== 0).map(([, name]) => name)
  const name = entry.name.toUpperCase().replace('|', ' ')
  const facts = [String(entry.arity), entry.row.since, flags.join(' ')]
  // A container alone does nothing.
  if (entry.subcommands !== undefined) return [`**${name}** …`, ...facts, '', '', '', '']
  const propagation = propagationOf(entry)
  const isWrite = (entry.flags & WRITE) !== 0
  return [
    name,
    ...facts,
    onStream !== undefined && propagation !== undefined ? 'applied' : '',
    forClients === undefined || isWrite ? '' : (forClients.flags & PROTECTED) !== 0 ? 'debug' : 'yes',
    forClients !== undefined && isWrite ? 'yes' : '',
    propagation ?? '',
  ]
}

/** @param {string[][]} rows The first is the head. */
function table(rows) {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(3, ...rows.map((cells) => (cells[column] ?? '').length)))
  const line = (/** @type {string[]} */ cells) =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`
  const [head = [], ...body] = rows
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)]
}

/** @param {string} group */
function rank(group) {
  const index = GROUPS.indexOf(group)
  return index < 0 ? GROUPS.length : index
}

/**
 * @param {string} a
 * @param {string} b
 */
function compare(a, b) {
  if (a === b) return 0
  return a < b ? -1 : 1
}
