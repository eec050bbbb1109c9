/**
 * The time of a load as the server logs it, over threads and sizes: what a thread more brings, and whether a key costs the same in
 * a large dataset. Redis loads with one thread, so it stands once per size.
 */
import { checkContents } from './support/contents.mjs'
import { Dataset } from './support/dataset.mjs'
import { inTurn } from './support/in-turn.mjs'
import { LOADED_LINE, loading } from './support/load-runs.mjs'
import { UsageMeter } from './support/process-usage.mjs'
import { stringsFile, warm } from './support/rdb-file.mjs'
import { Row } from './support/row.mjs'
import { warmMemory } from './support/warm-memory.mjs'

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
    /** @type {import('./support/contenders.mjs').ContenderName} */
    const ours = 'understudy'
    const sides = [
      {
        name: /** @type {import('./support/contenders.mjs').ContenderName} */ ('redis'),
        directives: /** @type {string[]} */ ([]),
        rows: byThreads.map(({ row }) => row),
      },
      ...byThreads.map(({ threads, row }) => ({
        name: ours,
        directives: ['--rdb-load-threads', String(threads)],
        rows: [row],
      })),
    ]
    for (let pair = 0; pair < run.pairs; pair++) {
      for (const { name, directives, rows: into } of inTurn(sides, pair)) {
        warmMemory()
        const { rate, usage } = await once(name, directives)
        for (const row of into) row.add(name, rate, usage)
        log(
          `load-sizes ${pair + 1}/${run.pairs}: ${count.toLocaleString('en')} strings, ${[name, ...directives].join(' ')}: ` +
            `${(rate / 1e6).toFixed(2)} M keys/s, CPU ${usage.cpuSeconds?.toFixed(2) ?? 'n/a'} s`,
        )
      }
    }
    for (const { row } of byThreads) row.contents = 'right'

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
