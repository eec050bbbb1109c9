/** Asks an Understudy that was started with the heap probe how large its heap is. */

const PROBE = new URL('./heap-probe.mjs', import.meta.url)

/** For `node`: loads the probe into every thread. */
export const HEAP_PROBE_ARGS = ['--import', PROBE.href]

/** @typedef {{ threads: number, heapUsed: number, external: number }} Heap Bytes, summed over `threads`. */

/**
 * @param {import('./contenders.mjs').Contender} contender
 * @returns {Promise<Heap>} After a collection in every thread.
 */
export async function collectedHeap(contender) {
  const { process } = contender
  const fromLine = process.mark()
  process.signal('SIGUSR2')
  const line = await process.waitForLine(/^heap-probe /, { fromLine, timeoutMs: 30_000 })
  return JSON.parse(line.slice('heap-probe '.length))
}
