/**
 * Every file of the corpus that redis 7.0 reads: loaded here, saved, and read by a redis-server 7, which then has the same digest and
 * the same encodings as after the file itself.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadIterable, RdbLoaderPool } from '@understudy/rdb-worker'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { adopt } from '../../support/keyspace-digest.ts'
import { corpus, corpusBytes } from '../../support/rdb-corpus.ts'
import { startRedisServer } from '../../support/redis-server.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { snapshotBytes } from '../../support/snapshot-bytes.ts'
import type { TestServer } from '../../support/test-server.ts'
import { itOfReference as it } from '../../support/reference.ts'

const hashSeed = new SeededRandom(81).bytes(16)
const KEYS_COMPARED_MAX = 300

describe('the corpus, saved and read by redis-server', () => {
  const pool = new RdbLoaderPool({ threads: 1 })
  let redis: TestServer
  beforeAll(async () => {
    redis = await startRedisServer({ directives: { 'rdb-del-sync-files': 'no' } })
  })
  afterAll(async () => {
    await redis.kill()
    await pool.close()
  })

  async function reload(bytes: Uint8Array): Promise<{ digest: string; encodings: Map<string, string> }> {
    await writeFile(join(redis.directory, 'dump.rdb'), bytes)
    await redis.call('DEBUG', 'RELOAD', 'NOSAVE')
    const encodings = new Map<string, string>()
    const client = await redis.raw()
    for (const line of Object.keys(await redis.info('keyspace'))) {
      const db = /^db(\d+)$/.exec(line)?.[1]
      if (db === undefined) continue
      await client.call('SELECT', db)
      const keys = (await client.callBinary('KEYS', '*')) as Buffer[]
      keys.sort((a, b) => a.compare(b))
      for (const key of keys.slice(0, KEYS_COMPARED_MAX)) {
        encodings.set(`${db} ${key.toString('latin1')}`, String(await client.call('OBJECT', 'ENCODING', key)))
      }
    }
    client.close()
    return { digest: String(await redis.call('DEBUG', 'DIGEST')), encodings }
  }

  const files = corpus().filter(({ redis_7_0_15: verdict }) => verdict.digest !== undefined)
  it('has files to compare', () => expect(files.length).toBeGreaterThan(30))

  it.each(files.map(({ file }) => file))('%s', async (file) => {
    const original = corpusBytes(file)
    const theirs = await reload(original)
    const { generation, summary } = await loadIterable(pool, [original], {
      databaseCount: 16,
      hashSeed,
      verifyChecksum: true,
    })
    const keyspace = adopt(generation, hashSeed)
    const libraries = summary.functions
    const ours = await reload(snapshotBytes(keyspace, { rdbVersion: 10, libraries }).bytes)
    expect(ours.digest).toBe(theirs.digest)
    const differing = [...theirs.encodings].filter(([key, encoding]) => ours.encodings.get(key) !== encoding)
    expect(differing.map(([key, encoding]) => [key, encoding, ours.encodings.get(key)])).toEqual([])
    expect(ours.encodings.size).toBe(theirs.encodings.size)
  })
})
