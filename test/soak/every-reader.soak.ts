/**
 * Reads from everywhere at once: connections on two I/O threads and two threads with handles read all types, while the stream of a real
 * primary is applied: groups of up to ten thousand commands, deletions, expiry, growth of tables, changes of encoding, FLUSHALL,
 * SWAPDB, and three full resyncs. What must hold at every moment: the invariants of reads-shapes.mjs and every-reader-writer.ts. How many
 * writes a second there were is told at the end; who makes them and reads by connections is one process, which is what limits them.
 */
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { equalDigests } from '../support/compare-datasets.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import type { Soak, SoakOptions, SoakResult } from '../support/soak.ts'
import { TestServer } from '../support/test-server.ts'
import { waitFor } from '../support/wait-for.ts'
import { EveryReaderConnections } from './every-reader-connections.ts'
import { EveryReaderWriter } from './every-reader-writer.ts'
import type { ReaderResult } from './reading-threads.ts'

export const soak: Soak = {
  about:
    '200 connections on two threads and two handles read all types while a primary writes, with groups, FLUSHALL, SWAPDB, full resyncs',
  stated: { count: Infinity, seconds: 600 },
  slice: { count: Infinity, seconds: 30 },
  run: (options) => runEveryReader(options),
}

const NODE = fileURLToPath(new URL('./every-reader-node.mjs', import.meta.url))
const FULL_RESYNCS = 3
/** A read that took longer did not get through, though reader and writer had processors. */
const STUCK_MS = 50

/** Part of the readers' protocol that is left out, for the test of the test. */
export interface Broken {
  readonly skipValidation?: boolean
  readonly counters?: Readonly<Record<string, number>>
}

/** @throws when anybody saw something impossible, an error, or was stuck */
export async function runEveryReader(options: SoakOptions, broken: Broken = {}): Promise<SoakResult> {
  const random = new SeededRandom(options.seed)
  const servers: TestServer[] = []
  try {
    const primary = await startRedisServer({
      directives: { 'repl-backlog-size': '64mb', 'repl-diskless-sync-delay': 0, 'enable-debug-command': 'yes' },
    })
    servers.push(primary)
    const writer = await EveryReaderWriter.start(await primary.raw({ timeoutMs: 60_000 }), random)
    const node = await startNode(primary.port, { seed: random.int(1, 2 ** 30), skipValidation: false, ...broken })
    servers.push(node)
    await node.waitForLine(/threads are reading/, { timeoutMs: 30_000 })
    return await play(options, { primary, node, writer, random })
  } finally {
    for (const server of servers.toReversed()) await server.kill()
  }
}

interface Cast {
  readonly primary: TestServer
  readonly node: TestServer
  readonly writer: EveryReaderWriter
  readonly random: SeededRandom
}

async function play({ seed, seconds, log }: SoakOptions, { primary, node, writer, random }: Cast): Promise<SoakResult> {
  const connections = await EveryReaderConnections.open(node, writer, random)
  const startedMs = performance.now()
  const check = (): void => {
    writer.check()
    connections.check()
  }
  try {
    writer.begin()
    connections.begin()
    let resyncs = 0
    for (let elapsed = 0; elapsed < seconds; elapsed = (performance.now() - startedMs) / 1000) {
      await sleep(1000)
      check()
      if (resyncs < FULL_RESYNCS && elapsed > ((resyncs + 1) * seconds) / (FULL_RESYNCS + 1)) {
        await fullResync(primary, node)
        resyncs++
        log(`full resync ${resyncs} after ${elapsed.toFixed(0)} s`)
      }
    }
    await connections.stop()
    await writer.stop()
    check()
    await equalDigests(primary, node)
    const threads = await threadsOf(node)
    const longestMs = Math.max(...threads.map((thread) => thread.longestMs))
    if (longestMs > STUCK_MS) throw new Error(`a thread was stuck in a read for ${longestMs.toFixed(0)} ms`)
    if (resyncs < FULL_RESYNCS) throw new Error(`${resyncs} full resyncs in ${seconds} s`)
    const { groups } = writer
    return {
      count: groups.change,
      counted: {
        writesPerSecond: Math.round(writer.perSecond),
        flushed: groups.build,
        swapped: groups.swap,
        ...connections.reads,
        byThreads: threads.reduce((sum, { reads }) => sum + Object.values(reads).reduce((a, b) => a + b, 0), 0),
        retries: threads.reduce((sum, { retries }) => sum + retries, 0),
        longestReadMs: Math.ceil(longestMs),
        longestRoundTripMs: Math.ceil(connections.longestMs),
      },
    }
  } catch (error) {
    throw new Error(`seed ${seed}: ${String(error)}\n${node.lines.slice(-15).join('\n')}`, { cause: error })
  }
}

function startNode(primaryPort: number, facts: Broken & { readonly seed: number }): Promise<TestServer> {
  return TestServer.start(
    {
      name: 'every-reader-node',
      command: process.execPath,
      leadingArgs: [NODE],
      defaults: {
        bind: '127.0.0.1',
        save: '',
        'io-threads': 2,
        'enable-debug-command': 'yes',
        'repl-diskless-load': 'swapdb',
      },
    },
    {
      directives: { replicaof: ['127.0.0.1', primaryPort] },
      env: { ...process.env, UNDERSTUDY_SOAK_NODE: JSON.stringify(facts) },
    },
  )
}

async function fullResync(primary: TestServer, node: TestServer): Promise<void> {
  const before = Number((await node.info())['sync_asked_full'])
  // Another history: the replica that comes back cannot continue.
  await primary.call('DEBUG', 'CHANGE-REPL-ID')
  await primary.call('CLIENT', 'KILL', 'TYPE', 'replica')
  await waitFor(
    'the full resync',
    async () => {
      const info = await node.info()
      return Number(info['sync_asked_full']) > before && info['master_link_status'] === 'up'
    },
    { timeoutMs: 60_000, intervalMs: 100 },
  )
}

interface Seen extends ReaderResult {
  readonly reads: Readonly<Record<string, number>>
}

/** Ends the node, and tells what its threads saw. @throws when that was impossible */
async function threadsOf(node: TestServer): Promise<Seen[]> {
  await node.stop({ timeoutMs: 20_000 })
  const line = node.lines.find((each) => each.startsWith('threads: '))
  if (line === undefined) throw new Error('the threads told nothing')
  const seen = JSON.parse(line.slice('threads: '.length)) as Seen[]
  const failed = seen.find((thread) => thread.failures > 0)
  if (failed !== undefined) throw new Error(`threads saw impossible things; first: ${failed.firstFailure}`)
  return seen
}
