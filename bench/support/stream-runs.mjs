/**
 * Runs of a replication stream: fresh servers for each pair, the primary and its prebuilt bytes stay. Each part is measured from
 * its first byte to the ACK of its last command.
 *
 * Both servers follow at once and are sent the part in turns of some tenths of a second: A B, B A, A B … Who has the machine to
 * himself for a whole run may have it in a bad minute, with other users of the processor's caches beside him; turns share that.
 */
import { compareDigests } from './contents.mjs'
import { FakePrimary } from './fake-primary.mjs'
import { inTurn } from './in-turn.mjs'
import { UsageMeter } from './process-usage.mjs'
import { warmMemory } from './warm-memory.mjs'

const TURN_TIMEOUT_MS = 60_000
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
 * A server that follows the fake primary.
 *
 * @typedef {object} Follower
 * @property {StreamSide} side
 * @property {import('./contenders.mjs').Contender} contender
 * @property {number} feed
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
  /** CPU seconds of the sender per second of a run: near 1 it would be the bottleneck. @type {number[]} */
  const senderShares = []
  let digests = 'not asked for'
  try {
    for (let pair = 0; pair < run.pairs; pair++) {
      primary.forget()
      warmMemory(compared.length)
      await withFollowers(contenders, primary, [...inTurn(compared, pair)], async (followers) => {
        for (const [index, { row, commands }] of parts.entries()) {
          for (const { follower, elapsedMs, senderSeconds, usage } of await sendPart(primary, index, followers)) {
            const { side, contender } = follower
            row.add(side.side, commands / (elapsedMs / 1000), usage)
            senderShares.push(senderSeconds / (elapsedMs / 1000))
            await check(contender, index)
            const cpu = usage.cpuSeconds?.toFixed(2) ?? 'n/a'
            const rate = (commands / elapsedMs / 1000).toFixed(2)
            log(
              `${scenario} ${pair + 1}/${run.pairs} ${[side.name, ...side.directives].join(' ')} part ${index}: ${rate} M/s, ` +
                `${elapsedMs.toFixed(0)} ms, CPU ${cpu} s (sender ${senderSeconds.toFixed(2)} s)`,
            )
          }
        }
        if (pair > 0 || !comparesDigests) return
        const of = (/** @type {import('./row.mjs').SideName} */ wanted) =>
          followers.find(({ side }) => side.side === wanted)?.contender
        const [ours, theirs] = [of('ours'), of('theirs')]
        // Under the profiler Understudy is alone.
        if (ours !== undefined && theirs !== undefined) digests = await compareDigests(ours, theirs)
      })
    }
    for (const { row } of parts) {
      row.contents = `right; DEBUG DIGEST ${digests}`
      row.notes.push(`sender used at most ${(Math.max(...senderShares) * 100).toFixed(0)} % of a core`)
    }
  } finally {
    primary.stop()
  }
}

/**
 * Starts the servers one after the other, each until it follows, and ends them after `use`.
 *
 * @param {import('./contenders.mjs').Contenders} contenders
 * @param {FakePrimary} primary
 * @param {readonly StreamSide[]} sides
 * @param {(followers: Follower[]) => Promise<void>} use
 * @returns {Promise<void>}
 */
async function withFollowers(contenders, primary, sides, use) {
  const [side, ...others] = sides
  if (side === undefined) return await use([])
  const directives = ['--replicaof', '127.0.0.1', String(primary.port), ...side.directives]
  await contenders.with(side.name, { directives }, async (contender) => {
    const feed = await primary.attached()
    await withFollowers(
      contenders,
      primary,
      others,
      async (behind) => await use([{ side, contender, feed }, ...behind]),
    )
  })
}

/**
 * Sends a part to all of them, turn by turn, while the others wait.
 *
 * @param {FakePrimary} primary
 * @param {number} part
 * @param {readonly Follower[]} followers
 */
async function sendPart(primary, part, followers) {
  const sent = followers.map((follower) => ({
    follower,
    meter: new UsageMeter(follower.contender.pid),
    elapsedMs: 0,
    senderSeconds: 0,
  }))
  for (let turn = 0; turn < (primary.turns[part] ?? 0); turn++) {
    for (const each of inTurn(sent, turn)) {
      const { elapsedMs, cpuSeconds } = await primary.send({ feed: each.follower.feed, part, turn }, TURN_TIMEOUT_MS)
      each.elapsedMs += elapsedMs
      each.senderSeconds += cpuSeconds
    }
  }
  return sent.map(({ meter, ...each }) => ({ ...each, usage: meter.stop() }))
}
