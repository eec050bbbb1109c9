/** SHUTDOWN of a primary whose replica lags, beside a redis-server: it waits, holds writes back, can be aborted, and ends in time. */
import { expect, it } from 'vitest'
import { untilEqualOffsets } from '../support/compare-datasets.ts'
import { encodeCommand, type RawClient } from '../support/raw-client.ts'
import type { Directives, TestServer } from '../support/test-server.ts'
import { waitFor } from '../support/wait-for.ts'
import { infoIs, linkIs, startNode, startPrimary } from './topology.ts'

const PATIENT: Directives = { 'repl-diskless-sync-delay': 0, 'shutdown-timeout': 60 }

async function startPair(start: typeof startNode): Promise<{ primary: TestServer; replica: TestServer }> {
  const primary = await start(PATIENT)
  const replica = await startPrimary({ replicaof: ['127.0.0.1', primary.port] })
  await linkIs(replica, 'up')
  await primary.call('SET', 'k', 'v')
  await untilEqualOffsets(primary, replica)
  replica.pause()
  await primary.call('SET', 'k', 'unheard')
  return { primary, replica }
}

async function sends(server: TestServer, ...command: string[]): Promise<RawClient> {
  const client = await server.raw({ timeoutMs: 30_000 })
  client.send(encodeCommand(...command))
  return client
}

it(
  'waits for a replica that lags; ABORT, and what is said meanwhile, as by a redis-server',
  { timeout: 60_000 },
  async () => {
    const seen: unknown[][] = []
    for (const start of [startPrimary, startNode]) {
      const { primary, replica } = await startPair(start)
      const answers: unknown[] = []
      const ask = async (...command: string[]): Promise<void> => {
        const client = await primary.raw()
        answers.push(await client.callExact(...command))
      }
      await ask('SHUTDOWN', 'ABORT')
      await ask('SHUTDOWN', 'ABORT', 'NOSAVE')
      await ask('SHUTDOWN', 'SAVE', 'NOSAVE')
      const first = await sends(primary, 'SHUTDOWN', 'NOSAVE')
      await infoIs(primary, 'blocked_clients', '1')
      const second = await sends(primary, 'SHUTDOWN', 'NOSAVE', 'NOW')
      const writer = await sends(primary, 'INCR', 'counter')
      await infoIs(primary, 'blocked_clients', '3')
      await ask('GET', 'k')
      answers.push(Number((await primary.info('server'))['shutdown_in_milliseconds']) > 0)
      await ask('SHUTDOWN', 'ABORT')
      for (const client of [first, second, writer]) answers.push((await client.readReplyBytes()).toString())
      answers.push((await primary.info('server'))['shutdown_in_milliseconds'])
      // With its replica back it ends as soon as that has everything.
      await sends(primary, 'SHUTDOWN', 'NOSAVE')
      await infoIs(primary, 'blocked_clients', '1')
      replica.resume()
      await waitFor('its end', () => primary.process.ended !== undefined)
      answers.push(primary.process.ended, await replica.call('GET', 'counter'))
      const lines = primary.lines.map((line) => line.replace(/^.*?[#*] /, ''))
      const wanted = /Waiting for replicas|manually aborted|replicas are in sync/
      seen.push(
        answers,
        lines.filter((line) => wanted.test(line)),
      )
    }
    expect(seen[2]).toEqual(seen[0])
    expect(seen[3]).toEqual(seen[1])
  },
)

it('SIGTERM waits, too, and ends when the time is over; ^C twice does not wait', { timeout: 60_000 }, async () => {
  const { primary } = await startPair(startNode)
  await primary.call('CONFIG', 'SET', 'shutdown-timeout', 1)
  primary.process.signal('SIGTERM')
  await primary.waitForLine(/Waiting for replicas before shutting down/)
  await waitFor('its end', () => primary.process.ended !== undefined)
  expect(primary.process.ended?.code).toBe(0)
  expect(primary.lines.join('\n')).toMatch(
    /Lagging replica 127\.0\.0\.1:\d+ reported offset \d+ behind master, lag=\d+, state=online\./,
  )

  const { primary: another } = await startPair(startNode)
  another.process.signal('SIGINT')
  await another.waitForLine(/Waiting for replicas before shutting down/)
  another.process.signal('SIGINT')
  await waitFor('its end', () => another.process.ended !== undefined)
  expect(another.process.ended?.code).toBe(1)
})
