/**
 * A server that is ended and started again in its own directory, under load, by every way of ending that leaves something to start
 * from. The process and its port change; name, directory and directives stay.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startRedisServer } from './redis-server.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { Directives, TestServer } from './test-server.ts'
import { startUnderstudy } from './understudy-server.ts'
import { unappliedLines } from './unapplied-lines.ts'
import { waitFor } from './wait-for.ts'

/** `kill with log`: from the snapshot and the log behind it. `kill during SAVE`: from the file before, most often. */
const ENDINGS = ['SIGTERM', 'kill with log', 'SHUTDOWN SAVE', 'kill after SAVE', 'kill during SAVE'] as const
export type Ending = (typeof ENDINGS)[number]

/** Between SAVE and the kill. */
const AFTER_SAVE_MS_MAX = 300
const DURING_SAVE_MS_MAX = 20
/** With a snapshot and a log to load, on a machine that has other things to do. */
const START_TIMEOUT_MS = 60_000
/** A shutdown may wait for replicas below for as long as shutdown-timeout is by default, 10 s. */
const END_TIMEOUT_MS = 20_000

export interface TreeNodeOptions {
  readonly name: string
  readonly kind: 'redis' | 'understudy'
  readonly directives: Directives
  readonly random: SeededRandom
  /** How it ends first: an index into all ways of ending. */
  readonly firstEnding?: number
}

export class TreeNode {
  readonly name: string
  readonly #options: TreeNodeOptions
  #directory: string | undefined
  #server: TestServer | undefined
  #restarts = 0
  /** Does it start from a log? */
  #hasLog = false

  constructor(options: TreeNodeOptions) {
    this.name = options.name
    this.#options = options
  }

  get server(): TestServer {
    if (this.#server === undefined) throw new Error(`${this.name} is not running`)
    return this.#server
  }

  /** Log lines of the process that runs, or ran last. */
  get lines(): readonly string[] {
    return this.#server?.lines ?? []
  }

  get nextEnding(): Ending {
    if (this.#options.kind === 'redis') return 'SHUTDOWN SAVE'
    return ENDINGS[((this.#options.firstEnding ?? 0) + this.#restarts) % ENDINGS.length]!
  }

  /** @throws when it could not apply what came from above */
  checkLog(): void {
    const failed = unappliedLines(this.lines)
    if (failed.length > 0) throw new Error(`${this.name}: ${failed.slice(0, 5).join('\n')}`)
  }

  /** Ends it by the next way of ending. Clients of it are closed. */
  async end(): Promise<void> {
    this.checkLog()
    const ending = this.nextEnding
    await this.#endBy(ending)
    this.#hasLog = ending === 'kill with log'
    this.#restarts++
  }

  /** Starts it, for the first time or again. Returns when it serves; its link may still be down. */
  async start(): Promise<void> {
    this.#directory ??= await mkdtemp(join(tmpdir(), 'understudy-test-'))
    const directory = this.#directory
    const { kind, directives } = this.#options
    if (kind === 'redis') {
      this.#server = await startRedisServer({ directory, directives })
      return
    }
    const wantsLog = this.nextEnding === 'kill with log'
    const own = {
      // A signal saves.
      save: ['100000', '1000000'],
      'repl-stream-log': wantsLog || this.#hasLog ? 'yes' : 'no',
    }
    this.#server = await startUnderstudy({
      directory,
      directives: { ...directives, ...own },
      readyTimeoutMs: START_TIMEOUT_MS,
    })
    if (!wantsLog) await this.#server.call('CONFIG', 'SET', 'repl-stream-log', 'no')
  }

  /** SIGKILL; what it leaves is removed. */
  async remove(): Promise<void> {
    await this.#server?.kill()
    if (this.#directory !== undefined) await rm(this.#directory, { recursive: true, force: true })
  }

  async #endBy(ending: Ending): Promise<void> {
    const { server } = this
    switch (ending) {
      case 'SIGTERM':
        return server.stop({ timeoutMs: END_TIMEOUT_MS })
      case 'SHUTDOWN SAVE': {
        const client = await server.raw({ timeoutMs: END_TIMEOUT_MS })
        client.send('SHUTDOWN SAVE\r\n')
        await client.readToEnd()
        await server.process.closed
        if (server.process.ended?.code !== 0) throw new Error(`${this.name} did not end in order`)
        return server.kill()
      }
      case 'kill with log':
        await waitFor('a snapshot that goes with the log', async () => {
          return Number((await server.info('persistence'))['stream_log_snapshot_offset']) >= 0
        })
        return server.kill()
      case 'kill after SAVE':
        await server.call('SAVE')
        await sleep(this.#options.random.int(0, AFTER_SAVE_MS_MAX))
        return server.kill()
      case 'kill during SAVE': {
        const client = await server.raw()
        client.send('SAVE\r\n')
        await sleep(this.#options.random.int(0, DURING_SAVE_MS_MAX))
        return server.kill()
      }
    }
  }
}
