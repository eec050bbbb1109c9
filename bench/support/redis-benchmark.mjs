/** One run of redis-benchmark: what it tells, and what it used of a core itself. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { endedChildrenCpuSeconds } from './process-usage.mjs'

const runProgram = promisify(execFile)

const TIMEOUT_MS = 120_000
/** What redis-benchmark writes a random number of twelve digits for. */
export const RANDOM = '__rand_int__'

/** @param {number} number As redis-benchmark writes a random one. */
export const digits = (number) => String(number).padStart(12, '0')

/**
 * @typedef {object} Load
 * @property {number} connections
 * @property {number} pipeline
 * @property {number} requests
 * @property {number} range Random numbers are below it.
 * @property {readonly string[]} what Its own arguments that say what to ask for.
 */

/**
 * @param {string} program
 * @param {number} port
 * @param {Load} load
 * @returns {Promise<{ requestsPerSecond: number, p50: number, p99: number, clientShare: number }>} Infinity a second when all were
 *   answered within the millisecond; latencies in milliseconds; of a core what it used.
 */
export async function redisBenchmark(program, port, { connections, pipeline, requests, range, what }) {
  const clientBefore = endedChildrenCpuSeconds()
  const startedMs = performance.now()
  const { stdout } = await runProgram(
    program,
    ['-h', '127.0.0.1', '-p', port, '-c', connections, '-P', pipeline, '-n', requests, '-r', range]
      .map(String)
      .concat('--csv', ...what),
    { timeout: TIMEOUT_MS, killSignal: 'SIGKILL' },
  )
  const clientSeconds = (endedChildrenCpuSeconds() ?? Number.NaN) - (clientBefore ?? Number.NaN)
  const clientShare = clientSeconds / ((performance.now() - startedMs) / 1000)
  // "test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
  const line = stdout.trim().split('\n').at(-1) ?? ''
  const [, requestsPerSecond = Number.NaN, , , p50 = Number.NaN, , p99 = Number.NaN] = line
    .slice(line.indexOf('","'))
    .split(',')
    .map((field) => Number(field.replaceAll('"', '').replace('inf', 'Infinity')))
  if (!(requestsPerSecond > 0)) throw new Error(`redis-benchmark answered: ${stdout.slice(0, 300)}`)
  return { requestsPerSecond, p50, p99, clientShare }
}
