/**
 * Writes a value as it stands behind a key in a snapshot, into a buffer that grows: lengths, strings, doubles. For DUMP and
 * snapshots.
 */
import { KeyspaceError } from '../errors.ts'
import { LENGTH_BYTES_MAX, writeLength } from './rdb-length.ts'
import { encodedStringBytesMax, encodeString } from './string-codec.ts'

const FIRST_BYTES = 4096
/** Longest value that is written in one piece. */
const WRITTEN_BYTES_MAX = 2 ** 30

export class RdbWriter {
  bytes: Uint8Array = new Uint8Array(FIRST_BYTES)
  /** What was written is `bytes[0 .. length)`. */
  length = 0
  readonly #compress: boolean
  #view: DataView = new DataView(this.bytes.buffer)

  /** @param compress may strings be compressed (`rdbcompression`)? */
  constructor(compress: boolean = true) {
    this.#compress = compress
  }

  /** A length, or any number of elements below 2^53. */
  count(value: number): void {
    this.#reserve(LENGTH_BYTES_MAX)
    this.length = writeLength(value, this.bytes, this.length)
  }

  /** A length of up to 64 bits: half of a stream ID. */
  count64(value: bigint): void {
    if (value < 0x1_0000_0000n) {
      this.count(Number(value))
      return
    }
    this.byte(0x81)
    this.#reserve(8)
    this.#view.setBigUint64(this.length, value, false)
    this.length += 8
  }

  /** A string: as an integer if it is one, else compressed if that gains something, else plain. */
  string(bytes: Uint8Array, start: number, end: number): void {
    this.#reserve(encodedStringBytesMax(end - start))
    this.length = encodeString(bytes, start, end, this.#compress, this.bytes, this.length)
  }

  /** A string that must stay as it is (the 16 bytes of a stream node's ID). */
  rawString(bytes: Uint8Array, start: number, end: number): void {
    this.count(end - start)
    this.raw(bytes, start, end)
  }

  /** Bytes without a length. */
  raw(bytes: Uint8Array, start: number, end: number): void {
    this.#reserve(end - start)
    this.bytes.set(bytes.subarray(start, end), this.length)
    this.length += end - start
  }

  byte(value: number): void {
    this.#reserve(1)
    this.bytes[this.length++] = value
  }

  /** 8 bytes, little-endian. */
  double(value: number): void {
    this.#reserve(8)
    this.#view.setFloat64(this.length, value, true)
    this.length += 8
  }

  /** 8 bytes, little-endian: a time in milliseconds. */
  int64(value: bigint): void {
    this.#reserve(8)
    this.#view.setBigInt64(this.length, value, true)
    this.length += 8
  }

  /** @throws KeyspaceError KEYSPACE_VALUE_TOO_BIG beyond 1 GiB. */
  #reserve(count: number): void {
    const needed = this.length + count
    if (needed <= this.bytes.length) return
    if (needed > WRITTEN_BYTES_MAX) {
      throw new KeyspaceError('KEYSPACE_VALUE_TOO_BIG', `the value is too long for DUMP: more than ${needed} bytes`)
    }
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, needed))
    grown.set(this.bytes.subarray(0, this.length))
    this.bytes = grown
    this.#view = new DataView(grown.buffer)
  }
}
