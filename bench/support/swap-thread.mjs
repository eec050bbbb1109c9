/**
 * Reads by a handle, at a steady rate, while the dataset is replaced by another one with the same keys. What the values have to be:
 * swap-values.mjs.
 *
 *   workerData   { handle, perSecond, seed, count, from, to }: from round to round
 *   to it        'stop'
 *   from it      'reading' when the reads count, then { reads, before, perSecond, p50Ms, p999Ms, longestMs, p999LateMs }
 *
 * A read takes from its call to its return; how long behind the moment that it was due it was done, which the thread has mostly waited for
 * its timer and for a processor, is told apart.
 */
import { performance } from 'node:perf_hooks'
import { parentPort, workerData } from 'node:worker_threads'
import { KeyspaceReader } from '../../packages/core/dist/index.js'
import { Dataset, randomNumbers, VALUE_BYTES } from './dataset.mjs'
import { Pace } from './pace.mjs'
import { percentile } from './statistics.mjs'
import { SwapValues } from './swap-values.mjs'

const STEP_MS = 1
/** What a thread that had no processor has missed is made up for, up to so many reads. */
const DUE_MAX = 4096
/** As in read-process.mjs: reads before they count. */
const LEAD_MS = 2000

const { handle, perSecond, seed, count, from, to } = workerData
const reader = new KeyspaceReader(handle)
const dataset = new Dataset(seed)
const random = randomNumbers(seed)
const values = new SwapValues(dataset, from, to)
/** @type {number[]} */
const latenciesMs = []
/** @type {number[]} */
const lateMs = []
const pace = new Pace(perSecond)
const startedMs = performance.now()
let isCounted = false
let tickMs = startedMs

const timer = setInterval(() => {
  const nowMs = performance.now()
  if (!isCounted && nowMs - startedMs > LEAD_MS) {
    isCounted = true
    latenciesMs.length = 0
    lateMs.length = 0
    parentPort?.postMessage('reading')
  }
  for (let due = pace.take(DUE_MAX); due > 0; due--) {
    const index = Math.floor(random() * count)
    const key = dataset.key(index)
    const askedMs = performance.now()
    const value = reader.getBuffer(key)
    const doneMs = performance.now()
    latenciesMs.push(doneMs - askedMs)
    // Due at some moment since the last tick: counted as if it was the first.
    lateMs.push(doneMs - tickMs)
    if (value?.length === VALUE_BYTES && values.isRight(index, value, 0)) continue
    throw new Error(`read ${values.reads}, ${values.before} of the old dataset before it: ${value?.toString('latin1')}`)
  }
  tickMs = nowMs
}, STEP_MS)

parentPort?.once('message', () => {
  clearInterval(timer)
  reader.close()
  const { reads, before } = values
  parentPort?.postMessage({
    reads,
    before,
    perSecond: (reads / (performance.now() - startedMs)) * 1000,
    p50Ms: percentile(latenciesMs, 50),
    p999Ms: percentile(latenciesMs, 99.9),
    longestMs: percentile(latenciesMs, 100),
    p999LateMs: percentile(lateMs, 99.9),
  })
})
