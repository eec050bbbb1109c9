/**
 * MULTI, EXEC and WATCH beside a redis-server: the same steps on the same connections have the same replies, on a writable
 * node and on a replica whose primary writes meanwhile.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { untilEqualOffsets } from '../../support/compare-datasets.ts'
import { freePort } from '../../support/free-port.ts'
import type { RawClient } from '../../support/raw-client.ts'
import { startRedisServer } from '../../support/redis-server.ts'
import type { TestServer } from '../../support/test-server.ts'
import { startUnderstudy } from '../../support/understudy-server.ts'
import { waitFor } from '../../support/wait-for.ts'
import { itOfReference } from '../../support/reference.ts'

let primary: TestServer
let theirReplica: TestServer
let ourReplica: TestServer
let ours: TestServer

const linkUp = (replica: TestServer): Promise<boolean> =>
  waitFor('the link', async () => (await replica.info('replication'))['master_link_status'] === 'up')

beforeAll(async () => {
  ;[primary, ours] = await Promise.all([startRedisServer(), startUnderstudy()])
  const directives = { replicaof: ['127.0.0.1', primary.port] }
  ;[theirReplica, ourReplica] = await Promise.all([startRedisServer({ directives }), startUnderstudy({ directives })])
  await Promise.all([linkUp(theirReplica), linkUp(ourReplica)])
  for (const server of [primary, ours]) await server.call('DEBUG', 'SET-ACTIVE-EXPIRE', '0')
})

afterAll(async () => {
  await Promise.all([ourReplica?.stop(), theirReplica?.stop()])
  await Promise.all([primary?.stop(), ours?.stop()])
})

/**
 * Steps are 'a: GET k': a command on the connection of that name. 'sleep 20' waits, 'primary: …' goes to the primary, and
 * what follows runs when both replicas have it.
 */
async function play(server: TestServer, steps: readonly string[]): Promise<string[]> {
  const connections = new Map<string, RawClient>()
  const replies: string[] = []
  for (const step of steps) {
    if (step.startsWith('sleep ')) {
      await new Promise((resolve) => setTimeout(resolve, Number(step.slice(6))))
      continue
    }
    const [, name, command] = /^(\w+): (.*)$/s.exec(step)!
    let connection = connections.get(name!)
    if (connection === undefined) connections.set(name!, (connection = await server.raw()))
    replies.push(`${step} => ${await connection.callExact(...command!.split(' '))}`)
  }
  for (const connection of connections.values()) connection.close()
  return replies
}

async function compare(steps: readonly string[]): Promise<void> {
  await Promise.all([primary.call('FLUSHALL'), ours.call('FLUSHALL')])
  const theirs = await play(primary, steps)
  expect(await play(ours, steps)).toEqual(theirs)
}

/** Does EXEC of `a`, who watches k, run after what others did? Compared, and told. */
const WATCHED: Record<string, string[]> = {
  'SET of another': ['a: WATCH k', 'b: SET k 1'],
  'SET of the same value': ['b: SET k 1', 'a: WATCH k', 'b: SET k 1'],
  'its own write': ['a: WATCH k', 'a: SET k 1'],
  'a write that fails': ['b: SET k x', 'a: WATCH k', 'b: INCR k'],
  'a write that changes nothing': ['b: SETBIT k 1 1', 'a: WATCH k', 'b: SETBIT k 1 1', 'b: SETNX k 1', 'b: PERSIST k'],
  reads: ['b: SET k 1', 'a: WATCH k', 'b: GET k', 'b: GETEX k', 'b: TTL k', 'b: COPY k other'],
  'DEL of a missing key': ['a: WATCH k', 'b: DEL k'],
  'DEL of a key': ['b: SET k 1', 'a: WATCH k', 'b: DEL k'],
  'the same name in another database': ['a: WATCH k', 'b: SELECT 1', 'b: SET k 1'],
  'a watch in another database': ['a: SELECT 1', 'a: WATCH k', 'a: SELECT 0', 'b: SELECT 1', 'b: SET k 1'],
  'RENAME from it': ['b: SET k 1', 'a: WATCH k', 'b: RENAME k other'],
  'RENAME to it': ['b: SET other 1', 'a: WATCH k', 'b: RENAME other k'],
  'RENAME to itself': ['b: SET k 1', 'a: WATCH k', 'b: RENAME k k'],
  COPY: ['b: SET other 1', 'a: WATCH k', 'b: COPY other k'],
  'MOVE away': ['b: SET k 1', 'a: WATCH k', 'b: MOVE k 3'],
  'MOVE in': ['b: SELECT 3', 'b: SET k 1', 'a: WATCH k', 'b: MOVE k 0'],
  EXPIRE: ['b: SET k 1', 'a: WATCH k', 'b: EXPIRE k 100'],
  'PFCOUNT that stores its result': ['b: PFADD k a', 'a: WATCH k', 'b: PFCOUNT k'],
  'FLUSHDB with the key': ['b: SET k 1', 'a: WATCH k', 'b: FLUSHDB'],
  'FLUSHDB without the key': ['b: SET other 1', 'a: WATCH k', 'b: FLUSHDB'],
  'FLUSHDB of another database': ['b: SET k 1', 'a: WATCH k', 'b: SELECT 1', 'b: SET k 1', 'b: FLUSHDB'],
  'FLUSHALL with the key': ['b: SET k 1', 'a: WATCH k', 'b: FLUSHALL ASYNC'],
  'FLUSHALL without the key': ['b: SET other 1', 'a: WATCH k', 'b: FLUSHALL'],
  'SWAPDB, in neither': ['a: WATCH k', 'b: SWAPDB 0 1'],
  'SWAPDB, in this one': ['b: SET k 1', 'a: WATCH k', 'b: SWAPDB 0 1'],
  'SWAPDB, in the other': ['b: SELECT 1', 'b: SET k 1', 'a: WATCH k', 'b: SWAPDB 0 1'],
  'SWAPDB, in both': ['b: SET k 1', 'b: SELECT 1', 'b: SET k 1', 'a: WATCH k', 'b: SWAPDB 1 0'],
  'SWAPDB with itself': ['b: SET k 1', 'a: WATCH k', 'b: SWAPDB 0 0'],
  'its time comes': ['b: PSETEX k 500 1', 'a: WATCH k', 'sleep 520'],
  'its time has come before': ['b: PSETEX k 1 1', 'sleep 5', 'a: WATCH k'],
  'expired before and removed': ['b: PSETEX k 1 1', 'sleep 5', 'a: WATCH k', 'b: DEL k'],
  'expired before and written': ['b: PSETEX k 1 1', 'sleep 5', 'a: WATCH k', 'b: SET k 1'],
  'expired before and emptied': ['b: PSETEX k 1 1', 'sleep 5', 'a: WATCH k', 'b: FLUSHALL'],
  'expired before and swapped away': ['b: PSETEX k 1 1', 'sleep 5', 'a: WATCH k', 'b: SWAPDB 0 1'],
  'an expired key is swapped in': ['b: SELECT 1', 'b: PSETEX k 1 1', 'sleep 5', 'a: WATCH k', 'b: SWAPDB 0 1'],
  'UNWATCH after it': ['a: WATCH k', 'b: SET k 1', 'a: UNWATCH'],
  'two watch, one is gone': ['a: WATCH k', 'b: WATCH k', 'b: UNWATCH', 'b: SET k 1'],
  'several keys': ['a: WATCH x k y', 'a: WATCH k z', 'b: SET z 1'],
  'RESET forgets': ['a: WATCH k', 'b: SET k 1', 'a: RESET'],
  'a transaction of another': ['a: WATCH k', 'b: MULTI', 'b: SET k 1', 'b: GET k', 'b: EXEC'],
  'a discarded transaction of another': ['a: WATCH k', 'b: MULTI', 'b: SET k 1', 'b: DISCARD'],
}

describe('WATCH', () => {
  it.each(Object.keys(WATCHED))('%s', async (name) => {
    await compare([
      ...WATCHED[name]!,
      'a: MULTI',
      'a: ECHO ran',
      'a: EXEC',
      'a: EXEC',
      'a: MULTI',
      'a: PING',
      'a: EXEC',
    ])
  })

  it('with nulls of RESP3', async () => {
    for (const server of [primary, ours]) {
      const [a, b] = [await server.raw(), await server.raw()]
      await a.call('HELLO', '3')
      await a.call('WATCH', 'k')
      await b.call('SET', 'k', '1')
      await a.call('MULTI')
      await a.call('GET', 'none')
      expect(await a.callExact('EXEC')).toBe('_\r\n')
      await a.call('MULTI')
      await a.call('GET', 'none')
      expect(await a.callExact('EXEC')).toBe('*1\r\n_\r\n')
    }
  })

  it('shows in CLIENT LIST', async () => {
    for (const server of [primary, ours]) {
      const [a, b] = [await server.raw(), await server.raw()]
      await a.call('WATCH', 'k')
      await b.call('SET', 'k', '1')
      await a.call('MULTI')
      await a.call('PING')
      const line = String(await b.call('CLIENT', 'LIST', 'ID', await idOf(a)))
      expect(line).toContain(' flags=xd ')
      // What EXEC will not run is not kept.
      expect(line).toContain(' multi=0 ')
    }
  })
})

/** CLIENT ID is queued in MULTI: its number comes with EXEC. Here it is found from the address. */
async function idOf(client: RawClient): Promise<number> {
  const id = await client.callExact('CLIENT', 'ID')
  expect(id).toBe('+QUEUED\r\n')
  const { localPort } = client.socket
  for (const server of [primary, ours]) {
    const lines = String(await server.call('CLIENT', 'LIST')).split('\n')
    const line = lines.find((each) => each.includes(`addr=127.0.0.1:${localPort} `))
    if (line !== undefined) return Number(/^id=(\d+)/.exec(line)![1])
  }
  throw new Error('no such connection')
}

describe('on a replica', () => {
  async function both(before: string[], onPrimary: string[], after: string[]): Promise<string[]> {
    await primary.call('FLUSHALL')
    await primary.call('SET', 'there', '1')
    await untilEqualOffsets(primary, theirReplica)
    await untilEqualOffsets(primary, ourReplica)
    const seen: string[][] = []
    const clients = [await theirReplica.raw(), await ourReplica.raw()]
    for (const client of clients) {
      const replies: string[] = []
      for (const step of before) replies.push(await client.callExact(...step.split(' ')))
      seen.push(replies)
    }
    const writer = await primary.raw()
    for (const step of onPrimary) await writer.callExact(...step.split(' '))
    writer.close()
    await untilEqualOffsets(primary, theirReplica)
    await untilEqualOffsets(primary, ourReplica)
    for (const [i, client] of clients.entries()) {
      for (const step of after) seen[i]!.push(await client.callExact(...step.split(' ')))
      client.close()
    }
    expect(seen[1]).toEqual(seen[0])
    return seen[0]!
  }

  const EXEC = ['MULTI', 'ECHO ran', 'GET there', 'EXEC']

  it.each<[string, string, string[], boolean]>([
    ['a write', 'there', ['SET there 2'], false],
    ['a write of another key', 'there', ['SET other 2'], true],
    ['a missing key that comes', 'none', ['MULTI', 'SET other 1', 'SET none 1', 'EXEC'], false],
    ['a missing key that comes and goes', 'none', ['MULTI', 'SET none 1', 'DEL none', 'EXEC'], false],
    ['FLUSHALL with the key', 'there', ['FLUSHALL'], false],
    ['FLUSHALL without the key', 'none', ['FLUSHALL'], true],
    ['SWAPDB with the key', 'there', ['SWAPDB 0 5'], false],
    ['SWAPDB without the key', 'none', ['SWAPDB 0 5'], true],
    ['EXPIRE', 'there', ['EXPIRE there 100'], false],
    ['the DEL of a key whose time came', 'there', ['PEXPIRE there 1', 'DEBUG SLEEP 0.01', 'GET there'], false],
  ])('WATCH is touched by the stream: %s', async (_name, key, steps, runs) => {
    const replies = await both([`WATCH ${key}`], steps, EXEC)
    expect(replies.at(-1)!.startsWith('*2')).toBe(runs)
  })

  it('a key that was there counts as touched after a full resync, one that never was does not', async () => {
    await primary.call('FLUSHALL')
    await primary.call('SET', 'there', '1')
    await untilEqualOffsets(primary, theirReplica)
    await untilEqualOffsets(primary, ourReplica)
    const watchers: RawClient[] = []
    for (const replica of [theirReplica, ourReplica]) {
      for (const key of ['there', 'none']) {
        const client = await replica.raw()
        await client.call('WATCH', key)
        await client.call('MULTI')
        await client.call('ECHO', 'ran')
        watchers.push(client)
      }
    }
    await primary.call('DEBUG', 'CHANGE-REPL-ID')
    await primary.call('CLIENT', 'KILL', 'TYPE', 'replica')
    await primary.call('SET', 'later', '1')
    for (const replica of [theirReplica, ourReplica]) {
      await waitFor('the resync', async () => (await replica.call('GET', 'later')) === '1')
    }
    const replies: string[] = []
    for (const client of watchers) replies.push(await client.callExact('EXEC'))
    expect(replies.slice(2)).toEqual(replies.slice(0, 2))
    expect(replies[0]).toBe('*-1\r\n')
    expect(replies[1]).toBe('*1\r\n$3\r\nran\r\n')
  })

  itOfReference('reads run, writes are refused when they are queued', async () => {
    await both(
      [
        ['MULTI', 'GET there', 'STRLEN there', 'EXEC'],
        ['MULTI', 'GET there', 'SET there 2', 'PING', 'EXEC', 'GET there'],
        ['MULTI', 'WATCH there', 'MULTI', 'GET', 'NOPE', 'EXEC', 'EXEC', 'DISCARD'],
        ['MULTI', 'SYNC', 'EXEC', 'MULTI', 'PUBLISH c m', 'WAIT 0 0', 'EXEC'],
      ].flat(),
      [],
      [],
    )
  })

  it('MASTERDOWN in a transaction, and when the link ends between its parts', async () => {
    const directives = { 'replica-serve-stale-data': 'no', replicaof: ['127.0.0.1', await freePort()] }
    const servers = await Promise.all([startRedisServer({ directives }), startUnderstudy({ directives })])
    const seen: string[][] = []
    for (const server of servers) {
      const client = await server.raw()
      const replies: string[] = []
      for (const step of ['MULTI', 'GET k', 'PING', 'EXEC', 'MULTI', 'ECHO x', 'SELECT 1', 'EXEC']) {
        replies.push(await client.callExact(...step.split(' ')))
      }
      seen.push(replies)
    }
    // A node without data of its own says that it is loading, which redis calls MASTERDOWN.
    const same = (reply: string): string => reply.replace(/^-(MASTERDOWN|LOADING).*\r\n$/, '-refused\r\n')
    expect(seen[1]!.map(same)).toEqual(seen[0]!.map(same))
    for (const server of servers) await server.stop()
  })
})
