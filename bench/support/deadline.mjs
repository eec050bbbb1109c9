/** Nothing in a benchmark may wait for ever. */

/**
 * `promise`, or an error that says what did not come in time. What the promise stands for goes on: the caller ends it.
 *
 * @template Result
 * @param {Promise<Result>} promise
 * @param {number} timeoutMs
 * @param {string} what As in 'the ACK of the last offset'.
 * @returns {Promise<Result>}
 */
export async function within(promise, timeoutMs, what) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer
  /** @type {Promise<never>} */
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come within ${timeoutMs / 1000} s`)), timeoutMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
