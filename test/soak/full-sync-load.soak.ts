/**
 * Full resyncs under a load of writes, while a client reads. The snapshot is slow to load and little memory is allowed for what comes
 * meanwhile, so the stream goes through the file. After each: the primary never dropped the link for its output buffer, the data
 * converge, the file is gone; and all the while the reader got answers of the old dataset or the new one, never half of either.
 */
import { readdir, readlink } from 'node:fs/promises'
import { equalDigests } from '../support/compare-datasets.ts'
import { fillDataset } from '../support/dataset.ts'
import { InvariantReader, writeInvariants } from '../support/invariant-reader.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { rounds, type Soak, type SoakOptions, type SoakResult } from '../support/soak.ts'
import type { TestServer } from '../support/test-server.ts'
import { startUnderstudy } from '../support/understudy-server.ts'
import { waitFor } from '../support/wait-for.ts'
import { WriteLoad } from '../support/write-load.ts'

export const soak: Soak = {
  about:
    'a round is a full resync under writes and reads: the link stays, data converge, nothing is left, readers see no half',
  stated: { count: 50 },
  slice: { count: 1 },
  run,
}

const KEYS = 8000
/** Of the writer; the stream of one round is then some megabytes. */
const PER_SECOND = 20_000
const DIRECTIVES = {
  // Loads the snapshot in about a second.
  'key-load-delay': 80,
  'replica-full-sync-buffer-limit': '1mb',
  'enable-debug-command': 'yes',
}

async function run(options: SoakOptions): Promise<SoakResult> {
  const servers: TestServer[] = []
  try {
    // By file, so that the stream comes during the load; by socket the primary would keep it until the first ACK.
    const primary = await startRedisServer({ directives: { 'repl-diskless-sync': 'no', 'repl-backlog-size': '64mb' } })
    servers.push(primary)
    await fillDataset(primary.port, { seed: options.seed, keys: KEYS, stringsOnly: true, databases: [0, 3] })
    await writeInvariants(primary.port)
    const load = await WriteLoad.start(primary.port, { seed: options.seed, perSecond: PER_SECOND })
    const replica = await startUnderstudy({ directives: { ...DIRECTIVES, replicaof: ['127.0.0.1', primary.port] } })
    servers.push(replica)
    return await play(options, primary, replica, load)
  } finally {
    for (const server of servers) await server.kill()
  }
}

async function play(
  options: SoakOptions,
  primary: TestServer,
  replica: TestServer,
  load: WriteLoad,
): Promise<SoakResult> {
  const { seed } = options
  await waitFor('the first synchronization', async () => (await replica.info())['master_link_status'] === 'up', {
    timeoutMs: 60_000,
  })
  const reader = await InvariantReader.start(replica, load.pairCount, seed)
  reader.mayBeLoading = false
  let count = 0
  let spilledBytes = 0
  const latencies: number[] = []
  for (const round of rounds(options)) {
    try {
      const fromRead = reader.latenciesMs.length
      spilledBytes += await fullResync(primary, replica, load)
      latencies.push(...reader.latenciesMs.slice(fromRead))
      await load.pause()
      await converged(primary, replica, round)
      reader.check()
    } catch (error) {
      const tail = replica.lines.slice(-25).join('\n')
      throw new Error(`seed ${seed}, round ${round}: ${String(error)}\n${tail}`, { cause: error })
    }
    count++
  }
  await load.stop()
  const reads = await reader.stop()
  if (spilledBytes === 0) throw new Error('nothing went through the file')
  latencies.sort((a, b) => a - b)
  const p999 = latencies[Math.floor(latencies.length * 0.999)] ?? 0
  return { count, counted: { reads, spilledBytes, latencyP999Micros: Math.round(p999 * 1000) } }
}

/** @returns bytes that went through the file */
async function fullResync(primary: TestServer, replica: TestServer, load: WriteLoad): Promise<number> {
  const before = Number((await replica.info())['sync_asked_full'])
  const fromLine = primary.lines.length
  load.resume()
  // Another history: the replica that comes back cannot continue.
  await primary.call('DEBUG', 'CHANGE-REPL-ID')
  await primary.call('CLIENT', 'KILL', 'TYPE', 'replica')
  await waitFor(
    'the full resync',
    async () => {
      const info = await replica.info()
      return Number(info['sync_asked_full']) > before && info['master_link_status'] === 'up'
    },
    { timeoutMs: 60_000 },
  )
  await waitFor(
    'the stream to be caught up with',
    async () => (await replica.info())['replicas_repl_buffer_size'] === '0',
    {
      timeoutMs: 60_000,
    },
  )
  const dropped = primary.lines.slice(fromLine).find((line) => line.includes('output buffer limits'))
  if (dropped !== undefined) throw new Error(`the primary dropped the link: ${dropped}`)
  return Number((await replica.info())['full_sync_spilled_bytes'])
}

async function converged(primary: TestServer, replica: TestServer, round: number): Promise<void> {
  await equalDigests(primary, replica)
  const fullSyncs = Number((await replica.info())['sync_asked_full'])
  if (fullSyncs !== round + 2) throw new Error(`${fullSyncs} full resyncs: the link was lost on the way`)
  await nothingIsLeft(replica)
}

/** Neither a name in the directory nor a file without one that is still open. */
async function nothingIsLeft(replica: TestServer): Promise<void> {
  const names = await readdir(replica.directory)
  if (names.some((name) => name.startsWith('temp-'))) throw new Error(`temporary files are left: ${names.join(', ')}`)
  await waitFor('the file to be closed', async () => {
    const descriptors = await readdir(`/proc/${replica.pid}/fd`).catch(() => [])
    const targets = await Promise.all(
      descriptors.map((name) => readlink(`/proc/${replica.pid}/fd/${name}`).catch(() => '')),
    )
    return !targets.some((target) => target.includes('temp-stream-'))
  })
}
