/** What a run found, for people (a table in the terminal, Markdown) and for programs (JSON). */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem, type } from 'node:os'
import { join } from 'node:path'

/** @typedef {import('./row.mjs').RowResult} RowResult */
/** @typedef {import('../micro.mjs').MicroResult} MicroResult */

/**
 * @typedef {object} Report
 * @property {ReturnType<typeof describeRun>} run
 * @property {RowResult[]} rows
 * @property {MicroResult[]} micro
 * @property {import('./measure-all.mjs').Took[]} took Scenarios, in the order in which they ran.
 */

const HEADINGS = ['what', 'Understudy', 'compared with', 'ratio [95 %]', 'must be', 'CPU s', 'threads', 'contents']

/**
 * The conditions: without them a number is none.
 *
 * @param {object} facts
 * @param {string} facts.command That gives these results again.
 * @param {import('../../scripts/redis-server.mjs').RedisBinaries} facts.redis
 * @param {number} facts.seed
 * @param {number} facts.pairs
 * @param {boolean} facts.isQuick
 * @param {import('./run.mjs').Sizes} facts.sizes
 */
export function describeRun({ command, redis, seed, pairs, isQuick, sizes }) {
  return {
    date: new Date().toISOString(),
    commit: commit(),
    command,
    quick: isQuick,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    hugePages: hugePages(),
    node: process.versions.node,
    redis: `${redis.product} ${redis.version}`,
    allocator: redis.allocator,
    seed,
    pairs,
    sizes,
  }
}

/** @param {Omit<Report, 'run'>} report */
export function tableText({ rows, micro, took }) {
  const parts = []
  if (rows.length > 0) parts.push(aligned([HEADINGS, ...rows.map(cells)]))
  for (const row of rows) for (const note of row.notes) parts.push(`  ${row.title}: ${note}`)
  if (micro.length > 0) parts.push(aligned([['function', 'per second', '±'], ...micro.map(microCells)]))
  parts.push(...failures(took))
  return parts.join('\n')
}

/**
 * Writes `<name>.json` and `<name>.md`.
 *
 * @param {Report} report
 * @param {string} directory
 * @param {string} name
 */
export function writeReport(report, directory, name) {
  mkdirSync(directory, { recursive: true })
  const path = join(directory, name)
  writeFileSync(`${path}.json`, `${JSON.stringify(report, undefined, 2)}\n`)
  writeFileSync(`${path}.md`, markdown(report))
  return path
}

/** @param {Report} report */
function markdown({ run, rows, micro, took }) {
  const lines = [
    `# Benchmark of ${run.date.slice(0, 10)}${run.quick ? ' (quick: sizes too small to be results)' : ''}`,
    '',
    `\`${run.command}\``,
    '',
    `Commit ${run.commit}. ${run.cpu}, ${run.cores} cores, ${run.memoryGiB} GiB, ${run.system}, transparent huge pages: ${run.hugePages}. ` +
      `Node ${run.node}; what is called Redis below is ${run.redis} with ${run.allocator}. ` +
      `Seed ${run.seed}, ${run.pairs} pairs taken in turn (A B A B). Ratios are Understudy divided by what it is compared with: of the ` +
      'medians, with the 95 % interval of a bootstrap over the pairs. CPU seconds are medians of user + system of the server process with all ' +
      'threads and children; threads are the most seen at once.',
    '',
  ]
  if (rows.length > 0) {
    lines.push(
      markdownRow(HEADINGS),
      markdownRow(HEADINGS.map(() => '---')),
      ...rows.map((row) => markdownRow(cells(row))),
      '',
    )
    for (const row of rows) for (const note of row.notes) lines.push(`- ${row.title}: ${note}`)
    lines.push('')
  }
  if (micro.length > 0) {
    lines.push(markdownRow(['function', 'per second', '±']), markdownRow(['---', '---', '---']))
    lines.push(...micro.map((each) => markdownRow(microCells(each))), '')
  }
  if (took.length > 0) {
    const times = took.map(({ name, seconds }) => `${name} ${seconds.toFixed(0)} s`)
    lines.push(...failures(took).map((line) => `**${line}**\n`), `Took: ${times.join(', ')}.`, '')
  }
  lines.push('Sizes:', '', '```json', JSON.stringify(run.sizes, undefined, 2), '```', '')
  return lines.join('\n')
}

/** @param {import('./measure-all.mjs').Took[]} took */
function failures(took) {
  return took.flatMap(({ name, failure }) =>
    failure === undefined ? [] : [`${name} FAILED, and has no rows: ${failure}`],
  )
}

/** @param {string[]} texts */
function markdownRow(texts) {
  return `| ${texts.join(' | ')} |`
}

/** @param {RowResult} row */
function cells(row) {
  const { ours, theirs, ratio } = row
  const isCompared = theirs.samples.length > 0
  return [
    row.title,
    amount(ours.median, row.unit),
    isCompared ? `${amount(theirs.median, row.unit)} (${theirs.server})` : 'nobody',
    isCompared ? ratioText(ratio) : '',
    goalText(row),
    `${cpu(ours.cpuSeconds)} : ${cpu(theirs.cpuSeconds)}`,
    `${ours.threads ?? 'n/a'} : ${theirs.threads ?? 'n/a'}`,
    row.contents,
  ]
}

/**
 * One pair says nothing of how far the next one would be off: it has no interval.
 *
 * @param {RowResult['ratio']} ratio
 */
function ratioText({ value, low, high, pairs }) {
  const interval = pairs.length > 1 ? ` [${significant(low)} – ${significant(high)}]` : ''
  return `${significant(value)}${interval}`
}

/** @param {RowResult} row */
function goalText({ goal, unit, ours, ratio }) {
  if (goal === undefined) return ''
  const isLeast = goal.direction === 'at least'
  const sign = isLeast ? '≥' : '≤'
  /** @param {number} found @param {number} wanted */
  const verdict = (found, wanted) => ((isLeast ? found >= wanted : found <= wanted) ? 'yes' : 'NO')
  if ('ratio' in goal) return `${sign} ${goal.ratio}: ${verdict(ratio.value, goal.ratio)}`
  const limit = `${sign} ${amount(goal.limit, unit)}`
  if (goal.inEachRun !== true) return `${limit}: ${verdict(ours.median, goal.limit)}`
  const worst = isLeast ? Math.min(...ours.samples) : Math.max(...ours.samples)
  return `${limit} in each run: ${verdict(worst, goal.limit)}, ${amount(worst, unit)}`
}

/** @param {MicroResult} result */
function microCells({ source, name, unit, perSecond, marginPercent }) {
  return [`${source}: ${name}`, amount(perSecond, `${unit}/s`), `${marginPercent.toFixed(1)} %`]
}

/** @param {number | undefined} seconds */
function cpu(seconds) {
  return seconds === undefined ? 'n/a' : seconds.toFixed(2)
}

/**
 * @param {number} value
 * @param {string} unit
 */
function amount(value, unit) {
  if (Number.isNaN(value)) return 'n/a'
  if (unit === 'ms') return `${value.toFixed(1)} ms`
  if (unit === 'bytes') return `${significant(value / 2 ** 20)} MiB`
  if (value >= 1e6) return `${significant(value / 1e6)} M ${unit}`
  return value >= 1e3 ? `${significant(value / 1e3)} k ${unit}` : `${significant(value)} ${unit}`
}

/**
 * Three digits, or all that stand before the point: who divides two figures of the table gets its ratio.
 *
 * @param {number} value
 */
function significant(value) {
  if (value === 0 || !Number.isFinite(value)) return String(value)
  const digitsBefore = Math.floor(Math.log10(Math.abs(value))) + 1
  return value.toFixed(Math.min(Math.max(3 - digitsBefore, 0), 6))
}

/** @param {string[][]} table */
function aligned(table) {
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)))
  return table
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** 'always', 'madvise' or 'never'; both servers are faster or smaller by what it says, not by as much. */
function hugePages() {
  try {
    const modes = readFileSync('/sys/kernel/mm/transparent_hugepage/enabled', 'utf8')
    return /\[(\w+)\]/.exec(modes)?.[1] ?? 'unknown'
  } catch {
    return 'unknown'
  }
}

function commit() {
  try {
    const options = { cwd: import.meta.dirname, encoding: /** @type {const} */ ('utf8') }
    const hash = execFileSync('git', ['rev-parse', '--short', 'HEAD'], options).trim()
    const changed = execFileSync('git', ['status', '--porcelain', '--untracked-files=no'], options).trim() !== ''
    return changed ? `${hash} with changes` : hash
  } catch {
    return 'unknown'
  }
}
