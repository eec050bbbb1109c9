/** CLIENT PAUSE and UNPAUSE, beside a redis-server: what they hold back, on a primary and on a replica. */
import { afterEach, expect, it } from 'vitest'
import { untilEqualOffsets } from '../support/compare-datasets.ts'
import { encodeCommand, encodeCommands, type RawClient } from '../support/raw-client.ts'
import type { TestServer } from '../support/test-server.ts'
import { infoIs, linkIs, startNode, startPrimary } from './topology.ts'
import { itOfReference } from '../support/reference.ts'

const NO_DELAY = { 'repl-diskless-sync-delay': 0 }
const seen: unknown[][] = []
afterEach(() => {
  const [stock, ours] = seen.splice(0)
  expect(ours).toEqual(stock)
})

/** Sends a command that will be held back, and waits until it is. */
async function held(server: TestServer, count: number, ...command: string[]): Promise<RawClient> {
  const client = await server.raw()
  client.send(encodeCommand(...command))
  await infoIs(server, 'blocked_clients', String(count))
  return client
}

it('the wider and the longer pause wins, MULTI waits with its first write, and all go on in order', async () => {
  for (const start of [startPrimary, startNode]) {
    const server = await start()
    const answers: unknown[] = []
    const operator = await server.raw()
    const ask = async (...command: string[]): Promise<void> => {
      answers.push(await operator.callExact(...command))
    }
    await ask('CLIENT', 'PAUSE', '60000', 'WRITE')
    await ask('GET', 'k')
    await ask('MULTI')
    await ask('GET', 'k')
    await ask('EXEC')
    const writer = await held(server, 1, 'INCR', 'k')
    const publisher = await held(server, 2, 'PUBLISH', 'channel', 'message')
    // It takes nothing from the time of the first.
    await ask('CLIENT', 'PAUSE', '1', 'WRITE')
    await ask('GET', 'k')
    const transaction = await server.raw()
    answers.push(await transaction.callExact('MULTI'))
    transaction.send(Buffer.concat([encodeCommand('INCR', 'k'), encodeCommand('EXEC')]))
    await infoIs(server, 'blocked_clients', '3')
    await ask('CLIENT', 'UNPAUSE')
    for (const client of [writer, publisher, transaction, transaction]) {
      answers.push((await client.readReplyBytes()).toString())
    }
    await ask('GET', 'k')
    // Inside a transaction that pauses, writes still go through.
    answers.push(await operator.pipeline([['MULTI'], ['CLIENT', 'PAUSE', '100'], ['SET', 'k', 'v'], ['EXEC']]))
    await ask('GET', 'k')
    await ask('CLIENT', 'PAUSE', '0')
    await ask('SET', 'k', 'w')
    await ask('CLIENT', 'PAUSE', '100')
    await ask('CLIENT', 'PAUSE', '100', 'WRITE')
    await ask('SET', 'k', 'x')
    seen.push(answers)
  }
})

itOfReference('any time of 64 bits will do, and nothing else', async () => {
  for (const start of [startPrimary, startNode]) {
    const server = await start()
    const answers: unknown[] = []
    for (const time of [
      '9007199254740993',
      '9000000000000000000',
      '9223372036854775807',
      '9223372036854775808',
      '99999999999999999999999',
      '-1',
      '-9223372036854775808',
      '-9223372036854775809',
      '-0',
      '01',
      '1.5',
      '1e3',
      '+5',
      '',
      ' 5',
    ]) {
      answers.push(`${time}: ${String(await server.call('CLIENT', 'PAUSE', time, 'WRITE').catch(String))}`)
    }
    const writer = await held(server, 1, 'INCR', 'k')
    await server.call('CLIENT', 'UNPAUSE')
    answers.push(await writer.readReply())
    seen.push(answers)
  }
})

it('no key expires meanwhile, and none that is over is seen', async () => {
  for (const start of [startPrimary, startNode]) {
    const server = await start()
    // In one piece: it has not expired when the pause begins, however busy the machine is.
    const operator = await server.raw()
    await operator.pipeline([
      ['SET', 'k', 'v', 'PX', '700'],
      ['CLIENT', 'PAUSE', '60000', 'WRITE'],
    ])
    const answers: unknown[] = []
    await new Promise((resolve) => setTimeout(resolve, 900))
    answers.push(await server.call('GET', 'k'), await server.call('DBSIZE'))
    answers.push((await server.info('stats'))['expired_keys'])
    await server.call('CLIENT', 'UNPAUSE')
    await infoIs(server, 'expired_keys', '1')
    seen.push(answers)
  }
})

it.each([1, 2])('who has gone meanwhile runs nothing, whatever stands behind it (io-threads %d)', async (threads) => {
  for (const start of [startPrimary, startNode]) {
    const server = await start(start === startNode ? { 'io-threads': threads } : {})
    const answers: unknown[] = []
    await server.call('CLIENT', 'PAUSE', '60000', 'WRITE')
    const before = (await server.info('clients'))['connected_clients']
    const ends: ((client: RawClient) => unknown)[] = [
      (client) => client.end(),
      ({ socket }) => socket.resetAndDestroy(),
    ]
    for (const [i, end] of ends.entries()) {
      const short = await held(server, 1, 'INCR', 'k')
      const long = await held(server, 2, 'INCR', 'k')
      long.send(encodeCommands([['ECHO', Buffer.alloc(70_000, 'x')], ...Array.from({ length: 6000 }, () => ['PING'])]))
      for (const client of [short, long]) end(client)
      await infoIs(server, 'blocked_clients', '0')
      await infoIs(server, 'connected_clients', String(before))
      answers.push(`${i}: gone`)
    }
    await server.call('CLIENT', 'UNPAUSE')
    answers.push(await server.call('GET', 'k'))
    seen.push(answers)
  }
})

it("a replica's stream is held with its clients, and its link stays up", { timeout: 60_000 }, async () => {
  for (const start of [startPrimary, startNode]) {
    const primary = await startPrimary(NO_DELAY)
    const replica = await start({ ...NO_DELAY, replicaof: ['127.0.0.1', primary.port] })
    await linkIs(replica, 'up')
    await primary.call('SET', 'k', 'before')
    await untilEqualOffsets(primary, replica)
    await replica.call('CLIENT', 'PAUSE', '60000', 'WRITE')
    await primary.call('SET', 'k', 'after')
    expect(await primary.call('WAIT', 1, 300)).toBe(0)
    const answers: unknown[] = [await replica.call('GET', 'k')]
    answers.push((await replica.info('replication'))['master_link_status'])
    await replica.call('CLIENT', 'UNPAUSE')
    await untilEqualOffsets(primary, replica)
    answers.push(await replica.call('GET', 'k'), (await primary.info('stats'))['sync_full'])
    seen.push(answers)
  }
})

it('who is held back is blocked, and not idle', async () => {
  const answersOf = async (start: typeof startPrimary): Promise<unknown[]> => {
    const server = await start()
    const operator = await server.raw()
    // A subscriber is never idle.
    await operator.call('HELLO', '3')
    operator.send(encodeCommand('SUBSCRIBE', 'channel'))
    await operator.readPush()
    await operator.call('CLIENT', 'PAUSE', '60000', 'WRITE')
    const writer = await server.raw()
    writer.send(encodeCommand('SET', 'k', 'v'))
    await infoIs(server, 'blocked_clients', '1')
    await operator.call('CONFIG', 'SET', 'timeout', '1')
    await new Promise((resolve) => setTimeout(resolve, 3200))
    const lines = String(await operator.call('CLIENT', 'LIST')).split('\n')
    const flags = lines.filter((line) => line.includes('cmd=set ')).map((line) => /flags=\S+/.exec(line)?.[0])
    // Between being let go and being answered, a redis-server takes it for idle.
    await operator.call('CONFIG', 'SET', 'timeout', '0')
    await operator.call('CLIENT', 'UNPAUSE')
    return [flags, await writer.readReply()]
  }
  seen.push(...(await Promise.all([answersOf(startPrimary), answersOf(startNode)])))
})
