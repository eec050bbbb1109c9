/** Passwords in SLOWLOG and MONITOR: a real redis-server and ours show the same. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { RawClient } from '../support/raw-client.ts'
import { startRedisServer } from '../support/redis-server.ts'
import type { TestServer } from '../support/test-server.ts'
import { startUnderstudy } from '../support/understudy-server.ts'

const directives = { 'slowlog-log-slower-than': 0, 'slowlog-max-len': 1000 }

let redis: TestServer
let ours: TestServer

beforeAll(async () => {
  ;[redis, ours] = await Promise.all([startRedisServer({ directives }), startUnderstudy({ directives })])
})

afterAll(async () => {
  await Promise.all([redis?.stop(), ours?.stop()])
})

const COMMANDS: readonly string[][] = [
  ['AUTH', 'secret'],
  ['AUTH', 'default', 'secret'],
  ['AUTH', 'nobody', 'secret'],
  ['HELLO', '3', 'AUTH', 'default', 'secret', 'SETNAME', 'shown'],
  ['HELLO', '3', 'SETNAME', 'AUTH', 'auth', 'nobody', 'secret'],
  ['CONFIG', 'SET', 'masterauth', 'secret', 'maxclients', '100'],
  ['CONFIG', 'SET', 'MasterUser', 'secret', 'maxclients', 'nonsense'],
  ['CONFIG', 'SET', 'no-such-directive', 'shown', 'requirepass', 'secret'],
  ['ACL', 'SETUSER', 'secret', '>secret', 'nonsense'],
  ['MULTI'],
  ['AUTH', 'secret'],
  ['CONFIG', 'SET', 'masterauth', 'secret'],
  ['EXEC'],
  ['CONFIG', 'SET', 'masterauth', '', 'masteruser', ''],
]

async function runAll(port: number): Promise<void> {
  const client = await RawClient.connect({ port })
  for (const words of COMMANDS) await client.callExact(...words)
  client.close()
}

/** Arguments of all entries. */
async function slowLog(port: number): Promise<unknown[]> {
  const client = await RawClient.connect({ port })
  await client.call('SLOWLOG', 'RESET')
  await runAll(port)
  const entries = await client.call('SLOWLOG', 'GET', '-1')
  client.close()
  if (!Array.isArray(entries)) throw new Error('no slow log')
  // I/O threads begin transactions by themselves, which is never slow.
  return entries
    .map((entry) => (Array.isArray(entry) ? entry[3] : undefined))
    .filter((args) => String(args) !== 'MULTI')
}

test('the slow log shows no secret', async () => {
  const [theirs, own] = await Promise.all([slowLog(redis.port), slowLog(ours.port)])
  expect(JSON.stringify(own)).not.toContain('secret')
  expect(own).toEqual(theirs)
})

test('what fails before its password was looked at is not shown either', async () => {
  const client = await RawClient.connect({ port: ours.port })
  await client.callExact('HELLO', '9', 'AUTH', 'default', 'secret')
  await client.callExact('AUTH', 'secret', 'secret', 'secret')
  const entries = JSON.stringify(await client.call('SLOWLOG', 'GET', '2'))
  client.close()
  expect(entries).toContain('(redacted)')
  expect(entries).not.toContain('secret')
})

async function monitored(port: number): Promise<string> {
  const monitor = await RawClient.connect({ port })
  await monitor.callExact('MONITOR')
  await runAll(port)
  const last = await RawClient.connect({ port })
  await last.callExact('PING', 'the-end')
  last.close()
  let shown = ''
  while (!shown.includes('the-end')) shown += (await monitor.readLine()).replace(/^\+\S+ \[\S+ \S+\]/, '')
  monitor.close()
  return shown
}

test('MONITOR shows no secret', async () => {
  const [theirs, own] = await Promise.all([monitored(redis.port), monitored(ours.port)])
  expect(own).not.toContain('secret')
  expect(own).toBe(theirs)
})
