/** Snapshots that replicas below get while they are made: several at once, of every speed, and some that go. */
import { readdir } from 'node:fs/promises'
import { expect, it, onTestFinished } from 'vitest'
import { STRING_BYTES_MAX } from '../fuzz/draw.ts'
import { MixedLoad } from '../fuzz/mixed-load.ts'
import { equalDigests, untilEqualOffsets } from '../support/compare-datasets.ts'
import { fillDataset } from '../support/dataset.ts'
import { encodeCommand, type RawClient } from '../support/raw-client.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import type { Directives, TestServer } from '../support/test-server.ts'
import { ThrottlingProxy } from '../support/throttling-proxy.ts'
import { waitFor } from '../support/wait-for.ts'
import { later, linkIs, startNode, startPrimary } from './topology.ts'

/** No command of the load may go beyond what both hold; and a listpack holds -0 as 0. */
const COMPARABLE: Directives = {
  'zset-max-listpack-entries': 0,
  'repl-backlog-size': '64mb',
  'proto-max-bulk-len': STRING_BYTES_MAX,
}
const MADE = /Snapshot for replicas made: (\d+) bytes/

/** Understudy with all types, and so many bytes of strings that nothing shortens: more than what sockets hold. */
async function startFilled(directives: Directives, megabytes: number): Promise<TestServer> {
  const node = await startNode({ ...COMPARABLE, save: '', ...directives })
  await fillDataset(node.port, { seed: 9, keys: 300 })
  const random = new SeededRandom(91)
  const client = await node.raw({ timeoutMs: 30_000 })
  // Not one of the databases that the load may flush.
  await client.call('SELECT', 9)
  await client.pipeline(Array.from({ length: megabytes }, (_, i) => ['SET', `long:${i}`, random.bytes(1_000_000)]))
  client.close()
  return node
}

async function startStock(port: number, directives: Directives = {}): Promise<TestServer> {
  return await startPrimary({ ...COMPARABLE, save: '', replicaof: ['127.0.0.1', port], ...directives })
}

async function startProxy(node: TestServer, bytesPerSecond: number): Promise<ThrottlingProxy> {
  const proxy = await ThrottlingProxy.start(node.port, bytesPerSecond)
  later(() => proxy.stop())
  return proxy
}

async function stat(server: TestServer, field: string): Promise<number> {
  return Number((await server.info('stats'))[field])
}

async function made(node: TestServer): Promise<string[]> {
  return (await node.settledLines()).filter((line) => MADE.test(line))
}

async function replicasAre(node: TestServer, count: number, state: string): Promise<void> {
  await waitFor(
    `${count} replicas to be ${state}`,
    async () => {
      const lines = Object.values(await node.info('replication')).filter((line) => line.includes(`state=${state}`))
      if (lines.length !== count) throw new Error(`there are ${lines.length}`)
      return true
    },
    { timeoutMs: 30_000, intervalMs: 5 },
  )
}

it(
  'several stock replicas take one snapshot, one slowly, one killed in the middle, while all types are written',
  { timeout: 120_000 },
  async () => {
    const node = await startFilled({ 'repl-diskless-sync-delay': 60, 'repl-diskless-sync-max-replicas': 4 }, 14)
    const slowProxy = await startProxy(node, 4 << 20)
    const killedProxy = await startProxy(node, 4 << 20)
    const [slow, killed, first] = await Promise.all([
      startStock(slowProxy.port),
      startStock(killedProxy.port),
      startStock(node.port),
    ])
    await replicasAre(node, 3, 'wait_bgsave')
    const load = await MixedLoad.start(node.port, 21)
    onTestFinished(async () => await load.stop().catch(() => {}))
    const fast = [first, await startStock(node.port, { 'repl-diskless-load': 'swapdb' })]
    await replicasAre(node, 4, 'send_bulk')
    await killed.kill()
    for (const replica of [slow, ...fast]) await linkIs(replica, 'up', { timeoutMs: 60_000 })
    await load.stop()
    expect(await made(node)).toHaveLength(1)
    expect(await stat(node, 'sync_full')).toBe(4)
    expect(await stat(node, 'sync_partial_ok')).toBe(0)
    for (const replica of [slow, ...fast]) {
      await untilEqualOffsets(node, replica)
      await equalDigests(node, replica)
      expect((await replica.settledLines()).filter((line) => line.includes('CRITICAL'))).toEqual([])
    }
  },
)

it(
  'who stops reading is dropped before the others meet their time-out, and they get the rest',
  { timeout: 60_000 },
  async () => {
    const timeouts = { 'repl-timeout': 6, 'repl-ping-replica-period': 1 }
    const node = await startFilled(
      { ...timeouts, 'repl-diskless-sync-delay': 60, 'repl-diskless-sync-max-replicas': 2, 'repl-rdb-version': 10 },
      32,
    )
    const stopped = await node.raw()
    stopped.send(encodeCommand('REPLCONF', 'capa', 'eof'))
    expect(await stopped.readReply()).toBe('OK')
    stopped.send(encodeCommand('PSYNC', '?', -1))
    stopped.socket.pause()
    const stock = await startStock(node.port, timeouts)
    // From half of the time-out on; how much later it is looked at depends on the machine.
    await node.waitForLine(/Disconnecting slow replica .* others waited [345]\.\d seconds/)
    await linkIs(stock, 'up')
    await untilEqualOffsets(node, stock)
    await equalDigests(node, stock)
    expect(await made(node)).toHaveLength(1)
    expect(await stat(node, 'sync_full')).toBe(2)
  },
)

/** Newlines keep who waits alive. */
async function afterNewlines(client: RawClient): Promise<string> {
  for (;;) {
    const line = await client.readLine()
    if (line !== '\n') return line
  }
}

it('who needs the length shares the pass with who does not', { timeout: 60_000 }, async () => {
  const node = await startFilled({ 'repl-diskless-sync-delay': 60, 'repl-rdb-version': 10 }, 4)
  const stock = await startStock(node.port)
  await replicasAre(node, 1, 'wait_bgsave')
  const old = await node.raw({ timeoutMs: 20_000 })
  old.send(encodeCommand('PSYNC', '?', -1))
  expect(String(await old.readReply())).toMatch(/^FULLRESYNC/)
  const length = Number(/^\$(\d+)\r\n$/.exec(await afterNewlines(old))![1])
  expect((await old.readBytes(length)).subarray(0, 9).toString()).toBe('REDIS0010')
  await linkIs(stock, 'up')
  await equalDigests(node, stock)
  const [line, ...more] = await made(node)
  expect(more).toEqual([])
  expect(Number(MADE.exec(line!)![1])).toBe(length)
})

it('a node that is killed leaves no file of a snapshot behind', { timeout: 60_000 }, async () => {
  const node = await startFilled({ 'repl-diskless-sync': 'no' }, 16)
  const proxy = await startProxy(node, 1 << 20)
  await startStock(proxy.port)
  await replicasAre(node, 1, 'send_bulk')
  expect(await readdir(node.directory)).toEqual([])
  await node.kill()
})

it(
  'a replica whose link is cut in the snapshot comes again; from an I/O thread as well',
  { timeout: 60_000 },
  async () => {
    const node = await startFilled({ 'repl-diskless-sync-delay': 0, 'io-threads': 2 }, 16)
    const proxy = await startProxy(node, 1 << 20)
    const stock = await startStock(proxy.port)
    await replicasAre(node, 1, 'send_bulk')
    proxy.cut()
    await node.waitForLine(/Connection with replica .* lost/)
    proxy.bytesPerSecond = 1 << 30
    await linkIs(stock, 'up', { timeoutMs: 30_000 })
    await equalDigests(node, stock)
    expect(await stat(node, 'sync_full')).toBe(2)
  },
)
