/** Clients that send all their commands before they read a reply, as blocking libraries do, beside a redis-server. */
import { expect, it } from 'vitest'
import { encodeCommand, type RawClient } from '../support/raw-client.ts'
import { waitFor } from '../support/wait-for.ts'
import { startNode, startPrimary } from './topology.ts'

/** More than what the system keeps for two sockets, and several times that in replies. */
const COMMANDS = 70_000
const KEY: string = 'k'.repeat(250)
const VALUE: Buffer = Buffer.alloc(1000, 'v')
const BULK_REPLY: Buffer = Buffer.concat([Buffer.from('$1000\r\n'), VALUE, Buffer.from('\r\n')])
const ITEMS: string[] = Array.from({ length: 100_000 }, (_, i) => `item ${i} `.padEnd(100, '.'))

const MEBIBYTE: number = 1024 * 1024

interface Pipeline {
  readonly first?: string[]
  readonly firstReply?: string
  readonly command: (string | Buffer)[]
}

const PIPELINES: [string, Pipeline][] = [
  ['reads', { command: ['GET', KEY] }],
  ['commands that the link thread runs', { command: ['ECHO', VALUE] }],
  [
    'a long reply and reads',
    {
      first: ['LRANGE', 'list', '0', '-1'],
      firstReply: `*${ITEMS.length}\r\n${ITEMS.map((item) => `$100\r\n${item}\r\n`).join('')}`,
      command: ['GET', KEY],
    },
  ],
]

/** Sends everything, reading nothing meanwhile. */
function sendUnread({ socket }: RawClient, bytes: Buffer): Promise<void> {
  socket.pause()
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${socket.writableLength} bytes are not taken`)), 20_000)
    socket.write(bytes, () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

function bytesOf({ first, command }: Pipeline): Buffer {
  const repeated = encodeCommand(...command)
  return Buffer.concat([
    first === undefined ? Buffer.alloc(0) : encodeCommand(...first),
    Buffer.alloc(repeated.length * COMMANDS, repeated),
  ])
}

async function expectAnswers(client: RawClient, { firstReply = '' }: Pipeline): Promise<void> {
  client.socket.resume()
  expect((await client.readBytes(firstReply.length)).equals(Buffer.from(firstReply))).toBe(true)
  for (let left = COMMANDS; left > 0; left -= 1000) {
    const replies = await client.readBytes(BULK_REPLY.length * 1000)
    expect(replies.equals(Buffer.alloc(replies.length, BULK_REPLY))).toBe(true)
  }
  client.close()
}

it.each(PIPELINES)('a pipeline of which nothing is read before it is sent whole: %s', async (_what, pipeline) => {
  for (const [start, directives] of [
    [startPrimary, {}],
    [startNode, { 'io-threads': 1 }],
    [startNode, { 'io-threads': 2 }],
  ] as const) {
    const server = await start(directives)
    await server.call('SET', KEY, VALUE)
    for (let at = 0; at < ITEMS.length; at += 10_000) {
      await server.call('RPUSH', 'list', ...ITEMS.slice(at, at + 10_000))
    }
    const client = await server.raw()
    await sendUnread(client, bytesOf(pipeline))
    // Others are answered meanwhile.
    expect(await (await server.raw()).call('PING')).toBe('PONG')
    await expectAnswers(client, pipeline)
  }
})

it.each([1, 2])(
  'beyond client-query-buffer-limit it has to read, and is not cut off (io-threads %d)',
  async (threads) => {
    const server = await startNode({ 'io-threads': threads, 'client-query-buffer-limit': '2mb' })
    await server.call('SET', KEY, VALUE)
    const client = await server.raw()
    const pipeline: Pipeline = { command: ['GET', KEY] }
    client.socket.pause()
    client.send(bytesOf(pipeline))
    const operator = await server.raw()
    const keptBytes = async (): Promise<number> =>
      Math.max(
        ...Array.from((await operator.callExact('CLIENT', 'LIST')).matchAll(/qbuf=(\d+)/g), ([, n]) => Number(n)),
      )
    await waitFor('its input to be kept', async () => (await keptBytes()) >= 2 * MEBIBYTE)
    expect(client.socket.writableLength).toBeGreaterThan(0)
    expect(await keptBytes()).toBeLessThan(3 * MEBIBYTE)
    await expectAnswers(client, pipeline)
  },
)
