/**
 * Streams and consumer groups of a real primary, copied by its snapshot and followed by its replication stream, beside a
 * stock replica: a primary does not tell replicas everything (how many entries a group has read), so that is what ours is
 * compared with.
 */
import { expect, it } from 'vitest'
import { SeededRandom } from '../support/seeded-random.ts'
import { NO_STREAM_KEY, STREAM_KEYS, StreamCommands } from '../support/stream-commands.ts'
import type { TestServer } from '../support/test-server.ts'
import { caughtUp, infoIs, linkIs, startPrimary, startReplica } from './topology.ts'
import { itOfReference } from '../support/reference.ts'

/** A consumer is seen when the command is applied, which is a little later than on the primary. */
const SEEN_LATER_MS = 20_000

/** Everything that can be seen of a stream, with the times at which consumers were seen apart. */
async function seen(server: TestServer, key: string): Promise<{ text: string; times: number[] }> {
  const times: number[] = []
  const info = (await server.call('XINFO', 'STREAM', key, 'FULL', 'COUNT', 0)) as unknown
  const strip = (value: unknown): unknown => {
    if (!Array.isArray(value)) return value
    return value.map((item: unknown, i) => {
      if (value[i - 1] !== 'seen-time') return strip(item)
      times.push(Number(item))
      return 0
    })
  }
  const text = JSON.stringify(strip(info), (_key, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  )
  return { text, times }
}

/** Fails with what is around the first difference: the whole is too long to read. */
function expectSameText(key: string, ours: string, theirs: string): void {
  let at = 0
  while (at < theirs.length && theirs[at] === ours[at]) at++
  const from = Math.max(0, at - 300)
  expect(`${key} ${ours.slice(from, at + 200)}`).toBe(`${key} ${theirs.slice(from, at + 200)}`)
}

async function expectEqual(stock: TestServer, replica: TestServer): Promise<void> {
  for (const key of STREAM_KEYS) {
    if (key === NO_STREAM_KEY || (await stock.call('EXISTS', key)) === 0) continue
    const theirs = await seen(stock, key)
    const ours = await seen(replica, key)
    expectSameText(key, ours.text, theirs.text)
    for (const [i, time] of theirs.times.entries()) {
      expect(Math.abs(time - ours.times[i]!)).toBeLessThanOrEqual(SEEN_LATER_MS)
    }
    expect(await replica.call('XINFO', 'GROUPS', key)).toEqual(await stock.call('XINFO', 'GROUPS', key))
  }
  expect(await replica.call('DEBUG', 'DIGEST')).toBe(await stock.call('DEBUG', 'DIGEST'))
}

async function write(primary: TestServer, commands: StreamCommands, count: number): Promise<void> {
  const client = await primary.raw()
  for (let i = 0; i < count; i++) {
    await client.callExact(...commands.next())
  }
}

for (const [seed, nodeBytes, nodeEntries] of [
  [1, 4096, 100],
  [2, 0, 20],
  [3, 300, 0],
] as const) {
  itOfReference(`follows what a primary does to streams, seed ${seed}`, { timeout: 60_000 }, async () => {
    const primary = await startPrimary({ 'stream-node-max-bytes': nodeBytes, 'stream-node-max-entries': nodeEntries })
    const commands = new StreamCommands(new SeededRandom(seed))
    await primary.call('XGROUP', 'CREATE', 's', 'g', '0', 'MKSTREAM')
    await primary.call('SET', NO_STREAM_KEY, 'x')
    await write(primary, commands, 2000)
    const limits = { 'stream-node-max-bytes': nodeBytes, 'stream-node-max-entries': nodeEntries }
    const replica = await startReplica(primary, { ...limits, 'enable-debug-command': 'yes' })
    const stock = await startPrimary({ ...limits, replicaof: ['127.0.0.1', primary.port] })
    await linkIs(stock, 'up')
    await caughtUp(primary, replica)
    await caughtUp(primary, stock)
    await expectEqual(stock, replica)
    for (let round = 0; round < 3; round++) {
      await write(primary, commands, 1500)
      await caughtUp(primary, replica)
      await caughtUp(primary, stock)
      await expectEqual(stock, replica)
    }
    expect(await replica.info('everything')).toMatchObject({ stream_commands_not_applied: '0' })
  })
}

it('a client that waits on the replica gets what the primary adds', { timeout: 30_000 }, async () => {
  const primary = await startPrimary()
  const replica = await startReplica(primary)
  const stock = await startPrimary({ replicaof: ['127.0.0.1', primary.port] })
  await primary.call('XADD', 's', '1-1', 'a', 'b')
  for (const resp of [2, 3]) {
    await caughtUp(primary, replica)
    await caughtUp(primary, stock)
    const replies: Promise<string>[] = []
    for (const server of [replica, stock]) {
      const client = await server.raw()
      await client.call('HELLO', resp)
      expect(await client.call('XREAD', 'BLOCK', 5, 'STREAMS', 's', '$')).toBe(null)
      replies.push(client.callExact('XREAD', 'COUNT', 1, 'BLOCK', 0, 'STREAMS', 'none', 's', '$', '$'))
    }
    for (const server of [replica, stock]) await infoIs(server, 'blocked_clients', '1')
    await primary.call('XADD', 's', `${resp}-1`, 'field', `value ${resp}`)
    const [ours, theirs] = await Promise.all(replies)
    expect(ours).toBe(theirs)
    expect(ours).toContain(`value ${resp}`)
  }
})
