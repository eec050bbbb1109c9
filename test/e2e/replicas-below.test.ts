/** Replicas below Understudy, stock ones and its own kind: fed in full and in part, promoted, and refused what they ask wrongly. */
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { expect, it, onTestFinished } from 'vitest'
import { ServerProcess } from '../../scripts/server-process.mjs'
import { STRING_BYTES_MAX } from '../fuzz/draw.ts'
import { MixedLoad } from '../fuzz/mixed-load.ts'
import { datasetDigestOf, equalDigests, scanAll, untilEqualOffsets } from '../support/compare-datasets.ts'
import { fillDataset } from '../support/dataset.ts'
import { freePort } from '../support/free-port.ts'
import { encodeCommand } from '../support/raw-client.ts'
import { comparesReplies, redisBinaries } from '../support/redis-server.ts'
import type { Directives, TestServer } from '../support/test-server.ts'
import { waitFor } from '../support/wait-for.ts'
import {
  answers,
  infoIs,
  later,
  linkIs,
  NO_PINGS,
  startFakePrimary,
  startNode,
  startPrimary,
  startReplica,
} from './topology.ts'

const run = promisify(execFile)

const NO_DELAY: Directives = { 'repl-diskless-sync-delay': 0 }
/** No command of the load may go beyond what both hold; and a listpack holds -0 as 0. */
const COMPARABLE: Directives = {
  'zset-max-listpack-entries': 0,
  'repl-backlog-size': '16mb',
  'proto-max-bulk-len': STRING_BYTES_MAX,
}

async function startStockReplica(port: number, directives: Directives = {}): Promise<TestServer> {
  const replica = await startPrimary({ ...COMPARABLE, replicaof: ['127.0.0.1', port], ...directives })
  await linkIs(replica, 'up')
  return replica
}

async function stat(server: TestServer, field: string): Promise<number> {
  return Number((await server.info('stats'))[field])
}

async function isOnline(node: TestServer): Promise<void> {
  await waitFor('the replica', async () => /state=online/.test((await node.info('replication'))['slave0'] ?? ''))
}

/** No command of the stream failed on a stock replica. */
async function expectNoErrors(replica: TestServer): Promise<void> {
  expect((await replica.settledLines()).filter((line) => line.includes('CRITICAL'))).toEqual([])
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
  'a promoted node feeds the replica below in part, with writes of its own, and continues under another primary',
  { timeout: 120_000 },
  async () => {
    const primary = await startPrimary({ ...COMPARABLE, ...NO_PINGS })
    await fillDataset(primary.port, { seed: 6, keys: 1000 })
    const middle = await startReplica(primary, { ...COMPARABLE, ...NO_DELAY, ...NO_PINGS })
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
    await expectNoErrors(stock)
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
  await node.waitForLine(
    new RegExp(`Replica asked for '${unknown}', my replication IDs are '[0-9a-f]{40}' and '0{40}'`),
  )
  await node.waitForLine(/the replica is ahead of this node/)
})

for (const ioThreads of [1, 2]) {
  it(
    `who never reads is dropped at client-output-buffer-limit, and what was kept for it goes, io-threads ${ioThreads}`,
    { timeout: 60_000 },
    async () => {
      const node = await startNode({
        ...NO_DELAY,
        'io-threads': ioThreads,
        'repl-backlog-size': '64kb',
        'client-output-buffer-limit': ['replica', '4mb', '0', '0'],
      })
      const client = await node.raw()
      client.send(encodeCommand('PSYNC', '?', -1))
      await isOnline(node)
      client.socket.pause()
      const value = 'x'.repeat(100_000)
      let keptMost = 0
      let shownMost = 0
      for (let i = 0; i < 2000 && (await node.info('replication'))['connected_slaves'] === '1'; i++) {
        await node.call('SET', 'k', value)
        keptMost = Math.max(keptMost, Number((await node.info('memory'))['mem_clients_slaves']))
        const line = String(await node.call('CLIENT', 'LIST', 'TYPE', 'replica'))
        shownMost = Math.max(shownMost, Number(/ omem=(\d+)/.exec(line)?.[1] ?? 0))
      }
      const { connected_slaves: connected } = await node.info('replication')
      expect(connected).toBe('0')
      expect(keptMost).toBeGreaterThan(2_000_000)
      expect(keptMost).toBeLessThan(6_000_000)
      expect(shownMost).toBeGreaterThan(2_000_000)
      await infoIs(node, 'mem_clients_slaves', '0')
      await node.waitForLine(/overcoming of output buffer limits/)
    },
  )
}

/** Every type in every encoding that redis 7.0 has, and a library of functions. */
const ENCODINGS = [
  'hash hashtable',
  'hash listpack',
  'list quicklist',
  'set hashtable',
  'set intset',
  'stream stream',
  'string embstr',
  'string int',
  'string raw',
  'zset listpack',
  'zset skiplist',
]
const LIBRARY = "#!lua name=mylib\nredis.register_function('f', function(keys, args) return 1 end)"

async function encodingsOf(server: TestServer): Promise<string[]> {
  const client = await server.raw({ timeoutMs: 30_000 })
  const found = new Set<string>()
  for (const key of await scanAll(client)) {
    const [type, encoding] = await client.pipeline([
      ['TYPE', key],
      ['OBJECT', 'ENCODING', key],
    ])
    found.add(`${String(type)} ${String(encoding)}`)
  }
  return [...found].toSorted()
}

it(
  'redis-cli --rdb gets a file that redis loads: every type and encoding, from a primary and from a node in the middle',
  { timeout: 60_000 },
  async () => {
    const stock = await startPrimary()
    await fillDataset(stock.port, { seed: 8, keys: 2000 })
    await stock.call('FUNCTION', 'LOAD', LIBRARY)
    const middle = await startReplica(stock, NO_DELAY)
    await untilEqualOffsets(stock, middle)
    const digest = await datasetDigestOf(stock)
    const encodings = await encodingsOf(stock)
    if (await comparesReplies()) expect(encodings).toEqual(ENCODINGS)
    const { cli } = await redisBinaries()
    for (const role of ['slave', 'master']) {
      if (role === 'master') await middle.call('REPLICAOF', 'NO', 'ONE')
      const directory = await mkdtemp(join(tmpdir(), 'below-'))
      later(() => rm(directory, { recursive: true }))
      await run(cli, ['-p', String(middle.port), '--rdb', join(directory, 'dump.rdb')], { timeout: 20_000 })
      const loaded = await startPrimary({ dbfilename: 'dump.rdb' }, { directory })
      expect(await datasetDigestOf(loaded)).toBe(digest)
      expect(await encodingsOf(loaded)).toEqual(encodings)
      expect(String(await loaded.call('FUNCTION', 'LIST', 'WITHCODE'))).toContain(LIBRARY)
      await infoIs(middle, 'connected_slaves', '0')
    }
    expect((await middle.info('replication'))['role']).toBe('master')
  },
)

it(
  'a node whose primary has no PSYNC feeds its replicas from the right database, for good and in part',
  { timeout: 60_000 },
  async () => {
    const primary = await startFakePrimary({ scripted: { psync: "-ERR unknown command 'PSYNC'" } })
    const middle = await startReplica(primary, { ...NO_DELAY, 'repl-timeout': 2 })
    const pings = setInterval(() => primary.feed(encodeCommand('PING')), 500)
    later(() => clearInterval(pings))
    // Nothing behind it selects the database again.
    primary.feed(Buffer.concat([encodeCommand('SELECT', '5'), encodeCommand('SET', 'a', '1')]))
    await middle.call('SELECT', 5)
    await answers(middle, ['GET', 'a'], '1')
    const leaves = [await startReplica(middle), await startStockReplica(middle.port)]
    primary.feed(encodeCommand('SET', 'b', '2'))
    for (const leaf of leaves) {
      await leaf.call('SELECT', 5)
      await answers(leaf, ['GET', 'b'], '2')
    }
    // For longer than a replica that is not heard of is kept.
    await sleep(3000)
    expect(await middle.info('stats')).toMatchObject({ sync_full: '2' })
    await middle.call('CLIENT', 'KILL', 'TYPE', 'replica')
    primary.feed(encodeCommand('SET', 'c', '3'))
    for (const leaf of leaves) await answers(leaf, ['GET', 'c'], '3')
    expect(await middle.info('stats')).toMatchObject({ sync_full: '2', sync_partial_ok: '2' })
    // Its id is no primary's.
    const asked = (): string[] =>
      primary.sessions.flatMap(({ requests }) => requests.filter((request) => request.startsWith('PSYNC')))
    expect(asked()).toEqual(['PSYNC ? -1'])
    primary.cutAll()
    await waitFor('the next attempt', () => asked().length > 1)
    expect(asked()[1]).toBe('PSYNC ? -1')
  },
)

it('redis-cli --replica shows the stream of a node that has data', { timeout: 60_000 }, async () => {
  const node = await startNode({ ...NO_DELAY, 'repl-ping-replica-period': 1 })
  await fillDataset(node.port, { seed: 9, keys: 500 })
  const { cli } = await redisBinaries()
  const follower = new ServerProcess({
    name: 'redis-cli --replica',
    command: cli,
    args: ['-p', String(node.port), '--replica'],
    ready: /./,
  })
  later(() => follower.kill())
  // It asks for a snapshot without keys.
  await follower.waitForLine(/(?:SYNC|Full resync) done after \d{1,4} bytes\. Logging commands/, { timeoutMs: 20_000 })
  // The first command of the stream it takes for the answer to its ACK.
  await follower.waitForLine(/"PING"/)
  for (const line of [
    'SET written here',
    'SPOP nothing',
    'SELECT 3',
    'RPUSH list b c',
    'HSET hash f v',
    'SADD set m',
    'ZADD zset 1.5 m',
    'XADD stream 1-1 f v',
  ]) {
    await node.call(...line.split(' '))
  }
  await follower.waitForLine(/"XADD"/)
  const shown = follower.lines.filter((line) => line.startsWith('"') && line !== '"PING"')
  expect(shown).toEqual([
    '"SELECT","0"',
    '"SET","written","here"',
    '"SELECT","3"',
    '"RPUSH","list","b","c"',
    '"HSET","hash","f","v"',
    '"SADD","set","m"',
    '"ZADD","zset","1.5","m"',
    '"XADD","stream","1-1","f","v"',
  ])
})

it('WAIT, min-replicas-to-write, ROLE and CLIENT KILL know the replicas', { timeout: 60_000 }, async () => {
  const node = await startNode({ ...NO_DELAY, 'min-replicas-to-write': 1, 'repl-diskless-sync': 'no' })
  await expect(node.call('SET', 'a', 1)).rejects.toThrow('NOREPLICAS')
  const stock = await startStockReplica(node.port)
  await waitFor('a good replica', async () => (await node.info('replication'))['min_slaves_good_slaves'] === '1')
  expect(await node.call('SET', 'a', 1)).toBe('OK')
  expect(await node.call('WAIT', 1, 20_000)).toBe(1)
  expect(await node.call('WAIT', 2, 50)).toBe(1)
  expect(await node.call('CONFIG', 'SET', 'min-replicas-to-write', 2)).toBe('OK')
  await expect(node.call('SET', 'a', 1)).rejects.toThrow('NOREPLICAS')
  expect(await node.call('CONFIG', 'SET', 'min-replicas-to-write', 1)).toBe('OK')
  expect(await node.call('SET', 'a', 1)).toBe('OK')
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
    const first = await startNode({ ...NO_DELAY, ...NO_PINGS }, { directory })
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
    const spoolIsGone = (): Promise<true> =>
      waitFor('the spool to go', async () =>
        (await readdir(node.directory)).every((name) => !name.startsWith('temp-replica')),
      )
    await node.waitForLine(/key 'hash' needs RDB version 12/)
    await infoIs(node, 'connected_slaves', '0')
    await node.call('DEL', 'hash')
    await spoolIsGone()
    const stock = await startStockReplica(node.port)
    await node.call('SET', 'a', 1)
    await untilEqualOffsets(node, stock)
    await spoolIsGone()
  },
)

it(
  'a replica whose snapshot fails comes back at once, and gets the next one after a pause that grows',
  { timeout: 60_000 },
  async () => {
    const refused = /The snapshot for replica .* failed: key 'hash' needs RDB version 12/
    const node = await startNode(NO_DELAY)
    await node.call('HSET', 'hash', 'field', 'value')
    await node.call('HPEXPIRE', 'hash', 10_000_000, 'FIELDS', 1, 'field')
    const stock = await startPrimary({ replicaof: ['127.0.0.1', node.port] })
    const timesMs: number[] = []
    for (let fromLine = 0; timesMs.length < 3; fromLine = node.lines.findLastIndex((line) => refused.test(line)) + 1) {
      await node.waitForLine(refused, { fromLine, timeoutMs: 20_000 })
      timesMs.push(performance.now())
    }
    expect(timesMs[1]! - timesMs[0]!).toBeGreaterThan(800)
    expect(timesMs[2]! - timesMs[1]!).toBeGreaterThan(1800)
    // It waits for the next one, and others do not have to.
    await infoIs(node, 'connected_slaves', '1', { timeoutMs: 20_000 })
    expect(await stat(node, 'sync_full')).toBeLessThanOrEqual(4)
    await node.call('CONFIG', 'SET', 'repl-rdb-version', 12)
    const reader = await startReplica(node)
    expect(await reader.call('HGET', 'hash', 'field')).toBe('value')
    await node.call('CONFIG', 'SET', 'repl-rdb-version', 0)
    await node.call('DEL', 'hash')
    await untilEqualOffsets(node, stock)
  },
)

it('a small client-output-buffer-limit counts from repl-backlog-size on', { timeout: 60_000 }, async () => {
  const limits = { 'client-output-buffer-limit': ['replica', 65_536, 0, 0], 'repl-backlog-size': '64mb' }
  const check = async (ioThreads: number): Promise<void> => {
    const node = await startNode({ ...NO_DELAY, ...limits, 'io-threads': ioThreads })
    const stock = await startStockReplica(node.port)
    stock.pause()
    // More than sockets hold.
    for (let i = 0; i < 20; i++) await node.call('SET', `k:${i}`, Buffer.alloc(1_000_000, i))
    const omem = /omem=(\d+)/.exec(String(await node.call('CLIENT', 'LIST', 'TYPE', 'replica')))
    expect(Number(omem?.[1])).toBeGreaterThan(1_000_000)
    stock.resume()
    await untilEqualOffsets(node, stock)
    expect(await stat(node, 'sync_full')).toBe(1)
    expect(node.lines.filter((line) => line.includes('output buffer limits'))).toEqual([])
  }
  await Promise.all([check(1), check(2)])
})

it('nothing goes on in part from data that were dropped for a full resync', { timeout: 60_000 }, async () => {
  const primary = await startPrimary()
  await primary.call('DEBUG', 'POPULATE', 2000, 'key', 20)
  const node = await startReplica(primary, { ...NO_DELAY, 'repl-diskless-load': 'flush-before-load' })
  const stock = await startStockReplica(node.port)
  await node.call('CONFIG', 'SET', 'key-load-delay', 5000)
  await primary.call('DEBUG', 'CHANGE-REPL-ID')
  await primary.call('CLIENT', 'KILL', 'TYPE', 'replica')
  await infoIs(node, 'loading', '1')
  // Not in the middle of the load.
  await node.call('REPLICAOF', '127.0.0.1', await freePort())
  expect(await node.call('REPLICAOF', 'NO', 'ONE')).toBe('OK')
  expect(await node.call('DBSIZE')).toBe(0)
  await node.call('SET', 'only', 'key')
  await waitFor('the same data below', async () => (await stock.call('DBSIZE').catch(String)) === 1, {
    timeoutMs: 20_000,
  })
  expect(await stat(node, 'sync_full')).toBe(2)
  expect(await stat(node, 'sync_partial_ok')).toBe(0)
  await node.call('CONFIG', 'RESETSTAT')
  expect(await stat(node, 'sync_full')).toBe(0)
})
