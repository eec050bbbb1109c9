/** maxclients and the limit of open files (`ulimit -n`): clients beyond it are told so, and the node keeps what it needs itself. */
import { afterEach, describe, expect, it } from 'vitest'
import { RawClient } from '../support/raw-client.ts'
import { startRedisServer } from '../support/redis-server.ts'
import type { TestServer } from '../support/test-server.ts'
import { startUnderstudy } from '../support/understudy-server.ts'
import { waitFor } from '../support/wait-for.ts'

const OPEN_FILES_MAX = 256
const TOO_MANY = '-ERR max number of clients reached\r\n'

const servers: TestServer[] = []
const clients: RawClient[] = []
afterEach(async () => {
  for (const client of clients.splice(0)) client.close()
  for (const server of servers.splice(0)) await server.stop()
})

async function start(options: Parameters<typeof startUnderstudy>[0]): Promise<TestServer> {
  const server = await startUnderstudy(options)
  servers.push(server)
  return server
}

async function maxclientsOf(server: TestServer): Promise<number> {
  const [, value] = (await server.call('CONFIG', 'GET', 'maxclients')) as [string, string]
  return Number(value)
}

async function connect(server: TestServer): Promise<RawClient> {
  const client = await RawClient.connect({ port: server.port })
  client.socket.on('error', () => {})
  clients.push(client)
  return client
}

// Elsewhere the limit is not known.
describe.runIf(process.platform === 'linux')('with few descriptors', () => {
  it.each([1, 2, 4])(
    'clients beyond maxclients are turned away, and the node can do its work, with io-threads %d',
    async (threads) => {
      const primary = await startRedisServer()
      servers.push(primary)
      await primary.call('SET', 'k', 'v')
      const node = await start({ openFilesMax: OPEN_FILES_MAX, directives: { 'io-threads': threads } })
      const most = await maxclientsOf(node)
      expect(most).toBeGreaterThan(50)
      expect(most).toBeLessThan(OPEN_FILES_MAX)
      const line = await node.waitForLine(/maxclients is/)
      expect(line).toContain(`maxclients is ${most}, not 10000: this process may open ${OPEN_FILES_MAX} descriptors`)
      expect((await node.info('clients'))['maxclients']).toBe(String(most))

      // One of them is the connection that asks.
      for (let i = 1; i < most; i++) expect(await (await connect(node)).callExact('PING')).toBe('+PONG\r\n')
      for (let i = most; i < OPEN_FILES_MAX + 50; i++) {
        expect((await (await connect(node)).readToEnd()).toString()).toBe(TOO_MANY)
      }
      expect(await node.call('REPLICAOF', '127.0.0.1', primary.port)).toBe('OK')
      await waitFor('a full sync', async () => (await node.call('GET', 'k')) === 'v')
      await node.call('BGSAVE')
      await node.waitForLine(/Background saving terminated with success/)
      expect((await node.info('persistence'))['rdb_last_bgsave_status']).toBe('ok')

      const connected = async (): Promise<number> => Number((await node.info('clients'))['connected_clients'])
      const before = await connected()
      clients.splice(0, 1)[0]!.close()
      await waitFor('a place', async () => (await connected()) < before)
      expect(await (await connect(node)).callExact('PING')).toBe('+PONG\r\n')
    },
  )

  it('CONFIG SET maxclients goes as far as descriptors go, and says how far, as redis-server does', async () => {
    const seen: string[] = []
    for (const launch of [startRedisServer, startUnderstudy]) {
      const server = await launch({ openFilesMax: OPEN_FILES_MAX })
      servers.push(server)
      const most = await maxclientsOf(server)
      const client = await server.raw()
      let text = ''
      for (const wanted of [most + 1, 10, most, 5_000_000, 11]) {
        const answer = await client.callExact('CONFIG', 'SET', 'maxclients', wanted)
        const now = await maxclientsOf(server)
        text += `${answer.replace(String(most), 'MOST').trim()}, ${now === most ? 'MOST' : now}\n`
      }
      // Nothing of what comes with it is set.
      text += await client.callExact('CONFIG', 'SET', 'timeout', 77, 'maxclients', OPEN_FILES_MAX)
      text += JSON.stringify(await server.call('CONFIG', 'GET', 'timeout'))
      seen.push(text.replaceAll(String(most), 'MOST'))
    }
    expect(seen[1]).toBe(seen[0])
    expect(seen[1]).toContain('try with MOST, MOST\n+OK, 10\n+OK, MOST\n-ERR')
  })

  it('what fits is left as it was given', async () => {
    const node = await start({ openFilesMax: OPEN_FILES_MAX, directives: { maxclients: 20, 'io-threads': 1 } })
    expect(await maxclientsOf(node)).toBe(20)
    expect((await node.settledLines()).filter((line) => line.includes('maxclients'))).toEqual([])
  })

  it('does not start where not one client fits', async () => {
    await expect(startUnderstudy({ openFilesMax: 64 })).rejects.toThrow(
      /exit code 1[^]*Cannot start: this process may open 64 descriptors \(ulimit -n\), and needs \d+ before the first client/,
    )
    await expect(startRedisServer({ openFilesMax: 32 })).rejects.toThrow(/not enough for the server to start/)
  })
})
