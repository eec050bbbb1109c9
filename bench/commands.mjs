/**
 * Command by command by redis-benchmark, one server at a time, in short turns. What is slow beside Redis is to be seen here, and what a
 * command costs for each element that its work goes over.
 */
import { isDeepStrictEqual } from 'node:util'
import { COMMAND_CASES, commandData, RANDOM_KEYS } from './support/command-cases.mjs'
import { inBuffers } from './support/command-text.mjs'
import { compareDigests, shown } from './support/contents.mjs'
import { fill } from './support/fill.mjs'
import { inTurn } from './support/in-turn.mjs'
import { UsageMeter } from './support/process-usage.mjs'
import { digits, RANDOM, redisBenchmark } from './support/redis-benchmark.mjs'
import { Row } from './support/row.mjs'
import { median } from './support/statistics.mjs'

/** How redis-benchmark asks, by how long one request takes: 320 requests of the longest would be waited for half a minute. */
const ASKS = [
  { belowMs: 0.3, connections: 20, pipeline: 16 },
  { belowMs: 3, connections: 4, pipeline: 4 },
  { belowMs: Number.POSITIVE_INFINITY, connections: 1, pipeline: 1 },
]
/** Requests one by one, to see how long one takes; more of what may be quick, whose first ones are slower than the others. */
const ALONE_REQUESTS = 10
const QUICK_ALONE_REQUESTS = 300
/** One that takes longer is not quick. */
const QUICK_BELOW_MS = 3
/** For as many turns each server is warmed up. */
const WARM_UP_TURNS = 2
/** By how much one warm-up may be larger than the one before: a few requests are over before redis-benchmark has begun. */
const MOST_AT_ONCE_MORE = 8
/** The number that stands for `@` where replies are compared. */
const COMPARED_KEY = 42

/** @type {Record<NonNullable<CommandCase['replies']>, string>} */
const CONTENTS = {
  equal: 'replies equal',
  'any order': 'replies equal but for their order',
  'not compared': 'replies are not comparable',
}

/** @typedef {import('./support/contenders.mjs').Contender} Contender */
/** @typedef {import('./support/command-cases.mjs').CommandCase} CommandCase */

/** @param {import('./support/run.mjs').Run} run */
export async function commands(run) {
  const { contenders, order, seed } = run
  const cases = COMMAND_CASES.filter(({ ask }) => run.only === undefined || ask.includes(run.only))
  if (cases.length === 0) throw new Error(`no command of the table has '${run.only}' in it`)
  const servers = []
  for (const name of order) servers.push(await contenders.start(name, { directives: ['--io-threads', '1'] }))
  for (const { port } of servers) await fill(port, inBuffers(commandData(seed)))
  const digest = await compareContents(servers)
  const rows = []
  for (const [index, each] of cases.entries()) {
    const row = await measure(run, servers, each)
    row.contents += `; DEBUG DIGEST behind one of each ${digest}`
    rows.push(row)
    const { ours, theirs, ratio } = row.result(seed)
    run.log(
      `commands ${index + 1}/${cases.length} ${each.ask}: ${ours.median.toFixed(0)}/s : ${theirs.median.toFixed(0)}/s, ` +
        `ratio ${ratio.value.toFixed(2)}`,
    )
  }
  for (const server of servers) await server.stop()
  return rows
}

/**
 * @param {import('./support/run.mjs').Run} run
 * @param {readonly Contender[]} servers
 * @param {CommandCase} each
 */
async function measure(run, servers, each) {
  const { pairs, redis, sizes } = run
  const { elements = 0 } = each
  const what = { range: RANDOM_KEYS, what: each.ask.replaceAll('@', RANDOM).split(' ') }
  const load = { ...what, ...(await fittingAsk(run, servers, what)) }
  const row = new Row({ scenario: 'commands', title: each.ask, unit: 'requests/s' })
  /** @type {Map<Contender, number>} */
  const requests = new Map()
  for (const server of servers) {
    const { requestsPerSecond } = await warmUp(run, server, load)
    requests.set(server, perTurn(requestsPerSecond, sizes.commandMs))
  }
  for (let pair = 0; pair < pairs; pair++) {
    for (const server of inTurn(servers, pair)) {
      const meter = new UsageMeter(server.pid)
      const told = await redisBenchmark(redis.benchmark, server.port, { ...load, requests: requests.get(server) ?? 1 })
      row.add(server.name, told.requestsPerSecond, meter.stop())
    }
  }
  row.contents = CONTENTS[each.replies ?? 'equal']
  const { connections, pipeline } = load
  const asked = `${connections} ${connections === 1 ? 'connection' : 'connections'}, pipeline ${pipeline}`
  row.notes.push(elements === 0 ? asked : `${asked}; ${elements} elements, ${perElement(row, elements)}`)
  return row
}

/**
 * @param {import('./support/run.mjs').Run} run
 * @param {readonly Contender[]} servers
 * @param {Pick<import('./support/redis-benchmark.mjs').Load, 'range' | 'what'>} what
 * @returns {Promise<{ connections: number, pipeline: number }>} For both servers, by the slower one.
 */
async function fittingAsk({ redis }, servers, what) {
  const alone = { connections: 1, pipeline: 1 }
  let slowestMs = 0
  for (const { port } of servers) {
    let { p50 } = await redisBenchmark(redis.benchmark, port, { ...what, ...alone, requests: ALONE_REQUESTS })
    if (p50 < QUICK_BELOW_MS) {
      ;({ p50 } = await redisBenchmark(redis.benchmark, port, { ...what, ...alone, requests: QUICK_ALONE_REQUESTS }))
    }
    slowestMs = Math.max(slowestMs, p50)
  }
  const { connections = 1, pipeline = 1 } = ASKS.find(({ belowMs }) => slowestMs < belowMs) ?? {}
  return { connections, pipeline }
}

/**
 * Asks for more and more until that takes a few turns.
 *
 * @param {import('./support/run.mjs').Run} run
 * @param {Contender} server
 * @param {Omit<import('./support/redis-benchmark.mjs').Load, 'requests'>} load
 */
async function warmUp({ redis, sizes }, server, load) {
  let requests = load.connections * load.pipeline
  for (;;) {
    const startedMs = performance.now()
    const told = await redisBenchmark(redis.benchmark, server.port, { ...load, requests })
    const ms = performance.now() - startedMs
    if (ms >= sizes.commandMs * WARM_UP_TURNS) return told
    requests *= Math.max(2, Math.min(MOST_AT_ONCE_MORE, Math.ceil((sizes.commandMs * WARM_UP_TURNS) / ms)))
  }
}

/** @param {number} requestsPerSecond @param {number} ms */
function perTurn(requestsPerSecond, ms) {
  return Math.max(1, Math.ceil((requestsPerSecond * ms) / 1000))
}

/** @param {Row} row @param {number} elements */
function perElement({ sides }, elements) {
  const [ours = '', theirs = ''] = [sides.ours, sides.theirs].map(({ samples }) => {
    const ns = 1e9 / (median(samples) * elements)
    return ns < 100 ? ns.toPrecision(3) : ns.toFixed(0)
  })
  return `each ${ours} ns : ${theirs} ns`
}

/**
 * Asks both for everything once.
 *
 * @param {readonly Contender[]} servers
 * @returns {Promise<string>} What was found of what the commands have stored.
 */
async function compareContents(servers) {
  for (const each of COMMAND_CASES.slice(0, -1)) await compareReplies(servers, each)
  const [ours, theirs] = servers
  const digest = ours === undefined || theirs === undefined ? 'not asked for' : await compareDigests(ours, theirs)
  for (const each of COMMAND_CASES.slice(-1)) await compareReplies(servers, each)
  return digest
}

/**
 * Both have had the same commands until here.
 *
 * @param {readonly Contender[]} servers
 * @param {CommandCase} each
 * @throws when a reply is an error, or the replies are not what they must be.
 */
async function compareReplies(servers, { ask, replies = 'equal' }) {
  const [name = '', ...args] = ask.replaceAll('@', digits(COMPARED_KEY)).split(' ')
  const [ours, theirs] = await Promise.all(servers.map((server) => server.call(name, ...args)))
  if (replies === 'not compared' || theirs === undefined) return
  const isEqual =
    replies === 'equal' ? isDeepStrictEqual(ours, theirs) : isDeepStrictEqual(sorted(ours), sorted(theirs))
  if (!isEqual) throw new Error(`${ask} is answered with ${shown(ours)} by Understudy, with ${shown(theirs)} by Redis`)
}

/** @param {unknown} reply */
function sorted(reply) {
  return Array.isArray(reply) ? reply.map(String).toSorted() : reply
}
