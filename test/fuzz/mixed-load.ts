/**
 * A write load over all types: what redis-benchmark writes in its own tests, and beside it the commands of the fuzz, as fast as
 * the server takes them. Nothing is compared here; replies are thrown away.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PausableLoad } from '../support/link-cutter.ts'
import { redisBinaries } from '../support/redis-server.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { SocketEndpoint } from './endpoint.ts'
import { Generator } from './generator.ts'
import { allGrammars } from './grammars/index.ts'

/**
 * Rows that are not made. FLUSHALL would leave nothing to copy. Of the others a stock replica does not hold what its
 * primary does: SORT … BY a constant stores a set in the order of its hash table, which is seeded by chance.
 */
const LEFT_OUT: ReadonlySet<string> = new Set(['FLUSHALL', 'SORT'])
const STEPS_PER_BATCH = 100
const PAUSE_MS = 4
const BENCHMARK = ['-q', '-n', '1000', '-c', '8', '-r', '300']

export interface MixedLoadOptions {
  /** Rows of the command table that are not made, beside those that never are. */
  readonly without?: readonly string[]
  /** Between two batches of generated commands, milliseconds. Default 4. */
  readonly batchMs?: number
  /** Before each run of redis-benchmark, milliseconds. Default 0. */
  readonly benchmarkMs?: number
}

export class MixedLoad implements PausableLoad {
  commands = 0
  /** Runs of redis-benchmark's whole list of tests that have ended. */
  benchmarks = 0
  #port: number
  readonly #benchmark: string
  readonly #options: Required<MixedLoadOptions>
  #writer: SocketEndpoint
  readonly #generator: Generator
  #isRunning = false
  #loops: Promise<unknown> = Promise.resolve()
  #process: ChildProcess | undefined

  static async start(port: number, seed: number, options: MixedLoadOptions = {}): Promise<MixedLoad> {
    const { benchmark } = await redisBinaries()
    const writer = await SocketEndpoint.connect('the primary', port)
    const load = new MixedLoad(port, seed, writer, {
      without: [],
      batchMs: PAUSE_MS,
      benchmarkMs: 0,
      benchmark,
      ...options,
    })
    load.resume()
    return load
  }

  private constructor(
    port: number,
    seed: number,
    writer: SocketEndpoint,
    options: Required<MixedLoadOptions> & { readonly benchmark: string },
  ) {
    this.#port = port
    this.#writer = writer
    this.#options = options
    this.#benchmark = options.benchmark
    const isMade = (row: string): boolean => !LEFT_OUT.has(row) && !options.without.includes(row)
    // There may be a redis 7.0 below, which does not know the others.
    const grammars = allGrammars([]).map((grammar) => ({
      ...grammar,
      commands: grammar.commands.filter(({ isLater }) => !isLater),
    }))
    this.#generator = new Generator(new SeededRandom(seed), grammars, isMade)
  }

  resume(): void {
    if (this.#isRunning) return
    this.#isRunning = true
    this.#loops = Promise.all([this.#generate(), this.#runBenchmarks()])
    this.#loops.catch(() => {}) // pause() tells
  }

  async pause(): Promise<void> {
    this.#isRunning = false
    this.#process?.kill()
    await this.#loops
  }

  /** Goes on at another server with the next resume(). It is paused. */
  async moveTo(port: number): Promise<void> {
    this.#writer.close()
    this.#port = port
    this.#writer = await SocketEndpoint.connect('the primary', port)
  }

  async stop(): Promise<void> {
    await this.pause()
    this.#writer.close()
  }

  async #generate(): Promise<void> {
    while (this.#isRunning) {
      const batch = Array.from({ length: STEPS_PER_BATCH }, () => this.#generator.step()).flat()
      await this.#writer.call(batch.map(({ words }) => words))
      this.commands += batch.length
      await sleep(this.#options.batchMs)
    }
  }

  async #runBenchmarks(): Promise<void> {
    const { benchmarkMs } = this.#options
    for (;;) {
      for (let ms = 0; ms < benchmarkMs && this.#isRunning; ms += PAUSE_MS) await sleep(PAUSE_MS)
      if (!this.#isRunning) return
      const running = spawn(this.#benchmark, ['-p', String(this.#port), ...BENCHMARK], { stdio: 'ignore' })
      this.#process = running
      const [code] = (await once(running, 'close')) as [number | null]
      if (code === 0) this.benchmarks++
      else if (this.#isRunning) throw new Error(`redis-benchmark ended with ${code}`)
    }
  }
}
