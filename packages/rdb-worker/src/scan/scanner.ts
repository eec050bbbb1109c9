/**
 * Cuts a snapshot into entries, checks every value's structure and the checksum, and feeds an `RdbSink`. Bytes come in
 * pieces of any size; nothing is read twice but what stands above a SAFE STATE line. Knows no thread, file or keyspace.
 * Follows redis 7.4 rdb.c rdbLoadRioWithLoadingCtx() and librdb's way of resuming.
 *
 *   HEADER ──► NEXT ──► ELEMENT ──► NEXT        what stands between entries (elements.ts)
 *               ├─────► ENTRY ────► NEXT        key and value (entry-reader.ts)
 *               └─────► CHECKSUM ─► DONE
 *
 * In each state the first byte not consumed is the first byte of what the state reads. In ELEMENT and ENTRY a string longer
 * than the window may be gathered (string-reader.ts): its bytes are consumed, and the state goes on when it is complete.
 */
import {
  Crc64,
  isKnownRdbVersion,
  LengthSlot,
  RDB_TYPE_STRING,
  RDB_VERSION_MAX,
  RdbError,
  RDB_CHECKSUM_BYTES,
  RDB_CHECKSUM_SINCE_VERSION,
  RDB_HEADER_BYTES,
  RDB_OPCODE_EOF,
  RDB_OPCODE_EXPIRETIME_MS,
  RDB_OPCODE_FIRST,
  printableBytes,
  rdbTypeOf,
  READ_BAD,
  READ_MORE,
  readInt64,
  readLength,
  refusedTypeText,
  VALKEY_RDB_VERSION_MAX,
  VALKEY_RDB_VERSION_MIN,
  ValueWalker,
} from '@understudy/core/loading'
import type { ErrorCode, RdbFamily, RdbSink, RdbSummary } from '@understudy/core/loading'
import { elementOf, MORE } from './elements.ts'
import type { Element, ElementHost } from './elements.ts'
import { EntryReader } from './entry-reader.ts'
import { ScanContext } from './scan-context.ts'
import { StringReader } from './string-reader.ts'

export interface ScanOptions {
  /** False for `rdbchecksum no`. */
  readonly verifyChecksum: boolean
  /** Length of the snapshot if it is known: longer lengths inside are refused at once. */
  readonly totalBytes?: number
}

/** The smallest window that makes sense: everything that is not gathered or streamed is much smaller. */
export const WINDOW_BYTES_MIN = 1024

const HEADER = 0
const NEXT = 1
const ELEMENT = 2
const ENTRY = 3
const CHECKSUM = 4
const DONE = 5

export class RdbScanner implements ElementHost {
  readonly length: LengthSlot = new LengthSlot()
  phase = 0
  /** Bytes consumed so far; once `finished`, the length of the snapshot. */
  consumedBytes = 0

  readonly #context: ScanContext
  readonly #strings: StringReader
  readonly #entry: EntryReader
  readonly #verifyChecksum: boolean
  readonly #crc: Crc64 = new Crc64()
  /** Index up to which the bytes of this call are in the checksum. */
  #crcTo = 0
  /** Off when nobody will compare it, and behind the EOF opcode. */
  #crcOn = true

  #state: number = HEADER
  #family: RdbFamily = 'redis'
  /** By type byte: our number for it, or -1. */
  readonly #types: Int16Array = new Int16Array(256).fill(-1)
  #element: Element | undefined
  /** For elements that are walked; the walker knows how far while `#walking`. */
  readonly #walker: ValueWalker = new ValueWalker()
  #walking = false

  constructor(sink: RdbSink, options: ScanOptions) {
    this.#context = new ScanContext(sink, options.totalBytes ?? Number.POSITIVE_INFINITY)
    this.#strings = new StringReader(this.#context)
    this.#entry = new EntryReader(this.#context, this.#strings, () => this.#flush())
    this.#verifyChecksum = options.verifyChecksum
  }

  /** The end of the snapshot was reached and is right. What follows does not belong to it. */
  get finished(): boolean {
    return this.#state === DONE
  }

  /** Entries given to the sink. */
  get keyCount(): number {
    return this.#context.keyCount
  }

  /** The sink has dropped entries because they have no elements: so many by RDB type. See `RdbSink.uncheckedAt`. */
  dropEmpty(byType: ReadonlyMap<number, number>): void {
    const { facts } = this.#context
    for (const [rdbType, count] of byType) {
      facts.keysByType[rdbType]! -= count
      facts.emptyKeysDropped += count
      this.#context.keyCount -= count
    }
  }

  /**
   * Scans `bytes[start .. end)`, which must begin with the first byte not consumed before. When it returns everything
   * found is flushed, and the bytes may be overwritten, except those not consumed: show them again, with more behind them.
   * @param full no more bytes can be shown together with these (at least WINDOW_BYTES_MIN): something must be consumed.
   * @returns the first index not consumed.
   * @throws RdbError; the scanner must not be used any more then.
   */
  scan(bytes: Uint8Array, start: number, end: number, full: boolean): number {
    const context = this.#context
    context.origin = this.consumedBytes - start
    context.full = full
    this.#crcTo = start
    try {
      const at = this.#run(bytes, start, end)
      this.#flush()
      if (full && at === start && this.#state !== DONE) this.fail('RDB_BAD_LENGTH', 'an element is too long', at)
      this.#takeIntoChecksum(bytes, at)
      this.consumedBytes = context.origin + at
      return at
    } catch (error) {
      throw context.asRdbError(error)
    }
  }

  /**
   * No more bytes will come; `receivedBytes` came in all, and `rest` are those that were not consumed.
   * @throws RdbError RDB_TRUNCATED unless the snapshot is complete
   */
  finish(receivedBytes: number, rest: Uint8Array): void {
    if (this.#state === DONE) return
    try {
      this.#entry.checkOutline(rest, this.consumedBytes)
    } catch (error) {
      throw this.#context.asRdbError(error)
    }
    // Otherwise the key's bytes may have been moved since.
    const key = this.#entry.inPieces ? this.#context.keyText() : undefined
    const text = 'Unexpected EOF reading RDB: the snapshot is not complete'
    throw new RdbError('RDB_TRUNCATED', text, receivedBytes, this.#context.opcode, key)
  }

  summary(): RdbSummary {
    return this.#context.facts.summary(this.consumedBytes)
  }

  #run(bytes: Uint8Array, start: number, end: number): number {
    const strings = this.#strings
    let at = start
    for (;;) {
      let next: number
      if (strings.gathering) {
        next = strings.gather(bytes, at, end)
      } else {
        next = this.#step(bytes, at, end)
        if (strings.gathering) next = strings.gatherStart
      }
      if (next === MORE) return at
      at = next
      if (this.#state === DONE) return at
    }
  }

  #step(bytes: Uint8Array, at: number, end: number): number {
    switch (this.#state) {
      case HEADER:
        return this.#readHeader(bytes, at, end)
      case NEXT:
        return this.#readNext(bytes, at, end)
      case ELEMENT: {
        const next = this.#element!.read(this, bytes, at, end)
        if (next !== MORE && this.phase === 0) this.#state = NEXT
        return next
      }
      case ENTRY: {
        const next = this.#entry.read(bytes, at, end)
        if (!this.#entry.active) this.#state = NEXT
        return next
      }
      case CHECKSUM:
        return this.#readChecksum(bytes, at, end)
      default:
        return MORE
    }
  }

  #readHeader(bytes: Uint8Array, at: number, end: number): number {
    if (end - at < RDB_HEADER_BYTES) return MORE
    const text = String.fromCharCode(...bytes.subarray(at, at + RDB_HEADER_BYTES))
    const parsed = /^(?:REDIS([0-9]{4})|VALKEY([0-9]{3}))$/.exec(text)
    if (parsed === null) {
      this.fail(
        'RDB_BAD_MAGIC',
        `not a snapshot: it starts with '${printableBytes(bytes, at, at + RDB_HEADER_BYTES)}'`,
        at,
      )
    }
    const version = Number(parsed[1] ?? parsed[2])
    this.#family = parsed[1] === undefined ? 'valkey' : 'redis'
    this.#context.facts.family = this.#family
    this.#context.facts.version = version
    if (!isKnownRdbVersion(this.#family, version)) {
      const [name, least, most] =
        this.#family === 'valkey'
          ? ['VALKEY', VALKEY_RDB_VERSION_MIN, VALKEY_RDB_VERSION_MAX]
          : ['RDB', 1, RDB_VERSION_MAX]
      this.fail('RDB_BAD_VERSION', `Can't handle ${name} format version ${version}: ${least} to ${most} are read`, at)
    }
    // SAFE STATE
    for (let type = 0; type < RDB_OPCODE_FIRST; type++) this.#types[type] = rdbTypeOf(this.#family, type)
    this.#crcOn = this.#verifyChecksum && version >= RDB_CHECKSUM_SINCE_VERSION
    this.#state = NEXT
    return at + RDB_HEADER_BYTES
  }

  #readNext(bytes: Uint8Array, from: number, end: number): number {
    const context = this.#context
    const at = this.#readPlainEntries(bytes, from, end)
    if (at >= end) return at > from ? at : MORE
    const opcode = bytes[at]!
    // SAFE STATE
    context.at = at
    context.opcode = opcode
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
      const rdbType = this.#types[opcode]!
      if (rdbType < 0) {
        this.fail('RDB_BAD_TYPE', refusedTypeText(this.#family, opcode), at)
      }
      if (!context.dbKnown) context.selectDb(0, at)
      this.#entry.begin(opcode, rdbType)
      this.#state = ENTRY
    }
    return at + 1
  }

  /**
   * The way most keys go: entries of type string that stand wholly in the window, plain, and expiry times before them.
   * Ends in front of anything else. The entry reader's way is right for these too.
   */
  #readPlainEntries(bytes: Uint8Array, from: number, end: number): number {
    const context = this.#context
    if (!context.dbKnown) return from
    const { sink, db } = context
    let at = from
    let count = 0
    context.opcode = RDB_TYPE_STRING
    // Type and the longest key length taken here; that of the value is checked again.
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
      context.at = at
      sink.put(
        db,
        RDB_TYPE_STRING,
        bytes,
        keyStart,
        keyEnd,
        bytes,
        valueStart,
        valueEnd,
        context.expireAtMs,
        context.idleSeconds,
        context.freq,
      )
      if (context.expireAtMs !== -1) context.expireAtMs = -1
      if (context.idleSeconds !== -1) context.idleSeconds = -1
      if (context.freq !== -1) context.freq = -1
      count++
      at = valueEnd
    }
    if (count > 0) {
      context.facts.keysByType[RDB_TYPE_STRING]! += count
      context.keyCount += count
      context.unflushed = true
    }
    return at
  }

  #readChecksum(bytes: Uint8Array, at: number, end: number): number {
    const { facts } = this.#context
    if (facts.version < RDB_CHECKSUM_SINCE_VERSION) {
      this.#state = DONE
      return at
    }
    if (end - at < RDB_CHECKSUM_BYTES) return MORE
    if (this.#verifyChecksum && bytes.subarray(at, at + RDB_CHECKSUM_BYTES).some((byte) => byte !== 0)) {
      if (!this.#crc.equals(bytes, at)) {
        const told = hex64(Buffer.from(bytes.subarray(at, at + RDB_CHECKSUM_BYTES)).readBigUInt64LE())
        const found = hex64(this.#crc.value())
        this.fail('RDB_BAD_CHECKSUM', `RDB CRC error: the snapshot says ${told}, its bytes give ${found}`, at)
      }
      facts.checksumVerified = true
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
    if (this.#context.unflushed) {
      this.#context.sink.flush()
      this.#context.unflushed = false
    }
    this.#strings.flushed()
  }

  // ── What elements ask of their host ───────────────────────────────────────────────────────────────────────────────

  readLength(bytes: Uint8Array, at: number, end: number): number {
    const result = readLength(bytes, at, end, this.length)
    if (result === READ_MORE) return MORE
    if (result === READ_BAD || this.length.encoded) this.fail('RDB_BAD_LENGTH', 'not a length', at)
    return this.length.next
  }

  readString(bytes: Uint8Array, at: number, end: number, bytesMax: number): number {
    return this.#strings.read(bytes, at, end, bytesMax)
  }

  get auxBytesLeft(): number {
    return this.#context.facts.auxBytesLeft
  }

  get functionBytesLeft(): number {
    return this.#context.facts.functionBytesLeft
  }

  string(): Uint8Array {
    const { bytes, start, end } = this.#strings
    return bytes.slice(start, end)
  }

  walk(program: Int32Array, bytes: Uint8Array, at: number, end: number): number {
    const context = this.#context
    const walker = this.#walker
    if (!this.#walking) {
      context.valueOffset = context.origin + at
      walker.begin(program, context.totalBytes - context.valueOffset)
    }
    // Phase 1 keeps the element going: what was passed is consumed.
    this.#walking = !walker.walk(bytes, at, end, context.full)
    this.phase = this.#walking ? 1 : 0
    return this.#walking && walker.position === at ? MORE : walker.position
  }

  fail(code: ErrorCode, message: string, at: number): never {
    return this.#context.fail(code, message, at)
  }

  selectDb(db: number, at: number): void {
    this.#context.selectDb(db, at)
  }

  resizeHint(keys: number, expires: number): void {
    const context = this.#context
    if (!context.dbKnown) context.selectDb(0, context.at)
    context.facts.announced(context.db, keys)
    context.sink.resizeHint(context.db, keys, expires)
  }

  /** A negative time other than -1 (none) was long ago. */
  expireAt(expireAtMs: number): void {
    this.#context.expireAtMs = expireAtMs < -1 ? 0 : expireAtMs
  }

  idle(seconds: number): void {
    this.#context.idleSeconds = seconds
  }

  freq(value: number): void {
    this.#context.freq = value
  }

  auxName(name: Uint8Array): void {
    this.#context.facts.auxName(name)
  }

  auxValue(value: Uint8Array, at: number): void {
    if (!this.#context.facts.auxValue(value)) this.fail('RDB_BAD_LENGTH', 'too many AUX fields', at)
  }

  functionLibrary(source: Uint8Array): void {
    this.#context.facts.functionLibrary(source)
  }

  moduleAuxSkipped(): void {
    this.#context.facts.moduleAuxSkipped++
  }

  keyMetaSkipped(): void {
    this.#context.facts.keyMetaSkipped++
  }
}

function hex64(value: bigint): string {
  return value.toString(16).padStart(16, '0')
}
