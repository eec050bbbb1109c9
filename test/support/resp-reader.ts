/**
 * Reads RESP2 and RESP3 replies, plainly and slowly: the tests' own judgement of what is on the wire. It shares no code with
 * the codec under test, and is strict: anything the specification does not allow is an error.
 *
 * Source: RESP specification (redis.io/docs/reference/protocol-spec) and RESP3 specification (antirez/RESP3).
 */

/** An error reply. `message` is the line without '-' and CRLF: 'WRONGTYPE Operation against …'. */
export class ReplyError extends Error {
  override readonly name = 'ReplyError'

  /** The first word: 'WRONGTYPE', 'ERR', 'MOVED' … */
  get code(): string {
    return this.message.split(' ', 1)[0] ?? ''
  }
}

/** An out-of-band message of RESP3. */
export class PushReply {
  readonly items: Reply[]
  constructor(items: Reply[]) {
    this.items = items
  }
}

/** Strings are Buffers when the reader was asked for them, else UTF-8 text. Integers beyond 2^53 are bigints. */
export type Reply =
  | string
  | Buffer
  | number
  | bigint
  | boolean
  | null
  | ReplyError
  | PushReply
  | Reply[]
  | Map<Reply, Reply>
  | Set<Reply>

export interface ReadResult {
  readonly value: Reply
  /** Position behind the reply. */
  readonly end: number
}

/** The reply is not complete; it cannot be before the input has `bytesNeeded` bytes (a lower bound). */
export interface Incomplete {
  readonly bytesNeeded: number
}

/** Reads the reply at `start`. Attributes ('|') before it are read and left out. Throws on bytes that are not RESP. */
export function readReplyAt(bytes: Buffer, start: number, binary = false): ReadResult | Incomplete {
  const reader = new Reader(bytes, start, binary)
  try {
    const value = reader.reply()
    return { value, end: reader.at }
  } catch (error) {
    if (error instanceof Short) return { bytesNeeded: error.bytesNeeded }
    throw error
  }
}

/** All replies of `bytes`, which must hold nothing else. */
export function readAllReplies(bytes: Buffer, binary = false): Reply[] {
  const out: Reply[] = []
  for (let at = 0; at < bytes.length;) {
    const result = readReplyAt(bytes, at, binary)
    if (!('value' in result)) throw new Error(`incomplete reply at byte ${at} of ${bytes.length}`)
    out.push(result.value)
    at = result.end
  }
  return out
}

class Short extends Error {
  readonly bytesNeeded: number
  constructor(bytesNeeded: number) {
    super('short')
    this.bytesNeeded = bytesNeeded
  }
}

class Reader {
  readonly #bytes: Buffer
  readonly #binary: boolean
  at: number

  constructor(bytes: Buffer, start: number, binary: boolean) {
    this.#bytes = bytes
    this.at = start
    this.#binary = binary
  }

  reply(): Reply {
    const start = this.at
    if (start >= this.#bytes.length) throw new Short(start + 1)
    const type = String.fromCharCode(this.#bytes[start]!)
    const line = this.#line()
    switch (type) {
      case '+':
        return this.#string(Buffer.from(line, 'latin1'))
      case '-':
        // Errors quote bytes of requests, so they are read as latin1, as they are written.
        return new ReplyError(line)
      case ':':
        return this.#integer(line, start)
      case '$':
        if (line === '-1') return null
        return this.#string(this.#blob(line, start))
      case '*':
        if (line === '-1') return null
        return this.#items(this.#count(line, start))
      case '_':
        if (line !== '') throw this.#bad('a null with content', start)
        return null
      case ',':
        return this.#double(line, start)
      case '#':
        if (line !== 't' && line !== 'f') throw this.#bad(`boolean '${line}'`, start)
        return line === 't'
      case '(':
        if (!/^[+-]?\d+$/.test(line)) throw this.#bad(`big number '${line}'`, start)
        return BigInt(line)
      case '!':
        return new ReplyError(this.#blob(line, start).toString())
      case '=': {
        const blob = this.#blob(line, start)
        if (blob.length < 4 || blob[3] !== 58) throw this.#bad('a verbatim string without its format', start)
        return this.#string(blob.subarray(4))
      }
      case '%':
        return new Map(this.#pairs(this.#count(line, start)))
      case '~':
        return new Set(this.#items(this.#count(line, start)))
      case '>':
        return new PushReply(this.#items(this.#count(line, start)))
      case '|':
        this.#pairs(this.#count(line, start))
        return this.reply()
      default:
        throw this.#bad(`type byte ${JSON.stringify(type)}`, start)
    }
  }

  #string(bytes: Buffer): string | Buffer {
    return this.#binary ? Buffer.from(bytes) : bytes.toString()
  }

  /** The rest of the line as Latin-1; `at` moves behind its CRLF. */
  #line(): string {
    const lineFeed = this.#bytes.indexOf(10, this.at)
    if (lineFeed === -1) throw new Short(this.#bytes.length + 1)
    if (this.#bytes[lineFeed - 1] !== 13 || lineFeed - 1 <= this.at)
      throw this.#bad('a line that ends without CR', this.at)
    const line = this.#bytes.toString('latin1', this.at + 1, lineFeed - 1)
    if (line.includes('\r')) throw this.#bad('a CR within a line', this.at)
    this.at = lineFeed + 1
    return line
  }

  #count(line: string, start: number): number {
    if (!/^(0|[1-9]\d{0,9})$/.test(line)) throw this.#bad(`length '${line}'`, start)
    return Number(line)
  }

  #integer(line: string, start: number): number | bigint {
    if (!/^[+-]?\d{1,19}$/.test(line)) throw this.#bad(`integer '${line}'`, start)
    const value = Number(line)
    return Number.isSafeInteger(value) ? value : BigInt(line)
  }

  #double(line: string, start: number): number {
    if (line === 'inf') return Infinity
    if (line === '-inf') return -Infinity
    if (line === 'nan') return NaN
    if (!/^[+-]?\d+(\.\d*)?([eE][+-]?\d+)?$/.test(line)) throw this.#bad(`double '${line}'`, start)
    return Number(line)
  }

  #blob(line: string, start: number): Buffer {
    const count = this.#count(line, start)
    const end = this.at + count
    if (end + 2 > this.#bytes.length) throw new Short(end + 2)
    if (this.#bytes[end] !== 13 || this.#bytes[end + 1] !== 10)
      throw this.#bad('a string that does not end in CRLF', start)
    const blob = this.#bytes.subarray(this.at, end)
    this.at = end + 2
    return blob
  }

  #items(count: number): Reply[] {
    const out: Reply[] = []
    for (let i = 0; i < count; i++) out.push(this.reply())
    return out
  }

  #pairs(count: number): [Reply, Reply][] {
    const out: [Reply, Reply][] = []
    for (let i = 0; i < count; i++) out.push([this.reply(), this.reply()])
    return out
  }

  #bad(what: string, offset: number): Error {
    return new Error(`not RESP: ${what} at byte ${offset}`)
  }
}
