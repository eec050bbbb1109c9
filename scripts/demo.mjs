/**
 * npx -y pnpm@12 demo; `--help` tells all.
 *
 * Shows Understudy at work: starts a primary, fills it, keeps writing to it, attaches Understudy, and shows offsets and lag
 * until ^C or for as long as told. The primary is a redis-server (REDIS_SERVER, PATH, or the distribution's packages unpacked
 * into .cache), and where there is none another Understudy.
 * At the end it compares both datasets; the exit code is 0 only if they are equal. Everything runs on 127.0.0.1, and
 * nothing is left behind.
 */
import { existsSync } from 'node:fs'
import { basename, delimiter, dirname, join, relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { Arguments } from './arguments.mjs'
import { build } from './build.mjs'
import { Figures, info } from './demo/figures.mjs'
import { bytes, count, milliseconds, Screen } from './demo/screen.mjs'
import { choosePrimary, PRIMARIES } from './demo/primary.mjs'
import { startRedisPrimary, startUnderstudy, startUnderstudyPrimary } from './demo/servers.mjs'
import { ACCOUNTS_SUM, fill, Traffic } from './demo/traffic.mjs'
import { verify } from './demo/verify.mjs'
import { nodeBinary } from './node-binary.mjs'
import { findRedis } from './redis-server.mjs'
import { fail, requireNode } from './run-tool.mjs'

const KEYS = 200_000
const WRITES = 5000
const SYNC_TIMEOUT_MS = 60_000
const REFRESH_MS = 250
const LAST_LINES_SHOWN = 8

requireNode()
const options = readArguments()
const screen = new Screen()
const ending = new AbortController()
/** @type {import('./server-process.mjs').ServerProcess[]} */
const servers = []
handleSignals()
try {
  process.exitCode = await demo()
} catch (error) {
  screen.clear()
  if (!(error instanceof Error)) throw error
  const dead = servers.find((server) => server.ended)
  if (dead !== undefined) for (const line of dead.lines.slice(-LAST_LINES_SHOWN)) screen.line(`  │ ${line}`)
  fail(dead === undefined ? error.message : `A server has ended (${error.message}); its last lines are above.`) // and with us both servers end
}

/** @returns {Promise<number>} The exit code. */
async function demo() {
  const chosen = await choosePrimary(options.primary, () => findRedis({ log: (message) => screen.line(message) }))
  const { redis } = chosen
  const node =
    options.node === undefined ? process.execPath : await nodeBinary(options.node, (message) => screen.line(message))
  if (!options.noBuild) {
    screen.line('Building …')
    const built = await build()
    if (built !== 0) return built
  }
  const primary = redis === undefined ? await startUnderstudyPrimary(node) : await startRedisPrimary(redis.server)
  servers.push(primary.process)
  screen.line(
    redis === undefined
      ? `Another Understudy is the primary, on 127.0.0.1:${primary.port}, ${chosen.because}`
      : `redis-server ${redis.version} (from ${redis.source}) is the primary, on 127.0.0.1:${primary.port}`,
  )
  const toPrimary = connect(primary.port)
  await fillPrimary(toPrimary)
  const traffic = new Traffic(connect(primary.port), options.writes, options.keys)
  traffic.start((error) => {
    screen.line(screen.bad(`The primary refused a write: ${error instanceof Error ? error.message : String(error)}`))
    ending.abort()
  })

  const understudy = await startUnderstudy(node, primary.port)
  servers.push(understudy.process)
  screen.line(
    `Understudy is attached to it, on 127.0.0.1:${understudy.port}, while ${count(options.writes)} writes/s go on:`,
  )
  const toReplica = connect(understudy.port)
  await showSync(toReplica, understudy.process)
  const figures = new Figures(toPrimary, toReplica)
  tellWhatToType(redis?.cli, primary.port, understudy.port)
  const live = await showLive(figures)

  screen.line(
    ending.signal.aborted
      ? 'Stopping: no more writes; comparing both sides …'
      : 'Time is up: no more writes; comparing both sides …',
  )
  await traffic.stop()
  const verification = await verify(toPrimary, toReplica)
  const { differences, offset, keys, sampled, digest } = verification
  if (live.sumChanged) differences.push('a transfer between accounts was seen half done')
  if (live.notApplied > 0) differences.push(`${live.notApplied} commands of the stream were not applied`)
  if (differences.length === 0) {
    screen.line(
      `${screen.good('Equal')}: ${count(keys)} keys with DEBUG DIGEST ${digest.slice(0, 12)}… on both sides at offset ${count(offset)}; ` +
        `type, TTL and value of ${count(sampled)} sampled keys agree.`,
    )
  } else {
    screen.line(screen.bad('The two sides differ:'))
    for (const difference of differences) screen.line(`  ${difference}`)
  }
  screen.line(
    `${count(traffic.writes)} live writes, ${count(traffic.transfers)} MULTI groups among them${live.sumChanged ? '' : ', none seen half done'}; ` +
      `longest lag seen ${milliseconds(live.longestLagMs)}, ${bytes(live.largestLagBytes)}.`,
  )
  toPrimary.disconnect()
  toReplica.disconnect()
  await understudy.process.stop()
  await primary.process.stop()
  return differences.length === 0 ? 0 : 1
}

/** @param {Redis} client */
async function fillPrimary(client) {
  const began = performance.now()
  await fill(client, options.keys, (done) => {
    const text = `Filling it with keys of all types: ${count(done)} of ${count(options.keys)}`
    screen.figures([text], text)
    if (ending.signal.aborted) throw new Error('Stopped.')
  })
  screen.line(
    `It holds ${count(await client.dbsize())} keys of all types (made in ${((performance.now() - began) / 1000).toFixed(1)} s).`,
  )
}

/**
 * Progress of the full sync, with the lines of Understudy's own log as they come.
 *
 * @param {Redis} client
 * @param {import('./server-process.mjs').ServerProcess} process
 */
async function showSync(client, process) {
  const began = performance.now()
  let shownLines = 0
  const showLog = () => {
    for (const line of process.lines.slice(shownLines)) screen.line(screen.dim(`  understudy │ ${line}`))
    shownLines = process.lines.length
  }
  let received = 0
  for (;;) {
    const fields = await info(client)
    showLog()
    if (fields['master_link_status'] === 'up') {
      const seconds = (performance.now() - began) / 1000
      const loaded = Number(fields['rdb_last_load_keys_loaded'])
      const size = received > 0 ? ` (${bytes(received)}, ${bytes(received / seconds)}/s)` : ''
      screen.line(
        `Synced: ${count(loaded)} keys${size} in ${seconds.toFixed(2)} s, the primary's own snapshot included.`,
      )
      return
    }
    received = Math.max(
      received,
      Number(fields['master_sync_read_bytes'] ?? 0),
      Number(fields['loading_loaded_bytes'] ?? 0),
    )
    const seconds = (performance.now() - began) / 1000
    const text = `Syncing: ${bytes(received)} received, ${count(Number(fields['loading_loaded_keys'] ?? 0))} keys loaded, ${bytes(received / seconds)}/s`
    screen.figures([text], text)
    if (performance.now() - began > SYNC_TIMEOUT_MS) throw new Error('Understudy is not in sync after a minute.')
    if (ending.signal.aborted) throw new Error('Stopped.')
    await sleep(20)
  }
}

/**
 * @param {string | undefined} cli Without one commands are typed into nc, which most systems have.
 * @param {number} primaryPort
 * @param {number} ourPort
 */
function tellWhatToType(cli, primaryPort, ourPort) {
  const ask = (/** @type {number} */ port, /** @type {string} */ command) =>
    cli === undefined
      ? `printf '${command}\\r\\nQUIT\\r\\n' | nc 127.0.0.1 ${port}`
      : `${shortPath(cli)} -p ${port} ${command}`
  screen.line()
  screen.line('Look at it from another terminal:')
  /** @type {[string, string][]} */
  const tries = [
    [ask(ourPort, 'GET clock'), 'written at the primary 50 times a second'],
    [ask(ourPort, 'INFO replication'), 'link, offsets, lag'],
    [ask(ourPort, 'SET mine 1'), 'refused: it is a replica'],
    [ask(primaryPort, 'SET mine 1'), `at the primary; then: ${ask(ourPort, 'GET mine')}`],
  ]
  if (cli !== undefined) {
    tries.splice(
      1,
      0,
      [ask(ourPort, '--stat'), 'keys, memory and requests, every second'],
      [ask(ourPort, "--scan --pattern 'session:live:*' | head"), ''],
    )
  }
  for (const [command, comment] of tries) {
    screen.line(`  ${screen.bold(command)}${comment === '' ? '' : screen.dim(`   # ${comment}`)}`)
  }
  screen.line(options.seconds === Infinity ? 'End with ^C.' : `Ends after ${options.seconds} s, or with ^C.`)
  screen.line()
}

/**
 * Draws the live figures until it is time to end.
 *
 * @param {Figures} figures
 */
async function showLive(figures) {
  const began = performance.now()
  const seen = { longestLagMs: 0, largestLagBytes: 0, sumChanged: false, notApplied: 0 }
  for (let round = 0; ; round++) {
    const now = await figures.take()
    const left = options.seconds - (performance.now() - began) / 1000
    seen.longestLagMs = Math.max(seen.longestLagMs, now.lagMs)
    seen.largestLagBytes = Math.max(seen.largestLagBytes, now.lagBytes)
    seen.sumChanged ||= now.accountsSum !== ACCOUNTS_SUM
    seen.notApplied = now.notApplied
    if (round > 0) draw(now)
    if (left <= 0 || ending.signal.aborted) break
    await sleep(Math.min(REFRESH_MS, left * 1000), undefined, { signal: ending.signal }).catch(() => {})
  }
  screen.keep()
  return seen
}

/** @param {import('./demo/figures.mjs').LiveFigures} now */
function draw(now) {
  const sum =
    now.accountsSum === ACCOUNTS_SUM ? screen.good('never half') : screen.bad(`changed: ${count(now.accountsSum)}`)
  const lag = now.lagMs < 0 ? screen.bad('more than a second') : milliseconds(now.lagMs)
  const row = (/** @type {string} */ name, /** @type {string} */ left, /** @type {string} */ right, more = '') =>
    `  ${name.padEnd(18)}${left.padStart(16)}${right.padStart(16)}   ${more}`
  screen.figures(
    [
      screen.bold(row('', 'primary', 'Understudy')),
      row('offset', count(now.primaryOffset), count(now.ourOffset), `${bytes(now.lagBytes)} behind`),
      row('keys', count(now.primaryKeys), count(now.ourKeys)),
      row('resident memory', bytes(now.primaryRss), bytes(now.ourRss)),
      row('link', '', now.isUp ? screen.good('            up') : screen.bad('          down')),
      row(
        'applied',
        '',
        `${count(now.appliedPerSecond)}/s`,
        now.notApplied > 0 ? screen.bad(`${now.notApplied} not applied`) : '',
      ),
      row('lag', '', lag, screen.dim('SET answered there until GET shows it here')),
      row('MULTI groups', '', sum, screen.dim('sum of 1,000 accounts that pay each other, by MGET')),
    ],
    `offset ${now.ourOffset} of ${now.primaryOffset}, lag ${now.lagBytes} B ${milliseconds(now.lagMs)}, keys ${now.ourKeys} of ${now.primaryKeys}, ` +
      `${count(now.appliedPerSecond)} writes/s applied, memory ${bytes(now.ourRss)} (primary ${bytes(now.primaryRss)}), link ${now.isUp ? 'up' : 'down'}`,
  )
}

/**
 * What to type for a program from here: its bare name when PATH leads to it.
 *
 * @param {string} path
 */
function shortPath(path) {
  const fromHere = relative(process.cwd(), path)
  if (!fromHere.startsWith('..')) return fromHere
  const onPath = (process.env['PATH'] ?? '')
    .split(delimiter)
    .find((directory) => existsSync(join(directory, basename(path))))
  return onPath === dirname(path) ? basename(path) : path
}

/** @param {number} port */
function connect(port) {
  const client = new Redis({ port, host: '127.0.0.1', retryStrategy: () => null, enableReadyCheck: false })
  client.on('error', () => {}) // the commands' promises tell
  return client
}

function handleSignals() {
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
    process.on(signal, () => {
      // Asked twice: at once, without comparing.
      if (ending.signal.aborted) process.exit(130)
      ending.abort()
    })
  }
  process.on('SIGHUP', () => process.exit(129))
}

function readArguments() {
  const args = new Arguments({
    name: 'demo',
    about: 'Understudy at work beside its primary, and both datasets compared at the end.',
    options: {
      for: { value: 'SECONDS', about: 'how long; until ^C when left out' },
      keys: { value: 'N', about: `keys to fill the primary with; ${KEYS} when left out` },
      writes: { value: 'N', about: `writes a second; ${WRITES} when left out` },
      primary: { value: 'KIND', about: `${PRIMARIES.join(', ')}: what the primary is` },
      node: { value: 'VERSION', about: 'Understudy on another Node.js, as in 24' },
      'no-build': { about: 'take dist/ as it is' },
    },
  })
  const primary = args.text('primary') ?? 'auto'
  if (!PRIMARIES.includes(primary)) fail(`--primary wants ${PRIMARIES.join(', ')}, not '${primary}'`)
  return {
    primary,
    seconds: args.number('for', { least: 1 }) ?? Infinity,
    keys: args.number('keys', { least: 1000 }) ?? KEYS,
    writes: args.number('writes', { least: 50 }) ?? WRITES,
    node: args.text('node'),
    noBuild: args.has('no-build'),
  }
}
