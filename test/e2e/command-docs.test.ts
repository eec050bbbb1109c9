/** What redis-cli shows while a command is typed comes from COMMAND DOCS of the server. */
import { parseSyntax, syntaxNames } from '@understudy/core/internal'
import { expect, it } from 'vitest'
import { itOfReference } from '../support/reference.ts'
import type { TestServer } from '../support/test-server.ts'
import { startNode, startPrimary } from './topology.ts'

type Reply = string | number | null | Reply[]

/** Arguments of all commands, by full name. */
function argumentsIn(docs: Reply, found: Map<string, Reply> = new Map()): Map<string, Reply> {
  const flat = docs as Reply[]
  for (let i = 0; i < flat.length; i += 2) {
    const fields = flat[i + 1] as Reply[]
    const field = (name: string): Reply | undefined => {
      const at = fields.findIndex((value, index) => index % 2 === 0 && value === name)
      return at < 0 ? undefined : fields[at + 1]!
    }
    found.set(String(flat[i]), field('arguments') ?? [])
    const subcommands = field('subcommands')
    if (subcommands !== undefined) argumentsIn(subcommands, found)
  }
  return found
}

itOfReference('COMMAND DOCS tells the arguments that redis-server tells', async () => {
  const [redis, node] = [await startPrimary(), await startNode()]
  const docsOf = async (server: TestServer): Promise<Map<string, Reply>> =>
    argumentsIn((await server.call('COMMAND', 'DOCS')) as Reply)
  const [theirs, ours] = [await docsOf(redis), await docsOf(node)]
  const common = [...theirs.keys()].filter((name) => ours.has(name))
  expect(common.length).toBeGreaterThan(300)
  for (const name of common) expect([name, ours.get(name)]).toEqual([name, theirs.get(name)])
  // Those of later releases, too, are of commands that there are.
  for (const name of syntaxNames) expect(ours.get(name), name).not.toEqual([])
})

it.each(['[a', '[NX | XX'])('%j is no syntax', (text) => {
  expect(() => parseSyntax(text)).toThrow(SyntaxError)
})
