/** Whether a full resync may replace the data of a replica: policy, empty primaries, memory; and how an operator goes on. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { TestServer } from '../support/test-server.ts'
import { answers, infoIs, linkIs, newDirectory, startNode, startPrimary, startReplica } from './topology.ts'

/** Makes the primary refuse to continue, with another history or, at least, without a backlog. */
async function breakHistory(primary: TestServer): Promise<void> {
  await primary.call('DEBUG', 'CHANGE-REPL-ID')
  await primary.call('CLIENT', 'KILL', 'TYPE', 'replica')
}

async function expectHeld(replica: TestServer, reason: RegExp): Promise<void> {
  await infoIs(replica, 'full_resync_held', '1', { timeoutMs: 20_000 })
  const info = await replica.info('replication')
  expect(info).toMatchObject({ master_link_status: 'down', full_resync_held_reason: expect.stringMatching(reason) })
  expect(((await replica.call('ROLE')) as unknown[])[3]).toBe('held')
  const lines = await replica.settledLines()
  expect(lines.filter((line) => line.includes('is refused, the data are kept'))).toHaveLength(1)
}

describe('full-resync-policy', () => {
  it.each(['never', 'ask', 'same-history'])(
    '%s: the old data are kept and served until somebody says otherwise',
    async (policy) => {
      const primary = await startPrimary()
      await primary.call('SET', 'k', 'old')
      // The first synchronization replaces nothing, and is taken whatever the policy is.
      const replica = await startReplica(primary, { 'full-resync-policy': policy })
      expect(await replica.call('GET', 'k')).toBe('old')
      await breakHistory(primary)
      await primary.call('SET', 'k', 'new')
      await expectHeld(
        replica,
        policy === 'same-history' ? /its history .* is not ours/ : new RegExp(`policy is ${policy}`),
      )
      expect(await replica.call('GET', 'k')).toBe('old')
      if (policy === 'never') {
        await expect(replica.call('FULLRESYNC', 'ACCEPT')).rejects.toThrow(/full-resync-policy is never/)
        await replica.call('CONFIG', 'SET', 'full-resync-policy', 'ask')
        await infoIs(replica, 'full_resync_held_reason', 'full-resync-policy is ask', { timeoutMs: 20_000 })
      }
      expect(await replica.call('FULLRESYNC', 'ACCEPT')).toBe('OK')
      await linkIs(replica, 'up')
      await answers(replica, ['GET', 'k'], 'new')
      await infoIs(replica, 'full_resync_held', '0')
      // It was taken once: the next one is asked about again.
      await breakHistory(primary)
      await infoIs(replica, 'full_resync_held', '1', { timeoutMs: 20_000 })
      await expect(replica.call('FULLRESYNC', 'MAYBE')).rejects.toThrow(/syntax error/)
      expect(await replica.call('FULLRESYNC', 'RETRY')).toBe('OK')
      await infoIs(replica, 'full_resync_held', '1', { timeoutMs: 20_000 })
      await replica.call('CONFIG', 'SET', 'full-resync-policy', 'always')
      await linkIs(replica, 'up')
      await expect(replica.call('FULLRESYNC', 'RETRY')).rejects.toThrow(/no full resync was refused/)
    },
  )

  it('same-history takes a full resync of a primary that has only lost its backlog', async () => {
    const primary = await startPrimary({ 'repl-backlog-size': 16_384 })
    await primary.call('SET', 'k', 'old')
    const replica = await startReplica(primary, { 'full-resync-policy': 'same-history' })
    const full = (await replica.info('stats'))['sync_asked_full']
    // More than the backlog holds, while the replica cannot take it.
    await replica.call('REPLICAOF', '127.0.0.1', '1')
    await primary.call('SET', 'large', 'x'.repeat(100_000))
    await primary.call('SET', 'k', 'new')
    await replica.call('REPLICAOF', '127.0.0.1', primary.port)
    await linkIs(replica, 'up')
    await answers(replica, ['GET', 'k'], 'new')
    expect(Number((await replica.info('stats'))['sync_asked_full'])).toBe(Number(full) + 1)
  })
})

it('refuse-empty-primary: a primary that comes back without data takes ours only when told to', async () => {
  const primary = await startPrimary()
  await primary.call('SET', 'k', 'old')
  const replica = await startReplica(primary, { 'refuse-empty-primary': 'yes' })
  const empty = await startPrimary()
  await replica.call('REPLICAOF', '127.0.0.1', empty.port)
  await expectHeld(replica, /the primary has no keys, this node has 1/)
  expect(await replica.call('GET', 'k')).toBe('old')
  expect(await replica.call('FULLRESYNC', 'ACCEPT')).toBe('OK')
  await linkIs(replica, 'up')
  expect(await replica.call('DBSIZE')).toBe(0)
})

it.each([
  { maxmemory: '4mb', 'repl-diskless-load': 'disabled' },
  { maxmemory: '4mb', 'repl-diskless-load': 'swapdb' },
  { maxmemory: '4mb', 'repl-diskless-load': 'flush-before-load' },
  { 'repl-diskless-load': 'flush-before-load' },
])('refuse-empty-primary: nothing is dropped before it is known that there are keys (%o)', async (directives) => {
  const primary = await startPrimary()
  await primary.call('DEBUG', 'POPULATE', '20000', 'key', '100')
  const replica = await startReplica(primary, { 'refuse-empty-primary': 'yes', ...directives })
  const empty = await startPrimary()
  await replica.call('REPLICAOF', '127.0.0.1', empty.port)
  const isShort = 'maxmemory' in directives
  await expectHeld(
    replica,
    isShort
      ? /maxmemory is 4 MiB; full-sync-low-memory flush .* refuse-empty-primary yes .* FULLRESYNC ACCEPT/
      : /the primary has no keys, this node has 20000/,
  )
  expect(await replica.call('DBSIZE')).toBe(20_000)
  expect(await replica.call('FULLRESYNC', 'ACCEPT')).toBe('OK')
  await linkIs(replica, 'up')
  expect(await replica.call('DBSIZE')).toBe(0)
  const lines = await replica.settledLines()
  expect(lines.some((line) => line.includes('Flushing old data'))).toBe(true)
})

describe('what a start loads behind a refusal', () => {
  it.each(['no', 'yes'])('is what was kept (repl-stream-log %s)', async (isLogged) => {
    const primary = await startPrimary()
    await primary.call('SET', 'k', 'old')
    const directory = await newDirectory()
    const directives = { 'refuse-empty-primary': 'yes', 'repl-stream-log': isLogged, save: '' }
    const replica = await startReplica(primary, directives, { directory })
    await answers(replica, ['GET', 'k'], 'old')
    const file = await readFile(join(directory, 'dump.rdb'))
    const empty = await startPrimary()
    await replica.call('REPLICAOF', '127.0.0.1', empty.port)
    await expectHeld(replica, /the primary has no keys/)
    expect(await readFile(join(directory, 'dump.rdb'))).toEqual(file)
    const names = await readdir(directory)
    expect(names.filter((name) => !name.includes('.stream-'))).toEqual(['dump.rdb'])
    await replica.kill()
    // The data alone; and before the primary that has nothing they are kept again.
    const alone = await startNode(directives, { directory })
    expect(await alone.call('GET', 'k')).toBe('old')
    await alone.kill()
    const again = await startReplica(empty, directives, { directory, wait: false })
    await expectHeld(again, /the primary has no keys/)
    expect(await again.call('GET', 'k')).toBe('old')
  })
})

describe('full-sync-low-memory', () => {
  it.each(['hold', 'flush', 'load'])('%s, when two datasets do not fit', async (policy) => {
    const primary = await startPrimary()
    await primary.call('DEBUG', 'POPULATE', '20000', 'key', '100')
    const replica = await startReplica(primary, { maxmemory: '4mb', 'full-sync-low-memory': policy })
    const fromLine = replica.lines.length
    await breakHistory(primary)
    await primary.call('SET', 'k', 'new')
    if (policy === 'hold') {
      await expectHeld(replica, /estimated at \d+ MiB beside \d+ MiB in use, and maxmemory is 4 MiB/)
      expect(await replica.call('DBSIZE')).toBe(20_000)
      await replica.call('FULLRESYNC', 'ACCEPT')
    }
    await linkIs(replica, 'up')
    await answers(replica, ['GET', 'k'], 'new')
    const lines = (await replica.settledLines()).slice(fromLine)
    const told = lines.filter((line) => line.includes('do not fit into memory together'))
    expect(told).toHaveLength(policy === 'flush' ? 1 : 0)
    expect(await replica.call('DBSIZE')).toBe(20_001)
  })
})
