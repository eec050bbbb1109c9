/** Arguments that fit a request but nothing behind it: no JavaScript string, no timer of Node. The server lives. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { encodeCommand, RawClient } from '../../support/raw-client.ts'
import { startToyServer, type ToyServer } from '../../support/toy-server.ts'

/** V8's longest string is 24 characters shorter. */
const BYTES = 2 ** 29

let toy: ToyServer

/** As `encodeCommand`, which takes as many words as a call takes arguments. */
function request(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`
}

beforeAll(async () => {
  toy = await startToyServer()
})
afterAll(() => toy.server.close())

it('a 512 MB argument where a text is wanted', { timeout: 60_000 }, async () => {
  const raw = await RawClient.connect({ port: toy.port, timeoutMs: 50_000 })
  raw.send(`*2\r\n$4\r\nINFO\r\n$${BYTES}\r\n`)
  raw.send(Buffer.alloc(BYTES, 120))
  raw.send('\r\n')
  // A section that nobody knows, as in Redis.
  expect(String(await raw.readReply())).toBe('')
  expect(await raw.call('PING')).toBe('PONG')
  raw.close()
})

it('MONITOR shows the first megabyte of an argument, and how much there was', async () => {
  const monitor = await RawClient.connect({ port: toy.port })
  expect(await monitor.call('MONITOR')).toBe('OK')
  const raw = await RawClient.connect({ port: toy.port })
  raw.send(encodeCommand('ECHO', 'y'.repeat(2 ** 20 + 5)))
  const line = await monitor.readLine()
  expect(line.length).toBeLessThan(2 ** 20 + 200)
  expect(line.slice(0, 100)).toContain(' "ECHO" "yyy')
  expect(line.slice(-40).trimEnd()).toMatch(/yyy\.\.\. \(5 more bytes\)"$/)
  raw.close()
  monitor.close()
})

it('WATCH of a key longer than a megabyte notices its change, and only that', async () => {
  const [watcher, writer] = [await RawClient.connect({ port: toy.port }), await RawClient.connect({ port: toy.port })]
  const key = 'k'.repeat(2 ** 20 + 1)
  for (const [changed, expected] of [
    [`${key}x`, ['PONG']],
    [key, null],
  ] as const) {
    expect(await watcher.call('WATCH', key)).toBe('OK')
    expect(await writer.call('SET', changed, '1')).toBe('OK')
    expect(await watcher.call('MULTI')).toBe('OK')
    expect(await watcher.call('PING')).toBe('QUEUED')
    expect(await watcher.call('EXEC')).toEqual(expected)
  }
  watcher.close()
  writer.close()
})

it('UNSUBSCRIBE of more channels than a call can have arguments', async () => {
  const raw = await RawClient.connect({ port: toy.port, timeoutMs: 20_000 })
  const channels = Array.from({ length: 200_000 }, (_, i) => String(i))
  raw.send(request(['SUBSCRIBE', ...channels]))
  for (const _ of channels) await raw.readReply()
  raw.send(encodeCommand('UNSUBSCRIBE'))
  for (const [i, channel] of channels.entries()) {
    expect(await raw.readReply()).toEqual(['unsubscribe', channel, channels.length - i - 1])
  }
  raw.close()
})

it('WAIT and CLIENT PAUSE longer than a timer can be are not over at once', async () => {
  const [waiter, other] = [await RawClient.connect({ port: toy.port }), await RawClient.connect({ port: toy.port })]
  waiter.send(encodeCommand('WAIT', '1', '99999999999'))
  expect(await other.call('CLIENT', 'PAUSE', '99999999999', 'WRITE')).toBe('OK')
  const writer = await RawClient.connect({ port: toy.port })
  writer.send(encodeCommand('SET', 'held', '1'))
  await sleep(100)
  expect(waiter.received()).toHaveLength(0)
  expect(writer.received()).toHaveLength(0)
  expect(await other.call('CLIENT', 'UNPAUSE')).toBe('OK')
  expect(await writer.readReply()).toBe('OK')
  for (const raw of [waiter, other, writer]) raw.close()
})
