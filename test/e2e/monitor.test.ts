/** MONITOR: whose commands it shows, and how, beside a redis-server in the same place. */
import { connect as connectTo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { RawClient } from '../support/raw-client.ts'
import { startRedisServer } from '../support/redis-server.ts'
import type { TestServer } from '../support/test-server.ts'
import { startUnderstudy } from '../support/understudy-server.ts'
import { caughtUp, linkIs, NO_PINGS } from './topology.ts'

let primary: TestServer
let theirs: TestServer
let ours: TestServer

beforeAll(async () => {
  primary = await startRedisServer({ directives: { ...NO_PINGS, 'repl-diskless-sync-delay': 0 } })
  const directives = { replicaof: ['127.0.0.1', primary.port], unixsocket: 'clients.sock' }
  ;[theirs, ours] = await Promise.all([startRedisServer({ directives }), startUnderstudy({ directives })])
  await Promise.all([linkIs(theirs, 'up'), linkIs(ours, 'up')])
})

afterAll(async () => {
  await Promise.all([theirs?.stop(), ours?.stop()])
  await primary?.stop()
})

const LAST = 'the-end'

async function monitor(server: TestServer): Promise<RawClient> {
  const client = await RawClient.connect({ port: server.port })
  await client.callExact('MONITOR')
  return client
}

/** Lines without their times, up to the last. */
async function shownBy(client: RawClient): Promise<string[]> {
  const lines: string[] = []
  while (lines.at(-1)?.includes(LAST) !== true) lines.push((await client.readLine()).replace(/^\+\d+\.\d{6} /, ''))
  client.close()
  return lines
}

test('the stream of the primary is shown with its database and address', async () => {
  const monitors = await Promise.all([monitor(theirs), monitor(ours)])
  const writer = await RawClient.connect({ port: primary.port })
  for (const command of [
    'SET a b',
    'SELECT 3',
    'SADD s 1',
    'MULTI',
    'SET x y',
    'INCR n',
    'EXEC',
    'PUBLISH channel message',
    'SELECT 0',
    `SET last ${LAST}`,
  ]) {
    await writer.callExact(...command.split(' '))
  }
  writer.close()
  const [expected, own] = await Promise.all(monitors.map(shownBy))
  expect(own).toEqual(expected)
  expect(own).toContain(`[3 127.0.0.1:${primary.port}] "INCR" "n"\r\n`)
  await caughtUp(primary, ours)
})

test('a client of a Unix socket is shown with its path', async () => {
  const show = async (server: TestServer): Promise<string[]> => {
    const watching = await monitor(server)
    const path = join(server.directory, 'clients.sock')
    const client = connectTo(path)
    client.write(`ECHO ${LAST}\r\n`)
    const lines = await shownBy(watching)
    client.destroy()
    // Redis shows a relative path as it was set.
    return lines.map((line) => line.replace(`${server.directory}/`, ''))
  }
  const [expected, own] = await Promise.all([show(theirs), show(ours)])
  expect(own).toEqual(expected)
  expect(own[0]).toContain('[0 unix:')
})

test.each(['GET a', 'SET a 1', 'KEYS *', 'BLPOP list 0', 'PUBLISH a b', 'NOPE', 'SUBSCRIBE x', 'MULTI', 'DBSIZE'])(
  'a monitor that sends %s gets the answer of a replica that reads a stream',
  async (command) => {
    const ask = async (server: TestServer): Promise<string> => {
      const client = await monitor(server)
      const answer = await client.callExact(...command.split(' '))
      client.close()
      return answer
    }
    expect(await ask(ours)).toBe(await ask(theirs))
  },
)
