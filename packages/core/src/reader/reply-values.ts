/**
 * Values out of a RESP3 reply that this process has written itself, by a cursor: what the embedded reader makes of what the
 * commands reply. Not for bytes from outside: nothing is checked.
 */
import { textOf } from './text-of.ts'

const LF = 10
const MINUS = 45
const NULL = 95
const DOLLAR = 36

export class ReplyValues {
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0
  // The bulk string read last.
  #start = 0
  #end = 0
  /** Type byte of the line read last. */
  type = 0

  /** Begins with the first value of `bytes`, borrowed until the last one was read. */
  open(bytes: Buffer): this {
    this.#bytes = bytes
    this.#at = 0
    return this
  }

  /** Reads the line of a type and a number: `:7`, `*3`, `,1.5`. @returns its text. */
  line(): string {
    const bytes = this.#bytes
    const from = this.#at + 1
    this.type = bytes[this.#at]!
    const end = bytes.indexOf(LF, from)
    this.#at = end + 1
    return bytes.toString('latin1', from, end - 1)
  }

  number(): number {
    return Number(this.line().replace('inf', 'Infinity'))
  }

  /** A bulk string as text (UTF-8); undefined for null. @throws KeyspaceError KEYSPACE_VALUE_TOO_BIG */
  text(): string | undefined {
    return this.#bulk() ? textOf(this.#bytes, this.#start, this.#end) : undefined
  }

  /** A bulk string as a copy; undefined for null. */
  buffer(): Buffer | undefined {
    return this.#bulk() ? Buffer.from(this.#bytes.subarray(this.#start, this.#end)) : undefined
  }

  /** Is the next value null? */
  get isNull(): boolean {
    return this.#bytes[this.#at] === NULL
  }

  /** The error reply, if it is one. */
  error(): string | undefined {
    return this.#bytes[this.#at] === MINUS ? this.line() : undefined
  }

  #bulk(): boolean {
    const text = this.line()
    if (this.type === NULL) return false
    if (this.type !== DOLLAR) {
      // A simple string or a number, as it stands.
      this.#end = this.#at - 2
      this.#start = this.#end - text.length
      return true
    }
    this.#start = this.#at
    this.#end = this.#start + Number(text)
    this.#at = this.#end + 2
    return true
  }
}
