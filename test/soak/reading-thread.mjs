/**
 * What the reading threads of the soaks share (see reading-threads.ts): a reader, a random source, and the way to the end.
 * Plain JavaScript, since a worker thread runs without a transpiler.
 */
import { readFileSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { KeyspaceReader } from '@understudy/core'
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

const seen = { failures: 0, firstFailure: '', longestMs: 0, retries: 0 }

/** @param {string} text */
export function fail(text) {
  seen.failures++
  if (seen.firstFailure === '') seen.firstFailure = text
}

/** Of this thread, and of the process' first one, which writes. */
const SCHEDULED = ['/proc/thread-self/schedstat', `/proc/self/task/${process.pid}/schedstat`]

/** Milliseconds that reader and writer were ready to run and had no processor, so far; 0 where the system does not tell. */
function waitedForProcessorMs() {
  try {
    // Source: Linux Documentation/scheduler/sched-stats.rst: time on the processor, time waiting for it (both ns), turns.
    return SCHEDULED.reduce((sum, file) => sum + Number(readFileSync(file, 'latin1').split(' ')[1]) / 1e6, 0)
  } catch {
    return 0
  }
}

/**
 * Reads until told to stop or something failed, then tells what was seen. `longestMs` is the longest that a read took while
 * reader and writer had processors to themselves.
 * @param {() => void} readOnce
 * @param {object} counted Told with it.
 */
export function readUntilStopped(readOnce, counted) {
  Atomics.add(shared, 1, 1)
  try {
    while (Atomics.load(shared, 0) === 0 && seen.failures === 0) {
      const waitedBefore = waitedForProcessorMs()
      const began = performance.now()
      readOnce()
      const tookMs = performance.now() - began
      if (tookMs > seen.longestMs) {
        seen.longestMs = Math.max(seen.longestMs, tookMs - (waitedForProcessorMs() - waitedBefore))
      }
      if (restMs > 0) Atomics.wait(shared, 0, 0, restMs)
    }
  } catch (error) {
    fail(`a read threw: ${error instanceof Error ? error.stack : String(error)}`)
  }
  seen.retries = reader.retries
  reader.close()
  parentPort?.postMessage({ ...seen, ...counted })
}
