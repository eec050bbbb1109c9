/**
 * Cuts the link between a real primary and Understudy at seeded random bytes of what the primary sends, under a write
 * load, and checks what must hold after each cut:
 *   - the applied offset is the end of a whole command or group, and so is what the next PSYNC asks for,
 *   - the resync is partial when the backlog has what is missing (the primary's own counters say so),
 *   - the data converge: equal offsets and an equal DEBUG DIGEST.
 */
import { compareDatasets, equalDigests } from './compare-datasets.ts'
import type { Cut, CutDone, CuttingProxy } from './cutting-proxy.ts'
import { startRedisServer } from './redis-server.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { TestServer } from './test-server.ts'
import { waitFor } from './wait-for.ts'

/** Writes to the primary all the time but when it is paused. */
export interface PausableLoad {
  /** Answered so far. */
  readonly commands: number
  /** Everything sent is answered when it resolves. */
  pause(): Promise<void>
  resume(): void
}

export interface LinkCutterOptions {
  readonly random: SeededRandom
  readonly primary: TestServer
  /** Between the primary and the replica. */
  readonly proxy: CuttingProxy
  readonly replica: TestServer
  readonly load: PausableLoad
  /** repl-backlog-size, when nothing is done about it. */
  readonly backlog: string
  /** Compares what the quiet primary and the replica hold; equal DEBUG DIGEST when not given. */
  readonly compare?: () => Promise<unknown>
  /** May the primary begin another history? Not when it is the replica of somebody itself. Default true. */
  readonly mayChangeId?: boolean
}

/** Of ten rounds; the first one is for a node that was never synced, when the caller cuts its first snapshot. */
export const CUT_PLACES: readonly Cut['place'][] = [
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

/** `+PONG`, two `+OK`, and `+CONTINUE` with an id. */
const HANDSHAKE_BYTES = 7 + 5 + 5 + 52
const COMMAND_BYTES = 20
const GROUP_BYTES = 140
const SKIPPED_BYTES = 30_000
const OVERRUN_COMMANDS = 3000

export class LinkCutter {
  /** Cuts by place, resyncs by kind. */
  readonly counted: Record<string, number> = { handshake: 0, snapshot: 0, command: 0, group: 0, partial: 0, full: 0 }
  readonly #options: LinkCutterOptions
  /** Applied offset when the link was last up. */
  #lastApplied = 0

  constructor(options: LinkCutterOptions) {
    this.#options = options
  }

  /** One cut, and all that must hold after it. */
  async round(place: Cut['place']): Promise<void> {
    const { random, primary, proxy } = this.#options
    const before = await primary.info('stats')
    let done: CutDone
    do {
      const reset = random.chance(0.3)
      switch (place) {
        case 'handshake': {
          const cutting = proxy.cut({ place, after: random.int(1, HANDSHAKE_BYTES - 1), reset })
          proxy.drop()
          done = await cutting
          break
        }
        case 'snapshot':
          done = await this.#cutSnapshot({ place, share: random.float() * 0.97, reset })
          break
        case 'command':
        case 'group': {
          const into = random.int(1, place === 'command' ? COMMAND_BYTES : GROUP_BYTES)
          done = await proxy.cut({ place, after: random.int(0, SKIPPED_BYTES), into, reset })
        }
      }
      if (done.isMissed) {
        await this.linkUp()
        await this.converged()
      }
    } while (done.isMissed)
    await this.linkDown()
    await this.#checkOffset(done)
    const asked = proxy.psyncs.length
    proxy.release()
    await this.linkUp()
    this.#checkRequest(asked, done)
    await this.#checkResync(place, before)
    await this.converged()
    this.counted[done.place]!++
  }

  async linkDown(): Promise<void> {
    await waitFor(
      'the link to be down',
      async () => {
        const info = await this.#options.replica.info('replication')
        return info['master_link_status'] === 'down' && info['master_sync_in_progress'] === '0'
      },
      { intervalMs: 2 },
    )
  }

  async linkUp(): Promise<void> {
    await waitFor(
      'the link to be up',
      async () => (await this.#options.replica.info('replication'))['master_link_status'] === 'up',
      { timeoutMs: 30_000 },
    )
  }

  /** Pauses the load until both hold the same. @throws with the keys that differ. */
  async converged(): Promise<void> {
    const { load, primary, replica, compare = () => equalDigests(primary, replica) } = this.#options
    await load.pause()
    try {
      await compare()
    } catch (error) {
      throw new Error(`${String(error)}\n${await this.#differences()}`, { cause: error })
    }
    this.#lastApplied = Number((await replica.info('replication'))['slave_repl_offset'])
    load.resume()
  }

  /** A full resync is asked for when the primary no longer knows our history: another id, or a backlog that ran over. */
  async #cutSnapshot(cut: Cut): Promise<CutDone> {
    const { random, primary, replica, proxy, load, backlog, mayChangeId = true } = this.#options
    await primary.call('CONFIG', 'SET', 'repl-diskless-sync', random.pick(['yes', 'no']))
    await replica.call('CONFIG', 'SET', 'repl-diskless-load', random.pick(['disabled', 'swapdb', 'on-empty-db']))
    const cutting = proxy.cut(cut)
    if (mayChangeId && random.chance(0.5)) {
      await primary.call('DEBUG', 'CHANGE-REPL-ID')
      proxy.drop()
      return cutting
    }
    await primary.call('CONFIG', 'SET', 'repl-backlog-size', '16kb')
    proxy.drop(true)
    const from = load.commands
    await waitFor('the backlog to run over', () => load.commands - from > OVERRUN_COMMANDS, { intervalMs: 20 })
    proxy.release()
    const done = await cutting
    await primary.call('CONFIG', 'SET', 'repl-backlog-size', backlog)
    return done
  }

  /** While the link is down and the proxy holds it there. */
  async #checkOffset(done: CutDone): Promise<void> {
    const info = await this.#options.replica.info('replication')
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
    if (!this.#options.proxy.boundaries.has(offset)) {
      throw new Error(`offset ${offset} is not the end of a command or group`)
    }
  }

  #checkRequest(asked: number, done: CutDone): void {
    const { psyncs } = this.#options.proxy
    if (psyncs.length === asked) throw new Error('the replica did not ask for the stream again')
    for (const { offset, replid } of psyncs.slice(asked)) {
      if (replid === '?') throw new Error(`the history is lost after a cut in the ${done.cut.place}`)
      this.#checkBoundary(offset - 1)
    }
  }

  /** Partial whenever the primary has the bytes: it kept its id, and its backlog is longer than what was missed. */
  async #checkResync(place: Cut['place'], before: Record<string, string>): Promise<void> {
    const after = await this.#options.primary.info('stats')
    const grown = (field: string): number => Number(after[field]) - Number(before[field])
    if (place === 'snapshot') {
      if (grown('sync_full') < 2)
        throw new Error(`${grown('sync_full')} full resyncs for a cut snapshot and the next one`)
    } else {
      if (grown('sync_full') !== 0 || grown('sync_partial_err') !== 0) throw new Error('a full resync without need')
      if (grown('sync_partial_ok') < 1) throw new Error('no partial resync')
    }
    this.counted['partial']! += grown('sync_partial_ok')
    this.counted['full']! += grown('sync_full')
  }

  /** Which keys differ, for the message. */
  async #differences(): Promise<string> {
    const { primary, replica } = this.#options
    const scratch = await startRedisServer({})
    try {
      await compareDatasets(primary, replica, scratch)
      return 'key by key nothing differs any more'
    } catch (error) {
      return String(error)
    } finally {
      await scratch.stop()
    }
  }
}
