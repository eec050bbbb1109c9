/**
 * Resident memory after much was deleted, and after much was overwritten with values of other lengths, against a fresh load of
 * the data that are left: each server against itself, both in this run. What a server gives back it gives back in the
 * background, so it is measured when that has ended; of ours also how long it took, and its longest slice.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { randomNumbers } from './support/dataset.mjs'
import { Pipe } from './support/pipe.mjs'
import { residentBytes } from './support/process-usage.mjs'
import { Row } from './support/row.mjs'

/** One key of so many is left. */
const KEPT_OF = 5
const OVERWRITTEN_BYTES_MIN = 16
const OVERWRITTEN_BYTES_MAX = 1024
const SETTLE_TIMEOUT_MS = 600_000
const POLL_MS = 500
/** Looks in a row that must find nothing going on. */
const QUIET_LOOKS = 4

/** @typedef {import('./support/contenders.mjs').Contender} Contender */
/** @typedef {import('./support/contenders.mjs').ContenderName} ContenderName */

/**
 * @typedef {object} Churn
 * @property {string} title
 * @property {number} count Keys that are left.
 * @property {(pipe: Pipe) => Promise<void>} churn
 * @property {(pipe: Pipe) => Promise<void>} load The data that are left, alone.
 */

/** @param {import('./support/run.mjs').Run} run */
export async function churn(run) {
  /** @type {Row[]} */
  const rows = []
  for (const churned of [deletion(run), overwriting(run)]) {
    /** @type {Map<string, string>} */
    const digests = new Map()
    for (const server of run.order) {
      for (const defrag of server === 'redis' ? [false, true] : [true]) {
        const row = await measure(run, churned, server, defrag, digests)
        if (row !== undefined) rows.push(row)
      }
    }
    const different = new Set(digests.values())
    if (different.size > 1) throw new Error(`DEBUG DIGEST differs: ${[...digests].join('; ')}`)
  }
  return rows
}

/**
 * @param {import('./support/run.mjs').Run} run
 * @param {Churn} churned
 * @param {ContenderName} server
 * @param {boolean} defrag
 * @param {Map<string, string>} digests
 * @returns {Promise<Row | undefined>} Undefined: this redis-server cannot defragment.
 */
async function measure({ contenders, sizes, log }, churned, server, defrag, digests) {
  const { title, count } = churned
  const label = `${server === 'redis' ? 'Redis' : 'Understudy'}${server === 'redis' && defrag ? ' with activedefrag' : ''}`
  const directives = [
    ...(sizes.churnIgnoreBytes === undefined ? [] : ['--active-defrag-ignore-bytes', String(sizes.churnIgnoreBytes)]),
    '--maxclients',
    '100',
  ]
  /** @param {(pipe: Pipe) => Promise<void>} fill @param {string} name */
  const residentAfter = async (fill, name) =>
    contenders.with(server, { directives }, async (contender) => {
      if (server === 'redis' && defrag && !(await canDefragment(contender))) return undefined
      const pipe = await Pipe.open(contender.port)
      await fill(pipe)
      await pipe.end()
      const atOnce = residentBytes(contender.pid) ?? Number.NaN
      const took = await settle(contender, sizes.settleMs)
      const size = Number(await contender.call('DBSIZE'))
      if (size !== count) throw new Error(`${label} holds ${size} keys; there should be ${count}`)
      const resident = residentBytes(contender.pid)
      if (count <= sizes.digestKeysMax) {
        digests.set(`${label}, ${name}`, String(await contender.call('DEBUG', 'DIGEST')))
      }
      log(`churn ${label}, ${name}: ${mebibytes(atOnce)} MiB at once, ${mebibytes(resident)} MiB settled`)
      return { atOnce, resident, took }
    })
  const after = await residentAfter(churned.churn, 'churned')
  if (after === undefined) {
    log('churn: this redis-server cannot defragment actively')
    return undefined
  }
  const fresh = await residentAfter(churned.load, 'fresh')
  const row = new Row({
    scenario: 'churn',
    title: `resident memory ${title}`,
    unit: 'bytes',
    ours: `${label}, churned`,
    theirs: `${label}, fresh`,
    ...(server === 'understudy' ? { goal: { ratio: 1.4, direction: /** @type {const} */ ('at most') } } : {}),
  })
  row.add('ours', after.resident)
  row.add('theirs', fresh?.resident)
  row.contents = digests.size > 0 ? 'right; DEBUG DIGEST equal to a fresh load' : 'the number of keys is right'
  row.notes.push(`${mebibytes(after.atOnce)} MiB when the last reply came`)
  if (after.took !== undefined) row.notes.push(after.took)
  return row
}

/** @param {import('./support/run.mjs').Run} run @returns {Churn} */
function deletion({ sizes }) {
  const keys = sizes.churnKeys
  const pool = poolOf('d')
  /** @param {Pipe} pipe @param {number} step */
  const fill = async (pipe, step) => {
    for (let i = 0; i < keys; i += step) await pipe.send(...mixedCommand(i, pool))
  }
  return {
    title: `after deleting 80 % of ${keys.toLocaleString('en')} mixed keys`,
    count: Math.ceil(keys / KEPT_OF),
    churn: async (pipe) => {
      await fill(pipe, 1)
      for (let i = 0; i < keys; i++) if (i % KEPT_OF !== 0) await pipe.send('DEL', keyOf(i))
    },
    load: (pipe) => fill(pipe, KEPT_OF),
  }
}

/**
 * Six of ten keys are strings of up to 100 bytes, the others small hashes, sorted sets, lists and sets. The same for all keys
 * of a group of KEPT_OF.
 *
 * @param {number} i
 * @param {string} pool
 */
function mixedCommand(i, pool) {
  const key = keyOf(i)
  const kind = Math.floor(i / KEPT_OF) % 10
  const text = String(i)
  if (kind === 6) return ['HSET', key, 'number', text, 'text', pool.slice(0, 20 + (i % 40)), 'flag', '1']
  if (kind === 7) return ['ZADD', key, text, 'first', '3', 'second', '4.5', text]
  if (kind === 8) return ['RPUSH', key, text, pool.slice(0, i % 60), 'last']
  if (kind === 9) return ['SADD', key, text, 'member', String(i + 1)]
  return ['SET', key, pool.slice(0, 8 + ((i * 7) % 93))]
}

/** @param {import('./support/run.mjs').Run} run @returns {Churn} */
function overwriting({ sizes, seed }) {
  const keys = sizes.churnOverwrittenKeys
  const overwrites = sizes.churnOverwrites
  const pool = poolOf('o')
  /** By key: length of the value written last. */
  const last = new Int32Array(keys)
  /** @param {Pipe} pipe @param {number} key */
  const write = (pipe, key) => pipe.send('SET', keyOf(key), pool.slice(key % 100, (key % 100) + (last[key] ?? 0)))
  return {
    title: `after ${overwrites.toLocaleString('en')} overwrites of ${keys.toLocaleString('en')} strings with 16 to 1,024 bytes`,
    count: keys,
    churn: async (pipe) => {
      const random = randomNumbers(seed)
      const span = OVERWRITTEN_BYTES_MAX - OVERWRITTEN_BYTES_MIN + 1
      for (let i = 0; i < keys + overwrites; i++) {
        const key = i < keys ? i : Math.floor(random() * keys)
        last[key] = OVERWRITTEN_BYTES_MIN + Math.floor(random() * span)
        await write(pipe, key)
      }
    },
    load: async (pipe) => {
      for (let key = 0; key < keys; key++) await write(pipe, key)
    },
  }
}

/** @param {number} i */
function keyOf(i) {
  return `key:${String(i).padStart(12, '0')}`
}

/**
 * Text that values are cut from.
 *
 * @param {string} salt
 */
function poolOf(salt) {
  let text = ''
  for (let i = 0; text.length < 2 * OVERWRITTEN_BYTES_MAX; i++) text += `${salt}${(i * 7919).toString(36)}`
  return text
}

/** @param {Contender} contender */
async function canDefragment(contender) {
  try {
    await contender.call('CONFIG', 'SET', 'activedefrag', 'yes')
    return true
  } catch {
    return false
  }
}

/**
 * Waits until nothing is being defragmented any more.
 *
 * @param {Contender} contender
 * @param {number} settleMs At the least.
 * @returns {Promise<string | undefined>} How long it took, where the server tells.
 */
async function settle(contender, settleMs) {
  const deadline = performance.now() + SETTLE_TIMEOUT_MS
  await sleep(settleMs)
  for (let quiet = 0; quiet < QUIET_LOOKS;) {
    if (performance.now() > deadline) throw new Error('defragmentation does not come to an end')
    await sleep(POLL_MS)
    quiet = Number(await contender.info('active_defrag_running')) === 0 ? quiet + 1 : 0
  }
  const took = Number(await contender.info('total_active_defrag_time'))
  const slice = await contender.info('active_defrag_longest_slice_usec')
  if (slice === undefined || took === 0) return undefined
  const dropped = Number(await contender.info('active_defrag_dropped_bytes'))
  return `gave ${mebibytes(dropped)} MiB back in ${(took / 1000).toFixed(1)} s, longest slice ${(Number(slice) / 1000).toFixed(1)} ms`
}

/** @param {number | undefined} bytes */
function mebibytes(bytes) {
  return ((bytes ?? Number.NaN) / 2 ** 20).toFixed(0)
}
