/**
 * Replicas that ask wrongly, do not say who they are, or do not play their part: answered and counted as a redis-server does,
 * byte for byte, and dropped in time, with the memory kept for them bounded.
 */
import { readdir } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { type Argument, encodeCommand, type RawClient } from '../support/raw-client.ts'
import type { Directives, TestServer } from '../support/test-server.ts'
import { waitFor } from '../support/wait-for.ts'
import { infoIs, linkIs, startFakePrimary, startNode, startPrimary, startReplica } from './topology.ts'

const NO_DELAY: Directives = { 'repl-diskless-sync-delay': 0 }
const PASSWORD = 'open sesame'
const UNKNOWN = '0123456789'.repeat(4)

/** Sent at once, on a connection of its own; a PING behind them shows which of them were answered at all. */
const EXCHANGES: readonly (readonly (readonly Argument[])[])[] = [
  [['REPLCONF']],
  [['REPLCONF', 'capa']],
  [['REPLCONF', 'uuid', 'x']],
  [['REPLCONF', 'uuid\r\n', 'x']],
  [['REPLCONF', 'listening-port', 'x']],
  [['REPLCONF', 'listening-port', '99999']],
  [['REPLCONF', 'listening-port', '1', 'uuid', 'x', 'capa', 'eof']],
  [['REPLCONF', 'ip-address', 'x'.repeat(300)]],
  [['REPLCONF', 'ip-address', 'x'.repeat(255)]],
  [['REPLCONF', 'ip-address', 'x'.repeat(254)]],
  [['REPLCONF', 'capa', 'telepathy']],
  [['REPLCONF', 'CAPA', 'EOF', 'Capa', 'Psync2']],
  [['REPLCONF', 'rdb-only', '2']],
  [['REPLCONF', 'rdb-only', 'x']],
  [['REPLCONF', 'rdb-only', '-1']],
  [['REPLCONF', 'rdb-filter-only', 'everything']],
  [['REPLCONF', 'rdb-filter-only', 'functions everything']],
  [['REPLCONF', 'rdb-filter-only', '"functions']],
  [['REPLCONF', 'ack', '5']],
  [['REPLCONF', 'ack', 'x']],
  [['REPLCONF', 'ack']],
  [['REPLCONF', 'getack', '*']],
  [['PSYNC']],
  [['PSYNC', '?']],
  [['PSYNC', '?', 'x']],
  [['PSYNC', '?', '99999999999999999999']],
  [['SYNC', 'x']],
  [['PING'], ['PSYNC', '?', '-1']],
  [['PING'], ['SYNC']],
  [['MULTI'], ['PSYNC', '?', '-1'], ['SYNC'], ['REPLCONF', 'capa', 'eof'], ['EXEC']],
  [['REPLCONF', 'rdb-filter-only', 'functions']],
]
/** Each on a connection of its own, with one reply. */
const RESYNCS: readonly (readonly Argument[])[] = [
  ['PSYNC', UNKNOWN, 1],
  ['PSYNC', UNKNOWN, -1],
  ['PSYNC', 'x', 7],
  ['PSYNC', '?', 7],
  ['PSYNC', '', 7],
]

async function says(client: RawClient, command: readonly Argument[]): Promise<string> {
  client.send(encodeCommand(...command))
  let line = await client.readLine()
  // Whoever waits for a snapshot is kept alive by newlines.
  while (line === '\n') line = await client.readLine()
  return `${command.join(' ')} → ${line.replace(/FULLRESYNC [0-9a-f]{40} \d+/, 'FULLRESYNC id offset')}`
}

async function exchange(server: TestServer, commands: readonly (readonly Argument[])[]): Promise<string> {
  const client = await server.raw()
  client.send(Buffer.concat([...commands, ['PING', 'end']].map((command) => encodeCommand(...command))))
  let text = ''
  while (!text.endsWith('end\r\n')) text += (await client.readReplyBytes()).toString('latin1')
  client.close()
  return `${JSON.stringify(commands)} → ${text}`
}

/** What was counted of it. */
async function counters(server: TestServer): Promise<Record<string, string>> {
  const info = await server.info()
  const counted =
    /^(sync_(full|partial_ok|partial_err)|errorstat_\w+|cmdstat_(psync|sync|replconf|auth)|total_error_replies)$/
  return Object.fromEntries(
    Object.entries(info)
      .filter(([name]) => counted.test(name))
      .map(([name, value]) => [name, value.replace(/usec\w*=[\d.]+,/g, '')]),
  )
}

it('is answered and counted as by a redis-server', { timeout: 60_000 }, async () => {
  const seen: unknown[] = []
  for (const start of [startPrimary, startNode]) {
    const server = await start(NO_DELAY)
    const said: string[] = []
    for (const commands of EXCHANGES) said.push(await exchange(server, commands))
    for (const command of RESYNCS) said.push(await says(await server.raw(), command))
    const filtered = await server.raw()
    for (const command of [['REPLCONF', 'rdb-filter-only', ''], ['PSYNC', '?', -1], ['SYNC']]) {
      said.push(await says(filtered, command))
    }
    // With the right history, and an offset that is not there: before the first byte, and beyond the last.
    const { master_replid: replid = '', master_repl_offset: end } = await server.info('replication')
    for (const offset of [-1, 0, Number(end) + 2, Number(end) + 1_000_000]) {
      said.push(
        (await says(await server.raw(), ['PSYNC', replid, offset])).replace(replid, 'id').replace(/ \d+ →/, ' →'),
      )
    }
    // A monitor's wish is not heard.
    const monitor = await server.raw()
    monitor.send(Buffer.concat([encodeCommand('MONITOR'), encodeCommand('PSYNC', '?', -1)]))
    said.push((await monitor.readReplyBytes()).toString())
    seen.push(said, await counters(server))
  }
  expect(seen[2]).toEqual(seen[0])
  expect(seen[3]).toEqual(seen[1])
})

it('who reads the stream and is owed a reply is disconnected, as by a redis-server', { timeout: 60_000 }, async () => {
  for (const start of [startPrimary, startNode]) {
    const server = await start(NO_DELAY)
    for (const command of [['PING'], ['RESET'], ['GET', 'k'], ['REPLCONF', 'capa', 'eof'], ['NOSUCH']]) {
      const client = await server.raw()
      client.send(encodeCommand('PSYNC', '?', -1))
      expect((await client.readLine()).slice(0, 11)).toBe('+FULLRESYNC')
      client.send(encodeCommand(...command))
      // No byte of the reply is among those of the snapshot.
      expect((await client.readToEnd()).toString('latin1')).not.toMatch(/^[+-]/m)
      const name = command[0] === 'NOSUCH' ? '<unknown>' : command[0]!.toLowerCase()
      await server.waitForLine(new RegExp(`Replica generated a reply to command '${name}', disconnecting it: id=`))
    }
    // That one is not owed any.
    const client = await server.raw()
    client.send(encodeCommand('PSYNC', '?', -1))
    await client.readLine()
    client.send(encodeCommand('MONITOR'))
    await server.call('PING')
    expect(String(await server.call('CLIENT', 'LIST', 'TYPE', 'replica'))).toMatch(/ flags=S /)
  }
})

it('a replica that is ahead of the node it follows waits, and goes on in part', { timeout: 60_000 }, async () => {
  const primary = await startFakePrimary()
  primary.feed(encodeCommand('SET', 'k', '1'))
  const node = await startReplica(primary)
  await infoIs(node, 'slave_repl_offset', String(primary.offset))
  const missing = encodeCommand('SET', 'k', '2')
  const wanted = primary.offset + missing.length + 1
  expect(await says(await node.raw(), ['PSYNC', primary.replid, wanted])).toMatch(/→ -NOMASTERLINK /)
  primary.feed(missing)
  await infoIs(node, 'slave_repl_offset', String(primary.offset))
  expect(await says(await node.raw(), ['PSYNC', primary.replid, wanted])).toMatch(/→ \+CONTINUE/)
  expect(await node.info('stats')).toMatchObject({ sync_full: '0', sync_partial_ok: '1', sync_partial_err: '0' })
})

it(
  'without the password nothing is told, and a wrong one is refused, as by a redis-server',
  { timeout: 60_000 },
  async () => {
    const seen: unknown[] = []
    for (const start of [startPrimary, startNode]) {
      const server = await start({ ...NO_DELAY, requirepass: PASSWORD })
      const said: string[] = []
      for (const command of [
        ['PING'],
        ['REPLCONF', 'listening-port', '1'],
        ['REPLCONF', 'uuid', 'x'],
        ['PSYNC', '?', '-1'],
        ['SYNC'],
        ['AUTH', 'wrong'],
        ['AUTH', 'nobody', PASSWORD],
        ['AUTH', 'default', `${PASSWORD}\0`],
        ['AUTH'],
        ['AUTH', 'a', 'b', 'c'],
        ['HELLO', '3', 'AUTH', 'default', 'wrong'],
      ]) {
        said.push(await says(await server.raw(), command))
      }
      seen.push(said, await counters(server))
    }
    expect(seen[2]).toEqual(seen[0])
    expect(seen[3]).toEqual(seen[1])
  },
)

it('a stock replica with a wrong password is refused until it has the right one', { timeout: 60_000 }, async () => {
  const node = await startNode({ ...NO_DELAY, requirepass: PASSWORD })
  const stock = await startPrimary({ replicaof: ['127.0.0.1', node.port], masterauth: 'wrong' })
  await stock.waitForLine(/Unable to AUTH to (?:MASTER|PRIMARY): -WRONGPASS/, { timeoutMs: 20_000 })
  expect(await node.info('replication')).toMatchObject({ connected_slaves: '0' })
  expect((await node.info('stats'))['sync_full']).toBe('0')
  await stock.call('CONFIG', 'SET', 'masterauth', PASSWORD)
  await linkIs(stock, 'up')
})

async function isOnline(node: TestServer): Promise<void> {
  await waitFor('the replica', async () => /state=online/.test((await node.info('replication'))['slave0'] ?? ''))
}

for (const ioThreads of [1, 2]) {
  const threads: Directives = { ...NO_DELAY, 'io-threads': ioThreads }

  it(
    `a replica that takes nothing of its snapshot is dropped, io-threads ${ioThreads}`,
    { timeout: 60_000 },
    async () => {
      const node = await startNode({ ...threads, 'repl-timeout': 1, 'repl-backlog-size': '64kb', rdbcompression: 'no' })
      // More than sockets hold.
      for (let i = 0; i < 30; i++) await node.call('SET', `key:${i}`, `${i}${'x'.repeat(1_000_000)}`)
      const client = await node.raw()
      client.socket.pause()
      client.send(encodeCommand('PSYNC', '?', -1))
      await infoIs(node, 'sync_full', '1')
      while ((await node.info('replication'))['connected_slaves'] === '1') {
        await node.call('SET', 'written', 'x'.repeat(1000))
      }
      await node.waitForLine(/Disconnecting timedout replica \(full sync\)/)
      await infoIs(node, 'mem_clients_slaves', '0')
      await waitFor('its file to go', async () =>
        (await readdir(node.directory)).every((name) => !name.startsWith('temp')),
      )
    },
  )

  it(
    `a replica that never acknowledges is dropped, and its memory goes, io-threads ${ioThreads}`,
    { timeout: 60_000 },
    async () => {
      const node = await startNode(threads)
      const client = await node.raw()
      client.send(encodeCommand('PSYNC', '?', -1))
      await isOnline(node)
      await node.call('CONFIG', 'SET', 'repl-timeout', 1)
      await infoIs(node, 'connected_slaves', '0')
      await node.waitForLine(/Disconnecting timedout replica \(streaming sync\)/)
      expect(await client.readToEnd()).toBeDefined()
      await infoIs(node, 'mem_clients_slaves', '0')
      // SYNC promises no ACK, and none is missed.
      await node.call('CONFIG', 'SET', 'repl-timeout', 60)
      const old = await node.raw()
      old.send(encodeCommand('SYNC'))
      await isOnline(node)
      await node.call('CONFIG', 'SET', 'repl-timeout', 1)
      await waitFor('a lag beyond the time-out', async () =>
        /lag=[2-9]/.test((await node.info('replication'))['slave0'] ?? ''),
      )
    },
  )

  it(
    `repl-disable-tcp-nodelay reaches the sockets of replicas, io-threads ${ioThreads}`,
    { timeout: 60_000 },
    async () => {
      const told = 'TCP_NODELAY: '
      const watch = `import { Socket } from 'node:net'
      const set = Socket.prototype.setNoDelay
      Socket.prototype.setNoDelay = function (on) { process._rawDebug('${told}' + on); return set.call(this, on) }`
      const nodeArgs = ['--import', `data:text/javascript,${encodeURIComponent(watch)}`]
      const node = await startNode(threads, { nodeArgs })
      const changes = (): string[] => node.lines.filter((line) => line.startsWith(told))
      const full = async (): Promise<void> => {
        const client = await node.raw()
        client.send(encodeCommand('PSYNC', '?', -1))
        expect((await client.readReplyBytes()).toString()).toMatch(/^\+FULLRESYNC/)
      }
      await full()
      expect(changes()).toEqual([])
      await node.call('CONFIG', 'SET', 'repl-disable-tcp-nodelay', 'yes')
      await full()
      await node.waitForLine(/TCP_NODELAY/)
      expect(changes()).toEqual([`${told}false`])
    },
  )
}
