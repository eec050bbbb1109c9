/**
 * Counters of the whole server for INFO: those of the link thread (the replication stream counts its commands there too),
 * those of the I/O threads, and the rates of the last 1.6 s.
 *
 * Source of names and meanings: redis 7.0 server.c call(), afterErrorReply(), trackInstantaneousMetric().
 */
import { LatencyHistogram } from './histogram.ts'
import { ThreadCounters } from './thread-counters.ts'
import { ThreadStatistics } from './thread-statistics.ts'

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

/** An I/O thread's counters, and what they were at the last CONFIG RESETSTAT. */
interface OtherThread {
  readonly counters: ThreadStatistics
  base: ThreadStatistics | undefined
}

/** The link thread's counters, and those of the other threads beside them. */
export class ServerStatistics extends ThreadStatistics {
  /** Largest input and output buffers of the last seconds. */
  recentInputBufferMax = 0
  recentOutputBufferMax = 0
  /** Bytes that came from primaries since the start; whoever has a link to one puts its counter here. */
  replicationInputTotal: () => number = () => 0
  #replicationInputBase = 0
  readonly replicationInputRate: Rate = new Rate()
  readonly commandRate: Rate = new Rate()
  readonly turnRate: Rate = new Rate()
  readonly turnMicrosRate: Rate = new Rate()
  readonly inputRate: Rate = new Rate()
  readonly outputRate: Rate = new Rate()
  readonly #rates: readonly Rate[] = [
    this.commandRate,
    this.turnRate,
    this.turnMicrosRate,
    this.inputRate,
    this.outputRate,
    this.replicationInputRate,
  ]
  readonly #others: OtherThread[] = []
  #sum: ThreadCounters | undefined
  #latencies: LatencyHistogram | undefined

  /** Bytes that came from primaries since the start or the last reset. */
  get replicationInputBytes(): number {
    return this.replicationInputTotal() - this.#replicationInputBase
  }

  /** @param counters of a thread, which writes them itself. */
  addThread(counters: ThreadStatistics): void {
    this.#others.push({ counters, base: undefined })
  }

  /** The thread has ended: what it counted stays. */
  removeThread(counters: ThreadStatistics): void {
    const at = this.#others.findIndex((other) => other.counters === counters)
    if (at < 0) return
    const [{ base }] = this.#others.splice(at, 1) as [OtherThread]
    this.add(counters, 1)
    if (base !== undefined) this.add(base, -1)
  }

  /** Counters of all threads together; borrowed until the next call. */
  whole(): ThreadCounters {
    if (this.#others.length === 0) return this
    const sum = (this.#sum ??= new ThreadCounters(this.commandCount))
    sum.clearCounters()
    sum.addCounters(this, 1)
    for (const { counters, base } of this.#others) {
      sum.addCounters(counters, 1)
      if (base !== undefined) sum.addCounters(base, -1)
    }
    return sum
  }

  /** How often all threads together timed what has this id in them. */
  timed(id: number): number {
    return this.#total((counters) => counters.histogram(id).count)
  }

  /** Histogram of all threads together; borrowed until the next call. Some thousand additions: only for an id that was timed. */
  latencies(id: number): LatencyHistogram {
    if (this.#others.length === 0) return this.histogram(id)
    const sum = (this.#latencies ??= new LatencyHistogram())
    sum.clear()
    sum.add(this.histogram(id), 1)
    for (const { counters, base } of this.#others) {
      sum.add(counters.histogram(id), 1)
      if (base !== undefined) sum.add(base.histogram(id), -1)
    }
    return sum
  }

  /** Of the I/O threads alone: reads and writes on sockets. */
  get threadedIo(): { readonly reads: number; readonly writes: number } {
    let reads = 0
    let writes = 0
    for (const { counters, base } of this.#others) {
      reads += counters.readsProcessed - (base?.readsProcessed ?? 0)
      writes += counters.writesProcessed - (base?.writesProcessed ?? 0)
    }
    return { reads, writes }
  }

  /** Several times a second: only what the rates need is added up. */
  sampleRates(nowMs: number): void {
    const sample = (rate: Rate, pick: (counters: ThreadStatistics) => number): void =>
      rate.sample(this.#total(pick), nowMs)
    sample(this.commandRate, (counters) => counters.commandsProcessed)
    sample(this.turnRate, (counters) => counters.turnCount)
    sample(this.turnMicrosRate, (counters) => counters.turnMicros)
    sample(this.inputRate, (counters) => counters.netInputBytes)
    sample(this.outputRate, (counters) => counters.netOutputBytes)
    this.replicationInputRate.sample(this.replicationInputBytes, nowMs)
  }

  /** Of one counter, in all threads. */
  #total(pick: (counters: ThreadStatistics) => number): number {
    let total = pick(this)
    for (const { counters, base } of this.#others) total += pick(counters) - (base === undefined ? 0 : pick(base))
    return total
  }

  /** CONFIG RESETSTAT. What other threads write is left to them: it counts from here on. */
  reset(): void {
    this.clear()
    for (const other of this.#others) other.base = other.counters.copy()
    this.#replicationInputBase = this.replicationInputTotal()
    for (const rate of this.#rates) rate.clear()
  }
}
