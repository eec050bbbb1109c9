/**
 * Loading an RDB file of strings at start, and the memory that the data take then: time from exec to the line that says
 * ready, time of the load alone as the server logs it, resident memory when all has settled, and how large the
 * JavaScript heap has grown.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { checkContents, compareDigests } from './support/contents.mjs'
import { Dataset } from './support/dataset.mjs'
import { collectedHeap, HEAP_PROBE_ARGS } from './support/heap.mjs'
import { peakResidentBytes, residentBytes, UsageMeter } from './support/process-usage.mjs'
import { directoryWith, RDB_NAME, rdbFile, warm } from './support/rdb-file.mjs'
import { Row } from './support/row.mjs'

/** redis 7.0 server.c loadDataFromDisk(). */
const LOADED_LINE = /DB loaded from disk: ([\d.]+) seconds/

/** @param {import('./support/run.mjs').Run} run */
export async function load(run) {
  const { contenders, sizes, seed, log, redisVersion } = run
  const count = sizes.loadKeys
  const dataset = new Dataset(seed)
  const strings = `${count.toLocaleString('en')} strings`
  const ready = new Row({ scenario: 'load', title: `load ${strings}, from exec to ready`, unit: 'keys/s' })
  const alone = new Row({
    scenario: 'load',
    title: `load ${strings}, as logged`,
    unit: 'keys/s',
    goal: { ratio: 2, direction: 'at least' },
  })
  const memory = new Row({
    scenario: 'memory',
    title: `resident memory of ${strings}`,
    unit: 'bytes',
    goal: { ratio: 0.65, direction: 'at most' },
  })
  const peak = new Row({ scenario: 'memory', title: 'the most resident memory meanwhile', unit: 'bytes' })
  const path = await rdbFile({ contenders, dataset, count, redisVersion, log })
  warm(path)
  const options = () => ({ directory: directoryWith(contenders, path), directives: ['--dbfilename', RDB_NAME] })
  for (let pair = 0; pair < run.pairs; pair++) {
    for (const name of run.order) {
      await contenders.with(name, options(), async (contender) => {
        const usage = new UsageMeter(contender.pid, { fromStart: true }).stop()
        const line = await contender.process.waitForLine(LOADED_LINE)
        const seconds = Number(LOADED_LINE.exec(line)?.[1])
        ready.add(name, count / (contender.readyMs / 1000), usage)
        alone.add(name, count / seconds, usage)
        await checkContents(contender, { dataset, count })
        await sleep(sizes.settleMs)
        const resident = residentBytes(contender.pid)
        memory.add(name, resident, usage)
        peak.add(name, peakResidentBytes(contender.pid), usage)
        log(
          `load ${pair + 1}/${run.pairs} ${name}: ready after ${contender.readyMs.toFixed(0)} ms, loaded in ${seconds} s, ` +
            `CPU ${usage.cpuSeconds?.toFixed(2) ?? 'n/a'} s, ${((resident ?? 0) / 2 ** 20).toFixed(0)} MiB resident`,
        )
      })
    }
  }
  if (run.isProfiled) return [ready, alone, memory, peak]
  const digests =
    count > sizes.digestKeysMax
      ? 'not asked for'
      : await contenders.with('redis', options(), async (theirs) =>
          contenders.with('understudy', options(), async (ours) => compareDigests(ours, theirs)),
        )
  for (const row of [ready, alone, memory, peak]) row.contents = `right; DEBUG DIGEST ${digests}`
  memory.notes.push(await heapGrowth(run, options()))
  return [ready, alone, memory, peak]
}

/**
 * What loading adds to the heap of all threads, from two servers that carry the probe.
 *
 * @param {import('./support/run.mjs').Run} run
 * @param {{ directory: string, directives: string[] }} loaded
 */
async function heapGrowth({ contenders, sizes, log }, loaded) {
  const nodeArgs = HEAP_PROBE_ARGS
  const empty = await contenders.with('understudy', { nodeArgs }, async (ours) => collectedHeap(ours))
  const full = await contenders.with('understudy', { ...loaded, nodeArgs }, async (ours) => {
    await sleep(sizes.settleMs)
    return await collectedHeap(ours)
  })
  /** @param {number} bytes */
  const megabytes = (bytes) => (bytes / 1e6).toFixed(1)
  const growth = full.heapUsed - empty.heapUsed
  const text =
    `JavaScript heap over ${full.threads} thread(s), collected: ${megabytes(empty.heapUsed)} MB empty, ` +
    `${megabytes(full.heapUsed)} MB loaded, growth ${megabytes(growth)} MB (must be less than 50 MB)`
  log(text)
  return text
}
