/**
 * Soaks: tests whose worth grows with the amount of work. Each is a module `test/soak/<name>.soak.ts` that exports one `soak`; it is
 * used twice:
 *
 *   npx -y pnpm@12 soak <name> [--seed N] [--count N] [--for SECONDS]     the stated amount, or as told
 *   test/soak/<name>.test.ts:  soakSlice('<name>', soak)                  the slice of every test run
 *
 * New soak: write both files; test/soak/soak.test.ts checks that none is missing. A run with the same seed and count does the
 * same work. `seconds` ends it at the next round boundary.
 */
import { expect, it } from 'vitest'
import { itOfReference } from './reference.ts'

export interface SoakAmount {
  /** Rounds; what a round is, is said by `about`. */
  readonly count: number
  /** At most this long; unlimited when left out. */
  readonly seconds?: number
}

export interface SoakOptions {
  readonly seed: number
  /** Infinity when only the time limits it. */
  readonly count: number
  /** Infinity when only the count limits it. */
  readonly seconds: number
  readonly log: (line: string) => void
}

export interface SoakResult {
  /** Rounds done. */
  readonly count: number
  /** What else was counted, for the last line. */
  readonly counted?: Readonly<Record<string, number>>
}

export interface Soak {
  /** One sentence: what a round does and what must hold. */
  readonly about: string
  /** What `soak <name>` runs by default: the amount the project promises. */
  readonly stated: SoakAmount
  /** What every test run does: some seconds. */
  readonly slice: SoakAmount
  /** Replies are compared with those of redis 7.0: with another release the slice is skipped. */
  readonly comparesReplies?: boolean
  /** Throws at the first thing that is wrong, saying in which round. */
  run(options: SoakOptions): Promise<SoakResult>
}

const SLICE_SEED = 1
/** A slice that has not ended then hangs: some seconds of work on this machine may be many on another. */
const SLICE_TIMEOUT_MS = 180_000

/** Declares the vitest test that runs the slice. */
export function soakSlice(name: string, soak: Soak): void {
  const test = soak.comparesReplies === true ? itOfReference : it
  test(`soak ${name}: ${soak.about}`, { timeout: SLICE_TIMEOUT_MS }, async () => {
    const { count, seconds = Infinity } = soak.slice
    const result = await soak.run({ seed: SLICE_SEED, count, seconds, log: () => {} })
    expect(result.count).toBeGreaterThan(0)
    if (seconds === Infinity) expect(result.count).toBe(count)
  })
}

/**
 * The round numbers 0, 1, 2 … of a run: ends after `count` or `seconds`, and logs progress every ten seconds.
 *
 *   for (const round of rounds(options)) { … }
 */
export function* rounds({ count, seconds, log }: SoakOptions): Generator<number> {
  const started = performance.now()
  let lastLog = started
  for (let round = 0; round < count; round++) {
    const now = performance.now()
    if (now - started >= seconds * 1000) return
    if (now - lastLog >= 10_000) {
      log(
        `round ${round}${Number.isFinite(count) ? ` of ${count}` : ''} after ${((now - started) / 1000).toFixed(0)} s`,
      )
      lastLog = now
    }
    yield round
  }
}

const LOGGED_LINES = 25

/** A part of a soak: when it fails, the error says where that was and what these servers logged last. */
export async function withLogs<T>(
  where: string,
  servers: readonly { readonly lines: readonly string[] }[],
  run: () => Promise<T>,
): Promise<T> {
  try {
    return await run()
  } catch (error) {
    const tail = servers.flatMap(({ lines }) => lines.slice(-LOGGED_LINES)).join('\n')
    throw new Error(`${where}: ${String(error)}\n${tail}`, { cause: error })
  }
}
