/**
 * A full sync of a redis-server below Understudy against one of a redis-server below redis-server: time from REPLICAOF to the
 * link being up, memory that the sender takes beyond what it had (Redis with its child), and how long the sender was held: the longest
 * delay of Understudy's event loop by its own work, beside the time that Redis' last fork took. 5 M strings and the mixed dataset,
 * idle and while somebody writes.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { checkKeyCount, compareDigests } from './support/contents.mjs'
import { Dataset } from './support/dataset.mjs'
import { inTurn } from './support/in-turn.mjs'
import { loading } from './support/load-runs.mjs'
import { LOOP_PROBE_ARGS, loopDelay } from './support/loop-delay.mjs'
import { MixedDataset } from './support/mixed-dataset.mjs'
import { PacedWriter } from './support/paced-writer.mjs'
import { MemoryMeter, UsageMeter } from './support/process-usage.mjs'
import { rdbFile, stringsFile } from './support/rdb-file.mjs'
import { Row } from './support/row.mjs'

const SYNC_TIMEOUT_MS = 180_000
const POLL_MS = 20
/** What a load leaves behind is collected three times in that time (net/src/server/collect-garbage.ts). */
const SETTLE_MS_MIN = 8000
/** redis 7.0 replication.c readSyncBulkPayload(). */
const SYNCED = /MASTER <-> REPLICA sync: Finished with success/

/**
 * @typedef {object} Case
 * @property {string} name
 * @property {string} path Of the RDB file.
 * @property {import('./support/write-process.mjs').WritePlan} plan
 */

/** @param {import('./support/run.mjs').Run} run */
export async function below(run) {
  const { seed, sizes } = run
  const count = sizes.loadKeys
  const mixed = new MixedDataset(seed, sizes.belowKeys)
  const { keyCount } = mixed
  /** @type {Case[]} */
  const cases = [
    {
      name: `${count.toLocaleString('en')} strings`,
      path: await stringsFile(run, new Dataset(seed), count),
      plan: { kind: 'strings', seed, count },
    },
    {
      name: `${keyCount.toLocaleString('en')} keys of seven types`,
      path: await rdbFile(run, {
        name: `below-${keyCount}-${seed}`,
        commands: mixed.creation(),
        check: async (redis) => await checkKeyCount(redis, keyCount),
      }),
      plan: { kind: 'mixed', seed, sizes: sizes.belowKeys },
    },
  ]
  const rows = []
  for (const each of cases)
    for (const perSecond of [0, sizes.belowWrites]) rows.push(...(await ofCase(run, each, perSecond)))
  return rows
}

/**
 * @param {import('./support/run.mjs').Run} run
 * @param {Case} data
 * @param {number} perSecond
 */
async function ofCase(run, { name: keys, path, plan }, perSecond) {
  const { contenders, sizes, log, pairs, isProfiled } = run
  const scenario = 'below'
  const what = `${keys}, ${perSecond === 0 ? 'idle' : `${perSecond / 1000} k writes/s`}`
  const rows = {
    time: new Row({
      scenario,
      title: `full sync of a redis-server below: ${what}`,
      unit: 'ms',
      goal: { ratio: 1.05, direction: 'at most' },
    }),
    memory: new Row({ scenario, title: `most memory of the sender beyond before: ${what}`, unit: 'bytes' }),
    hold: new Row({
      scenario,
      title: `longest hold of the sender: ${what}`,
      unit: 'ms',
      theirs: "Redis' fork",
      goal: { limit: 5, direction: 'at most', inEachRun: true },
    }),
  }
  for (let pair = 0; pair < pairs; pair++) {
    for (const name of inTurn(run.order, pair)) {
      const isOurs = name === 'understudy'
      const { directory, directives } = loading(contenders, path)
      const options = {
        directory,
        directives: [...directives, '--repl-diskless-sync-delay', '0'],
        nodeArgs: LOOP_PROBE_ARGS,
      }
      await contenders.with(name, options, async (sender) => {
        await sleep(Math.max(sizes.settleMs, SETTLE_MS_MIN))
        const writer = perSecond === 0 ? undefined : await PacedWriter.start({ port: sender.port, perSecond, plan })
        try {
          await contenders.with('redis', {}, async (replica) => {
            if (isOurs) await loopDelay(sender)
            const memory = new MemoryMeter(sender.pid)
            const meter = new UsageMeter(sender.pid)
            const started = performance.now()
            await replica.call('REPLICAOF', '127.0.0.1', String(sender.port))
            await replica.process.waitForLine(SYNCED, { timeoutMs: SYNC_TIMEOUT_MS })
            const elapsedMs = performance.now() - started
            const usage = meter.stop()
            const extraBytes = memory.stop()
            const delay = isOurs ? await loopDelay(sender) : undefined
            const holdMs = isOurs ? delay?.ownLongestMs : Number(await sender.info('latest_fork_usec')) / 1000
            rows.time.add(name, elapsedMs, usage)
            rows.memory.add(name, extraBytes, usage)
            rows.hold.add(name, holdMs, usage)
            const rate = await writer?.stop()
            const notes = [
              `${(elapsedMs / 1000).toFixed(2)} s`,
              `${((extraBytes ?? 0) / 2 ** 20).toFixed(0)} MiB more`,
              `held ${holdMs?.toFixed(1) ?? 'n/a'} ms`,
              ...(delay === undefined
                ? []
                : [`loop delayed ${delay.longestMs.toFixed(1)} ms at most, waits for a core included`]),
              ...(rate === undefined ? [] : [`${(rate / 1000).toFixed(1)} k writes/s`]),
              `CPU ${usage.cpuSeconds?.toFixed(2) ?? 'n/a'} s`,
            ]
            rows.time.notes.push(`${name}: ${notes.join(', ')}`)
            log(`${scenario} ${pair + 1}/${pairs} ${what}, ${name}: ${notes.join(', ')}`)
            await caughtUp(sender, replica)
            if (pair === 0 && !isProfiled) {
              const contents = `DEBUG DIGEST of sender and replica ${await compareDigests(sender, replica)}`
              for (const row of Object.values(rows)) row.contents = 'right'
              log(`${scenario} ${name}: ${contents}`)
            }
          })
        } finally {
          writer?.kill()
        }
      })
    }
  }
  return Object.values(rows)
}

/**
 * All that was written has come, and the number of keys is the same.
 *
 * @param {import('./support/contenders.mjs').Contender} sender
 * @param {import('./support/contenders.mjs').Contender} replica
 */
async function caughtUp(sender, replica) {
  const deadline = performance.now() + SYNC_TIMEOUT_MS
  while ((await sender.info('master_repl_offset')) !== (await replica.info('slave_repl_offset'))) {
    if (performance.now() > deadline) throw new Error('the replica does not catch up')
    await sleep(POLL_MS)
  }
  await checkKeyCount(replica, Number(await sender.call('DBSIZE')))
}
