/**
 * Finds commands in bytes: RESP arrays of bulk strings, the only form a primary sends. It knows positions, not meaning,
 * and it never copies, allocates or looks twice at the bytes of an argument: a command that is not there whole yet is
 * taken up again where its last argument ended.
 *
 *     *3\r\n $3\r\n SET\r\n $3\r\n key\r\n $5\r\n value\r\n
 *     │      │      └ argument 0 = bytes[start[0] .. end[0])
 *     │      └ #bulkLength: known once this line was read
 *     └ #wanted: known once this line was read
 *
 * Lax where redis 7.0 networking.c processMultibulkBuffer() is lax towards its master (no proto-max-bulk-len, empty
 * arrays and empty lines are skipped and count in the offset), strict about every other byte: a stream that does not
 * parse is a stream that is out of step, and applying it would corrupt the data.
 */
import type { CommandArgs } from '../commands/command.ts'
import { ProtocolError } from '../errors.ts'
import { LENGTH_LINE_BYTES_MAX, STREAM_UNIT_BYTES_MAX } from './limits.ts'

const CR = 13
const LF = 10
const STAR = 42
const DOLLAR = 36
const ZERO = 48

/** No `*<count>` or `$<length>` line has been read yet. */
const UNKNOWN = -1
/** Beyond it, one more decimal digit could leave the int32 range. */
const LAST_SAFE_BEFORE_DIGIT = 214748363

const FIRST_ARGS_CAPACITY = 16
/** Position arrays larger than this are not kept after the command that needed them. */
const KEPT_ARGS_CAPACITY_MAX = 1024

/** Positions of no command yet. */
export function newCommandArgs(bytes: Uint8Array): CommandArgs {
  return { bytes, count: 0, start: new Int32Array(FIRST_ARGS_CAPACITY), end: new Int32Array(FIRST_ARGS_CAPACITY) }
}

/** Gives back position arrays that an unusually long command made large; the command is gone. */
export function trimCommandArgs(args: CommandArgs): void {
  if (args.start.length <= KEPT_ARGS_CAPACITY_MAX) return
  args.start = new Int32Array(FIRST_ARGS_CAPACITY)
  args.end = new Int32Array(FIRST_ARGS_CAPACITY)
  args.count = 0
}

export class CommandParser {
  /** Where `parse()` puts the command; its owner may give other ones when the last call answered true. */
  args: CommandArgs
  /** `bytes[cursor .. tail)` is what has not been looked at. */
  cursor = 0
  tail = 0
  /** Where the unit (command or MULTI group) began that must not grow beyond `unitBytesMax`. */
  unitStart = 0
  readonly unitBytesMax: number
  /** Stream offset of index 0: only for messages. */
  baseOffset = 0

  #bytes: Uint8Array
  #wanted = UNKNOWN
  #found = 0
  #bulkLength = UNKNOWN

  constructor(bytes: Uint8Array, unitBytesMax: number = STREAM_UNIT_BYTES_MAX) {
    this.#bytes = bytes
    this.unitBytesMax = unitBytesMax
    this.args = newCommandArgs(bytes)
  }

  /** The same bytes stand in another array now, `shift` positions earlier. */
  rebase(bytes: Uint8Array, shift: number): void {
    this.#bytes = bytes
    this.args.bytes = bytes
    this.cursor -= shift
    this.tail -= shift
    this.unitStart -= shift
    this.baseOffset += shift
    for (let i = 0; i < this.#found; i++) {
      this.args.start[i]! -= shift
      this.args.end[i]! -= shift
    }
  }

  /** Forgets a command that was begun. The owner sets `cursor` and `tail`. */
  reset(): void {
    this.#wanted = UNKNOWN
    this.#found = 0
    this.#bulkLength = UNKNOWN
  }

  /** Index just behind the argument that is being received, or 0 when its length is not known yet. */
  get announcedEnd(): number {
    return this.#bulkLength === UNKNOWN ? 0 : this.cursor + this.#bulkLength + 2
  }

  /**
   * True: `args` hold one whole command (`count` 0 for an empty line or array) and `cursor` is behind it.
   * False: more bytes are needed.
   * @throws ProtocolError PROTOCOL_UNEXPECTED_BYTE, PROTOCOL_BAD_LENGTH, PROTOCOL_TOO_BIG with the stream offset.
   */
  parse(): boolean {
    const bytes = this.#bytes
    const tail = this.tail
    const args = this.args
    let cursor = this.cursor
    let wanted = this.#wanted
    let found = this.#found

    if (wanted === UNKNOWN && cursor + 4 <= tail && bytes[cursor] === STAR) {
      // Nearly all commands have fewer than ten arguments; every other line is read below, from its beginning.
      const count = bytes[cursor + 1]! - ZERO
      if (count >= 0 && count <= 9 && bytes[cursor + 2] === CR && bytes[cursor + 3] === LF) {
        wanted = count
        cursor += 4
      }
    }
    if (wanted === UNKNOWN) {
      if (cursor >= tail) return false
      let position = cursor
      let byte = bytes[position]!
      if (byte !== STAR) return this.#emptyLine(byte)
      let value = 0
      for (;;) {
        if (++position >= tail) return false
        byte = bytes[position]!
        if (byte === CR) break
        byte -= ZERO
        if (byte < 0 || byte > 9 || value > LAST_SAFE_BEFORE_DIGIT || position - cursor > LENGTH_LINE_BYTES_MAX) {
          throw this.#badLength('number of arguments', cursor, position)
        }
        value = value * 10 + byte
      }
      if (position === cursor + 1) throw this.#badLength('number of arguments', cursor, position)
      if (++position >= tail) return false
      if (bytes[position] !== LF) throw this.#unexpected('LF', position)
      cursor = position + 1
      wanted = value
      found = 0
    }

    let length = this.#bulkLength
    while (found < wanted) {
      if (length === UNKNOWN && cursor + 5 <= tail && bytes[cursor] === DOLLAR) {
        // Nearly all lengths have one digit or two; as above.
        const tens = bytes[cursor + 1]! - ZERO
        const units = bytes[cursor + 2]! - ZERO
        if (tens >= 0 && tens <= 9) {
          if (units === CR - ZERO && bytes[cursor + 3] === LF) {
            length = tens
            cursor += 4
          } else if (units >= 0 && units <= 9 && bytes[cursor + 3] === CR && bytes[cursor + 4] === LF) {
            length = tens * 10 + units
            cursor += 5
          }
        }
      }
      if (length === UNKNOWN) {
        let position = cursor
        let missing = position >= tail
        let value = 0
        if (!missing) {
          if (bytes[position] !== DOLLAR) throw this.#unexpected("'$'", position)
          for (;;) {
            if (++position >= tail) {
              missing = true
              break
            }
            let byte = bytes[position]!
            if (byte === CR) break
            byte -= ZERO
            if (byte < 0 || byte > 9 || value > LAST_SAFE_BEFORE_DIGIT || position - cursor > LENGTH_LINE_BYTES_MAX) {
              throw this.#badLength('length of an argument', cursor, position)
            }
            value = value * 10 + byte
          }
          if (!missing) {
            if (position === cursor + 1) throw this.#badLength('length of an argument', cursor, position)
            if (++position >= tail) missing = true
            else if (bytes[position] !== LF) throw this.#unexpected('LF', position)
          }
        }
        if (missing) {
          // The line is short, so it is read again from its first byte.
          this.cursor = cursor
          this.#wanted = wanted
          this.#found = found
          this.#bulkLength = UNKNOWN
          return false
        }
        cursor = position + 1
        length = value
        if (cursor - this.unitStart + length > this.unitBytesMax) throw this.#tooBig(cursor, length)
      }
      const end = cursor + length
      if (end + 2 > tail) {
        this.cursor = cursor
        this.#wanted = wanted
        this.#found = found
        this.#bulkLength = length
        return false
      }
      if (bytes[end] !== CR || bytes[end + 1] !== LF) throw this.#unexpected('CRLF behind an argument', end)
      if (found === args.start.length) this.#growArgs()
      args.start[found] = cursor
      args.end[found] = end
      found++
      cursor = end + 2
      length = UNKNOWN
    }

    args.count = wanted
    this.cursor = cursor
    this.#wanted = UNKNOWN
    this.#found = 0
    this.#bulkLength = UNKNOWN
    return true
  }

  #emptyLine(byte: number): boolean {
    if (byte === CR) {
      if (this.cursor + 1 >= this.tail) return false
      if (this.#bytes[this.cursor + 1] !== LF) throw this.#unexpected('LF', this.cursor + 1)
      this.cursor += 2
    } else if (byte === LF) {
      this.cursor++
    } else {
      throw this.#unexpected("'*'", this.cursor)
    }
    this.args.count = 0
    return true
  }

  /** By what was found, never by what was declared: a huge count costs nothing until its arguments arrive. */
  #growArgs(): void {
    const args = this.args
    const start = new Int32Array(args.start.length * 2)
    const end = new Int32Array(args.end.length * 2)
    start.set(args.start)
    end.set(args.end)
    args.start = start
    args.end = end
  }

  #unexpected(expected: string, index: number): ProtocolError {
    const byte = this.#bytes[index]!
    const shown = byte > 32 && byte < 127 ? `'${String.fromCharCode(byte)}'` : `0x${byte.toString(16).padStart(2, '0')}`
    return new ProtocolError(
      'PROTOCOL_UNEXPECTED_BYTE',
      `the replication stream is out of step: expected ${expected}, got ${shown}`,
      this.baseOffset + index,
    )
  }

  #badLength(what: string, lineStart: number, index: number): ProtocolError {
    const line = Buffer.from(this.#bytes.subarray(lineStart, Math.min(index + 1, lineStart + LENGTH_LINE_BYTES_MAX)))
    return new ProtocolError(
      'PROTOCOL_BAD_LENGTH',
      `the replication stream has a bad ${what}: ${JSON.stringify(line.toString('latin1'))}`,
      this.baseOffset + index,
    )
  }

  #tooBig(index: number, length: number): ProtocolError {
    return new ProtocolError(
      'PROTOCOL_TOO_BIG',
      `a command or MULTI group on the replication stream would take ${index - this.unitStart + length} bytes; ` +
        `the limit is ${this.unitBytesMax}`,
      this.baseOffset + index,
    )
  }
}
