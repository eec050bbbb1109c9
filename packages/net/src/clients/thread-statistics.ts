/**
 * What one thread counts for INFO: totals, counters per command (by the ids of the link thread's registry), latencies, and
 * errors by code. All of it lies in shared memory that its thread alone writes; the link thread reads it at any time and
 * adds it up (`statistics.ts`).
 *
 * ```
 * totals f64 × 16 | calls, micros, rejected, failed f64 × commands | error counts f64 × 128
 * | error codes 32 bytes × 128 | histograms: HISTOGRAM_NUMBERS f64 × (commands + 1), the last of turns of the event loop
 * ```
 * A number of 8 bytes may be read while it is written; on the machines Node runs on it is the one before or the one after.
 */
import { errorCode } from '@understudy/core/internal'
import { HISTOGRAM_NUMBERS, LatencyHistogram } from './histogram.ts'

/** Redis keeps at most this many codes; then counting them stops (7.0.15+, ERROR_STATS_NUMBER). */
const ERROR_CODES_MAX = 128
/** Longer codes count as what they begin with. */
const CODE_BYTES = 32
const TOTALS = 16
const COMMAND_ARRAYS = 4
const NUMBER_BYTES = 8

// Indexes of `totals`.
const COMMANDS = 0
const CONNECTIONS = 1
const REJECTED_CONNECTIONS = 2
const ERROR_REPLIES = 3
const UNEXPECTED_ERRORS = 4
const NET_INPUT = 5
const NET_OUTPUT = 6
const READS = 7
const WRITES = 8
const HITS = 9
const MISSES = 10
const TURN_MICROS = 11
const TURN_COMMAND_MICROS = 12
const OUTPUT_LIMIT_DISCONNECTIONS = 13
const LONG_REPLIES = 14

function memoryBytes(commandCount: number): number {
  const numbers = TOTALS + COMMAND_ARRAYS * commandCount + ERROR_CODES_MAX
  return numbers * NUMBER_BYTES + ERROR_CODES_MAX * CODE_BYTES + (commandCount + 1) * HISTOGRAM_NUMBERS * NUMBER_BYTES
}

export class ThreadStatistics {
  readonly commandCount: number
  readonly memory: SharedArrayBuffer
  readonly calls: Float64Array
  readonly micros: Float64Array
  readonly rejected: Float64Array
  readonly failed: Float64Array
  readonly #totals: Float64Array
  readonly #errorCounts: Float64Array
  readonly #errorCodes: Buffer
  readonly #histogramsAt: number
  readonly #histograms: (LatencyHistogram | undefined)[]

  /** @param commandCount `registry.size`. @param memory of another thread, to read what it counts, or ours by its wish. */
  constructor(commandCount: number, memory: SharedArrayBuffer = new SharedArrayBuffer(memoryBytes(commandCount))) {
    this.commandCount = commandCount
    this.memory = memory
    let at = 0
    const numbers = (count: number): Float64Array => {
      const array = new Float64Array(memory, at, count)
      at += count * NUMBER_BYTES
      return array
    }
    this.#totals = numbers(TOTALS)
    this.calls = numbers(commandCount)
    this.micros = numbers(commandCount)
    this.rejected = numbers(commandCount)
    this.failed = numbers(commandCount)
    this.#errorCounts = numbers(ERROR_CODES_MAX)
    this.#errorCodes = Buffer.from(memory, at, ERROR_CODES_MAX * CODE_BYTES)
    this.#histogramsAt = at + ERROR_CODES_MAX * CODE_BYTES
    this.#histograms = Array.from({ length: commandCount })
  }

  get commandsProcessed(): number {
    return this.#totals[COMMANDS]!
  }
  set commandsProcessed(value: number) {
    this.#totals[COMMANDS] = value
  }

  get connectionsReceived(): number {
    return this.#totals[CONNECTIONS]!
  }
  set connectionsReceived(value: number) {
    this.#totals[CONNECTIONS] = value
  }

  get connectionsRejected(): number {
    return this.#totals[REJECTED_CONNECTIONS]!
  }
  set connectionsRejected(value: number) {
    this.#totals[REJECTED_CONNECTIONS] = value
  }

  get errorReplies(): number {
    return this.#totals[ERROR_REPLIES]!
  }
  set errorReplies(value: number) {
    this.#totals[ERROR_REPLIES] = value
  }

  get unexpectedErrorReplies(): number {
    return this.#totals[UNEXPECTED_ERRORS]!
  }
  set unexpectedErrorReplies(value: number) {
    this.#totals[UNEXPECTED_ERRORS] = value
  }

  get netInputBytes(): number {
    return this.#totals[NET_INPUT]!
  }
  set netInputBytes(value: number) {
    this.#totals[NET_INPUT] = value
  }

  get netOutputBytes(): number {
    return this.#totals[NET_OUTPUT]!
  }
  set netOutputBytes(value: number) {
    this.#totals[NET_OUTPUT] = value
  }

  get readsProcessed(): number {
    return this.#totals[READS]!
  }
  set readsProcessed(value: number) {
    this.#totals[READS] = value
  }

  get writesProcessed(): number {
    return this.#totals[WRITES]!
  }
  set writesProcessed(value: number) {
    this.#totals[WRITES] = value
  }

  /** Reads of keys that were there, and of keys that were not, in an I/O thread; the link thread's are the keyspace's. */
  get hits(): number {
    return this.#totals[HITS]!
  }
  set hits(value: number) {
    this.#totals[HITS] = value
  }

  get misses(): number {
    return this.#totals[MISSES]!
  }
  set misses(value: number) {
    this.#totals[MISSES] = value
  }

  /** Connections that were closed because they did not take their output. */
  get outputLimitDisconnections(): number {
    return this.#totals[OUTPUT_LIMIT_DISCONNECTIONS]!
  }
  set outputLimitDisconnections(value: number) {
    this.#totals[OUTPUT_LIMIT_DISCONNECTIONS] = value
  }

  /** Replies that were made in slices, or wait for it. The link thread counts them all. */
  get longReplies(): number {
    return this.#totals[LONG_REPLIES]!
  }
  set longReplies(value: number) {
    this.#totals[LONG_REPLIES] = value
  }

  /** Latencies of a command; zero where it was never timed. */
  histogram(id: number): LatencyHistogram {
    return (this.#histograms[id] ??= new LatencyHistogram(
      new Float64Array(this.memory, this.#histogramsAt + id * HISTOGRAM_NUMBERS * NUMBER_BYTES, HISTOGRAM_NUMBERS),
    ))
  }

  /** Lengths of the turns of the event loop in which something was to be done. */
  get turns(): LatencyHistogram {
    return this.histogram(this.commandCount)
  }

  /** All turns together, and the commands in them, in microseconds. */
  get turnMicros(): number {
    return this.#totals[TURN_MICROS]!
  }

  get turnCommandMicros(): number {
    return this.#totals[TURN_COMMAND_MICROS]!
  }

  /** @param elapsedMs from the first event of a turn to the end of its work. */
  countTurn(elapsedMs: number): void {
    this.#totals[TURN_MICROS]! += elapsedMs * 1000
    this.turns.record(elapsedMs * 1e6)
  }

  /** @param elapsedMs time that `count` commands took together. */
  countCommands(id: number, count: number, elapsedMs: number, histogram: boolean): void {
    this.commandsProcessed += count
    this.calls[id]! += count
    this.micros[id]! += elapsedMs * 1000
    this.#totals[TURN_COMMAND_MICROS]! += elapsedMs * 1000
    if (histogram) this.histogram(id).record((elapsedMs * 1e6) / count, count)
  }

  /** An error reply was sent. @param text as given to `ReplyEncoder.error`. */
  countError(text: string): void {
    this.errorReplies++
    this.#addErrors(errorCode(text), 1)
  }

  /** Error replies by code. */
  get errors(): [code: string, count: number][] {
    const pairs: [string, number][] = []
    for (let i = 0; i < ERROR_CODES_MAX && this.#hasCode(i); i++) {
      // Zero: what was counted was taken away again.
      if (this.#errorCounts[i] !== 0) pairs.push([this.#codeAt(i), this.#errorCounts[i]!])
    }
    return pairs
  }

  /** Adds what `other` counted, or with -1 takes it away. */
  add(other: ThreadStatistics, sign: 1 | -1): void {
    const arrays = (from: ThreadStatistics): Float64Array[] => [
      from.#totals,
      from.calls,
      from.micros,
      from.rejected,
      from.failed,
    ]
    const theirs = arrays(other)
    for (const [index, array] of arrays(this).entries()) {
      const more = theirs[index]!
      for (let i = 0; i < array.length; i++) array[i]! += sign * more[i]!
    }
    for (let id = 0; id < this.commandCount; id++) {
      if (other.calls[id] !== 0) this.histogram(id).add(other.histogram(id), sign)
    }
    if (other.turns.count !== 0) this.turns.add(other.turns, sign)
    for (const [code, count] of other.errors) this.#addErrors(code, sign * count)
  }

  /** A copy of its own memory. */
  copy(): ThreadStatistics {
    const memory = new SharedArrayBuffer(this.memory.byteLength)
    new Uint8Array(memory).set(new Uint8Array(this.memory))
    return new ThreadStatistics(this.commandCount, memory)
  }

  /** Sets everything to zero. Only for whoever writes these counters, and only histograms that were asked for by this object. */
  clear(): void {
    new Uint8Array(this.memory, 0, this.#histogramsAt).fill(0)
    for (const histogram of this.#histograms) histogram?.clear()
  }

  #addErrors(code: string, count: number): void {
    const name = code.slice(0, CODE_BYTES)
    for (let i = 0; i < ERROR_CODES_MAX; i++) {
      if (!this.#hasCode(i)) this.#errorCodes.write(name, i * CODE_BYTES, 'latin1')
      else if (this.#codeAt(i) !== name) continue
      this.#errorCounts[i]! += count
      return
    }
  }

  #hasCode(index: number): boolean {
    return this.#errorCodes[index * CODE_BYTES] !== 0
  }

  #codeAt(index: number): string {
    const start = index * CODE_BYTES
    const end = this.#errorCodes.indexOf(0, start)
    return this.#errorCodes.toString('latin1', start, end < 0 ? start + CODE_BYTES : Math.min(end, start + CODE_BYTES))
  }
}
