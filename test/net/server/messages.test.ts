/** Messages beside a redis-server: published at the primary, they reach the subscribers of its replicas alike. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { untilEqualOffsets } from '../../support/compare-datasets.ts'
import { encodeCommand, type RawClient } from '../../support/raw-client.ts'
import { startRedisServer } from '../../support/redis-server.ts'
import type { TestServer } from '../../support/test-server.ts'
import { startUnderstudy } from '../../support/understudy-server.ts'
import { waitFor } from '../../support/wait-for.ts'

let primary: TestServer
let theirs: TestServer
let ours: TestServer

beforeAll(async () => {
  primary = await startRedisServer()
  const directives = { replicaof: ['127.0.0.1', primary.port] }
  ;[theirs, ours] = await Promise.all([startRedisServer({ directives }), startUnderstudy({ directives })])
  for (const replica of [theirs, ours]) {
    await waitFor('the link', async () => (await replica.info('replication'))['master_link_status'] === 'up')
  }
})

afterAll(async () => {
  await Promise.all([theirs?.stop(), ours?.stop()])
  await primary?.stop()
})

const words = (step: string): Buffer => encodeCommand(...step.split(' '))

/** All bytes a subscriber of each replica gets while the primary runs the commands. */
async function heard(resp: 2 | 3, subscribe: readonly string[], onPrimary: readonly string[]): Promise<string[]> {
  const clients: RawClient[] = []
  for (const replica of [theirs, ours]) {
    const client = await replica.raw()
    await client.call('HELLO', resp)
    for (const step of subscribe) {
      client.send(words(step))
      await client.readReplyBytes()
    }
    clients.push(client)
  }
  const writer = await primary.raw()
  for (const step of onPrimary) await writer.callExact(...step.split(' '))
  writer.close()
  await untilEqualOffsets(primary, theirs)
  await untilEqualOffsets(primary, ours)
  const seen: string[] = []
  for (const client of clients) {
    client.send(words('QUIT'))
    seen.push((await client.readToEnd()).toString('latin1'))
  }
  return seen
}

describe.each([2, 3] as const)('messages of the stream, RESP%i', (resp) => {
  it.each<[string, string[], string[]]>([
    ['channels', ['SUBSCRIBE a', 'SUBSCRIBE b'], ['PUBLISH a 1', 'PUBLISH b 2', 'PUBLISH c 3', 'PUBLISH a 4']],
    ['patterns', ['PSUBSCRIBE n?ws.*'], ['PUBLISH news.x 1', 'PUBLISH newss.x 2', 'PUBLISH nows. 3']],
    ['both at once', ['SUBSCRIBE ab', 'PSUBSCRIBE a*'], ['PUBLISH ab 1', 'PUBLISH ac 2']],
    ['shard channels', ['SSUBSCRIBE s', 'SUBSCRIBE s'], ['SPUBLISH s 1', 'PUBLISH s 2', 'SPUBLISH t 3']],
    ['in a transaction', ['SUBSCRIBE a'], ['MULTI', 'PUBLISH a 1', 'SET k v', 'PUBLISH a 2', 'EXEC']],
    [
      'from a script',
      ['SUBSCRIBE a'],
      ["EVAL return(redis.call('publish','a','1')) 0", "EVAL redis.call('publish','a','2') 0"],
    ],
    ['from another database', ['SUBSCRIBE a'], ['SELECT 5', 'PUBLISH a 1', 'SET k v', 'PUBLISH a 2']],
  ])('%s', async (_name, subscribe, onPrimary) => {
    const [expected, seen] = await heard(resp, subscribe, onPrimary)
    expect(seen).toBe(expected)
    expect(expected).toContain('message')
  })
})

describe('on the replica itself', () => {
  it('PUBLISH reaches its own subscribers only, and counts them', async () => {
    const subscriber = await ours.raw()
    await subscriber.call('SUBSCRIBE', 'c')
    const above = await primary.raw()
    await above.call('SUBSCRIBE', 'c')
    expect(await ours.call('PUBLISH', 'c', 'm')).toBe(1)
    expect(await subscriber.readReply()).toEqual(['message', 'c', 'm'])
    await primary.call('PING')
    expect(above.received().length).toBe(0)
    expect(await primary.call('PUBLISH', 'c', 'n')).toBe(1)
    expect(await subscriber.readReply()).toEqual(['message', 'c', 'n'])
    subscriber.close()
    above.close()
  })

  it('what a subscribed connection of RESP2 may do', async () => {
    const steps = [
      ['SUBSCRIBE a', 'PING', 'PING hello', 'GET k', 'MULTI', 'EXEC', 'PUBLISH a m', 'CLIENT ID', 'INFO', 'ECHO x'],
      ['HELLO 3', 'SELECT 1', 'NOPE', 'PING a b', 'SUBSCRIBE', 'PSUBSCRIBE p', 'SSUBSCRIBE s', 'PUBSUB NUMPAT'],
      ['UNSUBSCRIBE nope', 'UNSUBSCRIBE', 'PUNSUBSCRIBE', 'PING', 'GET k', 'SUNSUBSCRIBE', 'PING', 'GET k'],
      ['PSUBSCRIBE x', 'RESET', 'GET k', 'QUIT'],
    ].flat()
    const answers: string[] = []
    for (const server of [theirs, ours]) {
      const client = await server.raw()
      client.send(Buffer.concat(steps.map(words)))
      answers.push((await client.readToEnd()).toString('latin1'))
    }
    expect(answers[1]).toBe(answers[0])
    expect(answers[0]).toContain("Can't execute 'get'")
  })

  it('PUBSUB, CLIENT LIST and INFO tell of subscribers', async () => {
    const answers: unknown[] = []
    for (const server of [theirs, ours]) {
      const client = await server.raw()
      for (const step of ['SUBSCRIBE a', 'SUBSCRIBE b', 'PSUBSCRIBE p*', 'SSUBSCRIBE s']) {
        client.send(words(step))
        await client.readReply()
      }
      const seen: unknown[] = []
      for (const step of [
        ['PUBSUB CHANNELS', 'PUBSUB CHANNELS a*', 'PUBSUB NUMSUB a none', 'PUBSUB NUMSUB', 'PUBSUB NUMPAT'],
        ['PUBSUB SHARDCHANNELS', 'PUBSUB SHARDCHANNELS x*', 'PUBSUB SHARDNUMSUB s none'],
      ].flat()) {
        const reply = await server.call(...step.split(' '))
        seen.push(Array.isArray(reply) && step === 'PUBSUB CHANNELS' ? reply.map(String).toSorted() : reply)
      }
      const list = String(await server.call('CLIENT', 'LIST', 'TYPE', 'PUBSUB'))
      seen.push(/flags=\S+|$/.exec(list)![0], /sub=\d+ psub=\d+ ssub=\d+/.exec(list)![0])
      const info = await server.info('stats')
      seen.push(info['pubsub_channels'], info['pubsub_patterns'])
      client.close()
      answers.push(seen)
    }
    expect(answers[1]).toEqual(answers[0])
  })

  it('a subscriber that does not read is dropped at client-output-buffer-limit pubsub', async () => {
    await ours.call('CONFIG', 'SET', 'client-output-buffer-limit', 'pubsub 1mb 0 0')
    const subscriber = await ours.raw()
    await subscriber.call('SUBSCRIBE', 'flood')
    subscriber.socket.pause()
    const message = Buffer.alloc(256 * 1024)
    for (let i = 0; i < 80; i++) await primary.call('PUBLISH', 'flood', message)
    await waitFor('nobody listens', async () => {
      const [, count] = (await ours.call('PUBSUB', 'NUMSUB', 'flood')) as [string, number]
      return count === 0
    })
    await ours.waitForLine(/overcoming of output buffer limits/)
    subscriber.close()
  })
})
