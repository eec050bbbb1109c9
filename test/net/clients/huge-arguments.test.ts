/** Arguments that fit a request but no JavaScript string: an error reply, and the server lives. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { encodeCommand, RawClient } from '../../support/raw-client.ts'
import { startToyServer, type ToyServer } from '../../support/toy-server.ts'

/** V8's longest string is 24 characters shorter. */
const BYTES = 2 ** 29

let toy: ToyServer

beforeAll(async () => {
  toy = await startToyServer()
})
afterAll(() => toy.server.close())

it('a 512 MB argument where a text is wanted', { timeout: 60_000 }, async () => {
  const raw = await RawClient.connect({ port: toy.port, timeoutMs: 50_000 })
  raw.send(`*2\r\n$4\r\nINFO\r\n$${BYTES}\r\n`)
  raw.send(Buffer.alloc(BYTES, 120))
  raw.send('\r\n')
  expect(String(await raw.readReply())).toContain('ERR an argument or the reply is too long')
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
