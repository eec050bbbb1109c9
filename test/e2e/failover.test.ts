/** FAILOVER, both ends: this node hands over to stock and to its own kind, and takes over from a stock primary. */
import { expect, it } from 'vitest'
import { equalDigests, untilEqualOffsets } from '../support/compare-datasets.ts'
import { encodeCommand } from '../support/raw-client.ts'
import type { Directives, TestServer } from '../support/test-server.ts'
import { waitFor } from '../support/wait-for.ts'
import { infoIs, linkIs, startNode, startPrimary } from './topology.ts'

const NO_DELAY: Directives = { 'repl-diskless-sync-delay': 0 }
const HOST = '127.0.0.1'

const STARTS = { stock: startPrimary, understudy: startNode } as const
type Kind = keyof typeof STARTS

async function startBelow(kind: Kind, primary: TestServer, directives: Directives = {}): Promise<TestServer> {
  const replica = await STARTS[kind]({ ...NO_DELAY, replicaof: [HOST, primary.port], ...directives })
  await linkIs(replica, 'up')
  return replica
}

async function stats(server: TestServer): Promise<{ full: number; partial: number }> {
  const info = await server.info('stats')
  return { full: Number(info['sync_full']), partial: Number(info['sync_partial_ok']) }
}

/** Asks on a connection of its own. The answer, which may take its time, is what the returned function gives. */
async function asks(server: TestServer, ...command: (string | number)[]): Promise<() => Promise<string>> {
  const client = await server.raw({ timeoutMs: 60_000 })
  client.send(encodeCommand(...command))
  return () => client.readReply().then(String)
}

for (const [from, to, ioThreads] of [
  ['understudy', 'stock', 1],
  ['stock', 'understudy', 2],
  ['understudy', 'understudy', 1],
] as const) {
  it(
    `${from} hands over to ${to} with io-threads ${ioThreads}: roles change, nothing is lost, and everybody goes on in part`,
    { timeout: 120_000 },
    async () => {
      const primary = await STARTS[from](NO_DELAY)
      await primary.call('SET', 'before', 1)
      const target = await startBelow(to, primary, { 'io-threads': ioThreads })
      const other = await startBelow('stock', primary)
      const writer = await primary.raw({ timeoutMs: 60_000 })
      let acknowledged = 0
      const writing = (async () => {
        for (;;) {
          try {
            await writer.call('INCR', 'counter')
          } catch (error) {
            return String(error)
          }
          acknowledged++
        }
      })()
      await waitFor('some writes', () => acknowledged > 200)
      expect(await primary.call('FAILOVER', 'TO', HOST, target.port, 'TIMEOUT', 30_000)).toBe('OK')
      await infoIs(target, 'role', 'master', { timeoutMs: 30_000 })
      // The write that was held back meanwhile was run anew, and refused.
      expect(await writing).toContain('READONLY')
      await infoIs(primary, 'master_failover_state', 'no-failover')
      await linkIs(primary, 'up')
      expect((await primary.info('replication'))['master_port']).toBe(String(target.port))
      expect(Number(await target.call('GET', 'counter'))).toBe(acknowledged)
      await target.call('SET', 'after', 1)
      await linkIs(other, 'up')
      await untilEqualOffsets(target, primary)
      await untilEqualOffsets(target, other)
      await equalDigests(target, primary)
      await equalDigests(target, other)
      expect(await stats(target)).toEqual({ full: 0, partial: 1 })
      // The other replica stayed with what was its primary, and heard of the new history.
      expect(await stats(primary)).toEqual({ full: 2, partial: 1 })
      expect(String(await primary.call('CONFIG', 'GET', 'replicaof'))).toBe(`replicaof,${HOST} ${target.port}`)
      expect(String(await target.call('CONFIG', 'GET', 'replicaof'))).toBe('replicaof,')
      if (from === to) await handBack(target, primary)
    },
  )
}

async function handBack(target: TestServer, primary: TestServer): Promise<void> {
  expect(await target.call('FAILOVER')).toBe('OK')
  await infoIs(primary, 'role', 'master', { timeoutMs: 30_000 })
  await linkIs(target, 'up')
  await primary.call('SET', 'again', 1)
  await untilEqualOffsets(primary, target)
  await equalDigests(primary, target)
  expect(await stats(target)).toEqual({ full: 0, partial: 1 })
}

it('what FAILOVER refuses it refuses in the words of redis-server', { timeout: 60_000 }, async () => {
  const said: Record<Kind, string[]> = { stock: [], understudy: [] }
  for (const kind of ['stock', 'understudy'] as const) {
    const primary = await STARTS[kind](NO_DELAY)
    const ask = async (server: TestServer, line: string): Promise<void> => {
      const client = await server.raw()
      client.send(encodeCommand(...line.split(' ')))
      const reply = await client.readReply().then(String, String)
      said[kind].push(`${line}: ${reply}`)
      client.close()
    }
    for (const line of [
      'FAILOVER',
      'FAILOVER ABORT',
      'FAILOVER TO',
      'FAILOVER TO h',
      'FAILOVER TO h x',
      'FAILOVER TIMEOUT',
      'FAILOVER TIMEOUT x',
      'FAILOVER TIMEOUT 0',
      'FAILOVER TIMEOUT -1',
      'FAILOVER TIMEOUT 5 TIMEOUT 6',
      'FAILOVER ABORT NOW',
      'FAILOVER FORCE FORCE',
      'FAILOVER FORCE',
      'FAILOVER WHAT',
      `PSYNC ${'0'.repeat(40)} 1 FAILOVER`,
    ]) {
      await ask(primary, line)
    }
    const replica = await startBelow('stock', primary)
    for (const line of [
      'FAILOVER FORCE',
      'FAILOVER FORCE TIMEOUT 100',
      `FAILOVER FORCE TO ${HOST} 1`,
      `FAILOVER TO ${HOST} 1`,
    ]) {
      await ask(primary, line)
    }
    const own = await startBelow(kind, primary)
    await ask(own, 'FAILOVER')
    await ask(own, `PSYNC ${'0'.repeat(40)} 1 FAILOVER`)
    // While one is under way: no replica can acknowledge.
    replica.pause()
    own.pause()
    await primary.call('SET', 'k', 'v')
    await ask(primary, 'FAILOVER')
    await ask(primary, 'FAILOVER')
    await ask(primary, `REPLICAOF ${HOST} 1`)
    await ask(primary, 'REPLICAOF NO ONE')
    await ask(primary, 'PSYNC ? -1')
    await ask(primary, 'SYNC')
    await ask(primary, 'FAILOVER ABORT')
    await ask(primary, 'SET k w')
    replica.resume()
    own.resume()
  }
  expect(said.understudy).toEqual(said.stock)
})

it('writes wait until it is over: by ABORT, or by its time', { timeout: 60_000 }, async () => {
  const node = await startNode(NO_DELAY)
  const stock = await startBelow('stock', node)
  await node.call('SET', 'k', 'before')
  await untilEqualOffsets(node, stock)
  stock.pause()
  await node.call('SET', 'k', 'unheard')
  expect(await node.call('FAILOVER')).toBe('OK')
  await infoIs(node, 'master_failover_state', 'waiting-for-sync')
  const held = await asks(node, 'SET', 'k', 'held')
  await infoIs(node, 'blocked_clients', '1')
  // Reads go on; CLIENT UNPAUSE is for CLIENT PAUSE alone.
  expect(await node.call('CLIENT', 'UNPAUSE')).toBe('OK')
  expect(await node.call('GET', 'k')).toBe('unheard')
  expect(await node.call('FAILOVER', 'ABORT')).toBe('OK')
  expect(await held()).toBe('OK')
  expect(await node.call('GET', 'k')).toBe('held')

  expect(await node.call('FAILOVER', 'TIMEOUT', 300)).toBe('OK')
  const late = await asks(node, 'SET', 'k', 'late')
  expect(await late()).toBe('OK')
  expect((await node.info('replication'))['master_failover_state']).toBe('no-failover')
  await node.waitForLine(/FAILOVER to any replica aborted: Replica never caught up before timeout/)
  stock.resume()
})

it('FORCE hands over to a replica that is behind, when its time is over', { timeout: 60_000 }, async () => {
  const node = await startNode(NO_DELAY)
  const stock = await startBelow('stock', node)
  await node.call('SET', 'k', 'v')
  await untilEqualOffsets(node, stock)
  stock.pause()
  await node.call('SET', 'lost', 'v')
  expect(await node.call('FAILOVER', 'TO', HOST, stock.port, 'TIMEOUT', 100, 'FORCE')).toBe('OK')
  await infoIs(node, 'master_failover_state', 'failover-in-progress')
  const held = await asks(node, 'SET', 'k', 'w')
  stock.resume()
  await infoIs(stock, 'role', 'master', { timeoutMs: 30_000 })
  expect(await held()).toContain('READONLY')
  await linkIs(node, 'up')
  await untilEqualOffsets(stock, node)
  await equalDigests(stock, node)
})

it('a target that refuses leaves a primary that goes on, with its replicas', { timeout: 60_000 }, async () => {
  const node = await startNode(NO_DELAY)
  const stock = await startBelow('stock', node)
  await node.call('SET', 'k', 'v')
  await stock.call('ACL', 'SETUSER', 'default', '-psync')
  const before = await node.info('replication')
  expect(await node.call('FAILOVER')).toBe('OK')
  await node.waitForLine(/FAILOVER to \S+ aborted: Failover target rejected psync request/, { timeoutMs: 20_000 })
  expect(await node.info('replication')).toMatchObject({
    role: 'master',
    master_failover_state: 'no-failover',
    master_replid2: before['master_replid'],
  })
  expect(await node.call('SET', 'k', 'w')).toBe('OK')
  await linkIs(stock, 'up')
  await untilEqualOffsets(node, stock)
  expect(await stock.call('GET', 'k')).toBe('w')
  expect(await stats(node)).toEqual({ full: 1, partial: 1 })
})
