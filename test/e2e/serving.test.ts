/** What clients of a replica are told: while it loads, while its link is down, about keys that have expired, about writes. */
import { describe, expect, it } from 'vitest'
import { encodeCommand, RawClient } from '../support/raw-client.ts'
import { emptyRdb } from '../support/fake-primary.ts'
import { PushReply } from '../support/resp-reader.ts'
import { ThrottlingProxy } from '../support/throttling-proxy.ts'
import { waitFor } from '../support/wait-for.ts'
import {
  answers,
  caughtUp,
  infoIs,
  later,
  linkIs,
  startFakePrimary,
  startNode,
  startPrimary,
  startReplica,
} from './topology.ts'

const LOADING = /^LOADING /
const MASTERDOWN = /^MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'\.$/

describe('while a snapshot is loaded', () => {
  it('tells all fields of loading before there is anything to load', async () => {
    // Nobody listens on port 1.
    const node = await startNode({ replicaof: '127.0.0.1 1' })
    expect(await node.info('persistence')).toMatchObject({
      loading: '1',
      loading_total_bytes: '0',
      loading_loaded_bytes: '0',
      loading_loaded_perc: '0.00',
      loading_loaded_keys: '0',
      loading_eta_seconds: '1',
    })
  })

  it('-LOADING before the first sync; later the old data, and async_loading', async () => {
    const primary = await startPrimary()
    await primary.call('DEBUG', 'POPULATE', '3000', 'key', '50')
    await primary.call('SET', 'k', 'old')
    const replica = await startReplica(primary, { 'key-load-delay': 500 }, { wait: false })
    await infoIs(replica, 'loading', '1')
    await expect(replica.call('GET', 'k')).rejects.toThrow(LOADING)
    await expect(replica.call('DBSIZE')).rejects.toThrow(LOADING)
    await infoIs(replica, 'master_sync_in_progress', '1')
    expect(((await replica.call('ROLE')) as string[])[3]).toBe('sync')
    const info = await replica.info('persistence')
    expect(info).toMatchObject({ loading: '1', async_loading: '0' })
    expect(Number(info['loading_loaded_bytes'])).toBeGreaterThanOrEqual(0)
    expect(info['loading_eta_seconds']).toBeDefined()
    await linkIs(replica, 'up')
    expect(await replica.call('GET', 'k')).toBe('old')
    // The file has it all.
    expect(await replica.info()).toMatchObject({ loading: '0', rdb_changes_since_last_save: '0' })

    await primary.call('DEBUG', 'CHANGE-REPL-ID')
    await primary.call('CLIENT', 'KILL', 'TYPE', 'replica')
    await primary.call('SET', 'k', 'new')
    await infoIs(replica, 'async_loading', '1')
    expect(await replica.call('GET', 'k')).toBe('old')
    expect(await replica.call('DBSIZE')).toBe(3001)
    expect(await replica.info()).toMatchObject({ loading: '0', master_link_status: 'down' })
    await linkIs(replica, 'up')
    expect(await replica.info()).toMatchObject({ loading: '0', async_loading: '0' })
    await answers(replica, ['GET', 'k'], 'new')
  })

  it('repl-diskless-load flush-before-load gives up the old data first', async () => {
    const primary = await startPrimary()
    await primary.call('DEBUG', 'POPULATE', '3000', 'key', '50')
    const replica = await startReplica(primary, { 'repl-diskless-load': 'flush-before-load' })
    await replica.call('CONFIG', 'SET', 'key-load-delay', '500')
    await primary.call('DEBUG', 'CHANGE-REPL-ID')
    await primary.call('CLIENT', 'KILL', 'TYPE', 'replica')
    await infoIs(replica, 'loading', '1')
    await expect(replica.call('GET', 'key:1')).rejects.toThrow(LOADING)
    await linkIs(replica, 'up')
    expect(await replica.call('DBSIZE')).toBe(3000)
  })

  it('replica-serve-stale-data no: -MASTERDOWN while the link is down or a snapshot loads', async () => {
    const primary = await startPrimary()
    await primary.call('DEBUG', 'POPULATE', '3000', 'key', '50')
    const replica = await startReplica(primary, { 'replica-serve-stale-data': 'no' })
    expect(await replica.call('GET', 'key:1')).toMatch(/^value:1/)
    await replica.call('CONFIG', 'SET', 'key-load-delay', '500')
    await primary.call('DEBUG', 'CHANGE-REPL-ID')
    await primary.call('CLIENT', 'KILL', 'TYPE', 'replica')
    await infoIs(replica, 'async_loading', '1')
    await expect(replica.call('GET', 'key:1')).rejects.toThrow(MASTERDOWN)
    await linkIs(replica, 'up')
    expect(await replica.call('GET', 'key:1')).toMatch(/^value:1/)
    await primary.kill()
    await linkIs(replica, 'down')
    await expect(replica.call('GET', 'key:1')).rejects.toThrow(MASTERDOWN)
    await expect(replica.call('DBSIZE')).rejects.toThrow(MASTERDOWN)
    await replica.info()
    await replica.call('CONFIG', 'SET', 'replica-serve-stale-data', 'yes')
    expect(await replica.call('GET', 'key:1')).toMatch(/^value:1/)
  })
})

it('writes by clients are refused', async () => {
  const primary = await startPrimary()
  await primary.call('SET', 'k', 'v')
  const replica = await startReplica(primary)
  const readonly = /^READONLY You can't write against a read only replica\.$/
  for (const command of [
    'SET k x',
    'DEL k',
    'INCR n',
    'APPEND k x',
    'SETBIT k 1 1',
    'PFADD h a',
    'EXPIRE k 1',
    'FLUSHALL',
    'SWAPDB 0 1',
    'MSET a b',
  ]) {
    await expect(replica.call(...command.split(' ')), command).rejects.toThrow(readonly)
  }
  const client = await replica.raw()
  await client.call('MULTI')
  await expect(client.call('SET', 'k', 'x')).rejects.toThrow(readonly)
  await expect(client.call('EXEC')).rejects.toThrow(/^EXECABORT/)
  expect(await replica.call('GET', 'k')).toBe('v')
})

describe('expiry', () => {
  it('a key that has expired is hidden and counted until the primary removes it', async () => {
    const primary = await startPrimary()
    await primary.call('DEBUG', 'SET-ACTIVE-EXPIRE', '0')
    await primary.call('SET', 'lasting', 'v')
    await primary.call('SET', 'gone', 'v', 'PX', '150')
    const replica = await startReplica(primary)
    await primary.call('SET', 'streamed', 'v', 'PX', '150')
    await caughtUp(primary, replica)
    await waitFor('the time to come', async () => (await replica.call('EXISTS', 'gone', 'streamed')) === 0)
    for (const key of ['gone', 'streamed']) {
      expect(await replica.call('GET', key)).toBe(null)
      expect(await replica.call('TTL', key)).toBe(-2)
      expect(await replica.call('PEXPIRETIME', key)).toBe(-2)
      expect(await replica.call('TYPE', key)).toBe('none')
      expect(await replica.call('STRLEN', key)).toBe(0)
      expect(await replica.call('DUMP', key)).toBe(null)
    }
    expect(await replica.call('KEYS', '*')).toEqual(['lasting'])
    expect(await replica.call('SCAN', '0', 'COUNT', '100')).toEqual(['0', ['lasting']])
    expect(await replica.call('RANDOMKEY')).toBe('lasting')
    expect(await replica.call('DBSIZE')).toBe(3)
    expect((await replica.info())['db0']).toMatch(/^keys=3,expires=2,/)
    // Its own clock decides for readers, the primary for the data.
    expect(await primary.call('GET', 'gone')).toBe(null)
    await answers(replica, ['DBSIZE'], 2)
    await primary.call('DEBUG', 'SET-ACTIVE-EXPIRE', '1')
    await answers(replica, ['DBSIZE'], 1)
    expect((await replica.info())['stream_commands_not_applied']).toBe('0')
  })

  it('the stream finds keys alive that readers no longer see', async () => {
    const primary = await startPrimary()
    await primary.call('DEBUG', 'SET-ACTIVE-EXPIRE', '0')
    const replica = await startReplica(primary)
    const client = await primary.raw()
    // PXAT in the past goes down the stream as it is; what follows acts on that key.
    // In one piece: the primary has done all of it before its time, however busy the machine is.
    await client.pipeline([
      ['SET', 'k', 'abc', 'PX', '200'],
      ['APPEND', 'k', 'def'],
      ['PERSIST', 'k'],
    ])
    await caughtUp(primary, replica)
    expect(await replica.call('GET', 'k')).toBe('abcdef')
    expect(await replica.call('TTL', 'k')).toBe(-1)
  })
})

it('PUBLISH at the primary reaches subscribers here, in RESP2 and RESP3', async () => {
  const primary = await startPrimary()
  const replica = await startReplica(primary)
  const old = await replica.raw()
  const young = await replica.raw()
  await young.call('HELLO', '3')
  expect(await old.call('SUBSCRIBE', 'news')).toEqual(['subscribe', 'news', 1])
  young.send('PSUBSCRIBE n*\r\n')
  expect((await young.readPush()).items).toEqual(['psubscribe', 'n*', 1])
  await primary.call('PUBLISH', 'news', 'hello')
  expect(await old.readReply()).toEqual(['message', 'news', 'hello'])
  expect(await young.readPush()).toEqual(new PushReply(['pmessage', 'n*', 'news', 'hello']))
  await caughtUp(primary, replica)
  expect((await replica.info())['stream_commands_not_applied']).toBe('0')
})

it('commands that this version does not apply are counted and reported, never dropped in silence', async () => {
  // What a stock 7.0 sends is all applied: these are of later versions.
  const primary = await startFakePrimary()
  const replica = await startReplica(primary)
  const { slave_repl_offset: offset } = await replica.info('replication')
  primary.feed(encodeCommand('VADD', 'v', 'VALUES', '1', '1', 'e'))
  primary.feed(encodeCommand('SET', 'text', 'x'))
  // It fits nothing here: the primary held something else.
  primary.feed(encodeCommand('HSET', 'text', 'f', 'v'))
  for (let i = 0; i < 5; i++) primary.feed(encodeCommand('ARSET', 'a', i, 'x'))
  primary.feed(encodeCommand('SET', 'k', 'v'))
  await infoIs(replica, 'slave_repl_offset', String(primary.offset))
  const info = await replica.info('replication')
  expect(info['stream_commands_not_applied']).toBe('7')
  expect(info['not_applied_arset']).toMatch(/^count=5,first_offset=\d+,last_offset=\d+,key=a$/)
  expect(info['not_applied_hset']).toMatch(/^count=1,.*,key=text$/)
  expect(Number(/first_offset=(\d+)/.exec(info['not_applied_vadd']!)![1])).toBeGreaterThanOrEqual(Number(offset))
  const lines = await replica.settledLines()
  expect(lines.filter((line) => /command 'vadd' was not applied/.test(line))).toHaveLength(1)
  expect(lines.filter((line) => /command 'arset' was not applied/.test(line))).toHaveLength(1)
  expect(await replica.call('GET', 'k')).toBe('v')
  // After a full resync it is what the primary has.
  primary.replid = 'b'.repeat(40)
  primary.takeSnapshot(emptyRdb())
  primary.cutAll()
  await answers(replica, ['EXISTS', 'text', 'k'], 0)
  expect((await replica.info('replication'))['not_applied_arset']).toBeUndefined()
})

it('a client that takes a long time for its reply is not idle', { timeout: 60_000 }, async () => {
  const length = 12_000_000
  await Promise.all(
    [startPrimary, startNode].map(async (start) => {
      const server = await start({ timeout: 1 })
      const proxy = await ThrottlingProxy.start(server.port, length)
      later(() => proxy.stop())
      await server.call('SETRANGE', 'string', length - 1, 'z')
      const client = await RawClient.connect({ port: proxy.port, timeoutMs: 30_000 })
      later(() => client.close())
      // The reply of EXEC is one, however long.
      const commands = [['MULTI'], ['GET', 'string'], ['GET', 'string'], ['GET', 'string'], ['EXEC']]
      expect((await client.pipeline(commands)).at(-1)).toHaveLength(3)
      // Whoever quits gets all of it, too.
      const other = await RawClient.connect({ port: proxy.port, timeoutMs: 30_000 })
      expect((await other.pipeline([['MULTI'], ['GET', 'string'], ['EXEC'], ['QUIT']])).at(-1)).toBe('OK')
      expect(await other.readToEnd()).toHaveLength(0)
    }),
  )
})
