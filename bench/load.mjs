/**
 * Loading an RDB file of strings at start, and the memory that the data take then: time from exec to the line that says
 * ready, time of the load alone as the server logs it, resident memory when all has settled, and how large the
 * JavaScript heap has grown.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { checkContents } from './support/contents.mjs'
import { Dataset } from './support/dataset.mjs'
import { collectedHeap, HEAP_PROBE_ARGS } from './support/heap.mjs'
import { loading, measureLoads } from './support/load-runs.mjs'
import { stringsFile } from './support/rdb-file.mjs'
import { Row } from './support/row.mjs'

const HEAP_GROWTH_BYTES = 50e6

/** @param {import('./support/run.mjs').Run} run */
export async function load(run) {
  const { contenders, sizes, seed } = run
  const count = sizes.loadKeys
  const dataset = new Dataset(seed)
  const strings = `${count.toLocaleString('en')} strings`
  const ready = new Row({ scenario: 'load', title: `load ${strings}, from exec to ready`, unit: 'keys/s' })
  const alone = new Row({
    scenario: 'load',
    title: `load ${strings}, as logged`,
    unit: 'keys/s',
    goal: { ratio: 4, direction: 'at least' },
  })
  const memory = new Row({
    scenario: 'memory',
    title: `resident memory of ${strings}`,
    unit: 'bytes',
    goal: { ratio: 0.65, direction: 'at most' },
  })
  const peak = new Row({ scenario: 'memory', title: 'the most resident memory meanwhile', unit: 'bytes' })
  const path = await stringsFile(run, dataset, count)
  await measureLoads(run, {
    name: 'load',
    path,
    count,
    rows: { ready, alone, resident: memory, peak },
    check: async (contender) => await checkContents(contender, { dataset, count }),
    comparesDigests: count <= sizes.digestKeysMax,
  })
  const heap = new Row({
    scenario: 'memory',
    title: `growth of the JavaScript heap by ${strings}`,
    unit: 'bytes',
    goal: { limit: HEAP_GROWTH_BYTES, direction: 'at most' },
  })
  if (run.isProfiled) return [ready, alone, memory, peak]
  await measureHeapGrowth(run, loading(contenders, path), heap)
  return [ready, alone, memory, peak, heap]
}

/**
 * What loading adds to the heap of all threads, from two servers that carry the probe.
 *
 * @param {import('./support/run.mjs').Run} run
 * @param {{ directory: string, directives: string[] }} loaded
 * @param {Row} row
 */
async function measureHeapGrowth({ contenders, sizes, log }, loaded, row) {
  const nodeArgs = HEAP_PROBE_ARGS
  const empty = await contenders.with('understudy', { nodeArgs }, async (ours) => collectedHeap(ours))
  const full = await contenders.with('understudy', { ...loaded, nodeArgs }, async (ours) => {
    await sleep(sizes.settleMs)
    return await collectedHeap(ours)
  })
  /** @param {number} bytes */
  const megabytes = (bytes) => (bytes / 1e6).toFixed(1)
  row.add('ours', full.heapUsed - empty.heapUsed)
  const text = `over ${full.threads} thread(s), collected: ${megabytes(empty.heapUsed)} MB empty, ${megabytes(full.heapUsed)} MB loaded`
  row.notes.push(text)
  log(`${row.title}: ${text}`)
}
