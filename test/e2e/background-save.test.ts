/** Snapshots that are saved while clients go on writing: that a file has one moment, and what becomes of one that is given up. */
import { mkdir, readdir, rm } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { fillDataset } from '../support/dataset.ts'
import type { TestServer } from '../support/test-server.ts'
import { caughtUp, linkIs, newDirectory, startNode, startPrimary, startReplica } from './topology.ts'

/** Writes of many kinds until the save is over. */
async function writeUntilSaved(server: TestServer): Promise<void> {
  let i = 0
  while ((await server.info('persistence'))['rdb_bgsave_in_progress'] === '1') {
    await server.call('MSET', `new:${i}`, i, `new:${i % 7}`, 'x'.repeat(i % 300))
    await server.call('RPUSH', 'new:list', i)
    await server.call('ZADD', 'new:zset', i % 50, `m${i}`)
    await server.call('DEL', `new:${i - 5}`)
    await server.call('HSET', 'new:hash', `f${i}`, i)
    i++
  }
}

describe('BGSAVE', () => {
  it('saves the data of its moment while writes go on; redis-server reads them', async () => {
    const source = await startPrimary()
    await fillDataset(source.port, { seed: 31, keys: 1500 })
    const node = await startReplica(source)
    await caughtUp(source, node)
    await node.call('REPLICAOF', 'NO', 'ONE')
    for (let round = 0; round < 2; round++) {
      const client = await node.raw()
      // One write for certain, right behind the moment; the others for as long as it lasts.
      client.send(`DEBUG DIGEST\r\nBGSAVE\r\nSET new:first ${round}\r\n`)
      const digest = String(await client.readReply())
      expect(await client.readReply()).toBe('Background saving started')
      expect(await client.readReply()).toBe('OK')
      client.close()
      await writeUntilSaved(node)
      const info = await node.info('persistence')
      expect(info).toMatchObject({ rdb_last_bgsave_status: 'ok', rdb_saves: String(round + 1) })
      expect(Number(info['rdb_changes_since_last_save'])).toBeGreaterThan(0)
      const redis = await startPrimary({}, { directory: node.directory })
      expect(await redis.call('DEBUG', 'DIGEST')).toBe(digest)
      expect(await node.call('DEBUG', 'DIGEST')).not.toBe(digest)
      await redis.kill()
    }
    expect((await readdir(node.directory)).filter((name) => name.startsWith('temp'))).toEqual([])
  })

  it('in a transaction begins behind it', async () => {
    const node = await startNode()
    const client = await node.raw()
    client.send('MULTI\r\nSET a 1\r\nBGSAVE\r\nSET b 2\r\nEXEC\r\n')
    for (const queued of ['OK', 'QUEUED', 'QUEUED', 'QUEUED']) expect(await client.readReply()).toBe(queued)
    expect(await client.readReply()).toEqual(['OK', 'Background saving scheduled', 'OK'])
    await node.waitForLine(/Background saving terminated with success/)
    const again = await startNode({}, { directory: node.directory })
    expect(await again.call('MGET', 'a', 'b')).toEqual(['1', '2'])
  })

  it('takes rdb-key-save-delay for every key, and is given up when FLUSHALL empties the file', async () => {
    const directory = await newDirectory()
    const node = await startNode({ save: ['3600', '1000000'] }, { directory })
    for (let i = 0; i < 300; i++) await node.call('SET', `k${i}`, 'v')
    await node.call('CONFIG', 'SET', 'rdb-key-save-delay', 1000)
    const beganMs = performance.now()
    await node.call('SAVE')
    expect(performance.now() - beganMs).toBeGreaterThan(290)
    await node.call('CONFIG', 'SET', 'rdb-key-save-delay', 3000)
    const client = await node.raw()
    client.send('BGSAVE\r\nFLUSHALL\r\n')
    expect(await client.readReply()).toBe('Background saving started')
    expect(await client.readReply()).toBe('OK')
    await node.waitForLine(/Background saving given up/)
    expect(await node.info('persistence')).toMatchObject({ rdb_last_bgsave_status: 'ok', rdb_saves: '2' })
    expect(await node.call('SET', 'after', 'v')).toBe('OK')
    await node.kill()
    const again = await startNode({}, { directory })
    expect(await again.call('DBSIZE')).toBe(0)
  })

  it('of a replica with save points is empty, too, when its primary was flushed', async () => {
    const primary = await startPrimary()
    const directory = await newDirectory()
    const replica = await startReplica(primary, { save: ['3600', '1000000'] }, { directory })
    await primary.call('SET', 'k', 'v')
    await caughtUp(primary, replica)
    await replica.call('SAVE')
    const client = await primary.raw()
    await client.pipeline([['MULTI'], ['SET', 'before', 1], ['FLUSHALL'], ['EXEC']])
    await caughtUp(primary, replica)
    await replica.kill()
    const alone = await startNode({}, { directory })
    expect(await alone.call('DBSIZE')).toBe(0)
    await alone.kill()
    // And it goes on from there.
    await client.call('SET', 'after', 1)
    const again = await startReplica(primary, {}, { directory })
    await caughtUp(primary, again)
    expect(await again.call('KEYS', '*')).toEqual(['after'])
    expect((await primary.info('stats'))['sync_full']).toBe('1')
  })

  // As Redis kills its child: the data of before must not take the name of the file that came.
  it.each(['disabled', 'swapdb'])(
    'is given up when a full resync brings other data, repl-diskless-load %s',
    async (mode) => {
      const first = await startPrimary()
      for (let i = 0; i < 300; i++) await first.call('SET', `old:${i}`, i)
      const directory = await newDirectory()
      const replica = await startReplica(first, { 'repl-diskless-load': mode }, { directory })
      await caughtUp(first, replica)
      const second = await startPrimary()
      await second.call('MSET', 'new:1', 1, 'new:2', 2)
      await replica.call('CONFIG', 'SET', 'rdb-key-save-delay', 15_000)
      expect(await replica.call('BGSAVE')).toBe('Background saving started')
      await replica.call('REPLICAOF', '127.0.0.1', second.port)
      await caughtUp(second, replica)
      await replica.waitForLine(/Background saving given up/)
      expect(await replica.info('persistence')).toMatchObject({
        rdb_last_bgsave_status: 'ok',
        rdb_bgsave_in_progress: '0',
        rdb_saves: '0',
        rdb_changes_since_last_save: mode === 'disabled' ? '0' : '2',
      })
      await replica.kill()
      const again = await startNode({}, { directory })
      const keys = await again.call('KEYS', '*')
      if (mode === 'disabled') expect((keys as string[]).sort()).toEqual(['new:1', 'new:2'])
      else expect(keys).not.toContain('new:1')
    },
  )

  it('follows from save points', async () => {
    const node = await startNode({ save: ['1', '3'] })
    await node.call('MSET', 'a', '1', 'b', '2', 'c', '3')
    await node.waitForLine(/3 changes in 1 seconds. Saving/)
    await node.waitForLine(/Background saving terminated with success/)
    expect(await node.info('persistence')).toMatchObject({ rdb_changes_since_last_save: '0', rdb_saves: '1' })
  })

  it('without its directory fails and says why; replicas below are fed all the same, and it works when the directory is back', async () => {
    const directory = await newDirectory()
    const node = await startNode({ save: '' }, { directory })
    await node.call('SET', 'k', 'v')
    await rm(directory, { recursive: true })
    expect(await node.call('BGSAVE')).toBe('Background saving started')
    await node.waitForLine(/The snapshot could not be saved: cannot create .*no such file or directory/)
    expect(await node.info('persistence')).toMatchObject({ rdb_last_bgsave_status: 'err', rdb_bgsave_in_progress: '0' })
    expect(await node.call('GET', 'k')).toBe('v')
    const below = await startPrimary({ replicaof: ['127.0.0.1', node.port] })
    await linkIs(below, 'up')
    expect(await below.call('GET', 'k')).toBe('v')
    await mkdir(directory)
    await node.call('BGSAVE')
    await node.waitForLine(/Background saving terminated with success/)
    expect(await readdir(directory)).toEqual(['dump.rdb'])
    const again = await startNode({}, { directory })
    expect(await again.call('GET', 'k')).toBe('v')
  })

  it('gives way to the snapshot that is saved at the end', async () => {
    const source = await startPrimary()
    await fillDataset(source.port, { seed: 32, keys: 1500 })
    const directory = await newDirectory()
    const node = await startReplica(source, {}, { directory })
    await caughtUp(source, node)
    await node.call('REPLICAOF', 'NO', 'ONE')
    const client = await node.raw()
    client.send('BGSAVE\r\nSET last write\r\n')
    expect(await client.readReply()).toBe('Background saving started')
    expect(await client.readReply()).toBe('OK')
    client.send('SHUTDOWN SAVE\r\n')
    await node.waitForLine(/bye bye/)
    await node.kill()
    expect(await readdir(directory)).toEqual(['dump.rdb'])
    const again = await startNode({}, { directory })
    expect(await again.call('GET', 'last')).toBe('write')
  })
})
