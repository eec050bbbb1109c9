/** A server inside of another process: what it is between its start and its stop, and behind that. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KeyspaceReader } from '@understudy/core'
import type { Config } from '@understudy/net'
import { afterEach, describe, expect, it } from 'vitest'
import { embeddedServer } from '../../support/embedded-server.ts'
import { FakePrimary } from '../../support/fake-primary.ts'
import { freePort } from '../../support/free-port.ts'
import { encodeCommands, RawClient } from '../../support/raw-client.ts'
import { UNDERSTUDY_BIN } from '../../support/understudy-server.ts'
import { waitFor } from '../../support/wait-for.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

it('is started once, and is not up any more when it was stopped', async () => {
  const primary = await FakePrimary.start()
  cleanups.push(() => primary.stop())
  const server = await embeddedServer((config) => config.assign('replicaof', { host: '127.0.0.1', port: primary.port }))
  await server.start()
  await waitFor('the first sync', () => server.link.getStatus().isUp)
  await expect(server.start()).rejects.toThrow(/is started once/)
  await server.stop()
  expect(server.link.getStatus().isUp).toBe(false)
  await expect(server.start()).rejects.toThrow(/is started once/)
})

describe.each([1, 3])('with io-threads %i, stopped while it starts', (ioThreads) => {
  const stopped = expect.objectContaining({ code: 'NOT_READY', retryable: false })

  it('it listens nowhere, follows nobody, and says so to who has started it', async () => {
    const [port, primary] = [await freePort(), await FakePrimary.start()]
    cleanups.push(() => primary.stop())
    const listening = (config: Config): void => {
      config.assign('port', port)
      config.assign('io-threads', ioThreads)
    }
    const server = await embeddedServer((config) => {
      listening(config)
      config.assign('replicaof', { host: '127.0.0.1', port: primary.port })
    })
    const starting = server.start()
    await server.stop()
    await expect(starting).rejects.toEqual(stopped)
    expect(server.link.getStatus().state).toBe('none')
    const another = await embeddedServer(listening)
    await another.start()
    await another.stop()
  })

  it('it gives up its file', async () => {
    const port = await freePort()
    const directory = await mkdtemp(join(tmpdir(), 'understudy-test-'))
    cleanups.push(() => rm(directory, { recursive: true }))
    const onFile = (config: Config): void => {
      config.assign('dir', directory)
      config.assign('port', port)
      config.assign('io-threads', ioThreads)
    }
    const saving = await embeddedServer(onFile)
    await saving.start()
    saving.keyspace.inUnit(() => {
      for (let i = 0; i < 1000; i++)
        saving.keyspace.put(0, Buffer.from(`key:${1000 + i}`), 0, 8, 0, 0, Buffer.alloc(0), 0, 0, -1)
    })
    expect(saving.persistence.save()).toBe(true)
    await saving.stop()
    const server = await embeddedServer((config) => {
      onFile(config)
      config.assign('key-load-delay', 100_000)
    })
    const starting = server.start()
    await waitFor('the load', () => server.fileLoading !== undefined)
    await server.stop()
    await expect(starting).rejects.toEqual(stopped)
  })
})

it('gives no handles when it was stopped, and readers that are open go on with the data of then', async () => {
  const server = await embeddedServer()
  await server.start()
  server.keyspace.inUnit(() => server.keyspace.put(0, Buffer.from('a'), 0, 1, 0, 0, Buffer.from('b'), 0, 1, -1))
  const unopened = server.readers.attach()
  const reader = new KeyspaceReader(server.readers.attach())
  expect(reader.get('a')).toBe('b')
  await server.stop()
  const stopped = expect.objectContaining({ code: 'NOT_READY', retryable: false })
  expect(() => server.readers.attach()).toThrow(stopped)
  expect(() => new KeyspaceReader(unopened).get('a')).toThrow(stopped)
  expect(reader.get('a')).toBe('b')
  reader.close()
  await waitFor('the reader to be gone', () => !server.keyspace.counters.active)
})

it('saves beside another one in the same directory, each its own data', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'understudy-test-'))
  cleanups.push(() => rm(directory, { recursive: true }))
  const servers = await Promise.all(
    ['a', 'b'].map(async (name) => {
      const port = await freePort()
      const server = await embeddedServer((config) => {
        config.assign('port', port)
        config.assign('dir', directory)
        config.assign('dbfilename', `${name}.rdb`)
      })
      await server.start()
      const client = await RawClient.connect({ port })
      client.send(encodeCommands(Array.from({ length: 20_000 }, (_, i) => ['SET', `${name}:${i}`, 'x'.repeat(100)])))
      await waitFor('the keys', () => server.keyspace.size(0) === 20_000)
      client.close()
      return server
    }),
  )
  for (const { persistence } of servers) expect(persistence.saveInBackground()).toBe('started')
  for (const { persistence } of servers) {
    await waitFor('the file', () => !persistence.isSaving)
    expect(persistence.fault).toBe('')
  }
  for (const name of ['a', 'b']) {
    const restarted = await embeddedServer((config) => {
      config.assign('dir', directory)
      config.assign('dbfilename', `${name}.rdb`)
    })
    await restarted.start()
    const reader = new KeyspaceReader(restarted.readers.attach())
    cleanups.push(() => reader.close())
    expect([reader.exists('a:1'), reader.exists('b:1')]).toEqual(name === 'a' ? [1, 0] : [0, 1])
  }
})

it('has threads for clients only if it listens for them', async () => {
  const port = await freePort()
  for (const [directive, value, isListening] of [
    ['port', 0, false],
    ['port', port, true],
    ['unixsocket', 'socket', true],
  ] as const) {
    const server = await embeddedServer((config) => {
      config.assign('io-threads', 2)
      config.assign(directive, value)
    })
    expect([server.ioThreads !== undefined, server.keyspace.counters.active]).toEqual([isListening, isListening])
  }
})

it('says of a save that its end gives up that it was given up, and leaves nothing of it', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'understudy-test-'))
  cleanups.push(() => rm(directory, { recursive: true }))
  const lines: string[] = []
  const log = (line: string): void => void lines.push(line)
  const server = await embeddedServer(
    (config) => {
      config.assign('dir', directory)
      config.assign('rdb-key-save-delay', 100_000)
    },
    { logger: { debug: log, verbose: log, notice: log, warning: (line) => log(`# ${line}`) } },
  )
  await server.start()
  server.keyspace.inUnit(() => {
    for (let i = 0; i < 1000; i++)
      server.keyspace.put(0, Buffer.from(`key:${1000 + i}`), 0, 8, 0, 0, Buffer.alloc(0), 0, 0, -1)
  })
  expect(server.persistence.saveInBackground()).toBe('started')
  await waitFor('the file', async () => (await readdir(directory)).length > 0)
  await server.stop()
  await waitFor('the end of the save', () => !server.persistence.isSaving)
  expect([
    lines.filter((line) => /snapshot|aving/.test(line)),
    server.persistence.fault,
    await readdir(directory),
  ]).toEqual([['Background saving started', 'Background saving given up'], '', []])
})

it('draws where it is told, and on no terminal of its own accord', async () => {
  const primary = await FakePrimary.start()
  cleanups.push(() => primary.stop())
  primary.misbehave({ phase: 'snapshot', atByte: 12, fault: 'stall' })
  const drawn: string[] = []
  const server = await embeddedServer(
    (config) => config.assign('replicaof', { host: '127.0.0.1', port: primary.port }),
    { bar: { isTTY: true, write: (text) => drawn.push(text) } },
  )
  await server.start()
  await waitFor('the bar', () => drawn.some((text) => text.includes('Loading')))
})

it('goes on when it listens nowhere any more', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'understudy-test-'))
  const port = await freePort()
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--io-threads', '1']
  const child = spawn(process.execPath, [UNDERSTUDY_BIN, ...args], { stdio: ['ignore', 'pipe', 'ignore'] })
  cleanups.push(async () => {
    child.kill('SIGKILL')
    await rm(directory, { recursive: true })
  })
  await once(child.stdout, 'data')
  await waitFor('the port', () => connects(port))
  const client = await RawClient.connect({ port })
  client.send('CONFIG SET port 0\r\n')
  await waitFor('it to listen nowhere', async () => !(await connects(port)))
  client.close()
  await new Promise((resolve) => setTimeout(resolve, 500))
  expect(child.exitCode).toBe(null)
  child.kill('SIGTERM')
  const [code] = (await once(child, 'exit')) as [number | null]
  expect(code).toBe(0)
})

async function connects(port: number): Promise<boolean> {
  try {
    const client = await RawClient.connect({ port })
    client.close()
    return true
  } catch {
    return false
  }
}
