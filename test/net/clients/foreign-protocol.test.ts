/** HTTP that is sent to this port ends the connection: neither its body nor a reply of what came before is let through. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RawClient } from '../../support/raw-client.ts'
import { startRedisServer } from '../../support/redis-server.ts'
import type { TestServer } from '../../support/test-server.ts'
import { startUnderstudy } from '../../support/understudy-server.ts'
import { startToyServer } from '../../support/toy-server.ts'

const REQUESTS: readonly string[] = [
  'POST / HTTP/1.1\r\nSET http 1\r\n',
  'post / HTTP/1.1\r\nSET http 1\r\n',
  'GET\r\nhost: 127.0.0.1:6379\r\nSET http 1\r\n',
  '"POST" /\r\nSET http 1\r\n',
  'MULTI\r\nPING\r\nPOST\r\nEXEC\r\n',
  '*1\r\n$4\r\nPOST\r\nSET http 1\r\n',
  '*1\r\n$5\r\nHost:\r\nSET http 1\r\n',
]

async function answers(port: number): Promise<string[]> {
  const texts: string[] = []
  for (const request of REQUESTS) {
    const client = await RawClient.connect({ port })
    client.send(request)
    texts.push((await client.readToEnd()).toString('latin1'))
    client.close()
  }
  const client = await RawClient.connect({ port })
  texts.push(await client.callExact('EXISTS', 'http'), await client.callExact('Host'), await client.callExact('POSTS'))
  client.close()
  return texts
}

describe.each([1, 2])('with io-threads %d', (threads) => {
  let redis: TestServer
  let ours: TestServer

  beforeAll(async () => {
    ;[redis, ours] = await Promise.all([startRedisServer(), startUnderstudy({ directives: { 'io-threads': threads } })])
  })

  afterAll(async () => {
    await Promise.all([redis?.stop(), ours?.stop()])
  })

  test('the connection ends as that of redis-server does', async () => {
    const [theirs, own] = await Promise.all([answers(redis.port), answers(ours.port)])
    if (threads === 1) expect(own).toEqual(theirs)
    // An I/O thread sends what it has answered before the link thread hears of the rest.
    else expect(own.slice(-3)).toEqual(theirs.slice(-3))
  })
})

test('the log tells of it once a minute', async () => {
  let nowMs = 0
  const clock = { monotonicMs: () => nowMs, wallMs: () => nowMs }
  const { server, port, log } = await startToyServer({}, { clock })
  const warnings = (): number => log.filter((line) => line.includes('Possible SECURITY ATTACK detected.')).length
  const post = async (): Promise<void> => {
    const client = await RawClient.connect({ port })
    client.send('POST\r\n')
    await client.readToEnd()
    client.close()
  }
  await post()
  await post()
  expect(warnings()).toBe(1)
  nowMs = 60_001
  await post()
  expect(warnings()).toBe(2)
  await server.close()
})
