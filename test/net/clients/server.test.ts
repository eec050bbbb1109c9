import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'
import { encodeCommand, RawClient } from '../../support/raw-client.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { cuttings } from '../../support/short-reads.ts'
import { startToyServer, type ToyServer } from '../../support/toy-server.ts'
import { waitFor } from '../../support/wait-for.ts'

const open: (() => unknown)[] = []

afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close()
})

async function start(...options: Parameters<typeof startToyServer>): Promise<ToyServer> {
  const toy = await startToyServer(...options)
  open.push(() => toy.server.close())
  return toy
}

async function client(toy: ToyServer): Promise<RawClient> {
  const raw = await RawClient.connect({ port: toy.port })
  open.push(() => raw.close())
  return raw
}

describe('pipelines', () => {
  test('replies do not depend on how the bytes come', async () => {
    const toy = await start()
    const commands: Buffer[] = []
    const random = new SeededRandom(77)
    for (let i = 0; i < 60; i++) {
      const key = `k${random.int(0, 5)}`
      commands.push(
        random.chance(0.5) ? encodeCommand('SET', key, 'v'.repeat(random.int(0, 300))) : encodeCommand('GET', key),
      )
    }
    const bytes = Buffer.concat(commands)
    const expected = await exchange(toy, [bytes])
    expect(expected.length).toBeGreaterThan(1000)
    for (const cutting of cuttings(bytes, { seed: 3, rounds: 4, pieceBytesMax: 500 })) {
      if (cutting.name.startsWith('one byte')) continue
      expect(await exchange(await start(), cutting.pieces), cutting.name).toBe(expected)
    }
  })

  test('100,000 commands in one write: all answered, in order, while others are served in between', async () => {
    const toy = await start()
    const busy = await client(toy)
    const other = await client(toy)
    const count = 100_000
    const pipeline = Buffer.concat(Array.from({ length: count }, (_, i) => encodeCommand('ECHO', `m${i}`)))
    const beganMs = performance.now()
    const progress = { answered: false }
    const reading = (async (): Promise<void> => {
      busy.send(pipeline)
      for (let i = 0; i < count; i++) expect(await busy.readReply()).toBe(`m${i}`)
      progress.answered = true
    })()
    let pings = 0
    let slowestMs = 0
    while (!progress.answered && pings < 1000) {
      const sentMs = performance.now()
      expect(await other.call('PING')).toBe('PONG')
      slowestMs = Math.max(slowestMs, performance.now() - sentMs)
      pings++
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    await reading
    expect(pings).toBeGreaterThan(3)
    expect(slowestMs).toBeLessThan(Math.max(250, performance.now() - beganMs))
  })

  test('a long pipeline is cut into turns', async () => {
    const toy = await start({ turnMsMax: 0.05 })
    const raw = await client(toy)
    raw.send(Buffer.concat(Array.from({ length: 20_000 }, () => encodeCommand('PING'))))
    expect((await raw.readBytes(20_000 * 7)).equals(Buffer.from('+PONG\r\n'.repeat(20_000)))).toBe(true)
    expect(toy.server.turn).toBeGreaterThan(10)
  })

  test('who used up its share of a turn goes on in the next one', async () => {
    const toy = await start({ turnMsMax: -1 })
    const raw = await client(toy)
    const { server } = toy
    const run = () => server.statistics.commandsProcessed
    const runAtEnds: number[] = []
    expect(await raw.call('PING')).toBe('PONG')
    server.turnListeners.push(() => runAtEnds.push(run()))
    const before = run()
    const session = [...server.sessions.values()][0]!
    server.receive(session, Buffer.concat(Array.from({ length: 5 }, () => encodeCommand('PING'))))
    expect(run() - before).toBe(1)
    for (let i = 0; i < 5; i++) expect(await raw.readReply()).toBe('PONG')
    // One at the end of each turn, except for the first, in which one ran already.
    expect(runAtEnds.map((count) => count - before).slice(0, 5)).toEqual([1, 2, 3, 4, 5])
  })

  test('in a turn that is kept for something else no command runs', async () => {
    const toy = await start()
    const raw = await client(toy)
    const { server } = toy
    expect(await raw.call('PING')).toBe('PONG')
    const run = () => server.statistics.commandsProcessed
    const before = run()
    const runAtEnds: number[] = []
    server.turnListeners.push(() => runAtEnds.push(run()))
    server.keepNextTurn()
    const session = [...server.sessions.values()][0]!
    server.receive(session, encodeCommand('PING'))
    expect(run()).toBe(before)
    expect(await raw.readReply()).toBe('PONG')
    expect(runAtEnds[0]).toBe(before)
    expect(run()).toBe(before + 1)
    // And the connection is read from again.
    expect(await raw.call('PING')).toBe('PONG')
  })

  test('replies of a turn leave before its end when there are many of them, unless they have to wait', async () => {
    const toy = await start()
    const { server } = toy
    const clients = await Promise.all(Array.from({ length: 60 }, () => client(toy)))
    for (const raw of clients) expect(await raw.call('PING')).toBe('PONG')
    const sessions = [...server.sessions.values()]
    const echo = 'e'.repeat(10_000)
    const unsentAfterAll = (): number => {
      for (const session of sessions) server.receive(session, encodeCommand('ECHO', echo))
      return sessions.reduce((sum, { pendingOutputBytes }) => sum + pendingOutputBytes, 0)
    }
    expect(unsentAfterAll()).toBeLessThan(256 * 1024)
    for (const raw of clients) expect(await raw.readReply()).toBe(echo)
    server.repliesMustWait = () => true
    expect(unsentAfterAll()).toBeGreaterThan(60 * 10_000)
    server.repliesMustWait = undefined
    server.release()
    for (const raw of clients) expect(await raw.readReply()).toBe(echo)
  })

  test('a client that ends its side is still answered', async () => {
    const toy = await start({ turnMsMax: 0.05 })
    const raw = await client(toy)
    raw.send(Buffer.concat(Array.from({ length: 20_000 }, () => encodeCommand('PING'))))
    raw.end()
    expect(await raw.readToEnd()).toHaveLength(20_000 * 7)
  })

  test('replies larger than any slab', async () => {
    const toy = await start()
    const raw = await client(toy)
    const value = Buffer.alloc(3_000_000, 'abc')
    expect(await raw.call('SET', 'big', value)).toBe('OK')
    const replies = await raw.pipeline([['GET', 'big'], ['PING'], ['GET', 'big'], ['GET', 'big']])
    expect(replies[1]).toBe('PONG')
    for (const i of [0, 2, 3]) expect(replies[i] === value.toString()).toBe(true)
  })
})

async function exchange(toy: ToyServer, pieces: readonly Uint8Array[]): Promise<string> {
  const raw = await client(toy)
  for (const piece of pieces) {
    raw.send(piece)
    await new Promise((resolve) => setImmediate(resolve))
  }
  raw.end()
  const reply = await raw.readToEnd()
  return reply.toString('latin1')
}

describe('limits', () => {
  test('maxclients', async () => {
    const toy = await start({ maxclients: 2 })
    const first = await client(toy)
    const second = await client(toy)
    await first.call('PING')
    await second.call('PING')
    const third = await client(toy)
    expect((await third.readToEnd()).toString()).toBe('-ERR max number of clients reached\r\n')
    second.close()
    await waitFor('the server to notice', () => toy.server.sessions.size === 1)
    expect(await (await client(toy)).call('PING')).toBe('PONG')
    expect(toy.server.statistics.connectionsRejected).toBe(1)
    expect(toy.server.statistics.connectionsReceived).toBe(3)
  })

  test('timeout closes idle clients, but not subscribers', async () => {
    const toy = await start({ timeoutSeconds: 1, hz: 100 })
    const idle = await client(toy)
    const subscriber = await client(toy)
    await idle.call('PING')
    await subscriber.call('SUBSCRIBE', 'c')
    expect(await idle.readToEnd()).toHaveLength(0)
    expect(toy.server.sessions.size).toBe(1)
    expect(toy.log.join('\n')).toMatch(/Closing idle client/)
  })

  test('client-query-buffer-limit', async () => {
    const toy = await start({ clientQueryBufferBytesMax: 100_000 })
    const raw = await client(toy)
    raw.send(`*2\r\n$4\r\nECHO\r\n$400000\r\n${'x'.repeat(399_000)}`)
    expect(await raw.readToEnd().catch(() => Buffer.alloc(0))).toHaveLength(0)
    expect(toy.log.join('\n')).toMatch(/max query buffer length/)
  })

  test('a queue of MULTI is bounded by it too', async () => {
    const toy = await start({ clientQueryBufferBytesMax: 100_000 })
    const raw = await client(toy)
    await raw.call('MULTI')
    for (let i = 0; i < 20; i++) raw.send(encodeCommand('SET', 'k', Buffer.alloc(10_000, 'x')))
    await raw.readToEnd().catch(() => Buffer.alloc(0))
    expect(toy.server.sessions.size).toBe(0)
  })

  test('many small commands in MULTI and watched keys are bounded by it too', async () => {
    const toy = await start({ clientQueryBufferBytesMax: 100_000 })
    const raw = await client(toy)
    await raw.call('MULTI')
    await raw.pipeline(Array.from({ length: 500 }, () => ['PING']))
    expect(toy.server.sessions.size).toBe(1)
    raw.send(Buffer.concat(Array.from({ length: 2000 }, () => encodeCommand('PING'))))
    await raw.readToEnd().catch(() => Buffer.alloc(0))
    expect(toy.server.sessions.size).toBe(0)
    const watcher = await client(toy)
    const [first] = toy.server.sessions.values()
    for (let i = 0; i < 300; i++) await watcher.call('WATCH', `key:${i}`, 'again')
    expect(first!.watched).toHaveLength(301)
    await watcher.call('UNWATCH')
    expect(first!.watchedBytes).toBe(0)
    watcher.send(Buffer.concat(Array.from({ length: 1000 }, (_, i) => encodeCommand('WATCH', `key:${i}`))))
    await watcher.readToEnd().catch(() => Buffer.alloc(0))
    expect(toy.server.sessions.size).toBe(0)
    expect(toy.server.watches.active).toBe(false)
  })

  test('client-output-buffer-limit pubsub: a subscriber that does not read is dropped', async () => {
    const toy = await start({
      outputBufferLimits: {
        normal: { hardBytes: 0, softBytes: 0, softSeconds: 0 },
        replica: { hardBytes: 0, softBytes: 0, softSeconds: 0 },
        pubsub: { hardBytes: 1_000_000, softBytes: 0, softSeconds: 0 },
      },
    })
    const subscriber = await client(toy)
    await subscriber.call('SUBSCRIBE', 'c')
    subscriber.socket.pause()
    const publisher = await client(toy)
    const message = 'm'.repeat(100_000)
    let receivers: unknown = 1
    for (let i = 0; i < 300 && receivers === 1; i++) receivers = await publisher.call('PUBLISH', 'c', message)
    expect(receivers).toBe(0)
    expect(toy.log.join('\n')).toMatch(/overcoming of output buffer limits/)
  })

  test('who has not told the password and takes no replies is dropped', async () => {
    const toy = await start({ requirepass: 'secret' })
    const stranger = await client(toy)
    stranger.socket.pause()
    const commands = Buffer.from('GET k\r\n'.repeat(20_000))
    const push = (): void => {
      while (!stranger.socket.destroyed && stranger.socket.write(commands));
    }
    stranger.socket.on('drain', push).on('error', () => {})
    push()
    await waitFor('the server to drop it', () => toy.server.sessions.size === 0)
    expect(toy.log.join('\n')).toMatch(/overcoming of output buffer limits/)
  })

  test('soft limit', async () => {
    const clock = new FakeClock()
    const outputBufferLimits = {
      normal: { hardBytes: 0, softBytes: 0, softSeconds: 0 },
      replica: { hardBytes: 0, softBytes: 0, softSeconds: 0 },
      pubsub: { hardBytes: 0, softBytes: 500_000, softSeconds: 1 },
    }
    const toy = await start({ hz: 100, outputBufferLimits }, { clock })
    const subscriber = await client(toy)
    await subscriber.call('SUBSCRIBE', 'c')
    subscriber.socket.pause()
    const publisher = await client(toy)
    for (let i = 0; i < 100; i++) await publisher.call('PUBLISH', 'c', 'm'.repeat(100_000))
    clock.advance(900)
    await publisher.call('PUBLISH', 'c', 'm')
    expect(toy.server.sessions.size).toBe(2)
    clock.advance(1100)
    await waitFor('the server to notice', () => toy.server.sessions.size === 1)
  })

  test('back-pressure: a client that does not read is not read from, and gets everything later', async () => {
    const toy = await start({ outputPauseBytes: 200_000 })
    const raw = await client(toy)
    await raw.call('SET', 'v', 'x'.repeat(50_000))
    raw.socket.pause()
    const count = 1000
    raw.send(Buffer.concat(Array.from({ length: count }, () => encodeCommand('GET', 'v'))))
    const session = [...toy.server.sessions.values()][0]!
    await waitFor('output that nobody takes', () => session.pendingOutputBytes > 200_000)
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(session.pendingOutputBytes).toBeGreaterThan(200_000)
    expect(session.pendingOutputBytes).toBeLessThan(1_000_000)
    expect(toy.server.statistics.calls[toy.server.registry.findName('get')!.id]).toBeLessThan(count)
    raw.socket.resume()
    for (let i = 0; i < count; i++) expect(((await raw.readReply()) as string).length).toBe(50_000)
    expect(session.pendingOutputBytes).toBe(0)
  })

  test('clients that come and go leave nothing behind', async () => {
    const toy = await start()
    for (let round = 0; round < 20; round++) {
      const clients = await Promise.all(Array.from({ length: 20 }, () => client(toy)))
      await Promise.all(clients.map((raw) => raw.call('SUBSCRIBE', 'c', `own-${round}`)))
      for (const [i, raw] of clients.entries()) {
        if (i % 2 === 0) raw.close()
        else raw.end()
      }
    }
    await waitFor('the server to notice', () => toy.server.sessions.size === 0)
    expect(toy.server.pubsub.channels.size).toBe(0)
  })
})

test('unix socket', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'understudy-test-'))
  open.push(() => rm(directory, { recursive: true, force: true }))
  const path = join(directory, 'server.sock')
  await start({}, {}, path)
  const socket = connect(path)
  await new Promise((resolve) => socket.once('connect', resolve))
  const raw = new RawClient(socket)
  expect(await raw.call('PING')).toBe('PONG')
  const info = String(await raw.call('CLIENT', 'INFO'))
  expect(info).toContain(`addr=${path}:0`)
  expect(info).toContain('flags=U')
  raw.close()
})

test('a port that is taken is an error, and nothing stays open', async () => {
  const toy = await start()
  const { server } = await start()
  await expect(server.listen({ bind: ['127.0.0.1'], port: toy.port })).rejects.toThrow(/EADDRINUSE/)
})

describe('between connections', () => {
  test('WATCH sees the writes of others', async () => {
    const toy = await start()
    const [a, b] = [await client(toy), await client(toy)]
    await a.call('WATCH', 'x', 'y')
    await b.call('SET', 'y', '1')
    await a.call('MULTI')
    await a.call('SET', 'z', '1')
    expect(await a.call('EXEC')).toBe(null)
    expect(await a.call('GET', 'z')).toBe(null)
    await a.call('WATCH', 'x')
    await b.call('SET', 'y', '2')
    await a.call('MULTI')
    await a.call('SET', 'z', '1')
    expect(await a.call('EXEC')).toEqual(['OK'])
    expect(toy.server.changes.active).toBe(false)
  })

  test('a watcher that leaves is forgotten', async () => {
    const toy = await start()
    const a = await client(toy)
    await a.call('WATCH', 'x')
    expect(toy.server.changes.active).toBe(true)
    a.close()
    await waitFor('the server to notice', () => !toy.server.changes.active)
  })

  test('messages: channels, patterns, from the stream, in order with replies', async () => {
    const toy = await start()
    const [subscriber, publisher] = [await client(toy), await client(toy)]
    await subscriber.call('HELLO', '3')
    subscriber.send(Buffer.concat([encodeCommand('SUBSCRIBE', 'c'), encodeCommand('PSUBSCRIBE', 'c*')]))
    expect((await subscriber.readPush()).items).toEqual(['subscribe', 'c', 1])
    expect((await subscriber.readPush()).items).toEqual(['psubscribe', 'c*', 2])
    expect(await publisher.call('PUBLISH', 'c', 'one')).toBe(2)
    expect(toy.server.pubsub.deliver(Buffer.from('c2'), Buffer.from([0xff, 0]))).toBe(1)
    expect((await subscriber.readPush()).items).toEqual(['message', 'c', 'one'])
    expect((await subscriber.readPush()).items).toEqual(['pmessage', 'c*', 'c', 'one'])
    expect((await subscriber.readPush()).items.slice(0, 3)).toEqual(['pmessage', 'c*', 'c2'])
    subscriber.send(Buffer.concat([encodeCommand('PUBLISH', 'c', 'self'), encodeCommand('PING')]))
    expect(await subscriber.readReply()).toBe(2)
    expect(subscriber.pushes.map((push) => push.items)).toEqual([
      ['message', 'c', 'self'],
      ['pmessage', 'c*', 'c', 'self'],
    ])
    expect(await subscriber.readReply()).toBe('PONG')
  })

  test('MONITOR', async () => {
    const toy = await start({ requirepass: 'secret' })
    const [monitor, other] = [await client(toy), await client(toy)]
    await monitor.call('AUTH', 'secret')
    await other.call('AUTH', 'secret')
    expect(await monitor.call('MONITOR')).toBe('OK')
    await other.call('SELECT', '3')
    await other.call('SET', 'a"b', Buffer.from([0, 10, 255]))
    await other.call('CLIENT', 'LIST')
    await other.call('AUTH', 'secret')
    await other.call('HELLO', '3', 'AUTH', 'default', 'secret')
    const address = `127.0.0.1:${other.socket.localPort}`
    const rest = [
      /"SELECT" "3"$/,
      /"SET" "a\\"b" "\\x00\\n\\xff"$/,
      /"AUTH" "\(redacted\)"$/,
      /"HELLO" "3" "AUTH" "\(redacted\)" "\(redacted\)"$/,
    ]
    for (const expected of rest) {
      const line = String(await monitor.readReply())
      expect(line).toMatch(/^\d{10}\.\d{6} \[3 127\.0\.0\.1:\d+\] /)
      expect(line).toContain(address)
      expect(line).toMatch(expected)
    }
  })

  test('CLIENT LIST, KILL and SETINFO', async () => {
    const toy = await start()
    const [a, b, c] = [await client(toy), await client(toy), await client(toy)]
    await b.call('CLIENT', 'SETNAME', 'bee')
    await b.call('CLIENT', 'SETINFO', 'LIB-NAME', 'lib')
    await b.call('CLIENT', 'SETINFO', 'lib-ver', '1.2')
    await c.call('SUBSCRIBE', 'x')
    const list = String(await a.call('CLIENT', 'LIST'))
      .trimEnd()
      .split('\n')
    expect(list).toHaveLength(3)
    expect(list[1]).toMatch(/name=bee .* cmd=client\|setinfo user=default redir=-1 resp=2 lib-name=lib lib-ver=1.2$/)
    expect(list[2]).toMatch(/flags=P db=0 sub=1 psub=0/)
    expect(
      String(await a.call('CLIENT', 'LIST', 'TYPE', 'pubsub'))
        .trimEnd()
        .split('\n'),
    ).toHaveLength(1)
    expect(await a.call('CLIENT', 'KILL', 'TYPE', 'pubsub')).toBe(1)
    expect(await c.readToEnd()).toHaveLength(0)
    expect(await a.call('CLIENT', 'KILL', 'TYPE', 'normal')).toBe(1)
    expect(await b.readToEnd()).toHaveLength(0)
    expect(await a.call('CLIENT', 'KILL', 'ID', (await a.call('CLIENT', 'ID')) as number, 'SKIPME', 'no')).toBe(1)
    expect(await a.readToEnd()).toHaveLength(0)
  })

  test('CLIENT PAUSE holds commands back, WRITE only writes; UNPAUSE lets them go', async () => {
    const toy = await start()
    const [a, b] = [await client(toy), await client(toy)]
    expect(await a.call('CLIENT', 'PAUSE', 60_000, 'WRITE')).toBe('OK')
    expect(await b.call('GET', 'k')).toBe(null)
    b.send(Buffer.concat([encodeCommand('SET', 'k', '1'), encodeCommand('GET', 'k')]))
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(b.received()).toHaveLength(0)
    expect(await a.call('CLIENT', 'UNPAUSE')).toBe('OK')
    expect([await b.readReply(), await b.readReply()]).toEqual(['OK', '1'])
    const beganMs = performance.now()
    await a.call('CLIENT', 'PAUSE', 80)
    expect(await b.call('PING')).toBe('PONG')
    expect(performance.now() - beganMs).toBeGreaterThan(50)
  })

  test('WAIT blocks, CLIENT UNBLOCK and the time-out end it', async () => {
    const toy = await start()
    const [a, b] = [await client(toy), await client(toy)]
    const id = (await b.call('CLIENT', 'ID')) as number
    b.send(Buffer.concat([encodeCommand('WAIT', 1, 0), encodeCommand('PING')]))
    await waitFor('the server to notice', () => toy.server.sessions.get(id)?.blocked !== undefined)
    expect(String(await a.call('CLIENT', 'LIST', 'ID', id))).toContain('flags=b')
    expect(await a.call('CLIENT', 'UNBLOCK', id, 'ERROR')).toBe(1)
    expect(String(await b.readReply())).toMatch(/UNBLOCKED/)
    expect(await b.readReply()).toBe('PONG')
    expect(await b.call('WAIT', 1, 20)).toBe(0)
    b.send(encodeCommand('WAIT', 1, 0))
    await waitFor('the server to notice', () => toy.server.sessions.get(id)?.blocked !== undefined)
    b.close()
    await waitFor('the server to notice', () => !toy.server.sessions.has(id))
  })

  test('client-side caching: invalidations by key, prefix and flush; NOLOOP', async () => {
    const toy = await start()
    const [reader, writer, prefixed] = [await client(toy), await client(toy), await client(toy)]
    await reader.call('HELLO', '3')
    await prefixed.call('HELLO', '3')
    await reader.call('CLIENT', 'TRACKING', 'ON', 'NOLOOP')
    await prefixed.call('CLIENT', 'TRACKING', 'ON', 'BCAST', 'PREFIX', 'user:')
    await reader.call('GET', 'user:1')
    await reader.call('SET', 'user:1', 'own')
    await writer.call('SET', 'other', 'x')
    await reader.call('GET', 'user:2')
    await writer.call('SET', 'user:2', 'x')
    expect((await reader.readPush()).items).toEqual(['invalidate', ['user:2']])
    const seen: unknown[] = []
    while (seen.length < 2) seen.push(...((await prefixed.readPush()).items[1] as unknown[]))
    expect(seen).toEqual(['user:1', 'user:2'])
    await writer.call('SET', 'user:2', 'y')
    toy.server.changes.databaseFlushed(-1)
    expect((await reader.readPush()).items).toEqual(['invalidate', null])
    await reader.call('CLIENT', 'TRACKING', 'OFF')
    expect(toy.server.tracking.sessions.size).toBe(1)
  })
})

describe('books', () => {
  test('an error is counted once: of the queued command, not of EXEC; of a wait that CLIENT UNBLOCK ends', async () => {
    const toy = await start()
    const [raw, other] = [await client(toy), await client(toy)]
    const id = await other.call('CLIENT', 'ID')
    await raw.pipeline([['SET', 'k', 'x'], ['MULTI'], ['INCR', 'k'], ['GET', 'k'], ['EXEC']])
    other.send(encodeCommand('WAIT', 1, 0))
    await waitFor('the wait', () => toy.server.sessions.get(Number(id))?.blocked !== undefined)
    expect(await raw.call('CLIENT', 'UNBLOCK', String(id), 'ERROR')).toBe(1)
    expect(String(await other.readReply().catch((error: Error) => error.message))).toContain('UNBLOCKED')
    const info = String(await raw.call('INFO', 'everything'))
    expect(info).toMatch(/cmdstat_incr:calls=1,.*failed_calls=1/)
    expect(info).toMatch(/cmdstat_exec:calls=1,.*failed_calls=0/)
    expect(info).toMatch(/cmdstat_wait:calls=1,.*failed_calls=1/)
    expect(info).toMatch(/errorstat_ERR:count=1\r\nerrorstat_UNBLOCKED:count=1/)
    expect(info).toMatch(/total_error_replies:2/)
  })

  test('commandstats, errorstats, latencystats, slow log, totals', async () => {
    const toy = await start({ slowlogSlowerThanMicros: 0, slowlogLengthMax: 3 })
    const raw = await client(toy)
    await raw.pipeline([
      ['SET', 'k', 'x'],
      ['GET', 'k'],
      ['GET', 'k'],
      ['INCR', 'k'],
      ['GET'],
      ['NOPE'],
      ['CLIENT', 'ID'],
    ])
    const info = String(await raw.call('INFO', 'everything'))
    expect(info).toMatch(/cmdstat_get:calls=2,usec=\d+,usec_per_call=\d+\.\d\d,rejected_calls=1,failed_calls=0/)
    expect(info).toMatch(/cmdstat_incr:calls=1,.*failed_calls=1/)
    expect(info).toMatch(/cmdstat_client\|id:calls=1/)
    expect(info).toMatch(/errorstat_ERR:count=3/)
    expect(info).toMatch(/latency_percentiles_usec_get:p50=[\d.]+,p99=[\d.]+,p99.9=[\d.]+/)
    expect(info).toMatch(/total_commands_processed:5/)
    const log = (await raw.call('SLOWLOG', 'GET')) as unknown[][]
    expect(log).toHaveLength(3)
    expect(log[0]![3]).toEqual(['INFO', 'everything'])
    expect(log[2]![3]).toEqual(['INCR', 'k'])
    const histogram = (await raw.call('LATENCY', 'HISTOGRAM', 'get')) as unknown[]
    expect(histogram[0]).toBe('get')
    expect((histogram[1] as unknown[]).slice(0, 2)).toEqual(['calls', 2])
    const default_ = String(await raw.call('INFO'))
    expect(default_).toContain('# Server')
    expect(default_).not.toContain('# Commandstats')
    expect(String(await raw.call('INFO', 'clients', 'COMMANDSTATS'))).toMatch(
      /^# Clients\r\n[^#]*\r\n# Commandstats\r\n/,
    )
    toy.server.settings.latencyTracking = false
    expect(String(await raw.call('INFO', 'latencystats'))).toBe('# Latencystats\r\n')
    toy.server.statistics.reset()
    expect(String(await raw.call('INFO', 'commandstats'))).not.toContain('cmdstat_get')
  })

  test('refusals by state of the node', async () => {
    const toy = await start()
    const raw = await client(toy)
    const { node } = toy.server
    node.replica = true
    expect(await raw.callExact('SET', 'k', 'v')).toBe("-READONLY You can't write against a read only replica.\r\n")
    expect(await raw.callExact('GET', 'k')).toBe('$-1\r\n')
    await raw.call('MULTI')
    await raw.callExact('SET', 'k', 'v')
    expect(await raw.callExact('EXEC')).toMatch(/^-EXECABORT Transaction discarded because of previous errors/)
    node.linkUp = false
    expect(await raw.callExact('GET', 'k')).toBe('$-1\r\n')
    node.serveStaleData = false
    expect(await raw.callExact('GET', 'k')).toMatch(/^-MASTERDOWN /)
    expect(await raw.callExact('ECHO', 'k')).toBe('$1\r\nk\r\n')
    await raw.call('MULTI')
    node.serveStaleData = true
    await raw.call('PING')
    node.loading = true
    expect(await raw.callExact('EXEC')).toBe(
      '-EXECABORT Transaction discarded because of: LOADING Redis is loading the dataset in memory\r\n',
    )
    expect(await raw.callExact('PING')).toBe('-LOADING Redis is loading the dataset in memory\r\n')
    expect(await raw.callExact('INFO', 'cluster')).toContain('cluster_enabled:0')
    expect(await raw.callExact('WAIT', '0', '0')).toMatch(/^-LOADING/)
    node.loading = false
    expect(await raw.callExact('WAIT', '0', '0')).toMatch(/^-ERR WAIT cannot be used with replica instances/)
    expect(await raw.callExact('DEBUG', 'SLEEP', '0')).toMatch(/^-ERR DEBUG command not allowed/)
    expect(await raw.callExact('READONLY')).toBe('+OK\r\n')
  })

  test('SHUTDOWN asks the process', async () => {
    const asked: unknown[] = []
    const toy = await start(
      {},
      {
        ports: {
          shutdown: (request) => {
            asked.push(request)
            return asked.length === 1 ? 'failed' : 'ending'
          },
        },
      },
    )
    const raw = await client(toy)
    expect(await raw.callExact('SHUTDOWN', 'NOSAVE', 'now')).toMatch(/^-ERR Errors/)
    raw.send(encodeCommand('SHUTDOWN'))
    await waitFor('the server to notice', () => asked.length === 2)
    expect(asked).toEqual([
      { save: 'no', now: true, force: false },
      { save: 'default', now: false, force: false },
    ])
  })
})
