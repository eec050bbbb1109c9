/** What becomes of history and data when primaries restart, change their id, or hand over; and the snapshot's file. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { equalDigests } from '../support/compare-datasets.ts'
import { encodeCommand } from '../support/raw-client.ts'
import { waitFor } from '../support/wait-for.ts'
import {
  answers,
  caughtUp,
  infoIs,
  later,
  linkIs,
  newDirectory,
  NO_PINGS,
  startNode,
  startPrimary,
  startReplica,
} from './topology.ts'

const MOUNT = '/bin/mount'
const UNMOUNT = '/bin/umount'

describe('history', () => {
  it('a primary that restarts from an older file: a full resync, reads go on from the old data', async () => {
    const directory = await newDirectory()
    const primary = await startPrimary({}, { directory })
    await primary.call('DEBUG', 'POPULATE', '5000', 'key', '50')
    await primary.call('SET', 'n', '1')
    const replica = await startReplica(primary, { 'key-load-delay': 200 })
    const { port } = primary
    await primary.call('SAVE')
    // What the file does not have, so that its history ends before ours.
    await primary.call('SET', 'n', '2')
    await caughtUp(primary, replica)
    await primary.kill()
    const client = await replica.raw()
    const reads = { all: 0, besideLoad: 0 }
    const reader = { isOver: false }
    const reading = (async (): Promise<void> => {
      while (!reader.isOver) {
        const [n, size, info] = await client.pipeline([['GET', 'n'], ['DBSIZE'], ['INFO', 'persistence']])
        expect(n).toMatch(/^[23]$/)
        expect(size).toBe(5001)
        reads.all++
        if (String(info).includes('async_loading:1')) reads.besideLoad++
      }
    })()
    reading.catch(() => {}) // awaited below
    await waitFor('reads without a primary', () => reads.all > 100)
    const again = await startPrimary({}, { port, directory })
    await again.call('SET', 'n', '3')
    await linkIs(replica, 'up')
    await answers(replica, ['GET', 'n'], '3')
    reader.isOver = true
    await reading
    expect(reads.besideLoad).toBeGreaterThan(0)
    expect((await again.info('stats'))['sync_full']).toBe('1')
    expect((await replica.info('replication'))['master_replid']).toBe(
      (await again.info('replication'))['master_replid'],
    )
    expect((await replica.info('replication'))['master_replid2']).toBe('0'.repeat(40))
    await equalDigests(again, replica)
  })

  it('a primary that restarts from a file that has everything: a partial resync under its new id', async () => {
    const directory = await newDirectory()
    const primary = await startPrimary(NO_PINGS, { directory })
    await primary.call('SET', 'n', '1')
    const replica = await startReplica(primary)
    await caughtUp(primary, replica)
    const oldId = (await replica.info('replication'))['master_replid']
    await primary.call('SAVE')
    await primary.kill()
    const again = await startPrimary({}, { port: primary.port, directory })
    await linkIs(replica, 'up')
    expect(await again.info('stats')).toMatchObject({ sync_full: '0', sync_partial_ok: '1' })
    expect((await replica.info('replication'))['master_replid2']).toBe(oldId)
    await again.call('INCR', 'n')
    await answers(replica, ['GET', 'n'], '2')
  })

  it('a promoted replica of the same history: partial resync, the old id becomes the second one', async () => {
    const first = await startPrimary(NO_PINGS)
    const second = await startPrimary({ replicaof: ['127.0.0.1', first.port] })
    const replica = await startReplica(first)
    await infoIs(second, 'master_link_status', 'up')
    await first.call('MSET', 'a', '1', 'b', '2')
    await caughtUp(first, replica)
    await caughtUp(first, second)
    const oldId = (await replica.info('replication'))['master_replid']
    await second.call('REPLICAOF', 'NO', 'ONE')
    await first.kill()
    await second.call('SET', 'a', 'promoted')
    await replica.call('REPLICAOF', '127.0.0.1', second.port)
    await linkIs(replica, 'up')
    await caughtUp(second, replica)
    expect(await replica.call('MGET', 'a', 'b')).toEqual(['promoted', '2'])
    const info = await replica.info('replication')
    expect(info['master_replid2']).toBe(oldId)
    expect(info['master_replid']).toBe((await second.info('replication'))['master_replid'])
    expect(await second.info('stats')).toMatchObject({ sync_full: '0', sync_partial_ok: '1' })
    await equalDigests(second, replica)
  })

  it('the selected database is that of the offset: kept over a partial resync, and given by the snapshot', async () => {
    const primary = await startPrimary()
    const writer = await primary.raw()
    await writer.call('SELECT', '3')
    await writer.call('SET', 'before', 'sync')
    const replica = await startReplica(primary)
    const client = await replica.raw()
    await client.call('SELECT', '3')
    await writer.call('SET', 'a', '1')
    await caughtUp(primary, replica)
    await primary.call('CLIENT', 'KILL', 'TYPE', 'replica')
    await infoIs(primary, 'sync_partial_ok', '1')
    // No SELECT goes before this one: to the primary, its stream is still in database 3.
    await writer.call('SET', 'b', '2')
    await caughtUp(primary, replica)
    expect(await client.call('MGET', 'before', 'a', 'b')).toEqual(['sync', '1', '2'])
    await client.call('SELECT', '0')
    expect(await client.call('DBSIZE')).toBe(0)
  })

  it('a backlog that ran over: a full resync, and equal data', async () => {
    const primary = await startPrimary({ 'repl-backlog-size': '16kb' })
    const replica = await startReplica(primary)
    await replica.call('REPLICAOF', 'NO', 'ONE')
    const writer = await primary.raw()
    writer.send(Buffer.concat(Array.from({ length: 2000 }, (_, i) => encodeCommand('SET', `k${i}`, 'x'.repeat(40)))))
    await answers(primary, ['DBSIZE'], 2000)
    await replica.call('REPLICAOF', '127.0.0.1', primary.port)
    await linkIs(replica, 'up')
    await equalDigests(primary, replica)
    expect((await primary.info('stats'))['sync_full']).toBe('2')
  })

  it('WAIT on the primary is answered at once', async () => {
    const primary = await startPrimary()
    await startReplica(primary)
    const client = await primary.raw()
    const tries = 20
    let quick = 0
    for (let i = 0; i < tries; i++) {
      await client.call('SET', 'k', i)
      const asked = performance.now()
      expect(await client.call('WAIT', '1', '10000')).toBe(1)
      if (performance.now() - asked < 500) quick++
    }
    // With the ACK of every second alone, it would be one in two.
    expect(quick).toBeGreaterThanOrEqual(tries - 2)
  })
})

describe("the snapshot's file", () => {
  it('stays, and a redis-server loads it; rdb-del-sync-files removes it', async () => {
    const primary = await startPrimary()
    await primary.call('DEBUG', 'POPULATE', '1000', 'key', '50')
    const keeper = await startReplica(primary, { dbfilename: 'copy.rdb', 'rdb-del-sync-files': 'no' })
    const file = join(keeper.directory, 'copy.rdb')
    expect(existsSync(file)).toBe(true)
    const reader = await startPrimary({ dbfilename: 'copy.rdb' }, { directory: keeper.directory })
    expect(await reader.call('DBSIZE')).toBe(1000)
    const remover = await startReplica(primary, { 'rdb-del-sync-files': 'yes' })
    await waitFor('the file to be gone', async () => (await readdir(remover.directory)).length === 0)
    const diskless = await startReplica(primary, { 'repl-diskless-load': 'swapdb' })
    expect(await readdir(diskless.directory)).toEqual([])
    expect(await diskless.call('DBSIZE')).toBe(1000)
  })

  it('cannot be made: one clear line, and the data are there all the same', async () => {
    const primary = await startPrimary()
    await primary.call('SET', 'k', 'v')
    // Where nobody can make files, not even root.
    const replica = await startReplica(primary, {}, { directory: '/proc', wait: false })
    const line = await replica.waitForLine(/The snapshot was loaded, but not kept as \/proc\/dump\.rdb/)
    expect(line).toMatch(/\/proc\/temp-.*(ENOENT|EACCES|EPERM)/)
    await linkIs(replica, 'up')
    const info = await replica.info('replication')
    expect(info).toMatchObject({ full_sync_file_status: 'err', full_sync_spill_status: 'ok' })
    expect(info['full_sync_last_fault']).toContain('/proc/temp-')
    expect(await replica.call('GET', 'k')).toBe('v')
  })

  it('finds the disk full: one clear line, link and reads go on, and the next one is kept', async ({ skip }) => {
    const directory = await newDirectory()
    const mounted = spawnSync(MOUNT, ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', directory])
    if (mounted.status !== 0) return skip('a tmpfs cannot be mounted here')
    later(() => void spawnSync(UNMOUNT, ['-l', directory]))
    const primary = await startPrimary({ rdbcompression: 'no' })
    await primary.call('SET', 'large', 'x'.repeat(1_000_000))
    const replica = await startReplica(primary, {}, { directory, wait: false })
    await linkIs(replica, 'up')
    const lines = await replica.settledLines()
    expect(lines.filter((line) => line.includes('no space left on the device (ENOSPC)'))).toHaveLength(1)
    expect((await replica.info('replication'))['full_sync_file_status']).toBe('err')
    expect(await replica.call('STRLEN', 'large')).toBe(1_000_000)
    expect(await readdir(directory)).toEqual([])
    await primary.call('SET', 'large', 'small')
    await primary.call('DEBUG', 'CHANGE-REPL-ID')
    await primary.call('CLIENT', 'KILL', 'TYPE', 'replica')
    await infoIs(replica, 'full_sync_file_status', 'ok')
    expect(await replica.call('GET', 'large')).toBe('small')
    expect(await readdir(directory)).toEqual(['dump.rdb'])
    await replica.stop()
  })

  it('cannot get its name: the new data are served, what is in the way stays', async () => {
    const primary = await startPrimary()
    await primary.call('SET', 'k', 'v')
    const replica = await startReplica(primary)
    const file = join(replica.directory, 'dump.rdb')
    await rm(file)
    await mkdir(join(file, 'in the way'), { recursive: true })
    const fromLine = replica.lines.length
    await primary.call('SET', 'k', 'w')
    await primary.call('DEBUG', 'CHANGE-REPL-ID')
    await primary.call('CLIENT', 'KILL', 'TYPE', 'replica')
    await replica.waitForLine(/dump\.rdb.*(EISDIR|ENOTEMPTY|EEXIST)/, { fromLine })
    await linkIs(replica, 'up')
    expect(await replica.call('GET', 'k')).toBe('w')
    expect(await readdir(replica.directory)).toEqual(['dump.rdb'])
  })

  it('has no directory any more: one clear line, and the old data are served', async () => {
    const primary = await startPrimary()
    await primary.call('SET', 'k', 'old')
    const replica = await startReplica(primary)
    await rm(replica.directory, { recursive: true })
    await primary.call('SET', 'k', 'new')
    await caughtUp(primary, replica)
    const fromLine = replica.lines.length
    await primary.call('DEBUG', 'CHANGE-REPL-ID')
    await primary.call('CLIENT', 'KILL', 'TYPE', 'replica')
    const line = await replica.waitForLine(/ENOENT/, { fromLine })
    expect(line).toContain(replica.directory)
    expect(await replica.call('GET', 'k')).toBe('new')
    // The place is there again: so is the link, by itself.
    await mkdir(replica.directory)
    await linkIs(replica, 'up', { timeoutMs: 15_000 })
    await primary.call('SET', 'k', 'newest')
    await answers(replica, ['GET', 'k'], 'newest')
  })
})

it('a node without a primary takes a snapshot of another version of itself and is its replica later', async () => {
  const primary = await startPrimary()
  await primary.call('SET', 'k', 'v')
  const replica = await startReplica(primary, { dbfilename: 'kept.rdb', 'rdb-del-sync-files': 'no' })
  await caughtUp(primary, replica)
  await rename(join(replica.directory, 'kept.rdb'), join(primary.directory, 'kept.rdb'))
  const node = await startNode({ dbfilename: 'kept.rdb' }, { directory: primary.directory })
  expect(await node.call('GET', 'k')).toBe('v')
  expect(await node.call('ROLE')).toEqual(['master', expect.any(Number), []])
})
