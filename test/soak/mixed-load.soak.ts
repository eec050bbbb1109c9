/**
 * All types under a mixed load: a redis-server with a dataset of every type is written to by redis-benchmark's own tests and
 * by the commands of the fuzz; Understudy is attached in the middle of it. Both must hold the same then, and after each of
 * the cuts of the link that follow (see link-cutter.ts). A stock replica stands beside: of what Redis does not tell its
 * replicas (a command that fails half way), a key may be as the stock replica has it.
 */
import { MixedLoad } from '../fuzz/mixed-load.ts'
import { DATABASES, STRING_BYTES_MAX } from '../fuzz/draw.ts'
import { connectState, compareReplica } from '../fuzz/state.ts'
import { cutRounds } from '../support/cut-rounds.ts'
import { CuttingProxy } from '../support/cutting-proxy.ts'
import { fillDataset } from '../support/dataset.ts'
import { LinkCutter } from '../support/link-cutter.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { type Soak, type SoakOptions, type SoakResult } from '../support/soak.ts'
import type { TestServer } from '../support/test-server.ts'
import { unappliedLines } from '../support/unapplied-lines.ts'
import { startUnderstudy } from '../support/understudy-server.ts'
import { waitFor } from '../support/wait-for.ts'

export const soak: Soak = {
  about: 'a round cuts the link at a random byte under a mixed load over all types; data converge',
  stated: { count: 40 },
  // As far as `CUT_PLACES` has had a cut of each kind.
  slice: { count: 5, seconds: 12 },
  run,
}

const KEYS = 4000
/** Databases that only the dataset is in: no command of the load gets there. */
const STILL_DATABASES = [DATABASES + 1, DATABASES + 7]
const BACKLOG = '64mb'
/** Before the replica comes. */
const COMMANDS_BEFORE = 5000

async function run(options: SoakOptions): Promise<SoakResult> {
  const { seed } = options
  const servers: TestServer[] = []
  let proxy: CuttingProxy | undefined
  let load: MixedLoad | undefined
  try {
    const directives = {
      'repl-backlog-size': BACKLOG,
      'proto-max-bulk-len': STRING_BYTES_MAX,
      // A listpack holds -0 as 0, and whether a sorted set is one depends, in Redis, on whether it was loaded or followed.
      'zset-max-listpack-entries': 0,
    }
    const primary = await startRedisServer({ directives })
    servers.push(primary)
    await fillDataset(primary.port, { seed, keys: KEYS, databases: [0, ...STILL_DATABASES] })
    load = await MixedLoad.start(primary.port, seed)
    const { commands } = load
    await waitFor('the load to run', () => load!.commands - commands > COMMANDS_BEFORE, { timeoutMs: 30_000 })
    proxy = await CuttingProxy.start(primary.port)
    const replica = await startUnderstudy({ directives: { ...directives, replicaof: ['127.0.0.1', proxy.port] } })
    servers.push(replica)
    const stock = await startRedisServer({ directives: { ...directives, replicaof: ['127.0.0.1', primary.port] } })
    servers.push(stock)
    const state = await connectState(primary, replica, stock)
    const compare = (): Promise<void> => compareReplica(state)
    const random = new SeededRandom(seed)
    const cutter = new LinkCutter({ random, primary, proxy, replica, load, backlog: BACKLOG, compare })
    await waitFor('the stock replica', async () => (await stock.info('replication'))['master_link_status'] === 'up', {
      timeoutMs: 30_000,
    })
    await cutter.linkUp()
    await cutter.converged()
    const count = await cutRounds(options, [replica], async (place) => await cutter.round(place))
    await load.stop()
    for (const endpoint of Object.values(state)) endpoint?.close()
    const unapplied = unappliedLines(await replica.settledLines())
    if (unapplied.length > 0) throw new Error(unapplied.slice(0, 5).join('\n'))
    const { commands: generated, benchmarks } = load
    return { count, counted: { ...cutter.counted, generated, benchmarks } }
  } finally {
    await load?.stop().catch(() => {})
    await proxy?.stop()
    for (const server of servers) await server.kill()
  }
}
