/**
 * The queue of one MULTI: copies of the arguments in one growing buffer, so that a queued command costs no object but
 * its row here. EXEC points `args` at one command after the other.
 */
import type { CommandArgs, CommandEntry } from '@understudy/core/internal'

/** What CLIENT LIST and the limits want to know of a transaction that is being queued, wherever it is. */
export interface QueueFacts {
  /** Commands. */
  readonly count: number
  /** Of their arguments, with a pointer to each: as redis 7.0 multi.c queueMultiCommand() counts. */
  readonly argumentBytes: number
  /** All memory it takes. */
  readonly heldBytes: number
}

/** Of a connection that is not in MULTI; the count is what CLIENT LIST shows. */
export const NO_QUEUE: QueueFacts = { count: -1, argumentBytes: 0, heldBytes: 0 }

const POINTER_BYTES = 8

export class TransactionQueue<Entry extends Pick<CommandEntry, 'flags'>> implements QueueFacts {
  readonly entries: Entry[] = []
  /** Flags that at least one queued command has, and flags that at least one lacks. */
  flags = 0
  lacks = 0
  #bytes: Buffer = Buffer.allocUnsafeSlow(512)
  #byteCount = 0
  /** start and end of every argument of every command, one after the other. */
  #bounds: Int32Array = new Int32Array(32)
  #boundCount = 0
  /** Index of the first bound of command i. */
  readonly #firstBound: number[] = []

  get count(): number {
    return this.entries.length
  }

  get argumentBytes(): number {
    return this.#byteCount + (this.#boundCount / 2) * POINTER_BYTES
  }

  get heldBytes(): number {
    return this.#bytes.length + this.#bounds.byteLength
  }

  add(entry: Entry, args: CommandArgs): void {
    this.entries.push(entry)
    this.flags |= entry.flags
    this.lacks |= ~entry.flags
    this.#firstBound.push(this.#boundCount)
    let needed = this.#byteCount
    for (let i = 0; i < args.count; i++) needed += args.end[i]! - args.start[i]!
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2))
      this.#bytes.copy(grown, 0, 0, this.#byteCount)
      this.#bytes = grown
    }
    const boundsNeeded = this.#boundCount + args.count * 2
    if (boundsNeeded > this.#bounds.length) {
      const grown = new Int32Array(Math.max(boundsNeeded, this.#bounds.length * 2))
      grown.set(this.#bounds.subarray(0, this.#boundCount))
      this.#bounds = grown
    }
    for (let i = 0; i < args.count; i++) {
      const start = args.start[i]!
      const end = args.end[i]!
      this.#bytes.set(args.bytes.subarray(start, end), this.#byteCount)
      this.#bounds[this.#boundCount++] = this.#byteCount
      this.#byteCount += end - start
      this.#bounds[this.#boundCount++] = this.#byteCount
    }
  }

  /** Points `into` at the arguments of command `index`. */
  read(index: number, into: QueuedArgs): void {
    const from = this.#firstBound[index]!
    const to = index + 1 < this.#firstBound.length ? this.#firstBound[index + 1]! : this.#boundCount
    const count = (to - from) / 2
    if (into.start.length < count) {
      into.start = new Int32Array(count)
      into.end = new Int32Array(count)
    }
    for (let i = 0; i < count; i++) {
      into.start[i] = this.#bounds[from + i * 2]!
      into.end[i] = this.#bounds[from + i * 2 + 1]!
    }
    into.bytes = this.#bytes
    into.count = count
  }
}

/** The arguments of a queued command while EXEC runs it. */
export class QueuedArgs implements CommandArgs {
  bytes: Uint8Array = new Uint8Array(0)
  count = 0
  start: Int32Array = new Int32Array(16)
  end: Int32Array = new Int32Array(16)
}

/** A copy of the arguments of a command that waits. */
export function copyArgs(args: CommandArgs): CommandArgs {
  const { count } = args
  const start = new Int32Array(count)
  const end = new Int32Array(count)
  let length = 0
  for (let i = 0; i < count; i++) length += args.end[i]! - args.start[i]!
  const bytes = Buffer.allocUnsafeSlow(length)
  for (let i = 0, at = 0; i < count; i++) {
    start[i] = at
    bytes.set(args.bytes.subarray(args.start[i], args.end[i]), at)
    at += args.end[i]! - args.start[i]!
    end[i] = at
  }
  return { bytes, count, start, end }
}

/** Shared by all EXECs of a thread: commands of one EXEC run one after the other, and EXEC does not nest. */
export const queuedArgs: QueuedArgs = new QueuedArgs()
