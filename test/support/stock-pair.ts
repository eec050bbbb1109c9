/**
 * A stock server beside our commands: the same command goes to both, and the replies must agree, byte for byte or as sets of
 * elements (the order of a hash table is nobody's promise). For tests of one type; the fuzz harness mixes all.
 */
import { datasetDigest, dataCommandFamilies, type Keyspace, LibraryStore } from '@understudy/core/internal'
import { afterAll, beforeAll, expect } from 'vitest'
import { CommandRunner } from './command-runner.ts'
import { checkKeyspace } from './keyspace-check.ts'
import type { Argument, RawClient } from './raw-client.ts'
import { startRedisServer } from './redis-server.ts'
import { readAllReplies, type Reply } from './resp-reader.ts'
import type { TestServer } from './test-server.ts'

const DATA_COMMANDS = dataCommandFamilies({
  libraries: new LibraryStore(),
  memory: () => {
    throw new Error('not asked for')
  },
})

/** A pair for the tests of the suite that calls it: its server runs from the first test to the last. */
export function useStockPair(): StockPair {
  const pair = new StockPair()
  beforeAll(async () => {
    pair.server = await startRedisServer()
    pair.client = await pair.server.raw({ timeoutMs: 30_000 })
  })
  afterAll(() => pair.server.stop())
  return pair
}

export class StockPair {
  server!: TestServer
  client!: RawClient
  readonly runner: CommandRunner = new CommandRunner(DATA_COMMANDS)
  /** Said in front of every difference. */
  where = ''

  get keyspace(): Keyspace {
    return this.runner.keyspace
  }

  /** Empties both and speaks RESP `resp` from here on. */
  async begin(resp: 2 | 3, where: string): Promise<void> {
    this.where = where
    await this.client.call('HELLO', resp)
    await this.client.call('FLUSHALL')
    this.runner.run('FLUSHALL')
    this.runner.resp = resp
  }

  /** The replies have the same bytes. */
  async same(...command: Argument[]): Promise<string> {
    const theirs = await this.client.callExact(...command)
    expect(this.runner.text(...command), this.#said(command)).toBe(theirs)
    return theirs
  }

  /** The replies have the same elements, `stride` replies each (2: pairs), in any order. */
  async sameElements(stride: number, ...command: Argument[]): Promise<void> {
    const theirs = await this.client.callExact(...command)
    const ours = this.runner.text(...command)
    const [theirReply] = readAllReplies(Buffer.from(theirs, 'latin1'))
    const [ourReply] = readAllReplies(Buffer.from(ours, 'latin1'))
    expect(ours[0], this.#said(command)).toBe(theirs[0])
    expect(elements(ourReply!, stride), this.#said(command)).toEqual(elements(theirReply!, stride))
  }

  /** Data and encodings agree, and no memory is lost. */
  async check(keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      await this.same('OBJECT', 'ENCODING', key)
      await this.same('TYPE', key)
    }
    const theirs = await this.client.call('DEBUG', 'DIGEST')
    if (datasetDigest(this.keyspace) !== theirs) {
      for (const key of keys) {
        const type = String(await this.client.call('TYPE', key))
        const read = { hash: 'HGETALL', set: 'SMEMBERS' }[type]
        if (read !== undefined) await this.sameElements(type === 'hash' ? 2 : 1, read, key)
      }
      expect(datasetDigest(this.keyspace), `${this.where}: digest`).toBe(theirs)
    }
    while (this.keyspace.freeSlice(100));
    checkKeyspace(this.keyspace)
  }

  #said(command: readonly Argument[]): string {
    return `${this.where}: ${command.map((argument) => String(argument).slice(0, 60)).join(' ')}`
  }
}

function elements(reply: Reply, stride: number): Reply {
  if (reply instanceof Map) return elements([...reply].flat(), 2)
  if (reply instanceof Set) return elements([...reply] as Reply[], stride)
  if (!Array.isArray(reply)) return reply
  const parts: string[] = []
  for (let i = 0; i < reply.length; i += stride) parts.push(JSON.stringify(reply.slice(i, i + stride)))
  return parts.toSorted()
}
