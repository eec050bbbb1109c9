/** Long replies over sockets: of one moment, in order, a piece at a time, and a pin that always comes back; in either kind of thread. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { encodeCommand, RawClient } from '../../support/raw-client.ts'
import { startRedisServer } from '../../support/redis-server.ts'
import type { TestServer } from '../../support/test-server.ts'
import { startUnderstudy } from '../../support/understudy-server.ts'
import { waitFor } from '../../support/wait-for.ts'

const ITEMS = 60_000
/** Far more than two sockets hold. */
const STRING_BYTES: number = 32 << 20
const MARK = 'the end of what was asked'
const END = Buffer.from(`$${MARK.length}\r\n${MARK}\r\n`)

/** A reply of strings as it is sent. */
function arrayOf(items: readonly string[]): Buffer {
  return Buffer.from(`*${items.length}\r\n${items.map((item) => `$${item.length}\r\n${item}\r\n`).join('')}`)
}

/** The exact bytes of the replies to some commands; long ones are not looked into. */
async function exactly(client: RawClient, ...commands: (string | number)[][]): Promise<Buffer> {
  client.send(Buffer.concat([...commands, ['ECHO', MARK]].map((words) => encodeCommand(...words))))
  await waitFor('the replies', () => client.received().subarray(-END.length).equals(END), { timeoutMs: 30_000 })
  const bytes = await client.readBytes(client.received().length)
  return bytes.subarray(0, -END.length)
}

async function expectBytes(client: RawClient, bytes: Buffer): Promise<void> {
  expect((await client.readBytes(bytes.length)).equals(bytes)).toBe(true)
}

describe.each([1, 3])('with io-threads %i', (ioThreads) => {
  let server: TestServer
  const opened: RawClient[] = []

  beforeAll(async () => {
    server = await startUnderstudy({ directives: { 'io-threads': ioThreads } })
  })
  afterAll(() => server?.stop())
  beforeEach(async () => {
    await server.call('FLUSHALL')
    await server.call('CONFIG', 'SET', 'long-reply-pin-seconds', 300)
  })
  afterEach(async () => {
    for (const client of opened.splice(0)) client.close()
    await allGivenBack()
  })

  async function connect(): Promise<RawClient> {
    const client = await RawClient.connect({ port: server.port, timeoutMs: 30_000 })
    opened.push(client)
    return client
  }

  async function stat(field: string): Promise<number> {
    return Number((await server.info('stats'))[field])
  }

  async function allGivenBack(): Promise<void> {
    await waitFor('all pins to be given back', async () => {
      const stats = await server.info('stats')
      return (
        stats['pins_active'] === '0' && stats['long_replies_active'] === '0' && stats['long_replies_waiting'] === '0'
      )
    })
  }

  /** A list of numbers, in as few commands as it takes. */
  async function makeList(key: string, count = ITEMS): Promise<string[]> {
    const items = Array.from({ length: count }, (_, i) => `item ${i}`)
    const lots = []
    for (let i = 0; i < count; i += 5000) lots.push(['RPUSH', key, ...items.slice(i, i + 5000)])
    const client = await connect()
    await client.pipeline(lots)
    return items
  }

  /** A string that no socket takes at once. */
  async function makeString(): Promise<void> {
    await server.call('SETRANGE', 'string', STRING_BYTES - 1, 'z')
  }

  /** A client that asked for something long and does not read. */
  async function askAndPause(...command: string[]): Promise<RawClient> {
    const before = await stat('long_replies_active')
    const client = await connect()
    client.socket.pause()
    client.send(encodeCommand(...command))
    await waitFor('the reply to be begun', async () => (await stat('long_replies_active')) > before)
    return client
  }

  it(
    'is what the same command replies whole, and what a redis-server does, for every type',
    { timeout: 120_000 },
    async () => {
      const redis = await startRedisServer()
      const client = await connect()
      const stock = await redis.raw({ timeoutMs: 30_000 })
      const numbers = Array.from({ length: 40_000 }, (_, i) => i)
      const fill = (words: (i: number) => (string | number)[], ...head: string[]): (string | number)[] => [
        ...head,
        ...numbers.flatMap(words),
      ]
      for (const one of [client, stock]) {
        await one.pipeline([
          fill((i) => [`f${i}`, `v${i}`], 'HSET', 'hash'),
          fill((i) => [`m${i}`], 'SADD', 'set'),
          fill((i) => [i / 4, `m${i}`], 'ZADD', 'zset'),
          fill((i) => [`item ${i}`], 'RPUSH', 'list'),
          ['SET', 'string', 'abc'.repeat(700_000)],
          ['SETRANGE', 'holes', 9_000_000, 'end'],
          ...numbers
            .slice(0, 4000)
            .map((i) => ['XADD', 'stream', `${i + 1}-0`, 'field', `value ${i}`.padEnd(300, 'x')]),
          ['MSET', ...numbers.flatMap((i) => [`key ${i}`, i])],
        ])
      }
      const ordered = [
        ['LRANGE', 'list', 0, -1],
        ['ZRANGE', 'zset', 0, -1, 'WITHSCORES'],
        ['ZREVRANGEBYSCORE', 'zset', '+inf', '(7'],
        ['XRANGE', 'stream', '-', '+'],
        ['XREVRANGE', 'stream', '+', '-', 'COUNT', 3999],
        ['GET', 'string'],
        ['GETRANGE', 'holes', 17, -2],
      ]
      const unordered = [
        ['HGETALL', 'hash'],
        ['HKEYS', 'hash'],
        ['HVALS', 'hash'],
        ['SMEMBERS', 'set'],
        ['KEYS', 'key*7*'],
      ]
      const sorted = (reply: Buffer): string => reply.toString().split('\r\n').toSorted().join('\n')
      for (const resp of [2, 3]) {
        await client.call('HELLO', resp)
        await stock.call('HELLO', resp)
        for (const command of [...ordered, ...unordered]) {
          const name = `RESP${resp} ${command.join(' ')}`
          const total = await stat('long_replies_total')
          const inSlices = await exactly(client, command)
          expect((await stat('long_replies_total')) - total, name).toBe(1)
          // EXEC builds its replies whole.
          const whole = await exactly(client, ['MULTI'], command, ['EXEC'])
          const before = Buffer.from('+OK\r\n+QUEUED\r\n*1\r\n')
          expect(whole.equals(Buffer.concat([before, inSlices])), name).toBe(true)
          const theirs = await exactly(stock, command)
          if (ordered.includes(command)) expect(inSlices.equals(theirs), name).toBe(true)
          else expect(sorted(inSlices) === sorted(theirs), name).toBe(true)
        }
      }
      stock.close()
      await redis.stop()
    },
  )

  it('keeps its place in a pipeline, whatever stands before and behind it', async () => {
    const items = await makeList('list')
    const client = await connect()
    for (let round = 0; round < 2; round++) {
      const replies = await exactly(
        client,
        ['GET', 'nothing'],
        ['LRANGE', 'list', 0, -1],
        ['GET', 'nothing'],
        ['SET', 'mine', round],
        ['LRANGE', 'list', 1, -1],
        ['LRANGE', 'list', 2, -1],
        ['GET', 'mine'],
        ['RPUSH', 'list', 'one more'],
        ['LRANGE', 'list', 3, -1],
        ['RPOP', 'list'],
        ['PING'],
      )
      const expected = Buffer.concat([
        Buffer.from('$-1\r\n'),
        arrayOf(items),
        Buffer.from('$-1\r\n+OK\r\n'),
        arrayOf(items.slice(1)),
        arrayOf(items.slice(2)),
        Buffer.from(`$1\r\n${round}\r\n:${items.length + 1}\r\n`),
        arrayOf([...items.slice(3), 'one more']),
        Buffer.from('$8\r\none more\r\n+PONG\r\n'),
      ])
      expect(replies.equals(expected)).toBe(true)
    }
  })

  it('is of one moment, to a slow reader, while the list is changed, deleted and everything flushed', async () => {
    const items = await makeList('list', 1_000_000)
    const rssOf = async (): Promise<number> => Number((await server.info('memory'))['used_memory_rss'])
    const rssBefore = await rssOf()
    const reader = await askAndPause('LRANGE', 'list', '0', '-1')
    const writer = await connect()
    const slowest = { ms: 0 }
    const timed = async (...command: string[]): Promise<void> => {
      const beganMs = performance.now()
      await writer.call(...command)
      slowest.ms = Math.max(slowest.ms, performance.now() - beganMs)
    }
    for (let i = 0; i < 300; i++) {
      await timed('LSET', 'list', String(i * 3000), 'changed')
      await timed('LPUSH', 'list', 'new')
      if (i % 10 === 0) await timed('LTRIM', 'list', '100', '-101')
    }
    await timed('DEL', 'list')
    await timed('RPUSH', 'list', 'another')
    await timed('FLUSHALL')
    expect(await stat('long_replies_active')).toBe(1)
    // The reply is some 17 MB; what was changed for it is less.
    expect((await rssOf()) - rssBefore).toBeLessThan(150 << 20)
    reader.socket.resume()
    await expectBytes(reader, arrayOf(items))
    expect(await reader.call('LRANGE', 'list', 0, -1)).toEqual([])
    // Commands of one millisecond, on a machine that may be busy.
    expect(slowest.ms).toBeLessThan(2000)
  })

  it('lets others have their replies meanwhile, and counts what waits for the socket', async () => {
    await makeString()
    const slow = await askAndPause('GET', 'string')
    const other = await connect()
    expect(await other.pipeline(Array.from({ length: 1000 }, () => ['PING']))).toHaveLength(1000)
    // Also while one is read as fast as it can be.
    const fast = await connect()
    fast.send(encodeCommand('GET', 'string'))
    await fast.readBytes(1)
    let answered = 0
    for (; fast.received().length < STRING_BYTES; answered++) await other.call('GET', 'nothing')
    expect(answered).toBeGreaterThan(5)
    const { localPort } = slow.socket
    await waitFor('the piece to be seen', async () => {
      const line = String(await other.call('CLIENT', 'LIST'))
        .split('\n')
        .find((text) => text.includes(`:${localPort} `))
      const field = (name: string): number => Number(new RegExp(` ${name}=(\\d+)`).exec(line ?? '')?.[1])
      return field('omem') > 0 && field('omem') < 1 << 20 && field('tot-mem') > field('omem')
    })
  })

  it('gives its pin back when the client closes or is killed', async () => {
    await makeString()
    const closing = await askAndPause('GET', 'string')
    closing.close()
    await allGivenBack()
    const killed = await askAndPause('GET', 'string')
    const address = `127.0.0.1:${killed.socket.localPort}`
    expect(await server.call('CLIENT', 'KILL', 'ADDR', address)).toBe(1)
    await allGivenBack()
    killed.socket.resume()
    await killed.readToEnd()
  })

  it('is finished for a client that has said its end', async () => {
    const items = await makeList('list')
    const client = await connect()
    client.send(encodeCommand('LRANGE', 'list', 0, -1))
    client.send(encodeCommand('PING'))
    client.end()
    await expectBytes(client, arrayOf(items))
    expect(await client.readReply()).toBe('PONG')
    expect(await client.readToEnd()).toHaveLength(0)
  })

  it('closes a client that does not take it in time', async () => {
    await makeString()
    const before = await stat('client_output_buffer_limit_disconnections')
    const client = await askAndPause('GET', 'string')
    await server.call('CONFIG', 'SET', 'long-reply-pin-seconds', 1)
    const second = await askAndPause('GET', 'string')
    await waitFor(
      'the pin to be given up',
      async () => (await stat('client_output_buffer_limit_disconnections')) === before + 1,
    )
    expect(await stat('long_replies_active')).toBe(1)
    second.socket.resume()
    await second.readToEnd()
    await server.waitForLine(/in the middle of a long reply/)
    client.close()
  })

  it('waits for its turn when there are too many', async () => {
    await makeString()
    const clients = await Promise.all(Array.from({ length: 52 }, connect))
    const ask = (client: RawClient): void => {
      client.socket.pause()
      client.send(encodeCommand('GET', 'string'))
    }
    for (const client of clients.slice(0, 48)) ask(client)
    await waitFor('48 to have pins', async () => (await stat('long_replies_active')) === 48)
    const before = await stat('long_replies_total')
    for (const client of clients.slice(48)) ask(client)
    await waitFor('the others to have asked', async () => (await stat('long_replies_total')) === before + 4)
    await server.call('SETRANGE', 'string', 0, 'later')
    for (const client of clients.splice(0, 46)) client.close()
    await waitFor('all others to have their turn', async () => (await stat('long_replies_active')) === 6)
    const begins = []
    for (const client of clients) {
      client.socket.resume()
      const reply = await client.readBytes(STRING_BYTES + 13)
      begins.push(reply.toString('latin1', 11, 16))
    }
    // Two that had a pin, and four that got one later.
    expect(begins.filter((begin) => begin === 'later')).toHaveLength(4)
    expect(begins.filter((begin) => begin === '\0\0\0\0\0')).toHaveLength(2)
  })

  it(
    'is not kept from others by clients that take nothing, and those that read slowly keep theirs',
    { timeout: 90_000 },
    async () => {
      await makeString()
      const before = await stat('client_output_buffer_limit_disconnections')
      // Begun first, so it would be the one that has had its pin for longest.
      const slow = await askAndPause('GET', 'string')
      slow.socket.on('data', () => slow.socket.pause())
      const timer = setInterval(() => slow.socket.resume(), 20)
      try {
        for (let i = 1; i < 48; i++) {
          const stalled = await connect()
          stalled.socket.pause()
          stalled.send(encodeCommand('GET', 'string'))
        }
        await waitFor('all pins to be taken', async () => (await stat('long_replies_active')) === 48)
        for (let round = 1; round <= 3; round++) {
          const other = await RawClient.connect({ port: server.port, timeoutMs: 10_000 })
          opened.push(other)
          other.send(encodeCommand('GET', 'string'))
          expect(await other.readBytes(STRING_BYTES + 13)).toHaveLength(STRING_BYTES + 13)
          const stalled = await connect()
          stalled.socket.pause()
          stalled.send(encodeCommand('GET', 'string'))
        }
        await server.waitForLine(/in the middle of a long reply.*others waited/)
        expect(await slow.readBytes(STRING_BYTES + 13)).toHaveLength(STRING_BYTES + 13)
        expect(await stat('client_output_buffer_limit_disconnections')).toBeGreaterThanOrEqual(before + 3)
      } finally {
        clearInterval(timer)
      }
    },
  )

  it('is not interrupted by messages, which come behind it', async () => {
    await makeString()
    const client = await connect()
    await client.call('HELLO', 3)
    client.send(encodeCommand('SUBSCRIBE', 'news'))
    await client.readPush()
    client.socket.pause()
    client.send(encodeCommand('GET', 'string'))
    await waitFor('the reply to be begun', async () => (await stat('long_replies_active')) === 1)
    for (let i = 0; i < 20; i++) await server.call('PUBLISH', 'news', i)
    client.socket.resume()
    const reply = await client.readBytes(STRING_BYTES + 13)
    expect(reply.subarray(11, -2).equals(Buffer.concat([Buffer.alloc(STRING_BYTES - 1), Buffer.from('z')]))).toBe(true)
    for (let i = 0; i < 20; i++) expect((await client.readPush()).items[2]).toBe(String(i))
  })

  if (ioThreads > 1)
    it('gives its pin back when its thread dies', async () => {
      await makeString()
      for (let i = 0; i < 6; i++) await askAndPause('GET', 'string')
      const replaced = async (): Promise<number> =>
        Number((await server.info('server'))['understudy_io_threads_replaced'])
      for (let lost = 1; lost <= 3; lost++) {
        await server.call('DEBUG', 'IO-THREAD', lost % 2 === 0 ? 'throw' : 'terminate').catch(() => {})
        await waitFor('the thread to be replaced', async () => (await replaced()) === lost)
        await waitFor(
          'all to listen',
          async () => (await server.info('server'))['understudy_io_threads'] === String(ioThreads),
        )
      }
      await allGivenBack()
    })
})
