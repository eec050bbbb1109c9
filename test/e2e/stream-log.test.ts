/** The log of the applied stream: what a start makes of it after `kill -9`, of what is torn, and of a disk that fails. */
import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { equalDigests } from '../support/compare-datasets.ts'
import { fillDataset } from '../support/dataset.ts'
import { mountSmallDisk } from '../support/small-disk.ts'
import type { TestServer } from '../support/test-server.ts'
import { waitFor } from '../support/wait-for.ts'
import {
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

const LOGGED = { 'repl-stream-log': 'yes' }

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
      const primary = await startPrimary(NO_PINGS)
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

describe('FLUSHALL of the stream', () => {
  const points = { ...LOGGED, save: ['3600', '1000000'] }
  for (const [when, first] of [
    ['that emptied the file when it came', points],
    ['that the log has behind the file', { ...LOGGED, save: '' }],
  ] as const) {
    it(`${when}: the data of a start are those behind it`, async () => {
      const primary = await startPrimary()
      const directory = await newDirectory()
      const replica = await startReplica(primary, first, { directory })
      await writeMore(primary, 'before')
      await caughtUp(primary, replica)
      await logged(replica)
      const client = await primary.raw()
      await client.pipeline([['SET', 'k', 'v'], ['FLUSHALL'], ['SELECT', 5], ['SET', 'k', 'after']])
      await caughtUp(primary, replica)
      await logged(replica)
      await replica.kill()
      const again = await startReplica(primary, points, { directory })
      // The file that the log follows stays as it is while the log is replayed.
      expect((await again.info('persistence'))['rdb_saves']).toBe('0')
      await caughtUp(primary, again)
      await equalDigests(primary, again)
      expect(await primary.info('stats')).toMatchObject({ sync_full: '1', sync_partial_ok: '1' })
    })
  }
})

/** Bytes of the last segment. */
async function lastSegment(directory: string): Promise<{ path: string; bytes: Buffer }> {
  const path = join(directory, (await segmentsIn(directory)).at(-1)!)
  return { path, bytes: await readFile(path) }
}

describe('a log that is damaged', () => {
  it('at its tail is cut at the last good record; the primary sends the rest again', async () => {
    const primary = await startPrimary()
    const directory = await newDirectory()
    const replica = await startReplica(primary, LOGGED, { directory })
    for (let i = 0; i < 20; i++) {
      await primary.call('SET', `k:${i}`, 'x'.repeat(100))
      await caughtUp(primary, replica)
    }
    await logged(replica)
    await replica.kill()
    const { path, bytes } = await lastSegment(directory)
    await truncate(path, bytes.length - 150)
    const again = await startReplica(primary, LOGGED, { directory })
    await caughtUp(primary, again)
    const cut = (await again.settledLines()).filter((line) =>
      /Stream log: .* is cut at byte \d+ of \d+, behind its last good record/.test(line),
    )
    expect(cut).toHaveLength(1)
    expect(await primary.info('stats')).toMatchObject({ sync_full: '1', sync_partial_ok: '1' })
    await equalDigests(primary, again)
    // What was cut does not count at the next start either.
    await logged(again)
    await again.kill()
    const third = await startReplica(primary, LOGGED, { directory })
    await caughtUp(primary, third)
    expect(await primary.info('stats')).toMatchObject({ sync_full: '1', sync_partial_ok: '2' })
    await equalDigests(primary, third)
  })

  it('in the middle counts up to there, and goes on anew', async () => {
    const primary = await startPrimary()
    const directory = await newDirectory()
    const directives = { ...LOGGED, 'repl-stream-log-segment-size': '4kb' }
    const replica = await startReplica(primary, directives, { directory })
    for (let i = 0; i < 20; i++) {
      await primary.call('SET', `k:${i}`, 'x'.repeat(1000))
      await caughtUp(primary, replica)
      await logged(replica)
    }
    await replica.kill()
    const segments = await segmentsIn(directory)
    expect(segments.length).toBeGreaterThan(3)
    await writeFile(join(directory, segments[2]!), 'nothing that could be meant')
    const again = await startReplica(primary, directives, { directory })
    await caughtUp(primary, again)
    await again.waitForLine(/what it has behind that does not follow without a gap/)
    expect(await primary.info('stats')).toMatchObject({ sync_full: '1', sync_partial_ok: '1' })
    await equalDigests(primary, again)
    await logged(again)
    await again.kill()
    const third = await startReplica(primary, directives, { directory })
    await caughtUp(primary, third)
    expect(await primary.info('stats')).toMatchObject({ sync_full: '1', sync_partial_ok: '2' })
    await equalDigests(primary, third)
  })

  it('of a newer version is refused by name, and stays as it is', async () => {
    const directory = await newDirectory()
    const node = await startNode(LOGGED, { directory })
    await node.call('SET', 'k', 'v')
    await logged(node)
    await node.kill()
    const { path, bytes } = await lastSegment(directory)
    bytes.writeUInt32LE(2, 4)
    await writeFile(path, bytes)
    await expect(startNode(LOGGED, { directory })).rejects.toThrow(
      /Cannot start: .*dump\.rdb\.stream-\d+ is a stream log of version 2, and this program reads version 1/,
    )
    expect(await readFile(path)).toEqual(bytes)
  })
})

describe('kill -9 of a primary', () => {
  it('costs nothing that was written, and it needs no replica for that', async () => {
    const directory = await newDirectory()
    const node = await startNode(LOGGED, { directory })
    await writeMore(node, 'mine')
    await node.call('SET', 'gone', 'v', 'PX', 1)
    await infoIs(node, 'expired_keys', '1')
    await node.call('SPOP', 'missing')
    await logged(node)
    const digest = await node.call('DEBUG', 'DIGEST')
    await node.kill()
    const again = await startNode(LOGGED, { directory })
    expect(await again.call('DEBUG', 'DIGEST')).toBe(digest)
    await writeMore(again, 'more')
    await logged(again)
    // The log goes on under another id, and with a snapshot that has it.
    await again.call('DEBUG', 'CHANGE-REPL-ID')
    await again.call('SAVE')
    await writeMore(again, 'later')
    await logged(again)
    const after = await again.call('DEBUG', 'DIGEST')
    await again.kill()
    const third = await startNode(LOGGED, { directory })
    expect(await third.call('DEBUG', 'DIGEST')).toBe(after)
  })

  it.each([1, 2])('with fsync always loses no write that was answered (io-threads %i)', async (threads) => {
    const directory = await newDirectory()
    const directives = { ...LOGGED, 'repl-stream-log-fsync': 'always', 'io-threads': threads }
    const node = await startNode(directives, { directory })
    await infoIs(node, 'stream_log_snapshot_offset', '0')
    const client = await node.raw()
    let answered = 0
    const writing = (async () => {
      for (;;) answered = Number(await client.call('INCR', 'counter'))
    })().catch(() => {})
    await waitFor('some writes', () => answered > 50)
    // At times one is written and not yet synced; what was answered is both.
    const before = await node.info('everything')
    await waitFor('more writes', () => answered > 80)
    const synced = Number((await node.info('persistence'))['stream_log_synced_offset'])
    expect(synced).toBeGreaterThanOrEqual(Number(before['master_repl_offset']))
    await node.kill()
    await writing
    const again = await startNode(directives, { directory })
    const found = Number(await again.call('GET', 'counter'))
    expect(found).toBeGreaterThanOrEqual(answered)
    expect(found).toBeLessThanOrEqual(answered + 1)
    // A pipeline that ends the connection is answered, too.
    const last = await again.raw()
    last.send('INCR counter\r\nGET counter\r\nQUIT\r\n')
    expect(await last.readReply()).toBe(found + 1)
    expect(await last.readReply()).toBe(String(found + 1))
    expect(await last.readReply()).toBe('OK')
  })

  it('that was promoted: the old primary goes on in part below it', async () => {
    const old = await startPrimary(NO_PINGS)
    await fillDataset(old.port, { seed: 42, keys: 200 })
    const directory = await newDirectory()
    const node = await startReplica(old, LOGGED, { directory })
    await caughtUp(old, node)
    await node.call('REPLICAOF', 'NO', 'ONE')
    await writeMore(node, 'promoted')
    await logged(node)
    const digest = await node.call('DEBUG', 'DIGEST')
    await node.kill()
    const again = await startNode(LOGGED, { directory })
    expect(await again.call('DEBUG', 'DIGEST')).toBe(digest)
    await old.call('REPLICAOF', '127.0.0.1', again.port)
    await linkIs(old, 'up')
    await writeMore(again, 'after')
    await caughtUp(again, old)
    expect(await again.info('stats')).toMatchObject({ sync_full: '0', sync_partial_ok: '1', sync_partial_err: '0' })
    await equalDigests(again, old)
  })

  it('that comes back as a replica goes on in part below the one that was promoted', async () => {
    const directory = await newDirectory()
    const node = await startNode({ ...LOGGED, ...NO_PINGS }, { directory })
    const next = await startReplica(node, LOGGED)
    await writeMore(node, 'before')
    await caughtUp(node, next)
    await logged(node)
    await node.kill()
    await next.call('REPLICAOF', 'NO', 'ONE')
    await writeMore(next, 'after')
    const again = await startNode(LOGGED, { directory })
    await again.call('REPLICAOF', '127.0.0.1', next.port)
    await linkIs(again, 'up')
    await caughtUp(next, again)
    expect(await next.info('stats')).toMatchObject({ sync_full: '0', sync_partial_ok: '1' })
    await equalDigests(next, again)
  })
})

describe('a node that was killed', () => {
  it('feeds replicas below from its backlog of before', async () => {
    const primary = await startPrimary()
    const directory = await newDirectory()
    const middle = await startReplica(primary, LOGGED, { directory })
    const { port } = middle
    const leaf = await startReplica(middle)
    await caughtUp(middle, leaf)
    await leaf.call('REPLICAOF', '127.0.0.1', '1')
    await writeMore(primary, 'without the leaf')
    await caughtUp(primary, middle)
    await middle.call('SAVE')
    await writeMore(primary, 'behind the snapshot')
    await caughtUp(primary, middle)
    await logged(middle)
    const before = await middle.info('replication')
    await middle.kill()
    const again = await startReplica(primary, LOGGED, { directory, port })
    const after = await again.info('replication')
    expect(after['repl_backlog_first_byte_offset']).toBe(before['repl_backlog_first_byte_offset'])
    await leaf.call('REPLICAOF', '127.0.0.1', port)
    await linkIs(leaf, 'up')
    await caughtUp(primary, leaf)
    expect(await again.info('stats')).toMatchObject({ sync_full: '0', sync_partial_ok: '1' })
    await equalDigests(primary, leaf)
  })
})

describe('the size of the log', () => {
  it('is bounded: snapshots are saved, and segments that they have go', async () => {
    const primary = await startPrimary({ 'repl-backlog-size': '10mb' })
    const directory = await newDirectory()
    const directives = {
      ...LOGGED,
      'repl-backlog-size': '16kb',
      'repl-stream-log-max-size': '200kb',
      'repl-stream-log-segment-size': '10kb',
    }
    const replica = await startReplica(primary, directives, { directory })
    for (let i = 0; i < 40; i++) {
      await primary.call('SET', `k:${i % 7}`, String(i).repeat(8000))
      await caughtUp(primary, replica)
      expect((await replica.info('persistence'))['stream_log_state']).toBe('on')
    }
    await logged(replica)
    await waitFor('segments to go', async () => {
      const { stream_log_size: size, rdb_saves: saves } = await replica.info('persistence')
      return Number(size) < 200_000 && Number(saves) > 0
    })
    await waitFor('files to go', async () => {
      const sizes = await replica.info('persistence')
      return (await segmentsIn(directory)).length === Number(sizes['stream_log_segments'])
    })
    await replica.kill()
    const again = await startReplica(primary, directives, { directory })
    await caughtUp(primary, again)
    expect(await primary.info('stats')).toMatchObject({ sync_full: '1', sync_partial_ok: '1' })
    await equalDigests(primary, again)
  })

  it('ends it where no snapshot can be saved; it begins anew with one', async () => {
    const directory = await newDirectory()
    const node = await startNode({ ...LOGGED, 'repl-stream-log-max-size': '64kb' }, { directory })
    await infoIs(node, 'stream_log_snapshot_offset', '0')
    // A directory in the place of the file.
    await rm(join(directory, 'dump.rdb'))
    await mkdir(join(directory, 'dump.rdb', 'in the way'), { recursive: true })
    for (let i = 0; i < 20; i++) await node.call('SET', 'k', String(i).repeat(3000)).catch(() => {})
    await node.waitForLine(
      /The stream log is not written: repl-stream-log-max-size is reached, and no snapshot could be saved since offset 0/,
    )
    await expect(node.call('SET', 'k', 'v')).rejects.toThrow(
      /^MISCONF Errors writing to the stream log: repl-stream-log-max-size/,
    )
    expect(await node.call('STRLEN', 'k')).toBeGreaterThan(0)
    await rm(join(directory, 'dump.rdb'), { recursive: true })
    await node.waitForLine(/The stream log is whole again/)
    expect(await node.call('SET', 'k', 'v')).toBe('OK')
    await logged(node)
    await node.kill()
    const again = await startNode(LOGGED, { directory })
    expect(await again.call('GET', 'k')).toBe('v')
  })
})

describe('a disk that fails', () => {
  it('when it is full: one line, a status, -MISCONF on a primary, the rest goes on; and all is well when there is room', async ({
    skip,
  }) => {
    const disk = await mountSmallDisk(256)
    if (disk === undefined) return skip('a tmpfs cannot be mounted here')
    later(() => disk.remove())
    const { directory } = disk
    const primary = await startPrimary()
    // Somebody else's.
    const ballast = join(directory, 'ballast')
    await writeFile(ballast, Buffer.alloc(120 * 1024))
    const node = await startReplica(primary, { ...LOGGED, 'repl-diskless-load': 'swapdb' }, { directory })
    await primary.call('SET', 'small', 'v')
    await caughtUp(primary, node)
    await logged(node)
    for (let i = 0; i < 2; i++) await primary.call('SET', 'large', String(i).repeat(100_000))
    await caughtUp(primary, node)
    await node.waitForLine(/The stream log is not written: cannot write .*no space left on the device \(ENOSPC\)/)
    expect(await node.info('persistence')).toMatchObject({
      stream_log_state: 'failed',
      stream_log_last_write_status: 'err',
      stream_log_last_fault: expect.stringContaining('ENOSPC'),
    })
    // The link and reads go on.
    await primary.call('SET', 'small', 'w')
    await caughtUp(primary, node)
    expect(await node.call('GET', 'small')).toBe('w')
    expect(await node.call('PING')).toBe('PONG')
    const lines = await node.settledLines()
    expect(lines.filter((line) => line.includes('The stream log is not written'))).toHaveLength(1)
    await node.call('REPLICAOF', 'NO', 'ONE')
    await expect(node.call('SET', 'k', 'v')).rejects.toThrow(
      /^MISCONF Errors writing to the stream log: cannot write .*ENOSPC/,
    )
    await node.call('REPLICAOF', '127.0.0.1', primary.port)
    await primary.call('DEL', 'large')
    await primary.call('SET', 'small', 'x')
    await rm(ballast)
    await node.waitForLine(/The stream log is whole again/)
    await logged(node)
    await node.kill()
    const again = await startReplica(primary, LOGGED, { directory })
    await caughtUp(primary, again)
    await equalDigests(primary, again)
  })

  it('where no file can be made: the link goes on', async () => {
    const primary = await startPrimary()
    // Not even root can make a file there.
    const replica = await startReplica(primary, { ...LOGGED, 'repl-diskless-load': 'swapdb' }, { directory: '/proc' })
    await replica.waitForLine(
      /The stream log is not written: cannot create \/proc\/dump\.rdb\.stream-\d+: .*\((ENOENT|EACCES|EPERM)\)/,
    )
    await primary.call('SET', 'k', 'v')
    await caughtUp(primary, replica)
    expect(await replica.call('GET', 'k')).toBe('v')
  })
})

describe('CONFIG SET', () => {
  it('switches the log on and off, and moves it', async () => {
    const primary = await startPrimary()
    const directory = await newDirectory()
    const replica = await startReplica(primary, { 'enable-protected-configs': 'yes' }, { directory })
    expect(await replica.call('CONFIG', 'GET', 'repl-stream-log*')).toEqual([
      'repl-stream-log',
      'no',
      'repl-stream-log-fsync',
      'everysec',
      'repl-stream-log-max-size',
      '1073741824',
      'repl-stream-log-segment-size',
      '67108864',
    ])
    expect(await segmentsIn(directory)).toEqual([])
    expect((await replica.info('persistence'))['stream_log_state']).toBe('off')
    await replica.call('CONFIG', 'SET', 'repl-stream-log', 'yes', 'repl-stream-log-fsync', 'no')
    await writeMore(primary, 'on')
    await caughtUp(primary, replica)
    await logged(replica)
    const elsewhere = await newDirectory()
    await replica.call('CONFIG', 'SET', 'dir', elsewhere)
    await logged(replica)
    expect(await segmentsIn(elsewhere)).toHaveLength(1)
    await replica.call('CONFIG', 'SET', 'repl-stream-log', 'no')
    await writeMore(primary, 'off')
    await caughtUp(primary, replica)
    const { bytes } = await lastSegment(elsewhere)
    expect(bytes.includes('off:1')).toBe(false)
    await replica.call('CONFIG', 'SET', 'repl-stream-log', 'yes')
    await logged(replica)
    await replica.kill()
    const again = await startReplica(primary, LOGGED, { directory: elsewhere })
    await caughtUp(primary, again)
    expect(await primary.info('stats')).toMatchObject({ sync_full: '1', sync_partial_ok: '1' })
    await equalDigests(primary, again)
  })
})
