import { expect, it } from 'vitest'
import { equalDigests } from './compare-datasets.ts'
import { startRedisServer } from './redis-server.ts'
import type { TestServer } from './test-server.ts'
import { startUnderstudy } from './understudy-server.ts'

it('digests are taken again for as long as keys expire between them', async () => {
  const EXPIRING = 50
  let expired = 0
  // Each time that the primary is asked for its digest one more key has gone by the time the replica is.
  const primary = {
    program: 'redis-server',
    info: () => Promise.resolve({ master_repl_offset: `${1000 + expired}` }),
    call: () => {
      const digest = `digest of ${EXPIRING - expired} keys`
      if (expired < EXPIRING) expired++
      return Promise.resolve(digest)
    },
  }
  const replica = {
    program: 'redis-server',
    info: () => Promise.resolve({ slave_repl_offset: `${1000 + expired}`, master_link_status: 'up' }),
    call: () => Promise.resolve(`digest of ${EXPIRING - expired} keys`),
  }
  const [theirs, ours] = [primary, replica].map((server) => server as unknown as TestServer)
  await expect(equalDigests(theirs!, ours!)).resolves.toBe('digest of 0 keys')
  expect(expired).toBe(EXPIRING)
})

it('digests that differ while nothing moves are explained by the keys that do', async () => {
  const primary = await startRedisServer()
  const replica = await startUnderstudy({
    directives: { replicaof: ['127.0.0.1', primary.port], 'replica-read-only': 'no' },
  })
  await primary.call('MSET', 'changed', '1', 'lost', '1', 'same', '1')
  await equalDigests(primary, replica)
  await replica.call('SET', 'changed', '2')
  await replica.call('RENAME', 'lost', 'new')
  const failure = await equalDigests(primary, replica).then(
    () => 'none',
    (error: unknown) => String(error),
  )
  expect(failure).toContain('db 0: here, not on the primary (1 in all): "new"')
  expect(failure).toContain('db 0: on the primary, not here (1 in all): "lost"')
  expect(failure).toMatch(/"DIGEST-VALUE" "changed" [0-9a-f]{40} → [0-9a-f]{40}/)
  expect(failure).not.toContain('same')
  await primary.stop()
  await replica.stop()
})
