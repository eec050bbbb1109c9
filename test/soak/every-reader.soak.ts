/**
 * Reads from everywhere at once: connections on two I/O threads and two threads with handles read all types, while the stream of a real
 * primary is applied: groups of up to ten thousand commands, deletions, expiry, growth of tables, changes of encoding, FLUSHALL,
 * SWAPDB, and three full resyncs. What must hold at every moment: the invariants of reads-shapes.mjs and every-reader-writer.ts. How many
 * writes a second the replica applied while no full resync was under way is told at the end.
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

const STATED_SECONDS = 600

export const soak: Soak = {
  about:
    '200 connections on two threads and two handles read all types while a primary writes, with groups, FLUSHALL, SWAPDB, full resyncs',
  stated: { count: Infinity, seconds: STATED_SECONDS },
  slice: { count: Infinity, seconds: 60 },
  run: (options) => runEveryReader(options),
}

const NODE = fileURLToPath(new URL('./every-reader-node.mjs', import.meta.url))
const FULL_RESYNCS = 3
/** Between two reads of a thread: there have to be processors for the writer. */
const REST_MS = 5
/** A read that took longer did not get through, though reader and writer had processors (StuckMeter). */
const STUCK_MS = 50
/**
 * A reader gets a turn behind each unit, and a group is one; what misses a turn waits for the next. On a slow machine three groups take
 * longer than STUCK_MS, which is what the stated run has to meet: a slice may take these.
 */
const UNITS_MAX = 3
/** And one that took longer than this slept; what is known of waiting for processors is not exact. */
const ASLEEP_MS = 1000

/** Writes a second that the replica is to apply in a run of the stated length. */
const APPLIED_PER_SECOND = 100_000
const CHECK_MS = 100

/** Part of the readers' protocol that is left out, for the test of the test. */
export interface Broken {
  /** Threads read without rest: what is to be seen is seen soon. */
  readonly restMs?: number
  readonly skipValidation?: boolean
  readonly counters?: Readonly<Record<string, number>>
}

/** @throws when anybody saw something impossible, an error, or was stuck */
export async function runEveryReader(options: SoakOptions, broken: Broken = {}): Promise<SoakResult> {
  const random = new SeededRandom(options.seed)
  const servers: TestServer[] = []
  try {
    const primary = await startRedisServer({
      // A replica that has no processor for a while is not dropped for it.
      directives: { 'repl-backlog-size': '64mb', 'client-output-buffer-limit': ['replica', 0, 0, 0] },
    })
    servers.push(primary)
    const writer = await EveryReaderWriter.start(await primary.raw({ timeoutMs: 60_000 }), random)
    const node = await startNode(primary.port, {
      seed: random.int(1, 2 ** 30),
      restMs: REST_MS,
      timesUnits: options.seconds < STATED_SECONDS,
      skipValidation: false,
      ...broken,
    })
    servers.push(node)
    await node.waitForLine(/threads are reading/, { timeoutMs: 30_000 })
    return await play(options, { primary, node, writer }, random)
  } finally {
    for (const server of servers.toReversed()) await server.kill()
  }
}

interface Servers {
  readonly primary: TestServer
  readonly node: TestServer
  readonly writer: EveryReaderWriter
}

interface Running extends Servers {
  readonly connections: EveryReaderConnections
}

async function play(options: SoakOptions, servers: Servers, random: SeededRandom): Promise<SoakResult> {
  const { node, writer } = servers
  const connections = await EveryReaderConnections.open(node.port, random)
  // Whoever sees something wrong ends it, whatever it is waiting for.
  let timer: NodeJS.Timeout | undefined
  const failed = new Promise<never>((_, reject) => {
    timer = setInterval(() => {
      try {
        writer.check()
        connections.check()
        checkThreads(node)
      } catch (error) {
        reject(error)
      }
    }, CHECK_MS)
  })
  const ran = run(options, { ...servers, connections })
  try {
    return await Promise.race([ran, failed])
  } catch (error) {
    ran.catch(() => {}) // the servers it uses are ended
    const log = node.lines.filter((line) => !line.startsWith(APPLIED)).slice(-15)
    throw new Error(`seed ${options.seed}: ${String(error)}\n${log.join('\n')}`, { cause: error })
  } finally {
    clearInterval(timer)
    await connections.end()
  }
}

async function run(
  { seconds, log }: SoakOptions,
  { primary, node, writer, connections }: Running,
): Promise<SoakResult> {
  const startedMs = performance.now()
  const mark = node.lines.length
  writer.begin()
  connections.begin()
  let resyncs = 0
  // On a slow machine full resyncs take so long that there is no time for the last of them.
  for (let elapsed = 0; elapsed < seconds || resyncs < FULL_RESYNCS; elapsed = (performance.now() - startedMs) / 1000) {
    await sleep(CHECK_MS)
    if (resyncs === FULL_RESYNCS || elapsed <= ((resyncs + 1) * seconds) / (FULL_RESYNCS + 1)) continue
    await fullResync(primary, node)
    resyncs++
    log(`full resync ${resyncs} after ${elapsed.toFixed(0)} s`)
  }
  const { reads, longestMs: longestRoundTripMs, late } = await connections.stop()
  const slowCommands = Number(await node.call('SLOWLOG', 'LEN'))
  const applied = appliedPerSecond(node.lines.slice(mark))
  await writer.stop()
  await equalDigests(primary, node)
  const threads = await threadsOf(node)
  const longestMs = Math.max(...threads.map((thread) => thread.longestMs))
  const longestUnitMs = Math.max(...toldOf(node.lines).map((told) => told.longestUnitMs))
  if (longestMs > Math.max(STUCK_MS, UNITS_MAX * longestUnitMs)) {
    throw new Error(
      `a thread was stuck in a read for ${longestMs.toFixed(0)} ms (longest unit: ${longestUnitMs.toFixed(0)})`,
    )
  }
  const longestWholeMs = Math.max(...threads.map((thread) => thread.longestWholeMs))
  if (longestWholeMs > ASLEEP_MS) throw new Error(`a thread slept in a read for ${longestWholeMs.toFixed(0)} ms`)
  if (seconds >= STATED_SECONDS && applied < APPLIED_PER_SECOND) {
    throw new Error(`all reads were right, but only ${applied.toFixed(0)} writes a second were applied`)
  }
  const { groups } = writer
  return {
    count: groups.change,
    counted: {
      appliedPerSecond: Math.round(applied),
      flushed: groups.build,
      swapped: groups.swap,
      ...reads,
      byThreads: threads.reduce((sum, { reads }) => sum + Object.values(reads).reduce((a, b) => a + b, 0), 0),
      retries: threads.reduce((sum, { retries }) => sum + retries, 0),
      longestReadMs: Math.ceil(longestMs),
      longestWholeReadMs: Math.ceil(longestWholeMs),
      longestUnitMs: Math.ceil(longestUnitMs),
      longestRoundTripMs: Math.ceil(longestRoundTripMs),
      roundTripsAbove50Ms: late,
      commandsAbove50Ms: slowCommands,
    },
  }
}

const APPLIED = 'applied: '

interface Applied {
  readonly atMs: number
  readonly commands: number
  readonly isInStep: boolean
  readonly syncs: number
  /** 0: not measured. */
  readonly longestUnitMs: number
}

function toldOf(lines: readonly string[]): Applied[] {
  return lines.flatMap((line) => (line.startsWith(APPLIED) ? [JSON.parse(line.slice(APPLIED.length)) as Applied] : []))
}

/** By what the node tells every second, without the times of full resyncs. */
function appliedPerSecond(lines: readonly string[]): number {
  const told = toldOf(lines)
  let commands = 0
  let ms = 0
  for (const [i, now] of told.entries()) {
    const before = told[i - 1]
    if (before?.isInStep !== true || !now.isInStep || before.syncs !== now.syncs) continue
    commands += now.commands - before.commands
    ms += now.atMs - before.atMs
  }
  return (commands * 1000) / ms
}

function startNode(
  primaryPort: number,
  facts: Broken & { readonly seed: number; readonly timesUnits: boolean },
): Promise<TestServer> {
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
        'slowlog-log-slower-than': STUCK_MS * 1000,
      },
    },
    {
      directives: { replicaof: ['127.0.0.1', primaryPort] },
      env: { ...process.env, UNDERSTUDY_SOAK_NODE: JSON.stringify(facts) },
    },
  )
}

async function fullResync(primary: TestServer, node: TestServer): Promise<void> {
  const before = Number((await node.info('default'))['sync_asked_full'])
  // Another history: the replica that comes back cannot continue.
  await primary.call('DEBUG', 'CHANGE-REPL-ID')
  await primary.call('CLIENT', 'KILL', 'TYPE', 'replica')
  await waitFor(
    'the full resync',
    async () => {
      const info = await node.info('default')
      return Number(info['sync_asked_full']) > before && info['master_link_status'] === 'up'
    },
    { timeoutMs: 60_000, intervalMs: 100 },
  )
}

interface Seen extends ReaderResult {
  readonly reads: Readonly<Record<string, number>>
}

const IMPOSSIBLE = 'impossible: '

/** @throws when one of the node's threads saw something impossible */
function checkThreads({ lines }: TestServer): void {
  const line = lines.find((each) => each.startsWith(IMPOSSIBLE))
  if (line !== undefined) throw new Error(`a thread saw impossible things: ${line.slice(IMPOSSIBLE.length)}`)
}

/** Ends the node, and tells what its threads saw. @throws when something of it was impossible */
async function threadsOf(node: TestServer): Promise<Seen[]> {
  await node.stop({ timeoutMs: 20_000 })
  const line = node.lines.find((each) => each.startsWith('threads: '))
  if (line === undefined) throw new Error('the threads told nothing')
  checkThreads(node)
  return JSON.parse(line.slice('threads: '.length)) as Seen[]
}
