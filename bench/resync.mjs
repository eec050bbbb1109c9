/**
 * Resident memory after each of two full syncs in a row from a live primary, against a load of the same data from a
 * file: what the generation that was replaced leaves behind. The second brings other values of the same keys, and somebody
 * reads all the while: each answer is of the old dataset, and then of the new one. Then an application that embeds Understudy goes
 * through the same and reads in its own process, and is read by a client with a thread of its own for that. Ours alone; the ratio is to
 * ourselves.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { checkContents } from './support/contents.mjs'
import { Dataset } from './support/dataset.mjs'
import { EmbeddedReading, embeddingApplication } from './support/embedded-reading.mjs'
import { fill } from './support/fill.mjs'
import { PacedReader } from './support/paced-reader.mjs'
import { peakResidentBytes, residentBytes, UsageMeter } from './support/process-usage.mjs'
import { directoryWith, RDB_NAME, stringsFile } from './support/rdb-file.mjs'
import { Row } from './support/row.mjs'
import { setsInTurn } from './support/set-commands.mjs'

const SYNC_TIMEOUT_MS = 180_000
const POLL_MS = 20
/** Between two looks at the memory while it settles. */
const LOOK_EVERY_MS = 1000
const READS_PER_SECOND = 20_000
const LATENCY_MAX_MS = 10

/** @typedef {import('./support/contenders.mjs').Contender} Contender */

/** @param {import('./support/run.mjs').Run} run */
export async function resync(run) {
  const { contenders, sizes, seed, log } = run
  const count = sizes.loadKeys
  const dataset = new Dataset(seed)
  const path = await stringsFile(run, dataset, count)
  const fromFile = () => ({ directory: directoryWith(contenders, path), directives: ['--dbfilename', RDB_NAME] })
  const fresh = await contenders.with('understudy', fromFile(), async (ours) => {
    await sleep(sizes.settleMs)
    return residentBytes(ours.pid)
  })
  const rows = ['first', 'second'].map(
    (which) =>
      new Row({
        scenario: 'resync',
        title: `resident memory after the ${which} full sync of ${count.toLocaleString('en')} strings`,
        unit: 'bytes',
        ours: 'Understudy synced',
        theirs: 'Understudy loaded',
        goal: { ratio: 1.15, direction: 'at most' },
      }),
  )
  const latency = (/** @type {string} */ what, /** @type {string} */ how) =>
    new Row({
      scenario: 'resync',
      title: `p99.9 of ${READS_PER_SECOND.toLocaleString('en')} ${what} a second through a full sync, ${how}`,
      unit: 'ms',
      goal: { limit: LATENCY_MAX_MS, direction: 'at most' },
    })
  const asked = latency('GETs', 'io-threads 1')
  const askedOfThreads = latency('GETs', 'io-threads 2')
  const read = latency('reads', 'in the process')
  const { directory, directives } = fromFile()
  const atOnce = [...directives, '--repl-diskless-sync-delay', '0']
  await contenders.with('redis', { directory, directives: atOnce }, async (primary) => {
    const replicaOf = ['--replicaof', '127.0.0.1', String(primary.port)]
    const following = (/** @type {string} */ ioThreads) => [...replicaOf, '--io-threads', ioThreads]
    const loads = { perSecond: READS_PER_SECOND, seed, count }
    await contenders.with('understudy', { directives: following('1') }, async (ours) => {
      for (const [index, row] of rows.entries()) {
        if (index > 0) await changeAll(primary, ours, setsInTurn(dataset, count, index))
        const meter = new UsageMeter(ours.pid, { fromStart: index === 0 })
        const sync = async () => {
          const seconds = await fullSync(primary, ours, index + 1)
          log(`resync: full sync ${index + 1} took ${seconds.toFixed(2)} s`)
        }
        if (index === 0) await sync()
        else await whileReading(asked, await PacedReader.start({ ...loads, port: ours.port, from: 0, to: 1 }), sync)
        const usage = meter.stop()
        await checkContents(ours, { dataset, count, round: index })
        const settled = await settle(ours, sizes.resyncSettleMs)
        row.add('ours', residentBytes(ours.pid), usage)
        row.add('theirs', fresh)
        row.contents = 'right'
        row.notes.push(`measured after ${sizes.resyncSettleMs / 1000} s; ${settled}`)
      }
      rows[1]?.notes.push(`at most ${mebibytes(peakResidentBytes(ours.pid))} MiB at once, two generations side by side`)
    })
    const application = embeddingApplication({ ...loads, from: 1, to: 2 })
    await contenders.with('understudy', { directives: following('2'), application }, async (ours) => {
      await fullSync(primary, ours, 1)
      await changeAll(primary, ours, setsInTurn(dataset, count, 2))
      const sync = async (/** @type {number} */ number) => {
        const seconds = await fullSync(primary, ours, number)
        log(`resync: full sync ${number} of the application took ${seconds.toFixed(2)} s`)
      }
      await whileReading(read, await EmbeddedReading.start(ours), async () => await sync(2))
      await changeAll(primary, ours, setsInTurn(dataset, count, 3))
      const reader = await PacedReader.start({ ...loads, port: ours.port, from: 2, to: 3 })
      await whileReading(askedOfThreads, reader, async () => await sync(3))
      await checkContents(ours, { dataset, count, round: 3 })
    })
  })
  return [...rows, asked, askedOfThreads, read]
}

/**
 * The primary's keys get other values, and its next replica another history, while ours follows nobody.
 *
 * @param {Contender} primary
 * @param {Contender} ours
 * @param {ReturnType<typeof setsInTurn>} sets
 */
async function changeAll(primary, ours, sets) {
  await ours.call('REPLICAOF', 'NO', 'ONE')
  await fill(primary.port, sets)
  // Another history: the replica that comes back cannot continue.
  await primary.call('DEBUG', 'CHANGE-REPL-ID')
}

/**
 * @param {Contender} primary
 * @param {Contender} ours
 * @param {number} number Of the full sync, from the start of ours.
 * @returns {Promise<number>} Seconds that it took.
 */
async function fullSync(primary, ours, number) {
  const startedMs = performance.now()
  if (number > 1) await ours.call('REPLICAOF', '127.0.0.1', primary.port)
  await synced(ours, number)
  return (performance.now() - startedMs) / 1000
}

/**
 * @param {Row} row
 * @param {PacedReader | EmbeddedReading} reader
 * @param {() => Promise<void>} sync
 * @throws when an answer was wrong, or all were of one dataset
 */
async function whileReading(row, reader, sync) {
  try {
    await sync()
    const { reads, before, perSecond, p50Ms, p999Ms, longestMs, p999LateMs } = await reader.stop()
    if (before === 0 || before === reads) throw new Error(`${before} of ${reads} reads were of the old dataset`)
    row.add('ours', p999Ms)
    row.contents = 'right; no error'
    row.notes.push(
      `${before.toLocaleString('en')} reads of the old dataset, then ${(reads - before).toLocaleString('en')} of the new one, ` +
        `${perSecond.toFixed(0)} a second; median ${p50Ms.toFixed(3)} ms, longest ${longestMs.toFixed(1)} ms` +
        (p999LateMs === undefined ? '' : `; behind the moment it was due, p99.9 ${p999LateMs.toFixed(1)} ms`),
    )
  } finally {
    reader.kill()
  }
}

/**
 * Waits until `fullSyncs` full syncs are done and the link is up.
 *
 * @param {Contender} ours
 * @param {number} fullSyncs
 */
async function synced(ours, fullSyncs) {
  const deadline = performance.now() + SYNC_TIMEOUT_MS
  while (performance.now() < deadline) {
    const asked = Number(await ours.info('sync_asked_full'))
    const link = await ours.info('master_link_status')
    if (asked >= fullSyncs && link === 'up' && (await ours.info('master_sync_in_progress')) === '0') return
    await sleep(POLL_MS)
  }
  throw new Error(`no full sync number ${fullSyncs} within ${SYNC_TIMEOUT_MS / 1000} s`)
}

/**
 * @param {Contender} ours
 * @param {number} milliseconds
 * @returns {Promise<string>} How the memory fell.
 */
async function settle(ours, milliseconds) {
  /** @type {string[]} */
  const curve = [`${mebibytes(residentBytes(ours.pid))} MiB at once`]
  let shown = residentBytes(ours.pid) ?? 0
  const startedMs = performance.now()
  while (performance.now() - startedMs < milliseconds) {
    await sleep(Math.min(LOOK_EVERY_MS, milliseconds))
    const now = residentBytes(ours.pid) ?? 0
    if (Math.abs(now - shown) > shown * 0.05) {
      curve.push(`${mebibytes(now)} MiB after ${((performance.now() - startedMs) / 1000).toFixed(0)} s`)
      shown = now
    }
  }
  return curve.join(', ')
}

/** @param {number | undefined} bytes */
function mebibytes(bytes) {
  return ((bytes ?? 0) / 2 ** 20).toFixed(0)
}
