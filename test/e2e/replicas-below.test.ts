/** Replicas below Understudy, stock ones and its own kind: fed in full and in part, promoted, and refused what they ask wrongly. */
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it, onTestFinished } from 'vitest'
import { STRING_BYTES_MAX } from '../fuzz/draw.ts'
import { MixedLoad } from '../fuzz/mixed-load.ts'
import { equalDigests, untilEqualOffsets } from '../support/compare-datasets.ts'
import { CuttingProxy } from '../support/cutting-proxy.ts'
import { fillDataset } from '../support/dataset.ts'
import { encodeCommand } from '../support/raw-client.ts'
import { redisBinaries } from '../support/redis-server.ts'
import type { Directives, TestServer } from '../support/test-server.ts'
import { waitFor } from '../support/wait-for.ts'
import { later, linkIs, startNode, startPrimary, startReplica } from './topology.ts'

const run = promisify(execFile)

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

/** Ends with the test, however that ends. */
async function startLoad(port: number, seed: number): Promise<MixedLoad> {
  const load = await MixedLoad.start(port, seed)
  onTestFinished(async () => await load.stop().catch(() => {}))
  return load
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
    const load = await startLoad(primary.port, 5)
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
    const load = await startLoad(primary.port, seed)
    await someCommands(load, 6000)
    await load.stop()
    await primary.call('WAIT', 1, 10_000)
    await untilEqualOffsets(primary, stock)
    await equalDigests(primary, stock)
    expectNoErrors(stock)
    expect(await stat(primary, 'sync_full')).toBe(1)
  })
}

async function ask(node: TestServer, ...command: (string | number)[]): Promise<string> {
  const client = await node.raw()
  try {
    client.send(encodeCommand(...command))
    return String(await client.readReply())
  } finally {
    client.close()
  }
}

it('why a partial resync was not given is said with both values', { timeout: 60_000 }, async () => {
  const node = await startNode(NO_DELAY)
  // A replica of nobody that can be reached has nothing to give.
  const orphan = await startNode({ replicaof: ['127.0.0.1', 1], 'replica-serve-stale-data': 'yes' })
  expect(await ask(orphan, 'PSYNC', '?', -1)).toMatch(/LOADING|NOMASTERLINK/)

  const { master_replid: unknown } = await orphan.info('replication')
  expect(await ask(node, 'PSYNC', unknown!, 1)).toMatch(/^FULLRESYNC/)
  const { master_replid: replid, master_repl_offset: end } = await node.info('replication')
  expect(await ask(node, 'PSYNC', replid!, Number(end) + 1000)).toMatch(/^FULLRESYNC/)
  const log = node.lines.join('\n')
  expect(log).toMatch(new RegExp(`Replica asked for '${unknown}', my replication IDs are '[0-9a-f]{40}' and '0{40}'`))
  expect(log).toContain('the replica is ahead of this node')
})

it(
  'who never reads is dropped at client-output-buffer-limit, and what was kept for it goes',
  { timeout: 60_000 },
  async () => {
    const node = await startNode({
      ...NO_DELAY,
      'repl-backlog-size': '64kb',
      'client-output-buffer-limit': ['replica', '4mb', '0', '0'],
    })
    const client = await node.raw()
    client.send(encodeCommand('PSYNC', '?', -1))
    await waitFor('the replica', async () => /state=online/.test((await node.info('replication'))['slave0'] ?? ''))
    client.socket.pause()
    const value = 'x'.repeat(100_000)
    let keptMost = 0
    for (let i = 0; i < 2000 && (await node.info('replication'))['connected_slaves'] === '1'; i++) {
      await node.call('SET', 'k', value)
      keptMost = Math.max(keptMost, Number((await node.info('memory'))['mem_clients_slaves']))
    }
    const { connected_slaves: connected } = await node.info('replication')
    expect(connected).toBe('0')
    expect(keptMost).toBeGreaterThan(2_000_000)
    expect(keptMost).toBeLessThan(6_000_000)
    expect((await node.info('memory'))['mem_clients_slaves']).toBe('0')
    expect(node.lines.join('\n')).toContain('overcoming of output buffer limits')
  },
)

it(
  'redis-cli --rdb gets a file that redis loads, and the same from a node in the middle',
  { timeout: 60_000 },
  async () => {
    const primary = await startPrimary(COMPARABLE)
    await fillDataset(primary.port, { seed: 8, keys: 2000 })
    const middle = await startReplica(primary, { ...COMPARABLE, ...NO_DELAY })
    await untilEqualOffsets(primary, middle)
    const { cli } = await redisBinaries()
    const directory = await mkdtemp(join(tmpdir(), 'below-'))
    later(() => rm(directory, { recursive: true }))
    await run(cli, ['-p', String(middle.port), '--rdb', join(directory, 'dump.rdb')], { timeout: 20_000 })
    const loaded = await startPrimary({ ...COMPARABLE, dbfilename: 'dump.rdb' }, { directory })
    expect(String(await loaded.call('DEBUG', 'DIGEST'))).toBe(String(await primary.call('DEBUG', 'DIGEST')))
    await waitFor('the end of it', async () => (await middle.info('replication'))['connected_slaves'] === '0')
  },
)

it('WAIT, min-replicas-to-write, ROLE and CLIENT KILL know the replicas', { timeout: 60_000 }, async () => {
  const node = await startNode({ ...NO_DELAY, 'min-replicas-to-write': 1, 'repl-diskless-sync': 'no' })
  await expect(node.call('SET', 'a', 1)).rejects.toThrow('NOREPLICAS')
  const stock = await startStockReplica(node.port)
  await waitFor('a good replica', async () => (await node.info('replication'))['min_slaves_good_slaves'] === '1')
  expect(await node.call('SET', 'a', 1)).toBe('OK')
  expect(await node.call('WAIT', 1, 20_000)).toBe(1)
  expect(await node.call('WAIT', 2, 50)).toBe(1)
  expect(await stock.call('GET', 'a')).toBe('1')
  const [role, , replicas] = (await node.call('ROLE')) as [string, number, string[][]]
  expect([role, replicas[0]![0], replicas[0]![1]]).toEqual(['master', '127.0.0.1', String(stock.port)])
  expect(String(await node.call('CLIENT', 'LIST', 'TYPE', 'replica'))).toContain('flags=S')
  expect((await node.info('replication'))['slave0']).toMatch(
    new RegExp(`^ip=127\\.0\\.0\\.1,port=${stock.port},state=online,offset=\\d+,lag=[01]$`),
  )
  expect(await node.call('CLIENT', 'KILL', 'TYPE', 'replica')).toBe(1)
  await waitFor('a partial resync', async () => (await stat(node, 'sync_partial_ok')) === 1, { timeoutMs: 20_000 })
})

it(
  'without replicas the backlog is freed after repl-backlog-ttl, and the history ends with it',
  { timeout: 60_000 },
  async () => {
    const node = await startNode({ ...NO_DELAY, 'repl-backlog-ttl': 1 })
    const stock = await startStockReplica(node.port)
    const { master_replid: replid } = await node.info('replication')
    await stock.call('REPLICAOF', 'NO', 'ONE')
    await waitFor('the backlog', async () => (await node.info('replication'))['repl_backlog_active'] === '0', {
      timeoutMs: 20_000,
    })
    expect((await node.info('replication'))['master_replid']).not.toBe(replid)
    const { master_repl_offset: offset } = await node.info('replication')
    await node.call('SET', 'k', 'v')
    expect((await node.info('replication'))['master_repl_offset']).toBe(offset)
  },
)

it(
  'a primary that was shut down with SAVE and started again lets its replica go on in part',
  { timeout: 60_000 },
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'below-'))
    later(() => rm(directory, { recursive: true }))
    const first = await startNode(NO_DELAY, { directory })
    const stock = await startStockReplica(first.port)
    await first.call('SET', 'k', 'before')
    await untilEqualOffsets(first, stock)
    const client = await first.raw()
    client.send(encodeCommand('SHUTDOWN', 'SAVE'))
    await waitFor('its end', () => first.process.ended !== undefined)
    const again = await startNode(NO_DELAY, { directory, port: first.port })
    await again.call('SET', 'k', 'after')
    await linkIs(stock, 'up')
    await untilEqualOffsets(again, stock)
    expect(await stock.call('GET', 'k')).toBe('after')
    expect(await stat(again, 'sync_full')).toBe(0)
    expect(await stat(again, 'sync_partial_ok')).toBe(1)
  },
)

it(
  'data that a replica cannot read are refused to it by key, and no spool file stays',
  { timeout: 60_000 },
  async () => {
    const node = await startNode(NO_DELAY)
    await node.call('HSET', 'hash', 'field', 'value')
    await node.call('HPEXPIRE', 'hash', 10_000_000, 'FIELDS', 1, 'field')
    const client = await node.raw()
    client.send(encodeCommand('PSYNC', '?', -1))
    expect(String(await client.readReply())).toMatch(/^FULLRESYNC/)
    await waitFor('the refusal', () => node.lines.some((line) => /key 'hash' needs RDB version 12/.test(line)))
    expect((await node.info('replication'))['connected_slaves']).toBe('0')
    await node.call('DEL', 'hash')
    const spool = await readdir(node.directory)
    expect(spool.filter((name) => name.startsWith('temp-replica'))).toEqual([])
    const stock = await startStockReplica(node.port)
    await node.call('SET', 'a', 1)
    await untilEqualOffsets(node, stock)
    await waitFor('the spool to go', async () =>
      (await readdir(node.directory)).every((name) => !name.startsWith('temp-replica')),
    )
  },
)
