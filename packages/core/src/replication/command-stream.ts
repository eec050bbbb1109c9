/**
 * The stream of commands behind a full or partial resync: receives bytes in place, finds commands, hands them over one
 * by one or, between MULTI and EXEC, as one unit, and keeps the two offsets apart. It does not know what a command
 * does; it only recognises those that frame the stream (SELECT, MULTI, EXEC, PING, REPLCONF).
 *
 * The input buffer:
 *
 *       applied               scan               tail             capacity
 *          │                    │                  │                  │
 *     ─────┬────────────────────┬──────────────────┬──────────────────┐
 *     done │ open MULTI group:  │ part of a        │ writable():      │
 *          │ parsed, not handed │ command          │ the socket reads │
 *          │ over               │                  │ straight into it │
 *     ─────┴────────────────────┴──────────────────┴──────────────────┘
 *
 * received offset = offset of `tail`; applied offset = offset of `applied`: whole commands, whole groups. Bytes move
 * only inside `writable()`, never while a view is lent to a socket. Outside a group, scan = applied.
 *
 * Frame rules: protocol-facts §4.1, seen on redis 7.0.15.
 */
import type { CommandArgs } from '../commands/command.ts'
import { ProtocolError } from '../errors.ts'
import type { Clock } from '../ports.ts'
import { CommandParser } from './command-parser.ts'
import { CommandsAhead } from './commands-ahead.ts'
import {
  EXEC,
  type FrameCommand,
  GETACK,
  isArgument,
  isFrame,
  isWord,
  MULTI,
  PING,
  readDb,
  REPLCONF,
  SELECT,
} from './frame-commands.ts'
import {
  STREAM_BUFFER_BYTES,
  STREAM_READ_BYTES_MAX,
  STREAM_READ_BYTES_MIN,
  STREAM_UNIT_BYTES_MAX,
  TURN_BYTES_MAX,
  TURN_MS_MAX,
} from './limits.ts'
import { StreamGroup } from './stream-group.ts'

/** Who applies. Called from `drain()` only; must not call back into the stream. A throw ends the drain. */
export interface StreamHandler {
  /**
   * The next `count` commands, those of groups and of the frame among them: to be looked at, not to be applied. They are borrowed
   * until return. @param db the database selected before them.
   */
  ahead?(commands: readonly CommandArgs[], count: number, db: number): void
  /** One command outside a group, borrowed until return. `stream.fromOffset`/`toOffset` say where it stands. */
  command(args: CommandArgs, db: number): void
  /** A whole MULTI … EXEC group; may be walked more than once before return. Empty groups are not handed over. */
  group(group: StreamGroup): void
  /** REPLCONF GETACK: answer at once with `appliedOffset`, which does not count the GETACK's own bytes. */
  getAck(appliedOffset: number): void
  /** Any frame command, for counting; PING also keeps the link alive. MULTI and EXEC stand around their group, if it is handed over. @param db selected behind it */
  frame?(name: FrameCommand, args: CommandArgs, db: number): void
}

/** By the time its group is complete, what the parser had found of MULTI is gone. */
const MULTI_ARGS: CommandArgs = {
  bytes: Buffer.from('MULTI'),
  count: 1,
  start: Int32Array.of(0),
  end: Int32Array.of(5),
}

/** Takes every applied byte exactly once and in order: the backlog. */
export interface AppliedBytesSink {
  append(bytes: Uint8Array, start: number, end: number): void
}

export interface CommandStreamOptions {
  readonly clock: Clock
  readonly sink?: AppliedBytesSink
  /** Most a command or group may take. Default 1 GiB. */
  readonly unitBytesMax?: number
  /** First and resting size of the input buffer. Default 1 MiB. */
  readonly bufferBytes?: number
  /** Told when a buffer that had grown very long was let go of; its memory goes back with the next collection of garbage. */
  readonly letGo?: () => void
}

/** 'idle': everything received has been looked at. 'more': the budget is used up, call again after others had a turn. */
export type DrainOutcome = 'idle' | 'more'

/** A buffer of this length is worth a collection of garbage, once it is let go of: a stream makes hardly any that would begin one. */
const GONE_BYTES: number = 16 << 20
/** Commands between two looks at the clock. */
const CLOCK_EVERY_MASK = 15

export class CommandStream {
  readonly #clock: Clock
  readonly #sink: AppliedBytesSink | undefined
  readonly #restingBytes: number
  readonly #letGo: () => void
  readonly #parser: CommandParser
  readonly #ahead: CommandsAhead
  readonly #group: StreamGroup
  #bytes: Uint8Array
  #applied = 0
  #scan = 0
  #tail = 0
  /** Behind the command that is being handed over. */
  #end = 0
  /** Stream offset of index 0, so that offsets cost nothing per command. */
  #baseOffset = 0
  #db = 0
  #inGroup = false
  // Of the open group, so far.
  #groupDb = 0
  #groupHasData = false
  #groupHasFrames = false

  constructor(options: CommandStreamOptions) {
    this.#clock = options.clock
    this.#sink = options.sink
    this.#letGo = options.letGo ?? (() => {})
    this.#restingBytes = Math.max(options.bufferBytes ?? STREAM_BUFFER_BYTES, 4 * 1024)
    this.#bytes = new Uint8Array(this.#restingBytes)
    this.#parser = new CommandParser(this.#bytes, options.unitBytesMax ?? STREAM_UNIT_BYTES_MAX)
    this.#ahead = new CommandsAhead(this.#parser)
    this.#group = new StreamGroup()
  }

  /** Starts anew behind a snapshot: the next byte received is the one after `offset`, commands go to `db`. */
  begin(offset: number, db: number): void {
    this.#use(new Uint8Array(this.#restingBytes))
    this.#applied = 0
    this.#tail = 0
    this.#baseOffset = offset
    this.#db = db
    this.#parser.rebase(this.#bytes, 0)
    this.#ahead.rebase(this.#bytes)
    this.forgetUnapplied()
    this.#parser.baseOffset = offset
  }

  /** The link is gone: what was received behind the applied offset, and an open MULTI with it, will be sent again. */
  forgetUnapplied(): void {
    this.#tail = this.#applied
    this.#scan = this.#applied
    this.#inGroup = false
    this.#parser.tail = this.#applied
    this.#parseAgain()
    this.#rewindEmpty()
  }

  /** Commands that were found but not handed over are to be found again. */
  #parseAgain(): void {
    this.#parser.reset()
    this.#parser.cursor = this.#scan
    this.#parser.unitStart = this.#applied
  }

  /** Bytes of the stream that have arrived (INFO slave_read_repl_offset). */
  get receivedOffset(): number {
    return this.#baseOffset + this.#tail
  }

  /** Bytes of whole commands and whole groups that have been applied: the offset of ACK, INFO and the next PSYNC. */
  get appliedOffset(): number {
    return this.#baseOffset + this.#applied
  }

  /** Stream offset before the command or group that is being handed over. */
  get fromOffset(): number {
    return this.#baseOffset + this.#applied
  }

  /** Stream offset behind the command or group that is being handed over. */
  get toOffset(): number {
    return this.#baseOffset + this.#end
  }

  /** Selected database at the applied offset. */
  get db(): number {
    return this.#db
  }

  /** Is there an open MULTI group, or part of a command, behind the applied offset? */
  get hasUnapplied(): boolean {
    return this.#tail > this.#applied
  }

  /** Bytes the input buffer takes (INFO mem). */
  get bufferBytes(): number {
    return this.#bytes.length
  }

  /**
   * Where the next bytes go; never empty. Borrowed until the next call of `writable`, `push` or `begin`, also across
   * `drain()`. Amortised O(1) per received byte.
   */
  writable(): Uint8Array {
    if (this.#applied === this.#tail) this.#rewindEmpty()
    if (this.#bytes.length - this.#tail < STREAM_READ_BYTES_MIN) this.#makeRoom(STREAM_READ_BYTES_MIN)
    return this.#bytes.subarray(this.#tail, Math.min(this.#tail + STREAM_READ_BYTES_MAX, this.#bytes.length))
  }

  /**
   * `count` bytes were put at the start of `view`. They are already in place when `view` is what `writable()` lent last;
   * a view from before a `begin` or `forgetUnapplied` is copied.
   */
  received(count: number, view?: Uint8Array): void {
    const inPlace = view === undefined || (view.buffer === this.#bytes.buffer && view.byteOffset === this.#tail)
    if (inPlace) this.#advance(count)
    else this.push(view.subarray(0, count))
  }

  /** Copies bytes that arrived elsewhere (behind a snapshot's end mark, behind +CONTINUE). */
  push(bytes: Uint8Array): void {
    if (this.#applied === this.#tail) this.#rewindEmpty()
    if (this.#bytes.length - this.#tail < bytes.length) this.#makeRoom(bytes.length)
    this.#bytes.set(bytes, this.#tail)
    this.#advance(bytes.length)
  }

  #advance(count: number): void {
    this.#tail += count
    this.#parser.tail = this.#tail
  }

  /**
   * Hands over what is complete, until the budget of bytes or time is used up (looked at between commands; a group is
   * one unit). All bytes applied by this call have gone to the sink when it returns or throws.
   * @throws ProtocolError with the stream offset; the commands before it are applied and stay so.
   */
  drain(handler: StreamHandler, budgetBytes: number = TURN_BYTES_MAX, budgetMs: number = TURN_MS_MAX): DrainOutcome {
    const ahead = this.#ahead
    const stopAt = this.#scan + budgetBytes
    const deadlineMs = this.#clock.monotonicMs() + budgetMs
    const first = this.#applied
    try {
      while (ahead.find(stopAt, !this.#inGroup)) {
        if (!this.#handOver(handler, deadlineMs) || this.#scan >= stopAt)
          return this.#scan < this.#tail ? 'more' : 'idle'
      }
      // Many small commands pass the parser's own check of lengths one by one.
      if (this.#tail - this.#applied > this.#parser.unitBytesMax + STREAM_READ_BYTES_MAX) throw this.#unitTooBig()
      return 'idle'
    } catch (error) {
      this.#parseAgain()
      throw error
    } finally {
      if (this.#applied > first) this.#sink?.append(this.#bytes, first, this.#applied)
      ahead.trim()
    }
  }

  /** The commands that were found, one after the other. @returns false when the time is over. */
  #handOver(handler: StreamHandler, deadlineMs: number): boolean {
    const { commands, count, ends } = this.#ahead
    handler.ahead?.(commands, count, this.#db)
    for (let i = 0; i < count; i++) {
      const args = commands[i]!
      const end = ends[i]!
      this.#end = end
      if (this.#inGroup) this.#inside(handler, args)
      else if (args.count > 0) {
        const nameLength = args.end[0]! - args.start[0]!
        // No frame command is shorter than 4 letters: SET and DEL pay one comparison.
        if (nameLength < 4 || !this.#frame(handler, args, nameLength)) handler.command(args, this.#db)
      }
      this.#scan = end
      if (!this.#inGroup) this.#applied = end
      if ((i & CLOCK_EVERY_MASK) === CLOCK_EVERY_MASK && this.#clock.monotonicMs() >= deadlineMs) {
        this.#parseAgain()
        return false
      }
    }
    this.#parser.unitStart = this.#applied
    return this.#clock.monotonicMs() < deadlineMs
  }

  /** True when the command belonged to the frame; an EXEC without MULTI does not and is reported as a command. */
  #frame(handler: StreamHandler, args: CommandArgs, nameLength: number): boolean {
    const bytes = this.#bytes
    const at = args.start[0]!
    switch (nameLength) {
      case 4:
        if (!isWord(bytes, at, PING)) return false
        handler.frame?.('ping', args, this.#db)
        return true
      case 5:
        if (!isWord(bytes, at, MULTI)) return false
        this.#inGroup = true
        this.#groupDb = this.#db
        this.#groupHasData = false
        this.#groupHasFrames = false
        return true
      case 6:
        if (!isWord(bytes, at, SELECT)) return false
        this.#db = readDb(args, this.#baseOffset)
        handler.frame?.('select', args, this.#db)
        return true
      case 8:
        if (!isWord(bytes, at, REPLCONF)) return false
        this.#replconf(handler, args)
        return true
      default:
        return false
    }
  }

  /** A command inside an open group: looked at for what frames the stream, until the EXEC hands the whole group over. */
  #inside(handler: StreamHandler, args: CommandArgs): void {
    if (args.count === 0) return
    if (!isArgument(args, 0, EXEC)) {
      const isSelect = isArgument(args, 0, SELECT)
      if (isSelect) this.#groupDb = readDb(args, this.#baseOffset)
      if (isSelect || isFrame(args)) this.#groupHasFrames = true
      else this.#groupHasData = true
      if (this.#end - this.#applied > this.#parser.unitBytesMax) throw this.#unitTooBig()
      return
    }
    handler.frame?.('multi', MULTI_ARGS, this.#db)
    const group = this.#group
    group.open(this.#bytes, this.#applied, this.#scan, this.#db, this.#baseOffset)
    try {
      if (this.#groupHasData) handler.group(group)
      this.#db = this.#groupDb
      if (this.#groupHasFrames) this.#groupFrames(handler, group)
    } finally {
      group.close()
    }
    handler.frame?.('exec', args, this.#db)
    this.#inGroup = false
  }

  /** Frame commands inside a group take effect when the group has been applied. No known primary sends them there. */
  #groupFrames(handler: StreamHandler, group: StreamGroup): void {
    group.rewind()
    while (group.nextAny()) {
      const args = group.args
      if (isArgument(args, 0, PING)) handler.frame?.('ping', args, this.#db)
      else if (isArgument(args, 0, SELECT)) handler.frame?.('select', args, this.#db)
      else if (isArgument(args, 0, REPLCONF)) this.#replconf(handler, args)
    }
  }

  #replconf(handler: StreamHandler, args: CommandArgs): void {
    handler.frame?.('replconf', args, this.#db)
    if (args.count >= 2 && isArgument(args, 1, GETACK)) handler.getAck(this.appliedOffset)
  }

  #unitTooBig(): ProtocolError {
    return new ProtocolError(
      'PROTOCOL_TOO_BIG',
      `a command or MULTI group on the replication stream takes more than ${this.#parser.unitBytesMax} bytes`,
      this.#baseOffset + this.#applied,
    )
  }

  /** Nothing is held: start at the front again, and let go of a buffer that one large command needed. */
  #rewindEmpty(): void {
    const isOutgrown = this.#bytes.length > this.#restingBytes
    if (isOutgrown) this.#moved(new Uint8Array(this.#restingBytes), this.#applied)
    else if (this.#applied > 0) this.#moved(this.#bytes, this.#applied)
  }

  #makeRoom(freeBytes: number): void {
    const held = this.#tail - this.#applied
    // Moving no more than what was freed before keeps the cost per byte constant.
    if (held <= this.#applied && held + freeBytes <= this.#bytes.length) {
      const outgrown = this.#bytes.length > this.#restingBytes && 2 * (held + freeBytes) <= this.#restingBytes
      const target = outgrown ? new Uint8Array(this.#restingBytes) : this.#bytes
      if (outgrown) target.set(this.#bytes.subarray(this.#applied, this.#tail))
      else target.copyWithin(0, this.#applied, this.#tail)
      this.#moved(target, this.#applied)
      return
    }
    const { length } = this.#bytes
    // A declared length caps the growth but never causes it: memory follows the bytes that came. It grows by half at least, or many
    // arguments of one group, each of which ends a little behind the buffer, would have all of them copied each time.
    const announced = this.#parser.announcedEnd - this.#applied + STREAM_READ_BYTES_MAX
    const grown = announced > length ? Math.min(length * 2, Math.max(announced, length * 1.5)) : length * 2
    // More than a unit may take, and the read that shows it, is never held.
    const most = this.#parser.unitBytesMax + 2 * STREAM_READ_BYTES_MAX
    const bytes = new Uint8Array(Math.max(Math.min(Math.ceil(grown), most), held + freeBytes))
    bytes.set(this.#bytes.subarray(this.#applied, this.#tail))
    this.#moved(bytes, this.#applied)
  }

  #use(bytes: Uint8Array): void {
    const { length } = this.#bytes
    this.#bytes = bytes
    if (bytes.length < length && length >= GONE_BYTES) this.#letGo()
  }

  #moved(bytes: Uint8Array, shift: number): void {
    this.#use(bytes)
    this.#applied -= shift
    this.#scan -= shift
    this.#tail -= shift
    this.#baseOffset += shift
    this.#parser.rebase(bytes, shift)
    this.#ahead.rebase(bytes)
  }
}
