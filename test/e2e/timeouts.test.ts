/** repl-timeout in every phase of the link, and how soon it is tried again. */
import { describe, expect, it } from 'vitest'
import { emptyRdb } from '../support/fake-primary.ts'
import { encodeCommand } from '../support/raw-client.ts'
import type { TestServer } from '../support/test-server.ts'
import { waitFor } from '../support/wait-for.ts'
import { caughtUp, infoIs, later, linkIs, startFakePrimary, startPrimary, startReplica } from './topology.ts'

const TIMEOUT_SECONDS = 2
/** A busy machine may need longer for what is not meant to be timed out. */
const PATIENT_SECONDS = 60

async function setTimeoutOf(replica: TestServer, seconds: number): Promise<void> {
  await replica.call('CONFIG', 'SET', 'repl-timeout', seconds)
}

/** A moment before the last sign of life of the primary, and where the log of the replica was. */
interface Before {
  readonly ms: number
  readonly line: number
}

function beforeSilence(replica?: TestServer): Before {
  return { ms: performance.now(), line: replica?.process.mark() ?? 0 }
}

/** The primary is silent now: the replica's line must come in its time. */
async function expectInTime(replica: TestServer, line: RegExp, before: Before): Promise<void> {
  const silentMs = performance.now()
  await replica.waitForLine(line, { fromLine: before.line })
  const nowMs = performance.now()
  expect(nowMs - before.ms).toBeGreaterThan(TIMEOUT_SECONDS * 1000 - 300)
  expect(nowMs - silentMs).toBeLessThan(TIMEOUT_SECONDS * 1000 + 3000)
}

describe('repl-timeout', () => {
  it('connected: a primary that stands still is left, served from, and continued with', async () => {
    const primary = await startPrimary({ 'repl-ping-replica-period': 1 })
    await primary.call('SET', 'k', 'v')
    const replica = await startReplica(primary)
    await setTimeoutOf(replica, TIMEOUT_SECONDS)
    const before = beforeSilence(replica)
    await primary.call('SET', 'last', 'sign of life')
    await caughtUp(primary, replica)
    primary.pause()
    later(() => primary.resume())
    await expectInTime(replica, /MASTER timeout: no data nor PING received/, before)
    expect(await replica.call('GET', 'k')).toBe('v')
    await linkIs(replica, 'down')
    expect(Number((await replica.info('replication'))['master_link_down_since_seconds'])).toBeGreaterThanOrEqual(0)
    await setTimeoutOf(replica, PATIENT_SECONDS)
    primary.resume()
    await linkIs(replica, 'up')
    expect((await primary.info('stats'))['sync_full']).toBe('1')
  })

  it('handshake: an answer that does not come', async () => {
    const primary = await startFakePrimary()
    primary.misbehave({ phase: 'handshake', atByte: 7, fault: 'stall' })
    const before = beforeSilence()
    const replica = await startReplica(primary, { 'repl-timeout': TIMEOUT_SECONDS }, { wait: false })
    await waitFor('the handshake', async () => ((await replica.call('ROLE')) as string[])[3] === 'handshake')
    await expectInTime(replica, /Timeout connecting to the MASTER\.\.\./, before)
    await setTimeoutOf(replica, PATIENT_SECONDS)
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
    const replica = await startReplica(primary)
    await infoIs(replica, 'slave_repl_offset', String(primary.offset))
    await setTimeoutOf(replica, TIMEOUT_SECONDS)
    primary.replid = 'b'.repeat(40)
    primary.takeSnapshot(emptyRdb())
    primary.misbehave({ phase: 'snapshot', atByte: 12, fault: 'stall' })
    const before = beforeSilence(replica)
    primary.cutAll()
    await infoIs(replica, 'master_sync_in_progress', '1')
    expect(await replica.call('GET', 'k')).toBe('v')
    await expectInTime(replica, /Timeout receiving bulk data from MASTER/, before)
    await setTimeoutOf(replica, PATIENT_SECONDS)
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
    const replica = await startReplica(primary)
    await setTimeoutOf(replica, 1)
    await replica.waitForLine(/MASTER timeout: no data nor PING received/)
    await setTimeoutOf(replica, PATIENT_SECONDS)
    await linkIs(replica, 'up')
  })
})

const LOST = /Connection with master lost/
const TRIES = /Connecting to MASTER/

/** When a line was written, by the clock of its writer: how soon it is read here depends on the machine. */
function writtenAtMs(line: string): number {
  return Date.parse(/^\d+:[A-Z] (.*?\.\d{3}) /.exec(line)![1]!)
}

/** A link that is lost behind this line of the log must be tried again at once. */
async function expectAtOnce(replica: TestServer, fromLine: number): Promise<void> {
  const lostAtMs = writtenAtMs(await replica.waitForLine(LOST, { fromLine }))
  expect(writtenAtMs(await replica.waitForLine(TRIES, { fromLine })) - lostAtMs).toBeLessThan(500)
}

describe('a lost link', () => {
  it('is tried again at once, and continued', async () => {
    const primary = await startPrimary()
    const replica = await startReplica(primary)
    for (let round = 1; round <= 5; round++) {
      await primary.call('SET', 'round', round)
      const fromLine = replica.process.mark()
      await primary.call('CLIENT', 'KILL', 'TYPE', 'replica')
      await infoIs(primary, 'sync_partial_ok', String(round))
      await expectAtOnce(replica, fromLine)
      await caughtUp(primary, replica)
    }
    expect(await replica.call('GET', 'round')).toBe('5')
    expect((await primary.info('stats'))['sync_full']).toBe('1')
  })

  it('is tried at growing distances while attempts fail, and at once again after a success', async () => {
    const primary = await startPrimary()
    const replica = await startReplica(primary)
    const { port } = primary
    const fromLine = replica.process.mark()
    await primary.kill()
    const times = await waitFor('three tries', () => {
      const tries = replica.lines.slice(fromLine).filter((line) => TRIES.test(line))
      return tries.length >= 3 && tries.map(writtenAtMs)
    })
    await expectAtOnce(replica, fromLine)
    // Then after 1 and 2 seconds, of which up to a fifth is left out; a machine may be late.
    for (const [i, seconds] of [1, 2].entries()) {
      const distanceMs = times[i + 1]! - times[i]!
      expect(distanceMs).toBeGreaterThan(seconds * 800 - 50)
      expect(distanceMs).toBeLessThan(seconds * 1000 + 3000)
    }
    const again = await startPrimary({}, { port })
    await linkIs(replica, 'up')
    const fromLoss = replica.process.mark()
    await again.call('CLIENT', 'KILL', 'TYPE', 'replica')
    await infoIs(again, 'sync_partial_ok', '1')
    await expectAtOnce(replica, fromLoss)
  })
})
