import {
  CommandRegistry,
  dataCommandFamilies,
  findKeys,
  keyFlagsAt,
  LibraryStore,
  ReplyEncoder,
  writeCommandInfo,
} from '@understudy/core/internal'
import { afterAll, beforeAll, expect } from 'vitest'
import { startRedisServer } from '../../support/redis-server.ts'
import { readAllReplies, type Reply } from '../../support/resp-reader.ts'
import type { TestServer } from '../../support/test-server.ts'
import { itOfReference as it } from '../../support/reference.ts'

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

it('COMMAND INFO tells where keys are and what is done to them, as a stock server does', async () => {
  const infos = (await server.call('COMMAND', 'INFO', ...registry.byId.map(({ name }) => name))) as Reply[]
  let compared = 0
  for (const [i, entry] of registry.byId.entries()) {
    if (infos[i] === null) continue
    const reply = new ReplyEncoder()
    writeCommandInfo(reply, entry)
    expect([entry.name, specsOf(readAllReplies(reply.pending())[0]!)]).toEqual([entry.name, specsOf(infos[i]!)])
    compared++
  }
  expect(compared).toBeGreaterThan(180)
})

/** As COMMAND GETKEYSANDFLAGS gives them. */
function keysAndFlags(words: readonly string[]): unknown[] {
  const lengths = words.map((word) => word.length)
  const end = Int32Array.from(lengths, (_, i) => lengths.slice(0, i + 1).reduce((sum, length) => sum + length, 0))
  const start = end.map((at, i) => at - lengths[i]!)
  const args = { bytes: Buffer.from(words.join('')), count: words.length, start, end }
  const entry = registry.resolve(args)!
  const indexes: number[] = []
  expect(findKeys(entry, args, indexes)).toBe(true)
  return indexes.map((index) => [words[index], [...keyFlagsAt(entry, args, index)]])
}

it.each([
  'GET a',
  'SET a b',
  'SET GET GET',
  'SET a b EX 10 get',
  'MSET a 1 b 2',
  'LMOVE a b LEFT LEFT',
  'RPOPLPUSH a b',
  'SMOVE a b m',
  'RENAME a b',
  'RENAMENX a b',
  'COPY a b DB 1',
  'BITOP AND d a b c',
  'SDIFFSTORE d a b',
  'SINTERSTORE d a b',
  'ZUNIONSTORE d 2 a b WEIGHTS 1 2',
  'ZRANGESTORE d a 0 1',
  'GEOSEARCHSTORE d a FROMLONLAT 1 1 BYRADIUS 1 m',
  'GEORADIUS a 1 1 1 m',
  'GEORADIUS a 1 1 1 m STORE b',
  'GEORADIUSBYMEMBER a m 1 m STOREDIST b',
  'SORT a',
  'SORT a BY w_* GET d_* LIMIT 0 1 STORE b',
  'PFMERGE d a b',
  'PFCOUNT a b',
  'BITFIELD a',
  'BITFIELD a OVERFLOW WRAP GET u8 0',
  'BITFIELD a GET u8 0 INCRBY u8 0 1',
  'BLMPOP 0 2 a b LEFT',
  'ZMPOP 1 a MIN',
  'XREAD COUNT 1 STREAMS a b 0 0',
  'XREADGROUP GROUP g c STREAMS a >',
  'OBJECT ENCODING a',
  'MEMORY USAGE a',
  'DEL a b',
])('the keys of %s and what is done to each', async (request) => {
  const words = request.split(' ')
  expect(keysAndFlags(words)).toEqual(await server.call('COMMAND', 'GETKEYSANDFLAGS', ...words))
})
