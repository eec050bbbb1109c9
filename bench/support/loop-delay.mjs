/** Asks an Understudy that was started with the loop probe how long its event loop was held. */

const PROBE = new URL('./loop-probe.mjs', import.meta.url)

/** For `node`. */
export const LOOP_PROBE_ARGS = ['--import', PROBE.href]

/** @typedef {{ longestMs: number, percentiles: [percent: number, ms: number][] }} LoopDelay */

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
