/** Directives whose change at run time does something, each shown by what it does. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../../support/free-port.ts'
import { RawClient } from '../../support/raw-client.ts'
import type { TestServer } from '../../support/test-server.ts'
import { startUnderstudy } from '../../support/understudy-server.ts'
import { waitFor } from '../../support/wait-for.ts'

let node: TestServer

beforeAll(async () => {
  node = await startUnderstudy()
})
afterAll(() => node.stop())

async function set(...pairs: (string | number)[]): Promise<void> {
  expect(await node.call('CONFIG', 'SET', ...pairs)).toBe('OK')
}

describe('CONFIG SET', () => {
  it('bind: the port is opened on the new addresses and closed on the old ones; connections stay', async () => {
    await set('bind', '127.0.0.2')
    const there = await RawClient.connect({ host: '127.0.0.2', port: node.port })
    expect(await there.call('PING')).toBe('PONG')
    there.close()
    await expect(RawClient.connect({ host: '127.0.0.1', port: node.port })).rejects.toThrow(/ECONNREFUSED/)
    // 203.0.113.0/24 is for documentation: no machine has such an address.
    await expect(node.call('CONFIG', 'SET', 'bind', '203.0.113.7')).rejects.toThrow(
      'Failed to bind to specified addresses',
    )
    expect(await node.call('CONFIG', 'GET', 'bind')).toEqual(['bind', '127.0.0.2'])
    const still = await RawClient.connect({ host: '127.0.0.2', port: node.port })
    still.close()
    await set('bind', '127.0.0.1')
  })

  it('port: the new one is opened, the old one closed; one that is taken is refused and nothing changes', async () => {
    const other = await freePort()
    await set('port', other)
    const there = await RawClient.connect({ port: other })
    expect(await there.call('CONFIG', 'GET', 'port')).toEqual(['port', String(other)])
    expect((await node.info('server'))['tcp_port']).toBe(String(other))
    await expect(RawClient.connect({ port: node.port })).rejects.toThrow(/ECONNREFUSED/)
    there.close()
    const taker = await startUnderstudy()
    await expect(node.call('CONFIG', 'SET', 'port', taker.port)).rejects.toThrow('Unable to listen on this port')
    await taker.stop()
    await set('port', node.port)
  })

  it('timeout and hz: idle connections are closed within seconds, also after hz went up', async () => {
    await set('hz', 500, 'timeout', 1)
    const idle = await RawClient.connect({ port: node.port })
    expect(await idle.call('PING')).toBe('PONG')
    const beganMs = performance.now()
    await idle.readToEnd()
    expect(performance.now() - beganMs).toBeLessThan(4000)
    await (await node.raw()).call('CONFIG', 'SET', 'timeout', '0', 'hz', '10')
  })

  it('maxclients: one more is turned away with a reason', async () => {
    const connected = Number((await node.info('clients'))['connected_clients'])
    await set('maxclients', connected + 1)
    const last = await node.raw()
    expect(await last.call('PING')).toBe('PONG')
    const surplus = await RawClient.connect({ port: node.port })
    expect(String(await surplus.readReply())).toContain('ERR max number of clients reached')
    last.close()
    await set('maxclients', 10_000)
  })

  it('requirepass: new connections have to say it, those there are stay in', async () => {
    await set('requirepass', 's\u00e9cret')
    const stranger = await RawClient.connect({ port: node.port })
    await expect(stranger.call('GET', 'k')).rejects.toThrow('NOAUTH')
    expect(await stranger.call('AUTH', 's\u00e9cret')).toBe('OK')
    expect(await stranger.call('GET', 'k')).toBeNull()
    stranger.close()
    await set('requirepass', '')
  })

  it('proto-max-bulk-len: a longer argument is a protocol error from then on', async () => {
    await set('proto-max-bulk-len', 1024 * 1024)
    const raw = await RawClient.connect({ port: node.port })
    raw.send(Buffer.from('*2\r\n$4\r\nECHO\r\n$1048577\r\n'))
    expect(String(await raw.readReply())).toContain('Protocol error: invalid bulk length')
    await expect(node.call('SETRANGE', 'k', 1024 * 1024, 'x')).rejects.toThrow('exceeds maximum allowed size')
    await set('proto-max-bulk-len', 512 * 1024 * 1024)
  })

  it('repl-backlog-size: smaller and larger, never below 16 KiB', async () => {
    for (const [wanted, shown] of [
      [65_536, 65_536],
      [1, 16_384],
      [4_194_304, 4_194_304],
    ] as const) {
      await set('repl-backlog-size', wanted)
      expect((await node.info('replication'))['repl_backlog_size']).toBe(String(shown))
    }
  })

  it('repl-backlog-size: more than a ring can have is told, at the start and at CONFIG SET', async () => {
    const told = async (server: TestServer): Promise<string[]> =>
      (await server.settledLines()).filter((line) => / # repl-backlog-size /.test(line))
    const large = await startUnderstudy({ directives: { 'repl-backlog-size': '8gb' } })
    try {
      const line = expect.stringMatching(/ 8589934592 is more than .*: 2147418112 bytes are used$/)
      expect(await told(large)).toEqual([line])
      expect((await large.info('replication'))['repl_backlog_size']).toBe('2147418112')
      expect(await large.call('CONFIG', 'GET', 'repl-backlog-size')).toEqual(['repl-backlog-size', '8589934592'])
      await large.call('CONFIG', 'SET', 'repl-backlog-size', 1_048_576)
      expect(await told(large)).toHaveLength(1)
      await large.call('CONFIG', 'SET', 'repl-backlog-size', '8gb')
      expect(await told(large)).toEqual([line, line])
    } finally {
      await large.stop()
    }
    // A minimum is Redis', too.
    await set('repl-backlog-size', 1)
    expect(await told(node)).toEqual([])
  })

  it('slowlog-log-slower-than and -max-len; latency-monitor-threshold', async () => {
    await set('slowlog-log-slower-than', 0, 'slowlog-max-len', 2, 'latency-monitor-threshold', 1)
    for (let i = 0; i < 4; i++) await node.call('DEBUG', 'SLEEP', '0.003')
    expect(await node.call('SLOWLOG', 'LEN')).toBe(2)
    expect(((await node.call('LATENCY', 'LATEST')) as unknown[][]).map(([name]) => name)).toContain('command')
    await set('slowlog-log-slower-than', 10_000, 'slowlog-max-len', 128, 'latency-monitor-threshold', 0)
  })

  it('loglevel: lines below it are not written', async () => {
    await set('loglevel', 'warning')
    const before = (await node.settledLines()).length
    await node.call('REPLICAOF', '127.0.0.1', '1')
    await node.call('REPLICAOF', 'NO', 'ONE')
    expect((await node.settledLines()).slice(before).filter((line) => line.includes(' * '))).toEqual([])
    await set('loglevel', 'notice')
    await node.call('REPLICAOF', '127.0.0.1', '1')
    await node.waitForLine(/REPLICAOF 127\.0\.0\.1:1 enabled/)
    await node.call('REPLICAOF', 'NO', 'ONE')
  })

  it('maxmemory-policy: access frequencies are kept under an LFU policy only', async () => {
    await node.call('SET', 'often', '1')
    await expect(node.call('OBJECT', 'FREQ', 'often')).rejects.toThrow('An LFU maxmemory policy is not selected')
    await set('maxmemory-policy', 'allkeys-lfu')
    await node.call('SET', 'often', '2')
    expect(await node.call('OBJECT', 'FREQ', 'often')).toBeGreaterThan(0)
    await expect(node.call('OBJECT', 'IDLETIME', 'often')).rejects.toThrow('An LFU maxmemory policy is selected')
    await set('maxmemory-policy', 'noeviction')
  })

  it('a directive that does nothing here is stored, and the log says so once', async () => {
    await set('lazyfree-lazy-user-del', 'yes')
    await set('lazyfree-lazy-user-del', 'yes')
    expect(await node.call('CONFIG', 'GET', 'lazyfree-lazy-user-del')).toEqual(['lazyfree-lazy-user-del', 'yes'])
    const said = (): string[] => node.lines.filter((line) => line.includes('lazyfree-lazy-user-del'))
    await waitFor('the line', () => said().length > 0)
    expect(said()).toHaveLength(1)
    expect(said()[0]).toContain('memory is always freed in small slices between commands')
  })
})
