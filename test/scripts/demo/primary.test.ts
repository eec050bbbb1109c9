/** Who plays the primary in the demo. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { choosePrimary } from '../../../scripts/demo/primary.mjs'
import { findRedis, RedisMissingError } from '../../../scripts/redis-server.mjs'
import { redisBinaries } from '../../support/redis-server.ts'

const missing = (): Promise<never> => Promise.reject(new RedisMissingError('redis-server is not on PATH'))

it('is a redis-server when there is one', async () => {
  const redis = await redisBinaries()
  const find = (): ReturnType<typeof findRedis> => Promise.resolve(redis)
  expect(await choosePrimary('auto', find)).toEqual({ redis })
  expect(await choosePrimary('redis', find)).toEqual({ redis })
})

it('is Understudy when there is none, and says why', async () => {
  expect(await choosePrimary('auto', missing)).toEqual({
    redis: undefined,
    because: 'as there is no redis-server: redis-server is not on PATH',
  })
})

it('is Understudy when it has to be, and then nobody looks for another', async () => {
  const chosen = await choosePrimary('understudy', () => expect.unreachable())
  expect(chosen.redis).toBeUndefined()
})

it('is nobody when it has to be a redis-server and there is none', async () => {
  await expect(choosePrimary('redis', missing)).rejects.toThrow(RedisMissingError)
})

it('is not changed by other faults', async () => {
  await expect(choosePrimary('auto', () => Promise.reject(new Error('a bug')))).rejects.toThrow('a bug')
})

it('a REDIS_SERVER that leads nowhere counts as none', async () => {
  const cacheDirectory = await mkdtemp(join(tmpdir(), 'understudy-test-'))
  onTestFinished(() => rm(cacheDirectory, { recursive: true }))
  const find = (): ReturnType<typeof findRedis> =>
    findRedis({ env: { REDIS_SERVER: join(cacheDirectory, 'redis-server') }, cacheDirectory })
  expect(await choosePrimary('auto', find)).toMatchObject({ redis: undefined })
})
