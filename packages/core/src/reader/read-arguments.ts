/** The arguments of one call as commands take them: strings as UTF-8, bytes as they are, numbers as text, one behind the other. */
import { isUint8Array } from 'node:util/types'
import type { CommandArgs } from '../commands/command.ts'
import { KeyspaceError } from '../errors.ts'

export type ReadArgument = string | Uint8Array | number

const KEPT_BYTES_MAX = 65_536
/** Text of more characters is written by a native call; the characters of shorter text take less than the call itself. */
const SHORT_TEXT_MAX = 40

export class ReadArguments implements CommandArgs {
  bytes: Buffer = Buffer.allocUnsafeSlow(1024)
  count = 0
  start: Int32Array = new Int32Array(16)
  end: Int32Array = new Int32Array(16)

  /** No arguments. */
  clear(): void {
    this.count = 0
    if (this.bytes.length > KEPT_BYTES_MAX) this.bytes = Buffer.allocUnsafeSlow(1024)
  }

  add(argument: ReadArgument): void {
    const { count } = this
    if (count === this.start.length) this.#growTable()
    const at = count === 0 ? 0 : this.end[count - 1]!
    this.start[count] = at
    this.end[count] = at + this.#write(argument, at)
    this.count = count + 1
  }

  #write(argument: ReadArgument, at: number): number {
    if (typeof argument === 'number') return this.#writeText(String(argument), at)
    if (typeof argument === 'string') return this.#writeText(argument, at)
    // JavaScript passes what it likes; wider elements would be cut to bytes, and another key read.
    if (!isUint8Array(argument)) {
      throw new KeyspaceError('BAD_ARGUMENT', 'a key, field, member or ID is a string or a Uint8Array')
    }
    this.#reserve(at + argument.length)
    this.bytes.set(argument, at)
    return argument.length
  }

  #writeText(text: string, at: number): number {
    const { length } = text
    this.#reserve(at + length * 3)
    const { bytes } = this
    if (length > SHORT_TEXT_MAX) return bytes.write(text, at, 'utf8')
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i)
      if (code >= 0x80) return bytes.write(text, at, 'utf8')
      bytes[at + i] = code
    }
    return length
  }

  #reserve(bytes: number): void {
    if (bytes <= this.bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(bytes, this.bytes.length * 2))
    this.bytes.copy(grown)
    this.bytes = grown
  }

  #growTable(): void {
    const start = new Int32Array(this.start.length * 2)
    const end = new Int32Array(start.length)
    start.set(this.start)
    end.set(this.end)
    this.start = start
    this.end = end
  }
}
