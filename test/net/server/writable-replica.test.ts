/** A replica with `replica-read-only no`, beside a redis-server: what its own clients give a time to live it deletes by itself. */
import { afterEach, expect, it } from 'vitest'
import { startRedisServer } from '../../support/redis-server.ts'
import type { TestServer } from '../../support/test-server.ts'
import { startUnderstudy } from '../../support/understudy-server.ts'
import { waitForValue } from '../../support/wait-for.ts'

const servers: TestServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop()
})

const WRITES = [
  ['SELECT', 5],
  ['SET', 'own', 1, 'PX', 200],
  ['MULTI'],
  ['HSET', 'own:hash', 'f', 'v'],
  ['PEXPIRE', 'own:hash', 200],
  ['EXEC'],
  ['SET', 'moved', 1, 'PX', 200],
  ['MOVE', 'moved', 6],
  ['SET', 'stays', 1, 'PX', 200],
  ['PERSIST', 'stays'],
]

it('keys with a time to live that clients wrote', { timeout: 60_000 }, async () => {
  for (const start of [startRedisServer, startUnderstudy]) {
    const primary = await startRedisServer()
    const directives = { replicaof: ['127.0.0.1', primary.port], 'replica-read-only': 'no' }
    const replica = await start({ directives })
    servers.push(replica, primary)
    await primary.call('SET', 'primary', 1, 'EX', 3600)
    await waitForValue('the write', () => replica.call('GET', 'primary'), '1', { timeoutMs: 20_000 })
    const client = await replica.raw()
    await client.pipeline(WRITES)
    const keys = async (): Promise<unknown> =>
      (await client.pipeline([['DBSIZE'], ['SELECT', 6], ['DBSIZE'], ['SELECT', 5]])).join()
    await waitForValue('what is left', keys, '1,OK,0,OK', { timeoutMs: 20_000 })
    expect(await client.call('EXISTS', 'stays')).toBe(1)
    expect(await replica.call('EXISTS', 'primary')).toBe(1)
    expect((await replica.info('stats'))['expired_keys']).toBe('3')
  }
})
