import { Keyspace } from '@understudy/core/internal'
import { ActiveDefrag, Config } from '@understudy/net/internal'
import { afterEach, describe, expect, it } from 'vitest'
import type { TestServer } from '../../support/test-server.ts'
import { startUnderstudy } from '../../support/understudy-server.ts'
import { waitFor } from '../../support/wait-for.ts'

const KEYS = 40_000
const VALUE = 'v'.repeat(1000)

let server: TestServer | undefined
afterEach(async () => {
  await server?.stop()
  server = undefined
})

/** A server that lost most of its keys. */
async function churned(directives: Record<string, string | number>): Promise<TestServer> {
  server = await startUnderstudy({ directives: { 'active-defrag-ignore-bytes': '1mb', ...directives } })
  const client = await server.raw()
  for (let i = 0; i < KEYS; i += 100) {
    const pairs = Array.from({ length: 100 }, (_, j) => [`key:${i + j}`, VALUE]).flat()
    await client.call('MSET', ...pairs)
  }
  for (let i = 0; i < KEYS; i += 100) {
    await client.call('DEL', ...Array.from({ length: 90 }, (_, j) => `key:${i + j}`))
  }
  return server
}

async function stat(of: TestServer, field: string): Promise<number> {
  return Number((await of.info('everything'))[field])
}

describe('active defragmentation', () => {
  it('gives memory back in the background, and changes nothing', { timeout: 150_000 }, async () => {
    const of = await churned({})
    const client = await of.raw()
    const digest = await client.call('DEBUG', 'DIGEST')
    await waitFor('segments to be dropped', async () => (await stat(of, 'active_defrag_dropped_bytes')) > 5e6, {
      timeoutMs: 60_000,
    })
    await waitFor('the end', async () => (await stat(of, 'active_defrag_running')) === 0, { timeoutMs: 60_000 })
    expect(await client.call('DEBUG', 'DIGEST')).toEqual(digest)
    expect(await stat(of, 'active_defrag_key_hits')).toBeGreaterThan(1000)
    expect(await stat(of, 'total_active_defrag_time')).toBeGreaterThan(0)
    expect(await stat(of, 'current_active_defrag_time')).toBe(0)
  })

  it('stays off when it is told to, and begins when it is allowed', { timeout: 150_000 }, async () => {
    const of = await churned({ activedefrag: 'no' })
    const client = await of.raw()
    expect(await stat(of, 'active_defrag_hits')).toBe(0)
    await client.call('CONFIG', 'SET', 'activedefrag', 'yes')
    await waitFor('blocks to move', async () => (await stat(of, 'active_defrag_hits')) > 0, { timeoutMs: 60_000 })
  })

  it('rests while a dataset is being loaded, and begins anew behind it', async () => {
    const keyspace = new Keyspace({ databaseCount: 1 })
    const value = Buffer.alloc(1000, 'v')
    const key = (i: number): Buffer => Buffer.from(`key:${i}`)
    keyspace.begin()
    for (let i = 0; i < KEYS; i++) {
      keyspace.put(0, key(i), 0, key(i).length, 0, 0, value, 0, value.length, -1)
    }
    for (let i = 0; i < KEYS; i++) if (i % 10 !== 0) keyspace.delete(0, key(i), 0, key(i).length)
    keyspace.end()
    let isLoading = false
    const config = new Config()
    config.assign('active-defrag-ignore-bytes', 1e6)
    const clock = { monotonicMs: () => performance.now(), wallMs: () => Date.now() }
    const defrag = new ActiveDefrag({ keyspace, config, clock, isLoading: () => isLoading })
    defrag.start()
    try {
      await waitFor('it to begin', () => defrag.effort > 0 && keyspace.compaction.isRunning)
      isLoading = true
      await waitFor('it to rest', () => defrag.effort === 0)
      expect(keyspace.compaction.isRunning).toBe(false)
      expect(defrag.currentMs).toBe(0)
      const { totalMs } = defrag
      expect(totalMs).toBeGreaterThan(0)
      const { moves } = keyspace.compaction
      isLoading = false
      await waitFor('it to go on', () => keyspace.compaction.moves > moves)
      expect(defrag.totalMs).toBeGreaterThan(totalMs)
    } finally {
      defrag.stop()
    }
  })
})
