/** What readers inside of the process see of the life of a node. */
import { KeyspaceReader } from '@understudy/core/internal'
import type { UnderstudyServer } from '@understudy/net/internal'
import { afterEach, expect, it } from 'vitest'
import { embeddedServer } from '../../support/embedded-server.ts'
import { FakePrimary } from '../../support/fake-primary.ts'
import { freePort } from '../../support/free-port.ts'
import { encodeCommand, RawClient } from '../../support/raw-client.ts'
import { waitFor } from '../../support/wait-for.ts'

const notReady = expect.objectContaining({ code: 'NOT_READY', retryable: true })

const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

function openReader(server: UnderstudyServer): KeyspaceReader {
  const reader = new KeyspaceReader(server.readers.attach())
  cleanups.push(async () => reader.close())
  return reader
}

it('a replica that was never synced is not ready, and is again not while its data were dropped for a resync', async () => {
  const primary = await FakePrimary.start()
  cleanups.push(() => primary.stop())
  primary.misbehave({ phase: 'snapshot', atByte: 12, fault: 'stall' })
  const server = await embeddedServer((config) => {
    config.assign('replicaof', { host: '127.0.0.1', port: primary.port })
    config.assign('repl-diskless-load', 'flush-before-load')
  })
  const reader = openReader(server)
  expect(() => reader.get('a')).toThrow(notReady)
  await server.start()
  await waitFor('the first snapshot to begin', () => server.link.state.name === 'receiving')
  expect(() => reader.get('a')).toThrow(notReady)
  expect([reader.offset, reader.lagMs]).toEqual([0, Number.POSITIVE_INFINITY])
  server.link.reconnect('the test does not wait')
  primary.feed(encodeCommand('SET', 'a', '1'))
  await waitFor('the stream', () => server.link.getStatus().appliedOffset === primary.offset)
  expect(reader.get('a')).toBe('1')
  expect(reader.offset).toBe(primary.offset)
  // As long as the snapshot has not begun, the old data are data.
  server.link.history.resumable = false
  primary.misbehave({ phase: 'snapshot', atByte: 12, fault: 'stall' })
  server.link.reconnect('another history')
  expect(reader.get('a')).toBe('1')
  await waitFor('the second snapshot to begin', () => server.link.state.name === 'receiving')
  expect(() => reader.get('a')).toThrow(notReady)
  server.link.reconnect('the test does not wait')
  await waitFor('the stream', () => server.link.getStatus().appliedOffset === primary.offset && server.hasData)
  expect(reader.get('a')).toBe('1')
})

it('a primary is ready as soon as it has started', async () => {
  const server = await embeddedServer()
  const reader = openReader(server)
  expect(() => reader.get('a')).toThrow(notReady)
  await server.start()
  expect(reader.get('a')).toBeUndefined()
  // A transaction, like REPLICAOF in it, is one unit.
  server.keyspace.begin()
  server.hasData = false
  server.updateState()
  server.keyspace.end()
  expect(() => reader.get('a')).toThrow(notReady)
})

it('a primary that nobody follows has an id and a position, and before its first read a reader knows of neither', async () => {
  const server = await embeddedServer()
  const reader = openReader(server)
  await server.start()
  expect(reader.lagMs).toBe(Number.POSITIVE_INFINITY)
  expect(reader.get('a')).toBeUndefined()
  expect(reader.lagMs).toBeLessThan(60_000)
  expect(reader.replid).toBe(server.link.history.replid)
})

it('the id of the history is that of now when it begins with the first replica, and when it ends', async () => {
  const port = await freePort()
  const server = await embeddedServer((config) => {
    config.assign('port', port)
    config.assign('repl-backlog-ttl', 1)
  })
  const reader = openReader(server)
  await server.start()
  const { history } = server.link
  const replica = await RawClient.connect({ port })
  replica.send(encodeCommand('PSYNC', '?', -1))
  await waitFor('the replica', () => server.below.isBacklogActive)
  expect(reader.replid).toBe(history.replid)
  replica.close()
  await waitFor('the end of the history', () => !server.below.isBacklogActive)
  expect(reader.replid).toBe(history.replid)
})
