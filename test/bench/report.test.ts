/** What people read of a run: figures that can be divided by each other, and no certainty that is not there. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { describeRun, tableText, writeReport } from '../../bench/support/report.mjs'
import { Row, type RowFacts } from '../../bench/support/row.mjs'
import { QUICK } from '../../bench/support/run.mjs'

/** The cells of a row with these samples. */
function cells(facts: Partial<RowFacts>, ours: readonly number[], theirs: readonly number[]): string[] {
  const row = new Row({ scenario: 'reads', title: 'row', unit: 'reads/s', ...facts })
  for (const sample of ours) row.add('ours', sample)
  for (const sample of theirs) row.add('theirs', sample)
  const [, line = ''] = tableText({ rows: [row.result(1)], micro: [], took: [] }).split('\n')
  return line.split(/ {2,}/)
}

test('one pair has no interval, more have', () => {
  expect(cells({}, [3], [2]).slice(1, 4)).toEqual(['3.00 reads/s', '2.00 reads/s (Redis)', '1.50'])
  expect(cells({}, [3, 4], [2, 2])[3]).toBe('1.75 [1.50 – 2.00]')
})

test('three digits, whatever the size', () => {
  expect(cells({}, [1_394_000], [6199]).slice(1, 4)).toEqual(['1.39 M reads/s', '6.20 k reads/s (Redis)', '225'])
  expect(cells({ unit: 'bytes' }, [1.44 * 2 ** 20], [700 * 2 ** 20]).slice(1, 4)).toEqual([
    '1.44 MiB',
    '700 MiB (Redis)',
    '0.00206',
  ])
  expect(cells({}, [123_400_000], [0]).slice(1, 3)).toEqual(['123 M reads/s', '0 reads/s (Redis)'])
})

test('a goal is for the median, or for each run', () => {
  const limit = { limit: 20, direction: 'at most' } as const
  const held = [5, 5, 45, 48, 6]
  expect(cells({ unit: 'ms', goal: limit }, held, [])[3]).toBe('≤ 20.0 ms: yes')
  expect(cells({ unit: 'ms', goal: { ...limit, inEachRun: true } }, held, [])[3]).toBe(
    '≤ 20.0 ms in each run: NO, 48.0 ms',
  )
  expect(cells({ goal: { limit: 4, direction: 'at least', inEachRun: true } }, held, [])[3]).toBe(
    '≥ 4.00 reads/s in each run: yes, 5.00 reads/s',
  )
  expect(cells({ goal: { ratio: 2, direction: 'at least' } }, [3], [2])[4]).toBe('≥ 2: NO')
  expect(cells({ goal: { ratio: 2, direction: 'at most' } }, [3], [2])[4]).toBe('≤ 2: yes')
})

test('a results file has the command that gives it again, and what ran beside us', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'understudy-test-'))
  try {
    const tools = { server: '', cli: '', benchmark: '', checkRdb: '', source: 'PATH' } as const
    const redis = { ...tools, product: 'Valkey', version: '8.1.0', allocator: 'libc' } as const
    const command = 'npx -y pnpm@12 bench get --pairs 9'
    const run = describeRun({ command, redis, seed: 1, pairs: 9, isQuick: false, sizes: QUICK })
    writeReport({ run, rows: [], micro: [], took: [] }, directory, 'results')
    const text = await readFile(join(directory, 'results.md'), 'utf8')
    expect(text).toContain(`\n\`${command}\`\n`)
    expect(text).toContain('Valkey 8.1.0 with libc')
  } finally {
    await rm(directory, { recursive: true })
  }
})
