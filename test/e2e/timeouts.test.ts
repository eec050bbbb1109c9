/** repl-timeout in every phase of the link, and how soon it is tried again. */
import { describe, expect, it } from 'vitest'
import { emptyRdb } from '../support/fake-primary.ts'
import { encodeCommand } from '../support/raw-client.ts'
import type { TestServer } from '../support/test-server.ts'
import { waitFor } from '../support/wait-for.ts'
import { caughtUp, infoIs, later, linkIs, startFakePrimary, startPrimary, startReplica } from './topology.ts'

const TIMEOUT_SECONDS = 2

async function millisecondsUntil(replica: TestServer, line: RegExp): Promise<number> {
  const started = performance.now()
  await replica.waitForLine(line, { fromLine: replica.lines.length, timeoutMs: 10_000 })
  return performance.now() - started
}

function expectInTime(tookMs: number): void {
  expect(tookMs).toBeGreaterThan(TIMEOUT_SECONDS * 1000 - 300)
  expect(tookMs).toBeLessThan(TIMEOUT_SECONDS * 1000 + 3000)
}

describe('repl-timeout', () => {
  it('connected: a primary that stands still is left, served from, and continued with', async () => {
    const primary = await startPrimary()
    await primary.call('SET', 'k', 'v')
    const replica = await startReplica(primary, { 'repl-timeout': TIMEOUT_SECONDS })
    await caughtUp(primary, replica)
    primary.pause()
    later(() => primary.resume())
    expectInTime(await millisecondsUntil(replica, /MASTER timeout: no data nor PING received/))
    expect(await replica.call('GET', 'k')).toBe('v')
    await linkIs(replica, 'down')
    expect(Number((await replica.info('replication'))['master_link_down_since_seconds'])).toBeGreaterThanOrEqual(0)
    primary.resume()
    await linkIs(replica, 'up')
    expect((await primary.info('stats'))['sync_full']).toBe('1')
  })

  it('handshake: an answer that does not come', async () => {
    const primary = await startFakePrimary()
    primary.misbehave({ phase: 'handshake', atByte: 7, fault: 'stall' })
    const replica = await startReplica(primary, { 'repl-timeout': TIMEOUT_SECONDS }, { wait: false })
    expect(((await replica.call('ROLE')) as string[])[3]).toBe('handshake')
    expectInTime(await millisecondsUntil(replica, /Timeout connecting to the MASTER\.\.\./))
    await linkIs(replica, 'up')
  })

  it('handshake: cut, reset and answered with garbage, it comes up in the end', async () => {
    const primary = await startFakePrimary()
    primary.misbehave({ phase: 'handshake', atByte: 13, fault: 'reset' })
    primary.misbehave({ phase: 'handshake', atByte: 40, fault: 'garbage', bytes: Buffer.from('\0\0\xff\r\n') })
    const replica = await startReplica(primary)
    expect(primary.pendingMisbehaviours).toBe(0)
    expect(await replica.call('PING')).toBe('PONG')
  })

  it('transfer: a snapshot that stops; the old data are served meanwhile', async () => {
    const primary = await startFakePrimary()
    primary.feed(encodeCommand('SET', 'k', 'v'))
    const replica = await startReplica(primary, { 'repl-timeout': TIMEOUT_SECONDS })
    await infoIs(replica, 'slave_repl_offset', String(primary.offset))
    primary.replid = 'b'.repeat(40)
    primary.takeSnapshot(emptyRdb())
    primary.misbehave({ phase: 'snapshot', atByte: 12, fault: 'stall' })
    primary.cutAll()
    await infoIs(replica, 'master_sync_in_progress', '1')
    expect(await replica.call('GET', 'k')).toBe('v')
    expectInTime(await millisecondsUntil(replica, /Timeout receiving bulk data from MASTER/))
    expect(await replica.call('GET', 'k')).toBe('v')
    expect((await replica.info('replication'))['slave_repl_offset']).toBe(String(primary.offset))
    await linkIs(replica, 'up')
    expect(await replica.call('GET', 'k')).toBe(null)
  })

  it('transfer: a counted snapshot that is whole by its count and not by its content is refused at once', async () => {
    const primary = await startFakePrimary({ snapshot: emptyRdb().subarray(0, 9) })
    const replica = await startReplica(primary, { 'repl-timeout': 60 }, { wait: false })
    await replica.waitForLine(/Internal error in RDB reading offset 9 -> Unexpected EOF reading RDB/)
    primary.takeSnapshot(emptyRdb())
    await linkIs(replica, 'up')
  })

  it('changes at run time', async () => {
    const primary = await startPrimary({ 'repl-ping-replica-period': 3600 })
    const replica = await startReplica(primary, { 'repl-timeout': 60 })
    await replica.call('CONFIG', 'SET', 'repl-timeout', '1')
    await replica.waitForLine(/MASTER timeout: no data nor PING received/)
    await linkIs(replica, 'up')
  })
})

describe('a lost link', () => {
  it('is tried again at once, and continued', async () => {
    const primary = await startPrimary()
    const replica = await startReplica(primary)
    for (let round = 1; round <= 5; round++) {
      await primary.call('SET', 'round', round)
      const started = performance.now()
      await primary.call('CLIENT', 'KILL', 'TYPE', 'replica')
      await waitFor(
        'the partial resync',
        async () => (await primary.info('stats'))['sync_partial_ok'] === String(round),
        { intervalMs: 2 },
      )
      expect(performance.now() - started).toBeLessThan(800)
      await caughtUp(primary, replica)
    }
    expect(await replica.call('GET', 'round')).toBe('5')
    expect((await primary.info('stats'))['sync_full']).toBe('1')
  })

  it('is tried at growing distances while attempts fail, and at once again after a success', async () => {
    const primary = await startPrimary()
    const replica = await startReplica(primary)
    const { port } = primary
    const tries = (): number => replica.lines.filter((line) => line.includes('Connecting to MASTER')).length
    const before = tries()
    await primary.kill()
    await new Promise((resolve) => setTimeout(resolve, 4000))
    // At once, then after about 1 and 2 seconds more.
    expect(tries() - before).toBeGreaterThanOrEqual(2)
    expect(tries() - before).toBeLessThanOrEqual(5)
    const again = await startPrimary({}, { port })
    await linkIs(replica, 'up', { timeoutMs: 15_000 })
    const started = performance.now()
    await again.call('CLIENT', 'KILL', 'TYPE', 'replica')
    await infoIs(again, 'sync_partial_ok', '1', { intervalMs: 2 })
    expect(performance.now() - started).toBeLessThan(800)
  })
})
