import { afterAll, beforeAll, expect, it } from 'vitest'
import { encodeCommand } from '../../support/raw-client.ts'
import type { TestServer } from '../../support/test-server.ts'
import { startUnderstudy } from '../../support/understudy-server.ts'
import { waitForValue } from '../../support/wait-for.ts'

let server: TestServer

beforeAll(async () => {
  // One thread: with several, who goes first is not decided by turns. And the clock is read behind every command.
  server = await startUnderstudy({ directives: { 'io-threads': 1, 'slowlog-log-slower-than': 0 } })
})

afterAll(() => server?.stop())

/** The order in which two connections wrote: one that waited for the other's first command, and that other. */
async function order(): Promise<unknown> {
  const [waiting, other] = [await server.raw(), await server.raw()]
  try {
    await server.call('FLUSHALL')
    waiting.send(Buffer.concat([encodeCommand('BLPOP', 'k', '0'), encodeCommand('APPEND', 'log', 'w')]))
    await waitForValue('blocked clients', async () => (await server.info('clients'))['blocked_clients'], '1')
    other.send(Buffer.concat([encodeCommand('RPUSH', 'k', 'e'), encodeCommand('APPEND', 'log', 'o')]))
    await waitForValue('both have written', () => server.call('STRLEN', 'log'), 2)
    return await server.call('GET', 'log')
  } finally {
    waiting.close()
    other.close()
  }
}

it('with long turns a connection runs all that it sent before those it let go on, as in redis', async () => {
  expect(await server.call('DEBUG', 'TURN-MS', '60000')).toBe('OK')
  expect(await order()).toBe('ow')
})

it('without a turn to speak of the others go first', async () => {
  expect(await server.call('DEBUG', 'TURN-MS', '0.000001')).toBe('OK')
  expect(await order()).toBe('wo')
})

it('refuses what is no time', async () => {
  for (const text of ['-1', 'x', '', '1e3']) {
    await expect(server.call('DEBUG', 'TURN-MS', text)).rejects.toThrow(
      'ERR unknown subcommand or wrong number of arguments',
    )
  }
  await expect(server.call('DEBUG', 'TURN-MS')).rejects.toThrow('ERR unknown subcommand or wrong number of arguments')
})
