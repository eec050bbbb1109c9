/**
 * Connections that cost little and leave nothing behind: a round opens many idle ones and weighs them, opens and closes
 * twice as many, and lets a client that never reads and one that sends a byte at a time be among others, who must not notice. Rounds
 * alternate between a server with one thread and one with several.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { encodeCommand, RawClient } from '../support/raw-client.ts'
import { rounds, type Soak, type SoakOptions, type SoakResult } from '../support/soak.ts'
import type { TestServer } from '../support/test-server.ts'
import { startUnderstudy } from '../support/understudy-server.ts'
import { waitFor } from '../support/wait-for.ts'

export const soak: Soak = {
  about:
    'a round weighs idle connections, opens and closes many, and has a client that never reads and one that is very slow',
  stated: { count: 10 },
  slice: { count: 2, seconds: 50 },
  run,
}

/** What a round does, in connections. */
interface Size {
  readonly idle: number
  readonly opened: number
}

const SMALL: Size = { idle: 2500, opened: 5000 }
const LARGE: Size = { idle: 10_000, opened: 20_000 }
/** The rounds of every test run, one with each number of threads. */
const SMALL_ROUNDS = 2
const IDLE_BYTES_MAX = 15 * 1024
const AT_ONCE = 100
/** What a server keeps for other reasons, seen between two weighings: garbage not yet collected, above all. */
const NOISE_BYTES = 24 * 1024 * 1024
/** What a connection that is gone may leave behind: each would leave more if it left itself. */
const LEFT_BYTES_MAX = 1024
/** How often many are opened and closed: the heap may take another size in one of these times, and what is left behind is in each. */
const TIMES_MAX = 12
/** Less garbage at a time, so that what is left behind can be told from it. */
const NODE_ARGS = ['--max-semi-space-size=2']
const PATIENCE_MS = 2000
/** Bytes that the client which never reads asks for: more than sockets and buffers hold. */
const UNREAD_BYTES = 64 * 1024 * 1024

async function run(options: SoakOptions): Promise<SoakResult> {
  const counted: Record<string, number> = { connections: 0 }
  let count = 0
  for (const round of rounds(options)) {
    const size = round < SMALL_ROUNDS ? SMALL : LARGE
    const server = await startUnderstudy({
      nodeArgs: NODE_ARGS,
      directives: { 'io-threads': round % 2 === 0 ? 1 : 2, maxclients: size.idle + 100 },
    })
    try {
      const each = await weighIdle(server, size)
      const left = await openAndClose(server, size)
      options.log(
        `round ${round}: ${size.idle} idle connections cost ${each} bytes each, ${size.opened} that are gone left ${left} in all`,
      )
      await bearSlowClients(server)
      counted['connections']! += size.idle + size.opened
      count++
    } finally {
      await server.stop()
    }
  }
  return { count, counted }
}

async function openMany(port: number, count: number): Promise<RawClient[]> {
  const clients: RawClient[] = []
  while (clients.length < count) {
    const batch = Array.from({ length: Math.min(AT_ONCE, count - clients.length) }, () => RawClient.connect({ port }))
    for (const client of await Promise.all(batch)) {
      clients.push(client)
      await client.call('GET', 'nothing')
    }
  }
  return clients
}

/** @returns what one of them costs, in bytes. */
async function weighIdle(server: TestServer, { idle }: Size): Promise<number> {
  // Once for nothing: buffers, code and stacks that every server has after a while.
  await closeAll(server, await openMany(server.port, idle / 5))
  const before = residentBytes(server.pid)
  const clients = await openMany(server.port, idle)
  const grown = residentBytes(server.pid) - before
  const perConnection = Math.round(Math.max(0, grown - NOISE_BYTES) / idle)
  if (perConnection > IDLE_BYTES_MAX) throw new Error(`an idle connection costs ${perConnection} bytes`)
  await closeAll(server, clients)
  return Math.round(grown / idle)
}

/** @returns the bytes that they have left, all together. */
async function openAndClose(server: TestServer, { opened }: Size): Promise<number> {
  await waitFor('descriptors to be closed', async () => (await connected(server)) === 1)
  const descriptors = openDescriptors(server.pid)
  const left: number[] = []
  while (left.length < TIMES_MAX) {
    const before = residentBytes(server.pid)
    for (let done = 0; done < opened; done += AT_ONCE) await closeAll(server, await openMany(server.port, AT_ONCE))
    left.push(residentBytes(server.pid) - before)
    if (left.at(-1)! <= opened * LEFT_BYTES_MAX) break
  }
  await waitFor(`all descriptors of ${opened} connections to be closed`, () => {
    const more = openDescriptors(server.pid) - descriptors
    if (more > 0) throw new Error(`${more} are left`)
    return true
  })
  const least = Math.min(...left)
  if (least <= opened * LEFT_BYTES_MAX) return least
  throw new Error(`${opened} connections that are gone have left ${left.join(', ')} bytes, time after time`)
}

async function bearSlowClients(server: TestServer): Promise<void> {
  const value = Buffer.alloc(1024 * 1024, 'v')
  await server.call('SET', 'large', value)
  const deaf = await RawClient.connect({ port: server.port })
  deaf.socket.pause()
  for (let asked = 0; asked < UNREAD_BYTES; asked += value.length) deaf.send(encodeCommand('GET', 'large'))
  const slow = await RawClient.connect({ port: server.port })
  const others = await openMany(server.port, 20)
  let served = 0
  for (const byte of encodeCommand('GET', 'nothing')) {
    slow.send(Uint8Array.of(byte))
    for (const client of others) {
      const began = performance.now()
      await client.call('GET', 'nothing')
      await client.call('SET', 'something', served++)
      const tookMs = performance.now() - began
      if (tookMs > PATIENCE_MS) throw new Error(`another client waited ${Math.round(tookMs)} ms`)
    }
    await sleep(5)
  }
  if ((await slow.readReply()) !== null) throw new Error('the slow client got another reply')
  await closeAll(server, [deaf, slow, ...others])
}

async function closeAll(server: TestServer, clients: readonly RawClient[]): Promise<void> {
  for (const client of clients) client.close()
  await waitFor('all connections to be gone', async () => (await connected(server)) === 1)
}

async function connected(server: TestServer): Promise<number> {
  return Number((await server.info('clients'))['connected_clients'])
}

function residentBytes(pid: number): number {
  const kibibytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kibibytes) * 1024
}

function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}
