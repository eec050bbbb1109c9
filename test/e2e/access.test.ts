/** How the link proves who it is: passwords, users, certificates. */
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { freePort } from '../support/free-port.ts'
import type { Directives } from '../support/test-server.ts'
import { caughtUp, linkIs, startPrimary, startReplica } from './topology.ts'

describe('AUTH', () => {
  it('without a password, with a wrong one, with the right one set at run time', async () => {
    const primary = await startPrimary({ requirepass: 'secret' })
    const replica = await startReplica(primary, {}, { wait: false })
    await replica.waitForLine(/NOAUTH/)
    await linkIs(replica, 'down')
    await replica.call('CONFIG', 'SET', 'masterauth', 'wrong')
    await replica.waitForLine(/Unable to AUTH to MASTER: -WRONGPASS/)
    expect((await replica.info('replication'))['master_link_last_failure']).toContain('WRONGPASS')
    await replica.call('CONFIG', 'SET', 'masterauth', 'secret')
    await linkIs(replica, 'up')
    // A password that changes does not end a link that works.
    await replica.call('CONFIG', 'SET', 'masterauth', 'wrong')
    await primary.call('SET', 'k', 'v')
    await caughtUp(primary, replica)
    await linkIs(replica, 'up')
  })

  it('a password of any bytes', async () => {
    const password = Buffer.from([0, 1, 0xff, 0x20, 0x22, 0x0d, 0x0a, 0x80])
    const primary = await startPrimary()
    const admin = await primary.raw()
    await admin.call('CONFIG', 'SET', 'requirepass', password)
    const replica = await startReplica(primary, {}, { wait: false })
    await replica.call('CONFIG', 'SET', 'masterauth', password)
    await linkIs(replica, 'up')
  })

  it('a user of the ACL with no more rights than replication needs', async () => {
    const primary = await startPrimary({
      requirepass: 'other',
      user: ['repl', 'on', '>pw', '+psync', '+replconf', '+ping'],
    })
    await primary.call('SET', 'k', 'v')
    const replica = await startReplica(primary, { masteruser: 'repl', masterauth: 'pw' })
    expect(await replica.call('GET', 'k')).toBe('v')
    const stranger = await startReplica(primary, { masteruser: 'nobody', masterauth: 'pw' }, { wait: false })
    await stranger.waitForLine(/Unable to AUTH to MASTER: -WRONGPASS/)
  })
})

describe('TLS', () => {
  const file = (name: string): string => fileURLToPath(new URL(`../fixtures/tls/${name}`, import.meta.url))
  const files: Directives = {
    'tls-ca-cert-file': file('ca.crt'),
    'tls-cert-file': file('server.crt'),
    'tls-key-file': file('server.key'),
  }

  it('a snapshot and a stream over TLS, with a client certificate; a stranger is refused', async () => {
    const tlsPort = await freePort()
    const primary = await startPrimary({ 'tls-port': tlsPort, 'tls-auth-clients': 'yes', ...files })
    await primary.call('DEBUG', 'POPULATE', '20000', 'key', '200')
    const replica = await startReplica({ port: tlsPort }, { 'tls-replication': 'yes', ...files })
    expect(await replica.call('DBSIZE')).toBe(20_000)
    await primary.call('DEBUG', 'POPULATE', '2', 'more', '10')
    await primary.call('SET', 'big', 'x'.repeat(200_000))
    await caughtUp(primary, replica)
    expect(await replica.call('STRLEN', 'big')).toBe(200_000)
    await primary.call('CLIENT', 'KILL', 'TYPE', 'replica')
    await primary.call('SET', 'after', 'cut')
    await caughtUp(primary, replica)
    expect(await replica.call('GET', 'after')).toBe('cut')
    expect((await primary.info('stats'))['sync_partial_ok']).toBe('1')

    const other = { ...files, 'tls-ca-cert-file': file('other-ca.crt') }
    const stranger = await startReplica({ port: tlsPort }, { 'tls-replication': 'yes', ...other }, { wait: false })
    await stranger.waitForLine(/Error condition on socket for SYNC: .*certificate/)
    const plain = await startReplica({ port: tlsPort }, { 'repl-timeout': 2 }, { wait: false })
    await plain.waitForLine(
      /Error condition on socket for SYNC|ended during the handshake|Timeout connecting|Error reply to PING/,
    )
    expect((await plain.info())['loading']).toBe('1')
  })

  it('CONFIG SET refuses certificates by which no connection could be made, and a link goes on with those it had', async () => {
    const tlsPort = await freePort()
    await startPrimary({ 'tls-port': tlsPort, ...files })
    const replica = await startReplica({ port: tlsPort }, { 'tls-replication': 'yes', ...files })
    const set = (...words: string[]): Promise<unknown> => replica.call('CONFIG', 'SET', ...words)
    const refused = (name: string, why: string): unknown =>
      expect.objectContaining({
        message: expect.stringContaining(
          `ERR CONFIG SET failed (possibly related to argument '${name}') - Unable to update TLS configuration: ${why}`,
        ),
      })
    await expect(set('tls-cert-file', '/nowhere/new.crt')).rejects.toEqual(
      refused('tls-cert-file', "cannot read the TLS certificate '/nowhere/new.crt'"),
    )
    await expect(set('tls-ca-cert-file', file('server.key'))).rejects.toEqual(
      refused('tls-ca-cert-file', 'there is no CA certificate in'),
    )
    await expect(set('tls-ca-cert-file', '')).rejects.toEqual(
      refused('tls-ca-cert-file', 'tls-replication needs tls-ca-cert-file or tls-ca-cert-dir'),
    )
    expect(await replica.call('CONFIG', 'GET', 'tls-cert-file')).toEqual(['tls-cert-file', file('server.crt')])
    // The same names: whether what they stand for is good.
    expect(await set('tls-cert-file', file('server.crt'), 'tls-key-file', file('server.key'))).toBe('OK')
    expect(await set('tls-replication', 'no')).toBe('OK')
    expect(await set('tls-cert-file', '/nowhere/new.crt')).toBe('OK')
    await expect(set('tls-replication', 'yes')).rejects.toEqual(
      refused('tls-replication', "cannot read the TLS certificate '/nowhere/new.crt'"),
    )
    expect(await replica.call('CONFIG', 'GET', 'tls-replication')).toEqual(['tls-replication', 'no'])
    await linkIs(replica, 'up')
  })
})
