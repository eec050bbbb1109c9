/** Preloaded into an Understudy: on SIGUSR2 tells how long its event loop was held since the last time. Main thread only. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'

const RESOLUTION_MS = 1
const PERCENTILES = [50, 99, 99.9]

if (isMainThread) {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  histogram.enable()
  process.on('SIGUSR2', () => {
    // A timer that is due every millisecond is late by what held the loop.
    const milliseconds = (/** @type {number} */ nanoseconds) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS)
    const told = {
      longestMs: milliseconds(histogram.max),
      percentiles: PERCENTILES.map((each) => [each, milliseconds(histogram.percentile(each))]),
    }
    histogram.reset()
    process.stdout.write(`loop-probe ${JSON.stringify(told)}\n`)
  })
}
