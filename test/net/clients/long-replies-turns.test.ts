/**
 * Long replies of one thread over sockets that take what they are given when a test says so: at most one piece under way, nothing in
 * between, and no pin left behind.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { dataCommandFamilies, Keyspace, LibraryStore } from '@understudy/core/internal'
import {
  clientCommandFamilies,
  ClientServer,
  ClientSession,
  type ConnectionSocket,
  defaultClientSettings,
} from '@understudy/net/internal'
import { beforeEach, describe, expect, it } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'
import { encodeCommand } from '../../support/raw-client.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

const PIECE_BYTES_MAX: number = 128 * 1024 + 16 * 1024 + 64
const ITEMS = 100_000

/** A socket that keeps what it is given until it is told to take it. */
class SlowSocket implements ConnectionSocket {
  destroyed = false
  writableLength = 0
  paused = false
  readonly taken: Buffer[] = []
  #waiting: { view: Buffer; done: () => void }[] = []

  get waiting(): readonly number[] {
    return this.#waiting.map(({ view }) => view.length)
  }

  write(view: Buffer, done: () => void): void {
    this.#waiting.push({ view, done })
    this.writableLength += view.length
  }

  /** Takes everything. */
  take(): void {
    const taken = this.#waiting
    this.#waiting = []
    this.writableLength = 0
    for (const { view, done } of taken) {
      this.taken.push(Buffer.from(view))
      done()
    }
  }

  get text(): string {
    return Buffer.concat(this.taken).toString('latin1')
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }

  setNoDelay(): void {}

  destroySoon(): void {
    this.destroyed = true
  }

  destroy(): void {
    this.destroyed = true
    this.take()
  }
}

interface Client {
  readonly socket: SlowSocket
  readonly session: ClientSession
}

let server: ClientServer
let clock: FakeClock
let log: string[]

beforeEach(() => {
  clock = new FakeClock()
  log = []
  const write = (message: string): void => void log.push(message)
  const memory = (): never => {
    throw new Error('not asked')
  }
  server = new ClientServer({
    settings: defaultClientSettings(),
    families: [...clientCommandFamilies(), ...dataCommandFamilies({ libraries: new LibraryStore(), memory })],
    keyspace: new Keyspace({ databaseCount: 2 }),
    ports: {},
    clock,
    logger: { debug: write, verbose: write, notice: write, warning: write },
  })
})

function connect(): Client {
  const socket = new SlowSocket()
  const identity = { id: server.words.takeClientId(), address: '127.0.0.1:1', localAddress: '127.0.0.1:2' }
  const session = new ClientSession(server, socket, identity)
  server.sessions.set(session.id, session)
  return { socket, session }
}

function send({ session }: Client, ...commands: (string | number)[][]): void {
  server.receive(session, Buffer.concat(commands.map((words) => encodeCommand(...words))))
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await nextTurn()
}

/** Takes everything until nothing comes any more. */
async function drain({ socket }: Client): Promise<void> {
  for (let idle = 0; idle < 5; idle = socket.waiting.length > 0 ? 0 : idle + 1) {
    socket.take()
    await nextTurn()
  }
}

async function makeList(): Promise<string> {
  const writer = connect()
  const items = Array.from({ length: ITEMS }, (_, i) => `item ${i}`)
  send(writer, ['RPUSH', 'list', ...items])
  await drain(writer)
  expect(writer.socket.text).toBe(`:${ITEMS}\r\n`)
  return `*${ITEMS}\r\n${items.map((item) => `$${item.length}\r\n${item}\r\n`).join('')}`
}

async function expectNoPins(): Promise<void> {
  const until = performance.now() + 10_000
  while (server.keyspace.pins.count > 0 && performance.now() < until) await nextTurn()
  expect(server.keyspace.pins.count).toBe(0)
  expect([server.replyPins.active, server.replyPins.waiting]).toEqual([0, 0])
}

describe('a long reply', () => {
  it('is given to a socket one piece after the other, whenever it has taken the last one', async () => {
    const reply = await makeList()
    const random = new SeededRandom(1)
    const readers = Array.from({ length: 5 }, connect)
    for (const reader of readers) send(reader, ['GET', 'nothing'], ['LRANGE', 'list', 0, -1], ['PING'])
    const other = connect()
    for (let round = 0; readers.some(({ socket }) => !socket.text.endsWith('+PONG\r\n')); round++) {
      await turns(random.int(1, 3))
      for (const { socket } of readers) {
        expect(socket.waiting.length).toBeLessThanOrEqual(1)
        expect(socket.waiting[0] ?? 0).toBeLessThan(PIECE_BYTES_MAX)
        if (random.chance(0.5)) socket.take()
      }
      send(other, ['LSET', 'list', random.int(0, 1000), 'changed'], ['RPOPLPUSH', 'list', 'list'])
      if (round === 20) send(other, ['FLUSHALL'])
      other.socket.take()
    }
    for (const { socket } of readers) expect(socket.text === `$-1\r\n${reply}+PONG\r\n`).toBe(true)
    await expectNoPins()
  })

  it('is not interrupted: messages, commands and more input wait for its end', async () => {
    const reply = await makeList()
    const reader = connect()
    send(reader, ['HELLO', 3], ['SUBSCRIBE', 'news'])
    await drain(reader)
    reader.socket.taken.length = 0
    send(reader, ['LRANGE', 'list', 0, -1], ['SET', 'written', 'behind'])
    await turns(3)
    expect(reader.socket.waiting).toHaveLength(1)
    expect(reader.socket.paused).toBe(true)
    const other = connect()
    send(other, ['PUBLISH', 'news', 'first'], ['GET', 'written'])
    reader.socket.take()
    await turns(3)
    send(other, ['PUBLISH', 'news', 'second'])
    send(reader, ['GET', 'written'])
    await drain(other)
    expect(other.socket.text).toBe(':1\r\n$-1\r\n:1\r\n')
    await drain(reader)
    const push = (message: string): string =>
      `>3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$${message.length}\r\n${message}\r\n`
    const { text } = reader.socket
    expect(text.startsWith(reply)).toBe(true)
    const rest = text.slice(reply.length)
    expect(rest.replace(push('first'), '').replace(push('second'), '')).toBe('+OK\r\n$6\r\nbehind\r\n')
    expect(rest.indexOf('first')).toBeLessThan(rest.indexOf('second'))
    expect(reader.socket.paused).toBe(false)
    await expectNoPins()
  })

  it('is over when its connection is killed in the middle', async () => {
    await makeList()
    const reader = connect()
    send(reader, ['LRANGE', 'list', 0, -1])
    await turns(3)
    expect(server.keyspace.pins.count).toBe(1)
    server.sessions.get(reader.session.id)!.kill()
    expect(reader.socket.destroyed).toBe(true)
    await turns(3)
    await expectNoPins()
  })

  it('closes its connection when its pin is broken, though that takes nothing', async () => {
    await makeList()
    const [reader, waiting] = [connect(), connect()]
    for (const client of [reader, waiting]) send(client, ['LRANGE', 'list', 0, -1])
    await turns(3)
    clock.advance(server.settings.longReplyPinSeconds * 1000)
    server.keyspace.pins.breakOverdue(clock.monotonicMs())
    server.longReplies.tick()
    expect(reader.socket.destroyed).toBe(false)
    clock.advance(1)
    server.keyspace.pins.breakOverdue(clock.monotonicMs())
    // One finds out at its next slice, the other by itself.
    reader.socket.take()
    await turns(3)
    expect(reader.socket.destroyed).toBe(true)
    expect(waiting.socket.destroyed).toBe(false)
    server.longReplies.tick()
    expect(waiting.socket.destroyed).toBe(true)
    expect(log.filter((line) => line.includes('in the middle of a long reply'))).toHaveLength(2)
    expect(server.statistics.outputLimitDisconnections).toBe(2)
    await expectNoPins()
  })

  it('is refused by client-output-buffer-limit like any other output', async () => {
    await makeList()
    server.settings.outputBufferLimits = {
      ...server.settings.outputBufferLimits,
      normal: { hardBytes: 256, softBytes: 0, softSeconds: 0 },
    }
    const reader = connect()
    send(reader, ['LRANGE', 'list', 0, -1])
    await turns(3)
    expect(reader.socket.destroyed).toBe(true)
    expect(server.statistics.outputLimitDisconnections).toBe(1)
    await expectNoPins()
  })

  it('closes its connection, and nothing else, when there is no memory for an item', async () => {
    const [reader, other] = [connect(), connect()]
    let isClosed = false
    server.longReplies.begin(reader.session, {
      isBroken: false,
      step: () => {
        throw new RangeError('Array buffer allocation failed')
      },
      close: () => {
        isClosed = true
      },
    })
    send(other, ['PING'])
    await drain(other)
    expect(reader.socket.destroyed).toBe(true)
    expect(isClosed).toBe(true)
    expect(log.filter((line) => line.includes('in the middle of a long reply'))).toHaveLength(1)
    expect(other.socket.text).toBe('+PONG\r\n')
  })

  it('waits for a pin while all are taken, and shows what there is then', async () => {
    await makeList()
    const readers = Array.from({ length: 49 }, connect)
    for (const reader of readers) send(reader, ['LRANGE', 'list', 0, -1])
    await turns(3)
    expect([server.replyPins.active, server.replyPins.waiting]).toEqual([48, 1])
    const last = readers.pop()!
    const other = connect()
    send(other, ['DEL', 'list'], ['RPUSH', 'list', 'short'])
    await turns(1)
    // In the middle of a transaction nobody is served.
    send(other, ['MULTI'], ['CLIENT', 'KILL', 'ID', readers[0]!.session.id], ['RPUSH', 'list', 'er'], ['EXEC'])
    // Its turn comes behind the first slices of the others.
    for (let turn = 0; turn < 1000 && last.socket.waiting.length === 0; turn++) await nextTurn()
    last.socket.take()
    expect(last.socket.text).toBe('*2\r\n$5\r\nshort\r\n$2\r\ner\r\n')
    for (const { session } of readers) session.kill()
    await expectNoPins()
  })

  it('is not made in slices in a transaction, nor for who wants no replies', async () => {
    const reply = await makeList()
    const reader = connect()
    send(reader, ['MULTI'], ['LRANGE', 'list', 0, -1], ['EXEC'], ['CLIENT', 'REPLY', 'OFF'], ['LRANGE', 'list', 0, -1])
    await drain(reader)
    expect(reader.socket.text === `+OK\r\n+QUEUED\r\n*1\r\n${reply}`).toBe(true)
    expect(server.statistics.longReplies).toBe(0)
  })
})
