/**
 * One entry: key and value, from the byte behind the type. Small ones, which is nearly all, are put whole; a value longer
 * than the window goes to the sink in pieces.
 *
 *   WHOLE ──► (done)                    key and value in the window: put
 *     ├─────► TEXT ──► (done)           plain string: begin, append …, end
 *     └─────► VALUE ──► (done)          other types: the same, or collected (Valkey's hashes), or dropped (modules')
 *
 * In WHOLE the first byte not consumed is the key's first, or the value's if the key is held. While the string reader
 * gathers (a key or a compressed value longer than the window) the scanner gives it the bytes, and WHOLE is run again after.
 */
import {
  convertValkeyHash,
  LzfPieces,
  RDB_TYPE_HASH_METADATA,
  RDB_TYPE_MODULE_2,
  RDB_TYPE_STRING,
  RDB_TYPE_VALKEY_HASH_2,
  rdbTypeFacts,
  READ_MORE,
  STRING_LZF,
  valueGrammar,
  ValueWalker,
} from '@understudy/core/loading'
import { MORE } from './elements.ts'
import type { ScanContext } from './scan-context.ts'
import { GrowingBytes } from './scratch.ts'
import { ARENA_BYTES } from './string-reader.ts'
import type { StringReader } from './string-reader.ts'

const WHOLE = 0
const TEXT = 1
const VALUE = 2

/** Longest key that is taken. Clients can make none beyond `proto-max-bulk-len`, which is half of it. */
const KEY_BYTES_MAX: number = 2 ** 30

export class EntryReader {
  /** Begun and not complete. */
  active = false
  readonly #context: ScanContext
  readonly #strings: StringReader
  readonly #flush: () => void
  readonly #walker: ValueWalker = new ValueWalker()
  #state: number = WHOLE
  #typeByte = 0
  #rdbType = 0
  /** The context's key is ours, and its bytes are consumed. */
  #keyHeld = false
  /** The walker knows how far the value is walked. */
  #walking = false
  /** It only looks for the value's end: the sink checks it. */
  #isOutline = false
  /** TEXT: bytes still to come. */
  #textLeft = 0
  /** VALUE: the sink gets the pieces. */
  #toSink = false
  readonly #collected: GrowingBytes = new GrowingBytes()

  constructor(context: ScanContext, strings: StringReader, flush: () => void) {
    this.#context = context
    this.#strings = strings
    this.#flush = flush
  }

  /** @param rdbType our number for the type byte (`rdbTypeOf`) */
  begin(typeByte: number, rdbType: number): void {
    this.active = true
    this.#state = WHOLE
    this.#typeByte = typeByte
    this.#rdbType = rdbType
    this.#keyHeld = false
    this.#walking = false
  }

  /** In the middle of a value that goes in pieces: the key can be named although its bytes are gone. */
  get inPieces(): boolean {
    return this.active && this.#state !== WHOLE
  }

  /** Goes on reading at `at`. @returns the position behind what was passed, or MORE */
  read(bytes: Uint8Array, at: number, end: number): number {
    if (this.#state === TEXT) return this.#passText(bytes, at, end)
    if (this.#state === VALUE) return this.#passValue(bytes, at, end)
    let valueAt = at
    if (!this.#keyHeld) {
      // Decoded strings of entries before this one are done with after a flush.
      if (this.#strings.crowded) this.#flush()
      valueAt = this.#readKey(bytes, at, end)
      if (valueAt === MORE) return MORE
    }
    return this.#rdbType === RDB_TYPE_STRING
      ? this.#readText(bytes, valueAt, end, at)
      : this.#readValue(bytes, valueAt, end, at)
  }

  #readKey(bytes: Uint8Array, at: number, end: number): number {
    const strings = this.#strings
    const next = strings.read(bytes, at, end, KEY_BYTES_MAX)
    if (next === MORE) return MORE
    const context = this.#context
    context.key = strings.bytes
    context.keyStart = strings.start
    context.keyEnd = strings.end
    context.keyKnown = true
    if (next === at) this.#keyHeld = true // gathered: its bytes are consumed
    return next
  }

  #readText(bytes: Uint8Array, at: number, end: number, entryAt: number): number {
    const context = this.#context
    const strings = this.#strings
    const collected = strings.takeGathered()
    if (collected !== undefined) {
      this.#putText(collected, 0, collected.length)
      return at
    }
    if (strings.readHeader(bytes, at, end) === READ_MORE) return this.#waitForValue(at, entryAt)
    const { slot } = strings
    if (slot.end <= end) {
      const next = slot.end
      this.#putText(bytes, slot.start, next)
      return next
    }
    if (!context.full) return MORE
    if (slot.kind === STRING_LZF) {
      this.#holdKey()
      strings.beginGather()
      return MORE
    }
    // SAFE STATE
    this.#beginPieces(RDB_TYPE_STRING)
    context.sink.append(bytes, slot.start, end)
    this.#textLeft = slot.end - end
    this.#state = TEXT
    return end
  }

  /** Gives a whole string, whose content is `bytes[start .. end)`, to the sink. */
  #putText(bytes: Uint8Array, start: number, end: number): void {
    const strings = this.#strings
    if (strings.slot.kind !== STRING_LZF || strings.slot.length <= ARENA_BYTES / 2) {
      strings.decode(bytes, start, end)
      // SAFE STATE
      this.#put(RDB_TYPE_STRING, strings.bytes, strings.start, strings.end)
      return
    }
    strings.checkCompressed(bytes, start, end)
    // SAFE STATE
    this.#beginPieces(RDB_TYPE_STRING)
    const pieces = new LzfPieces(bytes, start, end)
    while (pieces.next()) {
      this.#context.sink.append(pieces.bytes, pieces.start, pieces.end)
      this.#context.sink.flush()
    }
    this.#endPieces()
  }

  #readValue(bytes: Uint8Array, at: number, end: number, entryAt: number): number {
    const context = this.#context
    const walker = this.#walker
    if (!this.#walking) {
      this.#walking = true
      context.valueOffset = context.origin + at
      this.#isOutline = context.sink.uncheckedAt !== undefined && !this.#needsValue
      if (this.#isOutline) walker.beginOutline(valueGrammar(this.#rdbType), context.totalBytes - context.valueOffset)
      else this.#beginWalk()
    }
    let isPassed = this.#isOutline
      ? this.#walkOutline(bytes, at, end)
      : walker.walk(bytes, at + walker.passedBytes, end, context.full)
    if (!isPassed && context.full && this.#isOutline) {
      // It goes to the sink in pieces, and is checked meanwhile.
      this.#isOutline = false
      this.#beginWalk()
      isPassed = walker.walk(bytes, at, end, true)
    }
    if (isPassed) {
      // SAFE STATE
      if (this.#isOutline) {
        context.sink.uncheckedAt = context.valueOffset
        this.#put(this.#rdbType, bytes, at, walker.position)
        return walker.position
      }
      const { arena } = this.#strings
      const unpacked = walker.takeUnpacked(bytes)
      arena.used += unpacked
      if (unpacked === 0) this.#putValue(bytes, at, walker.position)
      else this.#putValue(arena.bytes, arena.used - unpacked, arena.used)
      return walker.position
    }
    if (!context.full) return this.#waitForValue(at, entryAt)
    // SAFE STATE
    this.#toSink = !this.#needsValue
    if (this.#toSink) this.#beginPieces(this.#rdbType)
    else this.#holdKey()
    this.#passPiece(bytes, at, walker.position)
    this.#state = VALUE
    return walker.position
  }

  /** As the walker's `walk`. A value whose end cannot be found is checked after all: the first thing that is wrong may be further up. */
  #walkOutline(bytes: Uint8Array, at: number, end: number): boolean {
    const walker = this.#walker
    const { full } = this.#context
    try {
      return walker.walk(bytes, at + walker.passedBytes, end, full)
    } catch (error) {
      this.#beginWalk()
      walker.walk(bytes, at, end, full)
      throw error
    }
  }

  /**
   * No more bytes will come: checks what is there of a value whose end was not found yet.
   * @param rest the bytes that were not consumed, which begin at byte `restAt` of the snapshot
   * @throws ValueFault
   */
  checkOutline(rest: Uint8Array, restAt: number): void {
    if (!this.active || !this.#walking || !this.#isOutline) return
    // Unless it is held, the key's bytes may have been moved since.
    this.#context.keyKnown = this.#keyHeld
    this.#beginWalk()
    this.#walker.walk(rest, this.#context.valueOffset - restAt, rest.length, false)
  }

  /** Does the value stay here: to be skipped, or to be converted? */
  get #needsValue(): boolean {
    return this.#rdbType === RDB_TYPE_MODULE_2 || this.#rdbType === RDB_TYPE_VALKEY_HASH_2
  }

  #beginWalk(): void {
    const { totalBytes, valueOffset } = this.#context
    this.#walker.begin(valueGrammar(this.#rdbType), totalBytes - valueOffset, this.#strings.arena)
  }

  /** The key stays in the window until the value is complete; if the window is full it is kept elsewhere. */
  #waitForValue(at: number, entryAt: number): number {
    if (!this.#context.full || at === entryAt) return MORE
    this.#holdKey()
    return at
  }

  /** Keeps a copy of the key: its bytes are about to be consumed. */
  #holdKey(): void {
    if (this.#keyHeld) return
    const context = this.#context
    context.key = context.key.slice(context.keyStart, context.keyEnd)
    context.keyStart = 0
    context.keyEnd = context.key.length
    this.#keyHeld = true
  }

  #putValue(bytes: Uint8Array, start: number, end: number): void {
    if (this.#rdbType === RDB_TYPE_MODULE_2) {
      this.#context.facts.moduleSkipped(this.#walker.moduleHi, this.#walker.moduleLo)
      this.#endEntry()
    } else if (this.#isEmpty) {
      this.#context.facts.emptyKeysDropped++
      this.#endEntry()
    } else if (this.#rdbType === RDB_TYPE_VALKEY_HASH_2) {
      const converted = convertValkeyHash(bytes, start, end)
      this.#put(RDB_TYPE_HASH_METADATA, converted, 0, converted.length)
    } else {
      this.#put(this.#rdbType, bytes, start, end)
    }
  }

  #put(rdbType: number, value: Uint8Array, start: number, end: number): void {
    const context = this.#context
    context.unflushed = true
    context.sink.put(
      context.db,
      rdbType,
      context.key,
      context.keyStart,
      context.keyEnd,
      value,
      start,
      end,
      context.expireAtMs,
      context.idleSeconds,
      context.freq,
    )
    this.#countKey()
    this.#endEntry()
  }

  #beginPieces(rdbType: number): void {
    const context = this.#context
    context.unflushed = true
    context.sink.begin(
      context.db,
      rdbType,
      context.key,
      context.keyStart,
      context.keyEnd,
      context.expireAtMs,
      context.idleSeconds,
      context.freq,
    )
    // The key's bytes are overwritten before the entry ends; messages may still name it.
    this.#holdKey()
  }

  /** The value was walked to its end, and has no elements: no key is to be made of it. */
  get #isEmpty(): boolean {
    return this.#walker.elements === 0 && rdbTypeFacts(this.#rdbType)!.droppedWhenEmpty
  }

  /** Many pieces may be of a list whose nodes are all empty. */
  #dropPieces(): void {
    this.#context.sink.drop()
    this.#context.unflushed = true
    this.#context.facts.emptyKeysDropped++
    this.#endEntry()
  }

  #endPieces(): void {
    this.#context.sink.end()
    this.#context.unflushed = true
    this.#countKey()
    this.#endEntry()
  }

  #countKey(): void {
    this.#context.facts.keysByType[this.#typeByte]!++
    this.#context.keyCount++
  }

  #endEntry(): void {
    this.#context.endEntry()
    this.active = false
  }

  #passText(bytes: Uint8Array, at: number, end: number): number {
    if (at >= end) return MORE
    const next = at + Math.min(this.#textLeft, end - at)
    this.#context.sink.append(bytes, at, next)
    this.#context.unflushed = true
    this.#textLeft -= next - at
    if (this.#textLeft === 0) this.#endPieces()
    return next
  }

  #passValue(bytes: Uint8Array, at: number, end: number): number {
    const done = this.#walker.walk(bytes, at, end, this.#context.full)
    const next = this.#walker.position
    if (next > at) this.#passPiece(bytes, at, next)
    if (!done) return next > at ? next : MORE
    // SAFE STATE
    if (this.#toSink) {
      if (this.#isEmpty) this.#dropPieces()
      else this.#endPieces()
    } else {
      this.#putValue(this.#collected.bytes, 0, this.#collected.length)
      this.#flush()
      this.#collected.clear()
    }
    return next
  }

  #passPiece(bytes: Uint8Array, start: number, end: number): void {
    this.#context.unflushed = true
    if (this.#toSink) this.#context.sink.append(bytes, start, end)
    else if (this.#rdbType === RDB_TYPE_VALKEY_HASH_2) this.#collected.append(bytes, start, end)
  }
}
