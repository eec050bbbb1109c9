/**
 * Loading an RDB file with keys of all types, and the memory that they take then.
 */
import { checkKeyCount } from './support/contents.mjs'
import { measureLoads } from './support/load-runs.mjs'
import { MixedDataset } from './support/mixed-dataset.mjs'
import { rdbFile } from './support/rdb-file.mjs'
import { Row } from './support/row.mjs'

/** @param {import('./support/run.mjs').Run} run */
export async function mixedMemory(run) {
  const { seed, sizes } = run
  const dataset = new MixedDataset(seed, sizes.mixedMemoryKeys)
  const { keyCount } = dataset
  const check = async (/** @type {import('./support/contenders.mjs').Contender} */ contender) =>
    await checkKeyCount(contender, keyCount)
  const path = await rdbFile(run, {
    name: `mixed-${keyCount}-${seed}`,
    commands: dataset.creation(),
    check,
  })
  const scenario = 'mixed-memory'
  const keys = `${keyCount.toLocaleString('en')} keys of seven types`
  const rows = {
    ready: new Row({ scenario, title: `load ${keys}, from exec to ready`, unit: 'keys/s' }),
    alone: new Row({
      scenario,
      title: `load ${keys}, as logged`,
      unit: 'keys/s',
      goal: { ratio: 3, direction: 'at least' },
    }),
    resident: new Row({
      scenario,
      title: `resident memory of ${keys}`,
      unit: 'bytes',
      goal: { ratio: 0.75, direction: 'at most' },
    }),
    used: new Row({ scenario, title: 'used_memory of them', unit: 'bytes' }),
    peak: new Row({ scenario, title: 'the most resident memory meanwhile', unit: 'bytes' }),
  }
  await measureLoads(run, { name: scenario, path, count: keyCount, rows, check, comparesDigests: true })
  return Object.values(rows)
}
