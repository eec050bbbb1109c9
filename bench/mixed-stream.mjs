/**
 * Applying a replication stream of all types: the commands that make the keys first, then SET, INCR, HSET, ZADD, RPUSH and
 * SADD in equal parts on keys that are there, from a primary that only sends, to the ACK of the last offset.
 */
import { checkKeyCount } from './support/contents.mjs'
import { MixedDataset } from './support/mixed-dataset.mjs'
import { Row } from './support/row.mjs'
import { measureStream } from './support/stream-runs.mjs'

/** @param {import('./support/run.mjs').Run} run */
export async function mixedStream(run) {
  const { sizes, seed } = run
  const commands = sizes.mixedCommands
  const dataset = new MixedDataset(seed, sizes.mixedStreamKeys)
  const scenario = 'mixed-stream'
  const unit = 'commands/s'
  const keys = dataset.keyCount.toLocaleString('en')
  const creation = new Row({ scenario, title: `make ${keys} keys of six types, up to 64 elements a command`, unit })
  const changes = new Row({
    scenario,
    title: `apply ${commands.toLocaleString('en')} SET, INCR, HSET, ZADD, RPUSH, SADD on them`,
    unit,
    goal: { ratio: 1.7, direction: 'at least' },
  })
  await measureStream(run, {
    name: scenario,
    plan: { kind: 'mixed', seed, sizes: sizes.mixedStreamKeys, commands },
    parts: [
      { row: creation, commands: dataset.creationCommands },
      { row: changes, commands },
    ],
    check: async (contender) => await checkKeyCount(contender, dataset.keyCount),
    comparesDigests: true,
  })
  return [creation, changes]
}
