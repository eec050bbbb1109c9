/** After a full resync the keys are compared with the primary's, in real servers. */
import { describe, expect, it } from 'vitest'
import { infoIs, startFakePrimary, startPrimary, startReplica } from './topology.ts'

const soon = { timeoutMs: 20_000 }

describe('the keys after a full resync', () => {
  it("are the primary's, in all databases, while it goes on writing", async () => {
    const primary = await startPrimary({ requirepass: 'secret' })
    await primary.call('AUTH', 'secret')
    for (let i = 0; i < 300; i++) await primary.call('SET', `k${i}`, 'v')
    await primary.call('SELECT', '5')
    await primary.call('SADD', 's', 'a', 'b')
    await primary.call('SET', 'gone soon', 'v', 'PX', '60000')
    const replica = await startReplica(primary, { masterauth: 'secret' })
    await primary.call('DEL', 's')
    await infoIs(replica, 'full_sync_key_check', 'ok', soon)
    expect((await replica.settledLines()).filter((line) => line.includes(' # '))).toEqual([])
  })

  it('cannot be compared where the user of the link may not ask', async () => {
    const primary = await startPrimary()
    await primary.call('ACL', 'SETUSER', 'link', 'on', '>pw', '+psync', '+replconf', '+ping')
    await primary.call('SET', 'k', 'v')
    const replica = await startReplica(primary, { masteruser: 'link', masterauth: 'pw' })
    await infoIs(replica, 'full_sync_key_check', 'unknown', soon)
    expect((await replica.info('replication'))['full_sync_key_check_reason']).toMatch(/cannot be asked: NOPERM/)
    expect(await replica.call('GET', 'k')).toBe('v')
  })

  it('are unknown with a primary that has no INFO', async () => {
    const primary = await startFakePrimary()
    const replica = await startReplica(primary)
    await infoIs(replica, 'full_sync_key_check', 'unknown', soon)
  })
})
