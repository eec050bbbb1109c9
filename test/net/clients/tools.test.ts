/** The tools and libraries people use, unchanged, against a server with a few toy commands. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { redisBinaries } from '../../support/redis-server.ts'
import { startToyServer, type ToyServer } from '../../support/toy-server.ts'
import { waitFor } from '../../support/wait-for.ts'

const run = promisify(execFile)
let toy: ToyServer
let locked: ToyServer

beforeAll(async () => {
  toy = await startToyServer()
  locked = await startToyServer({ requirepass: 'p\xe4ss' })
})

afterAll(async () => {
  await Promise.all([toy.server.close(), locked.server.close()])
})

async function cli(...args: string[]): Promise<string> {
  const { cli: binary } = await redisBinaries()
  const { stdout } = await run(binary, ['-p', String(toy.port), ...args])
  return stdout.trimEnd()
}

test('redis-cli, RESP2 and RESP3', async () => {
  expect(await cli('SET', 'a', 'b c')).toBe('OK')
  expect(await cli('GET', 'a')).toBe('b c')
  expect(await cli('-3', 'GET', 'a')).toBe('b c')
  expect(await cli('-n', '3', 'CLIENT', 'INFO')).toMatch(/db=3/)
  expect(await cli('INFO', 'server')).toMatch(/redis_version:7/)
  expect(await cli('COMMAND', 'DOCS', 'get')).toMatch(/summary/)
  expect(await cli('CLIENT', 'HELP')).toMatch(/KILL/)
  expect(await cli('-e', 'NOPE').catch((error: unknown) => String(error))).toMatch(/unknown command/)
})

test('redis-benchmark, pipelined and inline', async () => {
  const { benchmark } = await redisBinaries()
  const { stdout } = await run(benchmark, [
    '-p',
    String(toy.port),
    '-q',
    '-n',
    '20000',
    '-P',
    '16',
    '-t',
    'ping,set,get',
  ])
  for (const name of ['PING_INLINE', 'PING_MBULK', 'SET', 'GET']) {
    expect(stdout).toMatch(new RegExp(`${name}: [\\d.]+ requests per second`))
  }
})

test.each([2, 3] as const)('ioredis, RESP%i', async (protocol) => {
  const options = { port: toy.port, protocol, connectionName: 'io', db: 2, lazyConnect: true }
  const redis = new Redis(options)
  const subscriber = new Redis(options)
  await Promise.all([redis.connect(), subscriber.connect()])
  try {
    await redis.set('k', 'v')
    expect(await redis.get('k')).toBe('v')
    expect(await redis.multi().set('n', '1').incr('n').get('n').exec()).toEqual([
      [null, 'OK'],
      [null, 2],
      [null, '2'],
    ])
    const messages: string[] = []
    subscriber.on('message', (channel, message) => messages.push(`${channel}:${message}`))
    await subscriber.subscribe('news')
    await redis.publish('news', 'hello')
    await waitFor('a message', () => messages.length === 1)
    expect(messages).toEqual(['news:hello'])
    expect(await redis.client('GETNAME')).toBe('io')
    const replies = await Promise.all(Array.from({ length: 2000 }, (_, i) => redis.set(`k${i}`, String(i))))
    expect(new Set(replies)).toEqual(new Set(['OK']))
  } finally {
    redis.disconnect()
    subscriber.disconnect()
  }
})

test.each([
  ['RESP3', {}],
  ['RESP2', { RESP: 2 as const }],
  ['readonly', { readonly: true }],
])('node-redis, %s', async (_name, more) => {
  const redis = createClient({
    socket: { host: '127.0.0.1', port: toy.port, reconnectStrategy: false },
    name: 'nr',
    ...more,
  })
  redis.on('error', () => {}) // the commands' promises tell
  await redis.connect()
  const subscriber = redis.duplicate()
  subscriber.on('error', () => {})
  await subscriber.connect()
  try {
    await redis.set('k', 'v')
    expect(await redis.get('k')).toBe('v')
    expect(await redis.multi().set('a', '1').get('a').exec()).toEqual(['OK', '1'])
    const messages: string[] = []
    await subscriber.subscribe('news', (message) => {
      messages.push(message)
    })
    await redis.publish('news', 'hello')
    await waitFor('a message', () => messages.length === 1)
    expect(messages).toEqual(['hello'])
    expect(await redis.clientGetName()).toBe('nr')
  } finally {
    redis.destroy()
    subscriber.destroy()
  }
})

test('passwords that are not ASCII', async () => {
  const password = Buffer.from(locked.server.settings.requirepass, 'latin1')
  const redis = new Redis({ port: locked.port, protocol: 2, lazyConnect: true, enableReadyCheck: false })
  await redis.connect()
  try {
    await expect(redis.get('x')).rejects.toThrow(/NOAUTH/)
    expect(await redis.call('AUTH', password)).toBe('OK')
    expect(await redis.get('x')).toBe(null)
  } finally {
    redis.disconnect()
  }
})
