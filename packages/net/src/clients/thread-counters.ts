/**
 * Counters for INFO: totals, those per command (by the ids of the link thread's registry), and errors by code.
 *
 * ```
 * totals f64 × 16 | calls, micros, rejected, failed f64 × commands | error counts f64 × 128 | error codes 32 bytes × 128
 * ```
 */
import { errorCode } from '@understudy/core/internal'

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
const TURNS = 15

/** Bytes that the counters of so many commands take: a multiple of eight. */
export function counterBytes(commandCount: number): number {
  const numbers = TOTALS + COMMAND_ARRAYS * commandCount + ERROR_CODES_MAX
  return numbers * NUMBER_BYTES + ERROR_CODES_MAX * CODE_BYTES
}

export class ThreadCounters {
  readonly commandCount: number
  readonly memory: SharedArrayBuffer
  readonly calls: Float64Array
  readonly micros: Float64Array
  readonly rejected: Float64Array
  readonly failed: Float64Array
  /** Totals, and all that is counted per command. */
  readonly #numbers: Float64Array
  readonly #totals: Float64Array
  readonly #errorCounts: Float64Array
  readonly #errorCodes: Buffer

  /** @param commandCount `registry.size`. @param memory begins with the counters. */
  constructor(commandCount: number, memory: SharedArrayBuffer = new SharedArrayBuffer(counterBytes(commandCount))) {
    this.commandCount = commandCount
    this.memory = memory
    let at = 0
    const numbers = (count: number): Float64Array => {
      const array = new Float64Array(memory, at, count)
      at += count * NUMBER_BYTES
      return array
    }
    this.#numbers = new Float64Array(memory, 0, TOTALS + COMMAND_ARRAYS * commandCount)
    this.#totals = numbers(TOTALS)
    this.calls = numbers(commandCount)
    this.micros = numbers(commandCount)
    this.rejected = numbers(commandCount)
    this.failed = numbers(commandCount)
    this.#errorCounts = numbers(ERROR_CODES_MAX)
    this.#errorCodes = Buffer.from(memory, at, ERROR_CODES_MAX * CODE_BYTES)
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

  /** Turns of the event loop in which something was to be done; all of them together, and the commands in them, in microseconds. */
  get turnCount(): number {
    return this.#totals[TURNS]!
  }

  get turnMicros(): number {
    return this.#totals[TURN_MICROS]!
  }

  get turnCommandMicros(): number {
    return this.#totals[TURN_COMMAND_MICROS]!
  }

  /** @param elapsedMs from the first event of a turn to the end of its work. */
  countTurn(elapsedMs: number): void {
    this.#totals[TURNS]!++
    this.#totals[TURN_MICROS]! += elapsedMs * 1000
  }

  /** @param elapsedMs time that `count` commands took together. */
  protected countCalls(id: number, count: number, elapsedMs: number): void {
    this.commandsProcessed += count
    this.calls[id]! += count
    this.micros[id]! += elapsedMs * 1000
    this.#totals[TURN_COMMAND_MICROS]! += elapsedMs * 1000
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
  addCounters(other: ThreadCounters, sign: 1 | -1): void {
    const numbers = this.#numbers
    const more = other.#numbers
    const count = numbers.length
    for (let i = 0; i < count; i++) numbers[i]! += sign * more[i]!
    for (const [code, errors] of other.errors) this.#addErrors(code, sign * errors)
  }

  /** Sets all counters to zero. */
  clearCounters(): void {
    this.#numbers.fill(0)
    this.#errorCounts.fill(0)
    this.#errorCodes.fill(0)
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
