/**
 * What the link thread wants to know at any time of the connections of an I/O thread (CLIENT LIST, time-outs,
 * maxmemory-clients), in shared memory: one row for each connection, written by the I/O thread alone. A row may be read
 * while it changes; it is a moment's news in any case.
 *
 * ```
 * row:  | last interaction, ms f64 | unread input, bytes f64 | unsent output, bytes f64 | id of the last command f64 |
 *       | overdue of its long reply f64 | commands queued f64 | their arguments, bytes f64 | memory of the queue, bytes f64 |
 * ```
 * The memory grows with the connections, in place, as every thread sees.
 */
import { NO_QUEUE, type QueueFacts } from '../clients/transaction.ts'

const LAST_INTERACTION = 0
const INPUT = 1
const OUTPUT = 2
const COMMAND_ID = 3
const REPLY_OVERDUE = 4
const QUEUED_COUNT = 5
const QUEUED_ARGUMENT_BYTES = 6
const QUEUE_BYTES = 7
const FIELDS = 8
const ROW_BYTES = 8 * FIELDS
const ROWS_FIRST = 256
/** Connections beyond it have no row: they are served, only told of as idle. */
const ROWS_MAX: number = 2 ** 20
/** The last command ran in the link thread. */
export const NO_COMMAND = -1
/** Slot of a connection without a row. */
const NO_SLOT = -1

export interface ConnectionRow {
  readonly lastInteractionMs: number
  readonly inputBytes: number
  readonly outputBytes: number
  readonly commandId: number
  /** `ReplyPace.overdue`. */
  readonly replyOverdue: number
  /** Of its transaction. */
  readonly queue: QueueFacts
}

const UNKNOWN: ConnectionRow = {
  lastInteractionMs: 0,
  inputBytes: 0,
  outputBytes: 0,
  commandId: NO_COMMAND,
  replyOverdue: 0,
  queue: NO_QUEUE,
}

export class ConnectionTable {
  readonly memory: SharedArrayBuffer
  #rows: Float64Array
  readonly #free: number[] = []
  #used = 0

  /** @param memory of the thread's table, to read it. */
  constructor(memory?: SharedArrayBuffer) {
    this.memory = memory ?? new SharedArrayBuffer(ROWS_FIRST * ROW_BYTES, { maxByteLength: ROWS_MAX * ROW_BYTES })
    this.#rows = this.#view()
  }

  /** A row for a new connection. I/O thread only. */
  take(nowMs: number): number {
    const slot = this.#free.pop() ?? (this.#used < ROWS_MAX ? this.#used++ : NO_SLOT)
    if (slot * FIELDS >= this.#rows.length) {
      this.memory.grow(Math.min(this.memory.byteLength * 2, ROWS_MAX * ROW_BYTES))
      this.#rows = this.#view()
    }
    this.write(slot, nowMs, 0, 0, NO_COMMAND)
    this.writeReplyOverdue(slot, 0)
    this.writeQueue(slot, NO_QUEUE)
    return slot
  }

  /** The connection is gone. I/O thread only. */
  free(slot: number): void {
    if (slot !== NO_SLOT) this.#free.push(slot)
  }

  /** I/O thread only. */
  write(slot: number, lastInteractionMs: number, inputBytes: number, outputBytes: number, commandId: number): void {
    if (slot === NO_SLOT) return
    const rows = this.#rows
    const at = slot * FIELDS
    rows[at + LAST_INTERACTION] = lastInteractionMs
    rows[at + INPUT] = inputBytes
    rows[at + OUTPUT] = outputBytes
    rows[at + COMMAND_ID] = commandId
  }

  /** I/O thread only. */
  writeReplyOverdue(slot: number, replyOverdue: number): void {
    if (slot !== NO_SLOT) this.#rows[slot * FIELDS + REPLY_OVERDUE] = replyOverdue
  }

  /** I/O thread only. */
  writeQueue(slot: number, { count, argumentBytes, heldBytes }: QueueFacts): void {
    if (slot === NO_SLOT) return
    const rows = this.#rows
    const at = slot * FIELDS
    rows[at + QUEUED_COUNT] = count
    rows[at + QUEUED_ARGUMENT_BYTES] = argumentBytes
    rows[at + QUEUE_BYTES] = heldBytes
  }

  read(slot: number): ConnectionRow {
    if (slot === NO_SLOT) return UNKNOWN
    const at = slot * FIELDS
    if (at >= this.#rows.length) this.#rows = this.#view()
    const rows = this.#rows
    return {
      lastInteractionMs: rows[at + LAST_INTERACTION]!,
      inputBytes: rows[at + INPUT]!,
      outputBytes: rows[at + OUTPUT]!,
      commandId: rows[at + COMMAND_ID]!,
      replyOverdue: rows[at + REPLY_OVERDUE]!,
      queue:
        rows[at + QUEUED_COUNT] === NO_QUEUE.count
          ? NO_QUEUE
          : {
              count: rows[at + QUEUED_COUNT]!,
              argumentBytes: rows[at + QUEUED_ARGUMENT_BYTES]!,
              heldBytes: rows[at + QUEUE_BYTES]!,
            },
    }
  }

  /** A length of its own: a view that follows the buffer's is many times slower. */
  #view(): Float64Array {
    return new Float64Array(this.memory, 0, this.memory.byteLength / 8)
  }
}
