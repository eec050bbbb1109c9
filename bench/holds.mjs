/**
 * How long a server answers nobody while one large value is grown element by element (which converts it from its packed form on
 * the way), loaded in a full sync, deleted, and, for a string, expired. Two rows for each: what a client saw that pings all the
 * time, which on a busy machine is also how long it waited itself for a processor; and, of Understudy alone, how long its event loop
 * was held by its own work, which is what the goal is about. The histograms of both stand in the notes.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { checkKeyCount, checkReplies } from './support/contents.mjs'
import { FakePrimary } from './support/fake-primary.mjs'
import { buildGrowth, expectedOfGrowth } from './support/growth-commands.mjs'
import { inTurn } from './support/in-turn.mjs'
import { LOOP_PROBE_ARGS, loopDelay } from './support/loop-delay.mjs'
import { Pinger } from './support/pinger.mjs'
import { directoryWith, RDB_NAME, rdbFile } from './support/rdb-file.mjs'
import { Row } from './support/row.mjs'

const LIMIT_MS = 20
const PHASE_TIMEOUT_MS = 300_000
const POLL_MS = 20
/** After a deletion, for what is freed later. */
const REST_MS = 500
const APPENDED_BYTES = 1024 * 1024
const STRING = 'string'

/** @typedef {import('./support/contenders.mjs').Contender} Contender */
/** @typedef {import('./support/growth-commands.mjs').CollectionType} CollectionType */

/** @param {import('./support/run.mjs').Run} run */
export async function holds(run) {
  const rows = []
  for (const type of /** @type {const} */ (['zset', 'hash', 'list', 'set']))
    rows.push(...(await ofCollection(run, type)))
  rows.push(...(await ofString(run)))
  return rows
}

/**
 * @typedef {object} PhaseRows
 * @property {Row} wait The longest wait of the client that pings.
 * @property {Row} hold The longest time for which Understudy's loop was held by its own work.
 */

/** @param {string} what @returns {PhaseRows} */
function rowsOf(what) {
  const scenario = 'holds'
  return {
    wait: new Row({ scenario, title: `longest wait of a client: ${what}`, unit: 'ms' }),
    hold: new Row({
      scenario,
      title: `event loop held: ${what}`,
      unit: 'ms',
      goal: { limit: LIMIT_MS, direction: 'at most', inEachRun: true },
    }),
  }
}

/** @param {Record<string, PhaseRows>} rows */
function listed(rows) {
  return Object.values(rows).flatMap(({ wait, hold }) => [wait, hold])
}

/**
 * @param {import('./support/run.mjs').Run} run
 * @param {CollectionType} type
 */
async function ofCollection(run, type) {
  const { contenders, sizes, log } = run
  const elements = sizes.holdElements
  const what = `a ${type} of ${elements.toLocaleString('en')} elements`
  const rows = {
    grow: rowsOf(`growing ${what}`),
    load: rowsOf(`loading ${what}`),
    delete: rowsOf(`deleting ${what}`),
  }
  const expected = expectedOfGrowth(type, elements)
  const path = await rdbFile(run, {
    name: `${type}-${elements}`,
    commands: buildGrowth(type, elements),
    check: async (redis) => await checkReplies(redis, expected),
  })
  log(`building the stream of ${what}`)
  const fake = await FakePrimary.start({ kind: 'growth', type, elements })
  try {
    for (let pair = 0; pair < run.pairs; pair++) {
      for (const name of inTurn(run.order, pair)) {
        fake.forget()
        await observed(run, name, ['--replicaof', '127.0.0.1', String(fake.port)], async (contender, measure) => {
          const feed = await fake.attached()
          await measure(rows.grow, async () => void (await fake.send({ feed, part: 0 }, PHASE_TIMEOUT_MS)))
          await checkReplies(contender, expected)
          await contender.call('REPLICAOF', 'NO', 'ONE')
          await measure(rows.delete, async () => await remove(contender, type))
        })
        await observed(run, name, [], async (contender, measure) => {
          const directory = directoryWith(contenders, path)
          await contenders.with('redis', { directory, directives: ['--dbfilename', RDB_NAME] }, async (primary) => {
            await measure(rows.load, async () => {
              await contender.call('REPLICAOF', '127.0.0.1', primary.port)
              await until(async () => (await contender.info('master_link_status')) === 'up')
            })
          })
          await checkReplies(contender, expected)
        })
      }
    }
  } finally {
    fake.stop()
  }
  return listed(rows)
}

/** @param {import('./support/run.mjs').Run} run */
async function ofString(run) {
  const bytes = run.sizes.holdStringBytes
  const what = `a string of ${bytes / 2 ** 20} MiB`
  const rows = {
    grow: rowsOf(`appending 1 MiB at a time to ${what}`),
    delete: rowsOf(`deleting ${what}`),
    expire: rowsOf(`expiring ${what}`),
  }
  const piece = Buffer.alloc(APPENDED_BYTES, 'x')
  const expected = [
    { words: ['STRLEN', STRING], reply: bytes },
    { words: ['GETRANGE', STRING, String(bytes / 2), String(bytes / 2 + APPENDED_BYTES - 1)], reply: piece },
  ]
  /** @param {Contender} contender */
  const fill = async (contender) => {
    for (let length = 0; length < bytes; length += piece.length) await contender.call('APPEND', STRING, piece)
  }
  for (let pair = 0; pair < run.pairs; pair++) {
    for (const name of inTurn(run.order, pair)) {
      await observed(run, name, [], async (contender, measure) => {
        await measure(rows.grow, async () => await fill(contender))
        await checkReplies(contender, expected)
        await measure(rows.delete, async () => await remove(contender, STRING))
        await fill(contender)
        await checkReplies(contender, expected)
        await measure(rows.expire, async () => {
          await contender.call('PEXPIRE', STRING, 1)
          await until(async () => (await contender.call('DBSIZE')) === 0)
          await sleep(REST_MS)
        })
      })
    }
  }
  return listed(rows)
}

/**
 * Runs `use` with a fresh server that is pinged, and gives it a function that measures one phase.
 *
 * @param {import('./support/run.mjs').Run} run
 * @param {import('./support/contenders.mjs').ContenderName} name
 * @param {string[]} directives
 * @param {(contender: Contender, measure: (rows: PhaseRows, phase: () => Promise<void>) => Promise<void>) => Promise<void>} use
 */
async function observed({ contenders, log }, name, directives, use) {
  await contenders.with(name, { directives, nodeArgs: LOOP_PROBE_ARGS }, async (contender) => {
    const isOurs = name === 'understudy'
    const pinger = await Pinger.start(contender.port)
    try {
      await use(contender, async (into, phase) => {
        await pinger.phase()
        if (isOurs) await loopDelay(contender)
        await phase()
        const seen = await pinger.phase()
        const delay = isOurs ? await loopDelay(contender) : undefined
        into.wait.add(name, seen.longestMs)
        for (const row of Object.values(into)) row.contents = 'right'
        const histogram = seen.buckets
          .filter(([, answers]) => answers > 0)
          .map(([upTo, answers]) => `${upTo}: ${answers}`)
        const waits = `${name}: ${seen.answers} answers, mean ${seen.meanMs.toFixed(2)} ms, longest ${seen.longestMs.toFixed(1)} ms; up to ${histogram.join(', ')}`
        into.wait.notes.push(waits)
        log(`${into.wait.title}: ${waits}`)
        if (delay === undefined) return
        into.hold.add(name, delay.ownLongestMs)
        const percentiles = delay.percentiles.map(([percent, ms]) => `p${percent} ${ms.toFixed(1)} ms`).join(', ')
        const holds = `${name}: held ${delay.ownLongestMs?.toFixed(1) ?? 'n/a'} ms; with waits for a processor ${delay.longestMs.toFixed(1)} ms, ${percentiles}`
        into.hold.notes.push(holds)
        log(`${into.hold.title}: ${holds}`)
      })
    } finally {
      pinger.stop()
    }
  })
}

/**
 * Deletes a key and waits until its memory is free.
 *
 * @param {Contender} contender
 * @param {string} key
 */
async function remove(contender, key) {
  await contender.call('DEL', key)
  await until(async () => Number((await contender.info('lazyfree_pending_objects')) ?? 0) === 0)
  await sleep(REST_MS)
  await checkKeyCount(contender, 0)
}

/** @param {() => Promise<boolean>} isDone */
async function until(isDone) {
  const deadline = performance.now() + PHASE_TIMEOUT_MS
  while (!(await isDone())) {
    if (performance.now() > deadline) throw new Error(`nothing came of it within ${PHASE_TIMEOUT_MS / 1000} s`)
    await sleep(POLL_MS)
  }
}
