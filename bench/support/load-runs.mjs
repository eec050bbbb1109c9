/**
 * Runs that load an RDB file at start: time from exec to the line that says ready, time of the load alone as the server logs
 * it, and the memory when all has settled.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { compareDigests } from './contents.mjs'
import { inTurn } from './in-turn.mjs'
import { peakResidentBytes, residentBytes, UsageMeter } from './process-usage.mjs'
import { directoryWith, RDB_NAME, warm } from './rdb-file.mjs'
import { warmMemory } from './warm-memory.mjs'

/** redis 7.0 server.c loadDataFromDisk(). */
export const LOADED_LINE = /DB loaded from disk: ([\d.]+) seconds/

/** @typedef {import('./row.mjs').Row} Row */

/**
 * @typedef {object} LoadRuns
 * @property {string} name For the log.
 * @property {string} path Of the RDB file.
 * @property {number} count Keys in it.
 * @property {{ ready: Row, alone: Row, resident: Row, used?: Row, peak: Row }} rows What is measured: keys/s twice, then bytes.
 *   `used` is used_memory of INFO.
 * @property {(contender: import('./contenders.mjs').Contender) => Promise<void>} check Throws when the contents are wrong.
 * @property {boolean} comparesDigests
 */

/**
 * Options of a server that loads the file when it starts.
 *
 * @param {import('./contenders.mjs').Contenders} contenders
 * @param {string} path
 */
export function loading(contenders, path) {
  return { directory: directoryWith(contenders, path), directives: ['--dbfilename', RDB_NAME] }
}

/**
 * @param {import('./run.mjs').Run} run
 * @param {LoadRuns} runs
 */
export async function measureLoads(run, { name: scenario, path, count, rows, check, comparesDigests }) {
  const { contenders, sizes, log } = run
  warm(path)
  for (let pair = 0; pair < run.pairs; pair++) {
    for (const name of inTurn(run.order, pair)) {
      warmMemory()
      await contenders.with(name, loading(contenders, path), async (contender) => {
        const usage = new UsageMeter(contender.pid, { fromStart: true }).stop()
        const line = await contender.process.waitForLine(LOADED_LINE)
        const seconds = Number(LOADED_LINE.exec(line)?.[1])
        rows.ready.add(name, count / (contender.readyMs / 1000), usage)
        rows.alone.add(name, count / seconds, usage)
        await check(contender)
        await sleep(sizes.settleMs)
        const resident = residentBytes(contender.pid)
        rows.resident.add(name, resident, usage)
        rows.used?.add(name, Number(await contender.info('used_memory')), usage)
        rows.peak.add(name, peakResidentBytes(contender.pid), usage)
        log(
          `${scenario} ${pair + 1}/${run.pairs} ${name}: ready after ${contender.readyMs.toFixed(0)} ms, loaded in ${seconds} s, ` +
            `CPU ${usage.cpuSeconds?.toFixed(2) ?? 'n/a'} s, ${((resident ?? 0) / 2 ** 20).toFixed(0)} MiB resident`,
        )
      })
    }
  }
  if (run.isProfiled) return
  const digests = comparesDigests ? await digestsOf(contenders, path) : 'not asked for'
  for (const row of Object.values(rows)) row.contents = `right; DEBUG DIGEST ${digests}`
}

/**
 * @param {import('./contenders.mjs').Contenders} contenders
 * @param {string} path
 */
async function digestsOf(contenders, path) {
  return await contenders.with('redis', loading(contenders, path), async (theirs) =>
    contenders.with('understudy', loading(contenders, path), async (ours) => compareDigests(ours, theirs)),
  )
}
