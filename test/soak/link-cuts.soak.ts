/**
 * The link between a real primary and Understudy is cut again and again under a load of string commands (see
 * link-cutter.ts for what must hold after each cut), and all the while a client reads: never half a transaction, never
 * half a dataset, nothing that goes backwards.
 */
import { CuttingProxy, type CutDone } from '../support/cutting-proxy.ts'
import { fillDataset } from '../support/dataset.ts'
import { InvariantReader, writeInvariants } from '../support/invariant-reader.ts'
import { cutRounds } from '../support/cut-rounds.ts'
import { LinkCutter } from '../support/link-cutter.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { type Soak, type SoakOptions, type SoakResult } from '../support/soak.ts'
import type { TestServer } from '../support/test-server.ts'
import { startUnderstudy } from '../support/understudy-server.ts'
import { WriteLoad } from '../support/write-load.ts'

export const soak: Soak = {
  about:
    'a round cuts the link at a random byte under write load; data converge, offsets are whole, readers see no half',
  stated: { count: 100 },
  // All of `CUT_PLACES`.
  slice: { count: 10, seconds: 18 },
  run,
}

const RATE_MIN = 5000
const KEYS = 20_000
const BACKLOG = '64mb'

async function run(options: SoakOptions): Promise<SoakResult> {
  const servers: TestServer[] = []
  let proxy: CuttingProxy | undefined
  try {
    const primary = await startRedisServer({ directives: { 'repl-backlog-size': BACKLOG, 'repl-timeout': 10 } })
    servers.push(primary)
    proxy = await CuttingProxy.start(primary.port)
    return await play(options, primary, proxy, servers)
  } finally {
    await proxy?.stop()
    for (const server of servers) await server.kill()
  }
}

async function play(
  options: SoakOptions,
  primary: TestServer,
  proxy: CuttingProxy,
  servers: TestServer[],
): Promise<SoakResult> {
  const { seed } = options
  const random = new SeededRandom(seed)
  await fillDataset(primary.port, { seed, keys: KEYS, stringsOnly: true, databases: [0, 3] })
  await writeInvariants(primary.port)
  const load = await WriteLoad.start(primary.port, { seed })
  // Its size is known better after the first one; this one is about so big.
  proxy.snapshotTotal = 500_000
  const first = proxy.cut({ place: 'snapshot', share: random.float() })
  const replica = await startUnderstudy({
    directives: { replicaof: ['127.0.0.1', proxy.port], 'repl-backlog-size': BACKLOG, 'repl-timeout': 10 },
  })
  servers.push(replica)
  const reader = await InvariantReader.start(replica, load.pairCount, seed)
  const cutter = new LinkCutter({ random, primary, proxy, replica, load, backlog: BACKLOG })
  const count = await cutRounds(options, [replica], async (place, round) => {
    if (round === 0) await firstSync(await first, cutter, reader, replica, proxy)
    else await cutter.round(place)
    reader.check()
  })
  await load.stop()
  const reads = await reader.stop()
  if (load.rate < RATE_MIN) throw new Error(`the writer reached only ${load.rate.toFixed(0)} commands/s`)
  await replica.stop()
  return { count, counted: { ...cutter.counted, reads } }
}

/** Never synced: until the snapshot is whole, every read is told so. */
async function firstSync(
  done: CutDone,
  cutter: LinkCutter,
  reader: InvariantReader,
  replica: TestServer,
  proxy: CuttingProxy,
): Promise<void> {
  if (done.isMissed) throw new Error('the first snapshot was not cut')
  await cutter.linkDown()
  const info = await replica.info('everything')
  if (info['loading'] !== '1') throw new Error('a node that was never synced must say loading:1')
  if (reader.answered > 0) throw new Error('a read was answered before the first sync')
  reader.mayBeLoading = true
  proxy.release()
  await cutter.linkUp()
  reader.mayBeLoading = false
  await cutter.converged()
}
