/** Replicas below Understudy, stock ones and its own kind: fed in full and in part, promoted, and refused what they ask wrongly. */
import { expect, it } from 'vitest'
import { STRING_BYTES_MAX } from '../fuzz/draw.ts'
import { MixedLoad } from '../fuzz/mixed-load.ts'
import { equalDigests, untilEqualOffsets } from '../support/compare-datasets.ts'
import { CuttingProxy } from '../support/cutting-proxy.ts'
import { fillDataset } from '../support/dataset.ts'
import type { Directives, TestServer } from '../support/test-server.ts'
import { waitFor } from '../support/wait-for.ts'
import { later, linkIs, startNode, startPrimary, startReplica } from './topology.ts'

const NO_DELAY: Directives = { 'repl-diskless-sync-delay': 0 }
/** No command of the load may go beyond what both hold; and a listpack holds -0 as 0. */
const COMPARABLE: Directives = {
  'zset-max-listpack-entries': 0,
  'repl-backlog-size': '16mb',
  'proto-max-bulk-len': STRING_BYTES_MAX,
}

async function startProxy(to: TestServer): Promise<CuttingProxy> {
  const proxy = await CuttingProxy.start(to.port)
  later(() => proxy.stop())
  return proxy
}

async function startStockReplica(port: number, directives: Directives = {}): Promise<TestServer> {
  const replica = await startPrimary({ ...COMPARABLE, replicaof: ['127.0.0.1', port], ...directives })
  await linkIs(replica, 'up')
  return replica
}

async function stat(server: TestServer, field: string): Promise<number> {
  return Number((await server.info('stats'))[field])
}

/** Cuts a link that is up. Returns when the replica has asked anew. */
async function cutNow(proxy: CuttingProxy): Promise<void> {
  const { length } = proxy.psyncs
  proxy.drop()
  await waitFor('another PSYNC', () => proxy.psyncs.length > length, { timeoutMs: 30_000 })
}

/** No command of the stream failed on a stock replica. */
function expectNoErrors(replica: TestServer): void {
  expect(replica.lines.filter((line) => line.includes('CRITICAL'))).toEqual([])
}

async function someCommands(load: MixedLoad, count: number): Promise<void> {
  const { commands } = load
  await waitFor(`${count} commands`, () => load.commands - commands >= count, { timeoutMs: 60_000 })
}

it(
  'redis → understudy → understudy → redis: equal all the way, and partial after cuts of the lower links',
  { timeout: 180_000 },
  async () => {
    const primary = await startPrimary(COMPARABLE)
    await fillDataset(primary.port, { seed: 5, keys: 3000 })
    const load = await MixedLoad.start(primary.port, 5)
    const upper = await startReplica(primary, { ...COMPARABLE, ...NO_DELAY })
    const upperProxy = await startProxy(upper)
    const middle = await startReplica(upperProxy, { ...COMPARABLE, ...NO_DELAY })
    const leafProxy = await startProxy(middle)
    const leaf = await startStockReplica(leafProxy.port)
    for (let round = 0; round < 3; round++) {
      await someCommands(load, 1000)
      await cutNow(leafProxy)
      await someCommands(load, 300)
      await cutNow(upperProxy)
    }
    await load.stop()
    for (const below of [upper, middle, leaf]) await untilEqualOffsets(primary, below)
    await equalDigests(primary, leaf)
    await equalDigests(upper, leaf)
    await equalDigests(middle, leaf)
    const { master_replid: replid } = await primary.info('replication')
    for (const below of [upper, middle, leaf]) expect((await below.info('replication'))['master_replid']).toBe(replid)
    expect(await stat(middle, 'sync_full')).toBe(1)
    expect(await stat(upper, 'sync_full')).toBe(1)
    expect(await stat(middle, 'sync_partial_ok')).toBeGreaterThanOrEqual(3)
    expect(await stat(upper, 'sync_partial_ok')).toBeGreaterThanOrEqual(3)
    expect(await stat(middle, 'sync_partial_err')).toBe(0)
    expectNoErrors(leaf)
  },
)

it(
  'a promoted node feeds the replica below in part, with writes of its own, and continues under another primary',
  { timeout: 120_000 },
  async () => {
    const primary = await startPrimary(COMPARABLE)
    await fillDataset(primary.port, { seed: 6, keys: 1000 })
    const middle = await startReplica(primary, { ...COMPARABLE, ...NO_DELAY })
    const leaf = await startStockReplica(middle.port, NO_DELAY)
    await untilEqualOffsets(primary, leaf)
    const before = await middle.info('replication')

    await middle.call('REPLICAOF', 'NO', 'ONE')
    const after = await middle.info('replication')
    expect(after).toMatchObject({
      role: 'master',
      master_replid2: before['master_replid'],
      second_repl_offset: String(Number(before['master_repl_offset']) + 1),
    })
    await linkIs(leaf, 'up')
    await middle.call('SET', 'written', 'here')
    await middle.call('SELECT', 2)
    await middle.call('RPUSH', 'list', 'a', 'b')
    await untilEqualOffsets(middle, leaf)
    await equalDigests(middle, leaf)
    expect(await stat(middle, 'sync_full')).toBe(1)
    expect(await stat(middle, 'sync_partial_ok')).toBe(1)

    // The leaf is promoted in turn, and what was its primary asks it to continue their history.
    await leaf.call('REPLICAOF', 'NO', 'ONE')
    await leaf.call('SET', 'written', 'below')
    await middle.call('REPLICAOF', '127.0.0.1', leaf.port)
    await linkIs(middle, 'up')
    await untilEqualOffsets(leaf, middle)
    await equalDigests(leaf, middle)
    expect(await stat(leaf, 'sync_partial_ok')).toBe(1)
    expect(await stat(leaf, 'sync_full')).toBe(0)
  },
)

for (const seed of [11, 12]) {
  it(`what clients write is told to a stock replica: all types, seed ${seed}`, { timeout: 120_000 }, async () => {
    const primary = await startNode({ ...COMPARABLE, ...NO_DELAY })
    const stock = await startStockReplica(primary.port)
    const load = await MixedLoad.start(primary.port, seed)
    await someCommands(load, 6000)
    await load.stop()
    await primary.call('WAIT', 1, 10_000)
    await untilEqualOffsets(primary, stock)
    await equalDigests(primary, stock)
    expectNoErrors(stock)
    expect(await stat(primary, 'sync_full')).toBe(1)
  })
}
