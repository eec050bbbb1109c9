/**
 * GET as redis-benchmark asks for it: 50 connections, random keys of those that are there, pipelines of 1, 16 and 64.
 * All servers are up and loaded before the first round and take turns.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { checkContents } from './support/contents.mjs'
import { Dataset, VALUE_BYTES } from './support/dataset.mjs'
import { UsageMeter } from './support/process-usage.mjs'
import { directoryWith, RDB_NAME, stringsFile } from './support/rdb-file.mjs'
import { Row } from './support/row.mjs'
import { median } from './support/statistics.mjs'

const runProgram = promisify(execFile)

const CONNECTIONS = 50
const ROUND_TIMEOUT_MS = 120_000
/** `$32`, the value and two line ends. */
const HIT_BYTES = 5 + VALUE_BYTES + 2
/** Redis' own faster setting, shown beside. */
const IO_THREADS = ['--io-threads', '2', '--io-threads-do-reads', 'yes']
const GOALS = new Map([
  [1, 0.8],
  [16, 1],
])

/** @typedef {import('./support/contenders.mjs').Contender} Contender */
/** @typedef {{ requestsPerSecond: number, p50: number, p99: number }} Round Latencies in milliseconds. */

/** @param {import('./support/run.mjs').Run} run */
export async function get(run) {
  const { contenders, sizes, seed, log } = run
  const count = sizes.getKeys
  const dataset = new Dataset(seed, { keys: 'numbered' })
  const path = await stringsFile(run, dataset, count)
  const directives = ['--dbfilename', RDB_NAME]
  /** @param {'understudy' | 'redis'} name @param {string[]} more */
  const start = async (name, more = []) =>
    await contenders.start(name, {
      directory: directoryWith(contenders, path),
      directives: [...directives, ...more],
    })
  const ours = await start('understudy')
  const theirs = run.isProfiled ? undefined : await start('redis')
  const threaded = sizes.ioThreads && !run.isProfiled ? await start('redis', IO_THREADS) : undefined
  const all = [ours, theirs, threaded].filter((each) => each !== undefined)
  for (const contender of all) await checkContents(contender, { dataset, count })

  /** @type {Row[]} */
  const rows = []
  for (const [pipeline, requests] of sizes.getRequests) {
    const goal = GOALS.get(pipeline)
    const title = `GET, ${CONNECTIONS} connections, pipeline ${pipeline}`
    const row = new Row({
      scenario: 'get',
      title,
      unit: 'requests/s',
      ...(goal === undefined ? {} : { goal: { ratio: goal, direction: 'at least' } }),
    })
    const threadedRow = new Row({ scenario: 'get', title, unit: 'requests/s', theirs: 'Redis, io-threads 2' })
    /** @type {Map<Contender, Round[]>} */
    const rounds = new Map(all.map((contender) => [contender, []]))
    // Once for nothing: a server that has just begun is not what is measured.
    for (const contender of all) await round(run, contender, pipeline, Math.ceil(requests / 4), count)
    for (let pair = 0; pair < run.pairs; pair++) {
      for (const contender of all) {
        const meter = new UsageMeter(contender.pid)
        const result = await round(run, contender, pipeline, requests, count)
        const usage = meter.stop()
        rounds.get(contender)?.push(result)
        const { requestsPerSecond } = result
        if (contender === ours) {
          row.add('ours', requestsPerSecond, usage)
          threadedRow.add('ours', requestsPerSecond, usage)
        } else (contender === theirs ? row : threadedRow).add('theirs', requestsPerSecond, usage)
        log(
          `get ${pair + 1}/${run.pairs} pipeline ${pipeline} ${contender === threaded ? 'redis, io-threads 2' : contender.name}: ` +
            `${(requestsPerSecond / 1000).toFixed(0)} k/s, p50 ${result.p50} ms, p99 ${result.p99} ms, ` +
            `CPU ${usage.cpuSeconds?.toFixed(2) ?? 'n/a'} s`,
        )
      }
    }
    row.contents = 'right; every GET was a hit'
    threadedRow.contents = row.contents
    row.notes.push([ours, theirs].flatMap((each) => (each === undefined ? [] : [latencies(each, rounds)])).join('; '))
    rows.push(row)
    if (threaded !== undefined) {
      threadedRow.notes.push(`io-threads 2: ${latencies(threaded, rounds)}`)
      rows.push(threadedRow)
    }
  }
  for (const contender of all) {
    await checkContents(contender, { dataset, count })
    await contender.stop()
  }
  return rows
}

/**
 * One run of redis-benchmark. Fails when a GET was no hit.
 *
 * @param {import('./support/run.mjs').Run} run
 * @param {Contender} contender
 * @param {number} pipeline
 * @param {number} requests
 * @param {number} keyCount
 * @returns {Promise<Round>}
 */
async function round({ redisBenchmark }, contender, pipeline, requests, keyCount) {
  const before = await counters(contender)
  const { stdout } = await runProgram(
    redisBenchmark,
    ['-h', '127.0.0.1', '-p', contender.port, '-t', 'get', '-c', CONNECTIONS, '-P', pipeline, '-n', requests]
      .map(String)
      .concat('-r', String(keyCount), '--csv'),
    { timeout: ROUND_TIMEOUT_MS, killSignal: 'SIGKILL' },
  )
  // "test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
  const line = stdout.split('\n').find((each) => each.startsWith('"GET"'))
  const [, requestsPerSecond = Number.NaN, , , p50 = Number.NaN, , p99 = Number.NaN] = (line ?? '')
    .split(',')
    .map((field) => Number(field.replaceAll('"', '')))
  if (!(requestsPerSecond > 0)) throw new Error(`redis-benchmark answered: ${stdout.slice(0, 300)}`)
  const after = await counters(contender)
  const replyBytes = requests * HIT_BYTES
  if (after.misses !== before.misses || after.outputBytes - before.outputBytes < replyBytes) {
    throw new Error(
      `${contender.name}: ${requests} GETs must be answered with ${replyBytes} bytes at least; they missed ` +
        `${after.misses - before.misses} times and got ${after.outputBytes - before.outputBytes} bytes`,
    )
  }
  return { requestsPerSecond, p50, p99 }
}

/**
 * Bytes show whether values were sent, misses that none was nil.
 *
 * @param {Contender} contender
 */
async function counters(contender) {
  return {
    outputBytes: Number(await contender.info('total_net_output_bytes')),
    misses: Number(await contender.info('keyspace_misses')),
  }
}

/**
 * @param {Contender} contender
 * @param {Map<Contender, Round[]>} rounds
 */
function latencies(contender, rounds) {
  const of = rounds.get(contender) ?? []
  const p50 = median(of.map((each) => each.p50))
  const p99 = median(of.map((each) => each.p99))
  return `${contender.name} p50 ${p50.toFixed(3)} ms, p99 ${p99.toFixed(3)} ms`
}
