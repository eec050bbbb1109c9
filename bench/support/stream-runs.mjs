/**
 * Runs of a replication stream: a fresh server for each, the primary and its prebuilt bytes stay. Each part is measured from
 * its first byte to the ACK of its last command.
 */
import { compareDigests } from './contents.mjs'
import { FakePrimary } from './fake-primary.mjs'
import { inTurn } from './in-turn.mjs'
import { UsageMeter } from './process-usage.mjs'
import { warmMemory } from './warm-memory.mjs'

const PART_TIMEOUT_MS = 300_000
/** @type {Record<import('./contenders.mjs').ContenderName, import('./row.mjs').SideName>} */
const SIDES = { understudy: 'ours', redis: 'theirs' }

/**
 * @typedef {object} StreamPart
 * @property {import('./row.mjs').Row} row In commands/s.
 * @property {number} commands
 */

/**
 * @typedef {object} StreamSide
 * @property {import('./row.mjs').SideName} side
 * @property {import('./contenders.mjs').ContenderName} name
 * @property {string[]} directives
 */

/**
 * @typedef {object} StreamRuns
 * @property {string} name For the log.
 * @property {import('./stream-parts.mjs').StreamPlan} plan
 * @property {StreamPart[]} parts
 * @property {StreamSide[]} [sides] Who is compared; left out: Understudy and Redis, each as it is started by default.
 * @property {(contender: import('./contenders.mjs').Contender, part: number) => Promise<void>} check Throws when the contents are
 *   not those that the part must have made.
 * @property {boolean} comparesDigests DEBUG DIGEST of both at the end, once.
 */

/**
 * @param {import('./run.mjs').Run} run
 * @param {StreamRuns} runs
 */
export async function measureStream(run, { name: scenario, plan, parts, sides, check, comparesDigests }) {
  const { contenders, log } = run
  const compared = sides ?? run.order.map((name) => ({ side: SIDES[name], name, directives: [] }))
  log(`building the stream of ${scenario}`)
  const primary = await FakePrimary.start(plan)
  try {
    /** CPU seconds of the sender per second of a run: near 1 it would be the bottleneck. @type {number[]} */
    const senderShares = []
    for (let pair = 0; pair < run.pairs; pair++) {
      for (const { side, name, directives } of inTurn(compared, pair)) {
        primary.forget()
        warmMemory()
        await contenders.with(name, { directives: [...following(primary), ...directives] }, async (contender) => {
          await primary.attached()
          for (const [index, { row, commands }] of parts.entries()) {
            const meter = new UsageMeter(contender.pid)
            const { elapsedMs, cpuSeconds } = await primary.send(index, PART_TIMEOUT_MS)
            const usage = meter.stop()
            row.add(side, commands / (elapsedMs / 1000), usage)
            senderShares.push(cpuSeconds / (elapsedMs / 1000))
            await check(contender, index)
            const cpu = usage.cpuSeconds?.toFixed(2) ?? 'n/a'
            const rate = (commands / elapsedMs / 1000).toFixed(2)
            log(
              `${scenario} ${pair + 1}/${run.pairs} ${[name, ...directives].join(' ')} part ${index}: ${rate} M/s, ${elapsedMs.toFixed(0)} ms, ` +
                `CPU ${cpu} s (sender ${cpuSeconds.toFixed(2)} s)`,
            )
          }
        })
      }
    }
    const digests = run.isProfiled || !comparesDigests ? 'not asked for' : await digestsOf(run, primary, parts.length)
    for (const { row } of parts) {
      row.contents = `right; DEBUG DIGEST ${digests}`
      row.notes.push(`sender used at most ${(Math.max(...senderShares) * 100).toFixed(0)} % of a core`)
    }
  } finally {
    primary.stop()
  }
}

/** @param {FakePrimary} primary */
function following(primary) {
  return ['--replicaof', '127.0.0.1', String(primary.port)]
}

/**
 * Both at the end of the stream, untimed and one after the other: the primary serves one replica at a time.
 *
 * @param {import('./run.mjs').Run} run
 * @param {FakePrimary} primary
 * @param {number} parts
 */
async function digestsOf({ contenders }, primary, parts) {
  const directives = following(primary)
  /** @param {import('./contenders.mjs').Contender} contender */
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
