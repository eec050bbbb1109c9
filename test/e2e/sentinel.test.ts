/** Debian's redis-sentinel watches a redis-server and Understudy: promotes it, brings the old primary back below it, and fails back. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { AcknowledgedWriter } from '../support/acknowledged-writer.ts'
import { equalDigests, untilEqualOffsets } from '../support/compare-datasets.ts'
import { Sentinel } from '../support/sentinel.ts'
import type { Directives, TestServer } from '../support/test-server.ts'
import { waitFor } from '../support/wait-for.ts'
import { infoIs, later, linkIs, startPrimary, startReplica } from './topology.ts'

const NO_DELAY: Directives = { 'repl-diskless-sync-delay': 0 }
const PATIENT = { timeoutMs: 60_000 }

async function startSentinel(primary: TestServer): Promise<Sentinel> {
  const sentinel = await Sentinel.start(primary)
  later(() => sentinel.kill())
  return sentinel
}

/** Until Sentinel takes this server for a replica to choose. */
async function knowsReplica(sentinel: Sentinel, replica: TestServer): Promise<void> {
  await waitFor(
    'Sentinel to know the replica',
    async () => {
      const row = (await sentinel.replicas()).find(({ port }) => port === String(replica.port))
      return row?.['flags'] === 'slave' && row['master-link-status'] === 'ok'
    },
    PATIENT,
  )
}

async function isPrimary(sentinel: Sentinel, server: TestServer): Promise<void> {
  await waitFor(
    'Sentinel to tell of the new primary',
    async () => (await sentinel.primaryPort()) === server.port,
    PATIENT,
  )
  await infoIs(server, 'role', 'master', PATIENT)
}

async function moreAcknowledged(writer: AcknowledgedWriter, count: number): Promise<void> {
  const wanted = writer.acknowledged.length + count
  await waitFor(`${wanted} acknowledged writes`, () => writer.acknowledged.length >= wanted, PATIENT)
}

for (const ioThreads of [1, 2]) {
  it(
    `promotes Understudy with io-threads ${ioThreads}, and fails back: nothing that WAIT 1 acknowledged is lost`,
    { timeout: 240_000 },
    async () => {
      const primary = await startPrimary(NO_DELAY)
      // Sentinel wants CONFIG REWRITE, which needs a file.
      const node = await startReplica(primary, { ...NO_DELAY, 'io-threads': ioThreads }, { config: '' })
      const sentinel = await startSentinel(primary)
      await knowsReplica(sentinel, node)
      const writer = new AcknowledgedWriter(() => sentinel.primaryPort())
      onTestFinished(() => writer.stop())
      await moreAcknowledged(writer, 50)

      await primary.kill()
      await isPrimary(sentinel, node)
      // It knows nothing of all this, and has nothing: Sentinel makes a replica of it.
      const again = await startPrimary(NO_DELAY, { port: primary.port })
      await linkIs(again, 'up', PATIENT)
      expect((await again.info('replication'))['master_port']).toBe(String(node.port))
      await moreAcknowledged(writer, 50)

      await knowsReplica(sentinel, again)
      await sentinel.failOver()
      await isPrimary(sentinel, again)
      await linkIs(node, 'up', PATIENT)
      expect((await node.info('replication'))['master_port']).toBe(String(again.port))
      // So it knows after a restart whom it follows.
      await waitFor('it to be in its file', async () =>
        (await readFile(join(node.directory, 'test.conf'), 'utf8')).includes(`\nreplicaof 127.0.0.1 ${again.port}\n`),
      )
      await moreAcknowledged(writer, 50)
      await writer.stop()

      await untilEqualOffsets(again, node)
      await equalDigests(again, node)
      const found = (await again.call('MGET', ...writer.acknowledged)) as string[]
      expect(found).toEqual(writer.acknowledged)
      // What Understudy gave to the one that came back with nothing, and what it was given as its replica.
      expect(Number((await node.info('stats'))['sync_full'])).toBeGreaterThanOrEqual(1)
      expect((await node.info('everything'))['slave_priority']).toBe('100')
    },
  )
}

it(
  'replica-priority, replica-announced and replica-announce-ip are heard by Sentinel',
  { timeout: 60_000 },
  async () => {
    const primary = await startPrimary(NO_DELAY)
    const node = await startReplica(primary, {
      bind: ['127.0.0.1', '127.0.0.2'],
      'replica-priority': 7,
      'replica-announce-ip': '127.0.0.2',
    })
    const sentinel = await startSentinel(primary)
    await knowsReplica(sentinel, node)
    expect((await sentinel.replicas())[0]?.['ip']).toBe('127.0.0.2')
    const priority = async (): Promise<string | undefined> => (await sentinel.replicas())[0]?.['slave-priority']
    expect(await priority()).toBe('7')
    await node.call('CONFIG', 'SET', 'replica-priority', 0)
    await waitFor('the new priority', async () => (await priority()) === '0', PATIENT)
    // Nobody may be chosen now.
    await expect(sentinel.failOver()).rejects.toThrow('NOGOODSLAVE')
    await node.call('CONFIG', 'SET', 'replica-announced', 'no')
    // Sentinel does not speak of it any more.
    await waitFor('it to be unannounced', async () => (await sentinel.replicas()).length === 0, PATIENT)
  },
)
