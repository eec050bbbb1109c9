/**
 * What the reading threads of the soaks share (see reading-threads.ts): a reader, a random source, and the way to the end.
 * Plain JavaScript, since a worker thread runs without a transpiler.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { KeyspaceReader } from '@understudy/core'
import { StuckMeter } from './stuck-meter.mjs'
import { occasionalPause, widenAtomics } from './widened-races.mjs'
import { xorshift } from './xorshift.mjs'

const { handle, seed, skipValidation, widen, widened, stop, restMs = 0 } = workerData
export const reader = new KeyspaceReader(handle)
if (skipValidation) reader.skipValidation()
/** Not 0: to be stopped; how many threads are reading. */
const shared = new Int32Array(stop)
export const random = xorshift(seed)

if (widen) {
  // Sometimes stay for a while between looking and validating, so that the writer can do much in between.
  reader.beforeValidation = () => {
    if (random(64) !== 0) return
    const until = performance.now() + 0.05
    while (performance.now() < until);
  }
}

if (widened) {
  const pause = occasionalPause(random)
  widenAtomics(pause)
  reader.beforeValidation = pause
}

const seen = { failures: 0, firstFailure: '' }

/** @param {string} text */
export function fail(text) {
  seen.failures++
  if (seen.firstFailure === '') seen.firstFailure = text
}

/**
 * Reads until told to stop or something failed, then tells what was seen, and how long reads took (StuckMeter).
 * @param {() => void} readOnce
 * @param {object} counted Told with it.
 */
export function readUntilStopped(readOnce, counted) {
  const meter = new StuckMeter()
  Atomics.add(shared, 1, 1)
  try {
    while (Atomics.load(shared, 0) === 0 && seen.failures === 0) {
      meter.begin()
      readOnce()
      meter.end()
      if (restMs > 0) Atomics.wait(shared, 0, 0, restMs)
    }
  } catch (error) {
    fail(`a read threw: ${error instanceof Error ? error.stack : String(error)}`)
  }
  const { longestMs, longestWholeMs } = meter
  const { retries } = reader
  reader.close()
  parentPort?.postMessage({ ...seen, longestMs, longestWholeMs, retries, ...counted })
}
