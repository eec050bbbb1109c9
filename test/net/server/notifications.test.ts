/**
 * Keyspace notifications: the same commands make the same events in the same order, by clients' writes as in a
 * redis-server, by the stream as in a replica of redis.
 */
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { untilEqualOffsets } from '../../support/compare-datasets.ts'
import { type Argument, encodeCommand, type RawClient } from '../../support/raw-client.ts'
import { knowsCommands } from '../../support/known-commands.ts'
import { startRedisServer } from '../../support/redis-server.ts'
import type { TestServer } from '../../support/test-server.ts'
import { startUnderstudy } from '../../support/understudy-server.ts'
import { waitFor } from '../../support/wait-for.ts'
import { TYPE_CASES } from './type-notifications.cases.ts'
import { itOfReference as it } from '../../support/reference.ts'

const ALL = { 'notify-keyspace-events': 'KEAmn' }
const END = 'the end'

let primary: TestServer
let theirReplica: TestServer
let ourReplica: TestServer
let ours: TestServer

beforeAll(async () => {
  ;[primary, ours] = await Promise.all([startRedisServer({ directives: ALL }), startUnderstudy({ directives: ALL })])
  await primary.call('SET', 'dumped', '5')
  const raw = await primary.raw()
  payload = (await raw.callBinary('DUMP', 'dumped')) as Buffer
  const directives = { ...ALL, replicaof: ['127.0.0.1', primary.port] }
  ;[theirReplica, ourReplica] = await Promise.all([startRedisServer({ directives }), startUnderstudy({ directives })])
  for (const replica of [theirReplica, ourReplica]) {
    await waitFor('the link', async () => (await replica.info('replication'))['master_link_status'] === 'up')
  }
})

afterAll(async () => {
  await Promise.all([ourReplica?.stop(), theirReplica?.stop()])
  await Promise.all([primary?.stop(), ours?.stop()])
})

/** Listens to everything that a server publishes. */
class Listener {
  readonly #client: RawClient
  private constructor(client: RawClient) {
    this.#client = client
  }

  static async on(server: TestServer): Promise<Listener> {
    const client = await server.raw()
    await client.call('PSUBSCRIBE', '*')
    return new Listener(client)
  }

  /** Messages up to END as 'channel event'. */
  async messages(): Promise<string[]> {
    const seen: string[] = []
    for (;;) {
      const [kind, , channel, message] = (await this.#client.readReply()) as string[]
      if (kind !== 'pmessage') throw new Error(`unexpected: ${kind}`)
      if (channel === END) return seen
      seen.push(`${channel} ${message}`)
    }
  }
}

type Step = string | readonly Argument[]
/** Stands for a value as DUMP gives it. */
const PAYLOAD = '@payload'
let payload: Buffer

function wordsOf(step: Step): readonly Argument[] {
  if (typeof step !== 'string') return step
  return step.split(' ').map((word) => (word === PAYLOAD ? payload : word))
}

/** What a server answers and tells when it gets the steps from a client. */
async function run(server: TestServer, steps: readonly Step[]): Promise<{ replies: string[]; events: string[] }> {
  await server.call('FLUSHALL')
  const listener = await Listener.on(server)
  const client = await server.raw()
  const replies: string[] = []
  for (const step of steps) {
    const words = wordsOf(step)
    if (words[0] === 'SLEEP') await new Promise((resolve) => setTimeout(resolve, Number(words[1])))
    else if (words[0] === 'UNTIL-EMPTY') await waitFor('no keys', async () => (await client.call('DBSIZE')) === 0)
    else replies.push(await client.callExact(...words))
  }
  await client.callExact('PUBLISH', END, '')
  client.close()
  return { replies, events: await listener.messages() }
}

async function compareClients(steps: readonly Step[]): Promise<void> {
  const [theirs, own] = await Promise.all([run(primary, steps), run(ours, steps)])
  expect(own.events).toEqual(theirs.events)
  expect(own.replies).toEqual(theirs.replies)
  expect(theirs.events.length).toBeGreaterThan(0)
}

async function compareStreams(steps: readonly Step[]): Promise<void> {
  await primary.call('FLUSHALL')
  const listeners = await Promise.all([Listener.on(theirReplica), Listener.on(ourReplica)])
  const client = await primary.raw()
  for (const step of steps) {
    const words = wordsOf(step)
    if (words[0] === 'SLEEP') await new Promise((resolve) => setTimeout(resolve, Number(words[1])))
    else await client.callExact(...words)
  }
  client.close()
  await untilEqualOffsets(primary, theirReplica)
  await untilEqualOffsets(primary, ourReplica)
  await Promise.all([theirReplica.call('PUBLISH', END, ''), ourReplica.call('PUBLISH', END, '')])
  const [theirs, own] = await Promise.all(listeners.map((listener) => listener.messages()))
  expect(own).toEqual(theirs)
  expect(theirs!.length).toBeGreaterThan(0)
}

const FAR = 4_102_444_800_000
const CASES: Record<string, Step[]> = {
  'SET and its forms': [
    'SET k v',
    'SET k w',
    'SET k w NX',
    'SET k w XX EX 100',
    'SET k w KEEPTTL',
    'SET missing w XX',
    'SET k w GET',
    'SET new w GET',
    'SET k w PX 100000 GET',
    'SETNX k v',
    'SETNX nx v',
    'SETEX e 100 v',
    'PSETEX p 100000 v',
    'GETSET k 5',
    'GETSET gs 5',
    'MSET a 1 b 2 a 3',
    'MSETNX c 1 d 2',
    'MSETNX c 1 x 2',
    'GETDEL a',
    'GETDEL missing',
  ],
  GETEX: [
    'SET k v',
    'GETEX k',
    'GETEX k EX 100',
    'GETEX k PERSIST',
    'GETEX k PERSIST',
    'GETEX missing EX 1',
    `GETEX k PXAT ${FAR}`,
    'GETEX k PXAT 1',
    'GETEX k',
  ],
  numbers: [
    'INCR n',
    'DECR n',
    'INCRBY n 5',
    'DECRBY n 5',
    'INCRBYFLOAT n 1.5',
    'INCRBYFLOAT m 1.5',
    'INCR n',
    'SET t x',
    'INCR t',
    'SET big 9007199254740993',
    'INCR big',
  ],
  'parts of strings': [
    'APPEND k a',
    'APPEND k b',
    'APPEND k x',
    'SETRANGE k 3 x',
    ['SETRANGE', 'k', 3, ''],
    ['SETRANGE', 'none', 3, ''],
    'SETRANGE r 3 x',
    'GETRANGE none 0 1',
    'STRLEN none',
    'GET none',
    'MGET none k other',
  ],
  bits: [
    'SETBIT b 7 1',
    'SETBIT b 7 1',
    'SETBIT b 7 0',
    'SETBIT b 100 0',
    'GETBIT none 1',
    'BITCOUNT none',
    'BITPOS none 1',
    'BITFIELD b SET u8 0 5',
    'BITFIELD b SET u8 0 5',
    'BITFIELD b GET u8 0',
    'BITFIELD none GET u8 0',
    'BITFIELD fresh SET u8 0 0',
    'BITFIELD fresh OVERFLOW FAIL INCRBY u8 0 256',
    'BITFIELD fresh INCRBY u8 64 1',
    'BITOP NOT dest b',
    'BITOP OR dest none1 none2',
    'BITOP OR dest none1 none2',
    'BITOP AND b b fresh',
  ],
  HyperLogLog: [
    'PFADD h a b c',
    'PFADD h a b c',
    'PFADD empty',
    'PFADD empty',
    'PFCOUNT h',
    'PFCOUNT h none',
    'PFCOUNT none',
    'PFMERGE m h none',
    'PFMERGE m',
    'PFMERGE h m',
  ],
  'times to live': [
    'SET k v',
    'EXPIRE k 100',
    'PEXPIRE k 100000',
    `PEXPIREAT k ${FAR}`,
    'EXPIRE k 100 NX',
    'PERSIST k',
    'PERSIST k',
    'EXPIRE none 1',
    'EXPIRE k -1',
    'SET k v',
    'EXPIREAT k 1',
    'TTL k',
    'PTTL k',
    'EXPIRETIME k',
  ],
  keys: [
    'MSET a 1 b 2 c 3 d 4',
    'DEL a none b',
    'UNLINK c',
    'RENAME d e',
    'RENAME e e',
    'SET f 1',
    'RENAME e f',
    'RENAMENX f g',
    'SET h 1',
    'RENAMENX g h',
    'COPY g i',
    'COPY g i',
    'COPY g i REPLACE',
    'COPY g i DB 3',
    'COPY none i',
    'MOVE i 4',
    'SET i 1',
    'MOVE i 4',
    'EXISTS none g',
    'TYPE none',
    'TOUCH none g',
    'OBJECT ENCODING none',
    'DUMP none',
    'SELECT 4',
    'DEL i',
    'SWAPDB 3 4',
    'GET i',
    'DEL i',
    'FLUSHDB',
    'FLUSHALL',
  ],
  restore: [
    `RESTORE r 0 ${PAYLOAD}`,
    `RESTORE r 0 ${PAYLOAD} REPLACE`,
    `RESTORE r 100000 ${PAYLOAD} REPLACE`,
    `RESTORE r 0 ${PAYLOAD}`,
    `RESTORE r 1 ${PAYLOAD} REPLACE ABSTTL`,
    `RESTORE r 1 ${PAYLOAD} REPLACE ABSTTL`,
    'SET k v',
  ],
  'a transaction': ['MULTI', 'SET k v', 'INCR n', 'EXPIRE k 100', 'DEL n', 'GET none', 'EXEC'],
}

/** Of types: what needs a command that this build does not have is left out. */
const TYPE_CASE_NAMES = Object.keys(TYPE_CASES).filter((name) =>
  knowsCommands(TYPE_CASES[name]!.map((step) => step.split(' ', 1)[0]!)),
)

describe('clients', () => {
  it.each(TYPE_CASE_NAMES)('%s', async (name) => {
    await compareClients(TYPE_CASES[name]!)
  })

  it.each(Object.keys(CASES))('%s', async (name) => {
    await compareClients(CASES[name]!)
  })

  it('an expired key that a write meets', async () => {
    // Looked at at once: a server removes it by itself after a while, and would tell so earlier.
    const steps: Step[] = ['PSETEX k 1 v', 'PSETEX s 1 v', 'PSETEX d 1 v', 'SLEEP 5', 'APPEND k x', 'SET s w', 'DEL d']
    for (const server of [primary, ours]) await server.call('DEBUG', 'SET-ACTIVE-EXPIRE', '0')
    await compareClients(steps)
    for (const server of [primary, ours]) await server.call('DEBUG', 'SET-ACTIVE-EXPIRE', '1')
  })

  it.each([
    'RENAME other k',
    'COPY other k',
    'SUNIONSTORE k set',
    'ZUNIONSTORE k 1 zset',
    'ZRANGESTORE k zset 0 -1',
    'BITOP NOT k other',
    'SORT set STORE k',
    'LMOVE list k LEFT LEFT',
  ])('an expired key in the place of a result: %s', async (command) => {
    for (const server of [primary, ours]) await server.call('DEBUG', 'SET-ACTIVE-EXPIRE', '0')
    await compareClients([
      'SET other v',
      'SADD set 1',
      'ZADD zset 1 a',
      'RPUSH list a',
      'PSETEX k 1 v',
      'SLEEP 5',
      command,
    ])
    for (const server of [primary, ours]) await server.call('DEBUG', 'SET-ACTIVE-EXPIRE', '1')
  })

  it('an expired key that nobody touches', async () => {
    await compareClients(['PSETEX k 1 v', 'UNTIL-EMPTY', 'DBSIZE'])
  })
})

describe('the stream', () => {
  it.each(TYPE_CASE_NAMES)('%s', async (name) => {
    await compareStreams(TYPE_CASES[name]!)
  })

  it.each(Object.keys(CASES))('%s', async (name) => {
    await compareStreams(CASES[name]!)
  })

  it('a key whose time comes: the DEL of the primary', async () => {
    await compareStreams(['PSETEX k 20 v', 'SET other v', 'SLEEP 60', 'GET k'])
  })
})

describe('notify-keyspace-events', () => {
  const LETTERS = ['', 'K', 'E', 'KE', 'Kg', 'E$', 'Kx', 'KEg$x', 'Em', 'KEn', 'A', 'g$', 'KEA']

  it.each(LETTERS)('classes are chosen by letters: "%s"', async (letters) => {
    for (const server of [primary, ours]) await server.call('CONFIG', 'SET', 'notify-keyspace-events', letters)
    const steps: Step[] = ['SET k v EX 100', 'GET none', 'PERSIST k', 'DEL k', 'INCR n', 'PUBLISH chan message']
    const [theirs, own] = await Promise.all([run(primary, steps), run(ours, steps)])
    expect(own).toEqual(theirs)
    for (const server of [primary, ours]) {
      expect(await server.call('CONFIG', 'GET', 'notify-keyspace-events')).toEqual(
        await primary.call('CONFIG', 'GET', 'notify-keyspace-events'),
      )
    }
  })

  it('a RESP3 subscriber hears of its own commands; those of a transaction behind the reply of EXEC', async () => {
    const answers: string[] = []
    for (const server of [primary, ours]) {
      await server.call('CONFIG', 'SET', 'notify-keyspace-events', 'KEA')
      await server.call('FLUSHALL')
      const client = await server.raw()
      await client.call('HELLO', '3')
      const steps = ['PSUBSCRIBE *', 'SET k v', 'MULTI', 'INCR n', 'PUBLISH c m', 'EXEC', 'GET k', 'QUIT']
      for (const step of steps) client.send(encodeCommand(...step.split(' ')))
      answers.push((await client.readToEnd()).toString('latin1'))
      client.close()
    }
    const [theirs, own] = answers as [string, string]
    // Redis 7.0 sends the messages in the middle of the array; later versions, and we, behind it.
    const exec = theirs.indexOf('*2\r\n')
    expect(own.slice(0, exec)).toBe(theirs.slice(0, exec))
    expect(own.slice(exec)).toMatch(/^\*2\r\n:1\r\n:\d+\r\n>4\r\n/)
    expect(own.split('>4').toSorted()).toHaveLength(theirs.split('>4').length)
    expect(own.endsWith('$1\r\nv\r\n+OK\r\n')).toBe(true)
  })
})
