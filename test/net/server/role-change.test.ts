/** What a change of role does to clients that wait, beside a redis-server: an error that says so, and the end. */
import { afterEach, expect, it } from 'vitest'
import { freePort } from '../../support/free-port.ts'
import { startRedisServer } from '../../support/redis-server.ts'
import type { TestServer } from '../../support/test-server.ts'
import { startUnderstudy } from '../../support/understudy-server.ts'
import { waitForValue } from '../../support/wait-for.ts'

const servers: TestServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop()
})

it('REPLICAOF ends waits with -UNBLOCKED and closes; REPLICAOF NO ONE does not', async () => {
  const answers: unknown[] = []
  const port = await freePort()
  for (const server of await Promise.all([startRedisServer(), startUnderstudy()])) {
    servers.push(server)
    const waiter = await server.raw()
    waiter.send('WAIT 1 0\r\n')
    await waitForValue('blocked clients', async () => (await server.info('clients'))['blocked_clients'], '1')
    expect(await server.call('REPLICAOF', '127.0.0.1', port)).toBe('OK')
    const first = (await waiter.readToEnd()).toString()
    expect((await server.info('clients'))['blocked_clients']).toBe('0')
    await server.call('REPLICAOF', 'NO', 'ONE')
    const second = await server.raw()
    second.send('WAIT 1 50\r\n')
    await waitForValue('blocked clients', async () => (await server.info('clients'))['blocked_clients'], '1')
    await server.call('REPLICAOF', 'NO', 'ONE')
    answers.push([first, await second.readReply()])
  }
  expect(answers[1]).toEqual(answers[0])
})
