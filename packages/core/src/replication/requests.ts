/**
 * What we send to a primary, and the lines it answers with. Requests are RESP arrays, except the inline SYNC of old.
 */
import { LinkError } from '../errors.ts'
import { REPLY_LINE_BYTES_MAX } from './limits.ts'

const LF = 10
const CR = 13

/** A command as an array of bulk strings; strings are UTF-8, bytes go as they are (passwords). */
export function encodeRequest(...args: readonly (string | Uint8Array)[]): Uint8Array {
  const parts: Uint8Array[] = [Buffer.from(`*${args.length}\r\n`)]
  for (const arg of args) {
    const bytes = typeof arg === 'string' ? Buffer.from(arg) : arg
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'))
  }
  return Buffer.concat(parts)
}

/** Collects one line at a time from pieces of any size, never beyond its LF: what follows may belong to a snapshot. */
export class ReplyLineReader {
  readonly #bytes = Buffer.alloc(REPLY_LINE_BYTES_MAX)
  #length = 0
  #line = ''

  /** The line found last, without CR LF, one character per byte. */
  get line(): string {
    return this.#line
  }

  /**
   * @returns index behind the LF when a line is complete, -1 when all of `bytes[start .. end)` was taken without one.
   * @throws LinkError LINK_BAD_REPLY for a line that does not end.
   */
  take(bytes: Uint8Array, start: number, end: number): number {
    for (let i = start; i < end; i++) {
      const byte = bytes[i]!
      if (byte === LF) {
        const length = this.#length > 0 && this.#bytes[this.#length - 1] === CR ? this.#length - 1 : this.#length
        this.#line = this.#bytes.toString('latin1', 0, length)
        this.#length = 0
        return i + 1
      }
      if (this.#length === REPLY_LINE_BYTES_MAX) {
        const shown = JSON.stringify(this.#bytes.toString('latin1', 0, 40))
        throw new LinkError(
          'LINK_BAD_REPLY',
          `the primary's reply has no end within ${REPLY_LINE_BYTES_MAX} bytes (it begins with ${shown})`,
        )
      }
      this.#bytes[this.#length++] = byte
    }
    return -1
  }

  reset(): void {
    this.#length = 0
  }
}

/** Characters of foreign text in one line of the log. */
const SHOWN_MAX = 1000

/**
 * Control characters made visible, so that a hostile reply cannot write lines of its own into our log, and cut where it would fill
 * it.
 */
export function printable(text: string): string {
  const shown = text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}...` : text
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  return shown.replace(/[\u0000-\u001f\u007f-\u00ff]/g, (char) => {
    return `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
}
