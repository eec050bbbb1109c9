/**
 * The test of the differential test: two stock servers between which there must be no difference, and the
 * same with one that answers wrongly or loses a write, which must be found and made short.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startRedisServer } from '../support/redis-server.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import type { TestServer } from '../support/test-server.ts'
import { DATABASES, STRING_BYTES_MAX, type Word } from './draw.ts'
import { type Endpoint, SocketEndpoint } from './endpoint.ts'
import { Fuzz, rowsOfBoth, rowsOfGrammars } from './fuzz.ts'
import { allGrammars } from './grammars/index.ts'
import type { Endpoints } from './pair.ts'
import { itOfReference } from '../support/reference.ts'

const servers: TestServer[] = []
let endpoints: Endpoints & { readonly writable: Endpoint }

beforeAll(async () => {
  const directives = { databases: DATABASES, 'proto-max-bulk-len': STRING_BYTES_MAX, hz: 500 }
  for (let i = 0; i < 2; i++) servers.push(await startRedisServer({ directives }))
  const [left, right] = servers as [TestServer, TestServer]
  for (const server of [left, right]) await server.call('DEBUG', 'SET-ACTIVE-EXPIRE', '0')
  const open = ({ port }: TestServer): Promise<Endpoint> => SocketEndpoint.connect(`port ${port}`, port)
  endpoints = {
    primary: await open(left),
    writable: await open(right),
    state: { primary: await open(left), writable: await open(right) },
  }
})

afterAll(async () => {
  const { primary, writable, state } = endpoints
  for (const one of [primary, writable, state.primary, state.writable]) one?.close()
  for (const server of servers.toReversed()) await server.stop()
})

/** @returns what the run throws; undefined when there was no difference. */
async function run(changed: Endpoints, seed: number, seconds: number, only?: string[]): Promise<string | undefined> {
  const grammars = allGrammars([])
  const known = await rowsOfBoth(changed, rowsOfGrammars(grammars))
  const subject = { endpoints: changed, grammars, tableRows: [], known, random: new SeededRandom(seed) }
  const options = { seed, count: Infinity, seconds, log: () => {}, ...(only === undefined ? {} : { only }) }
  try {
    await new Fuzz(subject, options).run()
    return undefined
  } catch (error) {
    return String(error)
  }
}

/** A server that does something else for some commands. */
class Liar implements Endpoint {
  readonly name = 'a liar'
  readonly #honest: Endpoint
  readonly #command: (words: readonly Word[]) => readonly Word[]
  readonly #reply: (words: readonly Word[], reply: Buffer) => Buffer

  constructor(
    honest: Endpoint,
    reply: (words: readonly Word[], reply: Buffer) => Buffer,
    command: (words: readonly Word[]) => readonly Word[] = (words) => words,
  ) {
    this.#honest = honest
    this.#command = command
    this.#reply = reply
  }

  async call(commands: readonly (readonly Word[])[]): Promise<Buffer[]> {
    const replies = await this.#honest.call(commands.map(this.#command))
    return replies.map((reply, i) => this.#reply(commands[i]!, reply))
  }

  close(): void {}
}

const isShortSet = (words: readonly Word[]): boolean =>
  words.length === 3 && String(words[0]).toUpperCase() === 'MSET' && words[2]!.length === 3

describe('the differential test', { timeout: 120_000 }, () => {
  itOfReference('finds no difference between stock servers, and uses every grammar', async () => {
    expect(
      await run(endpoints, Number(process.env['FUZZ_TEST_SEED'] ?? 1), Number(process.env['FUZZ_TEST_SECONDS'] ?? 8)),
    ).toBe(undefined)
  })

  it('finds a wrong reply and the shortest case', async () => {
    const writable = new Liar(endpoints.writable, (words, reply) => {
      const isWrong = String(words[0]).toUpperCase() === 'STRLEN' && reply.toString() === ':12\r\n'
      return isWrong ? Buffer.from(':13\r\n') : reply
    })
    const found = await run({ ...endpoints, writable }, 2, 30, ['strings'])
    expect(found).toMatch(/seed 2, round \d+: reply: strlen/i)
    expect(found).toContain('expected ":12\\r\\n"')
    expect(found).toContain('got      ":13\\r\\n"')
    expect(found).toMatch(/shortest case \([12] commands/)
  })

  it('finds a lost write and the shortest case', async () => {
    const writable = new Liar(
      endpoints.writable,
      (words, reply) => (isShortSet(words) ? Buffer.from('+OK\r\n') : reply),
      (words) => (isShortSet(words) ? ['PING'] : words),
    )
    const found = await run({ ...endpoints, writable }, 3, 30, ['MSET'])
    expect(found).toMatch(/writable node: DEBUG DIGEST; keys that differ: 0:/)
    expect(found).toMatch(/shortest case \(1 commands/)
    expect(found).toMatch(/^ {4}mset \S+ /im)
  })
})
