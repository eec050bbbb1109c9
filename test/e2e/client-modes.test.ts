/** CLIENT REPLY, CACHING and TRACKING where several connections meet: ours answers as redis-server does. */
import { afterAll, beforeAll, expect } from 'vitest'
import { RawClient } from '../support/raw-client.ts'
import { itOfReference as test } from '../support/reference.ts'
import { startRedisServer } from '../support/redis-server.ts'
import type { TestServer } from '../support/test-server.ts'
import { startUnderstudy } from '../support/understudy-server.ts'
import { waitFor } from '../support/wait-for.ts'

let redis: TestServer
let ours: TestServer

beforeAll(async () => {
  ;[redis, ours] = await Promise.all([startRedisServer(), startUnderstudy()])
})

afterAll(async () => {
  await Promise.all([redis?.stop(), ours?.stop()])
})

type Scene = (connect: () => Promise<RawClient>) => Promise<string>

/** What the scene saw of ours, which is what it saw of redis-server. */
async function same(scene: Scene): Promise<string> {
  const [theirs, own] = await Promise.all([play(scene, redis.port), play(scene, ours.port)])
  expect(own).toBe(theirs)
  return own
}

async function play(scene: Scene, port: number): Promise<string> {
  const clients: RawClient[] = []
  try {
    return await scene(async () => {
      const client = await RawClient.connect({ port })
      clients.push(client)
      return client
    })
  } finally {
    for (const client of clients) client.close()
  }
}

/** Sends commands; what comes back ends with the reply to a PING of its own. */
async function allReplies(client: RawClient, ...commands: string[]): Promise<string> {
  for (const command of commands) client.send(`${command}\r\n`)
  client.send('PING all-there\r\n')
  let text = ''
  while (!text.includes('all-there')) text += await client.readLine()
  return text
}

/** Each with the connection's state in it; the last ones need the link thread. */
const TRANSACTIONS: readonly (readonly string[])[] = [
  ['MULTI', 'GET k', 'LLEN abcdef', 'MGET a b c', 'EXEC'],
  ['MULTI', 'STRLEN k', 'DISCARD', 'GET k'],
  ['MULTI', 'GET k', 'MULTI', 'OBJECT ENCODING k', 'DISCARD'],
  ['MULTI', 'GET k', 'NOSUCH', 'GET k', 'EXEC'],
  ['MULTI', 'GET k', 'GET', 'SET k v', 'EXEC'],
  ['MULTI', 'GET k', 'SET k v', 'PING', 'EXEC'],
  ['WATCH k', 'MULTI', 'GET k', 'EXEC'],
]

/** After each command, what another connection is shown of the one that sent it. */
async function transactionsAsListed(connect: () => Promise<RawClient>): Promise<string> {
  const [client, other] = [await connect(), await connect()]
  const id = String(await client.call('CLIENT', 'ID'))
  let seen = ''
  for (const command of TRANSACTIONS.flat()) {
    await client.callExact(...command.split(' '))
    const line = await other.callExact('CLIENT', 'LIST', 'ID', id)
    seen += `${command}: ${line.match(/(?<= )(flags|multi|multi-mem|cmd)=\S*/g)?.join(' ')}\n`
  }
  return seen
}

async function isBlocked(watcher: RawClient): Promise<void> {
  while (!(await watcher.callExact('INFO', 'clients')).includes('blocked_clients:1')) continue
}

test('CLIENT REPLY SKIP drops the reply of a command that waits', async () => {
  const seen = await same(async (connect) => {
    const [waiter, other] = [await connect(), await connect()]
    waiter.send('CLIENT REPLY SKIP\r\nBLPOP waited 0\r\n')
    await isBlocked(other)
    await other.callExact('RPUSH', 'waited', 'x')
    return allReplies(waiter, 'PING after')
  })
  expect(seen).not.toContain('waited')
})

test.each(['', '  ', '*0', '*-1'])(
  'a request without arguments (%j) is what CLIENT REPLY SKIP skips',
  async (empty) => {
    const seen = await same(async (connect) => {
      const client = await connect()
      const first = await allReplies(
        client,
        'CLIENT REPLY SKIP',
        empty,
        'PING one',
        'CLIENT REPLY SKIP',
        'PING two',
        empty,
        'PING three',
      )
      client.send(`CLIENT REPLY SKIP\r\n${empty}\r\nPING one\r\nCLIENT REPLY SKIP\r\nPING two\r\n`)
      return first + (await allReplies(client, 'PING four'))
    })
    expect(seen).toContain('one')
    expect(seen).not.toContain('two')
  },
)

test('a request without arguments is what CLIENT CACHING was for', async () => {
  const seen = await same(async (connect) => {
    const [client, other] = [await connect(), await connect()]
    await allReplies(client, 'HELLO 3', 'CLIENT TRACKING ON OPTIN')
    await allReplies(client, 'CLIENT CACHING YES', '', 'GET uncached', 'CLIENT CACHING YES', 'GET cached')
    await allReplies(client, 'CLIENT CACHING YES')
    await allReplies(client, '', 'GET uncached')
    await other.callExact('MSET', 'uncached', '1', 'cached', '2')
    return allReplies(client)
  })
  expect(seen).toContain('invalidate')
  expect(seen).not.toContain('uncached')
})

test('CLIENT REPLY SKIP drops a time-out', async () => {
  await same(async (connect) => allReplies(await connect(), 'CLIENT REPLY SKIP', 'BLPOP waited 0.05', 'PING after'))
})

test('CLIENT REPLY SKIP drops the reply of CLIENT UNBLOCK', async () => {
  await same(async (connect) => {
    const [waiter, other] = [await connect(), await connect()]
    const id = (await waiter.callExact('CLIENT', 'ID')).slice(1).trim()
    waiter.send('CLIENT REPLY SKIP\r\nBLPOP waited 0\r\n')
    await isBlocked(other)
    return (await other.callExact('CLIENT', 'UNBLOCK', id, 'ERROR')) + (await allReplies(waiter, 'PING after'))
  })
})

test.each([
  ['a command that waits', ['SET a 1', 'GET a', 'BLPOP nokey 0']],
  ['WAIT', ['SET a 1', 'GET a', 'WAIT 1 0', 'GET a']],
  ['a command that is held back', ['SET a 1', 'GET a', 'CLIENT PAUSE 60000 WRITE', 'SET a 2']],
  ['an invalidation of its own', ['HELLO 3', 'CLIENT TRACKING ON BCAST', 'SET b 1']],
])('a client that ends its side has all replies before %s, and the end', async (_what, commands) => {
  await same(async (connect) => {
    const operator = await connect()
    let text = ''
    // What is lost may depend on what comes in one turn.
    for (let i = 0; i < 20; i++) {
      const client = await connect()
      client.send(`${commands.join('\r\n')}\r\n`)
      client.end()
      const seen = (await client.readToEnd()).toString()
      // The reply to HELLO has the id.
      text += `${seen.slice(Math.max(0, seen.indexOf('modules')))}, `
      await operator.callExact('CLIENT', 'UNPAUSE')
      text += `${await operator.callExact('GET', 'a')}, `
    }
    return text
  })
})

test('CLIENT LIST ID: one line for each id that is connected, in their order', async () => {
  const seen = await same(async (connect) => {
    const [first, second] = [await connect(), await connect()]
    const idOf = async (client: RawClient): Promise<string> => (await client.callExact('CLIENT', 'ID')).slice(1).trim()
    const [one, two] = [await idOf(first), await idOf(second)]
    const list = await first.callExact('CLIENT', 'LIST', 'ID', two, one, '999999', two)
    const names = new Map([
      [`id=${one}`, 'first'],
      [`id=${two}`, 'second'],
    ])
    return Array.from(list.matchAll(/^id=\d+/gm), ([id]) => names.get(id)).join()
  })
  expect(seen).toBe('second,first,second')
})

test('connected_clients counts no replicas', async () => {
  await same(async (connect) => {
    const [replica, client] = [await connect(), await connect()]
    const connected = async (): Promise<string | undefined> =>
      /connected_clients:\d+/.exec(await client.callExact('INFO', 'clients'))?.[0]
    // Those of the test before may not be gone yet.
    while ((await connected()) !== 'connected_clients:2') continue
    replica.send('PSYNC ? -1\r\n')
    await replica.readLine()
    return `${await connected()}`
  })
})

test('COMMAND LIST names subcommands, and is an array in RESP3', async () => {
  await same(async (connect) => {
    const client = await connect()
    await client.callExact('HELLO', '3')
    const list = await client.callExact('COMMAND', 'LIST')
    const category = await client.callExact('COMMAND', 'LIST', 'FILTERBY', 'ACLCAT', 'geo')
    return `${list[0]} ${list.includes('\r\nconfig|get\r\n')} ${category[0]}`
  })
})

test('an empty text matches only the empty pattern', async () => {
  await same(async (connect) => {
    const client = await connect()
    await client.callExact('SET', '', 'x')
    const patterns = ['*', '**', '', '?', '[^a]']
    let text = ''
    for (const pattern of patterns) {
      text += (await client.callExact('KEYS', pattern)).includes('$0\r\n')
      text += (await client.callExact('SCAN', '0', 'MATCH', pattern, 'COUNT', '1000')).includes('$0\r\n')
    }
    await client.callExact('DEL', '')
    const subscriber = await connect()
    await subscriber.callExact('PSUBSCRIBE', '*')
    return text + (await client.callExact('PUBLISH', '', 'm'))
  })
})

test('CLIENT REPLY OFF of a monitor silences its lines', async () => {
  await same(async (connect) => {
    const [monitor, other] = [await connect(), await connect()]
    await monitor.callExact('MONITOR')
    await allReplies(monitor)
    monitor.send('CLIENT REPLY OFF\r\n')
    // What two connections send has no order but by replies.
    while (!(await other.callExact('CLIENT', 'LIST')).includes('cmd=client|reply')) continue
    await other.callExact('ECHO', 'unseen')
    monitor.send('CLIENT REPLY ON\r\n')
    let text = ''
    while (!text.includes('+OK')) text += await monitor.readLine()
    return text.includes('unseen') ? 'shown' : 'silent'
  })
})

test.each(['SUBSCRIBE x', 'PSUBSCRIBE x', 'SSUBSCRIBE x', 'PING'])(
  'invalidations are redirected to a RESP2 client that said %s',
  async (first) => {
    await same(async (connect) => {
      const [target, tracking, writer] = [await connect(), await connect(), await connect()]
      const id = (await target.callExact('CLIENT', 'ID')).slice(1).trim()
      await target.callExact(...first.split(' '))
      await tracking.callExact('CLIENT', 'TRACKING', 'ON', 'REDIRECT', id)
      await tracking.callExact('GET', 'key')
      await writer.callExact('SET', 'key', 'value')
      return allReplies(target)
    })
  },
)

test.each(['FLUSHALL', 'DEL own other', 'MSET own 1 other 2', 'RENAME own other'])(
  'invalidations of its own %s come behind the reply',
  async (write) => {
    const seen = await same(async (connect) =>
      allReplies(await connect(), 'MSET own 1 other 2', 'HELLO 3', 'CLIENT TRACKING ON', 'MGET own other', write).then(
        (text) => text.slice(text.indexOf('modules')),
      ),
    )
    expect(seen).toContain('invalidate')
  },
)

test.each([1, 2])('CLIENT LIST shows transactions while they are queued, with io-threads %d', async (threads) => {
  const server = await startUnderstudy({ directives: { 'io-threads': threads } })
  const [theirs, own] = [await play(transactionsAsListed, redis.port), await play(transactionsAsListed, server.port)]
  await server.stop()
  expect(own).toBe(theirs)
  expect(own).toContain('MGET a b c: flags=x multi=3 multi-mem=85 cmd=mget\n')
})

test('what a transaction takes in an I/O thread counts as memory of its client', async () => {
  const server = await startUnderstudy({ directives: { 'io-threads': 2 } })
  await play(async (connect) => {
    const [client, other] = [await connect(), await connect()]
    const id = String(await client.call('CLIENT', 'ID'))
    const memory = async (): Promise<number> =>
      Number(/tot-mem=(\d+)/.exec(await other.callExact('CLIENT', 'LIST', 'ID', id))?.[1])
    await client.call('MULTI')
    const before = await memory()
    await client.call('GET', 'k'.repeat(50_000))
    // The queue has it, and the request as it came, should the link thread have to go on.
    expect((await memory()) - before).toBeGreaterThan(90_000)
    await client.call('EXEC')
    await waitFor('it to be free again', async () => (await memory()) < before)
    return ''
  }, server.port)
  await server.stop()
})

test('tracking-table-max-keys that is lowered is kept to, and readers of what is forgotten hear of it', async () => {
  const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j']
  const seen = await same(async (connect) => {
    const [reader, other] = [await connect(), await connect()]
    await reader.call('HELLO', '3')
    await reader.call('CLIENT', 'TRACKING', 'ON')
    await reader.call('MGET', ...keys)
    await other.call('CONFIG', 'SET', 'tracking-table-max-keys', '3')
    try {
      await waitFor('as few keys as are allowed', async () =>
        String(await other.call('INFO', 'stats')).includes('tracking_total_keys:3\r\n'),
      )
      const forgotten = new Set<string>()
      while (forgotten.size < 7) for (const key of (await reader.readPush()).items[1] as string[]) forgotten.add(key)
      const kept = keys.filter((key) => !forgotten.has(key))
      await other.call('MSET', ...keys.flatMap((key) => [key, '1']))
      const told = new Set<unknown>()
      for (const _key of kept) told.add(String((await reader.readPush()).items[1]))
      return `${forgotten.size} forgotten, told of the others: ${String(kept.every((key) => told.has(key)))}`
    } finally {
      await other.call('CONFIG', 'SET', 'tracking-table-max-keys', '1000000')
      await other.call('FLUSHALL')
    }
  })
  expect(seen).toBe('7 forgotten, told of the others: true')
})
