import {
  CommandRegistry,
  dataCommandFamilies,
  LibraryStore,
  ReplyEncoder,
  writeCommandInfo,
} from '@understudy/core/internal'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startRedisServer } from '../../support/redis-server.ts'
import { readAllReplies, type Reply } from '../../support/resp-reader.ts'
import type { TestServer } from '../../support/test-server.ts'

const memory = (): never => {
  throw new Error('not asked for')
}
const registry = new CommandRegistry(dataCommandFamilies({ libraries: new LibraryStore(), memory }))
const KEY_SPECS = 8

let server: TestServer
beforeAll(async () => {
  server = await startRedisServer()
})
afterAll(() => server.stop())

/** The key specifications of one element of COMMAND INFO, but for their remarks. */
function specsOf(info: Reply): unknown[] {
  return ((info as Reply[])[KEY_SPECS] as Reply[]).map((spec) => {
    const fields = spec as Reply[]
    return fields[0] === 'notes' ? fields.slice(2) : fields
  })
}

it.each(registry.entries.filter(({ row }) => row.keySpecs !== undefined).map((entry) => [entry.name, entry] as const))(
  'COMMAND INFO tells where %s has its keys, as a stock server does',
  async (name, entry) => {
    const [theirs] = (await server.call('COMMAND', 'INFO', name)) as Reply[]
    const reply = new ReplyEncoder()
    writeCommandInfo(reply, entry)
    expect(specsOf(readAllReplies(reply.pending())[0]!)).toEqual(specsOf(theirs!))
  },
)

it('every command whose keys are no range says so', async () => {
  const infos = (await server.call('COMMAND', 'INFO', ...registry.entries.map(({ name }) => name))) as Reply[]
  for (const [i, entry] of registry.entries.entries()) {
    if (infos[i] === null) continue
    const reply = new ReplyEncoder()
    writeCommandInfo(reply, entry)
    expect([entry.name, specsOf(readAllReplies(reply.pending())[0]!).length]).toEqual([
      entry.name,
      specsOf(infos[i]!).length,
    ])
  }
})
