/**
 * Strings of a snapshot that are wanted whole: keys, values of type string, AUX fields, function libraries. Any encoding, any
 * size. A string longer than the window is gathered: its bytes are consumed and collected, and the step that wanted it is run
 * again when it is complete.
 */
import {
  lzfCheck,
  lzfDecompress,
  READ_BAD,
  READ_MORE,
  READ_OK,
  readStringHeader,
  STRING_INT,
  STRING_RAW,
  StringSlot,
  writeInteger,
} from '@understudy/core/loading'
import type { ReadResult } from '@understudy/core/loading'
import { MORE } from './elements.ts'
import type { ScanContext } from './scan-context.ts'
import { GrowingBytes, ScratchArena } from './scratch.ts'

/** Decoded strings of one batch. */
export const ARENA_BYTES: number = 1 << 20

const NO_BYTES: Uint8Array = new Uint8Array(0)

export class StringReader {
  /** What was read or decoded last is `bytes[start .. end)`; borrowed until the next flush. */
  bytes: Uint8Array = NO_BYTES
  start = 0
  end = 0
  /** Header of the string that was looked at last. */
  readonly slot: StringSlot = new StringSlot()
  /** Where in the snapshot it begins: what was gathered does not stand where it is found to be wrong. */
  #headerOffset = 0
  /** Decoded strings, and values that were unpacked, up to the next flush. */
  readonly arena: ScratchArena = new ScratchArena(ARENA_BYTES)
  /** Bytes are being collected: they are for `gather()` alone. */
  gathering = false
  /** Index of the first byte to be collected, right after `gathering` became true. */
  gatherStart = 0
  /** The content described by `slot` was collected and not taken yet. */
  #gathered = false
  #gatherLeft = 0
  readonly #collected: GrowingBytes = new GrowingBytes()
  readonly #context: ScanContext

  constructor(context: ScanContext) {
    this.#context = context
  }

  /**
   * Reads and decodes the string at `at`, of at most `bytesMax` bytes then: it is held whole, and what is compressed becomes 88 times as
   * long. @returns the position behind it, or MORE
   */
  read(bytes: Uint8Array, at: number, end: number, bytesMax: number): number {
    const collected = this.takeGathered()
    if (collected !== undefined) {
      this.decode(collected, 0, collected.length)
      return at
    }
    const { slot } = this
    if (this.readHeader(bytes, at, end) === READ_MORE) return MORE
    if (slot.length > bytesMax) {
      const text = `a string of ${slot.length} bytes, where ${Math.max(bytesMax, 0)} are the most that is taken`
      this.#context.fail('RDB_BAD_LENGTH', text, at)
    }
    if (slot.end > end) {
      if (this.#context.full) this.beginGather()
      return MORE
    }
    this.decode(bytes, slot.start, slot.end)
    return slot.end
  }

  /** Reads the header of the string at `at` into `slot`. @throws RdbError RDB_BAD_LENGTH */
  readHeader(bytes: Uint8Array, at: number, end: number): ReadResult {
    const { slot } = this
    const result = readStringHeader(bytes, at, end, slot)
    this.#headerOffset = this.#context.origin + at
    if (result === READ_BAD) this.#context.fail('RDB_BAD_LENGTH', 'not a string', at)
    if (result === READ_OK && this.#context.origin + slot.end > this.#context.totalBytes) {
      const length = slot.end - slot.start
      this.#context.fail('RDB_BAD_LENGTH', `a string of ${length} bytes is longer than the rest of the snapshot`, at)
    }
    return result
  }

  /** Decodes the content `bytes[start .. end)` of the string that `slot` describes. */
  decode(bytes: Uint8Array, start: number, end: number): void {
    const { slot } = this
    const { arena } = this
    if (slot.kind === STRING_RAW) {
      this.bytes = bytes
      this.start = start
      this.end = end
      return
    }
    if (slot.kind === STRING_INT) {
      arena.reserve(11)
      this.bytes = arena.bytes
      this.start = arena.used
      this.end = writeInteger(arena.bytes, arena.used, slot.intValue)
      arena.used = this.end
      return
    }
    this.checkCompressed(bytes, start, end)
    arena.reserve(slot.length)
    this.bytes = arena.bytes
    this.start = arena.used
    this.end = arena.used + slot.length
    arena.used = this.end
    lzfDecompress(bytes, start, end, arena.bytes, this.start, this.end)
  }

  /** No length is believed before the content bears it out. @throws RdbError RDB_BAD_VALUE */
  checkCompressed(bytes: Uint8Array, start: number, end: number): void {
    if (lzfCheck(bytes, start, end, this.slot.length)) return
    this.#context.failAt('RDB_BAD_VALUE', 'malformed compression', this.#headerOffset)
  }

  /** Starts to collect the content of the string that `slot` describes; its header is consumed by that. */
  beginGather(): void {
    this.gathering = true
    this.gatherStart = this.slot.start
    this.#gatherLeft = this.slot.end - this.slot.start
  }

  /** Collects. @returns the position behind what was taken, or MORE */
  gather(bytes: Uint8Array, at: number, end: number): number {
    if (at >= end) return MORE
    const next = at + Math.min(this.#gatherLeft, end - at)
    this.#collected.append(bytes, at, next, this.#collected.length + this.#gatherLeft)
    this.#gatherLeft -= next - at
    if (this.#gatherLeft === 0) {
      this.gathering = false
      this.#gathered = true
    }
    return next
  }

  /** The content that was collected, once; it stays valid. */
  takeGathered(): Uint8Array | undefined {
    if (!this.#gathered) return undefined
    this.#gathered = false
    const content = this.#collected.bytes.subarray(0, this.#collected.length)
    this.#collected.clear()
    return content
  }

  /** Have decoded strings taken up so much room that a flush is due before more are decoded? */
  get crowded(): boolean {
    return this.arena.used > ARENA_BYTES / 2
  }

  /** The sink has flushed: nobody holds decoded strings any more. */
  flushed(): void {
    this.arena.reset()
  }
}
