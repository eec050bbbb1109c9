/** The clients people use, unchanged, against a replica with data and a live stream. */
import { spawn } from 'node:child_process'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fillDataset } from '../support/dataset.ts'
import { redisBinaries, startRedisServer } from '../support/redis-server.ts'
import type { TestServer } from '../support/test-server.ts'
import { startUnderstudy } from '../support/understudy-server.ts'
import { waitFor } from '../support/wait-for.ts'
import { caughtUp, linkIs } from './topology.ts'

const KEYS = 2000

let primary: TestServer
let replica: TestServer

beforeAll(async () => {
  primary = await startRedisServer()
  await fillDataset(primary.port, { seed: 11, keys: KEYS, databases: [0] })
  await primary.call('SET', 'greeting', 'hello')
  await primary.call('SET', 'bytes', Buffer.from([0, 255, 13, 10]))
  replica = await startUnderstudy({ directives: { replicaof: ['127.0.0.1', primary.port] } })
  await linkIs(replica, 'up')
  await caughtUp(primary, replica)
})
afterAll(async () => {
  await replica?.stop()
  await primary?.stop()
})

/** Runs a program that does not end by itself until it has printed enough. @returns what it printed. */
async function printedUntil(
  command: string,
  args: readonly string[],
  isEnough: (printed: string) => boolean,
): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => (printed += bytes.toString()))
  child.on('error', (error) => (printed += error.message))
  try {
    await waitFor('its output', () => isEnough(printed))
  } catch (error) {
    throw new Error(`it printed ${JSON.stringify(printed)}`, { cause: error })
  } finally {
    child.kill('SIGKILL')
  }
  return printed
}

describe('redis-cli', () => {
  it('plain, in RESP2 and RESP3', async () => {
    expect(await replica.cli(['GET', 'greeting'])).toBe('hello\n')
    expect(await replica.cli(['-3', 'GET', 'greeting'])).toBe('hello\n')
    expect(await replica.cli(['-3', 'CONFIG', 'GET', 'port'])).toContain(String(replica.port))
    expect(await replica.cli([], 'GET greeting\nDBSIZE\nNOSUCH\nSET a b\n')).toMatch(
      /^hello\n\d+\nERR unknown command 'NOSUCH'[^]*\nREADONLY /,
    )
    expect(await replica.cli(['INFO', 'replication'])).toContain('master_link_status:up')
  })

  it('--scan, with a pattern', async () => {
    const all = (await replica.cli(['--scan'])).split('\n')
    expect(new Set(all).size).toBeGreaterThan(KEYS * 0.95)
    const theirs = (await primary.cli(['--scan', '--pattern', 'zset:*'])).split('\n')
    const ours = (await replica.cli(['--scan', '--pattern', 'zset:*'])).split('\n')
    expect(ours.toSorted()).toEqual(theirs.toSorted())
  })

  it('--bigkeys sees every type', async () => {
    const printed = await replica.cli(['--bigkeys'])
    expect(printed).toContain(`Sampled ${await replica.cli(['DBSIZE'])}`.trim())
    for (const type of ['string', 'hash', 'list', 'set', 'zset', 'stream']) {
      expect(printed).toMatch(new RegExp(`\\d+ ${type}s? with \\d+`))
    }
  })

  it('--stat', async () => {
    const { cli } = await redisBinaries()
    const rowsOf = (text: string): string[] => text.split('\n').filter((line) => /^\d/.test(line))
    const args = ['-p', String(replica.port), '--stat', '-i', '0.01']
    const printed = await printedUntil(cli, args, (text) => rowsOf(text).length > 2)
    for (const row of rowsOf(printed).slice(0, 2)) expect(Number(/^\d+/.exec(row)![0])).toBeGreaterThan(KEYS)
  })

  it('--latency', async () => {
    const { cli } = await redisBinaries()
    // Not a terminal: one line of min, max, average and samples.
    const args = ['-p', String(replica.port), '--latency', '--raw', '-i', '1']
    const printed = await printedUntil(cli, args, (text) => text.endsWith('\n'))
    const [min, max, average, samples] = printed.trim().split(' ').map(Number)
    expect(samples).toBeGreaterThan(5)
    expect(average).toBeGreaterThanOrEqual(min!)
    expect(average).toBeLessThanOrEqual(max!)
  })

  it('interactive, with a transaction and a monitor', async () => {
    expect(await replica.cli([], 'MULTI\nGET greeting\nSTRLEN greeting\nEXEC\n')).toMatch(/hello\n5\n$/)
    const { cli } = await redisBinaries()
    const monitor = ['-p', String(replica.port), 'MONITOR']
    const asked = waitFor('the monitor', async () => / flags=O /.test(String(await replica.call('CLIENT', 'LIST'))))
    await Promise.all([
      printedUntil(cli, monitor, (text) => /"GET" "greeting"/.test(text)),
      asked.then(() => replica.call('GET', 'greeting')),
    ])
  })
})

describe('redis-benchmark', () => {
  it('-t get,ping at several pipelines, with threads', async () => {
    const { benchmark } = await redisBinaries()
    for (const more of [
      ['-P', '1'],
      ['-P', '16'],
      ['-P', '64', '--threads', '2'],
    ]) {
      const args = ['-p', String(replica.port), '-t', 'get,ping', '-n', '4000', '-c', '20', '--csv', ...more]
      const printed = await new Promise<string>((resolve, reject) => {
        const child = spawn(benchmark, args, { stdio: ['ignore', 'pipe', 'pipe'] })
        let out = ''
        for (const stream of [child.stdout, child.stderr])
          stream.on('data', (bytes: Buffer) => (out += bytes.toString()))
        child.on('error', reject)
        child.on('close', (code) => (code === 0 ? resolve(out) : reject(new Error(`exit code ${code}: ${out}`))))
      })
      for (const test of ['PING_INLINE', 'PING_MBULK', 'GET']) expect(printed).toMatch(new RegExp(`"${test}","\\d+`))
      expect(printed).not.toMatch(/WARN|rror/)
    }
  })
})

describe('ioredis', () => {
  it('as it comes, with readOnly, a name and a database', async () => {
    for (const options of [{}, { readOnly: true }, { connectionName: 'tester', db: 0 }, { protocol: 2 as const }]) {
      const client = replica.client(options)
      expect(await client.get('greeting')).toBe('hello')
      expect(client.status).toBe('ready')
      expect(await client.getBuffer('bytes')).toEqual(Buffer.from([0, 255, 13, 10]))
      client.disconnect()
    }
  })

  it('pipelines, transactions, scans, subscriptions', async () => {
    const client = replica.client()
    const pipeline = client.pipeline()
    for (let i = 0; i < 500; i++) pipeline.get('greeting').exists('greeting', 'nothing')
    const results = await pipeline.exec()
    expect(results).toHaveLength(1000)
    expect(results![998]).toEqual([null, 'hello'])
    expect(results![999]).toEqual([null, 1])
    expect(await client.multi().get('greeting').dbsize().exec()).toEqual([
      [null, 'hello'],
      [null, await client.dbsize()],
    ])
    const found = new Set<string>()
    for await (const keys of client.scanStream({ match: 'embstr:*', count: 200 })) {
      for (const key of keys as string[]) found.add(key)
    }
    expect(found.size).toBeGreaterThan(100)
    await expect(client.set('a', 'b')).rejects.toThrow(/^READONLY/)

    const subscriber = replica.client()
    const messages: string[] = []
    subscriber.on('message', (channel: string, message: string) => messages.push(`${channel} ${message}`))
    await subscriber.subscribe('news')
    await primary.call('PUBLISH', 'news', 'one')
    await client.publish('news', 'two')
    await waitFor('the messages', () => messages.length === 2)
    expect(messages.toSorted()).toEqual(['news one', 'news two'])
  })

  it('connects again after CLIENT KILL', async () => {
    const client = new Redis({ port: replica.port, host: '127.0.0.1', retryStrategy: () => 20 })
    client.on('error', () => {})
    const id = await client.client('ID')
    await replica.call('CLIENT', 'KILL', 'ID', String(id))
    await waitFor('another connection', async () => (await client.client('ID')) !== id)
    expect(await client.get('greeting')).toBe('hello')
    client.disconnect()
  })
})

describe('node-redis', () => {
  const VARIANTS: readonly [string, Parameters<typeof createClient>[0]][] = [
    ['as it comes', {}],
    ['readonly', { readonly: true }],
    ['RESP2, a name and a database', { RESP: 2, name: 'tester', database: 0 }],
    ['RESP2 and readonly', { RESP: 2, readonly: true }],
  ]
  for (const [name, options] of VARIANTS) {
    it(name, async () => {
      const client = createClient({
        ...options,
        socket: { port: replica.port, host: '127.0.0.1', reconnectStrategy: false },
      })
      client.on('error', () => {})
      await client.connect()
      try {
        expect(await client.get('greeting')).toBe('hello')
        expect(await client.mGet(['greeting', 'nothing'])).toEqual(['hello', null])
        expect(await Promise.all(Array.from({ length: 200 }, () => client.get('greeting')))).toHaveLength(200)
        expect(await client.multi().get('greeting').strLen('greeting').exec()).toEqual(['hello', 5])
        let count = 0
        for await (const keys of client.scanIterator({ MATCH: 'embstr:*', COUNT: 200 })) count += keys.length
        expect(count).toBeGreaterThan(100)
        await expect(client.set('a', 'b')).rejects.toThrow(/^READONLY/)
        expect((await client.info('replication')).includes('role:slave')).toBe(true)
      } finally {
        client.destroy()
      }
    })
  }
})
