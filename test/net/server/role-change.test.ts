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
    await waitForValue('blocked clients', async () => (await server.info('clients'))['blocked_clients'], '0')
    await server.call('REPLICAOF', 'NO', 'ONE')
    const second = await server.raw()
    const id = Number(await second.call('CLIENT', 'ID'))
    second.send('WAIT 1 0\r\n')
    await waitForValue('blocked clients', async () => (await server.info('clients'))['blocked_clients'], '1')
    await server.call('REPLICAOF', 'NO', 'ONE')
    const unblocked = await server.call('CLIENT', 'UNBLOCK', id)
    answers.push([first, unblocked, await second.readReply()])
  }
  expect(answers[1]).toEqual(answers[0])
  expect(answers[1]).toEqual([expect.stringMatching(/^-UNBLOCKED /), 1, 0])
})

it(
  'REPLICAOF in a transaction: the role changes, and what follows it is written and told',
  { timeout: 60_000 },
  async () => {
    for (const start of [startRedisServer, startUnderstudy]) {
      const primary = await startRedisServer()
      const directives = {
        replicaof: ['127.0.0.1', primary.port],
        'replica-read-only': 'no',
        'repl-diskless-sync-delay': 0,
      }
      const node = await start({ directives })
      const below = await startRedisServer({ directives: { replicaof: ['127.0.0.1', node.port] } })
      servers.push(below, node, primary)
      const key = async (): Promise<unknown> => await below.call('GET', 'k')
      await primary.call('SET', 'k', 'before')
      await waitForValue('the write', key, 'before', { timeoutMs: 20_000 })
      const client = await node.raw()
      const order = [['MULTI'], ['REPLICAOF', 'NO', 'ONE'], ['SET', 'k', 'behind'], ['EXEC']]
      expect((await client.pipeline(order)).at(-1)).toEqual(['OK', 'OK'])
      await waitForValue('the write', key, 'behind', { timeoutMs: 20_000 })
      // As Sentinel does it; there is no file to rewrite.
      const sentinels = [
        ['MULTI'],
        ['REPLICAOF', '127.0.0.1', primary.port],
        ['CONFIG', 'REWRITE'],
        ['CLIENT', 'KILL', 'TYPE', 'normal'],
        ['CLIENT', 'KILL', 'TYPE', 'pubsub'],
        ['EXEC'],
      ]
      const replies = (await client.pipeline(sentinels)).at(-1) as unknown[]
      expect(replies.map((reply) => (typeof reply === 'number' ? 'a number' : String(reply)))).toEqual([
        'OK',
        expect.stringContaining('The server is running without a config file'),
        'a number',
        'a number',
      ])
      expect((await node.info('replication'))['role']).toBe('slave')
    }
  },
)
