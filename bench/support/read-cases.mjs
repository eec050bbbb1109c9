/**
 * Reads as redis-benchmark asks for them, of both servers with one thread and with two: all are up and loaded before the first
 * round, and in each round they take short turns, A B C D, D C B A … What is compared is each server with the better of its settings;
 * the notes have all of them.
 */
import { compareDigests } from './contents.mjs'
import { inTurn } from './in-turn.mjs'
import { UsageMeter } from './process-usage.mjs'
import { directoryWith, RDB_NAME } from './rdb-file.mjs'
import { redisBenchmark } from './redis-benchmark.mjs'
import { Row } from './row.mjs'
import { median } from './statistics.mjs'

/** Of each setting in a round: a second or two each, so that a bad minute of a shared machine is everybody's. */
const TURNS = 8
const THREADED = 2

/** @typedef {import('./contenders.mjs').Contender} Contender */
/** @typedef {import('./process-usage.mjs').Usage} Usage */
/** @typedef {{ requestsPerSecond: number, p50?: number, p99?: number, clientShare?: number, usage: Usage }} Round Medians of its turns: latencies in milliseconds, and of a core what redis-benchmark used. */
/** @typedef {{ contender: Contender, label: string, isOurs: boolean }} Setting A server and how many threads it has. */
/** @typedef {Map<Setting, Round[]>} Rounds As many of each setting, taken in turn. */

/**
 * @typedef {object} ReadCase
 * @property {string} title
 * @property {number} connections
 * @property {number} pipeline
 * @property {number} requests
 * @property {string[]} what redis-benchmark's own arguments that say what to ask for.
 * @property {number} replyBytes Of one reply, at least: fewer bytes in all end the run.
 * @property {number} [goal] Ours divided by theirs, at least.
 */

/**
 * Starts all settings on the same snapshot.
 *
 * @param {import('./run.mjs').Run} run
 * @param {string} path Of the snapshot.
 * @returns {Promise<Setting[]>}
 */
export async function startSettings({ contenders, sizes, isProfiled }, path) {
  /** @param {'understudy' | 'redis'} name @param {number} threads */
  const start = async (name, threads) => {
    const reads = name === 'redis' && threads > 1 ? ['--io-threads-do-reads', 'yes'] : []
    const contender = await contenders.start(name, {
      directory: directoryWith(contenders, path),
      directives: ['--dbfilename', RDB_NAME, '--io-threads', String(threads), ...reads],
    })
    return { contender, label: `${name}, io-threads ${threads}`, isOurs: name === 'understudy' }
  }
  const settings = [await start('understudy', 1)]
  if (isProfiled) return settings
  settings.push(await start('redis', 1))
  if (sizes.ioThreads) settings.push(await start('understudy', THREADED), await start('redis', THREADED))
  return settings
}

/**
 * Looks at what all settings hold when everything is measured, and ends them.
 *
 * @param {readonly Setting[]} settings
 * @param {object} how
 * @param {readonly Row[]} how.rows Are told what was found.
 * @param {(contender: Contender) => Promise<void>} how.check Throws when something else is answered than what must be.
 * @param {boolean} how.comparesDigests
 */
export async function endSettings(settings, { rows, check, comparesDigests }) {
  for (const { contender } of settings) await check(contender)
  let digest = 'not asked for'
  const [first, ...others] = settings
  for (const { contender } of comparesDigests ? others : [])
    if (first !== undefined) digest = await compareDigests(first.contender, contender)
  for (const row of rows) row.contents = `right; every read was a hit; DEBUG DIGEST ${digest}`
  for (const { contender } of settings) await contender.stop()
}

/**
 * @param {import('./run.mjs').Run} run
 * @param {string} scenario
 * @param {readonly Setting[]} settings
 * @param {ReadCase} each
 * @param {number} keyCount
 */
export async function measureCase(run, scenario, settings, each, keyCount) {
  return rowOf(scenario, each, await measureRounds(run, scenario, settings, each, keyCount))
}

/**
 * @param {import('./run.mjs').Run} run
 * @param {string} scenario
 * @param {readonly Setting[]} settings
 * @param {ReadCase} each
 * @param {number} keyCount
 * @returns {Promise<Rounds>}
 */
export async function measureRounds(run, scenario, settings, each, keyCount) {
  /** @type {Rounds} */
  const rounds = new Map(settings.map((setting) => [setting, []]))
  // Once for nothing: a server that has just begun is not what is measured.
  for (const { contender } of settings) await takeTurn(run, contender, each, Math.ceil(each.requests / 4), keyCount)
  for (let pair = 0; pair < run.pairs; pair++) {
    const turns = new Map(settings.map((setting) => [setting, /** @type {Round[]} */ ([])]))
    for (let turn = 0; turn < TURNS; turn++) {
      for (const setting of inTurn(settings, turn)) {
        const requests = Math.ceil(each.requests / TURNS)
        turns.get(setting)?.push(await takeTurn(run, setting.contender, each, requests, keyCount))
      }
    }
    for (const [setting, taken] of turns) {
      const of = (/** @type {(turn: Round) => number | undefined} */ field) =>
        median(taken.map((turn) => field(turn) ?? Number.NaN))
      const result = {
        ...sum(taken),
        p50: of((turn) => turn.p50),
        p99: of((turn) => turn.p99),
        clientShare: of((turn) => turn.clientShare),
      }
      rounds.get(setting)?.push(result)
      run.log(
        `${scenario} ${pair + 1}/${run.pairs} ${each.title}, ${setting.label}: ` +
          `${(result.requestsPerSecond / 1000).toFixed(0)} k/s, p50 ${result.p50.toFixed(3)} ms, p99 ${result.p99.toFixed(3)} ms, ` +
          `CPU ${result.usage.cpuSeconds?.toFixed(2) ?? 'n/a'} s`,
      )
    }
  }
  return rounds
}

/**
 * Cases of as many requests each as one: the time of all, round by round.
 *
 * @param {readonly Rounds[]} cases Of the same settings.
 * @returns {Rounds}
 */
export function together(cases) {
  const [first] = cases
  if (first === undefined) throw new Error('there are no cases')
  return new Map(
    [...first].map(([setting, rounds]) => [
      setting,
      rounds.map((_, index) => sum(cases.flatMap((each) => each.get(setting)?.[index] ?? []))),
    ]),
  )
}

/**
 * Of as many requests each.
 *
 * @param {readonly Round[]} parts
 * @returns {Round}
 */
function sum(parts) {
  let seconds = 0
  let cpuSeconds = 0
  let threads = 0
  for (const { requestsPerSecond, usage } of parts) {
    seconds += 1 / requestsPerSecond
    cpuSeconds += usage.cpuSeconds ?? Number.NaN
    threads = Math.max(threads, usage.threads ?? 0)
  }
  const isKnown = !Number.isNaN(cpuSeconds)
  const usage = { cpuSeconds: isKnown ? cpuSeconds : undefined, threads: threads === 0 ? undefined : threads }
  return { requestsPerSecond: parts.length / seconds, usage }
}

/**
 * @param {string} scenario
 * @param {{ title: string, goal?: number }} facts
 * @param {Rounds} rounds
 */
export function rowOf(scenario, { title, goal }, rounds) {
  const ours = better([...rounds].filter(([{ isOurs }]) => isOurs))
  const theirs = better([...rounds].filter(([{ isOurs }]) => !isOurs))
  const row = new Row({
    scenario,
    title,
    unit: 'requests/s',
    ...(goal === undefined ? {} : { goal: { ratio: goal, direction: 'at least' } }),
    ...(ours === undefined ? {} : { ours: ours[0].label }),
    ...(theirs === undefined ? {} : { theirs: theirs[0].label }),
  })
  for (const { requestsPerSecond, usage } of ours?.[1] ?? []) row.add('ours', requestsPerSecond, usage)
  for (const { requestsPerSecond, usage } of theirs?.[1] ?? []) row.add('theirs', requestsPerSecond, usage)
  for (const [{ label }, of] of rounds) row.notes.push(`${label}: ${described(of)}`)
  return row
}

/**
 * The setting with the higher median.
 *
 * @param {[Setting, Round[]][]} entries
 * @returns {[Setting, Round[]] | undefined}
 */
function better(entries) {
  return entries.toSorted(([, a], [, b]) => speed(b) - speed(a))[0]
}

/** @param {readonly Round[]} rounds */
function speed(rounds) {
  return median(rounds.map((each) => each.requestsPerSecond))
}

/** @param {readonly Round[]} rounds */
function described(rounds) {
  const of = (/** @type {(round: Round) => number | undefined} */ field) =>
    median(rounds.map((each) => field(each) ?? Number.NaN))
  const told = [`${(speed(rounds) / 1000).toFixed(0)} k/s`]
  const [p50, p99, cpu] = [of((each) => each.p50), of((each) => each.p99), of(({ usage }) => usage.cpuSeconds)]
  if (!Number.isNaN(p50)) told.push(`p50 ${p50.toFixed(3)} ms`, `p99 ${p99.toFixed(3)} ms`)
  told.push(`CPU ${Number.isNaN(cpu) ? 'n/a' : `${cpu.toFixed(2)} s`}`)
  const client = of((each) => each.clientShare)
  if (!Number.isNaN(client)) told.push(`redis-benchmark ${(client * 100).toFixed(0)} % of a core`)
  return told.join(', ')
}

/**
 * One run of redis-benchmark. Fails when a read was no hit.
 *
 * @param {import('./run.mjs').Run} run
 * @param {Contender} contender
 * @param {ReadCase} each
 * @param {number} requests
 * @param {number} keyCount
 * @returns {Promise<Round>}
 */
async function takeTurn({ redis }, contender, each, requests, keyCount) {
  const before = await counters(contender)
  const meter = new UsageMeter(contender.pid)
  const told = await redisBenchmark(redis.benchmark, contender.port, { ...each, requests, range: keyCount })
  const usage = meter.stop()
  const after = await counters(contender)
  const bytes = requests * each.replyBytes
  if (after.misses !== before.misses || after.outputBytes - before.outputBytes < bytes) {
    throw new Error(
      `${contender.name}: ${requests} times ${each.title} must be answered with ${bytes} bytes at least; they missed ` +
        `${after.misses - before.misses} times and got ${after.outputBytes - before.outputBytes} bytes`,
    )
  }
  return { ...told, usage }
}

/**
 * Bytes show whether values were sent, misses that none was nil.
 *
 * @param {Contender} contender
 */
async function counters(contender) {
  return {
    outputBytes: Number(await contender.info('total_net_output_bytes')),
    misses: Number(await contender.info('keyspace_misses')),
  }
}
