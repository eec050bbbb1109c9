/** REPLICAOF in all its uses, and targets that cannot be followed. */
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { freePort } from '../support/free-port.ts'
import { RawClient } from '../support/raw-client.ts'
import type { TestServer } from '../support/test-server.ts'
import { waitFor } from '../support/wait-for.ts'
import {
  answers,
  caughtUp,
  infoIs,
  later,
  linkIs,
  newDirectory,
  NO_PINGS,
  startNode,
  startPrimary,
  startReplica,
} from './topology.ts'

describe('REPLICAOF', () => {
  it('at run time, again, to another primary, NO ONE', async () => {
    const first = await startPrimary()
    const second = await startPrimary(NO_PINGS)
    await first.call('SET', 'from', 'first')
    await second.call('SET', 'from', 'second')
    const node = await startNode()
    expect(await node.call('ROLE')).toEqual(['master', 0, []])

    expect(await node.call('REPLICAOF', '127.0.0.1', first.port)).toBe('OK')
    expect(await node.call('REPLICAOF', '127.0.0.1', first.port)).toBe('OK Already connected to specified master')
    await linkIs(node, 'up')
    expect(await node.call('GET', 'from')).toBe('first')
    expect(((await node.call('ROLE')) as unknown[]).slice(0, 4)).toEqual([
      'slave',
      '127.0.0.1',
      first.port,
      'connected',
    ])
    // A primary may hear of the end of its own child a little later.
    await waitFor('the primary to see it', async () =>
      (await first.info('replication'))['slave0']?.includes(`port=${node.port},state=online`),
    )

    expect(await node.call('SLAVEOF', '127.0.0.1', second.port)).toBe('OK')
    await infoIs(node, 'master_port', String(second.port))
    await linkIs(node, 'up')
    expect(await node.call('GET', 'from')).toBe('second')
    await infoIs(first, 'connected_slaves', '0')

    await caughtUp(second, node)
    const before = await node.info('replication')
    expect(await node.call('REPLICAOF', 'NO', 'ONE')).toBe('OK')
    const after = await node.info('replication')
    expect(after).toMatchObject({
      role: 'master',
      master_replid2: before['master_replid'],
      second_repl_offset: String(Number(before['slave_repl_offset']) + 1),
    })
    expect(after['master_replid']).not.toBe(before['master_replid'])
    expect(await node.call('GET', 'from')).toBe('second')
    await node.waitForLine(/MASTER MODE enabled \(user request from '/)
    expect(await node.call('REPLICAOF', 'no', 'one')).toBe('OK')
  })

  it('refuses a bad port with a clear error and stays what it is', async () => {
    const node = await startNode()
    await expect(node.call('REPLICAOF', '127.0.0.1', 'x')).rejects.toThrow('ERR Invalid master port')
    await expect(node.call('REPLICAOF', '127.0.0.1', '70000')).rejects.toThrow('ERR Invalid master port')
    await expect(node.call('REPLICAOF', '127.0.0.1')).rejects.toThrow('ERR wrong number of arguments')
    expect((await node.info('replication'))['role']).toBe('master')
  })

  it('NO ONE in the middle of a handshake and of a transfer ends both, and the data stay', async () => {
    const primary = await startPrimary()
    await primary.call('DEBUG', 'POPULATE', '3000', 'key', '100')
    await primary.call('SET', 'kept', 'yes')
    const node = await startReplica(primary)
    // A handshake without an answer.
    const silent = await listen(() => {})
    await node.call('REPLICAOF', '127.0.0.1', silent)
    await waitFor('the handshake', async () => ((await node.call('ROLE')) as string[])[3] !== 'connect')
    await node.call('REPLICAOF', 'NO', 'ONE')
    expect((await node.info('replication'))['role']).toBe('master')
    expect(await node.call('GET', 'kept')).toBe('yes')
    // A transfer that takes long. What was written here the primary cannot continue.
    await node.call('SET', 'kept', 'yes')
    await primary.call('CONFIG', 'SET', 'rdb-key-save-delay', '1000')
    await node.call('REPLICAOF', '127.0.0.1', primary.port)
    await infoIs(node, 'async_loading', '1')
    await node.call('REPLICAOF', 'NO', 'ONE')
    await infoIs(node, 'async_loading', '0')
    expect(await node.call('GET', 'kept')).toBe('yes')
    expect(await node.call('DBSIZE')).toBe(3001)
  })
})

describe('a target that cannot be followed', () => {
  /** A node with data that is then sent elsewhere. @returns why the link fails there. */
  async function sendTo(port: number): Promise<{ node: TestServer; failure: string }> {
    const primary = await startPrimary()
    await primary.call('SET', 'kept', 'yes')
    const node = await startReplica(primary)
    await node.call('CONFIG', 'SET', 'repl-timeout', 2)
    await node.call('REPLICAOF', '127.0.0.1', port === 0 ? node.port : port)
    const failure = await waitFor('the failure', async () => {
      const text = (await node.info('replication'))['master_link_last_failure']
      return text === '' ? undefined : text
    })
    await linkIs(node, 'down')
    expect(await node.call('GET', 'kept')).toBe('yes')
    expect(await node.call('PING')).toBe('PONG')
    // A full resync is due behind some of them, and takes a busy machine longer.
    await node.call('CONFIG', 'SET', 'repl-timeout', 60)
    // Back where it was: at once.
    await node.call('REPLICAOF', '127.0.0.1', primary.port)
    await linkIs(node, 'up')
    expect(await node.call('GET', 'kept')).toBe('yes')
    return { node, failure }
  }

  it('itself', async () => {
    const { failure } = await sendTo(0)
    expect(failure).not.toBe('')
  })

  it('a closed port', async () => {
    const { failure, node } = await sendTo(await freePort())
    expect(failure).toContain('ECONNREFUSED')
    await node.waitForLine(/Error condition on socket for SYNC: .*ECONNREFUSED/)
  })

  it('something that is not Redis', async () => {
    const http = await listen((socket) => socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')))
    const { failure, node } = await sendTo(http)
    expect(failure).toContain('HTTP/1.1 400 Bad Request')
    await node.waitForLine(/Error reply to PING from master: 'HTTP\/1\.1 400 Bad Request'/)
  })

  it('something that sends without an end and never a line', async () => {
    const flood = await listen((socket) => {
      const more = (): void => {
        while (!socket.destroyed && socket.write(Buffer.alloc(65_536, 0x61)));
      }
      socket.on('drain', more)
      more()
    })
    const { failure } = await sendTo(flood)
    expect(failure).toMatch(/line|long|byte/i)
  })

  it('something that ends every connection, something that never answers', async () => {
    const { failure } = await sendTo(await listen((socket) => socket.end()))
    expect(failure).not.toBe('')
    const { failure: silence } = await sendTo(await listen(() => {}))
    expect(silence).toBe('time-out')
  })

  it('a primary that answers nonsense to PSYNC', async () => {
    const answer = (socket: Socket): void => {
      socket.on('data', (bytes) => {
        if (bytes.includes('PSYNC')) socket.write('+FULLRESYNC zz -5\r\n$nonsense\r\n')
        else socket.write(bytes.includes('PING') ? '+PONG\r\n' : '+OK\r\n+OK\r\n')
      })
    }
    const { failure } = await sendTo(await listen(answer))
    expect(failure).not.toBe('')
  })

  it('a primary that announces 512 MB and sends nothing: a time-out, no memory', async () => {
    const answer = (socket: Socket): void => {
      socket.on('data', (bytes) => {
        if (bytes.includes('PSYNC')) socket.write(`+FULLRESYNC ${'a'.repeat(40)} 1\r\n$536870912\r\nREDIS0010`)
        else if (bytes.length > 1) socket.write(bytes.includes('PING') ? '+PONG\r\n' : '+OK\r\n+OK\r\n')
      })
    }
    const { failure, node } = await sendTo(await listen(answer))
    expect(failure).toBe('time-out')
    expect(Number((await node.info('memory'))['used_memory_rss'])).toBeLessThan(500 * 2 ** 20)
  })
})

async function listen(serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    serve(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  later(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

it('answers from an empty dataset only after REPLICAOF NO ONE of a node that was never synced', async () => {
  const node = await startNode({ replicaof: ['127.0.0.1', await freePort()] })
  await expect(node.call('GET', 'k')).rejects.toThrow(/^LOADING /)
  expect((await node.info())['loading']).toBe('1')
  await node.call('REPLICAOF', 'NO', 'ONE')
  await answers(node, ['GET', 'k'], null)
})

describe('REPLICAOF while the file is loaded', () => {
  /** It has a file of 501 keys, and is configured to follow nobody that is there. */
  async function startLoading(keyDelayMicros: number): Promise<{ client: RawClient; ready: Promise<TestServer> }> {
    const directory = await mkdtemp(join(tmpdir(), 'understudy-test-'))
    later(() => rm(directory, { recursive: true, force: true }))
    const before = await startNode({}, { directory })
    await before.call('MSET', ...Array.from({ length: 500 }, (_, i) => [`key:${i}`, i]).flat())
    await before.call('SET', 'from', 'file')
    await before.call('SAVE')
    await before.stop()
    const port = await freePort()
    const directives = { replicaof: ['127.0.0.1', await freePort()], 'key-load-delay': keyDelayMicros }
    const ready = startNode(directives, { directory, port })
    let client: RawClient | undefined
    await waitFor('the port', async () => {
      client = await RawClient.connect({ port })
      return true
    })
    later(() => client!.close())
    expect(String(await client!.call('INFO', 'persistence'))).toContain('\nloading:1')
    return { client: client!, ready }
  }

  it('another primary: what that has counts, not what the file has, and that is who is followed', async () => {
    const primary = await startPrimary({ 'repl-diskless-sync-delay': 0 })
    await primary.call('SET', 'from', 'primary')
    const { client, ready } = await startLoading(8000)
    expect(await client.call('REPLICAOF', '127.0.0.1', primary.port)).toBe('OK')
    await waitFor('the data', async () => (await client.call('GET', 'from').catch(String)) === 'primary')
    const node = await ready
    expect(node.lines.some((line) => line.includes('dump.rdb is not used: a full resync was over'))).toBe(true)
    await linkIs(node, 'up')
    await primary.call('SET', 'then', 'this')
    await answers(node, ['GET', 'then'], 'this')
    expect(await node.call('DBSIZE')).toBe(2)
    expect(await node.info('replication')).toMatchObject({ role: 'slave', master_port: String(primary.port) })
  })

  it('NO ONE: the data are those of the file, and nobody is followed', async () => {
    const { client, ready } = await startLoading(4000)
    expect(await client.call('REPLICAOF', 'NO', 'ONE')).toBe('OK')
    const node = await ready
    expect(await node.info('replication')).toMatchObject({ role: 'master' })
    expect(await node.call('DBSIZE')).toBe(501)
    expect(await node.call('CONFIG', 'GET', 'replicaof')).toEqual(['replicaof', ''])
  })
})

describe('REPLICAOF NO ONE of a node whose data were dropped for others', () => {
  /** It has saved 3000 keys, dropped them, and loads what comes slowly. */
  async function startDropped(
    directives: Record<string, string>,
  ): Promise<{ primary: TestServer; node: TestServer; directory: string; file: Buffer }> {
    const directory = await newDirectory()
    const primary = await startPrimary()
    await primary.call('DEBUG', 'POPULATE', '3000', 'key', '500')
    const node = await startReplica(primary, { save: '3600 1', ...directives }, { directory })
    await node.call('SAVE')
    const file = await readFile(join(directory, 'dump.rdb'))
    await primary.call('CONFIG', 'SET', 'rdb-key-save-delay', '1000')
    await primary.call('DEBUG', 'CHANGE-REPL-ID')
    await primary.call('CLIENT', 'KILL', 'TYPE', 'replica')
    await infoIs(node, 'loading', '1')
    await infoIs(node, 'master_sync_in_progress', '1')
    return { primary, node, directory, file }
  }

  it.each([
    { 'repl-diskless-load': 'flush-before-load' },
    { 'repl-diskless-load': 'swapdb', maxmemory: '2mb' },
    { 'repl-diskless-load': 'disabled', maxmemory: '2mb' },
  ])('is answered with -LOADING while those are loaded, and the file stays (%o)', async (directives) => {
    const { primary, node, directory, file } = await startDropped(directives)
    await expect(node.call('REPLICAOF', 'NO', 'ONE')).rejects.toThrow(
      /^LOADING Redis is loading the dataset in memory$/,
    )
    expect(await node.info('replication')).toMatchObject({ role: 'slave', master_port: String(primary.port) })
    // Another primary may be named.
    expect(await node.call('REPLICAOF', '127.0.0.1', await freePort())).toBe('OK')
    expect(await node.call('REPLICAOF', '127.0.0.1', primary.port)).toBe('OK')
    await infoIs(node, 'master_sync_in_progress', '1')
    await node.stop()
    expect(await readFile(join(directory, 'dump.rdb'))).toEqual(file)
    const again = await startNode({}, { directory })
    expect(await again.call('DBSIZE')).toBe(3000)
  })

  it('makes an empty primary when no load is under way, which overwrites nothing', async () => {
    const directives = { 'repl-diskless-load': 'flush-before-load' }
    const { primary, node, directory, file } = await startDropped(directives)
    await primary.kill()
    await infoIs(node, 'master_sync_in_progress', '0', { timeoutMs: 20_000 })
    await infoIs(node, 'loading', '1')
    expect(await node.call('REPLICAOF', 'NO', 'ONE')).toBe('OK')
    await node.waitForLine(/This node has no data and is an empty primary now/)
    expect(await node.info()).toMatchObject({ role: 'master', loading: '0', rdb_changes_since_last_save: '0' })
    await node.stop()
    expect(await readdir(directory)).toEqual(['dump.rdb'])
    expect(await readFile(join(directory, 'dump.rdb'))).toEqual(file)
  })

  it.each([['SAVE'], ['BGSAVE'], ['SIGTERM']])(
    'what such a primary saves by %s does not cost the file from before',
    async (how) => {
      const directives = { 'repl-diskless-load': 'flush-before-load' }
      const { primary, node, directory, file } = await startDropped(directives)
      await primary.kill()
      await infoIs(node, 'master_sync_in_progress', '0', { timeoutMs: 20_000 })
      await node.call('REPLICAOF', 'NO', 'ONE')
      await node.call('SET', 'k', 'anew')
      if (how !== 'SIGTERM') {
        await node.call(how)
        await infoIs(node, 'rdb_changes_since_last_save', '0')
      }
      await node.stop()
      const names = (await readdir(directory)).sort()
      expect(names).toEqual(['dump.rdb', expect.stringMatching(/^dump\.rdb\.kept-\d+$/)])
      expect(await readFile(join(directory, names[1]!))).toEqual(file)
      const again = await startNode({}, { directory })
      expect(await again.call('KEYS', '*')).toEqual(['k'])
    },
  )
})
