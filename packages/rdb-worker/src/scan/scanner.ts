/**
 * Cuts a snapshot into entries, checks every value's structure and the checksum, and feeds an `RdbSink`. Bytes come in
 * pieces of any size; nothing is read twice but what stands above a SAFE STATE line. Knows no thread, file or keyspace.
 * Follows redis 7.4 rdb.c rdbLoadRioWithLoadingCtx() and librdb's way of resuming.
 *
 *   HEADER ──► NEXT ──► ELEMENT ──► NEXT             what stands between entries (elements.ts)
 *               │ ├───► ENTRY ──► NEXT               key and value in the window: put
 *               │ │       ├──► TEXT ──► NEXT         string longer than the window: begin, append …, end
 *               │ │       ├──► VALUE ──► NEXT        the same for other types
 *               │ │       └──► GATHER ──► ENTRY      key or compressed string longer than the window: collected
 *               │ └───► ELEMENT ──► GATHER ──► ELEMENT
 *               └─────► CHECKSUM ──► DONE
 *
 * In every state but TEXT, VALUE and GATHER the first byte not consumed is the first byte of what the state reads. In
 * ENTRY that is the key (its type byte is consumed), or the value if the key is held.
 */
import {
  convertValkeyHash,
  Crc64,
  ERROR_CODES,
  LengthSlot,
  lzfCheck,
  lzfDecompress,
  LzfPieces,
  RdbError,
  RDB_TYPE_HASH_METADATA,
  RDB_TYPE_MODULE_2,
  RDB_TYPE_STRING,
  RDB_TYPE_VALKEY_HASH_2,
  rdbTypeFacts,
  rdbTypeOf,
  RDB_VERSION_MAX,
  READ_BAD,
  READ_MORE,
  readInt64,
  readLength,
  readStringHeader,
  STRING_INT,
  STRING_LZF,
  STRING_RAW,
  StringSlot,
  ValueFault,
  valueGrammar,
  ValueWalker,
  VALKEY_RDB_VERSION,
  writeInt32Text,
} from '@understudy/core/internal'
import type { ErrorCode, RdbFamily, RdbSink, RdbSummary } from '@understudy/core/internal'
import { elementOf, MORE } from './elements.ts'
import type { Element, ElementHost } from './elements.ts'
import {
  RDB_CHECKSUM_BYTES,
  RDB_CHECKSUM_SINCE_VERSION,
  RDB_HEADER_BYTES,
  RDB_OPCODE_EOF,
  RDB_OPCODE_EXPIRETIME_MS,
  RDB_OPCODE_FIRST,
} from './opcodes.ts'
import { printable } from './printable.ts'
import { ScanFacts } from './scan-facts.ts'
import { GrowingBytes, ScratchArena } from './scratch.ts'

export interface ScanOptions {
  /** False for `rdbchecksum no`. */
  readonly verifyChecksum: boolean
  /** Length of the snapshot if it is known: longer lengths inside are refused at once. */
  readonly totalBytes?: number
}

/** The smallest window that makes sense: everything that is not gathered or streamed is much smaller. */
export const WINDOW_BYTES_MIN = 1024

/** Decoded strings of one batch. Longer ones go to the sink in pieces. */
const ARENA_BYTES = 1 << 20

const HEADER = 0
const NEXT = 1
const ELEMENT = 2
const ENTRY = 3
const TEXT = 4
const VALUE = 5
const GATHER = 6
const CHECKSUM = 7
const DONE = 8

const NO_BYTES: Uint8Array = new Uint8Array(0)

export class RdbScanner implements ElementHost {
  readonly length: LengthSlot = new LengthSlot()
  readonly walker: ValueWalker = new ValueWalker()
  phase = 0
  /** Bytes consumed so far; once `finished`, the length of the snapshot. */
  consumedBytes = 0
  /** Entries given to the sink. */
  keyCount = 0

  readonly #sink: RdbSink
  readonly #verifyChecksum: boolean
  readonly #totalBytes: number
  readonly #facts: ScanFacts = new ScanFacts()
  readonly #crc: Crc64 = new Crc64()
  /** Index up to which the bytes of this call are in the checksum; behind the EOF opcode it no longer moves. */
  #crcTo = 0
  #crcOn = true
  /** File offset of index 0 of the bytes of this call. */
  #origin = 0
  #full = false
  /** Was anything put since the last flush? */
  #unflushed = false

  #state: number = HEADER
  #family: RdbFamily = 'redis'
  /** By type byte: our number for it, or -1. */
  readonly #types: Int16Array = new Int16Array(256).fill(-1)
  #element: Element | undefined
  /** An element or value is being walked and `walker` knows how far. */
  #walking = false

  #db = 0
  #dbKnown = false
  #expireAtMs = -1
  #idleSeconds = -1
  #freq = -1

  // The entry being read.
  #typeByte = 0
  #rdbType = 0
  /** For messages: where it starts, and its opcode or type byte. */
  #at = 0
  #opcode = -1
  #key: Uint8Array = NO_BYTES
  #keyStart = 0
  #keyEnd = 0
  /** `#key` is ours, and its bytes are consumed. */
  #keyHeld = false
  #keyKnown = false
  /** File offset of the value's first byte. */
  #valueOffset = 0
  /** TEXT: bytes still to come. */
  #textLeft = 0
  /** VALUE: the sink gets the pieces (modules' are dropped, Valkey's hashes collected). */
  #toSink = false
  readonly #collected: GrowingBytes = new GrowingBytes()

  // GATHER: collecting the content of `#string`, then back to `#gatherThen`.
  readonly #gathered: GrowingBytes = new GrowingBytes()
  #gatherLeft = 0
  #gatherThen: number = NEXT
  #gatherDone = false

  readonly #string: StringSlot = new StringSlot()
  #text: Uint8Array = NO_BYTES
  #textStart = 0
  #textEnd = 0
  readonly #arena: ScratchArena = new ScratchArena(ARENA_BYTES)

  constructor(sink: RdbSink, options: ScanOptions) {
    this.#sink = sink
    this.#verifyChecksum = options.verifyChecksum
    this.#totalBytes = options.totalBytes ?? Number.POSITIVE_INFINITY
  }

  /** The end of the snapshot was reached and is right. What follows does not belong to it. */
  get finished(): boolean {
    return this.#state === DONE
  }

  /**
   * Scans `bytes[start .. end)`, which must begin with the first byte not consumed before. When it returns everything
   * found is flushed, and the bytes may be overwritten, except those not consumed: show them again, with more behind them.
   * @param full no more bytes can be shown together with these (at least WINDOW_BYTES_MIN): something must be consumed.
   * @returns the first index not consumed.
   * @throws RdbError; the scanner must not be used any more then.
   */
  scan(bytes: Uint8Array, start: number, end: number, full: boolean): number {
    this.#origin = this.consumedBytes - start
    this.#crcTo = start
    this.#full = full
    try {
      const at = this.#run(bytes, start, end)
      this.#flush()
      if (full && at === start && this.#state !== DONE) this.fail('RDB_BAD_LENGTH', 'an element is too long', at)
      this.#takeIntoChecksum(bytes, at)
      this.consumedBytes = this.#origin + at
      return at
    } catch (error) {
      throw this.#asRdbError(error)
    }
  }

  /**
   * No more bytes will come; `receivedBytes` came in all.
   * @throws RdbError RDB_TRUNCATED unless the snapshot is complete
   */
  finish(receivedBytes: number): void {
    if (this.#state === DONE) return
    const key = this.#state === TEXT || this.#state === VALUE ? this.#keyText() : undefined
    const text = 'Unexpected EOF reading RDB: the snapshot is not complete'
    throw new RdbError('RDB_TRUNCATED', text, receivedBytes, this.#opcode, key)
  }

  summary(): RdbSummary {
    return this.#facts.summary(this.consumedBytes)
  }

  #run(bytes: Uint8Array, start: number, end: number): number {
    let at = start
    for (;;) {
      let next: number
      switch (this.#state) {
        case HEADER:
          next = this.#readHeader(bytes, at, end)
          break
        case NEXT:
          next = this.#readNext(bytes, at, end)
          break
        case ELEMENT:
          next = this.#readElement(bytes, at, end)
          break
        case ENTRY:
          next = this.#readEntry(bytes, at, end)
          break
        case TEXT:
          next = this.#passText(bytes, at, end)
          break
        case VALUE:
          next = this.#passValue(bytes, at, end)
          break
        case GATHER:
          next = this.#gather(bytes, at, end)
          break
        case CHECKSUM:
          next = this.#readChecksum(bytes, at, end)
          break
        default:
          return at
      }
      if (next === MORE) return at
      at = next
    }
  }

  // ── HEADER ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #readHeader(bytes: Uint8Array, at: number, end: number): number {
    if (end - at < RDB_HEADER_BYTES) return MORE
    const text = String.fromCharCode(...bytes.subarray(at, at + RDB_HEADER_BYTES))
    const parsed = /^(?:REDIS([0-9]{4})|VALKEY([0-9]{3}))$/.exec(text)
    if (parsed === null) {
      this.fail('RDB_BAD_MAGIC', `not a snapshot: it starts with '${printable(bytes, at, at + RDB_HEADER_BYTES)}'`, at)
    }
    const version = Number(parsed[1] ?? parsed[2])
    this.#facts.version = version
    this.#family = parsed[1] === undefined ? 'valkey' : 'redis'
    if (this.#family === 'redis' && (version < 1 || version > RDB_VERSION_MAX)) {
      this.fail('RDB_BAD_VERSION', `Can't handle RDB format version ${version}: 1 to ${RDB_VERSION_MAX} are read`, at)
    }
    if (this.#family === 'valkey' && version !== VALKEY_RDB_VERSION) {
      this.fail('RDB_BAD_VERSION', `Can't handle VALKEY format version ${version}: ${VALKEY_RDB_VERSION} is read`, at)
    }
    // SAFE STATE
    for (let type = 0; type < RDB_OPCODE_FIRST; type++) this.#types[type] = rdbTypeOf(this.#family, type)
    this.#crcOn = this.#verifyChecksum && version >= RDB_CHECKSUM_SINCE_VERSION
    this.#state = NEXT
    return at + RDB_HEADER_BYTES
  }

  // ── NEXT ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #readNext(bytes: Uint8Array, from: number, end: number): number {
    const at = this.#readPlainEntries(bytes, from, end)
    if (at >= end) return at > from ? at : MORE
    const opcode = bytes[at]!
    // SAFE STATE
    this.#at = at
    this.#opcode = opcode
    this.#keyKnown = false
    if (opcode === RDB_OPCODE_EOF) {
      this.#takeIntoChecksum(bytes, at + 1)
      this.#crcOn = false
      this.#state = CHECKSUM
    } else if (opcode >= RDB_OPCODE_FIRST) {
      this.#element = elementOf(this.#family, opcode)
      if (this.#element === undefined) this.fail('RDB_BAD_OPCODE', `unknown opcode ${opcode}`, at)
      this.phase = 0
      this.#state = ELEMENT
    } else {
      this.#rdbType = this.#types[opcode]!
      if (this.#rdbType < 0) {
        const hint = opcode === 6 ? ': a module value of a Redis 4.0 release candidate, which cannot be skipped' : ''
        this.fail('RDB_BAD_TYPE', `unknown value type ${opcode}${hint}`, at)
      }
      if (!this.#dbKnown) this.selectDb(0, at)
      this.#typeByte = opcode
      this.#keyHeld = false
      this.#walking = false
      this.#state = ENTRY
    }
    return at + 1
  }

  /**
   * The way most keys go: entries of type string that stand wholly in the window, plain, and expiry times before them.
   * Ends in front of anything else. The other way is right for these too.
   */
  #readPlainEntries(bytes: Uint8Array, from: number, end: number): number {
    if (!this.#dbKnown) return from
    const sink = this.#sink
    const db = this.#db
    let at = from
    let count = 0
    this.#opcode = RDB_TYPE_STRING
    // The longest header of an entry: type, and 5 bytes of length for the key. Values are checked again.
    while (at + 6 <= end) {
      const type = bytes[at]!
      if (type !== RDB_TYPE_STRING) {
        if (type !== RDB_OPCODE_EXPIRETIME_MS || at + 9 > end) break
        this.expireAt(readInt64(bytes, at + 1))
        at += 9
        continue
      }
      let keyStart = at + 2
      let keyBytes = bytes[at + 1]!
      if (keyBytes >= 0x40) {
        if (keyBytes >= 0x80) break
        keyBytes = ((keyBytes & 0x3f) << 8) | bytes[at + 2]!
        keyStart = at + 3
      }
      const keyEnd = keyStart + keyBytes
      if (keyEnd + 5 > end) break
      let valueStart = keyEnd + 1
      let valueBytes = bytes[keyEnd]!
      if (valueBytes >= 0x40) {
        if (valueBytes < 0x80) {
          valueBytes = ((valueBytes & 0x3f) << 8) | bytes[keyEnd + 1]!
          valueStart = keyEnd + 2
        } else if (valueBytes === 0x80 && bytes[keyEnd + 1]! < 0x40) {
          valueBytes =
            (bytes[keyEnd + 1]! << 24) | (bytes[keyEnd + 2]! << 16) | (bytes[keyEnd + 3]! << 8) | bytes[keyEnd + 4]!
          valueStart = keyEnd + 5
        } else {
          break
        }
      }
      const valueEnd = valueStart + valueBytes
      if (valueEnd > end) break
      // SAFE STATE
      this.#at = at
      sink.put(
        db,
        RDB_TYPE_STRING,
        bytes,
        keyStart,
        keyEnd,
        bytes,
        valueStart,
        valueEnd,
        this.#expireAtMs,
        this.#idleSeconds,
        this.#freq,
      )
      if (this.#expireAtMs !== -1) this.#expireAtMs = -1
      if (this.#idleSeconds !== -1) this.#idleSeconds = -1
      if (this.#freq !== -1) this.#freq = -1
      count++
      at = valueEnd
    }
    if (count > 0) {
      this.#facts.keysByType[RDB_TYPE_STRING]! += count
      this.keyCount += count
      this.#unflushed = true
    }
    return at
  }

  // ── ELEMENT ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #readElement(bytes: Uint8Array, at: number, end: number): number {
    const next = this.#element!.read(this, bytes, at, end)
    if (this.#state === GATHER) return this.#gatherStart
    if (next !== MORE && this.phase === 0) this.#state = NEXT
    return next
  }

  readLength(bytes: Uint8Array, at: number, end: number): number {
    const result = readLength(bytes, at, end, this.length)
    if (result === READ_MORE) return MORE
    if (result === READ_BAD || this.length.encoded) this.fail('RDB_BAD_LENGTH', 'not a length', at)
    return this.length.next
  }

  #gatherStart = 0

  /**
   * Reads the string at `at` into `#text`. One that is longer than the window is gathered: MORE is returned then, the state
   * is GATHER, and the call that follows it gets the string.
   */
  readString(bytes: Uint8Array, at: number, end: number): number {
    const string = this.#string
    if (this.#gatherDone) {
      this.#gatherDone = false
      this.#setText(this.#gathered.bytes, 0, this.#gathered.length, at)
      this.#gathered.clear()
      return at
    }
    const result = readStringHeader(bytes, at, end, string)
    if (result === READ_MORE) return MORE
    if (result === READ_BAD) this.fail('RDB_BAD_LENGTH', 'not a string', at)
    this.#checkLength(string, at)
    if (string.end > end) {
      if (this.#full) this.#beginGather(string, this.#state)
      return MORE
    }
    this.#setText(bytes, string.start, string.end, at)
    return string.end
  }

  string(): Uint8Array {
    return this.#text.slice(this.#textStart, this.#textEnd)
  }

  /** Decodes the string that `#string` describes, whose content is `bytes[start .. end)`, into `#text`. */
  #setText(bytes: Uint8Array, start: number, end: number, at: number): void {
    const string = this.#string
    const arena = this.#arena
    switch (string.kind) {
      case STRING_RAW:
        this.#text = bytes
        this.#textStart = start
        this.#textEnd = end
        return
      case STRING_INT:
        arena.reserve(11)
        this.#text = arena.bytes
        this.#textStart = arena.used
        arena.used = this.#textEnd = writeInt32Text(string.intValue, arena.bytes, arena.used)
        return
      default:
        // Checked without writing first: no length is believed before the content bears it out.
        if (!lzfCheck(bytes, start, end, string.length)) this.fail('RDB_BAD_VALUE', 'malformed compression', at)
        arena.reserve(string.length)
        this.#text = arena.bytes
        this.#textStart = arena.used
        arena.used = this.#textEnd = arena.used + string.length
        lzfDecompress(bytes, start, end, arena.bytes, this.#textStart, this.#textEnd)
    }
  }

  #checkLength(string: StringSlot, at: number): void {
    if (this.#origin + string.end > this.#totalBytes) {
      const bytes = string.end - string.start
      this.fail('RDB_BAD_LENGTH', `a string of ${bytes} bytes is longer than the rest of the snapshot`, at)
    }
  }

  walk(program: Int32Array, bytes: Uint8Array, at: number, end: number): number {
    if (!this.#walking) {
      this.#walking = true
      this.#valueOffset = this.#origin + at
      this.walker.begin(program, this.#totalBytes - this.#valueOffset)
    }
    // `phase` 1 keeps the element going: what was passed is consumed.
    this.#walking = !this.walker.walk(bytes, at, end, this.#full)
    this.phase = this.#walking ? 1 : 0
    return this.#walking && this.walker.position === at ? MORE : this.walker.position
  }

  fail(code: ErrorCode, message: string, at: number): never {
    const key = this.#keyKnown ? this.#keyText() : undefined
    throw new RdbError(code, message, this.#origin + at, this.#opcode, key)
  }

  selectDb(db: number, at: number): void {
    if (db >= this.#sink.databaseCount) {
      const count = this.#sink.databaseCount
      this.fail('KEYSPACE_BAD_DATABASE', `database ${db} does not exist: 'databases' is ${count}`, at)
    }
    this.#db = db
    this.#dbKnown = true
  }

  resizeHint(keys: number, expires: number): void {
    if (!this.#dbKnown) this.selectDb(0, this.#at)
    this.#sink.resizeHint(this.#db, keys, expires)
  }

  /** A negative time other than -1 (none) was long ago. */
  expireAt(expireAtMs: number): void {
    this.#expireAtMs = expireAtMs < -1 ? 0 : expireAtMs
  }

  idle(seconds: number): void {
    this.#idleSeconds = seconds
  }

  freq(value: number): void {
    this.#freq = value
  }

  auxName(name: Uint8Array): void {
    this.#facts.auxName(name)
  }

  auxValue(value: Uint8Array, at: number): void {
    if (!this.#facts.auxValue(value)) this.fail('RDB_BAD_LENGTH', 'too many AUX fields', at)
  }

  functionLibrary(source: Uint8Array, at: number): void {
    if (!this.#facts.functionLibrary(source)) this.fail('RDB_BAD_LENGTH', 'too many function libraries', at)
  }

  moduleAuxSkipped(): void {
    this.#facts.moduleAuxSkipped++
  }

  // ── ENTRY ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #readEntry(bytes: Uint8Array, at: number, end: number): number {
    let valueAt = at
    if (!this.#keyHeld) {
      // Decoded strings of entries before this one are done with after a flush.
      if (this.#arena.used > ARENA_BYTES / 2) this.#flush()
      valueAt = this.readString(bytes, at, end)
      if (this.#state === GATHER) return this.#gatherStart
      if (valueAt === MORE) return MORE
      this.#key = this.#text
      this.#keyStart = this.#textStart
      this.#keyEnd = this.#textEnd
      this.#keyKnown = true
      if (valueAt === at) this.#keyHeld = true // gathered: its bytes are consumed
    }
    return this.#rdbType === RDB_TYPE_STRING
      ? this.#readText(bytes, valueAt, end, at)
      : this.#readValue(bytes, valueAt, end, at)
  }

  #readText(bytes: Uint8Array, at: number, end: number, entryAt: number): number {
    const string = this.#string
    if (this.#gatherDone) {
      this.#gatherDone = false
      this.#putText(this.#gathered.bytes, 0, this.#gathered.length, at)
      this.#gathered.clear()
      return at
    }
    const result = readStringHeader(bytes, at, end, string)
    if (result === READ_BAD) this.fail('RDB_BAD_LENGTH', 'not a string', at)
    if (result === READ_MORE) return this.#waitForValue(at, entryAt)
    this.#checkLength(string, at)
    if (string.end <= end) {
      this.#putText(bytes, string.start, string.end, at)
      return string.end
    }
    if (!this.#full) return this.#waitForValue(at, entryAt)
    if (string.kind === STRING_LZF) {
      this.#holdKey()
      this.#beginGather(string, ENTRY)
      return this.#gatherStart
    }
    // SAFE STATE
    this.#begin(RDB_TYPE_STRING)
    this.#sink.append(bytes, string.start, end)
    this.#textLeft = string.end - end
    this.#state = TEXT
    return end
  }

  /** Gives a whole string, whose content is `bytes[start .. end)`, to the sink. */
  #putText(bytes: Uint8Array, start: number, end: number, at: number): void {
    const string = this.#string
    if (string.kind !== STRING_LZF || string.length <= ARENA_BYTES / 2) {
      this.#setText(bytes, start, end, at)
      // SAFE STATE
      this.#put(RDB_TYPE_STRING, this.#text, this.#textStart, this.#textEnd)
      return
    }
    if (!lzfCheck(bytes, start, end, string.length)) this.fail('RDB_BAD_VALUE', 'malformed compression', at)
    // SAFE STATE
    this.#begin(RDB_TYPE_STRING)
    const pieces = new LzfPieces(bytes, start, end)
    while (pieces.next()) {
      this.#sink.append(pieces.bytes, pieces.start, pieces.end)
      this.#sink.flush()
    }
    this.#end()
  }

  #readValue(bytes: Uint8Array, at: number, end: number, entryAt: number): number {
    const walker = this.walker
    if (!this.#walking) {
      this.#walking = true
      this.#valueOffset = this.#origin + at
      walker.begin(valueGrammar(this.#rdbType), this.#totalBytes - this.#valueOffset)
    }
    const done = walker.walk(bytes, at + walker.passedBytes, end, this.#full)
    if (done) {
      // SAFE STATE
      this.#walking = false
      this.#putValue(bytes, at, walker.position)
      return walker.position
    }
    if (!this.#full) return this.#waitForValue(at, entryAt)
    // SAFE STATE
    this.#toSink = this.#rdbType !== RDB_TYPE_MODULE_2 && this.#rdbType !== RDB_TYPE_VALKEY_HASH_2
    if (this.#toSink) this.#begin(this.#rdbType)
    else this.#holdKey()
    this.#passPiece(bytes, at, walker.position)
    this.#state = VALUE
    return walker.position
  }

  /** The key stays in the window until the value is complete; if the window is full it is kept elsewhere. */
  #waitForValue(at: number, entryAt: number): number {
    if (!this.#full || at === entryAt) return MORE
    this.#holdKey()
    return at
  }

  /** Keeps a copy of the key: its bytes are about to be consumed. */
  #holdKey(): void {
    if (this.#keyHeld) return
    this.#key = this.#key.slice(this.#keyStart, this.#keyEnd)
    this.#keyStart = 0
    this.#keyEnd = this.#key.length
    this.#keyHeld = true
  }

  #putValue(bytes: Uint8Array, start: number, end: number): void {
    if (this.#rdbType === RDB_TYPE_MODULE_2) {
      this.#skipModule()
    } else if (this.walker.elements === 0 && rdbTypeFacts(this.#rdbType)!.droppedWhenEmpty) {
      this.#facts.emptyKeysDropped++
      this.#endEntry()
    } else if (this.#rdbType === RDB_TYPE_VALKEY_HASH_2) {
      const converted = convertValkeyHash(bytes, start, end)
      this.#put(RDB_TYPE_HASH_METADATA, converted, 0, converted.length)
    } else {
      this.#put(this.#rdbType, bytes, start, end)
    }
  }

  #skipModule(): void {
    this.#facts.moduleSkipped(this.walker.moduleHi, this.walker.moduleLo)
    this.#endEntry()
  }

  #put(rdbType: number, value: Uint8Array, start: number, end: number): void {
    this.#unflushed = true
    this.#sink.put(
      this.#db,
      rdbType,
      this.#key,
      this.#keyStart,
      this.#keyEnd,
      value,
      start,
      end,
      this.#expireAtMs,
      this.#idleSeconds,
      this.#freq,
    )
    this.#facts.keysByType[this.#typeByte]!++
    this.keyCount++
    this.#endEntry()
  }

  #begin(rdbType: number): void {
    this.#unflushed = true
    this.#sink.begin(
      this.#db,
      rdbType,
      this.#key,
      this.#keyStart,
      this.#keyEnd,
      this.#expireAtMs,
      this.#idleSeconds,
      this.#freq,
    )
    // The key's bytes are overwritten before the entry ends; messages may still name it.
    this.#holdKey()
  }

  #end(): void {
    this.#sink.end()
    this.#unflushed = true
    this.#facts.keysByType[this.#typeByte]!++
    this.keyCount++
    this.#endEntry()
  }

  #endEntry(): void {
    this.#expireAtMs = -1
    this.#idleSeconds = -1
    this.#freq = -1
    this.#keyHeld = false
    this.#keyKnown = false
    this.#state = NEXT
  }

  // ── TEXT, VALUE, GATHER: what is longer than the window ───────────────────────────────────────────────────────────

  #passText(bytes: Uint8Array, at: number, end: number): number {
    if (at >= end) return MORE
    const next = at + Math.min(this.#textLeft, end - at)
    this.#sink.append(bytes, at, next)
    this.#unflushed = true
    this.#textLeft -= next - at
    if (this.#textLeft === 0) this.#end()
    return next
  }

  #passValue(bytes: Uint8Array, at: number, end: number): number {
    const done = this.walker.walk(bytes, at, end, this.#full)
    const next = this.walker.position
    if (next > at) this.#passPiece(bytes, at, next)
    if (!done) return next > at ? next : MORE
    // SAFE STATE
    this.#walking = false
    if (this.#toSink) {
      this.#end()
    } else if (this.#rdbType === RDB_TYPE_MODULE_2) {
      this.#skipModule()
    } else {
      this.#putValue(this.#collected.bytes, 0, this.#collected.length)
      this.#flush()
      this.#collected.clear()
    }
    return next
  }

  #passPiece(bytes: Uint8Array, start: number, end: number): void {
    this.#unflushed = true
    if (this.#toSink) this.#sink.append(bytes, start, end)
    else if (this.#rdbType === RDB_TYPE_VALKEY_HASH_2) this.#collected.append(bytes, start, end)
  }

  /** Starts to collect the content of `string`, whose header is consumed by that. */
  #beginGather(string: StringSlot, then: number): void {
    this.#gathered.clear()
    this.#gatherLeft = string.end - string.start
    this.#gatherStart = string.start
    this.#gatherThen = then
    this.#state = GATHER
  }

  #gather(bytes: Uint8Array, at: number, end: number): number {
    if (at >= end) return MORE
    const next = at + Math.min(this.#gatherLeft, end - at)
    this.#gathered.append(bytes, at, next, this.#gathered.length + this.#gatherLeft)
    this.#gatherLeft -= next - at
    if (this.#gatherLeft === 0) {
      this.#gatherDone = true
      this.#state = this.#gatherThen
    }
    return next
  }

  // ── CHECKSUM ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #readChecksum(bytes: Uint8Array, at: number, end: number): number {
    this.#opcode = RDB_OPCODE_EOF
    if (this.#facts.version < RDB_CHECKSUM_SINCE_VERSION) {
      this.#state = DONE
      return at
    }
    if (end - at < RDB_CHECKSUM_BYTES) return MORE
    if (this.#verifyChecksum && bytes.subarray(at, at + RDB_CHECKSUM_BYTES).some((byte) => byte !== 0)) {
      if (!this.#crc.equals(bytes, at)) {
        const told = readChecksumText(bytes, at)
        const found = this.#crc.value().toString(16).padStart(16, '0')
        this.fail('RDB_BAD_CHECKSUM', `RDB CRC error: the snapshot says ${told}, its bytes give ${found}`, at)
      }
      this.#facts.checksumVerified = true
    }
    // SAFE STATE
    this.#state = DONE
    return at + RDB_CHECKSUM_BYTES
  }

  #takeIntoChecksum(bytes: Uint8Array, at: number): void {
    if (!this.#crcOn) return
    this.#crc.update(bytes, this.#crcTo, at)
    this.#crcTo = at
  }

  #flush(): void {
    if (this.#unflushed) {
      this.#sink.flush()
      this.#unflushed = false
    }
    this.#arena.reset()
  }

  #keyText(): string {
    return printable(this.#key, this.#keyStart, this.#keyEnd)
  }

  /** Faults of values and of the sink get the place in the snapshot. */
  #asRdbError(error: unknown): unknown {
    if (error instanceof RdbError && error.byteOffset >= 0) return error
    const key = this.#keyKnown ? this.#keyText() : undefined
    if (error instanceof ValueFault) {
      return new RdbError(error.code, error.message, this.#valueOffset + error.valueOffset, this.#opcode, key)
    }
    const code = errorCodeOf(error)
    if (code === undefined || !(error instanceof Error)) return error
    // The sink's: a duplicate key, no memory … It may have put entries off, so the place is where it noticed.
    return new RdbError(code, error.message, this.#origin + this.#at, this.#opcode, key)
  }
}

/** The code of an error of ours; by the code, not the class, which another copy of the package may have made. */
function errorCodeOf(error: unknown): ErrorCode | undefined {
  if (!(error instanceof Error && 'code' in error)) return undefined
  return ERROR_CODES.find((code) => code === error.code)
}

function readChecksumText(bytes: Uint8Array, at: number): string {
  let text = ''
  for (let i = RDB_CHECKSUM_BYTES - 1; i >= 0; i--) text += bytes[at + i]!.toString(16).padStart(2, '0')
  return text
}
