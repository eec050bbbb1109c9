/** Waits for something that no event announces, by asking again and again. */
import { setTimeout as sleep } from 'node:timers/promises'

export interface WaitOptions {
  /** Default 20 s: a machine that is slow or busy needs it, and who waits in vain has failed anyway. */
  readonly timeoutMs?: number
  /** Pause between two tries. Default 10 ms. */
  readonly intervalMs?: number
}

/**
 * Polls until `probe` returns something other than false, null or undefined, and returns that. A probe that throws counts as a
 * failed try; its last error becomes the cause. 0 and '' are results.
 *
 * @param what Completes the sentence 'waited 20000 ms for …'.
 */
export async function waitFor<T>(
  what: string,
  probe: () => T | Promise<T>,
  { timeoutMs = 20_000, intervalMs = 10 }: WaitOptions = {},
): Promise<Exclude<T, false | null | undefined>> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    let last: unknown
    let cause: unknown
    try {
      const result = await probe()
      if (result !== false && result !== null && result !== undefined) {
        return result as Exclude<T, false | null | undefined>
      }
      last = result
    } catch (error) {
      cause = error
    }
    if (performance.now() >= deadline) {
      const seen = cause === undefined ? `last result: ${String(last)}` : `last error: ${String(cause)}`
      throw new Error(`waited ${timeoutMs} ms for ${what} (${seen})`, { cause })
    }
    await sleep(intervalMs)
  }
}

/** Polls until `probe` returns `expected` (by ===), and shows the last value if it never does. */
export async function waitForValue<T>(
  what: string,
  probe: () => T | Promise<T>,
  expected: T,
  options?: WaitOptions,
): Promise<void> {
  let last: T | undefined
  await waitFor(
    `${what} to be ${String(expected)}`,
    async () => {
      last = await probe()
      if (last !== expected) throw new Error(`it is ${String(last)}`)
      return true
    },
    options,
  )
}
