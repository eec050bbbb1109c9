/** maxmemory beside a redis-server: who is refused, who goes, what replicas below hear of it, and what a replica does itself. */
import { expect, it } from 'vitest'
import { equalDigests, untilEqualOffsets } from '../support/compare-datasets.ts'
import { type Argument, encodeCommand, type RawClient } from '../support/raw-client.ts'
import { ReplyError } from '../support/resp-reader.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import type { TestServer } from '../support/test-server.ts'
import { waitFor } from '../support/wait-for.ts'
import { linkIs, startNode, startPrimary, startReplica } from './topology.ts'
import { itOfReference } from '../support/reference.ts'

const OOM = "OOM command not allowed when used memory > 'maxmemory'."
const VALUE = 'v'.repeat(200)

async function fill(
  server: TestServer,
  keys: number,
  options: { prefix?: string; seconds?: number } = {},
): Promise<void> {
  const { prefix = 'key', seconds } = options
  const client = await server.raw()
  const time: Argument[] = seconds === undefined ? [] : ['EX', seconds]
  for (let i = 0; i < keys; i += 500) {
    const replies = await client.pipeline(
      Array.from({ length: Math.min(500, keys - i) }, (_, j) => ['SET', `${prefix}:${i + j}`, VALUE, ...time]),
    )
    for (const reply of replies) if (reply instanceof ReplyError) throw reply
  }
  client.close()
}

async function stat(server: TestServer, field: string): Promise<number> {
  return Number((await server.info())[field])
}

/** What counts against maxmemory. */
async function countedBytes(server: TestServer): Promise<number> {
  const fields = await server.info('memory')
  return Number(fields['used_memory']) - Number(fields['mem_not_counted_for_evict'])
}

async function set(server: TestServer, ...pairs: Argument[]): Promise<void> {
  expect(await server.call('CONFIG', 'SET', ...pairs)).toBe('OK')
}

/** How long a new key has been idle, in seconds, or how often it was used, whether or not the clock ticked behind its command. */
function fresh(reply: string): string {
  return /^:[0-5]\r\n$/.test(reply) ? ':new\r\n' : reply
}

/** The same commands over one connection to each; @returns our replies, which must be theirs. */
async function sameReplies(servers: readonly TestServer[], commands: readonly string[]): Promise<string> {
  const [theirs, ours] = await Promise.all(
    servers.map(async (server) => {
      const client = await server.raw()
      let replies = ''
      for (const command of commands) {
        client.send(encodeCommand(...command.split(' ')))
        const reply = (await client.readReplyBytes()).toString()
        replies += `${command}: ${command.startsWith('OBJECT') ? fresh(reply) : reply}`
      }
      client.close()
      return replies
    }),
  )
  expect(ours).toBe(theirs)
  return ours!
}

const REFUSALS = [
  'SET a 1',
  'GET key:1',
  'INCR n',
  'LPUSH l 1',
  'APPEND key:1 x',
  'PERSIST key:2',
  'DEL key:3',
  'PING',
  'DEBUG SLEEP 0',
  'MULTI',
  'GET key:1',
  'EXEC',
  'MULTI',
  'DEL key:4',
  'SET a 1',
  'UNWATCH',
  'EXEC',
  'MULTI',
  'DISCARD',
  'WATCH key:1',
  'MULTI',
  'EXEC',
  'EXISTS key:4 a n l',
]

itOfReference.each(['noeviction', 'volatile-lru', 'volatile-lfu', 'volatile-random', 'volatile-ttl'])(
  '%s with nothing that may go refuses what Redis refuses, in and out of MULTI',
  { timeout: 60_000 },
  async (policy) => {
    const directives = { 'maxmemory-policy': policy, 'enable-debug-command': 'yes' }
    const servers = await Promise.all([startPrimary(directives), startNode(directives)])
    await Promise.all(servers.map((server) => fill(server, 8000)))
    const queued = await Promise.all(servers.map((server) => server.raw()))
    for (const client of queued) {
      await client.pipeline([['MULTI'], ['SET', 'a', '1'], ['GET', 'key:1']])
    }
    for (const server of servers) await set(server, 'maxmemory', '1mb')
    expect(await sameReplies(servers, REFUSALS)).toContain(`SET a 1: -${OOM}`)
    const outcomes = await Promise.all(queued.map((client) => client.callExact('EXEC')))
    expect(outcomes[1]).toBe(outcomes[0])
    expect(outcomes[1]).toContain(`-EXECABORT Transaction discarded because of: ${OOM}`)
    for (const server of servers) expect(await stat(server, 'evicted_keys')).toBe(0)
    expect(await stat(servers[1], 'current_eviction_exceeded_time')).toBeGreaterThan(0)
    for (const server of servers) await set(server, 'maxmemory', 0)
    expect(await sameReplies(servers, ['SET a 1', 'MULTI', 'GET a', 'EXEC'])).not.toContain('OOM')
    await waitFor('the excess to end', async () => (await stat(servers[1], 'current_eviction_exceeded_time')) === 0)
  },
)

it('I/O threads queue no transactions while memory is out', { timeout: 60_000 }, async () => {
  const server = await startNode({ 'io-threads': 2 })
  await fill(server, 8000)
  await set(server, 'maxmemory', '1mb')
  await expect(server.call('SET', 'a', 1)).rejects.toThrow(OOM)
  const client = await server.raw()
  expect(await client.callExact('MULTI')).toBe('+OK\r\n')
  expect(await client.callExact('GET', 'key:1')).toBe(`-${OOM}\r\n`)
  expect(await client.callExact('EXEC')).toMatch(/^-EXECABORT/)
  expect(await client.call('GET', 'key:1')).toBe(VALUE)
})

it(
  'a maxmemory below what is used makes keys go until it is enough, and new keys come in',
  { timeout: 60_000 },
  async () => {
    const server = await startNode({ 'maxmemory-policy': 'allkeys-lru', 'maxmemory-eviction-tenacity': 0 })
    await fill(server, 20_000)
    const limit = Math.floor((await countedBytes(server)) / 2)
    await set(server, 'maxmemory', limit)
    // Nobody sends commands that would make room: it goes on by itself.
    await server.waitForLine(/is smaller than the current memory usage/)
    await waitFor('keys to go', async () => (await countedBytes(server)) <= limit)
    const evicted = await stat(server, 'evicted_keys')
    expect(evicted).toBeGreaterThan(7000)
    // In one go: another one may go at any time.
    const info = await server.info()
    expect(info['db0']).toMatch(new RegExp(`^keys=${20_000 - Number(info['evicted_keys'])},`))
    await fill(server, 20_000, { prefix: 'new' })
    expect(await stat(server, 'evicted_keys')).toBeGreaterThan(evicted + 15_000)
    await waitFor('it to be enough again', async () => (await countedBytes(server)) <= limit)
    expect(await stat(server, 'total_eviction_exceeded_time')).toBeGreaterThan(0)
    const fields = await server.info('memory')
    expect(fields).toMatchObject({ maxmemory: String(limit), maxmemory_policy: 'allkeys-lru' })
    await server.call('CONFIG', 'RESETSTAT')
    expect(await stat(server, 'evicted_keys')).toBe(0)
    await set(server, 'latency-monitor-threshold', 1, 'maxmemory-eviction-tenacity', 100, 'maxmemory', limit >> 1)
    await waitFor('the limit', async () => (await countedBytes(server)) <= limit >> 1)
    expect(String(await server.call('LATENCY', 'LATEST'))).toContain('eviction-cycle')
  },
)

it.each([
  ['allkeys-lru', 'no', 'del'],
  ['volatile-ttl', 'yes', 'unlink'],
])('replicas below stay equal while keys go (%s, lazily: %s)', { timeout: 60_000 }, async (policy, isLazy, told) => {
  const node = await startNode({
    'maxmemory-policy': policy,
    'lazyfree-lazy-eviction': isLazy,
    'notify-keyspace-events': 'Ee',
    'repl-diskless-sync-delay': 0,
  })
  const directives = { replicaof: ['127.0.0.1', node.port], 'enable-debug-command': 'yes' }
  const replica = await startPrimary(directives)
  await linkIs(replica, 'up')
  const listener = await node.raw()
  await listener.call('SUBSCRIBE', '__keyevent@0__:evicted')
  await fill(node, 5000, { seconds: 10_000 })
  const limit = await countedBytes(node)
  await set(node, 'maxmemory', limit)
  const filling = fill(node, 10_000, { prefix: 'new', seconds: 20_000 })
  // Its snapshot is taken while keys go.
  const [late] = await Promise.all([startPrimary(directives), filling])
  await linkIs(late, 'up')
  await waitFor('keys to have gone', async () => (await countedBytes(node)) <= limit)
  await equalDigests(node, replica)
  await equalDigests(node, late)
  expect(await stat(node, 'evicted_keys')).toBeGreaterThan(8000)
  // What a replica leaves behind may make one more go.
  await waitFor('the replica to have heard of all', async () => {
    const evicted = await stat(node, 'evicted_keys')
    const info = await replica.info()
    const isTold = info[`cmdstat_${told}`]?.startsWith(`calls=${evicted},`) === true
    return isTold && info['db0']?.startsWith(`keys=${15_000 - evicted},`) === true
  })
  expect(String(await listener.readReply())).toMatch(/^message,__keyevent@0__:evicted,(key|new):\d+$/)
})

it('a replica leaves it to its primary unless it is told not to', { timeout: 60_000 }, async () => {
  const limit = 2 << 20
  const primary = await startPrimary()
  await fill(primary, 10_000)
  const replica = await startReplica(primary, { maxmemory: limit, 'maxmemory-policy': 'allkeys-random' })
  expect(await replica.call('DBSIZE')).toBe(10_000)
  await fill(primary, 100, { prefix: 'more' })
  await untilEqualOffsets(primary, replica)
  expect(await replica.call('DBSIZE')).toBe(10_100)
  expect(await stat(replica, 'evicted_keys')).toBe(0)
  await set(replica, 'replica-ignore-maxmemory', 'no')
  await waitFor('keys to go', async () => (await countedBytes(replica)) <= limit)
  expect(await stat(replica, 'evicted_keys')).toBeGreaterThan(1000)
  const kept = Number(await replica.call('DBSIZE'))
  await fill(primary, 5000, { prefix: 'even more' })
  await untilEqualOffsets(primary, replica)
  await waitFor('it to be enough again', async () => (await countedBytes(replica)) <= limit)
  expect(Number(await replica.call('DBSIZE'))).toBeLessThan(kept + 1000)
  expect(await primary.call('DBSIZE')).toBe(15_100)
})

it('keys that are read survive as they do in Redis, though I/O threads read them', { timeout: 60_000 }, async () => {
  const keys = 6000
  const isHot = (i: number): boolean => i % 10 === 0
  const directives = { 'maxmemory-policy': 'allkeys-lru', save: '' }
  const servers = await Promise.all([startPrimary(directives), startNode({ ...directives, 'io-threads': 2 })])
  const survivors = await Promise.all(
    servers.map(async (server) => {
      await fill(server, keys)
      const idleSeconds = async (key: number): Promise<number> =>
        Number(await server.call('OBJECT', 'IDLETIME', `key:${key}`))
      await waitFor('the keys to have been idle', async () => (await idleSeconds(keys - 1)) >= 2)
      const client = await server.raw()
      const hot = Array.from({ length: keys / 10 }, (_, i) => ['GET', `key:${i * 10}`])
      await client.pipeline(hot)
      // What other threads read is known to the writer some milliseconds later.
      await waitFor('the reads to count', async () => (await idleSeconds(keys - 10)) < 2)
      await set(server, 'maxmemory', await countedBytes(server))
      await fill(server, keys / 2, { prefix: 'new' })
      const names = Array.from({ length: keys }, (_, i) => i)
      const found = await client.pipeline(names.map((i) => ['EXISTS', `key:${i}`]))
      const survived = { hot: 0, cold: 0 }
      for (const i of names) if (found[i] === 1) survived[isHot(i) ? 'hot' : 'cold']++
      return survived
    }),
  )
  const [theirs, ours] = survivors
  // Both have to give up about half of the keys, and some 5400 are cold.
  expect(ours!.hot).toBeGreaterThanOrEqual(theirs!.hot - 0.02 * (keys / 10))
  expect(ours!.hot).toBeGreaterThan(0.95 * (keys / 10))
  expect(ours!.cold).toBeLessThan(0.65 * 0.9 * keys)
})

it('reads of a client with NO-TOUCH are no uses of a key, but for TOUCH', { timeout: 60_000 }, async () => {
  // Every use counts.
  const policy = { 'maxmemory-policy': 'allkeys-lfu', 'lfu-log-factor': 0, 'lfu-decay-time': 0 }
  const node = await startNode({ ...policy, 'io-threads': 2 })
  await node.call('SET', 'k', 'v')
  const quiet = await node.raw()
  await quiet.call('CLIENT', 'NO-TOUCH', 'ON')
  const commands = [['GET', 'k'], ['STRLEN', 'k'], ['MGET', 'k', 'k'], ['MULTI'], ['GET', 'k'], ['EXEC']]
  for (const command of commands) await quiet.call(...command)
  expect(await quiet.call('OBJECT', 'FREQ', 'k')).toBe(5)
  await quiet.call('TOUCH', 'k')
  expect(await quiet.call('OBJECT', 'FREQ', 'k')).toBe(6)
  await quiet.call('CLIENT', 'NO-TOUCH', 'OFF')
  await quiet.call('GET', 'k')
  await waitFor('the read to count', async () => (await node.call('OBJECT', 'FREQ', 'k')) === 7)
})

it('how keys were used comes with a snapshot and goes with one', { timeout: 60_000 }, async () => {
  const random = new SeededRandom(5)
  for (const policy of ['allkeys-lfu', 'allkeys-lru']) {
    const told = policy === 'allkeys-lfu' ? 'FREQ' : 'IDLETIME'
    const directives = { 'maxmemory-policy': policy, 'repl-diskless-sync-delay': 0, 'lfu-decay-time': 0 }
    const primary = await startPrimary(directives)
    const raw = await primary.raw()
    await raw.call('SET', 'dumped', 'x')
    const payload = (await raw.callBinary('DUMP', 'dumped')) as Buffer
    const uses = Array.from({ length: 50 }, () => random.int(20, 250))
    for (const [i, use] of uses.entries()) await raw.call('RESTORE', `k:${i}`, 0, payload, told, use)
    const middle = await startReplica(primary, directives)
    const leaf = await startPrimary({ ...directives, replicaof: ['127.0.0.1', middle.port] })
    await linkIs(leaf, 'up')
    for (const [i, use] of uses.entries()) {
      for (const server of [middle, leaf]) {
        const found = Number(await server.call('OBJECT', told, `k:${i}`))
        if (told === 'FREQ') expect(found).toBe(use)
        else {
          // Idle times go on, and are even here.
          expect(found).toBeGreaterThanOrEqual(use - 2)
          expect(found).toBeLessThan(use + 40)
        }
      }
    }
  }
})

it('OBJECT IDLETIME and FREQ answer by the policy, as Redis does', { timeout: 60_000 }, async () => {
  const servers = await Promise.all([startPrimary(), startNode()])
  for (const policy of ['noeviction', 'allkeys-lfu', 'volatile-lfu', 'allkeys-random', 'volatile-ttl']) {
    for (const server of servers) await set(server, 'maxmemory-policy', policy)
    // A new key: what another policy noted of one means nothing to this one, there and here.
    const commands = ['DEL k', 'SET k v', 'OBJECT IDLETIME k', 'OBJECT FREQ k', 'OBJECT FREQ absent']
    const replies = await sameReplies(servers, commands)
    expect(replies).toContain(policy.endsWith('lfu') ? 'idle time not tracked' : 'access frequency not tracked')
  }
})

it('maxmemory-clients: who holds most goes first, who is spared stays', { timeout: 60_000 }, async () => {
  const startThreaded = (): Promise<TestServer> => startNode({ 'io-threads': 2 })
  const check = async (start: () => Promise<TestServer>): Promise<void> => {
    const server = await start()
    await server.call('CLIENT', 'NO-EVICT', 'ON')
    await set(server, 'maxmemory-clients', '14mb')
    /** A client whose command lacks its last byte. */
    const holder = async (bytes: number, isSpared = false): Promise<RawClient> => {
      const client = await server.raw()
      if (isSpared) await client.call('CLIENT', 'NO-EVICT', 'ON')
      client.send(encodeCommand('ECHO', Buffer.alloc(bytes)).subarray(0, -3))
      return client
    }
    const spared = await holder(4_000_000, true)
    const small = await holder(1_000_000)
    const large = await holder(16_000_000)
    await large.readToEnd()
    expect(await stat(server, 'evicted_clients')).toBe(1)
    expect(small.ended).toBe(false)
    await set(server, 'maxmemory', '300mb', 'maxmemory-clients', '1%')
    await small.readToEnd()
    expect(await stat(server, 'evicted_clients')).toBe(2)
    await server.waitForLine(/Evicting client: id=/)
    await server.waitForLine(/Over client maxmemory after evicting all evictable clients/)
    expect(spared.ended).toBe(false)
    await server.call('CONFIG', 'RESETSTAT')
    expect(await stat(server, 'evicted_clients')).toBe(0)
  }
  await Promise.all([startPrimary, startNode, startThreaded].map(check))
})
