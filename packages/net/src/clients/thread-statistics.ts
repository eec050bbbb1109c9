/**
 * What one thread counts for INFO: its counters, and a histogram of the latencies of each command and of the turns of its event loop. All of it
 * lies in shared memory that its thread alone writes; the link thread reads it at any time and adds it up (`statistics.ts`).
 *
 * ```
 * counters (`thread-counters.ts`) | histograms: HISTOGRAM_NUMBERS f64 × (commands + 1), the last of turns of the event loop
 * ```
 * A number of 8 bytes may be read while it is written; on the machines Node runs on it is the one before or the one after.
 */
import { HISTOGRAM_BYTES, HISTOGRAM_NUMBERS, LatencyHistogram } from './histogram.ts'
import { counterBytes, ThreadCounters } from './thread-counters.ts'

function memoryBytes(commandCount: number): number {
  return counterBytes(commandCount) + (commandCount + 1) * HISTOGRAM_BYTES
}

export class ThreadStatistics extends ThreadCounters {
  readonly #histograms: (LatencyHistogram | undefined)[]

  /** @param commandCount `registry.size`. @param memory of another thread, to read what it counts, or ours by its wish. */
  constructor(commandCount: number, memory: SharedArrayBuffer = new SharedArrayBuffer(memoryBytes(commandCount))) {
    super(commandCount, memory)
    this.#histograms = Array.from({ length: commandCount + 1 })
  }

  /** Latencies of a command, or by `turnsId` lengths of the turns of the event loop; zero where it was never timed. */
  histogram(id: number): LatencyHistogram {
    return (this.#histograms[id] ??= new LatencyHistogram(
      new Float64Array(this.memory, counterBytes(this.commandCount) + id * HISTOGRAM_BYTES, HISTOGRAM_NUMBERS),
    ))
  }

  /** Behind the commands. */
  get turnsId(): number {
    return this.commandCount
  }

  override countTurn(elapsedMs: number): void {
    super.countTurn(elapsedMs)
    this.histogram(this.turnsId).record(elapsedMs * 1e6)
  }

  /** @param elapsedMs time that `count` commands took together. @param isTimed it goes into the histogram as well. */
  countCommands(id: number, count: number, elapsedMs: number, isTimed: boolean): void {
    this.countCalls(id, count, elapsedMs)
    if (isTimed) this.histogram(id).record((elapsedMs * 1e6) / count, count)
  }

  /** Adds all that `other` counted, or with -1 takes it away. */
  add(other: ThreadStatistics, sign: 1 | -1): void {
    this.addCounters(other, sign)
    for (let id = 0; id <= this.turnsId; id++) {
      const theirs = other.histogram(id)
      if (theirs.count !== 0) this.histogram(id).add(theirs, sign)
    }
  }

  /** A copy of its own memory. */
  copy(): ThreadStatistics {
    const memory = new SharedArrayBuffer(this.memory.byteLength)
    new Uint8Array(memory).set(new Uint8Array(this.memory))
    return new ThreadStatistics(this.commandCount, memory)
  }

  /** Sets everything to zero. Only for whoever writes these counters, and only histograms that were asked for by this object. */
  clear(): void {
    this.clearCounters()
    for (const histogram of this.#histograms) histogram?.clear()
  }
}
