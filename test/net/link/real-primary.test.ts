/** The link against a real redis-server. The loader is a fake that only finds the end of the snapshot. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BacklogReader, ReplicationHistory } from '@understudy/core/internal'
import { afterEach, describe, expect, it } from 'vitest'
import { freePort } from '../../support/free-port.ts'
import { encodeCommand } from '../../support/raw-client.ts'
import { startRedisServer } from '../../support/redis-server.ts'
import type { Directives, TestServer } from '../../support/test-server.ts'
import { waitFor } from '../../support/wait-for.ts'
import { type FixtureOptions, LinkFixture } from './link-fixture.ts'

const cleanups: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

/** It sends what is written, and no PING: offsets and commands are counted. */
async function startPrimary(directives: Directives = {}): Promise<TestServer> {
  const server = await startRedisServer({ directives: { 'repl-ping-replica-period': 3600, ...directives } })
  cleanups.push(() => server.kill())
  return server
}

function follow(primary: TestServer, options?: FixtureOptions, port = primary.port): LinkFixture {
  const fixture = new LinkFixture(options)
  cleanups.push(() => fixture.link.stop())
  fixture.link.replicaOf('127.0.0.1', port)
  return fixture
}

const offsetOf = async (primary: TestServer): Promise<number> =>
  Number((await primary.info('replication'))['master_repl_offset'])

/** Many commands in one write. */
async function write(primary: TestServer, first: number, count: number): Promise<void> {
  const client = await primary.raw({ timeoutMs: 20_000 })
  const parts: Buffer[] = []
  for (let i = first; i < first + count; i++) {
    if (i % 10 === 0) {
      parts.push(encodeCommand('MULTI'), encodeCommand('INCR', 'n'), encodeCommand('SET', `m:${i}`, 'x'))
      parts.push(encodeCommand('EXEC'))
    } else parts.push(encodeCommand('SET', `k:${i}`, 'v'.repeat(i % 100)))
  }
  parts.push(encodeCommand('ECHO', 'done'))
  client.socket.write(Buffer.concat(parts))
  await new Promise<void>((resolve) => {
    let tail = ''
    client.socket.on('data', (bytes: Buffer) => {
      tail = (tail + bytes.toString('latin1')).slice(-20)
      if (tail.endsWith('$4\r\ndone\r\n')) resolve()
    })
  })
  client.close()
}

describe('a real primary', () => {
  for (const [name, disklessSync] of [
    ['$len', 'no'],
    ['$EOF', 'yes'],
  ] as const) {
    it(`${name}: full resync, stream, equal offsets, WAIT`, async () => {
      const primary = await startPrimary({ 'repl-diskless-sync': disklessSync })
      await write(primary, 0, 2000)
      const fixture = follow(primary)
      await fixture.connected()
      await write(primary, 2000, 3000)
      const offset = await offsetOf(primary)
      await fixture.applied(offset)
      expect(fixture.link.getStatus().receivedOffset).toBe(offset)
      expect(fixture.commands.length).toBe(2700)
      expect(fixture.groups.length).toBe(300)
      expect(fixture.groups[0]).toEqual(['0 INCR n', '0 SET m:2000 x'])
      expect(fixture.loader.loads[0]!.options.framing.kind).toBe(name === '$len' ? 'length' : 'mark')
      // WAIT sends GETACK and is answered at once, well before the ACK of the next second.
      const client = await primary.raw()
      let quick = 0
      for (let i = 0; i < 12; i++) {
        await client.call('SET', 'waited', 'for')
        const asked = performance.now()
        expect(await client.call('WAIT', '1', '10000')).toBe(1)
        if (performance.now() - asked < 500) quick++
      }
      expect(quick).toBeGreaterThan(10)
      const info = await primary.info('replication')
      await fixture.applied(Number(info['master_repl_offset']))
      expect(info['slave0']).toMatch(/^ip=127\.0\.0\.1,port=7001,state=online,/)
      expect(info['master_replid']).toBe(fixture.link.getStatus().replid)
    })
  }

  it('continues after cuts: sync_partial_ok, the same offset, the same bytes', async () => {
    const primary = await startPrimary({ 'repl-backlog-size': '4mb' })
    const fixture = follow(primary)
    await fixture.connected()
    for (let round = 1; round <= 5; round++) {
      const writing = write(primary, round * 1000, 1000)
      await primary.call('CLIENT', 'KILL', 'TYPE', 'replica')
      await writing
      await waitFor('the partial resync', async () => {
        const info = await primary.info('stats')
        return Number(info['sync_partial_ok']) >= round
      })
    }
    const offset = await offsetOf(primary)
    await fixture.applied(offset)
    const info = await primary.info('stats')
    expect(info['sync_full']).toBe('1')
    expect(fixture.link.getStatus().counters).toMatchObject({ fullResyncs: 1, partialResyncs: 5, losses: 5 })
    expect(fixture.commands.length + fixture.groups.length).toBe(5000)
    expect(fixture.commands.length).toBe(4500)
    expect(new BacklogReader(fixture.backlog.shared).endOffset).toBe(offset)
    expect(fixture.swaps).toBe(1)
  })

  it('resyncs fully when the backlog no longer has what is missing', async () => {
    const primary = await startPrimary({ 'repl-backlog-size': '16kb' })
    const fixture = follow(primary)
    await fixture.connected()
    fixture.link.replicaOfNoOne('test')
    await write(primary, 0, 3000)
    fixture.link.replicaOf('127.0.0.1', primary.port, 'test')
    await fixture.connected()
    expect(fixture.swaps).toBe(2)
    expect((await primary.info('stats'))['sync_partial_err']).toBe('1')
    await fixture.applied(await offsetOf(primary))
  })

  it('AUTH: wrong password, right password, user and password', async () => {
    const primary = await startPrimary({
      requirepass: 'secret',
      user: ['repl', 'on', '>pw', '+psync', '+replconf', '+ping'],
    })
    const fixture = follow(primary)
    fixture.link.config.handshake.password = 'wrong'
    await waitFor('the refusal', () =>
      fixture.log.find((line) => line.startsWith('warning Unable to AUTH to MASTER: -WRONGPASS')),
    )
    expect(fixture.link.getStatus().lastFailure).toContain('WRONGPASS')
    fixture.link.config.handshake.password = Buffer.from('secret')
    fixture.link.reconnect('test')
    await fixture.connected()
    const other = new LinkFixture()
    cleanups.push(() => other.link.stop())
    Object.assign(other.link.config.handshake, { user: 'repl', password: 'pw' })
    other.link.replicaOf('127.0.0.1', primary.port)
    await other.connected()
    const without = follow(primary)
    await waitFor('the refusal', () => without.link.getStatus().lastFailure !== '')
    expect(without.log.some((line) => line.includes('NOAUTH'))).toBe(true)
  })

  it('follows a promotion: +CONTINUE with a new id', async () => {
    const first = await startPrimary()
    const second = await startPrimary({ replicaof: ['127.0.0.1', first.port] })
    const fixture = follow(first)
    await fixture.connected()
    await waitFor('the real replica', async () => (await second.info('replication'))['master_link_status'] === 'up')
    await write(first, 0, 500)
    const offset = await offsetOf(first)
    await fixture.applied(offset)
    await waitFor('the real replica', async () => (await offsetOf(second)) >= offset)
    const oldId = fixture.link.getStatus().replid
    await second.call('REPLICAOF', 'NO', 'ONE')
    await first.kill()
    fixture.link.replicaOf('127.0.0.1', second.port, 'test')
    await fixture.connected()
    const status = fixture.link.getStatus()
    expect(status.replid2).toBe(oldId)
    expect(status.replid).toBe((await second.info('replication'))['master_replid'])
    expect(fixture.swaps).toBe(1)
    expect(fixture.historyChanges).toBe(2)
    await write(second, 500, 100)
    await fixture.applied(await offsetOf(second))
    expect(fixture.commands.length).toBe(540)
  })

  it('is told by a middle node, and waits when that one has lost its primary', async () => {
    const top = await startPrimary()
    const middle = await startPrimary({ replicaof: ['127.0.0.1', top.port] })
    await waitFor('the middle', async () => (await middle.info('replication'))['master_link_status'] === 'up')
    const fixture = follow(middle)
    await fixture.connected()
    await write(top, 0, 300)
    const offset = await offsetOf(top)
    await fixture.applied(offset)
    expect(fixture.link.getStatus().replid).toBe((await top.info('replication'))['master_replid'])
    await top.kill()
    await waitFor('the middle', async () => (await middle.info('replication'))['master_link_status'] === 'down')
    fixture.link.reconnect('test')
    await waitFor('the refusal', () => fixture.log.find((line) => line.includes('-NOMASTERLINK')))
    expect(fixture.link.history.resumable).toBe(true)
  })

  it('asks to continue its own past when a former primary comes back as a replica', async () => {
    const primary = await startPrimary()
    await write(primary, 0, 100)
    const history = new ReplicationHistory('c'.repeat(40))
    history.replOffset = 12
    const fixture = new LinkFixture({ history })
    cleanups.push(() => fixture.link.stop())
    fixture.link.replicaOf('127.0.0.1', primary.port, 'test')
    await fixture.connected()
    expect(fixture.log).toContain(`notice Trying a partial resynchronization (request ${'c'.repeat(40)}:13).`)
    await primary.waitForLine(/Partial resynchronization not accepted: Replication ID mismatch/)
  })
})

describe('TLS', () => {
  const fixtureFile = (name: string): string => fileURLToPath(new URL(`../../fixtures/tls/${name}`, import.meta.url))
  const TLS_FILES = {
    caCertFile: fixtureFile('ca.crt'),
    certFile: fixtureFile('server.crt'),
    keyFile: fixtureFile('server.key'),
  }

  it('verifies the chain but not the name, shows a certificate, and carries a stream', async () => {
    const port = await freePort()
    const primary = await startPrimary({
      'tls-port': port,
      'tls-ca-cert-file': TLS_FILES.caCertFile,
      'tls-cert-file': TLS_FILES.certFile,
      'tls-key-file': TLS_FILES.keyFile,
      'repl-diskless-sync': 'yes',
    })
    await write(primary, 0, 20_000)
    const fixture = follow(primary, { config: { tls: TLS_FILES }, loader: { ringBytes: 64 * 1024 } }, port)
    await fixture.connected()
    await write(primary, 20_000, 20_000)
    await fixture.applied(await offsetOf(primary))
    expect(fixture.commands.length).toBe(18_000)

    const stranger = follow(
      primary,
      { config: { tls: { ...TLS_FILES, caCertFile: fixtureFile('other-ca.crt') } } },
      port,
    )
    await waitFor('the refusal', () => stranger.link.getStatus().lastFailure !== '')
    expect(stranger.link.getStatus().lastFailure).toMatch(/certificate/)

    const missing = follow(primary, { config: { tls: { caCertFile: '/nowhere/ca.crt' } } }, port)
    await waitFor('the refusal', () => missing.link.getStatus().lastFailure !== '')
    expect(missing.link.getStatus().lastFailure).toContain("cannot read the TLS CA certificate '/nowhere/ca.crt'")

    const broken = follow(primary, { config: { tls: { ...TLS_FILES, keyFile: TLS_FILES.caCertFile } } }, port)
    await waitFor('the refusal', () => broken.link.getStatus().lastFailure !== '')
    expect(broken.link.getStatus().lastFailure).toContain('TLS cannot be set up')

    // Never those that Node trusts by itself: any certificate for any name would do.
    const { caCertFile: _, ...ownFiles } = TLS_FILES
    const anybody = follow(primary, { config: { tls: ownFiles } }, port)
    await waitFor('the refusal', () => anybody.link.getStatus().lastFailure !== '')
    expect(anybody.link.getStatus().lastFailure).toBe('tls-replication needs tls-ca-cert-file or tls-ca-cert-dir')

    const noneThere = await mkdtemp(join(tmpdir(), 'tls-ca-'))
    cleanups.push(() => rm(noneThere, { recursive: true }))
    const empty = follow(primary, { config: { tls: { ...ownFiles, caCertDir: noneThere } } }, port)
    await waitFor('the refusal', () => empty.link.getStatus().lastFailure !== '')
    expect(empty.link.getStatus().lastFailure).toBe(`there is no CA certificate in '${noneThere}'`)

    const toPlain = follow(primary, { config: { tls: TLS_FILES, replTimeoutMs: 300 } })
    await waitFor('the refusal', () => toPlain.link.getStatus().lastFailure !== '')
  })
})
