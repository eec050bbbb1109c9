/** What I/O threads that have nothing to do cost the thread that follows the primary: the writer has to count for readers. */
import { checkContents } from './support/contents.mjs'
import { Dataset } from './support/dataset.mjs'
import { Row } from './support/row.mjs'
import { measureStream } from './support/stream-runs.mjs'

/** @param {import('./support/run.mjs').Run} run */
export async function streamThreads(run) {
  const { sizes, seed } = run
  const count = sizes.streamCommands
  const dataset = new Dataset(seed)
  const row = new Row({
    scenario: 'stream-threads',
    title: `apply ${count.toLocaleString('en')} SETs of new keys, idle I/O threads`,
    unit: 'commands/s',
    ours: 'io-threads 2',
    theirs: 'Understudy, io-threads 1',
    goal: { ratio: 0.85, direction: 'at least' },
  })
  await measureStream(run, {
    name: 'stream-threads',
    plan: { kind: 'sets', seed, commands: count, rounds: 1 },
    parts: [{ row, commands: count }],
    sides: [
      { side: 'ours', name: 'understudy', directives: ['--io-threads', '2'] },
      { side: 'theirs', name: 'understudy', directives: ['--io-threads', '1'] },
    ],
    check: async (contender, round) => await checkContents(contender, { dataset, count, round }),
    comparesDigests: false,
  })
  return [row]
}
