/** EXEC as one unit of the keyspace, and what is told to whoever passes writes on to replicas. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type CommandTable, dataCommandFamilies, Keyspace, LibraryStore, READONLY } from '@understudy/core/internal'
import { clientCommandFamilies } from '@understudy/net/internal'
import { RawClient } from '../../support/raw-client.ts'
import { ToldWrites } from '../../support/told-writes.ts'
import { startToyServer, type ToyServer } from '../../support/toy-server.ts'

let toy: ToyServer
let client: RawClient
let writes: ToldWrites
let units: boolean[]

/** PROBE tells whether it runs inside a unit. */
const probe: CommandTable = {
  PROBE: {
    arity: 1,
    flags: READONLY,
    keys: [0, 0, 0],
    since: '1.0.0',
    group: 'generic',
    summary: 'Tells of the unit.',
    run: ({ keyspace, reply }) => {
      units.push(keyspace.counters.isOpen)
      reply.ok()
    },
  },
}

beforeEach(async () => {
  writes = new ToldWrites()
  units = []
  const memory = (): never => {
    throw new Error('not asked')
  }
  const data = dataCommandFamilies({ libraries: new LibraryStore(), memory })
  const families = [...clientCommandFamilies(), ...data, probe]
  toy = await startToyServer({}, { families, keyspace: new Keyspace({ databaseCount: 16 }), ports: { writes } })
  client = await RawClient.connect({ port: toy.port })
})

afterEach(async () => {
  client.close()
  await toy.server.close()
})

it('all commands of EXEC run in one unit, opened and closed once', async () => {
  const { counters } = toy.server.keyspace
  let begun = 0
  const begin = counters.begin.bind(counters)
  counters.begin = () => {
    begun++
    begin()
  }
  await client.pipeline([['MULTI'], ['SET', 'a', '1'], ['PROBE'], ['INCR', 'x'], ['NOPE'], ['DISCARD'], ['PROBE']])
  expect(units).toEqual([false])
  expect(begun).toBe(0)
  await client.pipeline([['MULTI'], ['SET', 'a', '1'], ['PROBE'], ['INCR', 'a'], ['LPUSH', 'a'], ['DISCARD']])
  await client.pipeline([
    ['MULTI'],
    ['SET', 'a', 'x'],
    ['PROBE'],
    ['INCR', 'a'],
    ['SET', 'b', '1'],
    ['PROBE'],
    ['EXEC'],
  ])
  expect(units).toEqual([false, true, true])
  expect(begun).toBe(1)
  expect(counters.isOpen).toBe(false)
})

it('writes are told in order, those of a transaction as a group; reads and failures are not', async () => {
  await client.pipeline([
    ['SET', 'a', 'x'],
    ['GET', 'a'],
    ['INCR', 'a'],
    ['MULTI'],
    ['SELECT', '2'],
    ['SET', 'b', '1'],
    ['INCR', 'b'],
    ['GET', 'b'],
    ['RENAME', 'none', 'c'],
    ['EXEC'],
    ['DEL', 'b'],
    ['MULTI'],
    ['SET', 'c', '1'],
    ['DISCARD'],
  ])
  expect(writes.lines).toEqual(['SELECT 0', 'SET a x', 'MULTI', 'SELECT 2', 'SET b 1', 'INCR b', 'EXEC', 'DEL b'])
})
