/**
 * Writes what stands in a snapshot: lengths, strings, numbers. Where the bytes go is the subclass' business: into one piece
 * that grows (`RdbBuffer`, for DUMP), or out in pieces of a bounded length (`RdbChunks`, for snapshots). Strings that are
 * longer than such a piece pass through in pieces as well, compressed or not, so nothing is ever held whole twice.
 *
 * Source: redis 7.0 rdb.c rdbSaveRawString(), rdbSaveLen().
 */
import { lzfCompress } from '../encoding/lzf.ts'
import { LENGTH_BYTES_MAX, RDB_ENC_LZF, writeLength } from './rdb-length.ts'
import { encodedStringBytesMax, encodeString } from './string-codec.ts'
import { bytesSource, type ValueSource } from './value-source.ts'
import { copyRange } from '../memory/copy-range.ts'

/** Compression that gains less than this is not worth undoing (redis 7.0 rdb.c rdbSaveLzfStringObject()). */
const GAIN_BYTES_MIN = 4
/** The piece at hand begins with this length. */
const FIRST_PIECE_BYTES = 64 * 1024

export abstract class RdbWriter {
  /** What was written and not yet handed on is `bytes[0 .. length)`. */
  bytes: Uint8Array
  length = 0
  protected view: DataView
  readonly #compress: boolean
  /** Longer strings are written in pieces of this length. */
  readonly #wholeBytesMax: number
  /** The piece at hand of a long string, and what it is compressed to. */
  #piece: Uint8Array = NO_BYTES
  #packed: Uint8Array = NO_BYTES

  /**
   * @param compress may strings be compressed (`rdbcompression`)?
   * @param wholeBytesMax longest string for which `makeRoom` can make room
   */
  protected constructor(bytes: Uint8Array, compress: boolean, wholeBytesMax: number) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#compress = compress
    this.#wholeBytesMax = wholeBytesMax
  }

  /** Has room for `count` bytes behind `length`, which there are not at the moment. May move both `bytes` and `length`. */
  protected abstract makeRoom(count: number): void

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
    this.view.setBigUint64(this.length, value, false)
    this.length += 8
  }

  /** A string: as an integer if it is one, else compressed if that gains something, else plain. */
  string(bytes: Uint8Array, start: number, end: number): void {
    if (end - start > this.#wholeBytesMax) return this.#longString(bytesSource(bytes, start, end))
    this.#reserve(encodedStringBytesMax(end - start))
    this.length = encodeString(bytes, start, end, this.#compress, this.bytes, this.length)
  }

  /** `string` for bytes that are not in one row. */
  stringOf(source: ValueSource): void {
    const { lengthBytes } = source
    if (lengthBytes > this.#wholeBytesMax) return this.#longString(source)
    this.#fillPiece(source)
    this.string(this.#piece, 0, lengthBytes)
  }

  /** Memory follows the bytes that are there: a length that was read while the value changed may be any. */
  #fillPiece(source: ValueSource): void {
    const { lengthBytes } = source
    for (let filled = 0; filled < lengthBytes;) {
      if (filled === this.#piece.length) {
        const grown = new Uint8Array(Math.min(lengthBytes, Math.max(filled * 2, FIRST_PIECE_BYTES)))
        grown.set(this.#piece)
        this.#piece = grown
      }
      const count = Math.min(lengthBytes, this.#piece.length) - filled
      source.copy(filled, this.#piece, filled, count)
      filled += count
    }
  }

  /** A string that must stay as it is (the 16 bytes of a stream node's ID). */
  rawString(bytes: Uint8Array, start: number, end: number): void {
    this.count(end - start)
    this.raw(bytes, start, end)
  }

  /** Bytes without a length. */
  raw(bytes: Uint8Array, start: number, end: number): void {
    for (let from = start; from < end;) {
      const to = Math.min(end, from + this.#wholeBytesMax)
      this.#reserve(to - from)
      copyRange(bytes, from, to, this.bytes, this.length)
      this.length += to - from
      from = to
    }
  }

  /** `raw` for bytes that are not in one row. */
  rawOf(source: ValueSource): void {
    const { lengthBytes } = source
    for (let from = 0; from < lengthBytes;) {
      const count = Math.min(lengthBytes - from, this.#wholeBytesMax)
      this.#reserve(count)
      source.copy(from, this.bytes, this.length, count)
      this.length += count
      from += count
    }
  }

  byte(value: number): void {
    this.#reserve(1)
    this.bytes[this.length++] = value
  }

  /** 8 bytes, little-endian. */
  double(value: number): void {
    this.#reserve(8)
    this.view.setFloat64(this.length, value, true)
    this.length += 8
  }

  /** 8 bytes, little-endian: a time in milliseconds. */
  int64(value: bigint): void {
    this.#reserve(8)
    this.view.setBigInt64(this.length, value, true)
    this.length += 8
  }

  /**
   * The length of what is compressed stands before it, and a string of pieces that were compressed each by itself is well-formed:
   * so they are compressed twice, once for the length.
   */
  #longString(source: ValueSource): void {
    const { lengthBytes } = source
    const packedBytes = this.#compress ? this.#packedBytes(source) : 0
    if (packedBytes === 0) {
      this.count(lengthBytes)
      this.rawOf(source)
      return
    }
    this.byte(0xc0 | RDB_ENC_LZF)
    this.count(packedBytes)
    this.count(lengthBytes)
    for (let from = 0; from < lengthBytes; from += this.#wholeBytesMax) {
      this.raw(this.#packed, 0, this.#pack(source, from))
    }
  }

  /** Length of a long string when it is compressed; 0: that is not worth it, as the first piece or all of them show. */
  #packedBytes(source: ValueSource): number {
    const { lengthBytes } = source
    let sum = 0
    for (let from = 0; from < lengthBytes; from += this.#wholeBytesMax) {
      sum += this.#pack(source, from)
      if (from === 0 && sum >= this.#wholeBytesMax) return 0
    }
    return sum <= lengthBytes - GAIN_BYTES_MIN ? sum : 0
  }

  /** Compresses the piece at `from` into `#packed`. @returns its length then */
  #pack(source: ValueSource, from: number): number {
    const most = this.#wholeBytesMax
    if (this.#piece.length < most) this.#piece = new Uint8Array(most)
    // What cannot be compressed costs a byte for each 32.
    if (this.#packed.length === 0) this.#packed = new Uint8Array(most + (most >>> 5) + 1)
    const count = Math.min(most, source.lengthBytes - from)
    source.copy(from, this.#piece, 0, count)
    return lzfCompress(this.#piece, 0, count, this.#packed, 0, this.#packed.length)
  }

  #reserve(count: number): void {
    if (this.length + count > this.bytes.length) this.makeRoom(count)
  }
}

const NO_BYTES: Uint8Array = new Uint8Array(0)
