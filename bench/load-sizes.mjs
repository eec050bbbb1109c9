/**
 * The time of a load as the server logs it, over threads and sizes: what a thread more brings, and whether a key costs the same in
 * a large dataset. Redis loads with one thread, so it stands once per size.
 */
import { checkContents } from './support/contents.mjs'
import { Dataset } from './support/dataset.mjs'
import { LOADED_LINE, loading } from './support/load-runs.mjs'
import { UsageMeter } from './support/process-usage.mjs'
import { stringsFile, warm } from './support/rdb-file.mjs'
import { Row } from './support/row.mjs'

/** @param {import('./support/run.mjs').Run} run */
export async function loadSizes(run) {
  const { contenders, sizes, seed, log } = run
  const dataset = new Dataset(seed)
  /** @type {Row[]} */
  const rows = []
  for (const count of sizes.loadSizes) {
    const path = await stringsFile(run, dataset, count)
    warm(path)
    const byThreads = sizes.loadThreads.map((threads) => {
      const title = `load ${count.toLocaleString('en')} strings, as logged, ${threads} thread${threads === 1 ? '' : 's'}`
      return { threads, row: new Row({ scenario: 'load-sizes', title, unit: 'keys/s' }) }
    })
    rows.push(...byThreads.map(({ row }) => row))
    for (let pair = 0; pair < run.pairs; pair++) {
      /** @type {{ rate: number, usage: import('./support/process-usage.mjs').Usage }} */
      const theirs = await once('redis', [])
      for (const { threads, row } of byThreads) {
        const ours = await once('understudy', ['--rdb-load-threads', String(threads)])
        row.add('ours', ours.rate, ours.usage)
        row.add('theirs', theirs.rate, theirs.usage)
        row.contents = 'right'
        log(`load-sizes ${pair + 1}/${run.pairs}: ${row.title}: ${ours.rate.toFixed(0)} to ${theirs.rate.toFixed(0)}`)
      }
    }

    /**
     * @param {import('./support/contenders.mjs').ContenderName} name
     * @param {string[]} directives
     */
    async function once(name, directives) {
      const options = loading(contenders, path)
      return await contenders.with(
        name,
        { ...options, directives: [...options.directives, ...directives] },
        async (contender) => {
          const usage = new UsageMeter(contender.pid, { fromStart: true }).stop()
          const line = await contender.process.waitForLine(LOADED_LINE)
          await checkContents(contender, { dataset, count })
          return { rate: count / Number(LOADED_LINE.exec(line)?.[1]), usage }
        },
      )
    }
  }
  return rows
}
