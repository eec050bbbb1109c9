/**
 * npx -y pnpm@12 bench [names …]; `--help` tells all.
 *
 * Understudy against a real redis-server on this machine, in turn, with checked contents; see bench/README.md. Writes
 * bench/results/<date>.{json,md}. Exit code 1 when something was wrong: a server, a reply, the contents; what other scenarios have
 * measured is reported none the less. Being slow is no error.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { below } from '../bench/below.mjs'
import { churn } from '../bench/churn.mjs'
import { commands } from '../bench/commands.mjs'
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
import { measureAll } from '../bench/support/measure-all.mjs'
import { profileText } from '../bench/support/profile.mjs'
import { describeRun, tableText, writeReport } from '../bench/support/report.mjs'
import { FULL, FULL_PAIRS, QUICK, QUICK_PAIRS } from '../bench/support/run.mjs'
import { Arguments } from './arguments.mjs'
import { build } from './build.mjs'
import { findRedis, RedisMissingError } from './redis-server.mjs'
import { fail, requireNode, ROOT } from './run-tool.mjs'

/** @typedef {{ run: import('../bench/support/measure-all.mjs').Scenario, about: string }} Scenario */
/** In the order in which they run. bench/README.md says more of each. @type {Record<string, Scenario>} */
const SCENARIOS = {
  stream: { run: stream, about: 'applying a stream of SETs' },
  'mixed-stream': { run: mixedStream, about: 'applying a stream of all types' },
  'stream-threads': { run: streamThreads, about: 'what I/O threads with nothing to do cost the stream' },
  load: { run: load, about: 'loading an RDB file of strings at start, and its memory' },
  'load-sizes': { run: loadSizes, about: 'the time of a load over threads and sizes' },
  'mixed-memory': { run: mixedMemory, about: 'loading keys of all types, and their memory' },
  'live-sync': { run: liveSync, about: 'a full sync from a live redis-server' },
  below: { run: below, about: 'a full sync of a redis-server below, with time, memory and stalls of the sender' },
  resync: { run: resync, about: 'memory after full syncs in a row' },
  churn: { run: churn, about: 'memory after much was deleted and overwritten' },
  get: { run: get, about: 'GET as redis-benchmark asks for it' },
  'get-mixed': { run: getMixed, about: 'reads of several types by redis-benchmark' },
  commands: { run: commands, about: 'command by command, and what each element costs' },
  reads: { run: reads, about: 'reads inside of a process, from another thread than the writer' },
  holds: { run: holds, about: 'how long a client waits while a huge value changes' },
}
/** Beside the scenarios. */
const OTHERS = {
  memory: 'load, resync and churn',
  micro: 'functions of hot paths, one by one',
}
const ABOUTS = {
  ...Object.fromEntries(Object.entries(SCENARIOS).map(([name, { about }]) => [name, about])),
  ...OTHERS,
}
const NAMES = Object.keys(ABOUTS)
const DEFAULT_SEED = 20_261_121
const AT_LEAST_ONE = { least: 1, whole: true }
const RESULTS = join(ROOT, 'bench/results')

requireNode()
const args = new Arguments({
  name: 'bench',
  takes: '[names ...]',
  about: 'Understudy against a redis-server on this machine, in turn: everything, or what is named.',
  lists: 'Benchmarks',
  names: () => ABOUTS,
  options: {
    quick: { about: 'small sizes: does it work, where does it roughly stand' },
    pairs: { value: 'N', about: `pairs of runs; ${FULL_PAIRS} when left out, ${QUICK_PAIRS} with --quick` },
    seed: { value: 'N', about: `what keys and values are computed from; ${DEFAULT_SEED} when left out` },
    only: { value: 'TEXT', about: 'of commands: those with this text in them, as in ZUNION' },
    profile: { about: "Understudy alone under node's profiler: functions by self time" },
    'no-build': { about: 'take dist/ as it is' },
  },
})
const { positionals } = args
for (const name of positionals) {
  if (!NAMES.includes(name)) fail(`no benchmark '${name}'; there is: ${NAMES.join(', ')}`)
}
const isQuick = args.has('quick')
const isProfiled = args.has('profile')
const only = args.text('only')
const sizes = isQuick ? QUICK : FULL
/** These start no server of Understudy. */
const unprofiled = positionals.filter((name) => isProfiled && (name === 'micro' || name === 'reads'))
if (unprofiled.length > 0) fail(`--profile looks at servers, and ${unprofiled.join(' and ')} has none`)
const pairs = isProfiled ? 1 : (args.number('pairs', AT_LEAST_ONE) ?? (isQuick ? QUICK_PAIRS : FULL_PAIRS))
const seed = args.number('seed', AT_LEAST_ONE) ?? DEFAULT_SEED

/** As it was asked for: names and options decide what is measured. */
const command = ['npx -y pnpm@12 bench', ...process.argv.slice(2).filter((arg) => arg !== '--')].join(' ')

const redis = await findRedis({ log: console.log }).catch((/** @type {unknown} */ error) => {
  if (error instanceof RedisMissingError) return fail(error.message)
  throw error
})
if (!args.has('no-build')) {
  const built = await build()
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
  redis,
  isProfiled,
  ...(only === undefined ? {} : { only }),
  log,
}
/** @type {import('../bench/support/report.mjs').Report} */
const report = {
  run: describeRun({ command, redis, seed, pairs, isQuick, sizes }),
  rows: [],
  micro: [],
  took: [],
}
if (profiles !== undefined) process.on('exit', () => rmSync(profiles, { recursive: true, force: true }))
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
  process.on(signal, () => {
    if (!isProfiled) console.log(`${tableText(report)}\nInterrupted: nothing is written.`)
    process.exit(130)
  })
}

try {
  const wanted = Object.entries(SCENARIOS).filter(([name]) => isWanted(name))
  await measureAll(
    run,
    wanted.map(([name, scenario]) => /** @type {const} */ ([name, scenario.run])),
    report,
  )
  if (report.took.some(({ failure }) => failure !== undefined)) process.exitCode = 1
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
}

/** @param {string} name */
function isWanted(name) {
  if (positionals.length === 0 || positionals.includes(name)) return true
  return positionals.includes('memory') && (name === 'load' || name === 'resync' || name === 'churn')
}
