/**
 * Commands that wait for keys, with commands made for this test: TAKE removes the first list it finds and answers its
 * key; LOOK waits for a stream and answers its key; GROUP waits for one and hears when it is gone.
 */
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  argBytes,
  BLOCKING,
  type CommandContext,
  type ReadContext,
  type CommandTable,
  dataCommandFamilies,
  deleteFound,
  findForRead,
  findForWrite,
  Keyspace,
  type KeyWait,
  LibraryStore,
  NOSCRIPT,
  READONLY,
  rdbTypeFacts,
  timeoutMillisecondsArgument,
  timeoutSecondsArgument,
  UNBLOCKED_ROLE_CHANGE_ERROR,
  waitForKeys,
  WRITE,
} from '@understudy/core/internal'
import { clientCommandFamilies } from '@understudy/net/internal'
import type { RawClient } from '../../support/raw-client.ts'
import { RawClient as Raw } from '../../support/raw-client.ts'
import { startRedisServer } from '../../support/redis-server.ts'
import { startToyServer, type ToyServer } from '../../support/toy-server.ts'
import { waitFor } from '../../support/wait-for.ts'
import { itOfReference } from '../../support/reference.ts'

const typeName = ({ keyspace }: CommandContext): string | undefined => rdbTypeFacts(keyspace.entry.rdbType)?.typeName

function take(context: CommandContext, index: number): boolean {
  if (!findForWrite(context, index) || typeName(context) !== 'list') return false
  const key = argBytes(context.args, index)
  deleteFound(context, index)
  context.reply.array(2)
  context.reply.bulk(key, 0, key.length)
  context.reply.bulkString('taken')
  return true
}

/** Counts tries, to see who is tried and who is not. */
let tries = 0

function look(context: CommandContext, index: number): boolean {
  tries++
  if (!findForRead(context, index) || typeName(context) !== 'stream') return false
  context.reply.bulk(context.args.bytes, context.args.start[index]!, context.args.end[index]!)
  return true
}

function keysOf(context: CommandContext, last: number): number[] {
  const keys: number[] = []
  for (let i = 1; i < last; i++) keys.push(i)
  return keys
}

const timedOut = (context: ReadContext): void => context.reply.nullArray()

const table: CommandTable = {
  TAKE: {
    arity: -3,
    flags: WRITE | NOSCRIPT | BLOCKING,
    keys: [1, -2, 1],
    since: '1.0.0',
    group: 'list',
    summary: 'Takes a list.',
    run: (context) => {
      const last = context.args.count - 1
      const timeoutMs = timeoutSecondsArgument(context, last)
      if (timeoutMs === undefined) return
      const keys = keysOf(context, last)
      for (const index of keys) if (take(context, index)) return
      waitForKeys(context, { awaitedType: 'list', keys, timeoutMs, retry: take, timedOut })
    },
  },
  LOOK: {
    arity: -3,
    flags: READONLY | NOSCRIPT | BLOCKING,
    keys: [1, -2, 1],
    since: '1.0.0',
    group: 'stream',
    summary: 'Looks at a stream.',
    run: (context) => {
      const last = context.args.count - 1
      const timeoutMs = timeoutMillisecondsArgument(context, last)
      if (timeoutMs === undefined) return
      const keys = keysOf(context, last)
      for (const index of keys) if (look(context, index)) return
      waitForKeys(context, { awaitedType: 'stream', keys, timeoutMs, retry: look, timedOut })
    },
  },
  GROUP: {
    arity: 2,
    flags: WRITE | NOSCRIPT | BLOCKING,
    keys: [1, 1, 1],
    since: '1.0.0',
    group: 'stream',
    summary: 'Waits until a stream is gone.',
    run: (context) => {
      const retry: KeyWait['retry'] = (again, index) => {
        if (findForRead(again, index) && typeName(again) === 'stream') return false
        again.reply.error('UNBLOCKED the stream key no longer exists')
        return true
      }
      waitForKeys(context, { awaitedType: 'stream', keys: [1], timeoutMs: 0, triesWithout: true, retry, timedOut })
    },
  },
}

let toy: ToyServer
let list: Buffer
let stream: Buffer
let admin: RawClient
const clients: RawClient[] = []

async function client(): Promise<RawClient> {
  const made = await Raw.connect({ port: toy.port })
  clients.push(made)
  return made
}

/** A connection whose command waits. */
async function waiting(...command: string[]): Promise<RawClient & { id: number }> {
  const made = await client()
  const id = Number(await made.call('CLIENT', 'ID'))
  made.send(`${command.join(' ')}\r\n`)
  await waitFor('the wait', () => toy.server.sessions.get(id)?.blocked !== undefined)
  return Object.assign(made, { id })
}

/** A round trip: whatever was due to `waiter` before has arrived after it. */
async function silent(waiter: RawClient): Promise<void> {
  await admin.call('PING')
  await new Promise((resolve) => setTimeout(resolve, 10))
  expect(waiter.received().toString()).toBe('')
}

beforeAll(async () => {
  const redis = await startRedisServer()
  await redis.call('RPUSH', 'l', 'a')
  await redis.call('XADD', 's', '1-1', 'f', 'v')
  const raw = await redis.raw()
  list = (await raw.callBinary('DUMP', 'l')) as Buffer
  stream = (await raw.callBinary('DUMP', 's')) as Buffer
  await redis.stop()
})

beforeEach(async () => {
  const keyspace = new Keyspace({ databaseCount: 16 })
  const memory = (): never => {
    throw new Error('not asked')
  }
  const families = [
    ...clientCommandFamilies(),
    ...dataCommandFamilies({ libraries: new LibraryStore(), memory }),
    table,
  ]
  toy = await startToyServer({}, { families, keyspace })
  admin = await client()
})

afterEach(async () => {
  for (const made of clients.splice(0)) made.close()
  await toy.server.close()
})

const push = (key: string): Promise<unknown> => admin.call('RESTORE', key, '0', list)
const addStream = (key: string): Promise<unknown> => admin.call('RESTORE', key, '0', stream, 'REPLACE')

describe('what ends a wait', () => {
  it.each<[string, () => Promise<unknown>]>([
    ['a new key', () => push('k')],
    ['RENAME', async () => (await push('other')) && admin.call('RENAME', 'other', 'k')],
    ['RENAMENX', async () => (await push('other')) && admin.call('RENAMENX', 'other', 'k')],
    ['COPY', async () => (await push('other')) && admin.call('COPY', 'other', 'k')],
    [
      'MOVE',
      async () => {
        await admin.call('SELECT', '3')
        await push('k')
        await admin.call('MOVE', 'k', '0')
      },
    ],
    [
      'SWAPDB',
      async () => {
        await admin.call('SELECT', '3')
        await push('k')
        await admin.call('SWAPDB', '0', '3')
      },
    ],
    [
      'a key of another type that is overwritten',
      async () => {
        await admin.call('SET', 'k', 'v')
        await admin.call('RESTORE', 'k', '0', list, 'REPLACE')
      },
    ],
  ])('%s', async (_name, act) => {
    const waiter = await waiting('TAKE', 'k', '0')
    await act()
    expect(await waiter.readReply()).toEqual(['k', 'taken'])
    expect(await admin.call('EXISTS', 'k')).toBe(0)
    expect(await waiter.call('PING')).toBe('PONG')
    expect(toy.server.blockedKeys.active).toBe(false)
  })

  it('a new generation', async () => {
    const waiter = await waiting('TAKE', 'k', '0')
    const { keyspace } = toy.server
    const next = new Keyspace({ databaseCount: 16, hashSeed: keyspace.hashSeed })
    const bytes = Buffer.from('k')
    next.begin()
    next.put(0, bytes, 0, 1, 18, 0, list, 1, list.length - 10, -1)
    next.end()
    keyspace.begin()
    keyspace.swapGeneration(next.generation)
    keyspace.end()
    expect(await waiter.readReply()).toEqual(['k', 'taken'])
  })

  it('keys of other types, other keys and other databases do not', async () => {
    const waiter = await waiting('TAKE', 'k', '0')
    await admin.call('SET', 'k', 'v')
    await push('kk')
    await admin.call('DEL', 'k')
    await addStream('k')
    await admin.call('SELECT', '1')
    await push('k')
    await silent(waiter)
    expect(await admin.call('CLIENT', 'UNBLOCK', String(waiter.id))).toBe(1)
    expect(await waiter.readReply()).toBeNull()
  })

  it('the time-out, with the null of the protocol', async () => {
    const waiter = await client()
    expect(await waiter.callExact('TAKE', 'k', '0.02')).toBe('*-1\r\n')
    await waiter.call('HELLO', '3')
    expect(await waiter.callExact('TAKE', 'k', '0.02')).toBe('_\r\n')
    expect(await waiter.callExact('LOOK', 'k', '20')).toBe('_\r\n')
  })

  it('CLIENT UNBLOCK', async () => {
    const waiter = await waiting('TAKE', 'k', '0')
    expect(await admin.call('CLIENT', 'UNBLOCK', String(waiter.id), 'ERROR')).toBe(1)
    expect((await waiter.readReplyBytes()).toString()).toBe('-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n')
    expect(await admin.call('CLIENT', 'UNBLOCK', String(waiter.id))).toBe(0)
    waiter.send('TAKE k 0\r\n')
    await waitFor('the wait', () => toy.server.blockedKeys.active)
    expect(await admin.call('CLIENT', 'UNBLOCK', String(waiter.id), 'TIMEOUT')).toBe(1)
    expect((await waiter.readReplyBytes()).toString()).toBe('*-1\r\n')
  })

  it('the end of the connection: nothing is taken for it', async () => {
    const first = await waiting('TAKE', 'k', '0')
    const second = await waiting('TAKE', 'k', '0')
    const third = await waiting('TAKE', 'k', '0')
    first.close()
    await waitFor('the end', () => toy.server.sessions.get(first.id) === undefined)
    expect(await admin.call('CLIENT', 'KILL', 'ID', String(second.id))).toBe(1)
    await push('k')
    expect(await third.readReply()).toEqual(['k', 'taken'])
  })

  it('the end of a connection whose pipeline had used up its turn before it waited', async () => {
    toy.server.settings.turnMsMax = 0
    const waiter = await client()
    const id = Number(await waiter.call('CLIENT', 'ID'))
    waiter.send('KEYS x\r\nKEYS x\r\nTAKE k 0\r\nPING\r\n')
    await waitFor('the wait', () => toy.server.sessions.get(id)?.blocked !== undefined)
    waiter.close()
    await waitFor('the end', () => !toy.server.sessions.has(id))
    expect(toy.server.blockedKeys.active).toBe(false)
  })

  it('a change of role: an error, and the connection is closed', async () => {
    const waiter = await waiting('TAKE', 'k', '0')
    toy.server.unblockAll(UNBLOCKED_ROLE_CHANGE_ERROR)
    expect((await waiter.readToEnd()).toString()).toBe(`-${UNBLOCKED_ROLE_CHANGE_ERROR}\r\n`)
    await push('k')
    expect(await admin.call('EXISTS', 'k')).toBe(1)
  })
})

describe('order', () => {
  it('who began to wait first is served first', async () => {
    const waiters = [
      await waiting('TAKE', 'k', '0'),
      await waiting('TAKE', 'a', 'k', '0'),
      await waiting('TAKE', 'k', '0'),
    ]
    for (const [i, waiter] of waiters.entries()) {
      await push('k')
      expect(await waiter.readReply()).toEqual(['k', 'taken'])
      for (const later of waiters.slice(i + 1)) expect(later.received().length).toBe(0)
    }
    expect(toy.server.blockedKeys.active).toBe(false)
  })

  it('after a transaction, for the keys in the order of their changes', async () => {
    const waiter = await waiting('TAKE', 'a', 'b', '0')
    await admin.pipeline([['MULTI'], ['RESTORE', 'b', '0', list], ['RESTORE', 'a', '0', list], ['EXEC']])
    expect(await waiter.readReply()).toEqual(['b', 'taken'])
    expect(await admin.call('EXISTS', 'a')).toBe(1)
  })

  it('what a transaction adds and removes is never seen', async () => {
    const waiter = await waiting('TAKE', 'k', '0')
    await admin.pipeline([['MULTI'], ['RESTORE', 'k', '0', list], ['DEL', 'k'], ['EXEC']])
    await silent(waiter)
    await push('k')
    expect(await waiter.readReply()).toEqual(['k', 'taken'])
  })

  it('the same key twice', async () => {
    const waiter = await waiting('TAKE', 'k', 'k', '0')
    await push('k')
    expect(await waiter.readReply()).toEqual(['k', 'taken'])
    expect(toy.server.blockedKeys.active).toBe(false)
  })

  it('the rest of a pipeline waits, and runs then', async () => {
    const waiter = await waiting('TAKE', 'k', '0')
    waiter.send('SET after 1\r\nGET after\r\n')
    await silent(waiter)
    expect(await admin.call('EXISTS', 'after')).toBe(0)
    await push('k')
    expect(await waiter.readReply()).toEqual(['k', 'taken'])
    expect(await waiter.readReply()).toBe('OK')
    expect(await waiter.readReply()).toBe('1')
  })

  it('several waiters served in the turn of one pipeline; its own replies stay its own', async () => {
    const waiters = [await waiting('TAKE', 'a', '0'), await waiting('TAKE', 'b', '0'), await waiting('LOOK', 'c', '0')]
    const replies = await admin.pipeline([
      ['PING', '1'],
      ['RESTORE', 'a', '0', list],
      ['PING', '2'],
      ['RESTORE', 'b', '0', list],
      ['RESTORE', 'c', '0', stream],
      ['EXISTS', 'a', 'b', 'c'],
    ])
    expect(replies).toEqual(['1', 'OK', '2', 'OK', 'OK', 1])
    expect(await waiters[0]!.readReply()).toEqual(['a', 'taken'])
    expect(await waiters[1]!.readReply()).toEqual(['b', 'taken'])
    expect(await waiters[2]!.readReply()).toBe('c')
  })
})

describe('who waits', () => {
  it('nobody inside of MULTI', async () => {
    expect(await admin.pipeline([['MULTI'], ['TAKE', 'k', '0'], ['LOOK', 'k', '0'], ['EXEC']])).toEqual([
      'OK',
      'QUEUED',
      'QUEUED',
      [null, null],
    ])
  })

  it('is shown: flags, cmd, blocked_clients, clients_in_timeout_table', async () => {
    const waiter = await waiting('TAKE', 'k', '100')
    await waiting('TAKE', 'k', '0')
    const line = String(await admin.call('CLIENT', 'LIST', 'ID', String(waiter.id)))
    expect(line).toContain(' flags=b ')
    expect(line).toContain(' cmd=take ')
    const info = String(await admin.call('INFO', 'clients'))
    expect(info).toContain('blocked_clients:2')
    expect(info).toContain('clients_in_timeout_table:1')
  })

  it('hears of the end of its key when it asks for that', async () => {
    await addStream('s')
    const waiter = await waiting('GROUP', 's')
    await addStream('s')
    await silent(waiter)
    await admin.call('DEL', 's')
    expect(String(await waiter.readReply())).toContain('the stream key no longer exists')
    await addStream('s')
    const second = await waiting('GROUP', 's')
    await admin.call('SET', 's', 'v')
    expect(String(await second.readReply())).toContain('UNBLOCKED')
    await addStream('s')
    const third = await waiting('GROUP', 's')
    await admin.call('FLUSHALL')
    expect(String(await third.readReply())).toContain('UNBLOCKED')
  })

  it('is not tried when the key is gone again: one served waiter does not cost a try for each other', async () => {
    for (let i = 0; i < 20; i++) await waiting('LOOK', 'k', '0')
    tries = 0
    await admin.call('SET', 'k', 'v')
    await admin.call('DEL', 'k')
    await admin.call('SET', 'other', 'v')
    expect(tries).toBe(0)
    await addStream('k')
    await waitFor('all of them', () => !toy.server.blockedKeys.active)
    expect(tries).toBe(20)
  })

  it('a hundred thousand changes of other keys, and a reply off', async () => {
    const waiter = await waiting('TAKE', 'k', '0')
    const quiet = await client()
    const id = Number(await quiet.call('CLIENT', 'ID'))
    quiet.send('CLIENT REPLY OFF\r\nTAKE k2 0\r\n')
    await waitFor('the wait', () => toy.server.sessions.get(id)?.blocked !== undefined)
    await admin.pipeline(Array.from({ length: 1000 }, (_, i) => ['SET', `k${i + 10}`, 'v']))
    await push('k2')
    await push('k')
    expect(await waiter.readReply()).toEqual(['k', 'taken'])
    quiet.send('CLIENT REPLY ON\r\n')
    expect(await quiet.readReply()).toBe('OK')
    expect(await admin.call('EXISTS', 'k2')).toBe(0)
  })
})

describe('time-outs as arguments', () => {
  itOfReference('are read as redis reads them', async () => {
    const redis = await startRedisServer()
    const theirs = await redis.raw()
    for (const text of [
      'x',
      '-1',
      '-0.0001x',
      '1e400',
      'inf',
      '-inf',
      'nan',
      '9223372036854775807',
      '1e15x',
      '',
      ' 1',
    ]) {
      const expected = await theirs.callExact('BLPOP', 'k', text)
      expect(await admin.callExact('TAKE', 'k', text), text).toBe(expected)
    }
    for (const text of ['x', '-1', '0.5', '9223372036854775808', '']) {
      const expected = await theirs.callExact('XREAD', 'BLOCK', text, 'STREAMS', 'k', '0')
      expect(await admin.callExact('LOOK', 'k', text), text).toBe(expected)
    }
    await redis.stop()
    // These wait for ever, or nearly so.
    await waiting('TAKE', 'k', '-0.0001')
    await waiting('TAKE', 'k', '9223372036854774')
    await waiting('LOOK', 'k', '9223372036854775807')
  })
})
