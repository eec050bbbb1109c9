/**
 * The bytes of one stored value, wherever they are: in one piece, in chunks, in shared memory; and a reader that has the
 * next item of them in one row without holding the whole.
 */
import { INTEGER_TEXT_BYTES_MAX, writeInteger } from '../encoding/integer.ts'
import { decodeString, readStringHeader, STRING_INT, STRING_RAW, StringSlot } from './string-codec.ts'
import { LengthSlot, READ_BAD, READ_MORE, READ_OK, readLength } from './rdb-length.ts'
import type { ReadResult } from './rdb-length.ts'
import { ValueFault } from './value-walker.ts'
import { copyRange } from '../memory/copy-range.ts'

/** For strings the decoded string; for other types the bytes as they stand in a snapshot behind the key. */
export interface ValueSource {
  readonly lengthBytes: number
  /** Copies `count` bytes from `offset` to `target[at]`. Both ranges lie inside. */
  copy(offset: number, target: Uint8Array, at: number, count: number): void
  /** The bytes themselves, where they stand in one piece: `bytes[start …)`. Readers then copy nothing. */
  readonly whole?: { readonly bytes: Uint8Array; readonly start: number }
}

/** `bytes[start .. end)` as a source; borrowed. */
export function bytesSource(bytes: Uint8Array, start: number = 0, end: number = bytes.length): ValueSource {
  return {
    lengthBytes: end - start,
    whole: { bytes, start },
    copy(offset, target, at, count) {
      copyRange(bytes, start + offset, start + offset + count, target, at)
    },
  }
}

/** All bytes of a source, copied into one piece. */
export function sourceBytes(source: ValueSource): Uint8Array {
  const bytes = new Uint8Array(source.lengthBytes)
  source.copy(0, bytes, 0, bytes.length)
  return bytes
}

const BUFFER_BYTES = 1 << 16
const EMPTY: Uint8Array = new Uint8Array(0)
const digits: Uint8Array = new Uint8Array(INTEGER_TEXT_BYTES_MAX)

const NO_SOURCE: ValueSource = { lengthBytes: 0, copy() {}, whole: { bytes: EMPTY, start: 0 } }

/** Reads a source item by item; one reader serves one source after the other. @throws ValueFault for anything that is not an item */
export class SourceReader {
  /** The bytes at hand are `bytes[position .. end)`. */
  bytes: Uint8Array = EMPTY
  position = 0
  end = 0
  #source: ValueSource = NO_SOURCE
  /** Bytes taken from the source. */
  #taken = 0
  readonly #length: LengthSlot = new LengthSlot()
  readonly #string: StringSlot = new StringSlot()

  /** The content of the last `readString`: `text[textStart .. textEnd)`, borrowed until the next call. */
  text: Uint8Array = EMPTY
  textStart = 0
  textEnd = 0

  /** Starts at the first byte of a source. */
  open(source: ValueSource): this {
    const { whole, lengthBytes } = source
    this.#source = source
    if (whole === undefined) {
      this.bytes = new Uint8Array(Math.min(BUFFER_BYTES, lengthBytes))
      this.position = this.end = this.#taken = 0
    } else {
      this.bytes = whole.bytes
      this.position = whole.start
      this.end = whole.start + lengthBytes
      this.#taken = lengthBytes
    }
    return this
  }

  /** Forgets the source and its bytes. */
  close(): void {
    this.open(NO_SOURCE)
    this.text = EMPTY
  }

  /** Offset in the value of the next byte. */
  get offset(): number {
    return this.#taken - (this.end - this.position)
  }

  /** Has at least `count` bytes at hand. The length may be a claim: it is compared with what there is first. */
  need(count: number): void {
    if (this.end - this.position >= count) return
    if (!this.#fill(count)) this.fail('the value ends too early')
  }

  /** Shows more bytes, at least `count` in all. @returns false if there are not that many. */
  #fill(count: number): boolean {
    const rest = this.end - this.position
    if (count - rest > this.#source.lengthBytes - this.#taken) return false
    if (count > this.bytes.length) {
      const grown = new Uint8Array(Math.min(Math.max(count, 2 * this.bytes.length), rest + this.#source.lengthBytes))
      grown.set(this.bytes.subarray(this.position, this.end))
      this.bytes = grown
    } else {
      this.bytes.copyWithin(0, this.position, this.end)
    }
    const taken = Math.min(this.bytes.length - rest, this.#source.lengthBytes - this.#taken)
    this.#source.copy(this.#taken, this.bytes, rest, taken)
    this.#taken += taken
    this.position = 0
    this.end = rest + taken
    return true
  }

  /** Runs a reader that may want more bytes until it has them. */
  #retry(read: () => ReadResult, what: string): void {
    for (;;) {
      const result = read()
      if (result === READ_OK) return
      if (result === READ_BAD) this.fail(`not a ${what}`)
      if (result === READ_MORE && !this.#fill(this.end - this.position + 1)) this.fail('the value ends too early')
    }
  }

  /** Reads a length; the slot is borrowed until the next call. */
  length(): LengthSlot {
    const slot = this.#length
    if (readLength(this.bytes, this.position, this.end, slot) !== READ_OK)
      this.#retry(() => readLength(this.bytes, this.position, this.end, slot), 'length')
    if (slot.encoded) this.fail('not a length')
    this.position = slot.next
    return slot
  }

  /** Reads a string and returns its decoded content, borrowed until the next call. */
  string(): Uint8Array {
    this.readString()
    return this.text.subarray(this.textStart, this.textEnd)
  }

  /** Reads a string; its decoded content is `text[textStart .. textEnd)`. */
  readString(): void {
    const slot = this.#string
    if (readStringHeader(this.bytes, this.position, this.end, slot) !== READ_OK) {
      this.#retry(() => readStringHeader(this.bytes, this.position, this.end, slot), 'string')
    }
    if (slot.end > this.end) {
      this.need(slot.end - this.position)
      // The bytes have moved: read the header where it is now.
      readStringHeader(this.bytes, this.position, this.end, slot)
    }
    this.position = slot.end
    if (slot.kind === STRING_RAW) {
      this.text = this.bytes
      this.textStart = slot.start
      this.textEnd = slot.end
      return
    }
    this.textStart = 0
    if (slot.kind === STRING_INT) {
      this.text = digits
      this.textEnd = writeInteger(digits, 0, slot.intValue)
      return
    }
    const content = decodeString(this.bytes, slot)
    if (content === undefined) this.fail('malformed compression')
    this.text = content
    this.textEnd = content.length
  }

  /** Passes `count` bytes and returns their position in `bytes`. */
  fixed(count: number): number {
    this.need(count)
    const at = this.position
    this.position += count
    return at
  }

  fail(message: string): never {
    throw new ValueFault('RDB_BAD_VALUE', message, this.offset)
  }
}
