/** To its clients a server with several I/O threads is one server: whatever thread they are in. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { encodeCommand, encodeCommands, RawClient } from '../../support/raw-client.ts'
import { ReplyError } from '../../support/resp-reader.ts'
import type { TestServer } from '../../support/test-server.ts'
import { startUnderstudy } from '../../support/understudy-server.ts'
import { waitFor } from '../../support/wait-for.ts'

/** So many that both threads have some. */
const CLIENTS = 24

let server: TestServer

beforeAll(async () => {
  server = await startUnderstudy({ directives: { 'io-threads': 2 } })
})
afterAll(() => server?.stop())
beforeEach(async () => {
  await server.call('FLUSHALL')
})

const opened: RawClient[] = []
afterEach(() => close(opened.splice(0)))

async function crowd(count = CLIENTS, port = server.port): Promise<RawClient[]> {
  const clients = await Promise.all(Array.from({ length: count }, () => RawClient.connect({ port })))
  opened.push(...clients)
  return clients
}

function close(clients: readonly RawClient[]): void {
  for (const client of clients) client.close()
}

/** A field of CLIENT LIST for each connection. */
async function listed(field: string): Promise<string[]> {
  const text = String(await server.call('CLIENT', 'LIST'))
  const lines = text.split('\n').filter((line) => line !== '')
  return lines.map((line) => new RegExp(`(?:^| )${field}=(\\S*)`).exec(line)?.[1] ?? '')
}

describe('a connection', () => {
  it('sees its own writes, in pipelines of writes and reads of every length', async () => {
    const clients = await crowd(4)
    for (const [n, client] of clients.entries()) {
      for (const length of [1, 2, 7, 64, 500]) {
        const commands: (string | number)[][] = []
        const expected: unknown[] = []
        for (let i = 0; i < length; i++) {
          commands.push(
            ['SET', `key${n}`, i],
            ['GET', `key${n}`],
            ['GET', `none${n}`],
            ['INCR', `key${n}`],
            ['GET', `key${n}`],
          )
          expected.push('OK', String(i), null, i + 1, String(i + 1))
        }
        expect(await client.pipeline(commands)).toEqual(expected)
      }
    }
  })

  it('sees what another one wrote before, whatever threads they are in', async () => {
    const clients = await crowd()
    for (let i = 0; i < 200; i++) {
      const writer = clients[i % clients.length]!
      const reader = clients[(i * 7 + 1) % clients.length]!
      await writer.call('SET', 'shared', i)
      expect(await reader.call('GET', 'shared')).toBe(String(i))
    }
  })

  it('keeps its database, protocol and name, and loses them with RESET', async () => {
    const [client] = (await crowd(1)) as [RawClient]
    await client.call('SET', 'where', 'zero')
    expect(
      await client.pipeline([
        ['SELECT', 5],
        ['GET', 'where'],
        ['SET', 'where', 'five'],
        ['GET', 'where'],
      ]),
    ).toEqual(['OK', null, 'OK', 'five'])
    expect(await client.call('GET', 'where')).toBe('five')
    await client.call('HELLO', 3, 'SETNAME', 'three')
    expect(await client.callExact('GET', 'missing')).toBe('_\r\n')
    expect(await client.call('CLIENT', 'GETNAME')).toBe('three')
    await client.call('RESET')
    expect(await client.callExact('GET', 'missing')).toBe('$-1\r\n')
    expect(await client.call('GET', 'where')).toBe('zero')
  })

  it('gets no reply while it wants none', async () => {
    const [client] = (await crowd(1)) as [RawClient]
    await client.call('SET', 'a', 1)
    client.send(
      Buffer.concat([
        encodeCommand('CLIENT', 'REPLY', 'SKIP'),
        encodeCommand('GET', 'a'),
        encodeCommand('GET', 'a'),
        encodeCommand('CLIENT', 'REPLY', 'OFF'),
        encodeCommand('GET', 'a'),
      ]),
    )
    expect(await client.readReply()).toBe('1')
    client.send(
      Buffer.concat([encodeCommand('GET', 'a'), encodeCommand('CLIENT', 'REPLY', 'ON'), encodeCommand('GET', 'none')]),
    )
    expect(await client.readReply()).toBe('OK')
    expect(await client.readReply()).toBe(null)
  })

  it('gets the error of the protocol behind the replies to what came before', async () => {
    const [client] = (await crowd(1)) as [RawClient]
    client.send(Buffer.concat([encodeCommand('SET', 'a', 1), encodeCommand('GET', 'a'), Buffer.from('*1\r\n!bad\r\n')]))
    const text = (await client.readToEnd()).toString()
    expect(text).toBe("+OK\r\n$1\r\n1\r\n-ERR Protocol error: expected '$', got '!'\r\n")
  })

  it('gets all replies when it says the end of its stream at once', async () => {
    const [client] = (await crowd(1)) as [RawClient]
    client.send(Buffer.concat([encodeCommand('SET', 'a', 1), encodeCommand('INCR', 'a'), encodeCommand('GET', 'a')]))
    client.end()
    expect((await client.readToEnd()).toString()).toBe('+OK\r\n:2\r\n$1\r\n2\r\n')
  })

  it('writes a megabyte at a time and forwards thousands of commands ahead', async () => {
    const [client] = (await crowd(1)) as [RawClient]
    const value = Buffer.alloc(1_000_000, 'v')
    const replies = await client.pipeline(Array.from({ length: 12 }, (_, i) => ['SET', `big${i % 3}`, value]))
    expect(replies).toEqual(Array.from({ length: 12 }, () => 'OK'))
    expect(await client.call('GET', 'big1')).toBe(value.toString())
    const counts = await client.pipeline(Array.from({ length: 20_000 }, () => ['INCR', 'counter']))
    expect(counts.at(-1)).toBe(20_000)
  })
})

describe('transactions', () => {
  it('run whole, and WATCH notices what others write', async () => {
    const clients = await crowd()
    const [one, two] = clients as [RawClient, RawClient]
    expect(await one.pipeline([['MULTI'], ['SET', 'a', 1], ['GET', 'a'], ['EXEC'], ['GET', 'a']])).toEqual([
      'OK',
      'QUEUED',
      'QUEUED',
      ['OK', '1'],
      '1',
    ])
    expect(await one.pipeline([['MULTI'], ['GET', 'a'], ['STRLEN', 'a'], ['EXEC'], ['GET', 'a']])).toEqual([
      'OK',
      'QUEUED',
      'QUEUED',
      ['1', 1],
      '1',
    ])
    await one.call('WATCH', 'a')
    expect(await one.call('GET', 'a')).toBe('1')
    await two.call('SET', 'a', 2)
    expect(await one.pipeline([['MULTI'], ['GET', 'a'], ['EXEC']])).toEqual(['OK', 'QUEUED', null])
  })
})

describe('transactions of reads', () => {
  it('are answered as redis answers them, with errors in their places, in any mixture', async () => {
    const [client] = (await crowd(1)) as [RawClient]
    await client.pipeline([
      ['SET', 'a', 1],
      ['RPUSH', 'l', 'x', 'y'],
    ])
    await client.call('CONFIG', 'RESETSTAT')
    client.send(
      Buffer.concat(
        [['MULTI'], ['GET', 'a'], ['LRANGE', 'l', '0', '-1'], ['STRLEN', 'l'], ['EXEC']].map((args) =>
          encodeCommand(...args),
        ),
      ),
    )
    expect([
      await client.readReply(),
      await client.readReply(),
      await client.readReply(),
      await client.readReply(),
    ]).toEqual(['OK', 'QUEUED', 'QUEUED', 'QUEUED'])
    const replies = (await client.readReply()) as unknown[]
    expect(replies.slice(0, 2)).toEqual(['1', ['x', 'y']])
    expect(String(replies[2])).toContain('WRONGTYPE')
    const info = await server.info()
    expect(info['cmdstat_multi']).toMatch(/^calls=1,/)
    expect(info['cmdstat_exec']).toMatch(/^calls=1,/)
    expect(info['cmdstat_get']).toMatch(/^calls=1,/)
    expect(info['cmdstat_strlen']).toMatch(/^calls=1,.*failed_calls=1/)
    expect(await client.pipeline([['MULTI'], ['GET', 'a'], ['DISCARD'], ['GET', 'a']])).toEqual([
      'OK',
      'QUEUED',
      'OK',
      '1',
    ])
    expect(await client.pipeline([['MULTI'], ['EXEC']])).toEqual(['OK', []])
  })

  it('go over to the link thread with the first command that is none', async () => {
    const [client] = (await crowd(1)) as [RawClient]
    await client.call('SET', 'a', 1)
    expect(await client.call('MULTI')).toBe('OK')
    expect(await client.call('GET', 'a')).toBe('QUEUED')
    expect(await client.call('INCR', 'a')).toBe('QUEUED')
    expect(await client.call('GET', 'a')).toBe('QUEUED')
    expect(await client.call('EXEC')).toEqual(['1', 2, '2'])
    await client.call('MULTI')
    await client.call('GET', 'a')
    await expect(client.call('MULTI')).rejects.toThrow('ERR MULTI calls can not be nested')
    expect(await client.call('EXEC')).toEqual(['2'])
    await client.call('MULTI')
    await client.call('GET', 'a')
    await expect(client.call('NOSUCH')).rejects.toThrow('ERR unknown command')
    await expect(client.call('GET')).rejects.toThrow('ERR wrong number')
    await expect(client.call('EXEC')).rejects.toThrow('EXECABORT')
    expect(await client.call('GET', 'a')).toBe('2')
    await expect(client.call('EXEC')).rejects.toThrow('ERR EXEC without MULTI')
    await expect(client.call('DISCARD')).rejects.toThrow('ERR DISCARD without MULTI')
  })

  it('are of one moment, however others write', async () => {
    const [writer, reader] = (await crowd(2)) as [RawClient, RawClient]
    let done = false
    const writing = (async () => {
      for (let n = 0; !done; n++) await writer.pipeline([['MULTI'], ['SET', 'one', n], ['SET', 'two', n], ['EXEC']])
    })()
    for (let i = 0; i < 2000; i++) {
      const replies = await reader.pipeline([['MULTI'], ['GET', 'one'], ['GET', 'two'], ['EXEC']])
      const [one, two] = replies[3] as [string, string]
      expect(one).toBe(two)
    }
    done = true
    await writing
  })
})

describe('what clients tell each other', () => {
  it('messages and invalidations reach every thread', async () => {
    const subscribers = await crowd()
    for (const client of subscribers) await client.call('SUBSCRIBE', 'news')
    expect(await server.call('PUBLISH', 'news', 'hello')).toBe(CLIENTS)
    for (const client of subscribers) expect(await client.readReply()).toEqual(['message', 'news', 'hello'])
    close(subscribers)

    const caches = await crowd()
    await server.call('SET', 'cached', 1)
    for (const client of caches) {
      await client.call('HELLO', 3)
      await client.call('CLIENT', 'TRACKING', 'ON')
      expect(await client.call('GET', 'cached')).toBe('1')
    }
    await server.call('SET', 'cached', 2)
    for (const client of caches) {
      expect(await client.call('GET', 'cached')).toBe('2')
      expect(client.pushes.map((push) => push.items)).toEqual([['invalidate', ['cached']]])
    }
  })

  it('who waits for a key is served by whoever pushes, and is gone when its connection is', async () => {
    const clients = await crowd()
    for (const client of clients) client.send(encodeCommand('BLPOP', 'queue', 0))
    await waitFor('all to wait', async () => (await server.info('clients'))['blocked_clients'] === String(CLIENTS))
    for (let i = 0; i < CLIENTS / 2; i++) await server.call('RPUSH', 'queue', i)
    const isServed = (client: RawClient): boolean => client.received().length > 0
    await waitFor('half of them to be served', () => clients.filter(isServed).length >= CLIENTS / 2)
    expect((await server.info('clients'))['blocked_clients']).toBe(String(CLIENTS / 2))
    const items = await Promise.all(clients.filter(isServed).map((client) => client.readReply()))
    expect(items.map((reply) => Number((reply as string[])[1])).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: CLIENTS / 2 }, (_, i) => i),
    )
    close(clients)
    await waitFor('nobody to wait', async () => (await server.info('clients'))['blocked_clients'] === '0')
  })

  it.each(['end', 'resetAndDestroy'] as const)(
    'is gone with it, however much stands behind the command (%s)',
    async (how) => {
      const [short, long] = (await crowd(2)) as [RawClient, RawClient]
      const pings = Buffer.concat(Array.from({ length: 6000 }, () => encodeCommand('PING')))
      short.send(Buffer.concat([encodeCommand('BLPOP', 'queue', 0), pings]))
      long.send(encodeCommand('BLPOP', 'queue', 0))
      long.send(Buffer.concat([encodeCommand('ECHO', Buffer.alloc(70_000, 'x')), encodeCommand('PING')]))
      await waitFor('both to wait', async () => (await server.info('clients'))['blocked_clients'] === '2')
      for (const client of [short, long]) client.socket[how]()
      await waitFor('nobody to wait', async () => (await server.info('clients'))['blocked_clients'] === '0')
      expect(await server.call('RPUSH', 'queue', 'precious')).toBe(1)
      expect(await server.call('LLEN', 'queue')).toBe(1)
    },
  )

  it('has what stands behind the command answered when it is served, again and again', async () => {
    const [client] = (await crowd(1)) as [RawClient]
    const commands = Array.from({ length: 20_000 }, (_, i) => (i % 10_000 === 0 ? ['BLPOP', 'queue', 0] : ['ECHO', i]))
    client.send(encodeCommands(commands))
    for (const last of ['9999', '19999']) {
      await waitFor('it to wait', async () => (await server.info('clients'))['blocked_clients'] === '1')
      await server.call('RPUSH', 'queue', last)
      const replies = await client.readReplies(10_000)
      expect(replies[0]).toEqual(['queue', last])
      expect(replies.at(-1)).toBe(last)
    }
  })

  it('may send no more than client-query-buffer-limit meanwhile', async () => {
    await server.call('CONFIG', 'SET', 'client-query-buffer-limit', '1mb')
    const [client] = (await crowd(1)) as [RawClient]
    await server.call('RPUSH', 'served', 'x')
    client.send(
      encodeCommands([
        ['BLPOP', 'served', 0],
        ['BLPOP', 'queue', 0],
        ['ECHO', Buffer.alloc(70_000, 'x')],
      ]),
    )
    expect(await client.readReply()).toEqual(['served', 'x'])
    for (let i = 0; i < 30; i++) client.send(encodeCommand('ECHO', Buffer.alloc(70_000, 'x')))
    expect((await client.readToEnd().catch(() => Buffer.alloc(0))).length).toBe(0)
    await waitFor('nobody to wait', async () => (await server.info('clients'))['blocked_clients'] === '0')
    await server.call('CONFIG', 'SET', 'client-query-buffer-limit', '1gb')
  })
})

describe('an operator', () => {
  it('sees every connection, by ids of their own, and closes those in other threads', async () => {
    await waitFor('the others to be gone', async () => (await listed('id')).length === 1)
    const clients = await crowd()
    const ids = await Promise.all(clients.map((client) => client.call('CLIENT', 'ID')))
    expect(new Set(ids).size).toBe(CLIENTS)
    expect(new Set(await listed('id'))).toEqual(new Set([...ids, await server.call('CLIENT', 'ID')].map(String)))
    expect((await server.info('clients'))['connected_clients']).toBe(String(CLIENTS + 1))
    for (const client of clients) await client.call('GET', 'x')
    expect((await listed('cmd')).filter((name) => name === 'get').length).toBe(CLIENTS)
    for (const id of ids) expect(await server.call('CLIENT', 'KILL', 'ID', String(id))).toBe(1)
    await waitFor('all to be closed', () => clients.every((client) => client.ended))
    await waitFor('all to be gone', async () => (await listed('id')).length === 1)
  })

  it('maxclients holds for all threads together', async () => {
    await waitFor('the others to be gone', async () => (await listed('id')).length === 1)
    await server.call('CONFIG', 'SET', 'maxclients', 6)
    await server.call('CONFIG', 'RESETSTAT')
    const clients = await crowd(12)
    const replies = await Promise.all(
      clients.map(async (client) => (await client.callExact('GET', 'x').catch(() => '')).slice(0, 30)),
    )
    expect(replies.filter((reply) => reply === '$-1\r\n').length).toBe(5)
    // Who was turned away is no connection received.
    const stats = await server.info('stats')
    expect([stats['total_connections_received'], stats['rejected_connections']]).toEqual(['5', '7'])
    await server.call('CONFIG', 'SET', 'maxclients', 10_000)
  })

  it('counts commands, errors, hits and bytes of all threads, and sets them to zero', async () => {
    await server.call('SET', 'a', 1)
    await server.call('CONFIG', 'RESETSTAT')
    const clients = await crowd()
    for (const client of clients) {
      await client.call('GET', 'a')
      await client.call('GET', 'none')
      await expect(client.call('LRANGE', 'a', 0, 1)).rejects.toThrow(ReplyError)
    }
    const info = await server.info()
    expect(info['cmdstat_get']).toMatch(new RegExp(`^calls=${CLIENTS * 2},`))
    expect(info['cmdstat_lrange']).toMatch(new RegExp(`^calls=${CLIENTS},.*failed_calls=${CLIENTS}$`))
    expect(info['errorstat_WRONGTYPE']).toBe(`count=${CLIENTS}`)
    expect(Number(info['keyspace_misses'])).toBe(CLIENTS)
    expect(Number(info['keyspace_hits'])).toBe(CLIENTS * 2)
    expect(Number(info['io_threaded_reads_processed'])).toBeGreaterThanOrEqual(CLIENTS * 3)
    expect(info['io_threads_active']).toBe('1')
    expect(info['latency_percentiles_usec_get']).toMatch(/^p50=/)
    const histogram = (await server.call('LATENCY', 'HISTOGRAM', 'get')) as unknown[]
    expect((histogram[1] as unknown[])[1]).toBe(CLIENTS * 2)
    await server.call('CONFIG', 'RESETSTAT')
    expect((await server.info())['cmdstat_get']).toBeUndefined()
  })

  it('counts a transaction that goes on in the link thread once', async () => {
    const [client] = (await crowd(1)) as [RawClient]
    await client.call('SET', 'a', 1)
    await client.call('CONFIG', 'RESETSTAT')
    expect(await client.pipeline([['MULTI'], ['GET', 'a'], ['SET', 'a', 2], ['EXEC'], ['GET', 'a']])).toEqual([
      'OK',
      'QUEUED',
      'QUEUED',
      ['1', 'OK'],
      '2',
    ])
    const info = await server.info()
    for (const [name, calls] of Object.entries({ multi: 1, get: 2, set: 1, exec: 1 })) {
      expect(info[`cmdstat_${name}`], name).toMatch(new RegExp(`^calls=${calls},`))
      const histogram = (await server.call('LATENCY', 'HISTOGRAM', name)) as [string, [string, number]]
      expect(histogram[1][1], name).toBe(calls)
    }
    const turns = (await server.call('LATENCY', 'HISTOGRAM', 'eventloop')) as [string, [string, number]]
    expect(turns[1][1]).toBeGreaterThanOrEqual(Number(info['eventloop_cycles']))
    expect(info['latency_percentiles_usec_eventloop']).toMatch(/^p50=/)
  })

  it('MONITOR shows the reads of all threads', async () => {
    const clients = await crowd()
    const monitor = await server.raw()
    await monitor.call('MONITOR')
    for (const [i, client] of clients.entries()) await client.call('GET', `seen${i}`)
    for (let i = 0; i < CLIENTS; i++) expect(String(await monitor.readReply())).toContain(`"GET" "seen${i}"`)
    monitor.close()
  })

  it('CLIENT PAUSE holds back the reads of all threads', async () => {
    const clients = await crowd()
    await Promise.all(clients.map((client) => client.call('GET', 'x')))
    const began = performance.now()
    await server.call('CLIENT', 'PAUSE', 300, 'ALL')
    await Promise.all(clients.map((client) => client.call('GET', 'x')))
    expect(performance.now() - began).toBeGreaterThan(250)
  })

  it('the slow log has the reads of all threads', async () => {
    const clients = await crowd()
    await server.call('CONFIG', 'SET', 'slowlog-log-slower-than', 0)
    await server.call('CONFIG', 'SET', 'slowlog-max-len', 1000)
    await server.call('SLOWLOG', 'RESET')
    for (const [i, client] of clients.entries()) {
      await client.call('CLIENT', 'SETNAME', `n${i}`)
      await client.call('GET', `slow${i}`)
      if (i === 0) await client.call('STRLEN', Buffer.from('zero\0\u00ff', 'latin1'))
    }
    await waitFor('an argument of any bytes', async () => {
      const text = JSON.stringify(await server.call('SLOWLOG', 'GET', -1))
      return text.includes('zero\\u0000')
    })
    const seen = await waitFor('all reads to be there', async () => {
      const entries = (await server.call('SLOWLOG', 'GET', -1)) as unknown[][]
      const reads = entries.filter((entry) => (entry[3] as string[])[0] === 'GET')
      return reads.length === CLIENTS && reads
    })
    expect(new Set(seen.map((entry) => `${String((entry[3] as string[])[1])} ${String(entry[5])}`))).toEqual(
      new Set(clients.map((_, i) => `slow${i} n${i}`)),
    )
    await server.call('CONFIG', 'SET', 'slowlog-log-slower-than', 10_000)
  })

  it('a password set later holds in all threads', async () => {
    const other = await startUnderstudy({ directives: { 'io-threads': 2, requirepass: 'secret' } })
    const clients = await crowd(CLIENTS, other.port)
    for (const client of clients) {
      await expect(client.call('GET', 'x')).rejects.toThrow('NOAUTH')
      await client.call('AUTH', 'secret')
      expect(await client.call('GET', 'x')).toBe(null)
    }
    const [stranger] = (await crowd(1, other.port)) as [RawClient]
    stranger.send('*11\r\n$4\r\nMGET\r\n')
    expect((await stranger.readToEnd()).toString()).toBe('-ERR Protocol error: unauthenticated multibulk length\r\n')
    await other.stop()
  })

  it('lets the client of an AUTH have all that stands behind it, however late it takes that', async () => {
    const other = await startUnderstudy({ directives: { 'io-threads': 2, requirepass: 'secret' } })
    const big = 'v'.repeat(8_000_000)
    await other.call('SET', 'big', big)
    const middle = 'v'.repeat(500_000)
    await other.call('SET', 'middle', middle)
    for (const [key, value, count] of [
      ['big', big, 3],
      ['middle', middle, 60],
    ] as const) {
      const [client] = (await crowd(1, other.port)) as [RawClient]
      client.socket.pause()
      client.send(encodeCommands([['AUTH', 'secret'], ...Array.from({ length: count }, () => ['GET', key])]))
      await waitFor('output to wait for it', async () =>
        /omem=[1-9]\d{3}/.test(String(await other.call('CLIENT', 'LIST'))),
      )
      client.socket.resume()
      const replies = await client.readReplies(1 + count)
      expect(replies.slice(1).every((reply) => reply === value)).toBe(true)
    }
    const [stranger] = (await crowd(1, other.port)) as [RawClient]
    // Who does not tell it is let have next to nothing.
    stranger.socket.pause()
    const errors = Buffer.concat(Array.from({ length: 200_000 }, () => encodeCommand('GET', 'big')))
    stranger.socket.on('error', () => {})
    stranger.send(errors)
    await waitFor('it to be dropped', () => other.lines.some((line) => /omem=\d+ scheduled to be closed/.test(line)))
    await other.stop()
  })

  it('takes what stands behind AUTH in one pipeline, and no more than that', async () => {
    const other = await startUnderstudy({ directives: { 'io-threads': 2, requirepass: 'secret' } })
    const keys = Array.from({ length: 20 }, (_, i) => `k${i}`)
    const long = 'v'.repeat(20_000)
    for (const auth of [
      ['AUTH', 'secret'],
      ['HELLO', 2, 'AUTH', 'default', 'secret'],
    ]) {
      const [client, wrong] = (await crowd(2, other.port)) as [RawClient, RawClient]
      const commands = [auth, ['SET', 'k3', long], ['MGET', ...keys], ['MSET', ...keys], ['GET', 'k2']]
      const replies = (await client.pipeline(commands)).slice(1)
      expect(replies).toEqual(['OK', keys.map((key) => (key === 'k3' ? long : null)), 'OK', 'k3'])
      wrong.send(encodeCommands([['AUTH', 'wrong'], ['MGET', ...keys], ['PING']]))
      const text = (await wrong.readToEnd()).toString()
      expect(text).toMatch(/^-WRONGPASS [^\r]*\r\n-ERR Protocol error: unauthenticated multibulk length\r\n$/)
      await client.call('DEL', ...keys)
    }
    await other.stop()
  })
})
