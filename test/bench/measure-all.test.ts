/** A run is long: one scenario that fails must cost neither what came before nor what comes behind. */
import { expect, test } from 'vitest'
import { measureAll, type Measured } from '../../bench/support/measure-all.mjs'
import { Row } from '../../bench/support/row.mjs'
import type { Run } from '../../bench/support/run.mjs'

function rowOf(scenario: string): Row {
  const row = new Row({ scenario, title: scenario, unit: 'keys/s' })
  row.add('ours', 2)
  row.add('theirs', 1)
  return row
}

test('the rows of the others are kept, and the failure is told', async () => {
  const log: string[] = []
  let ended = 0
  const run = { seed: 1, log: (line: string) => log.push(line), contenders: { endAll: async () => void ended++ } }
  const measured: Measured = { rows: [], took: [] }
  await measureAll(
    run as unknown as Run,
    [
      ['first', async () => [rowOf('first')]],
      ['broken', async () => Promise.reject(new Error('wrong contents\n  and more lines'))],
      ['last', async () => [rowOf('last')]],
    ],
    measured,
  )
  expect(measured.rows.map(({ title, ratio }) => [title, ratio.value])).toEqual([
    ['first', 2],
    ['last', 2],
  ])
  expect(measured.took.map(({ name, failure }) => [name, failure])).toEqual([
    ['first', undefined],
    ['broken', 'wrong contents'],
    ['last', undefined],
  ])
  expect(ended, 'servers are ended after each').toBe(3)
  expect(log.join('\n')).toContain('and more lines')
})
