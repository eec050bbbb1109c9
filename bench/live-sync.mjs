/**
 * Keys a second of a full sync from a live primary, from REPLICAOF to the link being up, against what `redis-cli --rdb` needs to fetch the same
 * snapshot and write it to a file: the primary's own time to make and send it, which nobody can be faster than.
 */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { checkContents } from './support/contents.mjs'
import { Dataset } from './support/dataset.mjs'
import { loading } from './support/load-runs.mjs'
import { UsageMeter } from './support/process-usage.mjs'
import { stringsFile } from './support/rdb-file.mjs'
import { Row } from './support/row.mjs'

const SYNC_TIMEOUT_MS = 180_000
const POLL_MS = 5

/** @param {import('./support/run.mjs').Run} run */
export async function liveSync(run) {
  const { contenders, sizes, seed, log, redisCli } = run
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
  const options = loading(contenders, path)
  const directives = [...options.directives, '--repl-diskless-sync-delay', '0']
  await contenders.with('redis', { ...options, directives }, async (primary) => {
    for (let pair = 0; pair < run.pairs; pair++) {
      const file = join(options.directory, 'fetched.rdb')
      const fetching = performance.now()
      await promisify(execFile)(redisCli, ['-p', String(primary.port), '--rdb', file])
      const theirs = (performance.now() - fetching) / 1000
      await contenders.with('understudy', {}, async (ours) => {
        const meter = new UsageMeter(ours.pid)
        const started = performance.now()
        await ours.call('REPLICAOF', '127.0.0.1', String(primary.port))
        await linked(ours, started + SYNC_TIMEOUT_MS)
        const seconds = (performance.now() - started) / 1000
        row.add('ours', count / seconds, meter.stop())
        row.add('theirs', count / theirs)
        await checkContents(ours, { dataset, count })
        row.contents = 'right'
        log(`live-sync ${pair + 1}/${run.pairs}: ${seconds.toFixed(2)} s to ${theirs.toFixed(2)} s`)
      })
    }
  })
  return [row]
}

/**
 * @param {import('./support/contenders.mjs').Contender} replica
 * @param {number} deadlineMs
 */
async function linked(replica, deadlineMs) {
  while (performance.now() < deadlineMs) {
    if ((await replica.info('master_link_status')) === 'up') return
    await sleep(POLL_MS)
  }
  throw new Error(`no link within ${SYNC_TIMEOUT_MS / 1000} s`)
}
