/**
 * Applying a replication stream: distinct keys first, then the same keys again with other values, from a primary that
 * only sends, to the ACK of the last offset. Each run has a fresh server; the primary and its prebuilt bytes stay.
 */
import { checkContents, compareDigests } from './support/contents.mjs'
import { Dataset } from './support/dataset.mjs'
import { FakePrimary } from './support/fake-primary.mjs'
import { UsageMeter } from './support/process-usage.mjs'
import { Row } from './support/row.mjs'

const PART_TIMEOUT_MS = 120_000

/** @param {import('./support/run.mjs').Run} run */
export async function stream(run) {
  const { contenders, sizes, seed, log } = run
  const count = sizes.streamCommands
  const dataset = new Dataset(seed)
  const scenario = 'stream'
  const unit = 'commands/s'
  const rows = [
    new Row({
      scenario,
      title: `apply ${count.toLocaleString('en')} SETs of new keys`,
      unit,
      goal: { ratio: 2, direction: 'at least' },
    }),
    new Row({ scenario, title: `the same keys again (--overwrite)`, unit }),
  ]
  log(`building a stream of 2 × ${count} SETs`)
  const primary = await FakePrimary.start({ seed, commands: count, rounds: rows.length })
  try {
    /** CPU seconds of the sender per second of a run: near 1 it would be the bottleneck. @type {number[]} */
    const senderShares = []
    for (let pair = 0; pair < run.pairs; pair++) {
      for (const name of run.order) {
        primary.forget()
        const directives = ['--replicaof', '127.0.0.1', String(primary.port)]
        await contenders.with(name, { directives }, async (contender) => {
          await primary.attached()
          for (const [round, row] of rows.entries()) {
            const meter = new UsageMeter(contender.pid)
            const { elapsedMs, cpuSeconds } = await primary.send(round, PART_TIMEOUT_MS)
            const usage = meter.stop()
            row.add(name, count / (elapsedMs / 1000), usage)
            senderShares.push(cpuSeconds / (elapsedMs / 1000))
            await checkContents(contender, { dataset, count, round })
            const cpu = usage.cpuSeconds?.toFixed(2) ?? 'n/a'
            const rate = (count / elapsedMs / 1000).toFixed(2)
            log(
              `stream ${pair + 1}/${run.pairs} ${name} round ${round}: ${rate} M/s, ${elapsedMs.toFixed(0)} ms, ` +
                `CPU ${cpu} s (sender ${cpuSeconds.toFixed(2)} s)`,
            )
          }
        })
      }
    }
    const isAsked = !run.isProfiled && count <= sizes.digestKeysMax
    const digests = !isAsked ? 'not asked for' : await digestsOf(run, primary, rows.length)
    for (const row of rows) {
      row.contents = `right; DEBUG DIGEST ${digests}`
      row.notes.push(`sender used at most ${(Math.max(...senderShares) * 100).toFixed(0)} % of a core`)
    }
  } finally {
    primary.stop()
  }
  return rows
}

/**
 * Both at the end of the stream, untimed and one after the other: the primary serves one replica at a time.
 *
 * @param {import('./support/run.mjs').Run} run
 * @param {FakePrimary} primary
 * @param {number} parts
 */
async function digestsOf({ contenders }, primary, parts) {
  const directives = ['--replicaof', '127.0.0.1', String(primary.port)]
  /** @param {import('./support/contenders.mjs').Contender} contender */
  const feed = async (contender) => {
    await primary.attached()
    for (let part = 0; part < parts; part++) await primary.send(part, PART_TIMEOUT_MS)
    // Keeps its data while the other one is fed; reads are served from them.
    await contender.call('REPLICAOF', 'NO', 'ONE')
    primary.forget()
  }
  primary.forget()
  return await contenders.with('redis', { directives }, async (theirs) => {
    await feed(theirs)
    return await contenders.with('understudy', { directives }, async (ours) => {
      await feed(ours)
      return await compareDigests(ours, theirs)
    })
  })
}
