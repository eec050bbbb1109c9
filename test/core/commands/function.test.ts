import { functionCommands, LibraryStore } from '@understudy/core/internal'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'
import type { Argument, RawClient } from '../../support/raw-client.ts'
import { startRedisServer } from '../../support/redis-server.ts'
import { readAllReplies, type Reply } from '../../support/resp-reader.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import type { TestServer } from '../../support/test-server.ts'
import { itOfReference } from '../../support/reference.ts'

const SIMPLE = `#!lua name=simple
redis.register_function('one', function(keys, args) return 1 end)
redis.register_function("two", function(keys, args) return 2 end)
`
const TABLES = `#!lua name=tables
-- redis.register_function('not_this', f)
local function three() return 3 end
redis.register_function{function_name='three', callback=three, flags={ 'no-writes' }, description='gives \\'three'}
redis.register_function({
  description = "four is four",
  callback = function(keys, args) return { 4 } end,
  function_name = "four",
})
--[[ redis.register_function('nor_this', f) ]]
`

describe('FUNCTION', () => {
  let server: TestServer
  let client: RawClient
  let runner: CommandRunner
  let store: LibraryStore
  beforeAll(async () => {
    server = await startRedisServer()
    client = await server.raw()
  })
  afterAll(() => server.stop())
  beforeEach(async () => {
    await client.call('HELLO', 2)
    await client.call('FUNCTION', 'FLUSH')
    store = new LibraryStore()
    runner = new CommandRunner([functionCommands(store)])
  })

  async function same(...command: Argument[]): Promise<string> {
    const theirs = await client.callExact(...command)
    expect(runner.text(...command), command.map(String).join(' ').slice(0, 100)).toBe(theirs)
    return theirs
  }

  it('counts what it changed, as a stock server does', async () => {
    const theirs = async (): Promise<number> => {
      const info = String(await client.call('INFO', 'persistence'))
      return Number(/rdb_changes_since_last_save:(\d+)/.exec(info)?.[1])
    }
    const payload = async (): Promise<Buffer> => (await client.callBinary('FUNCTION', 'DUMP')) as Buffer
    const steps: (() => Promise<Argument[]>)[] = [
      async () => ['LOAD', SIMPLE],
      async () => ['LOAD', SIMPLE],
      async () => ['LOAD', 'REPLACE', SIMPLE],
      async () => ['RESTORE', await payload(), 'REPLACE'],
      async () => ['RESTORE', await payload()],
      async () => ['RESTORE', 'nothing'],
      async () => ['DELETE', 'simple'],
      async () => ['DELETE', 'simple'],
      async () => ['FLUSH'],
      async () => ['FLUSH', 'NOW'],
      async () => ['LIST'],
    ]
    const before = { theirs: await theirs(), ours: runner.keyspace.dirty }
    for (const step of steps) {
      const command = ['FUNCTION', ...(await step())]
      await same(...command)
      expect(runner.keyspace.dirty - before.ours, command.join(' ').slice(0, 40)).toBe((await theirs()) - before.theirs)
    }
  })

  it.each([2, 3] as const)(
    'keeps, lists, replaces and deletes libraries as a stock server does (RESP%i)',
    async (resp) => {
      await client.call('HELLO', resp)
      runner.resp = resp
      for (const library of [SIMPLE, TABLES]) {
        await same('FUNCTION', 'LOAD', library)
        await same('FUNCTION', 'LOAD', library)
        await same('function', 'load', 'replace', library)
        await same('FUNCTION', 'STATS')
        // One library at a time: the order of a hash table is nobody's promise.
        const name = library === SIMPLE ? 'simple' : 'tables'
        expect(functionNames(await client.callExact('FUNCTION', 'LIST', 'LIBRARYNAME', name))).toEqual(
          functionNames(runner.text('FUNCTION', 'LIST', 'LIBRARYNAME', name)),
        )
      }
      await same('FUNCTION', 'LIST', 'LIBRARYNAME', 'nothing*')
      await same('FUNCTION', 'DELETE', 'simple')
      await same('FUNCTION', 'DELETE', 'simple')
      await same('FUNCTION', 'STATS')
      await same('FUNCTION', 'FLUSH', 'ASYNC')
      await same('FUNCTION', 'LIST')
      await same('FUNCTION', 'STATS')
    },
  )

  itOfReference('answers mistakes as a stock server does', async () => {
    await same('FUNCTION', 'LOAD', SIMPLE)
    for (const code of [
      'return 1',
      '#!lua name=x',
      '#!\n',
      '#!lua\nx',
      '#!lua nam=x\nx',
      '#!lua name=x name=y\nx',
      '#!lua name=bad-name\nx',
      '#!lua name=\nx',
      '#!lua name="open\nx',
      '#!js name=x\nx',
      '#!js name=bad-name\nx',
    ]) {
      await same('FUNCTION', 'LOAD', code)
    }
    for (const args of [
      ['LOAD', 'foo', SIMPLE],
      ['LOAD', 'REPLACE', 'foo', SIMPLE],
      ['LOAD'],
      ['LIST', 'foo'],
      ['LIST', 'WITHCODE', 'WITHCODE'],
      ['LIST', 'LIBRARYNAME'],
      ['LIST', 'LIBRARYNAME', 'a', 'LIBRARYNAME', 'b'],
      ['FLUSH', 'foo'],
      ['FLUSH', 'SYNC', 'SYNC'],
      ['RESTORE', 'x'],
      ['RESTORE', 'x', 'foo'],
      ['RESTORE', 'x', 'FLUSH', 'FLUSH'],
      ['DELETE', 'nothing'],
      ['DELETE'],
      ['DUMP', 'x'],
      ['KILL'],
      ['HELP'],
      ['nope'],
    ]) {
      await same('FUNCTION', ...args)
    }
  })

  it('shows the code of a library, every byte of it', async () => {
    const library = Buffer.concat([Buffer.from(SIMPLE), Buffer.from('-- \xff\x00\xe9\r\n', 'latin1')])
    await same('FUNCTION', 'LOAD', library)
    const [[shown]] = readAllReplies(runner.run('FUNCTION', 'LIST', 'WITHCODE'), true) as [[Buffer[]]]
    expect(shown.at(-1)).toEqual(library)
  })

  it('exchanges dumps with a stock server, by each policy', async () => {
    await client.call('FUNCTION', 'LOAD', SIMPLE)
    await client.call('FUNCTION', 'LOAD', TABLES)
    const theirs = (await client.callBinary('FUNCTION', 'DUMP')) as Buffer
    expect(runner.text('FUNCTION', 'RESTORE', theirs)).toBe('+OK\r\n')
    expect([...store.libraries].map(({ name }) => name).toSorted()).toEqual(['simple', 'tables'])
    const [ours] = readAllReplies(runner.run('FUNCTION', 'DUMP'), true) as [Buffer]
    await client.call('FUNCTION', 'FLUSH')
    await client.call('FUNCTION', 'RESTORE', ours)
    expect(await client.call('FCALL', 'one', 0)).toBe(1)
    expect(await client.call('FCALL', 'four', 0)).toEqual([4])
    expect(await client.callExact('FUNCTION', 'STATS')).toBe(runner.text('FUNCTION', 'STATS'))
    // Whichever library stands first is in the way.
    expect(runner.text('FUNCTION', 'RESTORE', theirs)).toMatch(/^-ERR Library (simple|tables) already exists\r\n$/)
    expect(await client.callExact('FUNCTION', 'RESTORE', ours)).toMatch(
      /^-ERR Library (simple|tables) already exists\r\n$/,
    )
    for (const policy of ['REPLACE', 'flush', 'REPLACE']) await same('FUNCTION', 'RESTORE', ours, policy)
    await same('FUNCTION', 'STATS')
  })

  it('refuses every damaged dump and keeps what it has', async () => {
    runner.run('FUNCTION', 'LOAD', TABLES)
    const [whole] = readAllReplies(runner.run('FUNCTION', 'DUMP'), true) as [Buffer]
    const random = new SeededRandom(4)
    for (let i = 0; i < 300; i++) {
      const damaged = Buffer.from(whole)
      const cut = random.chance(0.3) ? random.int(0, whole.length - 1) : whole.length
      damaged[random.int(0, whole.length - 1)]! ^= 1 << random.int(0, 7)
      const payload = damaged.subarray(0, cut)
      expect(runner.text('FUNCTION', 'RESTORE', payload, 'FLUSH')).toBe(
        '-ERR DUMP payload version or checksum are wrong\r\n',
      )
    }
    expect(store.libraryCount).toBe(1)
  })

  it('takes the libraries of a snapshot in place of all, leaving out what is none', () => {
    store.load(Buffer.from(SIMPLE), false)
    expect(store.adopt([Buffer.from(TABLES), Buffer.from('return 1')])).toEqual({ refused: 1 })
    expect([...store.libraries].map(({ name }) => name)).toEqual(['tables'])
    expect(store.codeBytes).toBe(TABLES.length)
  })
})

/** Names, descriptions and flags of the functions of the only library in a FUNCTION LIST, by name. */
function functionNames(text: string): string[] {
  const [libraries] = readAllReplies(Buffer.from(text, 'latin1')) as [Reply[]]
  expect(libraries).toHaveLength(1)
  const [, , , , , functions] = fieldsOf(libraries[0]!)
  return (functions as Reply[])
    .map((one) => JSON.stringify(fieldsOf(one).map((x) => (x instanceof Set ? [...x] : x))))
    .toSorted()
}

/** A map as a flat list, as RESP2 has it. */
function fieldsOf(reply: Reply): Reply[] {
  return reply instanceof Map ? [...reply].flat() : (reply as Reply[])
}
