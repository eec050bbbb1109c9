/** Asks an Understudy that was started with the loop probe how long its event loop was held. */

const PROBE = new URL('./loop-probe.mjs', import.meta.url)

/** For `node`. */
export const LOOP_PROBE_ARGS = ['--import', PROBE.href]

/**
 * @typedef {object} LoopDelay
 * @property {number} longestMs
 * @property {number} [ownLongestMs] By its own work: what the thread waited for a processor is left out. Undefined where the system does not tell.
 * @property {[percent: number, ms: number][]} percentiles
 */

/**
 * @param {import('./contenders.mjs').Contender} contender
 * @returns {Promise<LoopDelay>} Since the last call, or the start.
 */
export async function loopDelay(contender) {
  const { process } = contender
  const fromLine = process.mark()
  process.signal('SIGUSR2')
  const line = await process.waitForLine(/^loop-probe /, { fromLine, timeoutMs: 30_000 })
  return JSON.parse(line.slice('loop-probe '.length))
}
