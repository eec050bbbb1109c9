/**
 * Keys that live for milliseconds on a primary with active expiry, link cuts all the while: a replica must hold what its
 * primary does at every offset, whichever way a key went.
 */
import { comparesReplies, startRedisServer } from '../support/redis-server.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { rounds, type SoakOptions, type SoakResult } from '../support/soak.ts'
import type { TestServer } from '../support/test-server.ts'
import { startUnderstudy } from '../support/understudy-server.ts'
import { waitFor } from '../support/wait-for.ts'
import { DATABASES, Draw, STRING_BYTES_MAX, type Word } from './draw.ts'
import { SocketEndpoint } from './endpoint.ts'
import { isOfOneRelease } from './exceptions.ts'
import { rowsOfGrammars } from './fuzz.ts'
import { Generator } from './generator.ts'
import { allGrammars } from './grammars/index.ts'
import { shownCommand } from '../support/shown-command.ts'
import { compareReplica, DifferenceFound, type StateEndpoints } from './state.ts'

const STEPS_PER_ROUND = 800
const ROUNDS_PER_FLUSH = 20
const CUT = 0.15
/** Of cuts: the next synchronization is a full one. */
const FULL = 0.4
const FAMILIES_LEFT_OUT = ['restore']

/** Times to live that pass during the test. */
class ShortLived extends Draw {
  override duration(unitMs: 1 | 1000, canBePast: boolean): Word {
    if (this.chance(0.15)) return super.duration(unitMs, canBePast)
    return unitMs === 1 ? String(this.int(1, this.chance(0.5) ? 30 : 600)) : '1'
  }

  override instant(unitMs: 1 | 1000): Word {
    if (this.chance(0.3)) return super.instant(unitMs)
    const at = Date.now() + this.int(-20, 300)
    return unitMs === 1 ? String(at) : String(Math.ceil(at / 1000))
  }
}

export async function expiring(options: SoakOptions): Promise<SoakResult> {
  const servers: TestServer[] = []
  const isReference = await comparesReplies()
  const random = new SeededRandom(options.seed)
  const directives = { databases: DATABASES, 'proto-max-bulk-len': STRING_BYTES_MAX, 'repl-timeout': 3600 }
  try {
    const primary = await startRedisServer({ directives: { ...directives, hz: 100, 'repl-backlog-size': '64mb' } })
    servers.push(primary)
    const following = { ...directives, replicaof: ['127.0.0.1', primary.port] }
    const replica = await startUnderstudy({ directives: following })
    servers.push(replica)
    const stock = await startRedisServer({ directives: following })
    servers.push(stock)
    for (const one of [replica, stock]) {
      await waitFor('the first sync', async () => (await one.info('replication'))['master_link_status'] === 'up', {
        timeoutMs: 30_000,
      })
    }
    const writer = await SocketEndpoint.connect('the primary', primary.port)
    const state: StateEndpoints = {
      primary: await SocketEndpoint.connect('the primary', primary.port),
      writable: writer,
      replica: await SocketEndpoint.connect('the replica', replica.port),
      stockReplica: await SocketEndpoint.connect('the stock replica', stock.port),
    }
    const only = process.env['UNDERSTUDY_FUZZ_ONLY']?.split(',')
    const grammars = allGrammars([]).filter(
      ({ family }) => !FAMILIES_LEFT_OUT.includes(family) && only?.includes(family) !== false,
    )
    const known = await rowsApplied(state, rowsOfGrammars(grammars))
    const history: string[] = []
    let count = 0
    let commands = 0
    let cuts = 0
    let lastLog = performance.now()
    for (const round of rounds({ ...options, log: () => {} })) {
      const roundRandom = random.fork()
      const generator = new Generator(roundRandom, grammars, (row) => known.has(row), new ShortLived(roundRandom))
      if (round % ROUNDS_PER_FLUSH === 0) {
        history.length = 0
        await writer.call([['SELECT', '0'], ['FLUSHALL']])
      }
      const made = Array.from({ length: STEPS_PER_ROUND }, () => generator.step())
        .filter((step) => isReference || !step.some(({ words }) => isOfOneRelease(words)))
        .flat()
      commands += made.length
      const half = made.length >>> 1
      await writer.call(made.slice(0, half).map(({ words }) => words))
      if (roundRandom.chance(CUT)) {
        cuts++
        if (roundRandom.chance(FULL)) await state.primary.call([['DEBUG', 'CHANGE-REPL-ID']])
        await state.primary.call([['CLIENT', 'KILL', 'TYPE', 'replica']])
      }
      await writer.call(made.slice(half).map(({ words }) => words))
      for (const { words } of made) history.push(shownCommand(words))
      try {
        await compareReplica(state)
      } catch (error) {
        if (!(error instanceof DifferenceFound)) throw error
        const { what, expected, actual } = error.difference
        const keys = [...what.matchAll(/\d+:([^, ]+)/g)].map(([, key]) => key!)
        const about = history.filter((line) => keys.some((key) => line.includes(key))).slice(-60)
        throw new Error(
          `seed ${options.seed}, round ${round}: ${what}\n  expected ${expected}\n  got      ${actual}\n  what named these keys last:\n    ${about.join('\n    ')}`,
          { cause: error },
        )
      }
      count++
      if (performance.now() - lastLog > 10_000) {
        lastLog = performance.now()
        options.log(`round ${round}: ${commands} commands, ${cuts} cuts`)
      }
    }
    for (const one of [writer, state.primary, state.replica, state.stockReplica]) one?.close()
    return { count, counted: { commands, cuts } }
  } finally {
    for (const server of servers.toReversed()) await server.stop().catch(() => {})
  }
}

/** What the primary has and the replica can apply. */
async function rowsApplied({ primary, replica }: StateEndpoints, rows: readonly string[]): Promise<Set<string>> {
  const known = new Set<string>()
  for (const row of rows) {
    const ask = [['COMMAND', 'INFO', row.toLowerCase().replace(' ', '|')]]
    const [[left], [right]] = await Promise.all([primary.call(ask), replica!.call(ask)])
    if (left!.length > 10 && right!.length > 10) known.add(row)
  }
  return known
}
