/**
 * Preloaded into an Understudy: on SIGUSR2 tells how long its event loop was held since the last time. Main thread only.
 *
 * On a busy machine a thread also waits for a processor. The system tells how long a thread ran (proc(5), /proc/<pid>/schedstat: the
 * first number, in nanoseconds), so what the loop's own work held is told apart: of a timer's delay the part in which the thread ran.
 */
import { openSync, readSync } from 'node:fs'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'

const RESOLUTION_MS = 1
const PERCENTILES = [50, 99, 99.9]
const OWN_PERIOD_MS = 1

/** Tells for how many milliseconds this thread has run so far; undefined where the system does not. */
function runMeter() {
  let descriptor = -1
  try {
    descriptor = openSync(`/proc/self/task/${process.pid}/schedstat`, 'r')
  } catch {
    return undefined
  }
  const bytes = Buffer.alloc(64)
  return () => {
    // The number is brought up to date by ticks, up to 4 ms apart, and by whoever asks for the whole process' (thread_group_cputime()).
    process.cpuUsage()
    const length = readSync(descriptor, bytes, 0, bytes.length, 0)
    return Number(bytes.toString('latin1', 0, length).split(' ')[0]) / 1e6
  }
}

/** Tells the longest delay of a timer by the loop's own work since the last call. */
function ownDelayMeter() {
  const ranMs = runMeter()
  if (ranMs === undefined) return () => undefined
  let atMs = performance.now()
  let ranAtMs = ranMs()
  let longestMs = 0
  setInterval(() => {
    const nowMs = performance.now()
    const ranNowMs = ranMs()
    longestMs = Math.max(longestMs, Math.min(nowMs - atMs - OWN_PERIOD_MS, ranNowMs - ranAtMs))
    atMs = nowMs
    ranAtMs = ranNowMs
  }, OWN_PERIOD_MS).unref()
  return () => {
    const told = longestMs
    longestMs = 0
    return told
  }
}

if (isMainThread) {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  histogram.enable()
  const ownLongestMs = ownDelayMeter()
  process.on('SIGUSR2', () => {
    // A timer that is due every millisecond is late by what held the loop.
    const milliseconds = (/** @type {number} */ nanoseconds) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS)
    const told = {
      longestMs: milliseconds(histogram.max),
      ownLongestMs: ownLongestMs(),
      percentiles: PERCENTILES.map((each) => [each, milliseconds(histogram.percentile(each))]),
    }
    histogram.reset()
    process.stdout.write(`loop-probe ${JSON.stringify(told)}\n`)
  })
}
