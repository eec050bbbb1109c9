/**
 * Race windows, widened: this thread now and then stays for a moment at the steps of the readers' protocol, so that the other
 * side can do much in between. The steps are operations on shared words: entering and leaving shards, growth and swaps on the
 * writer's side; the first look at a shard, the look at the generation and the validation on the reader's. For tests alone;
 * the code that is tested knows nothing of it.
 *
 * Plain JavaScript, since a worker thread runs without a transpiler.
 */

const ONE_IN = 64
const PAUSE_MS = 0.1

const word = new Int32Array(new SharedArrayBuffer(4))
const original = { add: Atomics.add, load: Atomics.load, store: Atomics.store, wait: Atomics.wait }

/**
 * Makes a function that sometimes sleeps, so that it is the other side that runs meanwhile.
 *
 * @param {(bound: number) => number} random
 * @returns {() => void}
 */
export function occasionalPause(random) {
  return () => {
    if (random(ONE_IN) === 0) original.wait(word, 0, 0, PAUSE_MS)
  }
}

/**
 * Pauses before and behind operations on shared words.
 *
 * @param {() => void} pause
 * @returns {() => void} Undoes it.
 */
export function widenAtomics(pause) {
  for (const name of /** @type {const} */ (['add', 'load', 'store'])) {
    const operation = /** @type {(...args: unknown[]) => unknown} */ (original[name])
    Object.assign(Atomics, {
      /** @param {unknown[]} args */
      [name]: (...args) => {
        pause()
        const result = operation(...args)
        pause()
        return result
      },
    })
  }
  return () => void Object.assign(Atomics, original)
}
