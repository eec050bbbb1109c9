/**
 * npx -y pnpm@12 bench [--quick] [names …] [--pairs N] [--seed N] [--profile] [--no-build]
 *
 * Understudy against a real redis-server on this machine, in turn, with checked contents; see bench/README.md. Writes
 * bench/results/<date>.{json,md}. Exit code 1 when something was wrong: a server, a reply, the contents; being slow is no
 * error. `--profile` runs Understudy alone under node's profiler and tells where the time went.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { below } from '../bench/below.mjs'
import { churn } from '../bench/churn.mjs'
import { get } from '../bench/get.mjs'
import { getMixed } from '../bench/get-mixed.mjs'
import { holds } from '../bench/holds.mjs'
import { liveSync } from '../bench/live-sync.mjs'
import { load } from '../bench/load.mjs'
import { loadSizes } from '../bench/load-sizes.mjs'
import { micro } from '../bench/micro.mjs'
import { mixedMemory } from '../bench/mixed-memory.mjs'
import { mixedStream } from '../bench/mixed-stream.mjs'
import { reads } from '../bench/reads.mjs'
import { resync } from '../bench/resync.mjs'
import { stream } from '../bench/stream.mjs'
import { streamThreads } from '../bench/stream-threads.mjs'
import { Contenders } from '../bench/support/contenders.mjs'
import { profileText } from '../bench/support/profile.mjs'
import { describeRun, tableText, writeReport } from '../bench/support/report.mjs'
import { FULL, FULL_PAIRS, QUICK, QUICK_PAIRS } from '../bench/support/run.mjs'
import { warmMemory } from '../bench/support/warm-memory.mjs'
import { findRedis, RedisMissingError } from './redis-server.mjs'
import { fail, requireNode, ROOT, runTool } from './run-tool.mjs'

const SCENARIOS = {
  stream,
  'mixed-stream': mixedStream,
  'stream-threads': streamThreads,
  load,
  'load-sizes': loadSizes,
  'mixed-memory': mixedMemory,
  'live-sync': liveSync,
  below,
  resync,
  churn,
  get,
  'get-mixed': getMixed,
  reads,
  holds,
}
const NAMES = [...Object.keys(SCENARIOS), 'memory', 'micro']
const DEFAULT_SEED = 20_261_121
const RESULTS = join(ROOT, 'bench/results')

requireNode()
const { values, positionals } = readArguments()
for (const name of positionals) {
  if (!NAMES.includes(name)) fail(`no benchmark '${name}'; there is: ${NAMES.join(', ')}`)
}
const isQuick = values.quick ?? false
const isProfiled = values.profile ?? false
const sizes = isQuick ? QUICK : FULL
const pairs = isProfiled ? 1 : (number('pairs', values.pairs) ?? (isQuick ? QUICK_PAIRS : FULL_PAIRS))
const seed = number('seed', values.seed) ?? DEFAULT_SEED

const redis = await findRedis({ log: console.log }).catch((/** @type {unknown} */ error) => {
  if (error instanceof RedisMissingError) return fail(error.message)
  throw error
})
if (!values['no-build']) {
  const built = await runTool('tsc', ['-b'])
  if (built !== 0) process.exit(built)
}

const startedMs = performance.now()
/** @param {string} line */
const log = (line) => console.log(`[${((performance.now() - startedMs) / 1000).toFixed(1).padStart(6)} s] ${line}`)
const profiles = isProfiled ? mkdtempSync(join(tmpdir(), 'understudy-profile-')) : undefined
const contenders = new Contenders({
  redisServer: redis.server,
  nodeArgs: profiles === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', profiles],
})
/** @type {import('../bench/support/run.mjs').Run} */
const run = {
  contenders,
  order: isProfiled ? ['understudy'] : ['understudy', 'redis'],
  pairs,
  seed,
  sizes,
  redisVersion: redis.version,
  redisBenchmark: redis.benchmark,
  redisCli: redis.cli,
  isProfiled,
  log,
}
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.on(signal, () => process.exit(130))

try {
  if (!isQuick) await warmMemory(log)
  /** @type {import('../bench/support/report.mjs').Report} */
  const report = { run: describeRun({ redisVersion: redis.version, seed, pairs, isQuick, sizes }), rows: [], micro: [] }
  for (const [name, scenario] of Object.entries(SCENARIOS)) {
    if (isWanted(name)) report.rows.push(...(await scenario(run)).map((row) => row.result(seed)))
  }
  if (isWanted('micro') && !isProfiled) report.micro = await micro(run)
  if (profiles === undefined) {
    console.log(tableText(report))
    const name = isQuick ? 'quick' : report.run.date.slice(0, 16).replace(':', '')
    log(`written: ${writeReport(report, RESULTS, name)}.{json,md}`)
  } else console.log(profileText(profiles))
} catch (error) {
  console.error(error)
  process.exitCode = 1
} finally {
  await contenders.endAll()
  if (profiles !== undefined) rmSync(profiles, { recursive: true, force: true })
}

/** @param {string} name */
function isWanted(name) {
  if (positionals.length === 0 || positionals.includes(name)) return true
  return positionals.includes('memory') && (name === 'load' || name === 'resync' || name === 'churn')
}

function readArguments() {
  try {
    return parseArgs({
      args: process.argv.slice(2).filter((arg) => arg !== '--'),
      allowPositionals: true,
      options: {
        quick: { type: 'boolean' },
        pairs: { type: 'string' },
        seed: { type: 'string' },
        profile: { type: 'boolean' },
        'no-build': { type: 'boolean' },
      },
    })
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error))
  }
}

/**
 * @param {string} option
 * @param {string | undefined} text
 */
function number(option, text) {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) fail(`--${option} wants a whole number of at least 1, not '${text}'`)
  return value
}
