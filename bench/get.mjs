/** GET as redis-benchmark asks for it: 50 and 1,000 connections, random keys of those that are there, pipelines of 1, 16 and 64. */
import { checkContents } from './support/contents.mjs'
import { Dataset, VALUE_BYTES } from './support/dataset.mjs'
import { stringsFile } from './support/rdb-file.mjs'
import { endSettings, measureCase, startSettings } from './support/read-cases.mjs'

const CONNECTIONS = [50, 1000]
/** `$32`, the value and two line ends. */
const HIT_BYTES = 5 + VALUE_BYTES + 2
const GOALS = new Map([
  [1, 0.9],
  [16, 1.1],
  [64, 1.3],
])

/** @param {import('./support/run.mjs').Run} run */
export async function get(run) {
  const { sizes, seed } = run
  const count = sizes.getKeys
  const dataset = new Dataset(seed, { keys: 'numbered' })
  const path = await stringsFile(run, dataset, count)
  const settings = await startSettings(run, path)
  for (const { contender } of settings) await checkContents(contender, { dataset, count })
  const rows = []
  for (const connections of CONNECTIONS) {
    for (const [pipeline, requests] of sizes.getRequests) {
      const goal = GOALS.get(pipeline)
      const each = {
        title: `GET, ${connections} connections, pipeline ${pipeline}`,
        connections,
        pipeline,
        requests,
        what: ['-t', 'get'],
        replyBytes: HIT_BYTES,
        ...(goal === undefined ? {} : { goal }),
      }
      rows.push(await measureCase(run, 'get', settings, each, count))
    }
  }
  await endSettings(settings, {
    rows,
    check: async (contender) => await checkContents(contender, { dataset, count }),
    comparesDigests: count <= sizes.digestKeysMax,
  })
  return rows
}
