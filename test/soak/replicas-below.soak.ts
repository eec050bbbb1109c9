/**
 * What a primary tells its replicas, under a mixed load over all types: Understudy is written to by redis-benchmark's own tests
 * and by the commands of the fuzz; below it, through a link that is cut at random bytes (see link-cutter.ts), another
 * Understudy; and below that a stock replica. After each cut all three hold the same, at the same offset.
 */
import { STRING_BYTES_MAX } from '../fuzz/draw.ts'
import { MixedLoad } from '../fuzz/mixed-load.ts'
import { equalDigests } from '../support/compare-datasets.ts'
import { cutRounds } from '../support/cut-rounds.ts'
import { CuttingProxy } from '../support/cutting-proxy.ts'
import { fillDataset } from '../support/dataset.ts'
import { LinkCutter } from '../support/link-cutter.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { type Soak, type SoakOptions, type SoakResult } from '../support/soak.ts'
import type { TestServer } from '../support/test-server.ts'
import { startUnderstudy } from '../support/understudy-server.ts'
import { waitFor } from '../support/wait-for.ts'

export const soak: Soak = {
  about: 'a round cuts the link below a primary at a random byte under a mixed load; a stock leaf holds the same',
  stated: { count: 60 },
  slice: { count: 10, seconds: 9 },
  run,
}

const KEYS = 2000
const BACKLOG = '64mb'

async function run(options: SoakOptions): Promise<SoakResult> {
  const { seed } = options
  const servers: TestServer[] = []
  let proxy: CuttingProxy | undefined
  let load: MixedLoad | undefined
  try {
    const directives = {
      'repl-backlog-size': BACKLOG,
      'repl-diskless-sync-delay': 0,
      'proto-max-bulk-len': STRING_BYTES_MAX,
      // A listpack holds -0 as 0, and whether a sorted set is one depends, in Redis, on whether it was loaded or followed.
      'zset-max-listpack-entries': 0,
    }
    const primary = await startUnderstudy({ directives })
    servers.push(primary)
    await fillDataset(primary.port, { seed, keys: KEYS })
    load = await MixedLoad.start(primary.port, seed)
    proxy = await CuttingProxy.start(primary.port)
    const middle = await startUnderstudy({ directives: { ...directives, replicaof: ['127.0.0.1', proxy.port] } })
    servers.push(middle)
    const leaf = await startRedisServer({ directives: { ...directives, replicaof: ['127.0.0.1', middle.port] } })
    servers.push(leaf)
    const compare = async (): Promise<void> => {
      await equalDigests(primary, middle)
      await equalDigests(primary, leaf)
    }
    const random = new SeededRandom(seed)
    const cutter = new LinkCutter({ random, primary, proxy, replica: middle, load, backlog: BACKLOG, compare })
    await waitFor('the leaf', async () => (await leaf.info('replication'))['master_link_status'] === 'up', {
      timeoutMs: 30_000,
    })
    await cutter.linkUp()
    await cutter.converged()
    const count = await cutRounds(options, [primary, middle], async (place) => await cutter.round(place))
    await load.stop()
    const failed = leaf.lines.filter((line) => line.includes('CRITICAL'))
    if (failed.length > 0) throw new Error(`the leaf could not apply what it got: ${failed.slice(0, 5).join('\n')}`)
    return { count, counted: { ...cutter.counted, generated: load.commands, benchmarks: load.benchmarks } }
  } finally {
    await load?.stop().catch(() => {})
    await proxy?.stop()
    for (const server of servers) await server.kill()
  }
}
