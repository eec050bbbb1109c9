/**
 * What people are told of a load: how far it is, in the log every few seconds and as a bar when standard error is a terminal; and
 * at its end what came, at which speed, and whether the keys are as many as the snapshot had announced.
 */
import type { Logger, RdbLoadResult } from '@understudy/core/internal'
import { ProgressBar, progressText } from '../log/progress.ts'
import type { BarStream, Progress } from '../log/progress.ts'

const LOG_EVERY_MS = 5000

export class LoadReport {
  readonly #logger: Logger
  readonly #bar: ProgressBar
  #loggedMs = 0
  #isLoading = false

  constructor(logger: Logger, stderr: BarStream) {
    this.#logger = logger
    this.#bar = new ProgressBar(stderr, 'Loading')
  }

  /** Called often. @param progress undefined: nothing is loaded now */
  tick(progress: Progress | undefined): void {
    if (progress === undefined) {
      if (this.#isLoading) this.#bar.end()
      this.#isLoading = false
      return
    }
    // Another load than the last one seen.
    if (!this.#isLoading || progress.elapsedMs < this.#loggedMs) this.#loggedMs = 0
    this.#isLoading = true
    this.#bar.show(progress)
    if (progress.elapsedMs - this.#loggedMs < LOG_EVERY_MS) return
    this.#loggedMs = progress.elapsedMs
    this.#logger.notice(`Loading: ${progressText(progress)}`)
  }

  /**
   * @param keysIn how many keys a database has now
   * @param elapsedMs what the load took, with the wait for its bytes
   */
  loaded(result: RdbLoadResult, keysIn: (db: number) => number, elapsedMs: number): void {
    this.#bar.end()
    const { summary, keyCount } = result
    const speed = progressText({ doneBytes: summary.byteCount, totalBytes: 0, keys: keyCount, elapsedMs })
    this.#logger.notice(`Loaded ${keyCount} keys in ${(elapsedMs / 1000).toFixed(3)} seconds: ${speed}`)
    const mismatch = keyMismatch(result, keysIn)
    if (mismatch !== undefined) this.#logger.warning(mismatch)
  }
}

/** What RESIZEDB announced and what is there, per database, where that differs by more than what was left out on purpose. */
export function keyMismatch({ summary }: RdbLoadResult, keysIn: (db: number) => number): string | undefined {
  let leftOut = summary.emptyKeysDropped
  for (const count of Object.values(summary.skippedModules)) leftOut += count
  const differing: string[] = []
  let missing = 0
  for (const [db, announced] of summary.announcedKeys) {
    const found = keysIn(db)
    missing += announced - found
    if (announced !== found) differing.push(`database ${db} has ${found} keys, ${announced} were announced`)
  }
  if (missing === leftOut) return undefined
  return `The snapshot does not have the keys that it announced: ${differing.join('; ')}; ${leftOut} were left out on purpose`
}
