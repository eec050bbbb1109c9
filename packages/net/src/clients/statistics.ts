/**
 * Counters of a server for INFO: per command (by the registry's ids), per error code, totals and the rates of the last
 * 1.6 s. The replication stream counts its commands here too (`countCommands`).
 *
 * Source of names and meanings: redis 7.0 server.c call(), afterErrorReply(), trackInstantaneousMetric().
 */
import { errorCode } from '@understudy/core/internal'
import { LatencyHistogram } from './histogram.ts'

/** Redis keeps at most this many codes; then counting them stops (7.0.15+, ERROR_STATS_NUMBER). */
const ERROR_CODES_MAX = 128
const RATE_SAMPLES = 16

/** A rate over the newest samples of a growing total. */
export class Rate {
  readonly #samples: number[] = []
  #lastTotal = 0
  #lastMs = -1

  sample(total: number, nowMs: number): void {
    if (this.#lastMs >= 0 && nowMs > this.#lastMs) {
      this.#samples.push(((total - this.#lastTotal) * 1000) / (nowMs - this.#lastMs))
      if (this.#samples.length > RATE_SAMPLES) this.#samples.shift()
    }
    this.#lastTotal = total
    this.#lastMs = nowMs
  }

  /** Per second. */
  get perSecond(): number {
    if (this.#samples.length === 0) return 0
    return this.#samples.reduce((sum, sample) => sum + sample, 0) / this.#samples.length
  }

  clear(): void {
    this.#samples.length = 0
    this.#lastMs = -1
  }
}

export class ServerStatistics {
  readonly calls: Float64Array
  readonly micros: Float64Array
  readonly rejected: Float64Array
  readonly failed: Float64Array
  readonly histograms: (LatencyHistogram | undefined)[]
  readonly errors: Map<string, number> = new Map()

  commandsProcessed = 0
  connectionsReceived = 0
  connectionsRejected = 0
  errorReplies = 0
  unexpectedErrorReplies = 0
  netInputBytes = 0
  netOutputBytes = 0
  readsProcessed = 0
  writesProcessed = 0
  /** Largest input and output buffers of the last seconds. */
  recentInputBufferMax = 0
  recentOutputBufferMax = 0
  /** Bytes that came from primaries since the start; whoever has a link to one puts its counter here. */
  replicationInputTotal: () => number = () => 0
  #replicationInputBase = 0
  readonly replicationInputRate: Rate = new Rate()
  readonly commandRate: Rate = new Rate()
  readonly inputRate: Rate = new Rate()
  readonly outputRate: Rate = new Rate()

  /** @param commandCount `registry.size`. */
  constructor(commandCount: number) {
    this.calls = new Float64Array(commandCount)
    this.micros = new Float64Array(commandCount)
    this.rejected = new Float64Array(commandCount)
    this.failed = new Float64Array(commandCount)
    this.histograms = Array.from({ length: commandCount })
  }

  /** Bytes that came from primaries since the start or the last reset. */
  get replicationInputBytes(): number {
    return this.replicationInputTotal() - this.#replicationInputBase
  }

  /** @param elapsedMs time that `count` commands took together. */
  countCommands(id: number, count: number, elapsedMs: number, histogram: boolean): void {
    this.commandsProcessed += count
    this.calls[id]! += count
    this.micros[id]! += elapsedMs * 1000
    if (histogram) (this.histograms[id] ??= new LatencyHistogram()).record((elapsedMs * 1e6) / count, count)
  }

  /** An error reply was sent. @param text as given to `ReplyEncoder.error`. */
  countError(text: string): void {
    this.errorReplies++
    const code = errorCode(text)
    const known = this.errors.get(code)
    if (known !== undefined) this.errors.set(code, known + 1)
    else if (this.errors.size < ERROR_CODES_MAX) this.errors.set(code, 1)
  }

  sampleRates(nowMs: number): void {
    this.commandRate.sample(this.commandsProcessed, nowMs)
    this.inputRate.sample(this.netInputBytes, nowMs)
    this.outputRate.sample(this.netOutputBytes, nowMs)
    this.replicationInputRate.sample(this.replicationInputBytes, nowMs)
  }

  /** CONFIG RESETSTAT. */
  reset(): void {
    for (const counts of [this.calls, this.micros, this.rejected, this.failed]) counts.fill(0)
    this.histograms.fill(undefined)
    this.errors.clear()
    this.commandsProcessed = this.connectionsReceived = this.connectionsRejected = 0
    this.errorReplies = this.unexpectedErrorReplies = 0
    this.netInputBytes = this.netOutputBytes = this.readsProcessed = this.writesProcessed = 0
    this.#replicationInputBase = this.replicationInputTotal()
    for (const rate of [this.commandRate, this.inputRate, this.outputRate, this.replicationInputRate]) rate.clear()
  }
}
