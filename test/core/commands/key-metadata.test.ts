import {
  CommandRegistry,
  databaseCommands,
  dumpCommands,
  expireCommands,
  functionCommands,
  hashCommands,
  keyCommands,
  LibraryStore,
  memoryCommands,
  objectCommands,
  ReplyEncoder,
  scanCommands,
  setCommands,
  sortCommands,
  writeCommandInfo,
} from '@understudy/core/internal'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { startRedisServer } from '../../support/redis-server.ts'
import { readAllReplies, type Reply } from '../../support/resp-reader.ts'
import type { TestServer } from '../../support/test-server.ts'
import { itOfReference as it } from '../../support/reference.ts'

const registry = new CommandRegistry([
  keyCommands,
  scanCommands,
  expireCommands,
  objectCommands,
  dumpCommands,
  databaseCommands(),
  sortCommands,
  hashCommands,
  setCommands,
  functionCommands(new LibraryStore()),
  memoryCommands(() => {
    throw new Error('not asked for')
  }),
])

interface Facts {
  readonly arity: Reply
  readonly keys: readonly Reply[]
  readonly flags: readonly string[]
  readonly categories: readonly string[]
  readonly tips: readonly string[]
  readonly subcommands: Readonly<Record<string, Facts>>
}

/** One element of COMMAND INFO, but for the key specifications; what has no order is sorted. */
function factsOf(info: Reply): Facts {
  const [, arity, flags, first, last, step, categories, tips, , subcommands] = info as Reply[]
  const texts = (list: Reply | undefined): string[] => (list as Reply[]).map(String).toSorted()
  const named = (subcommands as Reply[]).map((one) => [String((one as Reply[])[0]), factsOf(one)] as const)
  return {
    arity: arity!,
    keys: [first!, last!, step!],
    flags: texts(flags),
    categories: texts(categories),
    tips: texts(tips),
    subcommands: Object.fromEntries(named),
  }
}

describe('COMMAND INFO', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startRedisServer()
  })
  afterAll(() => server.stop())

  it.each(registry.entries.map((entry) => [entry.name, entry] as const))(
    'of %s is what a stock server tells',
    async (name, entry) => {
      const [theirs] = (await server.call('COMMAND', 'INFO', name)) as Reply[]
      const reply = new ReplyEncoder()
      writeCommandInfo(reply, entry)
      const [ours] = readAllReplies(reply.pending())
      expect(factsOf(ours!)).toEqual(factsOf(theirs!))
      const subcommands = entry.subcommands?.entries ?? []
      const [docs] = Object.values(docsOf(await server.call('COMMAND', 'DOCS', name)))
      expect([entry.row.since, entry.row.group]).toEqual([docs!['since'], docs!['group']])
      for (const { name: subname, row } of subcommands) {
        const subdocs = docsOf(docs!['subcommands'] as Reply)[subname]!
        expect([subname, row.since, row.group]).toEqual([subname, subdocs['since'], subdocs['group']])
      }
    },
  )
})

/** A flat list of names and flat lists of fields. */
function docsOf(reply: Reply): Record<string, Record<string, Reply>> {
  const pairs = (list: Reply): [string, Reply][] => {
    const flat = list as Reply[]
    return Array.from({ length: flat.length / 2 }, (_, i) => [String(flat[i * 2]), flat[i * 2 + 1]!])
  }
  return Object.fromEntries(pairs(reply).map(([name, fields]) => [name, Object.fromEntries(pairs(fields))]))
}
