/**
 * redis-sentinel for a test: redis-server started with --sentinel, which is what Debian's redis-sentinel is. It watches one
 * primary with quorum 1, and does in tenths of a second what takes it tens of seconds by default.
 */
import type { Redis } from 'ioredis'
import { redisBinaries } from './redis-server.ts'
import { TestServer } from './test-server.ts'

const NAME = 'watched'

/**
 * How often it does things; SENTINEL DEBUG, milliseconds. Replicas of a primary that is down are asked once a second, whatever is
 * said here, and chosen only if the answer is not older than five pings. A busy machine must not put it to sleep (tilt).
 */
const PERIODS = {
  'info-period': 200,
  'ping-period': 600,
  'ask-period': 100,
  'publish-period': 200,
  'min-link-reconnect-period': 200,
  'election-timeout': 1000,
  'tilt-trigger': 60_000,
} as const

export class Sentinel {
  readonly #server: TestServer
  /** Test and writer ask at the same time. */
  readonly #client: Redis

  /** @param downAfterMs a server that is silent for so long is down */
  static async start(primary: { readonly port: number }, downAfterMs = 1500): Promise<Sentinel> {
    const { server: command } = await redisBinaries()
    const config = [
      `sentinel monitor ${NAME} 127.0.0.1 ${primary.port} 1`,
      `sentinel down-after-milliseconds ${NAME} ${downAfterMs}`,
      `sentinel failover-timeout ${NAME} 10000`,
    ]
    const program = {
      name: 'redis-sentinel',
      command,
      leadingArgs: [],
      ready: /Sentinel ID is/,
      defaults: { bind: '127.0.0.1', sentinel: [] },
    }
    const server = await TestServer.start(program, { config: `${config.join('\n')}\n` })
    const sentinel = new Sentinel(server)
    const periods = Object.entries(PERIODS).flatMap(([name, ms]) => [name, String(ms)])
    await sentinel.#client.call('SENTINEL', 'DEBUG', ...periods)
    return sentinel
  }

  private constructor(server: TestServer) {
    this.#server = server
    this.#client = server.client({ enableReadyCheck: false })
  }

  /** Port of the server that it takes for the primary. */
  async primaryPort(): Promise<number> {
    const [, port] = (await this.#client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME)) as [string, string]
    return Number(port)
  }

  /** What it knows of the replicas of the primary, each as a record of fields. */
  async replicas(): Promise<Record<string, string>[]> {
    const rows = (await this.#client.call('SENTINEL', 'REPLICAS', NAME)) as string[][]
    return rows.map((row) => {
      const fields: Record<string, string> = {}
      for (let i = 0; i < row.length; i += 2) fields[row[i]!] = row[i + 1]!
      return fields
    })
  }

  /** Lets it choose another primary now. */
  async failOver(): Promise<void> {
    await this.#client.call('SENTINEL', 'FAILOVER', NAME)
  }

  kill(): Promise<void> {
    return this.#server.kill()
  }
}
