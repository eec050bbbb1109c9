/**
 * What the reading threads of the soaks share (see reading-threads.ts): a reader, a random source, and the way to the end.
 * Plain JavaScript, since a worker thread runs without a transpiler.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { KeyspaceReader } from '@understudy/core'
import { occasionalPause, widenAtomics } from './widened-races.mjs'

const { handle, seed, skipValidation, widen, widened, stop } = workerData
export const reader = new KeyspaceReader(handle)
if (skipValidation) reader.skipValidation()
const stopWord = new Int32Array(stop)
let state = seed >>> 0 || 1

/** @param {number} bound */
export function random(bound) {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return (state >>> 0) % bound
}

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

/**
 * Reads until told to stop, then tells what was seen.
 * @param {() => void} readOnce
 * @param {object} counted Told with it.
 */
export function readUntilStopped(readOnce, counted) {
  try {
    while (Atomics.load(stopWord, 0) === 0) {
      const began = performance.now()
      readOnce()
      seen.longestMs = Math.max(seen.longestMs, performance.now() - began)
    }
  } catch (error) {
    fail(`a read threw: ${error instanceof Error ? error.stack : String(error)}`)
  }
  seen.retries = reader.retries
  reader.close()
  parentPort?.postMessage({ ...seen, ...counted })
}
