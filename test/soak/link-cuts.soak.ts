/**
 * The link between a real primary and Understudy is cut at seeded random bytes of what the primary sends, under write
 * load: in the handshake, in the snapshot, inside a command, inside a MULTI group. After each cut
 *   - the applied offset is the end of a whole command or group, and so is what the next PSYNC asks for,
 *   - the resync is partial when the backlog has what is missing (the primary's own counters say so),
 *   - the data converge: equal offsets and an equal DEBUG DIGEST,
 * and all the while a client reads: never half a transaction, never half a dataset, nothing that goes backwards.
 */
import { CuttingProxy, type Cut, type CutDone } from '../support/cutting-proxy.ts'
import { compareDatasets, equalDigests } from '../support/compare-datasets.ts'
import { fillDataset } from '../support/dataset.ts'
import { InvariantReader, writeInvariants } from '../support/invariant-reader.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { rounds, type Soak, type SoakOptions, type SoakResult } from '../support/soak.ts'
import type { TestServer } from '../support/test-server.ts'
import { startUnderstudy } from '../support/understudy-server.ts'
import { waitFor } from '../support/wait-for.ts'
import { WriteLoad } from '../support/write-load.ts'

export const soak: Soak = {
  about:
    'a round cuts the link at a random byte under write load; data converge, offsets are whole, readers see no half',
  stated: { count: 100 },
  slice: { count: 20, seconds: 25 },
  run,
}

/** Of ten rounds. The first cut of all is in the snapshot of a node that was never synced. */
const PLACES: readonly Cut['place'][] = [
  'snapshot',
  'command',
  'group',
  'snapshot',
  'handshake',
  'command',
  'group',
  'command',
  'snapshot',
  'group',
]
const RATE_MIN = 5000
const KEYS = 20_000
const BACKLOG = '64mb'
/** `+PONG`, two `+OK`, and `+CONTINUE` with an id. */
const HANDSHAKE_BYTES = 7 + 5 + 5 + 52
const COMMAND_BYTES = 20
const GROUP_BYTES = 140
const SKIPPED_BYTES = 30_000

async function run(options: SoakOptions): Promise<SoakResult> {
  const servers: TestServer[] = []
  let proxy: CuttingProxy | undefined
  try {
    const primary = await startRedisServer({ directives: { 'repl-backlog-size': BACKLOG, 'repl-timeout': 10 } })
    servers.push(primary)
    proxy = await CuttingProxy.start(primary.port)
    return await new Run(options, primary, proxy, servers).all()
  } finally {
    await proxy?.stop()
    for (const server of servers) await server.kill()
  }
}

class Run {
  readonly #options: SoakOptions
  readonly #random: SeededRandom
  readonly #primary: TestServer
  readonly #proxy: CuttingProxy
  readonly #servers: TestServer[]
  readonly #counted: Record<string, number> = {
    handshake: 0,
    snapshot: 0,
    command: 0,
    group: 0,
    partial: 0,
    full: 0,
    reads: 0,
  }
  #load!: WriteLoad
  #replica!: TestServer
  #reader!: InvariantReader
  /** Applied offset when the link was last up. */
  #lastApplied = 0

  constructor(options: SoakOptions, primary: TestServer, proxy: CuttingProxy, servers: TestServer[]) {
    this.#options = options
    this.#random = new SeededRandom(options.seed)
    this.#primary = primary
    this.#proxy = proxy
    this.#servers = servers
  }

  async all(): Promise<SoakResult> {
    const { seed } = this.#options
    await fillDataset(this.#primary.port, { seed, keys: KEYS, stringsOnly: true, databases: [0, 3] })
    await writeInvariants(this.#primary.port)
    this.#load = await WriteLoad.start(this.#primary.port, { seed })
    // Its size is known better after the first one; this one is about so big.
    this.#proxy.snapshotTotal = 500_000
    const first = this.#proxy.cut({ place: 'snapshot', share: this.#random.float() })
    this.#replica = await startUnderstudy({
      directives: { replicaof: ['127.0.0.1', this.#proxy.port], 'repl-backlog-size': BACKLOG, 'repl-timeout': 10 },
    })
    this.#servers.push(this.#replica)
    this.#reader = await InvariantReader.start(this.#replica, this.#load.pairCount, seed)
    let count = 0
    for (const round of rounds(this.#options)) {
      const place = PLACES[round % PLACES.length]!
      try {
        if (round === 0) await this.#firstSync(await first)
        else await this.#round(place)
      } catch (error) {
        const tail = this.#replica.lines.slice(-25).join('\n')
        throw new Error(`seed ${seed}, round ${round} (${place}): ${String(error)}\n${tail}`, { cause: error })
      }
      count++
      this.#counted[place]!++
    }
    await this.#load.stop()
    this.#counted['reads'] = await this.#reader.stop()
    if (this.#load.rate < RATE_MIN) throw new Error(`the writer reached only ${this.#load.rate.toFixed(0)} commands/s`)
    await this.#replica.stop()
    return { count, counted: this.#counted }
  }

  /** Never synced: until the snapshot is whole, every read is told so. */
  async #firstSync(done: CutDone): Promise<void> {
    if (done.isMissed) throw new Error('the first snapshot was not cut')
    await this.#linkDown()
    const info = await this.#replica.info('everything')
    if (info['loading'] !== '1') throw new Error('a node that was never synced must say loading:1')
    if (this.#reader.answered > 0) throw new Error('a read was answered before the first sync')
    this.#reader.mayBeLoading = true
    this.#proxy.release()
    await this.#linkUp()
    this.#reader.mayBeLoading = false
    await this.#converged()
  }

  async #round(place: Cut['place']): Promise<void> {
    const random = this.#random
    const before = await this.#primary.info('stats')
    let done: CutDone
    do {
      const reset = random.chance(0.3)
      switch (place) {
        case 'handshake': {
          const cutting = this.#proxy.cut({ place, after: random.int(1, HANDSHAKE_BYTES - 1), reset })
          this.#proxy.drop()
          done = await cutting
          break
        }
        case 'snapshot':
          done = await this.#cutSnapshot({ place, share: random.float() * 0.97, reset })
          break
        case 'command':
        case 'group': {
          const into = random.int(1, place === 'command' ? COMMAND_BYTES : GROUP_BYTES)
          done = await this.#proxy.cut({ place, after: random.int(0, SKIPPED_BYTES), into, reset })
        }
      }
      if (done.isMissed) await this.#linkUp()
    } while (done.isMissed)
    await this.#linkDown()
    await this.#checkOffset(done)
    const asked = this.#proxy.psyncs.length
    this.#proxy.release()
    await this.#linkUp()
    this.#checkRequest(asked, done)
    await this.#checkResync(place, before)
    await this.#converged()
  }

  /** A full resync is asked for when the primary no longer knows our history: another id, or a backlog that ran over. */
  async #cutSnapshot(cut: Cut): Promise<CutDone> {
    const primary = this.#primary
    const pick = <T>(items: readonly T[]): T => this.#random.pick(items)
    await primary.call('CONFIG', 'SET', 'repl-diskless-sync', pick(['yes', 'no']))
    await this.#replica.call('CONFIG', 'SET', 'repl-diskless-load', pick(['disabled', 'swapdb', 'on-empty-db']))
    const cutting = this.#proxy.cut(cut)
    if (this.#random.chance(0.5)) {
      await primary.call('DEBUG', 'CHANGE-REPL-ID')
      this.#proxy.drop()
      return cutting
    }
    await primary.call('CONFIG', 'SET', 'repl-backlog-size', '16kb')
    this.#proxy.drop(true)
    const from = this.#load.commands
    await waitFor('the backlog to run over', () => this.#load.commands - from > 3000, { intervalMs: 20 })
    this.#proxy.release()
    const done = await cutting
    await primary.call('CONFIG', 'SET', 'repl-backlog-size', BACKLOG)
    return done
  }

  async #linkDown(): Promise<void> {
    await waitFor(
      'the link to be down',
      async () => {
        const info = await this.#replica.info('replication')
        return info['master_link_status'] === 'down' && info['master_sync_in_progress'] === '0'
      },
      { intervalMs: 2 },
    )
  }

  async #linkUp(): Promise<void> {
    await waitFor(
      'the link to be up',
      async () => (await this.#replica.info('replication'))['master_link_status'] === 'up',
      {
        timeoutMs: 30_000,
      },
    )
  }

  /** While the link is down and the proxy holds it there. */
  async #checkOffset(done: CutDone): Promise<void> {
    const info = await this.#replica.info('replication')
    const applied = Number(info['slave_repl_offset'])
    if (applied !== Number(info['master_repl_offset'])) throw new Error(`master_repl_offset is not ${applied}`)
    this.#checkBoundary(applied)
    if (applied < this.#lastApplied) throw new Error(`the offset fell from ${this.#lastApplied} to ${applied}`)
    if (done.lastBoundary < 0) return
    if (applied > done.lastBoundary) throw new Error(`applied ${applied}, but whole is ${done.lastBoundary}`)
    // Of a connection that ended in order, everything whole is applied.
    if (done.cut.reset !== true && applied !== done.lastBoundary) {
      throw new Error(`applied ${applied} of ${done.lastBoundary} bytes that arrived whole`)
    }
  }

  #checkBoundary(offset: number): void {
    if (!this.#proxy.boundaries.has(offset)) throw new Error(`offset ${offset} is not the end of a command or group`)
  }

  #checkRequest(asked: number, done: CutDone): void {
    const { psyncs } = this.#proxy
    if (psyncs.length === asked) throw new Error('the replica did not ask for the stream again')
    for (const { offset, replid } of psyncs.slice(asked)) {
      if (replid === '?') throw new Error(`the history is lost after a cut in the ${done.cut.place}`)
      this.#checkBoundary(offset - 1)
    }
  }

  /** Partial whenever the primary has the bytes: it kept its id, and its backlog is longer than what was missed. */
  async #checkResync(place: Cut['place'], before: Record<string, string>): Promise<void> {
    const after = await this.#primary.info('stats')
    const grown = (field: string): number => Number(after[field]) - Number(before[field])
    if (place === 'snapshot') {
      if (grown('sync_full') < 2)
        throw new Error(`${grown('sync_full')} full resyncs for a cut snapshot and the next one`)
    } else {
      if (grown('sync_full') !== 0 || grown('sync_partial_err') !== 0) throw new Error('a full resync without need')
      if (grown('sync_partial_ok') < 1) throw new Error('no partial resync')
    }
    this.#counted['partial']! += grown('sync_partial_ok')
    this.#counted['full']! += grown('sync_full')
  }

  /** Which keys differ, for the message. */
  async #differences(): Promise<string> {
    const scratch = await startRedisServer({})
    try {
      await compareDatasets(this.#primary, this.#replica, scratch)
      return 'key by key nothing differs any more'
    } catch (error) {
      return String(error)
    } finally {
      await scratch.stop()
    }
  }

  async #converged(): Promise<void> {
    await this.#load.pause()
    try {
      await equalDigests(this.#primary, this.#replica)
    } catch (error) {
      throw new Error(`${String(error)}\n${await this.#differences()}`, { cause: error })
    }
    this.#lastApplied = Number((await this.#replica.info('replication'))['slave_repl_offset'])
    this.#reader.check()
    this.#load.resume()
  }
}
