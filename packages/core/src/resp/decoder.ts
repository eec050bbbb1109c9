/**
 * Cuts a client's bytes into commands: RESP arrays of bulk strings and inline commands. It is given the pieces a socket
 * delivers and points into them: no object, string or copy per argument. It knows no command and sends no reply; a
 * violation is a text for the session to send before it closes.
 *
 * Limits and texts follow redis 7.0 networking.c processMultibulkBuffer() and processInlineBuffer(), the quoting of
 * inline commands sds.c sdssplitargs().
 *
 * ```
 *            base                     position        limit
 *   buffer:  | arguments found so far | searched next | free (when the buffer is our own)
 * ```
 * A request that spans pieces is kept from `base` on in a buffer of our own, which doubles as bytes really arrive: a
 * length alone allocates nothing. The state of the request under way (arguments found, length of the bulk, how far the
 * end of a line was searched) is kept, so nothing is looked at twice.
 */
import type { CommandArgs } from '../commands/command.ts'
import { ARG_AHEAD_BYTES_MAX, ARGS_AHEAD_MAX, requestsAhead } from './requests-ahead.ts'

/** Results of `RequestDecoder.next()`. */
export const NEED_MORE = 0
export const COMMAND = 1
export const PROTOCOL_ERROR = 2
/** A request without arguments; only with `findsEmpty`. */
export const EMPTY_REQUEST = 3

/** Longest line (inline command, count or length) in bytes. redis 7.0 server.h PROTO_INLINE_MAX_SIZE. */
export const INLINE_BYTES_MAX: number = 64 * 1024
/** Positions are 32-bit: no request may be longer than this, whatever proto-max-bulk-len says. */
export const REQUEST_BYTES_MAX = 0x7fff0000
/** Before AUTH: most arguments, longest argument in bytes. */
export const UNAUTHENTICATED_ARGS_MAX = 10
export const UNAUTHENTICATED_BULK_BYTES_MAX = 16_384

const ARGS_MAX = 0x7fffffff
const DEFAULT_BULK_BYTES_MAX = 512 * 1024 * 1024
/** A buffer of our own is kept for the next partial request when it is no larger than this. */
const SPARE_BYTES_MAX = 32 * 1024
const SPARE_BYTES_MIN = 1024
/** Offset tables longer than this are dropped after their command. */
const KEPT_ARGS_MAX = 4096

const NUL = 0
const LF = 10
const CR = 13
const STAR = 42
const DOLLAR = 36
const DIGIT_0 = 48
const DIGIT_9 = 57
const BACKSLASH = 92
const DOUBLE_QUOTE = 34
const SINGLE_QUOTE = 39
const LOWER_X = 120

const EMPTY: Buffer = Buffer.alloc(0)
/** `#readNumber` results that are not numbers. */
const NUMBER_MISSING = -1
const NUMBER_INVALID = -2
/** Any negative count: `*-1` is a command of no arguments. */
const NUMBER_NEGATIVE = -3
const UNBALANCED = -1

export class RequestDecoder implements CommandArgs {
  /** The command found last: `bytes[start[i] .. end[i])`, valid until the next call of `next()` or `feed()`. */
  bytes: Uint8Array = EMPTY
  count = 0
  start: Int32Array = new Int32Array(8)
  end: Int32Array = new Int32Array(8)
  /** After PROTOCOL_ERROR: the text, beginning with 'Protocol error: '. */
  error = ''
  /** Set while the client must still authenticate: the small limits apply. Who is beyond them when it is cleared is within them again. */
  authRequired = false
  /** Are requests without arguments (an empty line, `*0`) found, too? They are passed over else. */
  findsEmpty = false
  /** proto-max-bulk-len in bytes. */
  bulkBytesMax: number = DEFAULT_BULK_BYTES_MAX

  #buffer: Buffer = EMPTY
  #owned = false
  #spare: Buffer = EMPTY
  #base = 0
  #position = 0
  #limit = 0
  /** How far the end of the current line was searched. */
  #searched = 0
  /** Arguments still to come of a multibulk request; 0 between requests. */
  #argsLeft = 0
  /** Length of the bulk being read, -1 while its header is awaited. */
  #bulkLength = -1
  #inlineBytes: Buffer = EMPTY
  /** `error` holds only as long as `authRequired` is set. */
  #failedAsStranger = false

  /** Bytes received and not yet consumed by a command. */
  get pendingBytes(): number {
    return this.#limit - this.#base
  }

  /** Are there bytes behind the command found last? */
  get hasMore(): boolean {
    return this.#limit > this.#position
  }

  /** The command found last as it came, to be passed on: `sourceBytes[sourceStart .. sourceEnd)`. Valid as `bytes` is. */
  get sourceBytes(): Buffer {
    return this.#buffer
  }

  get sourceStart(): number {
    return this.#base
  }

  get sourceEnd(): number {
    return this.#position
  }

  /** End of what was received: behind the command found last stands `sourceBytes[sourceEnd .. inputEnd)`. */
  get inputEnd(): number {
    return this.#limit
  }

  /** Bytes of memory held: buffers and offset tables. */
  get heldBytes(): number {
    return (this.#owned ? this.#buffer.length : this.#limit) + this.#spare.length + this.start.byteLength * 2
  }

  /**
   * Takes the next piece of input. Ownership moves to the decoder until `next()` has returned NEED_MORE (what remains is
   * copied then); the decoder never writes into it. @param length so many bytes of the chunk are the piece.
   */
  feed(chunk: Buffer, length: number = chunk.length): void {
    if (requestsAhead.owner === this) requestsAhead.clear()
    // Between requests the command found last is no longer needed.
    if (this.#argsLeft === 0) {
      this.#base = this.#position
      this.count = 0
    }
    const rest = this.#limit - this.#base
    if (rest === 0) {
      this.#keepSpare()
      this.#buffer = chunk
      this.#owned = false
      this.#base = this.#position = this.#searched = 0
      this.#limit = length
      return
    }
    if (!this.#owned || this.#buffer.length - this.#limit < length) this.#makeRoom(rest + length)
    chunk.copy(this.#buffer, this.#limit, 0, length)
    this.#limit += length
  }

  /** The memory of the piece fed last is about to be used again: what was not consumed is copied. */
  keep(): void {
    if (requestsAhead.owner === this) requestsAhead.clear()
    if (this.#owned || this.#limit === 0) return
    if (this.#position >= this.#limit && this.#argsLeft === 0) {
      this.#buffer = EMPTY
      this.#base = this.#position = this.#limit = this.#searched = 0
      this.count = 0
      return
    }
    this.#makeRoom(this.#limit - this.#base)
  }

  /** How many of the next commands were found by `lookAhead()`. */
  get aheadCount(): number {
    return requestsAhead.owner === this ? requestsAhead.count - requestsAhead.next : 0
  }

  /**
   * Finds the next commands at once, `requestsAhead` has them then; the next calls of `next()` take them from there, if no other decoder
   * looks ahead, nor this one is given input, in between. @returns how many; 0 also when what comes is unusual
   */
  lookAhead(): number {
    if (this.#argsLeft !== 0 || this.#position >= this.#limit || this.bulkBytesMax < ARG_AHEAD_BYTES_MAX) return 0
    requestsAhead.find(this, this.#buffer, this.#position, this.#limit)
    return requestsAhead.count
  }

  /**
   * Finds the next command. On PROTOCOL_ERROR the input is spoilt: every later call returns it again, unless it was an error only
   * of who must authenticate, and need not any more.
   */
  next(): number {
    if (requestsAhead.owner === this && this.#takeAhead()) return COMMAND
    if (this.error !== '') {
      if (!this.#failedAsStranger || this.authRequired) return PROTOCOL_ERROR
      this.#failedAsStranger = false
      this.error = ''
    }
    for (;;) {
      if (this.#argsLeft === 0) {
        this.count = 0
        this.#base = this.#position
        if (this.#position >= this.#limit) return this.#wait()
        if (this.#buffer[this.#position] !== STAR) {
          const result = this.#nextInline()
          if (result !== COMMAND || this.count > 0) return result
          if (this.findsEmpty) return EMPTY_REQUEST
          continue
        }
        const args = this.#readNumber()
        if (args === NUMBER_MISSING) return this.#waitForLine('too big mbulk count string')
        if (args === NUMBER_INVALID || args > ARGS_MAX) return this.#fail('invalid multibulk length')
        if (args > UNAUTHENTICATED_ARGS_MAX && this.authRequired) {
          return this.#failStranger('unauthenticated multibulk length')
        }
        if (args <= 0) {
          if (this.findsEmpty) return EMPTY_REQUEST
          continue
        }
        this.#argsLeft = args
        this.#bulkLength = -1
        if (this.start.length > KEPT_ARGS_MAX) this.#resizeTables(KEPT_ARGS_MAX)
      }
      return this.#nextMultibulk()
    }
  }

  /** The next of the commands found ahead, if it is where the next command begins. */
  #takeAhead(): boolean {
    const { next, begins } = requestsAhead
    if (next >= requestsAhead.count || begins[next] !== this.#position) return false
    if (requestsAhead.bytes !== this.#buffer) return false
    const { ends, starts } = requestsAhead
    const { end, start } = this
    const count = requestsAhead.counts[next]!
    const first = next * ARGS_AHEAD_MAX
    for (let i = 0; i < count; i++) {
      start[i] = starts[first + i]!
      end[i] = ends[first + i]!
    }
    this.count = count
    this.bytes = this.#buffer
    this.#base = this.#position
    this.#position = this.#searched = begins[next + 1]!
    requestsAhead.next = next + 1
    return true
  }

  /** Makes `next()` return the command found last once more. Only directly after COMMAND, before any `feed()`. */
  rewind(): void {
    this.#position = this.#searched = this.#base
    this.#argsLeft = 0
    this.count = 0
  }

  /** Gives back memory that an idle connection does not need. */
  shrink(): void {
    this.#spare = EMPTY
    this.#inlineBytes = EMPTY
    if (this.pendingBytes === 0) {
      this.#buffer = EMPTY
      this.bytes = EMPTY
      this.#base = this.#position = this.#limit = this.#searched = 0
      this.#owned = false
    }
  }

  #nextMultibulk(): number {
    const buffer = this.#buffer
    const limit = this.#limit
    while (this.#argsLeft > 0) {
      if (this.#bulkLength === -1) {
        if (this.#position >= limit) return this.#wait()
        // Redis looks for the end of the line first: a wrong byte with no line end behind it waits there as well.
        const lineEnd = this.#readNumber()
        if (lineEnd === NUMBER_MISSING) return this.#waitForLine('too big bulk count string')
        if (buffer[this.#lineStart] !== DOLLAR) {
          return this.#fail(`expected '$', got '${String.fromCharCode(buffer[this.#lineStart]!)}'`)
        }
        if (lineEnd < 0 || lineEnd > this.bulkBytesMax || lineEnd > REQUEST_BYTES_MAX) {
          return this.#fail('invalid bulk length')
        }
        if (lineEnd > UNAUTHENTICATED_BULK_BYTES_MAX && this.authRequired) {
          return this.#failStranger('unauthenticated bulk length')
        }
        this.#bulkLength = lineEnd
      }
      const valueEnd = this.#position + this.#bulkLength
      if (limit - valueEnd < 2) {
        if (valueEnd - this.#base > REQUEST_BYTES_MAX) return this.#fail('invalid bulk length')
        return this.#wait()
      }
      const index = this.count
      if (index === this.start.length) this.#resizeTables(index * 2)
      this.start[index] = this.#position
      this.end[index] = valueEnd
      this.count = index + 1
      // The two bytes behind a value are not looked at, as in Redis.
      this.#position = this.#searched = valueEnd + 2
      this.#bulkLength = -1
      this.#argsLeft--
    }
    this.bytes = buffer
    return COMMAND
  }

  #lineStart = 0

  /**
   * Reads the number of a `*` or `$` line at `position` and moves behind its line end. The first byte is not checked.
   * Numbers are written as redis 7.0 util.c string2ll() wants them: no sign but '-', no leading zero.
   */
  #readNumber(): number {
    const buffer = this.#buffer
    const limit = this.#limit
    const lineStart = this.#position
    this.#lineStart = lineStart
    let at = lineStart + 1
    let byte = at < limit ? buffer[at]! : 0
    if (byte > DIGIT_0 && byte <= DIGIT_9) {
      let value = byte - DIGIT_0
      const lastDigit = at + 8
      for (at++; at < limit && at <= lastDigit; at++) {
        byte = buffer[at]!
        if (byte < DIGIT_0 || byte > DIGIT_9) break
        value = value * 10 + byte - DIGIT_0
      }
      if (byte === CR && at + 1 < limit) {
        this.#position = this.#searched = at + 2
        return value
      }
    }
    return this.#readUnusualNumber(lineStart)
  }

  #readUnusualNumber(lineStart: number): number {
    const buffer = this.#buffer
    const limit = this.#limit
    let at = this.#searched > lineStart ? this.#searched : lineStart
    while (at < limit && buffer[at] !== CR) at++
    this.#searched = at
    if (at + 1 >= limit) return NUMBER_MISSING
    this.#position = this.#searched = at + 2
    const text = buffer.toString('latin1', lineStart + 1, Math.min(at, lineStart + 22))
    if (text === '0') return 0
    if (!/^-?[1-9][0-9]{0,18}$/.test(text)) return NUMBER_INVALID
    const value = BigInt(text)
    if (value > 0x7fff_ffff_ffff_ffffn || value < -0x8000_0000_0000_0000n) return NUMBER_INVALID
    return value < 0n ? NUMBER_NEGATIVE : Number(value)
  }

  #nextInline(): number {
    const buffer = this.#buffer
    const limit = this.#limit
    let found = Math.max(this.#searched, this.#position)
    while (found < limit && buffer[found] !== LF && buffer[found] !== NUL) found++
    // A line with a zero byte never ends: redis 7.0 networking.c processInlineBuffer() looks for its end with strchr().
    if (found === limit || buffer[found] === NUL) {
      this.#searched = found
      return this.#waitForLine('too big inline request')
    }
    const lineStart = this.#position
    const lineEnd = found > lineStart && buffer[found - 1] === CR ? found - 1 : found
    this.#position = this.#searched = found + 1
    if (this.#inlineBytes.length < lineEnd - lineStart) this.#inlineBytes = Buffer.allocUnsafe(lineEnd - lineStart)
    this.bytes = this.#inlineBytes
    return this.#splitInline(lineStart, lineEnd) === UNBALANCED ? this.#fail('unbalanced quotes in request') : COMMAND
  }

  /** Unquotes `buffer[from .. to)` into `#inlineBytes`. Unquoting only shortens. */
  #splitInline(from: number, to: number): number {
    const source = this.#buffer
    const target = this.#inlineBytes
    let at = from
    let out = 0
    for (;;) {
      while (at < to && isSpace(source[at]!)) at++
      if (at >= to) return this.count
      const argument = this.count
      if (argument === this.start.length) this.#resizeTables(argument * 2)
      this.start[argument] = out
      let quote = 0
      for (; ; at++) {
        if (at >= to) {
          if (quote !== 0) return UNBALANCED
          break
        }
        const byte = source[at]!
        if (quote === 0) {
          if (byte === 32 || byte === LF || byte === CR || byte === 9) break
          if (byte === DOUBLE_QUOTE || byte === SINGLE_QUOTE) quote = byte
          else target[out++] = byte
        } else if (byte === quote) {
          // A closing quote must be followed by a space or by nothing.
          if (at + 1 < to && !isSpace(source[at + 1]!)) return UNBALANCED
          at++
          break
        } else if (byte === BACKSLASH && at + 1 < to) {
          const next = source[at + 1]!
          if (quote === SINGLE_QUOTE) {
            if (next === SINGLE_QUOTE) {
              target[out++] = next
              at++
            } else target[out++] = byte
          } else if (
            next === LOWER_X &&
            at + 3 < to &&
            hexValue(source[at + 2]!) >= 0 &&
            hexValue(source[at + 3]!) >= 0
          ) {
            target[out++] = hexValue(source[at + 2]!) * 16 + hexValue(source[at + 3]!)
            at += 3
          } else {
            target[out++] = escapedByte(next)
            at++
          }
        } else target[out++] = byte
      }
      this.end[argument] = out
      this.count = argument + 1
    }
  }

  #waitForLine(tooBig: string): number {
    if (this.#limit - this.#position > INLINE_BYTES_MAX) return this.#fail(tooBig)
    return this.#wait()
  }

  /** The piece is used up: what is left of it is copied into a buffer of our own. */
  #wait(): number {
    const rest = this.#limit - this.#base
    if (rest === 0) {
      this.#keepSpare()
      this.#buffer = EMPTY
      this.#owned = false
      this.#base = this.#position = this.#limit = this.#searched = 0
    } else if (!this.#owned) this.#makeRoom(rest)
    return NEED_MORE
  }

  #fail(text: string): number {
    this.error = `Protocol error: ${text}`
    this.#buffer = this.#spare = EMPTY
    this.#base = this.#position = this.#limit = 0
    return PROTOCOL_ERROR
  }

  /** The request is kept: an AUTH before it may be under way, in another thread. */
  #failStranger(text: string): number {
    this.error = `Protocol error: ${text}`
    this.#failedAsStranger = true
    this.rewind()
    return PROTOCOL_ERROR
  }

  #keepSpare(): void {
    if (this.#owned && this.#buffer.length <= SPARE_BYTES_MAX) this.#spare = this.#buffer
  }

  /** Moves the request under way to the start of a buffer of our own with room for `needed` bytes. */
  #makeRoom(needed: number): void {
    const base = this.#base
    const source = this.#buffer
    let target = source
    if (!this.#owned || source.length < needed) {
      if (!this.#owned && this.#spare.length >= needed) {
        target = this.#spare
        this.#spare = EMPTY
      } else target = Buffer.allocUnsafeSlow(this.#roomFor(needed))
    }
    source.copy(target, 0, base, this.#limit)
    this.#buffer = target
    this.#owned = true
    this.#limit -= base
    this.#position -= base
    this.#searched = Math.max(0, this.#searched - base)
    this.#base = 0
    if (base > 0) {
      for (let i = 0; i < this.count; i++) {
        this.start[i]! -= base
        this.end[i]! -= base
      }
    }
  }

  /** Twice what is there, but not beyond the end of a value whose length is known. */
  #roomFor(needed: number): number {
    const doubled = Math.max(SPARE_BYTES_MIN, needed * 2)
    if (this.#argsLeft === 0 || this.#bulkLength < 0) return doubled
    const wanted = this.#position - this.#base + this.#bulkLength + 2
    return Math.max(needed, Math.min(doubled, wanted))
  }

  #resizeTables(length: number): void {
    const start = new Int32Array(length)
    const end = new Int32Array(length)
    start.set(this.start.subarray(0, this.count))
    end.set(this.end.subarray(0, this.count))
    this.start = start
    this.end = end
  }
}

/** C isspace() in the C locale. */
function isSpace(byte: number): boolean {
  return byte === 32 || (byte >= 9 && byte <= 13)
}

function hexValue(byte: number): number {
  if (byte >= DIGIT_0 && byte <= DIGIT_9) return byte - DIGIT_0
  const lower = byte | 0x20
  return lower >= 97 && lower <= 102 ? lower - 87 : -1
}

function escapedByte(byte: number): number {
  switch (byte) {
    case 110: // n
      return LF
    case 114: // r
      return CR
    case 116: // t
      return 9
    case 98: // b
      return 8
    case 97: // a
      return 7
    default:
      return byte
  }
}
