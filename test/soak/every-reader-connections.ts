/**
 * The connections of every-reader.soak.ts. Each asks for one thing after the other, or for several at once, and checks what comes. They
 * rest while the writer is behind, which shares a process with them.
 */
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Argument, RawClient } from '../support/raw-client.ts'
import { type Reply, ReplyError } from '../support/resp-reader.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import type { TestServer } from '../support/test-server.ts'
import { BLOBS, type EveryReaderWriter, HUGE_SIZE } from './every-reader-writer.ts'
import {
  wrongAccounts,
  wrongEntries,
  wrongFields,
  wrongPair,
  wrongRotation,
  wrongScores,
  wrongSets,
} from './reads-checks.mjs'
import { ACCOUNTS, SHAPES, type Shape } from './reads-shapes.mjs'

const CONNECTIONS = 200
/** Of them, those that read the whole of the huge list, again and again. */
const HUGE_READERS = 2
/** Every eighth reads database 1, which has the values of reads-shapes.mjs only. */
const OTHER_DB_EVERY = 8
/** Between two reads of a connection while the writer is behind. */
const PAUSE_MS = 500

interface Request {
  readonly kind: string
  readonly commands: readonly (readonly Argument[])[]
  /** What is wrong with the replies, if anything. */
  readonly wrong: (replies: readonly Reply[]) => string | undefined
}

export class EveryReaderConnections {
  /** By kind. */
  readonly reads: Record<string, number> = {}
  /** From asking to the last reply, in this process, which has much else to do. */
  longestMs = 0
  readonly #clients: readonly RawClient[]
  readonly #writer: EveryReaderWriter
  readonly #random: SeededRandom
  #isRunning = true
  #failure: Error | undefined
  #loops: Promise<void>[] = []

  static async open(
    node: TestServer,
    writer: EveryReaderWriter,
    random: SeededRandom,
  ): Promise<EveryReaderConnections> {
    const clients: RawClient[] = []
    for (let i = 0; i < CONNECTIONS; i++) {
      const client = await node.raw({ timeoutMs: 30_000 })
      await client.call('SELECT', databaseOf(i))
      clients.push(client)
    }
    return new EveryReaderConnections(clients, writer, random)
  }

  private constructor(clients: readonly RawClient[], writer: EveryReaderWriter, random: SeededRandom) {
    this.#clients = clients
    this.#writer = writer
    this.#random = random
  }

  begin(): void {
    this.#loops = this.#clients.map((client, i) => {
      if (i < HUGE_READERS) return this.#untilStopped(() => this.#readHuge(client))
      const seen = { clock: 0 }
      return this.#untilStopped(() => this.#read(client, databaseOf(i), seen))
    })
  }

  check(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  /** @throws when something was wrong, or one kind of read never came */
  async stop(): Promise<void> {
    this.#isRunning = false
    await Promise.all(this.#loops)
    this.check()
    for (const kind of [...SHAPES.map((shape) => shape.kind), 'blob', 'conversion', 'fill', 'huge']) {
      if (!(this.reads[kind]! > 0)) throw new Error(`no ${kind} was read`)
    }
  }

  async #untilStopped(read: () => Promise<void>): Promise<void> {
    try {
      while (this.#isRunning && this.#failure === undefined) {
        if (this.#writer.isBehind) await sleep(PAUSE_MS)
        await read()
      }
    } catch (error) {
      this.#failure ??= error instanceof Error ? error : new Error(String(error))
    }
  }

  async #read(client: RawClient, db: number, seen: { clock: number }): Promise<void> {
    const random = this.#random
    const requests = Array.from({ length: random.chance(0.2) ? 4 : 1 }, () =>
      db === 0 && random.chance(0.3) ? otherRequest(random) : shapeRequest(random.pick(SHAPES), random),
    )
    if (db === 0) requests.push(clockRequest(seen))
    const asked = performance.now()
    const replies = await client.pipeline(requests.flatMap((request) => request.commands))
    this.longestMs = Math.max(this.longestMs, performance.now() - asked)
    let at = 0
    for (const { kind, commands, wrong } of requests) {
      const own = replies.slice(at, (at += commands.length))
      const refused = own.find((reply) => reply instanceof ReplyError)
      const text = refused === undefined ? wrong(own) : String(refused)
      if (text !== undefined) throw new Error(`${kind} in database ${db}: ${text}`)
      this.reads[kind] = (this.reads[kind] ?? 0) + 1
    }
  }

  /** The reply has eight million bytes: each piece is looked at as it comes. */
  async #readHuge(client: RawClient): Promise<void> {
    client.send('*4\r\n$6\r\nLRANGE\r\n$4\r\nhuge\r\n$1\r\n0\r\n$2\r\n-1\r\n')
    const header = (await client.readLine()).trim()
    const size = Number(header.slice(1))
    if (!header.startsWith('*') || (size !== 0 && size !== HUGE_SIZE)) throw new Error(`huge: LRANGE said ${header}`)
    let before = -1
    let rest = ''
    for (let lines = 0; lines < 2 * size;) {
      await client.untilReceived(1)
      const parts = (rest + (await client.readBytes(client.received().length)).toString('latin1')).split('\r\n')
      rest = parts.pop() ?? ''
      for (const line of parts) {
        if (lines++ % 2 === 0) continue
        const element = Number(line)
        if (before !== -1 && element !== (before + 1) % HUGE_SIZE) {
          throw new Error(`huge: behind ${before} stands ${line}`)
        }
        before = element
      }
    }
    if (rest !== '') throw new Error(`huge: more than the list: ${rest}`)
    if (size > 0) this.reads['huge'] = (this.reads['huge'] ?? 0) + 1
    else await sleep(PAUSE_MS)
  }
}

const databaseOf = (connection: number): number => (connection % OTHER_DB_EVERY === HUGE_READERS ? 1 : 0)

/** MULTI and EXEC around `commands`; `wrong` is given the replies within. */
function together(
  kind: string,
  commands: readonly (readonly Argument[])[],
  wrong: (replies: readonly Reply[]) => string | undefined,
): Request {
  return {
    kind,
    commands: [['MULTI'], ...commands, ['EXEC']],
    wrong: (replies) => wrong(replies.at(-1) as Reply[]),
  }
}

function shapeRequest({ kind, key, size }: Shape, random: SeededRandom): Request {
  switch (kind) {
    case 'accounts': {
      const keys = Array.from({ length: ACCOUNTS }, (_, i) => `${key}:${i}`)
      return { kind, commands: [['MGET', ...keys]], wrong: ([balances]) => wrongAccounts(balances as string[]) }
    }
    case 'hash': {
      if (random.chance(0.25)) {
        return { kind, commands: [['HGETALL', key]], wrong: ([flat]) => wrongFields(mapOf(flat), size) }
      }
      const some = random.int(0, size - 1)
      const fields = [`a${some}`, `b${some}`]
      if (random.chance(0.5)) {
        const wrong = ([pair]: readonly Reply[]): string | undefined => wrongPair(...(pair as [string, string]))
        return { kind, commands: [['HMGET', key, ...fields]], wrong }
      }
      const commands = fields.map((field) => ['HGET', key, field])
      return together(kind, commands, ([a, b]) => wrongPair(a as string, b as string))
    }
    case 'list':
      return {
        kind,
        commands: [['LRANGE', key, 0, -1]],
        wrong: ([elements]) => wrongRotation((elements as string[]).map(Number), size),
      }
    case 'sets':
      return together(
        kind,
        [
          ['SMEMBERS', `${key}:x`],
          ['SMEMBERS', `${key}:y`],
        ],
        ([x, y]) => wrongSets(x as string[], y as string[], size),
      )
    case 'zset':
      return {
        kind,
        commands: [['ZRANGE', key, 0, -1, 'WITHSCORES']],
        wrong: ([flat]) =>
          wrongScores(
            pairsOf(flat).map(([member, score]) => [member, Number(score)]),
            size,
          ),
      }
    case 'stream':
      return together(
        kind,
        [
          ['XRANGE', key, '-', '+'],
          ['GET', `${key}:last`],
        ],
        ([entries, last]) =>
          wrongEntries(
            (entries as [string, Reply][]).map(([id, flat]) => ({ id, fields: pairsOf(flat) })),
            last as string,
            size,
          ),
      )
  }
}

/** What is in database 0 only. */
function otherRequest(random: SeededRandom): Request {
  switch (random.int(0, 2)) {
    case 0: {
      const keys = Array.from({ length: 10 }, () => `blob:${random.int(0, BLOBS - 1)}`)
      return {
        kind: 'blob',
        commands: [['MGET', ...keys]],
        wrong: ([blobs]) => (blobs as Reply[]).find(isTorn)?.toString(),
      }
    }
    case 1:
      return {
        kind: 'conversion',
        commands: [['HGETALL', 'conversion']],
        wrong([flat]) {
          const fields = mapOf(flat)
          if (fields.size === 0) return undefined
          const values = new Set([...fields].flatMap(([field, value]) => (field === 'size' ? [] : [value])))
          const isWhole = values.size === 1 && fields.get('size') === String(fields.size - 1)
          return isWhole ? undefined : `${fields.size} fields, size ${fields.get('size')}, ${values.size} values`
        },
      }
    default: {
      const first = random.int(0, 1000)
      const commands = [['MGET', `fill:${first}`, `fill:${first + 1}`], ['DBSIZE']]
      return together('fill', commands, ([, size]) => (Number(size) > 0 ? undefined : 'an empty database'))
    }
  }
}

function clockRequest(seen: { clock: number }): Request {
  return {
    kind: 'clock',
    commands: [['GET', 'clock']],
    wrong([reply]) {
      const before = seen.clock
      seen.clock = Number(reply)
      return seen.clock >= before ? undefined : `went back from ${before} to ${String(reply)}`
    },
  }
}

function isTorn(blob: Reply): boolean {
  if (blob === null) return false
  const text = String(blob)
  const colon = text.lastIndexOf(':')
  return createHash('sha1').update(text.slice(0, colon)).digest('hex') !== text.slice(colon + 1)
}

function pairsOf(flat: Reply | undefined): [string, string][] {
  const items = flat as string[]
  return Array.from({ length: items.length / 2 }, (_, i) => [items[2 * i]!, items[2 * i + 1]!])
}

function mapOf(flat: Reply | undefined): Map<string, string> {
  return new Map(pairsOf(flat))
}
