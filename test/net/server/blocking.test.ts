/**
 * Commands that wait, beside a redis-server: the same steps on the same connections, and after each step every connection
 * has received the same bytes.
 */
import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { untilEqualOffsets } from '../../support/compare-datasets.ts'
import { freePort } from '../../support/free-port.ts'
import { encodeCommand, type RawClient } from '../../support/raw-client.ts'
import { knowsCommands } from '../../support/known-commands.ts'
import { startRedisServer } from '../../support/redis-server.ts'
import type { TestServer } from '../../support/test-server.ts'
import { startUnderstudy } from '../../support/understudy-server.ts'
import { waitFor } from '../../support/wait-for.ts'
import { itOfReference as it } from '../../support/reference.ts'

let theirs: TestServer
let ours: TestServer

beforeAll(async () => {
  ;[theirs, ours] = await Promise.all([startRedisServer(), startUnderstudy()])
  // Who runs first of those that a step lets go on must not depend on how busy the machine is.
  await ours.call('DEBUG', 'TURN-MS', 60_000)
})

afterAll(async () => {
  await Promise.all([theirs?.stop(), ours?.stop()])
})

/** Longer than any step, by a section that does not exist: a question may or may not count itself, the rest tells the step. */
const ASK_INPUT = ['INFO', 'stats', 'x'.repeat(4096)] as const
const ASKING_BYTES = encodeCommand(...ASK_INPUT).length

const settled = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

interface Connection {
  readonly client: RawClient
  readonly id: number
}

/** The connections of a play on one server. */
class Stage {
  readonly #connections = new Map<string, Connection>()
  readonly #server: TestServer

  constructor(server: TestServer) {
    this.#server = server
  }

  async open(names: Iterable<string>, resp: 2 | 3): Promise<void> {
    await this.#server.call('FLUSHALL')
    for (const name of names) {
      const client = await this.#server.raw()
      await client.call('HELLO', resp)
      this.#connections.set(name, { client, id: Number(await client.call('CLIENT', 'ID')) })
    }
  }

  async act(name: string, text: string): Promise<void> {
    const { client } = this.#connections.get(name)!
    const before = await this.#inputBytes()
    let sent = 0
    if (text === 'close') client.end()
    else {
      const commands = text.split(' ; ').map((command) => {
        const words = command.split(' ')
        if (words[0] === 'unblock')
          words.splice(0, 2, 'CLIENT', 'UNBLOCK', String(this.#connections.get(words[1]!)!.id))
        return encodeCommand(...words)
      })
      const bytes = Buffer.concat(commands)
      sent = bytes.length
      client.send(bytes)
    }
    expect(sent).toBeLessThan(ASKING_BYTES)
    while (((await this.#inputBytes()) - before) % ASKING_BYTES !== sent);
    // A thread counts input when it has forwarded it: what was counted is queued before a question that follows, and was run
    // when that is answered, whichever threads the connections are in.
    await this.#inputBytes()
    await this.#inputBytes()
  }

  /** What the server has received. */
  async #inputBytes(): Promise<number> {
    const text = String(await this.#server.call(...ASK_INPUT))
    return Number(/total_net_input_bytes:(\d+)/.exec(text)?.[1])
  }

  /** All bytes that each connection has received so far. */
  received(): Record<string, string> {
    return Object.fromEntries(
      [...this.#connections].map(([name, { client }]) => [name, client.received().toString('latin1')]),
    )
  }

  close(): void {
    for (const { client } of this.#connections.values()) client.close()
  }
}

/**
 * Plays the steps on both servers. 'a: BLPOP k 0' is a command on the connection of that name, whose reply is not waited for;
 * several commands in one write are separated by ' ; '. 'a: unblock b ERROR' is CLIENT UNBLOCK of another connection, 'a: close'
 * ends one, 'sleep 150' waits.
 */
async function compare(steps: readonly string[]): Promise<void> {
  const names = new Set(steps.map((step) => /^(\w+):/.exec(step)?.[1]).filter((name) => name !== undefined))
  for (const resp of [2, 3] as const) {
    const stages = [new Stage(theirs), new Stage(ours)] as const
    try {
      for (const stage of stages) await stage.open(names, resp)
      for (const step of [...steps, 'sleep 10']) await perform(stages, step)
    } finally {
      for (const stage of stages) stage.close()
    }
  }
}

async function perform(stages: readonly [Stage, Stage], step: string): Promise<void> {
  const [, name, text] = /^(\w+): (.*)$/.exec(step) ?? []
  if (name === undefined) await settled(Number(step.slice(6)))
  else await Promise.all(stages.map((stage) => stage.act(name, text!)))
  const deadline = performance.now() + 10_000
  const equal = (): boolean => isDeepStrictEqual(stages[0].received(), stages[1].received())
  while (!equal() && performance.now() < deadline) await settled(2)
  expect(stages[1].received(), step).toEqual(stages[0].received())
}

const LISTS: Record<string, string[]> = {
  'BLPOP at once': ['a: RPUSH k 1 2 3', 'a: BLPOP k 0', 'a: BRPOP k 0', 'a: BLPOP none k 0', 'a: EXISTS k'],
  'BLPOP waits': ['a: BLPOP k 0', 'b: RPUSH k 1 2', 'b: LRANGE k 0 -1', 'a: PING'],
  'BRPOP waits': ['a: BRPOP k 0', 'b: RPUSH k 1 2', 'b: LRANGE k 0 -1'],
  'the first key that comes': ['a: BLPOP x y z 0', 'b: RPUSH y 1', 'b: RPUSH x 1', 'b: EXISTS x y'],
  'in order of waiting': [
    'a: BLPOP k 0',
    'b: BRPOP k 0',
    'c: BLPOP k 0',
    'd: RPUSH k 1',
    'd: RPUSH k 2 3',
    'd: EXISTS k',
  ],
  'one push for many': ['a: BLPOP k 0', 'b: BLPOP k 0', 'c: BLPOP k 0', 'd: RPUSH k 1 2'],
  'a push of a transaction': [
    'a: BLPOP k 0',
    'b: MULTI ; RPUSH k 1 ; RPUSH k 2 ; LPUSH k 0 ; EXEC',
    'b: LRANGE k 0 -1',
  ],
  'pushed and removed': ['a: BLPOP k 0', 'b: MULTI ; RPUSH k 1 ; DEL k ; EXEC', 'b: RPUSH k 2'],
  'pushed, removed and another type': ['a: BLPOP k 0', 'b: MULTI ; RPUSH k 1 ; DEL k ; SADD k x ; EXEC', 'b: DEL k'],
  'keys of a transaction in order': ['a: BLPOP x y 0', 'b: MULTI ; RPUSH y 1 ; RPUSH x 2 ; EXEC', 'b: EXISTS x y'],
  'wrong types': [
    'b: SET k v',
    'a: BLPOP k 0',
    'a: BLPOP none k 0',
    'a: BLPOP none 0',
    'b: SADD none x',
    'b: DEL none',
  ],
  'a later key of a wrong type': ['b: RPUSH x 1', 'b: SET y v', 'a: BLPOP x y 0', 'a: BLPOP x y 0'],
  'inside a transaction': [
    'a: MULTI ; BLPOP k 0 ; BRPOPLPUSH k d 0 ; BLMPOP 0 1 k LEFT ; BLMOVE k d LEFT RIGHT 0 ; EXEC',
  ],
  'times out': [
    'a: BLPOP k 0.03',
    'sleep 150',
    'a: BLMOVE k d LEFT LEFT 0.03',
    'sleep 150',
    'a: BLMPOP 0.03 1 k LEFT',
    'sleep 150',
  ],
  'timeouts that are none': [
    'a: BLPOP k x',
    'a: BLPOP k -1',
    'a: BLMOVE k d LEFT LEFT x',
    'a: BLMPOP -1 1 k LEFT',
    'a: BRPOPLPUSH k d y',
  ],
  BLMOVE: [
    'a: BLMOVE k d LEFT RIGHT 0',
    'b: RPUSH k 1 2',
    'b: LRANGE d 0 -1',
    'b: LRANGE k 0 -1',
    'a: BLMOVE k d RIGHT LEFT 0',
  ],
  BRPOPLPUSH: ['a: BRPOPLPUSH k d 0', 'b: RPUSH k 1 2', 'b: LRANGE d 0 -1', 'b: LRANGE k 0 -1'],
  'BLMOVE onto itself': ['a: BLMOVE k k LEFT RIGHT 0', 'b: RPUSH k 1 2 3', 'b: LRANGE k 0 -1'],
  'BLMOVE to a wrong type': ['b: SET d v', 'a: BLMOVE k d LEFT RIGHT 0', 'b: RPUSH k 1', 'b: LRANGE k 0 -1', 'a: PING'],
  'a wrong type serves the next': [
    'b: SET d v',
    'a: BLMOVE k d LEFT RIGHT 0',
    'c: BLPOP k 0',
    'b: RPUSH k 1',
    'b: EXISTS k',
  ],
  'a chain': [
    'a: BLMOVE x y LEFT LEFT 0',
    'b: BLMOVE y z LEFT LEFT 0',
    'c: BLPOP z 0',
    'd: RPUSH x 1',
    'd: EXISTS x y z',
  ],
  'a circle': [
    'a: BLMOVE x y LEFT LEFT 0',
    'b: BLMOVE y x LEFT LEFT 0',
    'd: RPUSH x 1',
    'd: LRANGE x 0 -1',
    'd: EXISTS y',
  ],
  BLMPOP: [
    'a: BLMPOP 0 2 x y LEFT COUNT 2',
    'b: RPUSH y 1 2 3',
    'a: BLMPOP 0 2 x y RIGHT COUNT 9',
    'a: BLMPOP 0 1 y LEFT COUNT 0',
  ],
  'LINSERT and others do not create': ['a: BLPOP k 0', 'b: LPUSHX k 1', 'b: LINSERT k BEFORE x y', 'b: RPUSH k 2'],
  RENAME: ['a: BLPOP k 0', 'b: RPUSH o 1', 'b: RENAME o k', 'b: EXISTS o k'],
  'RENAME of a key that is awaited under its old name': [
    'a: BLPOP o 0',
    'b: MULTI ; RPUSH o 1 ; RENAME o k ; EXEC',
    'b: RENAME k o',
  ],
  COPY: ['a: BLPOP k 0', 'b: RPUSH o 1', 'b: COPY o k', 'b: EXISTS o k'],
  MOVE: ['a: BLPOP k 0', 'b: SELECT 1 ; RPUSH k 1 ; MOVE k 0 ; EXISTS k'],
  SWAPDB: ['a: BLPOP k 0', 'b: SELECT 1 ; RPUSH k 1 ; SWAPDB 0 1', 'b: EXISTS k'],
  'SORT STORE': ['a: BLPOP k 0', 'b: RPUSH s 2 1 3', 'b: SORT s STORE k', 'b: LRANGE k 0 -1'],
  'FLUSHALL, DEL': ['a: BLPOP k 0', 'b: FLUSHALL', 'b: DEL k', 'b: RPUSH k 1'],
  'CLIENT UNBLOCK': [
    'a: BLPOP k 0',
    'b: unblock a',
    'a: BLPOP k 0',
    'b: unblock a ERROR',
    'b: unblock a',
    'a: BLPOP k 0',
    'b: unblock a TIMEOUT',
    'b: unblock a NOPE',
  ],
  'a pipeline goes on': [
    'a: BLPOP k 0 ; SET x 1 ; BLPOP k 0 ; GET x',
    'b: GET x',
    'b: RPUSH k 1',
    'b: GET x',
    'b: RPUSH k 2',
  ],
  'who leaves takes nothing': ['a: BLPOP k 0', 'b: BLPOP k 0', 'a: close', 'c: RPUSH k 1 2', 'c: LRANGE k 0 -1'],
  'WATCH and a served client': ['c: WATCH k', 'a: BLPOP k 0', 'b: RPUSH k 1', 'c: MULTI ; PING ; EXEC'],
  'itself in another database': [
    'a: SELECT 2 ; BLPOP k 0',
    'b: RPUSH k 1',
    'b: SELECT 2 ; RPUSH k 2',
    'a: BLPOP k 0.02',
    'sleep 150',
  ],
}

const SORTED_SETS: Record<string, string[]> = {
  'BZPOPMIN, BZPOPMAX': [
    'a: ZADD k 1 x 2 y 3 z',
    'a: BZPOPMIN k 0',
    'a: BZPOPMAX k 0',
    'a: BZPOPMIN k 0',
    'a: EXISTS k',
  ],
  'BZPOPMIN waits': ['a: BZPOPMIN k 0', 'b: BZPOPMAX k 0', 'c: ZADD k 1 x 2 y 3 z', 'c: ZRANGE k 0 -1'],
  'several keys': ['a: BZPOPMAX x y 0', 'b: ZADD y 1.5 m', 'a: BZPOPMAX x y 0.02', 'sleep 150'],
  'wrong types': ['b: SET k v', 'a: BZPOPMIN k 0', 'a: BZPOPMIN n 0', 'b: RPUSH n 1', 'b: DEL n', 'b: ZADD n 1 a'],
  'waiters of several types': ['a: BLPOP k 0', 'b: BZPOPMIN k 0', 'c: ZADD k 1 a', 'c: RPUSH k 1', 'c: EXISTS k'],
  BZMPOP: [
    'a: BZMPOP 0 2 x y MIN COUNT 2',
    'b: ZADD y 1 a 2 b 3 c',
    'a: BZMPOP 0 1 y MAX',
    'a: BZMPOP 0.02 1 y MAX',
    'sleep 150',
  ],
  errors: ['a: BZPOPMIN k x', 'a: BZPOPMIN k -1', 'a: BZMPOP -1 1 k MIN', 'a: BZMPOP x 1 k MIN', 'a: BZMPOP 0 0 k MIN'],
  'stored results': [
    'a: BZPOPMIN d 0',
    'b: ZADD k 1 a',
    'b: ZUNIONSTORE d 1 k',
    'a: BZPOPMIN d 0',
    'b: ZRANGESTORE d k 0 -1',
  ],
  'inside a transaction': ['a: MULTI ; BZPOPMIN k 0 ; BZPOPMAX k 0 ; BZMPOP 0 1 k MIN ; EXEC'],
}

const STREAMS: Record<string, string[]> = {
  'XREAD at once': [
    'b: XADD s 1-1 f v',
    'a: XREAD BLOCK 0 STREAMS s 0',
    'a: XREAD BLOCK 20 STREAMS s 1-1',
    'sleep 150',
  ],
  'XREAD waits': [
    'a: XREAD BLOCK 0 STREAMS s $',
    'c: XREAD BLOCK 0 STREAMS s 0',
    'b: XADD s 1-1 f v',
    'b: XADD s 1-2 f v',
  ],
  'XREAD of an ID to come': [
    'a: XREAD BLOCK 0 STREAMS s 5-0',
    'b: XADD s 1-1 f v',
    'b: XADD s 5-1 f v',
    'b: XADD s 6-1 f v',
  ],
  'several streams': [
    'b: XADD t 1-1 f v',
    'a: XREAD COUNT 2 BLOCK 0 STREAMS s t $ $',
    'b: XADD t 2-1 f v',
    'b: XADD s 2-1 f v',
  ],
  'a transaction': ['a: XREAD BLOCK 0 STREAMS s $', 'b: MULTI ; XADD s 1-1 a 1 ; XADD s 1-2 a 2 ; EXEC'],
  'wrong types': [
    'b: SET k v',
    'a: XREAD BLOCK 0 STREAMS k 0',
    'a: XREAD BLOCK 0 STREAMS n 0',
    'b: RPUSH n 1',
    'b: DEL n',
    'b: XADD n 1-1 f v',
  ],
  errors: [
    'a: XREAD BLOCK x STREAMS s 0',
    'a: XREAD BLOCK -1 STREAMS s 0',
    'a: XREAD BLOCK 0 STREAMS s',
    'a: XREADGROUP GROUP g c BLOCK 0 STREAMS s >',
  ],
  XREADGROUP: [
    'b: XGROUP CREATE s g $ MKSTREAM',
    'a: XREADGROUP GROUP g c1 BLOCK 0 STREAMS s >',
    'c: XREADGROUP GROUP g c2 BLOCK 0 STREAMS s >',
    'b: XADD s 1-1 f v',
    'b: XADD s 1-2 f v',
    'b: XPENDING s g',
  ],
  'a group that goes': [
    'b: XGROUP CREATE s g $ MKSTREAM',
    'a: XREADGROUP GROUP g c BLOCK 0 STREAMS s >',
    'b: XGROUP DESTROY s g',
    'a: PING',
  ],
  'a stream that goes': [
    'b: XGROUP CREATE s g $ MKSTREAM',
    'a: XREADGROUP GROUP g c BLOCK 0 STREAMS s >',
    'c: XREAD BLOCK 0 STREAMS s $',
    'b: DEL s',
    'b: XADD s 1-1 f v',
  ],
  'a stream that is overwritten': [
    'b: XGROUP CREATE s g $ MKSTREAM',
    'a: XREADGROUP GROUP g c BLOCK 0 STREAMS s >',
    'b: SET s v',
  ],
  RENAME: ['b: XADD o 1-1 f v', 'a: XREAD BLOCK 0 STREAMS s 0', 'b: RENAME o s'],
  'inside a transaction': ['a: MULTI ; XREAD BLOCK 0 STREAMS s 0 ; EXEC'],
  'the time': [
    'a: XREAD BLOCK 20 STREAMS s 0',
    'sleep 150',
    'b: XGROUP CREATE s g 0 MKSTREAM',
    'a: XREADGROUP GROUP g c BLOCK 20 STREAMS s >',
    'sleep 150',
  ],
  'CLIENT UNBLOCK': [
    'a: XREAD BLOCK 0 STREAMS s 0',
    'b: unblock a',
    'a: XREAD BLOCK 0 STREAMS s 0',
    'b: unblock a ERROR',
  ],
}

/** Names of the commands in a case. */
function commandsOf(steps: readonly string[]): string[] {
  return steps.flatMap((step) => {
    const text = /^\w+: (.*)$/.exec(step)?.[1]
    if (text === undefined || text === 'close') return []
    return text.split(' ; ').map((command) => command.split(' ', 1)[0]!.replace('unblock', 'CLIENT'))
  })
}

describe('on a replica', () => {
  it('XREAD BLOCK is served by the stream and ends with a change of role', async () => {
    const primary = await startRedisServer()
    const directives = { replicaof: ['127.0.0.1', primary.port] }
    const replicas = await Promise.all([startRedisServer({ directives }), startUnderstudy({ directives })])
    const transcripts: string[] = []
    for (const replica of replicas) {
      await waitFor('the link', async () => (await replica.info('replication'))['master_link_status'] === 'up')
      const [all, fresh, later] = [await replica.raw(), await replica.raw(), await replica.raw()]
      await primary.call('DEL', 's', 't')
      await untilEqualOffsets(primary, replica)
      all.send(encodeCommand('XREAD', 'BLOCK', 0, 'STREAMS', 's', 't', '0', '0'))
      fresh.send(encodeCommand('XREAD', 'BLOCK', 0, 'STREAMS', 's', '1-1'))
      await waitFor('two waits', async () => (await replica.info('clients'))['blocked_clients'] === '2')
      const writer = await primary.raw()
      await writer.pipeline([['MULTI'], ['XADD', 's', '1-1', 'f', 'v'], ['XADD', 's', '1-2', 'f', 'w'], ['EXEC']])
      const seen = [await all.readReplyBytes(), await fresh.readReplyBytes()].map(String)
      later.send(encodeCommand('XREAD', 'BLOCK', 0, 'STREAMS', 'none', '0'))
      await waitFor('a wait', async () => (await replica.info('clients'))['blocked_clients'] === '1')
      await replica.call('REPLICAOF', '127.0.0.1', await freePort())
      seen.push(String(await later.readToEnd()))
      transcripts.push(seen.join(''))
    }
    expect(transcripts[1]).toBe(transcripts[0])
    expect(transcripts[0]).toContain('1-2')
    await Promise.all(replicas.map((replica) => replica.stop()))
    await primary.stop()
  })

  it('XREAD BLOCK looks again when a new dataset takes over: here it does, in redis it does not', async () => {
    const primary = await startRedisServer()
    const replica = await startUnderstudy({ directives: { replicaof: ['127.0.0.1', primary.port] } })
    await waitFor('the link', async () => (await replica.info('replication'))['master_link_status'] === 'up')
    const waiter = await replica.raw()
    waiter.send(encodeCommand('XREAD', 'BLOCK', 0, 'STREAMS', 's', '0'))
    await waitFor('a wait', async () => (await replica.info('clients'))['blocked_clients'] === '1')
    // In one go: the replica cannot hear of the write but from the new dataset.
    const writer = await primary.raw()
    await writer.pipeline([
      ['MULTI'],
      ['DEBUG', 'CHANGE-REPL-ID'],
      ['CLIENT', 'KILL', 'TYPE', 'replica'],
      ['XADD', 's', '7-7', 'f', 'v'],
      ['EXEC'],
    ])
    expect(await waiter.readReply()).toEqual([['s', [['7-7', ['f', 'v']]]]])
    await waitFor('the link', async () => (await replica.info('replication'))['master_link_status'] === 'up')
    await replica.stop()
    await primary.stop()
  })
})

describe.each([
  ['lists', LISTS],
  ['sorted sets', SORTED_SETS],
  ['streams', STREAMS],
])('%s', (_name, cases) => {
  const names = Object.keys(cases).filter((name) => knowsCommands(commandsOf(cases[name]!)))
  it.each(names)('%s', async (name) => {
    await compare(cases[name]!)
  })
  it('a wait inside of a transaction is over at once', async () => {
    await compare(['a: MULTI ; WAIT 0 0 ; EXEC'])
  })
})
