/**
 * What people are told of a load: how far it is, in the log every few seconds and as a bar on a terminal; and
 * at its end what came, and at which speed. Whether it is all: key-check.ts.
 */
import type { Logger, RdbLoadResult } from '@understudy/core/internal'
import { ProgressBar, progressText } from '../log/progress.ts'
import type { BarStream, Progress } from '../log/progress.ts'

const LOG_EVERY_MS = 5000
const NOWHERE: BarStream = { write: () => {} }

export class LoadReport {
  readonly #logger: Logger
  readonly #bar: ProgressBar
  #loggedMs = 0
  #isLoading = false

  /** @param stream to draw on; left out: nothing is drawn */
  constructor(logger: Logger, stream: BarStream = NOWHERE) {
    this.#logger = logger
    this.#bar = new ProgressBar(stream, 'Loading')
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

  /** @param elapsedMs what the load took, with the wait for its bytes */
  loaded({ summary, keyCount }: RdbLoadResult, elapsedMs: number): void {
    this.#bar.end()
    const speed = progressText({ doneBytes: summary.byteCount, totalBytes: 0, keys: keyCount, elapsedMs })
    this.#logger.notice(`Loaded ${keyCount} keys in ${(elapsedMs / 1000).toFixed(3)} seconds: ${speed}`)
  }
}
