/** Full resyncs on a disk that is full: the files are given up, with one line and a status each; link, data and reads go on. */
import { readdir } from 'node:fs/promises'
import { beforeEach, describe, expect, it, type TestContext } from 'vitest'
import { equalDigests } from '../support/compare-datasets.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { mountSmallDisk, type SmallDisk } from '../support/small-disk.ts'
import type { TestServer } from '../support/test-server.ts'
import { waitFor } from '../support/wait-for.ts'
import { infoIs, later, linkIs, startPrimary, startReplica } from './topology.ts'

const DISK_KIBIBYTES = 768
const soon = { timeoutMs: 30_000 }

let disk: SmallDisk

beforeEach(async ({ skip }: TestContext) => {
  const mounted = await mountSmallDisk(DISK_KIBIBYTES)
  if (mounted === undefined) return skip('a tmpfs cannot be mounted here')
  disk = mounted
  later(() => disk.remove())
})

/** Values that no compression makes shorter. */
async function write(server: TestServer, prefix: string, count: number, bytes: number, seed: number): Promise<void> {
  const random = new SeededRandom(seed)
  for (let i = 0; i < count; i++) await server.call('SET', `${prefix}:${i}`, random.bytes(bytes))
}

/** The replica cannot continue: it needs a full resync. */
async function anotherHistory(primary: TestServer): Promise<void> {
  await primary.call('DEBUG', 'CHANGE-REPL-ID')
  await primary.call('CLIENT', 'KILL', 'TYPE', 'replica')
}

async function faults(replica: TestServer): Promise<string[]> {
  return (await replica.settledLines()).filter((line) => line.includes('ENOSPC'))
}

describe('a full resync on a full disk', () => {
  it("gives up the snapshot's file; the next one that fits is kept again", async () => {
    const primary = await startPrimary({ 'repl-diskless-sync': 'no' })
    await write(primary, 'k', 30, 100_000, 1)
    const replica = await startReplica(
      primary,
      { 'repl-diskless-load': 'disabled', 'enable-debug-command': 'yes' },
      disk,
    )
    expect(await replica.info('replication')).toMatchObject({
      master_link_status: 'up',
      full_sync_file_status: 'err',
      full_sync_last_fault: expect.stringMatching(/ENOSPC/),
    })
    expect(await faults(replica)).toHaveLength(1)
    await equalDigests(primary, replica)
    expect(await readdir(disk.directory)).toEqual([])
    await primary.call('FLUSHALL')
    await primary.call('SET', 'small', 'v')
    await anotherHistory(primary)
    await infoIs(replica, 'full_sync_file_status', 'ok', soon)
    await linkIs(replica, 'up')
    expect(await readdir(disk.directory)).toEqual(['dump.rdb'])
    expect(await replica.call('GET', 'small')).toBe('v')
    expect(await faults(replica)).toHaveLength(1)
  })

  it('keeps in memory what the spill file has no room for, and loses nothing', async () => {
    const primary = await startPrimary({ 'repl-diskless-sync': 'no' })
    for (let i = 0; i < 4000; i++) await primary.call('SET', `k:${i}`, 'v')
    const directives = {
      'repl-diskless-load': 'swapdb',
      'replica-full-sync-buffer-limit': '1mb',
      'enable-debug-command': 'yes',
    }
    const replica = await startReplica(primary, directives, disk)
    // The next one takes some seconds to load.
    await replica.call('CONFIG', 'SET', 'key-load-delay', '1000')
    await anotherHistory(primary)
    await infoIs(replica, 'async_loading', '1', soon)
    await write(primary, 'later', 40, 100_000, 2)
    await waitFor('the fault', async () => (await faults(replica)).length > 0, soon)
    expect(await replica.call('GET', 'k:7')).toBe('v')
    await linkIs(replica, 'up', soon)
    await equalDigests(primary, replica)
    expect(await replica.info('replication')).toMatchObject({
      full_sync_spill_status: 'err',
      full_sync_last_fault: expect.stringMatching(/ENOSPC/),
      full_sync_spill_file_bytes: '0',
    })
    expect(await faults(replica)).toHaveLength(1)
    expect((await replica.info('stats'))['sync_asked_full']).toBe('2')
    expect(await readdir(disk.directory)).toEqual([])
  })
})
