/**
 * Several connections to a stock server and to ours do the same random things, one step at a time: transactions, WATCH, messages,
 * commands that wait, CLIENT UNBLOCK, RESET. After each step every connection must have received the same bytes; among them
 * are two that hear all keyspace events.
 *
 * Left out, because a stock server goes by the order of a hash table or by the clock there: several patterns of one connection,
 * UNSUBSCRIBE without names, SWAPDB while somebody waits, times that pass.
 */
import { isDeepStrictEqual } from 'node:util'
import { knowsCommands } from '../support/known-commands.ts'
import { encodeCommand, type RawClient } from '../support/raw-client.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { rounds, type Soak, type SoakOptions, type SoakResult } from '../support/soak.ts'
import type { TestServer } from '../support/test-server.ts'
import { startUnderstudy } from '../support/understudy-server.ts'
import { waitForValue } from '../support/wait-for.ts'

export const soak: Soak = {
  comparesReplies: true,
  about:
    'a round plays a hundred random steps on six connections to a stock server and to ours; all must receive the same',
  stated: { count: 1_000 },
  slice: { count: 25, seconds: 25 },
  run,
}

const STEPS_PER_ROUND = 100
const WORKERS = ['a', 'b', 'c', 'd'] as const
const LISTENERS = ['events', 'news'] as const
const KEYS = ['k', 'l', 'x', 'y', 'none'] as const
const DIRECTIVES = { 'notify-keyspace-events': 'KEAmn', databases: 3 }
const WAIT_MS_MAX = 3000
const TURN_MS = 60_000
async function run(options: SoakOptions): Promise<SoakResult> {
  const random = new SeededRandom(options.seed)
  const servers = await Promise.all([
    startRedisServer({ directives: DIRECTIVES }),
    startUnderstudy({ directives: DIRECTIVES }),
  ])
  let count = 0
  let steps = 0
  try {
    // A stock server runs all that a connection has sent, or what is left of it behind a command that waited.
    await servers[1].call('DEBUG', 'TURN-MS', TURN_MS)
    for (const round of rounds(options)) {
      const roundSeed = random.int(0, 2 ** 31 - 1)
      const play = new Play(servers, new SeededRandom(roundSeed), `seed ${options.seed}, round ${round}`)
      try {
        steps += await play.run()
      } finally {
        play.close()
      }
      count++
    }
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
  }
  return { count, counted: { steps } }
}

/** One server's side of a play. */
class Side {
  readonly server: TestServer
  readonly clients = new Map<string, RawClient>()
  readonly ids = new Map<string, number>()

  constructor(server: TestServer) {
    this.server = server
  }

  async open(resps: ReadonlyMap<string, 2 | 3>): Promise<void> {
    // Nobody of the round before may be left: a waiter would take what is meant for others.
    await waitForValue('connections', async () => (await this.server.info('clients'))['connected_clients'], '1')
    await this.server.call('FLUSHALL')
    for (const [name, resp] of resps) {
      const client = await this.server.raw()
      this.ids.set(name, Number(await client.call('CLIENT', 'ID')))
      await client.call('HELLO', resp)
      this.clients.set(name, client)
    }
  }

  received(): string[] {
    // HELLO tells the connection's id.
    const plain = (text: string): string => text.replace(/\$2\r\nid\r\n:\d+/g, '$2\r\nid\r\n:0')
    return [...this.clients.values()].map((client) => plain(client.received().toString('latin1')))
  }

  /** Sends, and waits until the server has run it, or has put it off because the connection waits. */
  async send(name: string, bytes: Uint8Array): Promise<void> {
    const client = this.clients.get(name)!
    const before = client.received().length
    client.send(bytes)
    for (;;) {
      const line = String(await this.server.call('CLIENT', 'LIST', 'ID', this.ids.get(name)!))
      if (client.received().length > before || / flags=\w*b/.test(line)) return
    }
  }

  async blocked(): Promise<number> {
    return Number((await this.server.info('clients'))['blocked_clients'])
  }
}

class Play {
  readonly #sides: readonly [Side, Side]
  readonly #random: SeededRandom
  readonly #where: string
  readonly #history: string[] = []
  #streamId = 0

  constructor(servers: readonly [TestServer, TestServer], random: SeededRandom, where: string) {
    this.#sides = [new Side(servers[0]), new Side(servers[1])]
    this.#random = random
    this.#where = where
  }

  async run(): Promise<number> {
    const resps = new Map<string, 2 | 3>()
    for (const name of [...WORKERS, ...LISTENERS]) resps.set(name, this.#random.pick([2, 3] as const))
    for (const side of this.#sides) await side.open(resps)
    await this.#step('events', ['PSUBSCRIBE', '__key*'])
    await this.#step('news', ['SUBSCRIBE', 'n1', 'n2'])
    for (let i = 0; i < STEPS_PER_ROUND; i++) await this.#randomStep()
    for (const name of WORKERS) await this.#unblock('a', name)
    const digests = await Promise.all(this.#sides.map((side) => side.server.call('DEBUG', 'DIGEST')))
    if (digests[0] !== digests[1]) this.#fail(`digests ${digests.join(' and ')}`)
    return this.#history.length
  }

  close(): void {
    for (const { clients } of this.#sides) for (const client of clients.values()) client.close()
  }

  async #randomStep(): Promise<void> {
    const random = this.#random
    const name = random.pick(WORKERS)
    if (random.chance(0.03)) return this.#unblock(name, random.pick(WORKERS), random.pick(['TIMEOUT', 'ERROR', '']))
    if (random.chance(0.04)) {
      const word = random.pick(['SUBSCRIBE', 'UNSUBSCRIBE', 'SSUBSCRIBE', 'SUNSUBSCRIBE'])
      return this.#step('news', [word, random.pick(['n1', 'n2', 'n3'])])
    }
    if (random.chance(0.02)) {
      // Not while somebody waits: who is served first would depend on a hash table's order.
      if ((await this.#sides[0].blocked()) > 0) return
      return this.#step(name, ['SWAPDB', '0', '1'])
    }
    await this.#step(name, ...this.#commands())
  }

  /** One command, or a few in one write. */
  #commands(): string[][] {
    const random = this.#random
    if (!random.chance(0.15)) return [this.#command()]
    const body = Array.from({ length: random.int(0, 4) }, () => this.#command())
    const end = random.pick(['EXEC', 'EXEC', 'EXEC', 'DISCARD'])
    return [['MULTI'], ...body, [end]]
  }

  #command(): string[] {
    const random = this.#random
    for (;;) {
      const command = random.pick(random.chance(0.35) ? CONTROL : WRITES)(this)
      if (knowsCommands([command[0]!])) return command
    }
  }

  key(): string {
    return this.#random.pick(KEYS)
  }

  pick<T>(items: readonly T[]): T {
    return this.#random.pick(items)
  }

  nextId(): string {
    return `${++this.#streamId}-1`
  }

  lastId(): string {
    return `${this.#streamId}-0`
  }

  async #unblock(by: string, name: string, how = 'TIMEOUT'): Promise<void> {
    this.#history.push(`${by}: CLIENT UNBLOCK ${name} ${how}`)
    const words = (side: Side): string[] => [
      'CLIENT',
      'UNBLOCK',
      String(side.ids.get(name)),
      ...(how === '' ? [] : [how]),
    ]
    await Promise.all(this.#sides.map((side) => side.send(by, encodeCommand(...words(side)))))
    await this.#settle()
  }

  async #step(name: string, ...commands: string[][]): Promise<void> {
    this.#history.push(`${name}: ${commands.map((words) => words.join(' ')).join(' ; ')}`)
    const bytes = Buffer.concat(commands.map((words) => encodeCommand(...words)))
    await Promise.all(this.#sides.map((side) => side.send(name, bytes)))
    await this.#settle()
  }

  /** The step must have had the same effects. */
  async #settle(): Promise<void> {
    const deadline = performance.now() + WAIT_MS_MAX
    for (;;) {
      const [theirs, ours] = [this.#sides[0].received(), this.#sides[1].received()]
      if (isDeepStrictEqual(theirs, ours)) return
      if (performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 1))
      else this.#fail(differences(theirs, ours))
    }
  }

  #fail(what: string): never {
    throw new Error(`${this.#where}, after\n${this.#history.slice(-40).join('\n')}\n${what}`)
  }
}

function differences(theirs: readonly string[], ours: readonly string[]): string {
  const lines: string[] = []
  for (const [i, name] of [...WORKERS, ...LISTENERS].entries()) {
    if (theirs[i] === ours[i]) continue
    let at = 0
    while (theirs[i]![at] === ours[i]![at]) at++
    const shown = (text: string): string => JSON.stringify(text.slice(Math.max(0, at - 60), at + 120))
    lines.push(`${name}: redis ${shown(theirs[i]!)}\n   ours ${shown(ours[i]!)}`)
  }
  return lines.join('\n')
}

type Maker = (play: Play) => string[]

const END = ['LEFT', 'RIGHT'] as const

const CONTROL: readonly Maker[] = [
  () => ['MULTI'],
  () => ['EXEC'],
  () => ['EXEC'],
  () => ['DISCARD'],
  (play) => ['WATCH', play.key(), play.key()],
  (play) => ['WATCH', play.key()],
  () => ['UNWATCH'],
  () => ['PING'],
  (play) => ['SELECT', play.pick(['0', '0', '1', '7'])],
  () => ['NOPE', 'x'],
  () => ['GET'],
  (play) => ['PUBLISH', play.pick(['n1', 'n2', 'n3']), 'message'],
  (play) => ['SPUBLISH', play.pick(['n1', 'n2']), 'message'],
  (play) => ['PUBSUB', 'NUMSUB', play.pick(['n1', 'n2'])],
  (play) => ['WAIT', '0', play.pick(['0', '1', 'x'])],
  (play) => ['HELLO', play.pick(['2', '3', '4'])],
  () => ['CLIENT', 'GETNAME'],
  (play) => ['BLPOP', play.key(), play.key(), play.pick(['0', '0', '0', 'x', '-1'])],
  (play) => ['BRPOP', play.key(), '0'],
  (play) => ['BLMOVE', play.key(), play.key(), play.pick(END), play.pick(END), '0'],
  (play) => ['BRPOPLPUSH', play.key(), play.key(), '0'],
  (play) => ['BLMPOP', '0', '2', play.key(), play.key(), play.pick(END), 'COUNT', play.pick(['1', '2'])],
  (play) => ['BZPOPMIN', play.key(), play.key(), '0'],
  (play) => ['BZMPOP', '0', '1', play.key(), 'MAX'],
  (play) => ['XREAD', 'BLOCK', '0', 'STREAMS', play.key(), play.key(), '$', play.lastId()],
  (play) => ['XREADGROUP', 'GROUP', 'g', play.pick(['c1', 'c2']), 'BLOCK', '0', 'STREAMS', play.key(), '>'],
]

const WRITES: readonly Maker[] = [
  (play) => ['SET', play.key(), play.pick(['1', 'text'])],
  (play) => ['SET', play.key(), '1', play.pick(['NX', 'XX', 'GET'])],
  (play) => ['GET', play.key()],
  (play) => ['INCR', play.key()],
  (play) => ['APPEND', play.key(), 'x'],
  (play) => ['GETDEL', play.key()],
  (play) => ['DEL', play.key(), play.key()],
  (play) => ['DEL', play.key()],
  (play) => ['EXISTS', play.key()],
  (play) => ['EXPIRE', play.key(), play.pick(['100', '-1'])],
  (play) => ['PERSIST', play.key()],
  (play) => ['RENAME', play.key(), play.key()],
  (play) => ['RENAMENX', play.key(), play.key()],
  (play) => ['COPY', play.key(), play.key(), 'REPLACE'],
  (play) => ['MOVE', play.key(), play.pick(['0', '1'])],
  (play) => [play.pick(['FLUSHALL', 'FLUSHDB', 'RESET', 'PING', 'PING'])],
  (play) => ['TYPE', play.key()],
  (play) => ['RPUSH', play.key(), 'e1', 'e2'],
  (play) => ['LPUSH', play.key(), 'e3'],
  (play) => ['RPUSH', play.key(), 'e4'],
  (play) => ['LPOP', play.key()],
  (play) => ['LRANGE', play.key(), '0', '-1'],
  (play) => ['LMOVE', play.key(), play.key(), play.pick(END), play.pick(END)],
  (play) => ['ZADD', play.key(), '1', 'm1', '2', 'm2'],
  (play) => ['ZPOPMAX', play.key()],
  (play) => ['XADD', play.key(), play.nextId(), 'f', 'v'],
  (play) => ['XGROUP', 'CREATE', play.key(), 'g', '$', 'MKSTREAM'],
  (play) => ['XGROUP', 'DESTROY', play.key(), 'g'],
  (play) => ['XDEL', play.key(), play.lastId()],
]
