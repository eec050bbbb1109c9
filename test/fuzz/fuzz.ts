/**
 * The differential test: random commands on a real redis-server, on a writable Understudy and, by way of replication, on a
 * replica of that redis-server. See docs/fuzz.md for what it compares and how to read what it prints.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { dataCommandFamilies, LibraryStore } from '@understudy/core/internal'
import { isReferenceRelease } from '../../scripts/redis-server.mjs'
import { redisBinaries, startRedisServer } from '../support/redis-server.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { rounds, type SoakOptions, type SoakResult } from '../support/soak.ts'
import type { TestServer } from '../support/test-server.ts'
import { startUnderstudy } from '../support/understudy-server.ts'
import { makeValuePayloads } from '../support/value-payloads.ts'
import { waitFor } from '../support/wait-for.ts'
import { Coverage, rowsOfTable } from './coverage.ts'
import { DATABASES, STRING_BYTES_MAX } from './draw.ts'
import { type Endpoint, SocketEndpoint } from './endpoint.ts'
import { isOfOneRelease } from './exceptions.ts'
import { Generator, type Step } from './generator.ts'
import type { Grammar } from './grammar.ts'
import { allGrammars } from './grammars/index.ts'
import { minimise } from './minimise.ts'
import { type Endpoints, Pair, type RoundSettings } from './pair.ts'
import { shownCommand } from '../support/shown-command.ts'
import { membersOf } from './replies.ts'
import type { Difference } from './state.ts'

export interface FuzzOptions extends SoakOptions {
  /** Go on after a difference; they are reported together at the end, each kind once. */
  readonly keepGoing?: boolean
  /** Rows that are not made. */
  readonly without?: readonly string[]
  /** Only these rows, families or none. */
  readonly only?: readonly string[]
  /** Print all counts of the coverage. */
  readonly showCoverage?: boolean
}

const BATCHES_PER_ROUND = 6
const STEPS_PER_BATCH = 400
const MINIMISE_MS = 45_000
const PAYLOAD_BYTES_MAX = 80_000
const DIRECTIVES: Readonly<Record<string, readonly string[]>> = {
  'hash-max-listpack-entries': ['128', '512', '4', '0', '1'],
  'hash-max-listpack-value': ['64', '64', '8', '0', '9000'],
  'set-max-intset-entries': ['512', '16', '0'],
  'zset-max-listpack-entries': ['128', '4', '0', '400'],
  'zset-max-listpack-value': ['64', '8', '0', '9000'],
  'list-max-listpack-size': ['-2', '-1', '4', '128', '1', '-5'],
  'list-compress-depth': ['0', '0', '1', '2'],
  'stream-node-max-entries': ['100', '10', '3', '0'],
  'stream-node-max-bytes': ['4096', '200', '0'],
  'hll-sparse-max-bytes': ['3000', '60', '300', '0', '16000'],
}

export async function fuzz(options: FuzzOptions): Promise<SoakResult> {
  const { product, version } = await redisBinaries()
  const comparesReplies = isReferenceRelease({ product, version })
  if (!comparesReplies) {
    options.log(
      `${product} ${version}: replies are those of another release, so only what its replica holds is compared`,
    )
  }
  const servers = await FuzzServers.start(comparesReplies)
  try {
    const random = new SeededRandom(options.seed)
    const grammars = allGrammars(await servers.payloads(random.fork()))
    const tableRows = rowsOfTable(dataCommandFamilies({ libraries: new LibraryStore(), memory: noMemoryFacts }))
    const known = await rowsOfBoth(servers.endpoints, [...rowsOfGrammars(grammars), ...tableRows])
    const revive = (): Promise<Revived> => servers.revive()
    return await new Fuzz({ endpoints: servers.endpoints, grammars, tableRows, known, random, revive }, options).run()
  } finally {
    await servers.stop()
  }
}

export interface Subject {
  readonly endpoints: Endpoints
  readonly grammars: readonly Grammar[]
  /** Rows that must be covered when they are known. */
  readonly tableRows: readonly string[]
  /** Rows that both servers have. */
  readonly known: ReadonlySet<string>
  readonly random: SeededRandom
  /** Starts the servers again after one has failed. */
  readonly revive?: () => Promise<Revived>
}

interface Revived {
  readonly endpoints: Endpoints
  /** What the one that failed has said last. */
  readonly lastWords: string
}

/** Rounds on a pair of servers. */
export class Fuzz {
  readonly #subject: Subject
  readonly #options: FuzzOptions
  #pair: Pair
  readonly #reports = new Map<string, string>()

  constructor(subject: Subject, options: FuzzOptions) {
    this.#subject = subject
    this.#options = options
    this.#pair = new Pair(subject.endpoints)
  }

  /** @throws with the report of the differences, or with what is wrong with the coverage. */
  async run(): Promise<SoakResult> {
    const { log, without = [], only } = this.#options
    const { grammars, tableRows, known, random } = this.#subject
    const isMade = (row: string): boolean => known.has(row) && !without.includes(row)
    const chosen = grammars.map((grammar) => ({
      ...grammar,
      commands: grammar.commands.filter(
        ({ name }) => only === undefined || only.includes(name) || only.includes(grammar.family),
      ),
    }))
    const coverage = new Coverage(grammars, tableRows, isMade)
    const started = performance.now()
    let count = 0
    let nextLog = started + 10_000
    for (const round of rounds({ ...this.#options, log: () => {} })) {
      await this.#round(round, random.fork(), (roundRandom) => new Generator(roundRandom, chosen, isMade), coverage)
      count++
      if (performance.now() < nextLog) continue
      nextLog = performance.now() + 10_000
      const seconds = (performance.now() - started) / 1000
      log(
        `round ${round} after ${seconds.toFixed(0)} s: ${coverage.commands} commands (${Math.round(coverage.commands / seconds)} a second), ${(coverage.errorShare * 100).toFixed(0)} % errors, ${this.#reports.size} differences`,
      )
    }
    const lines = coverage.report()
    for (const line of this.#options.showCoverage === true ? lines : lines.slice(-2)) log(line)
    if (this.#reports.size > 0) throw new Error([...this.#reports.values()].join('\n\n'))
    const faults = only !== undefined ? [] : coverage.faults()
    if (faults.length > 0) throw new Error(`the coverage is not what it must be:\n  ${faults.join('\n  ')}`)
    return { count, counted: { commands: coverage.commands, errors: coverage.errors } }
  }

  async #round(
    round: number,
    random: SeededRandom,
    makeGenerator: (random: SeededRandom) => Generator,
    coverage: Coverage,
  ): Promise<void> {
    const settings: RoundSettings = {
      resp: random.pick([2, 3]),
      directives: Object.fromEntries(Object.entries(DIRECTIVES).map(([name, values]) => [name, random.pick(values)])),
    }
    const generator = makeGenerator(random)
    await this.#pair.reset(settings)
    const steps: Step[] = []
    for (let batch = 0; batch < BATCHES_PER_ROUND; batch++) {
      const made = Array.from({ length: STEPS_PER_BATCH }, () => generator.step()).filter((step) => this.#isTried(step))
      const errorsBefore = this.#pair.errorCount
      const first = steps.length
      steps.push(...made)
      let difference = await this.#pair.run(made)
      if (difference?.step !== undefined) difference = { ...difference, step: difference.step + first }
      difference ??= await this.#pair.compareState()
      for (const step of made) for (const command of step) coverage.add(command)
      coverage.errors += this.#pair.errorCount - errorsBefore
      if (difference === undefined) continue
      await this.#found(difference, steps, settings, round)
      return
    }
  }

  #isTried(step: Step): boolean {
    return this.#subject.endpoints.writable !== undefined || !step.some(({ words }) => isOfOneRelease(words))
  }

  async #found(difference: Difference, steps: readonly Step[], settings: RoundSettings, round: number): Promise<void> {
    const { keepGoing = false, log, seed } = this.#options
    if (difference.kind === 'failure') difference = await this.#revive(difference)
    const name = `${difference.kind} ${difference.subject}`
    if (this.#reports.has(name)) return
    log(
      `a difference in round ${round} of seed ${seed}: ${difference.kind}, ${difference.what.slice(0, 200)}; making it shorter`,
    )
    const report = await this.#report(difference, steps, settings, `seed ${seed}, round ${round}`)
    this.#reports.set(name, report)
    log(report)
    if (!keepGoing) throw new Error(report)
  }

  /** @returns the difference, with what the failed server has said last. */
  async #revive(difference: Difference): Promise<Difference> {
    const { revive } = this.#subject
    if (revive === undefined) throw new Error(difference.what)
    const { endpoints, lastWords } = await revive()
    this.#pair = new Pair(endpoints)
    // Where it was thrown tells one failure from another.
    const place = /\w+Error[^\\]*\\n +at (?:new )?\S+(?:.*?\\n +at \S+)?/.exec(lastWords)?.[0] ?? difference.subject
    const subject = place.replaceAll(/\(.*?\)|\\n/g, '')
    return { ...difference, subject, what: `${difference.what}: ${subject}`, actual: lastWords }
  }

  async #report(
    difference: Difference,
    steps: readonly Step[],
    settings: RoundSettings,
    where: string,
  ): Promise<string> {
    const minimised = await minimise(
      steps,
      difference,
      async (candidate) => {
        await this.#pair.reset(settings)
        const found = (await this.#pair.run(candidate)) ?? (await this.#pair.compareState())
        return found?.kind === 'failure' ? this.#revive(found) : found
      },
      MINIMISE_MS,
    )
    if (minimised !== undefined) return describeDifference(difference, minimised, settings, where)
    const file = keepHistory(steps, where)
    return `${describeDifference(difference, undefined, settings, where)}\n  all its commands are in ${file}`
  }
}

/** What does not show again is all there is: every command, whole. */
function keepHistory(steps: readonly Step[], where: string): string {
  const directory = fileURLToPath(new URL('../../.cache/fuzz/', import.meta.url))
  mkdirSync(directory, { recursive: true })
  const file = `${directory}${where.replaceAll(/[^a-z0-9]+/g, '-')}.txt`
  writeFileSync(file, steps.flatMap((step) => step.map(({ words }) => `${shownCommand(words, Infinity)}\n`)).join(''))
  return file
}

/** What is printed for a difference: where, what, and the shortest case as redis-cli takes it. */
function describeDifference(
  original: Difference,
  minimised: Awaited<ReturnType<typeof minimise>>,
  settings: RoundSettings,
  where: string,
): string {
  const difference = minimised?.difference ?? original
  const lines = [
    `${where}: ${difference.kind}: ${difference.what}`,
    `  expected ${difference.expected}`,
    `  got      ${difference.actual}`,
  ]
  if (minimised === undefined) lines.push('  it did not show again when the round was replayed')
  else {
    const count = minimised.steps.reduce((sum, step) => sum + step.length, 0)
    const cut = minimised.isMinimal ? '' : ', cut off by time'
    lines.push(`  shortest case (${count} commands, ${minimised.replays} replays${cut}), RESP${settings.resp}, with`)
    lines.push(
      `    ${Object.entries(settings.directives)
        .map(([name, value]) => `${name} ${value}`)
        .join(', ')}`,
    )
    for (const step of minimised.steps.slice(-40))
      for (const { words } of step) lines.push(`    ${shownCommand(words)}`)
  }
  return lines.join('\n')
}

/** A redis-server, a writable Understudy, and two replicas of the first: an Understudy and a stock one. */
class FuzzServers {
  endpoints!: Endpoints
  readonly #comparesReplies: boolean
  #servers: TestServer[] = []
  #all: Endpoint[] = []

  private constructor(comparesReplies: boolean) {
    this.#comparesReplies = comparesReplies
  }

  /** @param comparesReplies Without it there is no writable Understudy. */
  static async start(comparesReplies: boolean): Promise<FuzzServers> {
    const servers = new FuzzServers(comparesReplies)
    await servers.#start()
    return servers
  }

  async #start(): Promise<void> {
    const directives = { databases: DATABASES, 'proto-max-bulk-len': STRING_BYTES_MAX, 'repl-timeout': 86_400 }
    // With hz 500 a wait of 1 ms takes 2 ms, not 100.
    const primary = await startRedisServer({ directives: { ...directives, 'repl-diskless-sync': 'yes', hz: 500 } })
    this.#servers = [primary]
    this.#all = []
    try {
      const following = { ...directives, replicaof: ['127.0.0.1', primary.port] }
      const writable = this.#comparesReplies ? await startUnderstudy({ directives }) : undefined
      if (writable !== undefined) this.#servers.push(writable)
      const replica = await startUnderstudy({ directives: following })
      this.#servers.push(replica)
      const stock = await startRedisServer({ directives: following })
      this.#servers.push(stock)
      for (const one of [replica, stock]) {
        await waitFor('the first sync', async () => (await one.info('replication'))['master_link_status'] === 'up', {
          timeoutMs: 30_000,
        })
      }
      for (const server of [primary, writable]) await server?.call('DEBUG', 'SET-ACTIVE-EXPIRE', '0')
      const connect = async ({ port }: TestServer, name: string): Promise<Endpoint> => {
        const endpoint = await SocketEndpoint.connect(name, port)
        this.#all.push(endpoint)
        return endpoint
      }
      const connectWritable = async (): Promise<{ writable?: Endpoint }> =>
        writable === undefined ? {} : { writable: await connect(writable, 'the writable node') }
      this.endpoints = {
        primary: await connect(primary, 'the primary'),
        ...(await connectWritable()),
        state: {
          primary: await connect(primary, 'the primary'),
          ...(await connectWritable()),
          replica: await connect(replica, 'the replica'),
          stockReplica: await connect(stock, 'the stock replica'),
        },
      }
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /** All of them anew; the data and what was sent are gone. */
  async revive(): Promise<Revived> {
    await new Promise((resolve) => setTimeout(resolve, 300)) // until the log is whole
    const failed = this.#servers.filter(({ process }) => process.ended)
    const lastWords = (failed.length > 0 ? failed : this.#servers.slice(1, -1))
      .map(({ lines }) => lines.slice(-30).join('\n'))
      .join('\n')
    await this.stop()
    await this.#start()
    return { endpoints: this.endpoints, lastWords: lastWords.slice(-3000) }
  }

  async payloads(random: SeededRandom): Promise<Buffer[]> {
    const client = await this.#servers[0]!.raw({ timeoutMs: 30_000 })
    await client.call('CONFIG', 'SET', 'proto-max-bulk-len', 512 * 1024 * 1024)
    const payloads = await makeValuePayloads(client, random)
    await client.call('CONFIG', 'SET', 'proto-max-bulk-len', STRING_BYTES_MAX)
    client.close()
    return payloads.map(({ payload }) => payload).filter(({ length }) => length <= PAYLOAD_BYTES_MAX)
  }

  async stop(): Promise<void> {
    for (const endpoint of this.#all) endpoint.close()
    // One that has failed says so again when it is stopped.
    for (const server of this.#servers.toReversed()) await server.stop().catch(() => {})
  }
}

export function rowsOfGrammars(grammars: readonly Grammar[]): string[] {
  return [...new Set(grammars.flatMap(({ commands }) => commands.map(({ name }) => name)))]
}

/** Which of these rows both servers have: the first, and the one that is compared with it. */
export async function rowsOfBoth({ state }: Endpoints, rows: readonly string[]): Promise<Set<string>> {
  const ask = [['COMMAND', 'INFO', ...rows.map((row) => row.toLowerCase().replace(' ', '|'))]]
  const [left, right] = await Promise.all([
    rowNames(state.primary, ask),
    rowNames((state.writable ?? state.replica)!, ask),
  ])
  return new Set(rows.filter((_, i) => left[i] === true && right[i] === true))
}

async function rowNames(endpoint: Endpoint, ask: readonly (readonly string[])[]): Promise<boolean[]> {
  const [reply] = await endpoint.call(ask)
  return membersOf(reply!)!.map((member) => (membersOf(member)?.length ?? 0) > 0)
}

function noMemoryFacts(): never {
  throw new Error('the fuzz asks for names only')
}
