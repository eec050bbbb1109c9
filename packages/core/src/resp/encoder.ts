/**
 * Writes RESP2 and RESP3 replies into one growing slab of bytes. It is not a socket: `net` sends what `pending()`
 * shows and calls `clear()`; on the replication stream a `discardReplies` encoder keeps only the errors.
 *
 * Source: RESP specification (redis.io/docs/reference/protocol-spec); the RESP2 fall-backs of RESP3 types are those of
 * redis 7.0 networking.c (addReplyDouble, addReplyMapLen, addReplyNull …).
 */
import { SCORE_TEXT_BYTES_MAX, writeScore } from '../encoding/score-text.ts'
import { ReplicaError } from '../errors.ts'
import { copyBytes, viewOf } from '../memory/copy-bytes.ts'
import { ALWAYS_WHOLE, LONG_REPLY, LONG_REPLY_ITEMS } from './long-reply.ts'

const CR = 13
const LF = 10
const STAR = 42
const DOLLAR = 36
const COLON = 58
const PLUS = 43
const MINUS = 45
const UNDERSCORE = 95
const COMMA = 44
const HASH = 35
const PERCENT = 37
const TILDE = 126
const PIPE = 124
const GREATER = 62
const EQUALS = 61
const OPEN_PAREN = 40

/** A slab larger than this is not kept once its replies are sent. */
const KEPT_SLAB_BYTES_MAX = 256 * 1024
const FIRST_SLAB_BYTES = 16 * 1024

/** What a bulk string has beside its bytes: '$', up to ten digits, two line ends. */
const BULK_FRAME_BYTES_MAX = 15
/** Texts up to this long are written without a Buffer. */
const SHORT_TEXT_MAX = 64

/** Most bytes of replies that wait in one encoder. A Buffer of Node 20 ends at 4 GiB, and growing copies. */
export const REPLY_BYTES_MAX = 0x7fff0000

const doubleText: Uint8Array = new Uint8Array(SCORE_TEXT_BYTES_MAX)

export class ReplyEncoder {
  /** 2 or 3; HELLO changes it. */
  resp: 2 | 3 = 2
  /** Bytes written since `clear()`: `bytes[0 .. length)`. */
  bytes: Buffer
  length = 0
  /** Error replies written since construction; the dispatcher compares it before and after a command. */
  errorCount = 0
  /** Text of the newest error reply, without '-' and CRLF. */
  lastError = ''
  /** Nothing is kept but errors: for the replication stream, CLIENT REPLY OFF and commands inside an EXEC dry run. */
  discardReplies = false
  /**
   * Length from which on the reply under way is given up, by LONG_REPLY, because it can be made in slices; ALWAYS_WHOLE: it cannot.
   * Whoever sets it sets it back.
   */
  longFrom: number = ALWAYS_WHOLE

  #viewedBytes: Uint8Array | undefined
  #view!: DataView

  constructor(slabBytes: number = FIRST_SLAB_BYTES) {
    this.bytes = Buffer.allocUnsafeSlow(slabBytes)
  }

  /** The bytes to send; borrowed until the next write to this encoder. */
  pending(): Buffer {
    return this.bytes.subarray(0, this.length)
  }

  /** Forgets what was written and keeps the slab if it is of ordinary size. */
  clear(): void {
    this.length = 0
    if (this.bytes.length > KEPT_SLAB_BYTES_MAX) this.bytes = Buffer.allocUnsafeSlow(FIRST_SLAB_BYTES)
  }

  /** Moves what was written to `target[at …)`, which has room for it; the view covers the same bytes as the array. */
  drainTo(target: Uint8Array, targetView: DataView, at: number): void {
    const { bytes } = this
    if (bytes !== this.#viewedBytes) this.#look()
    copyBytes(bytes, this.#view, 0, this.length, target, targetView, at)
    this.clear()
  }

  /** Hands the slab to the caller (who sends it) and goes on with another one. Ownership of the result moves. */
  detach(replacement: Buffer): Buffer {
    const out = this.bytes.subarray(0, this.length)
    this.bytes = replacement
    this.length = 0
    return out
  }

  /**
   * Makes room for `more` bytes after `length`. @throws LONG_REPLY beyond `longFrom`, ReplicaError PROTOCOL_TOO_BIG beyond
   * REPLY_BYTES_MAX.
   */
  reserve(more: number): void {
    const need = this.length + more
    if (need <= this.bytes.length) return
    if (need > this.longFrom) throw LONG_REPLY
    if (need > REPLY_BYTES_MAX) {
      throw new ReplicaError('PROTOCOL_TOO_BIG', `the reply would be longer than ${REPLY_BYTES_MAX} bytes`)
    }
    let size = this.bytes.length * 2
    while (size < need) size *= 2
    const grown = Buffer.allocUnsafeSlow(Math.min(size, REPLY_BYTES_MAX))
    this.bytes.copy(grown, 0, 0, this.length)
    this.bytes = grown
  }

  /** The reply is going to have so many items, or so many are to be looked at for it. @throws LONG_REPLY */
  expectItems(count: number): void {
    if (count > LONG_REPLY_ITEMS && this.longFrom !== ALWAYS_WHOLE) throw LONG_REPLY
  }

  ok(): void {
    this.simple('OK')
  }

  /** `+text`; the text is ASCII without CR and LF. */
  simple(text: string): void {
    if (this.discardReplies) return
    this.reserve(text.length + 3)
    this.bytes[this.length++] = PLUS
    this.#ascii(text)
    this.#crlf()
  }

  /**
   * `-text`: the text starts with its code, as in 'ERR syntax error'. Line ends in it become blanks, at its end they go. Each character
   * is one byte (latin1), so that bytes of a request can be quoted back unchanged.
   */
  error(text: string): void {
    const line = oneLine(text)
    this.errorCount++
    this.lastError = line
    if (this.discardReplies) return
    const clean = Buffer.from(line, 'latin1')
    this.reserve(clean.length + 3)
    this.bytes[this.length++] = MINUS
    clean.copy(this.bytes, this.length)
    this.length += clean.length
    this.#crlf()
  }

  /** `:value`. Numbers must be safe integers; beyond 2^53 pass a bigint. */
  integer(value: number | bigint): void {
    this.#numberLine(COLON, value)
  }

  /** A bulk string copied from `source[start .. end)`. @param view over the same bytes, when there is one at hand. */
  bulk(source: Uint8Array, start: number, end: number, view: DataView = viewOf(source)): void {
    if (this.discardReplies) return
    const count = end - start
    this.reserve(count + BULK_FRAME_BYTES_MAX)
    const { bytes } = this
    let at = this.length
    bytes[at++] = DOLLAR
    if (count < 10) bytes[at++] = 48 + count
    else if (count < 100) {
      const tens = (count / 10) | 0
      bytes[at++] = 48 + tens
      bytes[at++] = 48 + count - tens * 10
    } else {
      this.length = at
      this.#digits(count)
      at = this.length
    }
    bytes[at++] = CR
    bytes[at++] = LF
    if (bytes !== this.#viewedBytes) this.#look()
    copyBytes(source, view, start, end, bytes, this.#view, at)
    at += count
    bytes[at++] = CR
    bytes[at++] = LF
    this.length = at
  }

  /** A bulk string in UTF-8. */
  bulkString(text: string): void {
    if (this.discardReplies) return
    if (text.length <= SHORT_TEXT_MAX && this.#bulkAscii(text)) return
    const bytes = Buffer.from(text)
    this.bulk(bytes, 0, bytes.length)
  }

  /** A bulk string of one byte per character (latin1): for text that came from a request's bytes. */
  bulkLatin1(text: string): void {
    if (this.discardReplies) return
    const bytes = Buffer.from(text, 'latin1')
    this.bulk(bytes, 0, bytes.length)
  }

  /**
   * `$count`: follow with `raw()` pieces of `count` bytes in all and `bulkEnd()`. @param ahead so many of them are going to
   * follow at once.
   */
  bulkHeader(count: number, ahead: number = count): void {
    if (this.discardReplies) return
    this.reserve(ahead + 16)
    this.#numberLine(DOLLAR, count)
  }

  bulkEnd(): void {
    if (this.discardReplies) return
    this.reserve(2)
    this.#crlf()
  }

  /** Copies bytes as they are. */
  raw(source: Uint8Array, start: number, end: number, view: DataView = viewOf(source)): void {
    if (this.discardReplies) return
    this.reserve(end - start)
    const { bytes } = this
    if (bytes !== this.#viewedBytes) this.#look()
    copyBytes(source, view, start, end, bytes, this.#view, this.length)
    this.length += end - start
  }

  /** Null bulk in RESP2, null in RESP3. */
  nullBulk(): void {
    if (this.discardReplies) return
    this.reserve(5)
    if (this.resp === 2) this.#ascii('$-1\r\n')
    else this.#ascii('_\r\n')
  }

  /** Null array in RESP2, null in RESP3. */
  nullArray(): void {
    if (this.discardReplies) return
    this.reserve(5)
    if (this.resp === 2) this.#ascii('*-1\r\n')
    else this.#byteLine(UNDERSCORE)
  }

  array(count: number): void {
    this.#numberLine(STAR, count)
  }

  /**
   * Puts the header of an array of `count` items before what was written since `from` (an earlier `length`): for arrays whose
   * length is known only at their end. The items move up, so this costs a copy of them.
   */
  arrayFrom(from: number, count: number): void {
    this.#headerFrom(from, () => this.array(count))
  }

  /** As `arrayFrom`, for a map of `count` pairs. */
  mapFrom(from: number, count: number): void {
    this.#headerFrom(from, () => this.map(count))
  }

  #headerFrom(from: number, header: () => void): void {
    if (this.discardReplies) return
    const end = this.length
    header()
    const headerBytes = this.length - end
    const kept = Buffer.from(this.bytes.subarray(end, this.length))
    this.bytes.copyWithin(from + headerBytes, from, end)
    kept.copy(this.bytes, from)
  }

  /** A map of `count` pairs; a flat array in RESP2. */
  map(count: number): void {
    if (this.resp === 2) this.#numberLine(STAR, count * 2)
    else this.#numberLine(PERCENT, count)
  }

  set(count: number): void {
    this.#numberLine(this.resp === 2 ? STAR : TILDE, count)
  }

  /** `count` pairs that are about the reply behind them. RESP3 only. */
  attribute(count: number): void {
    this.#numberLine(PIPE, count)
  }

  push(count: number): void {
    this.#numberLine(this.resp === 2 ? STAR : GREATER, count)
  }

  /** A double in RESP3, a bulk string in RESP2; written as redis 7.0 does ("%.17g"). */
  double(value: number): void {
    if (this.discardReplies) return
    const count = writeScore(value, doubleText, 0)
    if (this.resp === 2) return this.bulk(doubleText, 0, count)
    this.reserve(count + 3)
    this.bytes[this.length++] = COMMA
    for (let i = 0; i < count; i++) this.bytes[this.length++] = doubleText[i]!
    this.#crlf()
  }

  /** The same for a double whose text (ASCII) the caller has made. */
  doubleText(text: string): void {
    if (this.discardReplies) return
    if (this.resp === 2) return this.bulkLatin1(text)
    this.reserve(text.length + 3)
    this.bytes[this.length++] = COMMA
    this.#ascii(text)
    this.#crlf()
  }

  boolean(value: boolean): void {
    if (this.resp === 2) return this.integer(value ? 1 : 0)
    if (this.discardReplies) return
    this.reserve(4)
    this.bytes[this.length++] = HASH
    this.#ascii(value ? 't' : 'f')
    this.#crlf()
  }

  /** A big number in RESP3, a bulk string in RESP2. */
  bigNumber(value: bigint): void {
    if (this.discardReplies) return
    const text = value.toString()
    if (this.resp === 2) return this.bulkString(text)
    this.reserve(text.length + 3)
    this.bytes[this.length++] = OPEN_PAREN
    this.#ascii(text)
    this.#crlf()
  }

  /** A verbatim string (`format` has three letters) in RESP3, a bulk string in RESP2. */
  verbatim(format: string, text: string): void {
    if (this.discardReplies) return
    if (this.resp === 2) return this.bulkString(text)
    const bytes = Buffer.from(text)
    this.#numberLine(EQUALS, bytes.length + 4)
    this.reserve(bytes.length + 6)
    this.#ascii(`${format}:`)
    this.raw(bytes, 0, bytes.length)
    this.bulkEnd()
  }

  /** Remakes the view of `bytes`, which are others now. */
  #look(): void {
    const { bytes } = this
    this.#viewedBytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  #byteLine(byte: number): void {
    this.bytes[this.length++] = byte
    this.#crlf()
  }

  #crlf(): void {
    this.bytes[this.length++] = CR
    this.bytes[this.length++] = LF
  }

  #ascii(text: string): void {
    const bytes = this.bytes
    let at = this.length
    for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i)
    this.length = at
  }

  /** A short bulk string without a Buffer. @returns false: there is more than ASCII in it, and nothing was written */
  #bulkAscii(text: string): boolean {
    const { length } = text
    const begin = this.length
    this.reserve(length + BULK_FRAME_BYTES_MAX)
    this.#numberLine(DOLLAR, length)
    const { bytes } = this
    let at = this.length
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i)
      if (unit > 0x7f) {
        this.length = begin
        return false
      }
      bytes[at++] = unit
    }
    this.length = at
    this.#crlf()
    return true
  }

  #numberLine(prefix: number, value: number | bigint): void {
    if (this.discardReplies) return
    this.reserve(24)
    const bytes = this.bytes
    bytes[this.length++] = prefix
    if (typeof value === 'number' && value >= 0 && value <= 0x7fffffff) this.#digits(value)
    else this.#ascii(String(value))
    this.#crlf()
  }

  /** Writes a number of 31 bits. */
  #digits(value: number): void {
    const { bytes } = this
    let rest = value | 0
    let digits = 1
    for (let bound = 10; digits < 10 && rest >= bound; bound *= 10) digits++
    let at = this.length + digits
    this.length = at
    do {
      const quotient = (rest / 10) | 0
      bytes[--at] = 48 + (rest - quotient * 10)
      rest = quotient
    } while (rest > 0)
  }
}

/** An error may quote a request, which may be as long as memory allows; Redis says such words in full. */
const ERROR_LENGTH_MAX = 16 * 1024

/** Line ends in an error go at its end and are blanks in it (redis 7.0 addReplyErrorFormat()). */
function oneLine(text: string): string {
  // By way of its bytes: a slice would keep all of the text.
  const kept =
    text.length > ERROR_LENGTH_MAX ? Buffer.from(text.slice(0, ERROR_LENGTH_MAX), 'latin1').toString('latin1') : text
  let { length: end } = kept
  while (end > 0 && (kept[end - 1] === '\r' || kept[end - 1] === '\n')) end--
  return kept.slice(0, end).replace(/[\r\n]/g, ' ')
}
