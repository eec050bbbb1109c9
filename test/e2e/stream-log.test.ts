/** The log of the applied stream: what a start makes of it after `kill -9`, of what is torn, and of a disk that fails. */
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { equalDigests } from '../support/compare-datasets.ts'
import { fillDataset } from '../support/dataset.ts'
import type { TestServer } from '../support/test-server.ts'
import { waitFor } from '../support/wait-for.ts'
import { caughtUp, infoIs, later, linkIs, startNode, startPrimary, startReplica } from './topology.ts'

const LOGGED = { 'repl-stream-log': 'yes' }

async function newDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'understudy-test-'))
  later(() => rm(directory, { recursive: true, force: true }))
  return directory
}

async function writeMore(server: TestServer, tag: string): Promise<void> {
  const client = await server.raw()
  await client.call('SELECT', 3)
  for (let i = 0; i < 100; i++) await client.call('SET', `${tag}:${i}`, `value ${i}`)
  await client.call('MULTI')
  await client.call('RPUSH', `${tag}:list`, 'a', 'b')
  await client.call('ZADD', `${tag}:zset`, '1', 'm')
  await client.call('EXEC')
  client.close()
}

/** A snapshot goes with the log, and everything applied is written. */
async function logged(server: TestServer): Promise<void> {
  await waitFor('the log to have everything', async () => {
    const info = await server.info('everything')
    if (info['stream_log_state'] !== 'on') throw new Error(`it is ${info['stream_log_state']}`)
    if (info['stream_log_snapshot_offset'] === '-1') throw new Error('no snapshot goes with it')
    const { stream_log_written_offset: written, master_repl_offset: offset } = info
    if (written !== offset) throw new Error(`${written} of ${offset}`)
    return true
  })
}

const segmentsIn = async (directory: string): Promise<string[]> =>
  (await readdir(directory)).filter((name) => name.includes('.stream-')).toSorted()

describe('kill -9 of a replica', () => {
  for (const mode of ['disabled', 'swapdb'] as const) {
    it(`costs a partial resync (repl-diskless-load ${mode})`, async () => {
      const primary = await startPrimary()
      await fillDataset(primary.port, { seed: 41, keys: 300 })
      const directory = await newDirectory()
      const directives = { ...LOGGED, 'repl-diskless-load': mode }
      const replica = await startReplica(primary, directives, { directory })
      await writeMore(primary, 'seen')
      await caughtUp(primary, replica)
      await logged(replica)
      const { master_repl_offset: offset } = await replica.info('replication')
      await replica.kill()
      await writeMore(primary, 'missed')
      const again = await startReplica(primary, directives, { directory })
      await caughtUp(primary, again)
      expect(await primary.info('stats')).toMatchObject({ sync_full: '1', sync_partial_ok: '1', sync_partial_err: '0' })
      const applied = await again.waitForLine(/Stream log: \d+ bytes applied behind the snapshot/)
      expect(applied).toContain(`up to offset ${offset}`)
      await equalDigests(primary, again)
    })
  }
})
