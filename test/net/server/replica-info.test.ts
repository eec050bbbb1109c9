/** What INFO, ROLE and CLIENT LIST tell about a replica, beside a redis-server that follows the same primary. */
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { startRedisServer } from '../../support/redis-server.ts'
import type { TestServer } from '../../support/test-server.ts'
import { startUnderstudy } from '../../support/understudy-server.ts'
import { waitFor } from '../../support/wait-for.ts'
import { itOfReference as it } from '../../support/reference.ts'

let primary: TestServer
let stock: TestServer
let node: TestServer

beforeAll(async () => {
  primary = await startRedisServer()
  const directives = { replicaof: ['127.0.0.1', primary.port] }
  stock = await startRedisServer({ directives })
  node = await startUnderstudy({ directives })
  for (const replica of [stock, node]) {
    await waitFor('the link', async () => (await replica.info('replication'))['master_link_status'] === 'up')
  }
  await primary.call('SET', 'a', '1', 'EX', '1000')
  await primary.call('SELECT', '3')
  await primary.call('MSET', 'b', '1', 'c', '2')
  await primary.call('INCR', 'b')
  const end = (await primary.info('replication'))['master_repl_offset']
  for (const replica of [stock, node]) {
    await waitFor('the replica to be caught up', async () => {
      return Number((await replica.info('replication'))['slave_repl_offset']) >= Number(end)
    })
  }
})
afterAll(async () => {
  for (const server of [node, stock, primary]) await server?.kill()
})

/** What redis-server says about its own build, allocator and child processes. */
const FOREIGN =
  /^(atomicvar_api|gcc_version|allocator_|rss_overhead|current_cow_size_age|aof_rewrites|aof_last_cow_size|lazyfreed_objects|latency_percentiles|cmdstat_|used_memory_(lua|vm_total|scripts)_human)/

describe('INFO', () => {
  it('has every field of redis-server except those about its own build, allocator and children', async () => {
    const [wanted, found] = [await stock.info(), await node.info()]
    expect(Object.keys(wanted).filter((field) => !(field in found) && !FOREIGN.test(field))).toEqual([])
  })

  it('says the same about replication and keyspace', async () => {
    const fields = [
      'role',
      'master_host',
      'master_port',
      'master_link_status',
      'master_sync_in_progress',
      'slave_priority',
      'slave_read_only',
      'replica_announced',
      'connected_slaves',
      'master_failover_state',
      'master_replid',
      'master_replid2',
      'second_repl_offset',
      'repl_backlog_active',
      'repl_backlog_size',
      'connected_clients',
      'loading',
      'async_loading',
      'redis_version',
      'redis_mode',
      'hz',
      'maxmemory_policy',
      'cluster_enabled',
      'db0',
      'db3',
    ]
    const [wanted, found] = [await stock.info(), await node.info()]
    const pick = (info: Record<string, string>): Record<string, string | undefined> =>
      Object.fromEntries(fields.map((field) => [field, info[field]]))
    // A time to live that is averaged only by who expires keys: 0 on both.
    expect(pick(found)).toEqual(pick(wanted))
    expect(Object.keys(wanted)).toEqual(expect.arrayContaining(fields))
  })

  it('offsets agree with the primary, received is not behind applied, and the backlog ends there', async () => {
    await primary.call('SET', 'more', 'x'.repeat(1000))
    const end = Number((await primary.info('replication'))['master_repl_offset'])
    await waitFor('the end', async () => Number((await node.info('replication'))['slave_repl_offset']) >= end)
    const info = await node.info('replication')
    const offset = (field: string): number => Number(info[field])
    expect(offset('master_repl_offset')).toBe(offset('slave_repl_offset'))
    expect(offset('slave_read_repl_offset')).toBeGreaterThanOrEqual(offset('slave_repl_offset'))
    expect(offset('repl_backlog_first_byte_offset') + offset('repl_backlog_histlen')).toBe(
      offset('slave_repl_offset') + 1,
    )
  })

  it('counts replicated commands and the bytes of the link; CONFIG RESETSTAT begins anew', async () => {
    const before = await node.info()
    expect(before['cmdstat_incr']).toMatch(/^calls=1,/)
    expect(before['cmdstat_mset']).toMatch(/^calls=1,/)
    const replicated = Number(before['total_net_repl_input_bytes'])
    expect(replicated).toBeGreaterThan(1000)
    expect(Number(before['total_net_input_bytes'])).toBeGreaterThan(replicated)
    expect(await node.call('CONFIG', 'RESETSTAT')).toBe('OK')
    const after = await node.info()
    expect(after['cmdstat_incr']).toBeUndefined()
    expect(Number(after['total_net_repl_input_bytes'])).toBeLessThan(1000)
  })
})

describe('the link to the primary', () => {
  const lineOf = async (server: TestServer): Promise<Record<string, string>> => {
    const text = (await server.call('CLIENT', 'LIST', 'TYPE', 'master')) as string
    const fields = text.trimEnd().split(' ')
    return Object.fromEntries(
      fields.map((field) => [field.slice(0, field.indexOf('=')), field.slice(field.indexOf('=') + 1)]),
    )
  }

  it('is shown by CLIENT LIST as redis-server shows it', async () => {
    const [wanted, found] = [await lineOf(stock), await lineOf(node)]
    expect(Object.keys(wanted).filter((field) => !(field in found))).toEqual([])
    for (const field of ['addr', 'flags', 'db', 'name', 'user', 'resp', 'multi']) {
      expect(found[field], field).toBe(wanted[field])
    }
    expect(found['laddr']).toMatch(/^127\.0\.0\.1:\d+$/)
  })

  it('is dropped by CLIENT KILL TYPE master, and taken up again with a partial resync', async () => {
    const before = await lineOf(node)
    const granted = Number((await primary.info('stats'))['sync_partial_ok'])
    expect(await node.call('CLIENT', 'KILL', 'TYPE', 'normal')).toBe(0)
    expect(await lineOf(node)).toMatchObject({ id: before['id'] })
    expect(await node.call('CLIENT', 'KILL', 'TYPE', 'master')).toBe(1)
    await waitFor('another link', async () => {
      const { id } = await lineOf(node)
      return id !== undefined && id !== before['id']
    })
    await waitFor('the partial resync', async () => {
      return Number((await primary.info('stats'))['sync_partial_ok']) === granted + 1
    })
  })
})
