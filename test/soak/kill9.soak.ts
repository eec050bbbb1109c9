/**
 * A replica with the log of its stream is killed at seeded instants under a load of writes: while it starts (loads its snapshot, applies
 * the log), follows the stream, saves a snapshot, begins another segment. After each start it must converge with its primary, and
 * from when the first snapshot goes with the log the primary must never have granted a full resync again.
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { equalDigests } from '../support/compare-datasets.ts'
import { fillDataset } from '../support/dataset.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { rounds, type Soak, type SoakOptions, type SoakResult, withLogs } from '../support/soak.ts'
import type { TestServer } from '../support/test-server.ts'
import { startUnderstudy } from '../support/understudy-server.ts'
import { waitFor } from '../support/wait-for.ts'
import { WriteLoad } from '../support/write-load.ts'

export const soak: Soak = {
  about: 'a round kills a replica under writes, at a random instant of its work; its log makes that a partial resync',
  stated: { count: 100 },
  slice: { count: 4, seconds: 8 },
  run,
}

const KEYS = 800
const PER_SECOND = 3000
const WAIT_MS_MAX = 300
/** From spawning a process to its last line before it serves, on a machine with nothing else to do and on a busy one. */
const START_MS: readonly [number, number] = [200, 1500]
/** Small, so that segments and snapshots come all the time. */
const SIZES = {
  'repl-stream-log-segment-size': '32kb',
  'repl-stream-log-max-size': '1mb',
  'repl-backlog-size': '128kb',
}

const INSTANTS = ['stream', 'snapshot', 'segment', 'start'] as const

async function run(options: SoakOptions): Promise<SoakResult> {
  const directory = await mkdtemp(join(tmpdir(), 'understudy-test-'))
  const servers: TestServer[] = []
  try {
    const directives = { 'repl-backlog-size': '256mb', 'repl-diskless-sync-delay': 0 }
    const primary = await startRedisServer({ directives })
    servers.push(primary)
    return await new Rounds(options, primary, directory, servers).play()
  } finally {
    for (const server of servers) await server.kill()
    await rm(directory, { recursive: true, force: true })
  }
}

class Rounds {
  readonly #options: SoakOptions
  readonly #random: SeededRandom
  readonly #primary: TestServer
  readonly #directory: string
  /** The last one is the replica, if there is one. */
  readonly #servers: TestServer[]
  #replayedBytes = 0
  #tornTails = 0

  constructor(options: SoakOptions, primary: TestServer, directory: string, servers: TestServer[]) {
    this.#options = options
    this.#random = new SeededRandom(options.seed)
    this.#primary = primary
    this.#directory = directory
    this.#servers = servers
  }

  async play(): Promise<SoakResult> {
    const { seed } = this.#options
    const { movable } = await fillDataset(this.#primary.port, { seed, keys: KEYS })
    const load = await WriteLoad.start(this.#primary.port, { seed, perSecond: PER_SECOND, movable })
    // In the middle of the first full resync: the next start has to ask for another.
    await this.#tryToStart()
    let replica = await this.#start()
    const fullSyncs = await this.#fullSyncs()
    let count = 0
    for (const round of rounds(this.#options)) {
      const instant = INSTANTS[round % INSTANTS.length]!
      await withLogs(`seed ${seed}, round ${round} (${instant})`, this.#servers, async () => {
        await this.#killAt(instant, replica)
        replica = await this.#start()
        const found = await this.#fullSyncs()
        if (found !== fullSyncs) throw new Error(`${found} full resyncs, and ${fullSyncs} before`)
        await load.pause()
        await equalDigests(this.#primary, replica)
        load.resume()
      })
      count++
    }
    await load.stop()
    return { count, counted: { 'replayed bytes': this.#replayedBytes, 'torn tails': this.#tornTails } }
  }

  #launch(readyTimeoutMs?: number): Promise<TestServer> {
    const directives = {
      replicaof: ['127.0.0.1', this.#primary.port],
      'repl-stream-log': 'yes',
      'repl-stream-log-fsync': this.#random.pick(['always', 'everysec', 'no']),
      ...SIZES,
    }
    const patience = readyTimeoutMs === undefined ? {} : { readyTimeoutMs }
    return startUnderstudy({ directory: this.#directory, directives, ...patience })
  }

  /** Starts a replica; returns when it follows and a snapshot goes with its log. */
  async #start(): Promise<TestServer> {
    const replica = await this.#launch()
    this.#servers.push(replica)
    await waitFor(
      'the link, and a snapshot for the log',
      async () => {
        const info = await replica.info('everything')
        return info['master_link_status'] === 'up' && Number(info['stream_log_snapshot_offset']) >= 0
      },
      { timeoutMs: 30_000 },
    )
    this.#replayedBytes += Number((await replica.info('persistence'))['stream_log_replayed_bytes'])
    this.#tornTails += replica.lines.filter((line) => line.includes('behind its last good record')).length
    return replica
  }

  /** Starts a replica and kills it after a while, most often before it serves. */
  async #tryToStart(): Promise<void> {
    const launched = await this.#launch(this.#random.int(...START_MS)).catch(() => undefined)
    await launched?.kill()
  }

  async #fullSyncs(): Promise<string | undefined> {
    return (await this.#primary.info('stats'))['sync_full']
  }

  async #killAt(instant: (typeof INSTANTS)[number], replica: TestServer): Promise<void> {
    if (instant === 'snapshot') {
      // One may be under way already.
      await replica.call('BGSAVE').catch(() => {})
      await sleep(this.#random.int(0, 100))
    } else if (instant === 'segment') {
      const before = await this.#lastSegment()
      await waitFor('another segment', async () => (await this.#lastSegment()) !== before, { timeoutMs: 20_000 })
      await sleep(this.#random.int(0, 5))
    } else await sleep(this.#random.int(0, WAIT_MS_MAX))
    await replica.kill()
    this.#servers.pop()
    if (instant === 'start') await this.#tryToStart()
  }

  async #lastSegment(): Promise<string | undefined> {
    return (await readdir(this.#directory))
      .filter((name) => name.includes('.stream-'))
      .toSorted()
      .at(-1)
  }
}
