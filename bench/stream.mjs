/**
 * Applying a replication stream: distinct keys first, then the same keys again with other values, from a primary that
 * only sends, to the ACK of the last offset.
 */
import { checkContents } from './support/contents.mjs'
import { Dataset } from './support/dataset.mjs'
import { Row } from './support/row.mjs'
import { measureStream } from './support/stream-runs.mjs'

/** @param {import('./support/run.mjs').Run} run */
export async function stream(run) {
  const { sizes, seed } = run
  const count = sizes.streamCommands
  const dataset = new Dataset(seed)
  const scenario = 'stream'
  const unit = 'commands/s'
  const rows = [
    new Row({
      scenario,
      title: `apply ${count.toLocaleString('en')} SETs of new keys`,
      unit,
      goal: { ratio: 2, direction: 'at least' },
    }),
    new Row({ scenario, title: 'the same keys again, with other values', unit }),
  ]
  await measureStream(run, {
    name: scenario,
    plan: { kind: 'sets', seed, commands: count, rounds: rows.length },
    parts: rows.map((row) => ({ row, commands: count })),
    check: async (contender, round) => await checkContents(contender, { dataset, count, round }),
    comparesDigests: count <= sizes.digestKeysMax,
  })
  return rows
}
