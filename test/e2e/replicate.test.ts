/** A live primary with every type and encoding, changed all the while, is copied: key for key, byte for byte. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { compareDatasets, equalDigests, untilEqualOffsets } from '../support/compare-datasets.ts'
import { type Dataset, fillDataset } from '../support/dataset.ts'
import { startRedisServer } from '../support/redis-server.ts'
import type { TestServer } from '../support/test-server.ts'
import { startUnderstudy } from '../support/understudy-server.ts'
import { waitFor } from '../support/wait-for.ts'
import { WriteLoad } from '../support/write-load.ts'

const RATE_MIN = 5000

const servers: TestServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.kill()
})

async function start(server: Promise<TestServer>): Promise<TestServer> {
  const started = await server
  servers.push(started)
  return started
}

async function linkUp(replica: TestServer, timeoutMs = 60_000): Promise<void> {
  const isUp = async (): Promise<boolean> => (await replica.info('replication'))['master_link_status'] === 'up'
  await waitFor('the link', isUp, { timeoutMs, intervalMs: 50 })
}

const BACKLOG = { 'repl-backlog-size': '64mb' }
const VARIANTS = [
  { name: 'from disk to disk, read with RESP2', disklessSync: 'no', disklessLoad: 'disabled', resp: 2 },
  { name: 'from memory to memory, read with RESP3', disklessSync: 'yes', disklessLoad: 'swapdb', resp: 3 },
] as const

describe(`200,000 keys of all types under ${RATE_MIN} writes/s`, () => {
  let primary: TestServer
  let dataset: Dataset
  // Once, for both.
  beforeAll(async () => {
    primary = await startRedisServer({ directives: BACKLOG })
    dataset = await fillDataset(primary.port, { seed: 0, keys: 200_000 })
  })
  afterAll(() => primary?.kill())

  for (const [seed, { name, disklessSync, disklessLoad, resp }] of VARIANTS.entries()) {
    it(name, { timeout: 300_000 }, async () => {
      await primary.call('CONFIG', 'SET', 'repl-diskless-sync', disklessSync)
      const fullSyncsBefore = Number((await primary.info('stats'))['sync_full'])
      const load = await WriteLoad.start(primary.port, { seed, movable: dataset.movable, perSecond: 6500 })
      const directives = { ...BACKLOG, 'repl-diskless-load': disklessLoad, replicaof: ['127.0.0.1', primary.port] }
      const replica = await start(startUnderstudy({ directives }))
      await linkUp(replica)
      // Written while the stream is live, too, not only during the transfer.
      const before = load.commands
      await waitFor('10,000 more writes', () => load.commands - before >= 10_000, { timeoutMs: 30_000 })
      await load.stop()
      expect(load.rate).toBeGreaterThanOrEqual(RATE_MIN)
      await untilEqualOffsets(primary, replica)

      const scratch = await start(startRedisServer())
      const compared = await compareDatasets(primary, replica, scratch, { resp })
      expect(compared.keys).toBeGreaterThan(190_000)
      expect(compared.expiring).toBeGreaterThan(15_000)
      expect([...compared.byType.keys()].toSorted()).toEqual(['hash', 'list', 'set', 'stream', 'string', 'zset'])
      const info = await replica.info('everything')
      expect(info).toMatchObject({ role: 'slave', stream_commands_not_applied: '0', sync_asked_full: '1' })
      expect(Number((await primary.info('stats'))['sync_full']) - fullSyncsBefore).toBe(1)
      await replica.stop()
    })
  }
})

it('DEBUG DIGEST agrees for string-only data', { timeout: 120_000 }, async () => {
  const primary = await start(startRedisServer())
  await fillDataset(primary.port, { seed: 7, keys: 50_000, stringsOnly: true })
  const load = await WriteLoad.start(primary.port, { seed: 7 })
  const replica = await start(startUnderstudy({ directives: { replicaof: ['127.0.0.1', primary.port] } }))
  await linkUp(replica)
  const before = load.commands
  await waitFor('5,000 more writes', () => load.commands - before >= 5000, { timeoutMs: 30_000 })
  await load.stop()
  expect(load.rate).toBeGreaterThanOrEqual(RATE_MIN)
  expect(await equalDigests(primary, replica)).toMatch(/^(?!0{40})[0-9a-f]{40}$/)
})
