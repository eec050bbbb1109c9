/**
 * Keys a second of a full sync from a live primary, from REPLICAOF to the link being up, against what `redis-cli --rdb` needs to fetch the same
 * snapshot and write it to a file: the primary's own time to make and send it, which nobody can be faster than. Then the same while
 * somebody writes to the primary, until what was written meanwhile is caught up with, against a replica that is a redis-server.
 */
import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { checkContents, compareDigests } from './support/contents.mjs'
import { Dataset } from './support/dataset.mjs'
import { inTurn } from './support/in-turn.mjs'
import { loading } from './support/load-runs.mjs'
import { PacedWriter } from './support/paced-writer.mjs'
import { endedChildrenCpuSeconds, UsageMeter } from './support/process-usage.mjs'
import { stringsFile } from './support/rdb-file.mjs'
import { Row } from './support/row.mjs'

const SYNC_TIMEOUT_MS = 180_000
const POLL_MS = 5
const WRITES_PER_SECOND = 100_000
/** So little that what is written meanwhile goes through the file. */
const BUFFER_LIMIT = '1mb'

/** @typedef {import('./support/contenders.mjs').Contender} Contender */

/** @param {import('./support/run.mjs').Run} run */
export async function liveSync(run) {
  const { contenders, sizes, seed, log, redis } = run
  const count = sizes.loadKeys
  const dataset = new Dataset(seed)
  const path = await stringsFile(run, dataset, count)
  const row = new Row({
    scenario: 'live-sync',
    title: `full sync of ${count.toLocaleString('en')} strings from a live primary`,
    unit: 'keys/s',
    theirs: 'redis-cli --rdb',
    // 1.15 times its time.
    goal: { ratio: 0.87, direction: 'at least' },
  })
  const underWrites = new Row({
    scenario: 'live-sync',
    title: `the same under ${WRITES_PER_SECOND.toLocaleString('en')} writes a second, until they are caught up with`,
    unit: 'keys/s',
  })
  const options = loading(contenders, path)
  const directives = [...options.directives, '--repl-diskless-sync-delay', '0']
  await contenders.with('redis', { ...options, directives }, async (primary) => {
    for (let pair = 0; pair < run.pairs; pair++) {
      const fetched = async () => {
        const file = join(options.directory, 'fetched.rdb')
        const cpuBefore = endedChildrenCpuSeconds()
        const started = performance.now()
        await promisify(execFile)(redis.cli, ['-p', String(primary.port), '--rdb', file])
        const seconds = (performance.now() - started) / 1000
        const cpuAfter = endedChildrenCpuSeconds()
        const isKnown = cpuBefore !== undefined && cpuAfter !== undefined
        row.add('theirs', count / seconds, { cpuSeconds: isKnown ? cpuAfter - cpuBefore : undefined, threads: 1 })
        return `redis-cli --rdb ${seconds.toFixed(2)} s`
      }
      const synced = async () =>
        await contenders.with('understudy', {}, async (ours) => {
          const meter = new UsageMeter(ours.pid)
          const started = performance.now()
          await ours.call('REPLICAOF', '127.0.0.1', String(primary.port))
          await linked(ours, started + SYNC_TIMEOUT_MS)
          const seconds = (performance.now() - started) / 1000
          row.add('ours', count / seconds, meter.stop())
          await checkContents(ours, { dataset, count })
          row.contents = 'right'
          return `understudy ${seconds.toFixed(2)} s`
        })
      for (const measured of inTurn([fetched, synced], pair))
        log(`live-sync ${pair + 1}/${run.pairs}: ${await measured()}`)
    }
    // By a file: a primary that sends a snapshot while it makes it keeps the writes to itself until the replica has loaded that.
    await primary.call('CONFIG', 'SET', 'repl-diskless-sync', 'no')
    for (let pair = 0; pair < run.pairs; pair++) {
      for (const name of inTurn(run.order, pair)) await syncUnderWrites(run, { primary, name, count, row: underWrites })
    }
  })
  return [row, underWrites]
}

/**
 * @param {import('./support/run.mjs').Run} run
 * @param {{ primary: Contender, name: import('./support/contenders.mjs').ContenderName, count: number, row: Row }} what
 * @throws when the primary gave the link up, something is left behind, or the data differ
 */
async function syncUnderWrites({ contenders, seed, log }, { primary, name, count, row }) {
  const directory = contenders.directory()
  const directives = name === 'understudy' ? ['--replica-full-sync-buffer-limit', BUFFER_LIMIT] : []
  await contenders.with(name, { directory, directives }, async (replica) => {
    const plan = /** @type {const} */ ({ kind: 'strings', seed, count })
    const writer = await PacedWriter.start({ port: primary.port, perSecond: WRITES_PER_SECOND, plan })
    try {
      const fullSyncs = Number(await primary.info('sync_full'))
      const meter = new UsageMeter(replica.pid)
      const started = performance.now()
      await replica.call('REPLICAOF', '127.0.0.1', String(primary.port))
      await linked(replica, started + SYNC_TIMEOUT_MS)
      const linkSeconds = (performance.now() - started) / 1000
      await reached(replica, Number(await primary.info('master_repl_offset')), started + SYNC_TIMEOUT_MS)
      const seconds = (performance.now() - started) / 1000
      row.add(name, count / seconds, meter.stop())
      const perSecond = await writer.stop()
      await reached(replica, Number(await primary.info('master_repl_offset')), performance.now() + SYNC_TIMEOUT_MS)
      // One that lost its link on the way has come again for another. Counted now: a digest may take longer than repl-timeout.
      const made = Number(await primary.info('sync_full')) - fullSyncs
      if (made !== 1) throw new Error(`${name} needed ${made} full syncs: the primary gave up the link`)
      row.contents = `right; DEBUG DIGEST ${await compareDigests(replica, primary)}`
      const left = readdirSync(directory).filter((file) => file.startsWith('temp-'))
      if (left.length > 0) throw new Error(`${name} has left ${left.join(', ')} behind`)
      const spilled = Number((await replica.info('full_sync_spilled_bytes')) ?? 0)
      if (name === 'understudy' && spilled === 0) throw new Error('nothing went through the file')
      const told = name === 'understudy' ? `, ${(spilled / 2 ** 20).toFixed(0)} MiB through the file` : ''
      const line = `${name}: link up after ${linkSeconds.toFixed(2)} s, caught up after ${seconds.toFixed(2)} s, ${perSecond.toFixed(0)} writes/s${told}`
      row.notes.push(line)
      log(`live-sync under writes, ${line}`)
    } finally {
      writer.kill()
    }
  })
}

/**
 * Waits until a replica has applied the stream up to `offset`.
 *
 * @param {Contender} replica
 * @param {number} offset
 * @param {number} deadlineMs
 */
async function reached(replica, offset, deadlineMs) {
  while (performance.now() < deadlineMs) {
    if (Number(await replica.info('slave_repl_offset')) >= offset) return
    await sleep(POLL_MS)
  }
  throw new Error(`${replica.name} is not at offset ${offset} within ${SYNC_TIMEOUT_MS / 1000} s`)
}

/**
 * @param {Contender} replica
 * @param {number} deadlineMs
 */
async function linked(replica, deadlineMs) {
  while (performance.now() < deadlineMs) {
    if ((await replica.info('master_link_status')) === 'up') return
    await sleep(POLL_MS)
  }
  throw new Error(`no link within ${SYNC_TIMEOUT_MS / 1000} s`)
}
