/**
 * What the parts of the scanner share: where the bytes of this call stand in the snapshot, what is known of the entry being
 * read, and the sink. One per scanner. Plain fields: they are touched for every key.
 */
import { ERROR_CODES, printableBytes, RdbError, ValueFault } from '@understudy/core/loading'
import type { ErrorCode, RdbSink } from '@understudy/core/loading'
import { ScanFacts } from './scan-facts.ts'

const NO_BYTES: Uint8Array = new Uint8Array(0)

export class ScanContext {
  readonly sink: RdbSink
  /** Length of the snapshot, infinite if it is not known. */
  readonly totalBytes: number
  readonly facts: ScanFacts = new ScanFacts()
  /** Entries given to the sink. */
  keyCount = 0
  /** File offset of index 0 of the bytes of this call. */
  origin = 0
  /** No more bytes can be shown together with those of this call. */
  full = false
  /** Was anything given to the sink since the last flush? */
  unflushed = false

  db = 0
  dbKnown = false
  // What stands in front of a key and is for that key alone.
  expireAtMs = -1
  idleSeconds = -1
  freq = -1

  // For messages: what is being read, from where.
  at = 0
  opcode = -1
  key: Uint8Array = NO_BYTES
  keyStart = 0
  keyEnd = 0
  keyKnown = false
  /** File offset of the first byte of the value being walked. */
  valueOffset = 0

  constructor(sink: RdbSink, totalBytes: number) {
    this.sink = sink
    this.totalBytes = totalBytes
  }

  /** @param at index in the bytes of this call */
  fail(code: ErrorCode, message: string, at: number): never {
    return this.failAt(code, message, this.origin + at)
  }

  /** @param byteOffset in the snapshot */
  failAt(code: ErrorCode, message: string, byteOffset: number): never {
    throw new RdbError(code, message, byteOffset, this.opcode, this.keyText())
  }

  /** Printable form of the key being read, if one is. */
  keyText(): string | undefined {
    return this.keyKnown ? printableBytes(this.key, this.keyStart, this.keyEnd) : undefined
  }

  selectDb(db: number, at: number): void {
    const count = this.sink.databaseCount
    if (db >= count) this.fail('KEYSPACE_BAD_DATABASE', `database ${db} does not exist: 'databases' is ${count}`, at)
    this.db = db
    this.dbKnown = true
  }

  /** The entry is over: what stood in front of its key does not hold for the next. */
  endEntry(): void {
    this.expireAtMs = -1
    this.idleSeconds = -1
    this.freq = -1
    this.keyKnown = false
  }

  /** Faults of values and of the sink get the place in the snapshot. Anything else is a bug and stays as it is. */
  asRdbError(error: unknown): unknown {
    if (!(error instanceof Error) || (error instanceof RdbError && error.byteOffset >= 0)) return error
    if (error instanceof ValueFault) {
      const byteOffset = this.valueOffset + error.valueOffset
      return new RdbError(error.code, error.message, byteOffset, this.opcode, this.keyText())
    }
    // By the code, not the class: another copy of the package may have made it.
    const code = ERROR_CODES.find((known) => 'code' in error && known === error.code)
    if (code === undefined) return error
    // The sink's: a duplicate key, no memory … It may have put entries off, so the place is where it noticed.
    return new RdbError(code, error.message, this.origin + this.at, this.opcode, this.keyText())
  }
}
