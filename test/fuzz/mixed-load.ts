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

export class MixedLoad implements PausableLoad {
  commands = 0
  /** Runs of redis-benchmark's whole list of tests that have ended. */
  benchmarks = 0
  readonly #port: number
  readonly #benchmark: string
  readonly #writer: SocketEndpoint
  readonly #generator: Generator
  #isRunning = false
  #loops: Promise<unknown> = Promise.resolve()
  #process: ChildProcess | undefined

  static async start(port: number, seed: number): Promise<MixedLoad> {
    const { benchmark } = await redisBinaries()
    const load = new MixedLoad(port, seed, benchmark, await SocketEndpoint.connect('the primary', port))
    load.resume()
    return load
  }

  private constructor(port: number, seed: number, benchmark: string, writer: SocketEndpoint) {
    this.#port = port
    this.#benchmark = benchmark
    this.#writer = writer
    this.#generator = new Generator(new SeededRandom(seed), allGrammars([]), (row) => !LEFT_OUT.has(row))
  }

  resume(): void {
    if (this.#isRunning) return
    this.#isRunning = true
    this.#loops = Promise.all([this.#generate(), this.#runBenchmarks()])
  }

  async pause(): Promise<void> {
    this.#isRunning = false
    this.#process?.kill()
    await this.#loops
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
      await sleep(PAUSE_MS)
    }
  }

  async #runBenchmarks(): Promise<void> {
    while (this.#isRunning) {
      const running = spawn(this.#benchmark, ['-p', String(this.#port), ...BENCHMARK], { stdio: 'ignore' })
      this.#process = running
      const [code] = (await once(running, 'close')) as [number | null]
      if (code === 0) this.benchmarks++
      else if (this.#isRunning) throw new Error(`redis-benchmark ended with ${code}`)
    }
  }
}
