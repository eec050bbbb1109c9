import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { PROPAGATION_RULES } from '@understudy/core/internal'
import { expect, it } from 'vitest'
import { CORE_READS, LATER_READS, LATER_WRITES, LEFT_OUT_WRITES, TOLD_AS } from '../support/core-commands.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { itOfReference } from '../support/reference.ts'

const run = promisify(execFile)
const SCRIPT = fileURLToPath(new URL('../../scripts/list-commands.mjs', import.meta.url))
const PAGE = fileURLToPath(new URL('../../docs/commands.md', import.meta.url))

interface Listed {
  readonly stream: string
  readonly read: string
  readonly write: string
  readonly replicasBelow: string
}

/** The rows of the page, by full name. */
function listed(): Map<string, Listed> {
  const rows = new Map<string, Listed>()
  for (const line of readFileSync(PAGE, 'utf8').split('\n')) {
    const cells = line.split('|').map((cell) => cell.trim())
    if (cells.length !== 10 || cells[1] === 'command' || cells[1]!.startsWith('-')) continue
    const [, name, , , , stream, read, write, replicasBelow] = cells
    rows.set(name!.replace(' ', '|'), {
      stream: stream!,
      read: read!,
      write: write!,
      replicasBelow: replicasBelow!,
    })
  }
  return rows
}

it('docs/commands.md lists the commands as the tables have them', async () => {
  // The error carries the one line that says what to run.
  const { stdout, stderr } = await run(process.execPath, [SCRIPT, '--check'])
  expect({ stdout, stderr }).toEqual({ stdout: '', stderr: '' })
})

it('clients can call every core read of Redis 7.2 on any node', () => {
  const page = listed()
  const missing = [...CORE_READS, ...LATER_READS].filter((name) => page.get(name)?.read !== 'yes')
  expect(missing).toEqual([])
})

it('every core write of Redis 7.2 is applied from the stream and executed for clients', () => {
  const page = listed()
  const isMessage = (name: string): boolean => name.endsWith('PUBLISH')
  for (const name of [...TOLD_AS.keys(), ...LATER_WRITES]) {
    const { stream, read, write } = page.get(name) ?? {}
    const wanted =
      CORE_READS.includes(name) || isMessage(name) ? { read: 'yes', write: '' } : { read: '', write: 'yes' }
    expect({ name, stream, read, write }).toEqual({ name, stream: 'applied', ...wanted })
  }
})

it('says of every core write what replicas below get', () => {
  const page = listed()
  for (const [name, told] of TOLD_AS) {
    const rule = page.get(name)?.replicasBelow as keyof typeof PROPAGATION_RULES
    const text = PROPAGATION_RULES[rule].replace('itself', `\`${name}\``)
    for (const one of told) expect(text, `${name}: ${rule}`).toMatch(new RegExp(`[\`]${one.replace('|', '\\|')}\\b`))
    if (told.length === 1 && told[0] === name) expect(text, name).toMatch(new RegExp(`^\`${name.replace('|', '\\|')}`))
  }
})

itOfReference('has every write that a stock server has, but for those left out', async () => {
  const server = await startRedisServer()
  try {
    const writes = (await server.call('COMMAND', 'LIST', 'FILTERBY', 'ACLCAT', 'write')) as readonly unknown[]
    const missing = writes.map((name) => String(name).toUpperCase()).filter((name) => !TOLD_AS.has(name))
    expect(new Set(missing)).toEqual(LEFT_OUT_WRITES)
    const reads = (await server.call('COMMAND', 'LIST', 'FILTERBY', 'ACLCAT', 'read')) as readonly unknown[]
    const page = listed()
    expect(reads.map((name) => String(name).toUpperCase()).filter((name) => page.get(name)?.read !== 'yes')).toEqual([])
  } finally {
    await server.stop()
  }
})
