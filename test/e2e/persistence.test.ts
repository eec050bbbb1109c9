/** Snapshots on disk: that others read them, that a restart goes on from them, and what a disk that fails does. */
import { execFile } from 'node:child_process'
import { copyFile, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { datasetDigestOf, equalDigests } from '../support/compare-datasets.ts'
import { fillDataset } from '../support/dataset.ts'
import { freePort } from '../support/free-port.ts'
import { redisBinaries } from '../support/redis-server.ts'
import { scanBytes } from '../support/scan-rdb.ts'
import { mountSmallDisk } from '../support/small-disk.ts'
import type { TestServer } from '../support/test-server.ts'
import { UNDERSTUDY_BIN } from '../support/understudy-server.ts'
import { caughtUp, later, linkIs, newDirectory, NO_PINGS, startNode, startPrimary, startReplica } from './topology.ts'

const run = promisify(execFile)
/** Never reached by themselves. */
const SAVE_POINT = ['100000', '1000000']

/** Writes of every kind, after which the stream stands in another database than 0. */
async function writeMore(primary: TestServer, tag: string): Promise<void> {
  const client = await primary.raw()
  await client.call('SELECT', 3)
  for (let i = 0; i < 200; i++) await client.call('SET', `${tag}:${i}`, i)
  await client.call('MULTI')
  await client.call('RPUSH', `${tag}:list`, 'a', 'b')
  await client.call('ZADD', `${tag}:zset`, '1', 'm')
  await client.call('EXEC')
  client.close()
}

describe('a file that was saved', () => {
  it(
    'is read by redis-server, redis-check-rdb, understudy check and Understudy, with every key',
    { timeout: 60_000 },
    async () => {
      const primary = await startPrimary()
      await fillDataset(primary.port, { seed: 21, keys: 800 })
      const replica = await startReplica(primary)
      await caughtUp(primary, replica)
      const digest = await datasetDigestOf(primary)
      const directory = await newDirectory()
      for (const [compression, checksum] of [
        ['yes', 'yes'],
        ['no', 'no'],
      ] as const) {
        const node = await startNode(
          { rdbcompression: compression, rdbchecksum: checksum },
          { directory: await newDirectory() },
        )
        await node.call('REPLICAOF', '127.0.0.1', primary.port)
        await linkIs(node, 'up')
        await caughtUp(primary, node)
        expect(await node.call('SAVE')).toBe('OK')
        await copyFile(join(node.directory, 'dump.rdb'), join(directory, 'dump.rdb'))

        const { checkRdb } = await redisBinaries()
        expect((await run(checkRdb, [join(directory, 'dump.rdb')])).stdout).toContain('RDB looks OK!')
        const checked = await run(process.execPath, [UNDERSTUDY_BIN, 'check', join(directory, 'dump.rdb')])
        expect(checked.stdout).toContain(String(await primary.call('DBSIZE')))
        const redis = await startPrimary({}, { directory })
        expect(await datasetDigestOf(redis)).toBe(digest)
        await redis.kill()
        const again = await startNode({}, { directory })
        expect(await datasetDigestOf(again)).toBe(digest)
        await again.kill()
        await node.kill()
      }
    },
  )

  it('keeps streams with their groups, times to live, and functions', async () => {
    const node = await startNode()
    await node.call('XADD', 's', '5-1', 'f', 'v')
    await node.call('XADD', 's', '6-1', 'f', 'w')
    await node.call('XGROUP', 'CREATE', 's', 'g', '0')
    await node.call('XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', '1', 'STREAMS', 's', '>')
    await node.call('SET', 'k', 'v', 'PXAT', '1999999999999')
    await node.call('FUNCTION', 'LOAD', "#!lua name=lib\nredis.register_function('f', function() return 7 end)")
    expect(await node.call('SAVE')).toBe('OK')
    const redis = await startPrimary({}, { directory: node.directory })
    expect(await redis.call('XPENDING', 's', 'g')).toEqual([1, '5-1', '5-1', [['c', '1']]])
    expect(await redis.call('PEXPIRETIME', 'k')).toBe(1_999_999_999_999)
    expect(await redis.call('FCALL', 'f', '0')).toBe(7)
    expect(await datasetDigestOf(redis)).toBe(await datasetDigestOf(node))
  })

  it('has the version that the data need, and is read again with times to live of fields', async () => {
    const node = await startNode()
    await node.call('HSET', 'h', 'f', 'v', 'g', 'w')
    expect(await node.call('SAVE')).toBe('OK')
    const file = join(node.directory, 'dump.rdb')
    expect((await readFile(file)).subarray(0, 9).toString()).toBe('REDIS0010')
    await node.call('HPEXPIREAT', 'h', '1999999999999', 'FIELDS', '1', 'f')
    expect(await node.call('SAVE')).toBe('OK')
    expect((await readFile(file)).subarray(0, 9).toString()).toBe('REDIS0012')
    await node.waitForLine(/RDB version 12: version 10 cannot hold/)
    const again = await startNode({}, { directory: node.directory })
    expect(await again.call('HPEXPIRETIME', 'h', 'FIELDS', '2', 'f', 'g')).toEqual([1_999_999_999_999, -1])
    // Data of that version stay of that version.
    await again.call('HPERSIST', 'h', 'FIELDS', '1', 'f')
    await again.call('SAVE')
    expect((await readFile(file)).subarray(0, 9).toString()).toBe('REDIS0012')
  })

  it('counts in LASTSAVE and INFO', async () => {
    const node = await startNode()
    expect(await node.info('persistence')).toMatchObject({ rdb_changes_since_last_save: '0', rdb_saves: '0' })
    await node.call('MSET', 'a', '1', 'b', '2')
    await node.call('DEL', 'a', 'missing')
    await node.call('GET', 'b')
    expect((await node.info('persistence'))['rdb_changes_since_last_save']).toBe('3')
    const before = Number(await node.call('LASTSAVE'))
    await node.call('SAVE')
    const info = await node.info('persistence')
    expect(info).toMatchObject({
      rdb_changes_since_last_save: '0',
      rdb_saves: '1',
      rdb_last_bgsave_status: 'ok',
      rdb_bgsave_in_progress: '0',
    })
    expect(Number(await node.call('LASTSAVE'))).toBeGreaterThanOrEqual(before)
    expect(Number(info['rdb_last_save_time'])).toBe(Number(await node.call('LASTSAVE')))
  })
})

describe('a restart of a replica', () => {
  for (const how of ['SIGTERM with save points', 'SHUTDOWN SAVE', 'SAVE, then kill -9'] as const) {
    it(`after ${how} is a partial resync`, async () => {
      const primary = await startPrimary()
      await fillDataset(primary.port, { seed: 22, keys: 800 })
      await writeMore(primary, 'before')
      const directory = await newDirectory()
      const directives = { save: how.startsWith('SIGTERM') ? SAVE_POINT : '' }
      const replica = await startReplica(primary, directives, { directory })
      await writeMore(primary, 'seen')
      await caughtUp(primary, replica)
      if (how === 'SHUTDOWN SAVE') {
        const client = await replica.raw()
        client.send('SHUTDOWN SAVE\r\n')
        expect(await client.readToEnd()).toHaveLength(0)
        await replica.waitForLine(/bye bye/)
      } else if (how.startsWith('SIGTERM')) {
        await replica.stop()
        expect(replica.lines.some((line) => /Saving the final RDB snapshot before exiting/.test(line))).toBe(true)
      } else {
        expect(await replica.call('SAVE')).toBe('OK')
        await writeMore(primary, 'lost and sent again')
        await caughtUp(primary, replica)
        await replica.kill()
      }
      expect(await readdir(directory)).toEqual(['dump.rdb'])
      const position = scanBytes(await readFile(join(directory, 'dump.rdb'))).summary.aux
      expect(Object.fromEntries(position)).toMatchObject({
        'repl-id': (await primary.info('replication'))['master_replid'],
        'repl-stream-db': '3',
      })
      await writeMore(primary, 'missed')
      const again = await startReplica(primary, directives, { directory })
      await caughtUp(primary, again)
      const stats = await primary.info('stats')
      expect(stats).toMatchObject({ sync_full: '1', sync_partial_ok: '1', sync_partial_err: '0' })
      expect(await again.info('replication')).toMatchObject({
        master_replid: (await primary.info('replication'))['master_replid'],
        master_replid2: '0'.repeat(40),
      })
      await again.waitForLine(/Successful partial resynchronization with master/)
      await equalDigests(primary, again)
    })
  }

  it('whose file is older than the backlog of its primary is a full resync', async () => {
    const primary = await startPrimary({ 'repl-backlog-size': '16kb' })
    const directory = await newDirectory()
    const replica = await startReplica(primary, { save: SAVE_POINT }, { directory })
    await caughtUp(primary, replica)
    await replica.stop()
    await primary.call('SET', 'k', 'x'.repeat(100_000))
    const again = await startReplica(primary, {}, { directory })
    await caughtUp(primary, again)
    expect(await primary.info('stats')).toMatchObject({ sync_full: '2', sync_partial_ok: '0', sync_partial_err: '1' })
    await equalDigests(primary, again)
  })

  it('that never had data saves nothing over the file it has', async () => {
    const directory = await newDirectory()
    const primary = await startPrimary()
    await primary.call('SET', 'k', 'v')
    await primary.call('SAVE')
    const { port } = primary
    await copyFile(join(primary.directory, 'dump.rdb'), join(directory, 'other.rdb'))
    await primary.kill()
    const replica = await startReplica(
      { port },
      { save: SAVE_POINT, dbfilename: 'dump.rdb' },
      { directory, wait: false },
    )
    await replica.call('CONFIG', 'SET', 'dbfilename', 'other.rdb').catch(() => 'protected')
    await replica.stop()
    expect(await readdir(directory)).toEqual(['other.rdb'])
  })
})

describe('a signal', () => {
  it.each([
    ['default', '', false],
    ['default', 'points', true],
    ['save', '', true],
    ['nosave', 'points', false],
  ] as const)('with shutdown-on-sigterm %s and save points "%s": saves? %s', async (chosen, points, saves) => {
    const directory = await newDirectory()
    const node = await startNode(
      { 'shutdown-on-sigterm': chosen, save: points === '' ? '' : SAVE_POINT },
      { directory },
    )
    await node.call('SET', 'k', 'v')
    await node.stop()
    expect(await readdir(directory)).toEqual(saves ? ['dump.rdb'] : [])
  })
})

describe('a restart of a primary', () => {
  it('takes the file as redis 7.0 does: a new id, and the old one up to where it ended', async () => {
    const primary = await startPrimary()
    const replica = await startReplica(primary)
    await writeMore(primary, 'k')
    await caughtUp(primary, replica)
    await replica.call('SAVE')
    const { directory } = replica
    const names = [
      'role',
      'master_replid2',
      'master_repl_offset',
      'second_repl_offset',
      'repl_backlog_active',
      'repl_backlog_first_byte_offset',
      'repl_backlog_histlen',
    ]
    const fields = async (server: TestServer): Promise<object> => {
      const info = await server.info('replication')
      return names.map((name) => [name, info[name]])
    }
    const redis = await startPrimary({}, { directory })
    const theirs = await fields(redis)
    await redis.kill()
    const node = await startNode({}, { directory })
    expect(await fields(node)).toEqual(theirs)
    expect((await node.info('replication'))['master_replid']).not.toBe(
      (await primary.info('replication'))['master_replid'],
    )
  })

  it('is a partial resync for a redis-server below that has all of it', async () => {
    const directory = await newDirectory()
    const node = await startNode({ ...NO_PINGS, save: SAVE_POINT }, { directory })
    const { port } = node
    const below = await startPrimary({ replicaof: ['127.0.0.1', port] })
    await linkIs(below, 'up')
    await writeMore(node, 'before')
    await caughtUp(node, below)
    await node.stop()
    const again = await startNode({ save: SAVE_POINT }, { directory, port })
    await linkIs(below, 'up')
    await writeMore(again, 'after')
    await caughtUp(again, below)
    expect(await again.info('stats')).toMatchObject({ sync_full: '0', sync_partial_ok: '1' })
    await equalDigests(again, below)
  })

  it('is a full resync for one that has missed something', async () => {
    const directory = await newDirectory()
    const node = await startNode({ save: SAVE_POINT }, { directory })
    const { port } = node
    const below = await startPrimary({ replicaof: ['127.0.0.1', port] })
    await linkIs(below, 'up')
    await node.call('SAVE')
    await writeMore(node, 'in no file')
    await caughtUp(node, below)
    await node.kill()
    const again = await startNode({}, { directory, port })
    await linkIs(below, 'up')
    await caughtUp(again, below)
    expect(await again.info('stats')).toMatchObject({ sync_full: '1', sync_partial_ok: '0', sync_partial_err: '1' })
    await equalDigests(again, below)
  })
})

describe('a disk that fails', () => {
  it('when it is full: one line, the old file as it was, -MISCONF, and all is well after the next save', async ({
    skip,
  }) => {
    const disk = await mountSmallDisk(256)
    if (disk === undefined) return skip('a tmpfs cannot be mounted here')
    later(() => disk.remove())
    const { directory } = disk
    const node = await startNode({ save: SAVE_POINT, rdbcompression: 'no' }, { directory })
    await node.call('SET', 'small', 'v')
    expect(await node.call('SAVE')).toBe('OK')
    const old = await readFile(join(directory, 'dump.rdb'))
    await node.call('SET', 'large', 'x'.repeat(1_000_000))
    await expect(node.call('SAVE')).rejects.toThrow(/^ERR cannot write .*no space left on the device \(ENOSPC\)/)
    expect((await node.settledLines()).filter((line) => line.includes('ENOSPC'))).toHaveLength(1)
    expect(await readdir(directory)).toEqual(['dump.rdb'])
    expect(await readFile(join(directory, 'dump.rdb'))).toEqual(old)
    const info = await node.info('persistence')
    expect(info).toMatchObject({ rdb_last_bgsave_status: 'err', rdb_changes_since_last_save: '1' })
    expect(info['rdb_last_save_fault']).toContain('ENOSPC')
    await expect(node.call('SET', 'k', 'v')).rejects.toThrow(/^MISCONF Redis is configured to save RDB snapshots/)
    await expect(node.call('PING')).rejects.toThrow(/^MISCONF /)
    expect(await node.call('GET', 'small')).toBe('v')
    // The end would lose what is not on the disk.
    const failed = /Errors trying to shut down the server/
    const beforeShutdown = node.process.mark()
    await expect(node.call('SHUTDOWN')).rejects.toThrow(/^ERR Errors trying to SHUTDOWN/)
    // Its line may come after its reply: it must not be taken for the signal's.
    await node.waitForLine(failed, { fromLine: beforeShutdown })
    const beforeSignal = node.process.mark()
    node.process.signal('SIGTERM')
    await node.waitForLine(failed, { fromLine: beforeSignal })
    await node.call('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no')
    expect(await node.call('DEL', 'large')).toBe(1)
    expect(await node.call('PING')).toBe('PONG')
    await node.call('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'yes')
    expect(await node.call('SAVE')).toBe('OK')
    expect(await node.call('SET', 'k', 'v')).toBe('OK')
    expect((await node.info('persistence'))['rdb_last_bgsave_status']).toBe('ok')
    await node.stop()
    const again = await startNode({ save: '' }, { directory })
    expect(await again.call('GET', 'k')).toBe('v')
  })

  it('where no file can be made: a replica goes on, and SHUTDOWN FORCE ends it', async () => {
    const primary = await startPrimary()
    await primary.call('SET', 'k', 'v')
    // Not even root can make a file there.
    const replica = await startReplica(
      primary,
      { save: SAVE_POINT, 'repl-diskless-load': 'swapdb' },
      { directory: '/proc' },
    )
    await expect(replica.call('SAVE')).rejects.toThrow(
      /^ERR cannot create \/proc\/temp-\d+-dump\.rdb: .*\((ENOENT|EACCES|EPERM)\)/,
    )
    await primary.call('SET', 'k', 'w')
    await caughtUp(primary, replica)
    expect(await replica.call('GET', 'k')).toBe('w')
    expect(await replica.call('PING')).toBe('PONG')
    const client = await replica.raw()
    client.send('SHUTDOWN SAVE FORCE\r\n')
    expect(await client.readToEnd()).toHaveLength(0)
    await replica.waitForLine(/Error trying to save the DB. Exit anyway/)
  })

  it('leaves a file in the way as it is', async () => {
    const node = await startNode()
    const inTheWay = join(node.directory, 'dump.rdb')
    await rm(inTheWay, { force: true })
    await promisify(execFile)('mkdir', [inTheWay])
    await writeFile(join(inTheWay, 'content'), 'kept')
    await expect(node.call('SAVE')).rejects.toThrow(/^ERR cannot rename /)
    expect(await readdir(node.directory)).toEqual(['dump.rdb'])
    expect(await readFile(join(inTheWay, 'content'), 'utf8')).toBe('kept')
  })
})

it.each(['a directory', 'a link to itself'])(
  '%s in the place of the file is refused: not an empty start',
  async (what) => {
    const directory = await newDirectory()
    const path = join(directory, 'dump.rdb')
    await (what === 'a directory' ? mkdir(path) : symlink(path, path))
    const args = [UNDERSTUDY_BIN, '--port', String(await freePort()), '--bind', '127.0.0.1', '--dir', directory]
    const started = run(process.execPath, args, { timeout: 20_000 })
    const failed = (await started.catch((error: unknown) => error)) as { code: number; stdout: string }
    expect(failed).toMatchObject({ code: 1, stdout: expect.stringContaining(`Cannot start: cannot read ${path}: `) })
  },
)
