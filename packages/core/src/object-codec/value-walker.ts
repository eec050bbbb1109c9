/**
 * Finds where a value ends and checks its structure, from bytes that arrive in pieces of any size. Keeps nothing of the
 * value; what is done with the bytes is the caller's business. Runs the programs of `value-grammar.ts`.
 *
 * Each step either has all its bytes at hand and is passed, or is left to be run again with more of them. Two steps can
 * be passed in parts, so that a value need never be held whole:
 *
 *   skipping   the content of a plain string that nobody looks at: `#skip` bytes are still to be passed
 *   gathering  a packed or compressed string that must be seen whole but is longer than the window: its bytes are
 *              copied to a buffer that grows with what arrives, never with what a length claims
 */
import { lzfCheck, lzfDecompress } from '../encoding/lzf.ts'
import type { ErrorCode } from '../errors.ts'
import { BLOB_NAMES, checkBlob } from './blob-check.ts'
import { LengthSlot, READ_BAD, READ_MORE, READ_OK, readInt32, readLength } from './rdb-length.ts'
import type { ReadResult } from './rdb-length.ts'
import { readStringHeader, STRING_INT, STRING_LZF, STRING_RAW, StringSlot } from './string-codec.ts'
import {
  BLOB_LISTPACK,
  BLOB_TEXT,
  STEP_AGAIN,
  STEP_BLOB,
  STEP_COUNT,
  STEP_DONE,
  STEP_DOUBLE,
  STEP_DOUBLE_TEXT,
  STEP_FIXED,
  STEP_LENGTH,
  STEP_MIN_EXPIRE,
  STEP_MODULE_ID,
  STEP_MODULE_ITEMS,
  STEP_QUICKLIST_NODE,
  STEP_STREAM_ID,
  STEP_STRING,
  STEP_TTL,
  STEP_WIDTH,
} from './value-grammar.ts'
import { UNPACK_BAD_COMPRESSION, UNPACK_OFF, type UnpackTarget, ValueUnpacker } from './value-unpacker.ts'

/** A value that is not what its type needs. `valueOffset` counts from the first byte of the value. */
export class ValueFault extends Error {
  readonly code: ErrorCode
  readonly valueOffset: number

  constructor(code: ErrorCode, message: string, valueOffset: number) {
    super(message)
    this.code = code
    this.valueOffset = valueOffset
  }
}

/** Longest packed value that is taken, decoded; redis 7.0 listpack.c LISTPACK_MAX_SAFETY_LIMIT. */
export const BLOB_BYTES_MAX: number = 2 ** 30
/** Latest time of a hash field (redis 7.4 ebuckets.h EB_EXPIRE_TIME_MAX). */
export const FIELD_EXPIRE_AT_MS_MAX: number = 2 ** 48 - 2

/** Loops are at most this deep: stream groups, their consumers, their entries. */
const DEPTH_MAX = 3
/** Buffers that grew beyond this are dropped after use. */
const BUFFER_BYTES_KEPT = 4 << 20

export class ValueWalker {
  /** After `walk()`: the first byte that was not passed. */
  position = 0
  /** Bytes of the value passed so far. */
  passedBytes = 0
  /** Elements seen: all of them once the value is passed. */
  elements = 0
  /** ID of the module, as two int32, for types that have one. */
  moduleHi = 0
  moduleLo = 0

  #program: Int32Array = new Int32Array(STEP_WIDTH)
  #step = 0
  #depth = 0
  readonly #left: Float64Array = new Float64Array(DEPTH_MAX)
  readonly #again: Int32Array = new Int32Array(DEPTH_MAX)
  /** Bytes of the value that can still come, from its first byte on. */
  #bytesMax = Number.POSITIVE_INFINITY
  #skip = 0
  #isOutline = false

  #gathering = false
  #gatherBuffer: Uint8Array = new Uint8Array(0)
  #gathered = 0
  #gatherBytes = 0
  #gatherKind = 0
  /** Length of the decoded string if the gathered bytes are compressed, else -1. */
  #gatherDecodedBytes = -1
  #decodeBuffer: Uint8Array = new Uint8Array(0)

  readonly #length: LengthSlot = new LengthSlot()
  readonly #string: StringSlot = new StringSlot()
  /** Value offset of index 0 of the bytes being walked. */
  #origin = 0

  readonly #unpacker: ValueUnpacker = new ValueUnpacker()

  /**
   * Starts a value.
   * @param bytesMax how many bytes are left in the snapshot, if that is known: longer strings are refused at once.
   * @param unpackTarget for values that whoever takes them should not have to decompress again, see `takeUnpacked`
   */
  begin(program: Int32Array, bytesMax: number = Number.POSITIVE_INFINITY, unpackTarget?: UnpackTarget): void {
    this.#begin(program, bytesMax, false)
    this.#unpacker.begin(unpackTarget)
  }

  /**
   * Starts a value of which only the end is to be found: what is in packed and compressed strings is not looked at, as long as
   * they are at hand, and their elements are not counted. For who has it walked again later, from `begin`.
   */
  beginOutline(program: Int32Array, bytesMax: number): void {
    this.#begin(program, bytesMax, true)
    this.#unpacker.begin(undefined)
  }

  #begin(program: Int32Array, bytesMax: number, isOutline: boolean): void {
    this.#isOutline = isOutline
    this.#program = program
    this.#step = 0
    this.#depth = 0
    this.#skip = 0
    this.#gathering = false
    this.#bytesMax = bytesMax
    this.passedBytes = 0
    this.elements = 0
  }

  /**
   * Walks on from `at`, which is where the last call's `position` is now.
   * @param full no more bytes can be shown together with these: what needs more must be gathered.
   * @returns true when the value is passed; false when more bytes are needed.
   * @throws ValueFault RDB_BAD_LENGTH, RDB_BAD_VALUE
   */
  walk(bytes: Uint8Array, at: number, end: number, full: boolean): boolean {
    this.#origin = this.passedBytes - at
    this.position = at
    if (this.passedBytes === 0) this.#unpacker.startAt(at)
    else this.#unpacker.giveUp()
    const done = this.#run(bytes, end, full)
    this.passedBytes = this.#origin + this.position
    return done
  }

  #run(bytes: Uint8Array, end: number, full: boolean): boolean {
    const program = this.#program
    const length = this.#length
    for (;;) {
      if (this.#skip > 0 && !this.#passSkipped(end)) return false
      if (this.#gathering && !this.#gather(bytes, end)) return false
      const argument = program[this.#step + 1]!
      switch (program[this.#step]) {
        case STEP_DONE:
          return true
        case STEP_STRING:
          if (!this.#passString(bytes, this.position, end, full, BLOB_TEXT)) return false
          break
        case STEP_BLOB:
          if (!this.#passString(bytes, this.position, end, full, argument)) return false
          break
        case STEP_COUNT: {
          if (!this.#readLength(bytes, this.position, end)) return false
          const count = length.value
          this.position = length.next
          if (argument === 1) this.elements = count
          if (count === 0) {
            this.#step = program[this.#step + 2]!
            continue
          }
          this.#left[this.#depth] = count
          this.#again[this.#depth] = this.#step + STEP_WIDTH
          this.#depth++
          break
        }
        case STEP_AGAIN:
          if (--this.#left[this.#depth - 1]! > 0) {
            this.#step = this.#again[this.#depth - 1]!
            continue
          }
          this.#depth--
          break
        case STEP_LENGTH:
          if (!this.#readLength(bytes, this.position, end)) return false
          if (argument === 1) this.elements = length.value
          this.position = length.next
          break
        case STEP_TTL:
          if (!this.#readLength(bytes, this.position, end)) return false
          if (length.value > FIELD_EXPIRE_AT_MS_MAX) this.#fail('RDB_BAD_VALUE', 'a field TTL is out of range')
          this.position = length.next
          break
        case STEP_FIXED:
          if (this.position + argument > end) return false
          this.position += argument
          break
        case STEP_MIN_EXPIRE:
          if (this.position + 8 > end) return false
          if (readInt32(bytes, this.position + 4) >>> 16 !== 0) {
            this.#fail('RDB_BAD_VALUE', 'the earliest field TTL is out of range')
          }
          this.position += 8
          break
        case STEP_DOUBLE:
          if (this.position + 8 > end) return false
          if (isNaNBits(bytes, this.position)) this.#fail('RDB_BAD_VALUE', 'a score is not a number')
          this.position += 8
          break
        case STEP_DOUBLE_TEXT:
          if (!this.#passDoubleText(bytes, end)) return false
          break
        case STEP_STREAM_ID:
          if (this.position + 17 > end) return false
          if (bytes[this.position] !== 16) this.#fail('RDB_BAD_VALUE', 'the ID of a stream node is not 16 bytes long')
          this.position += 17
          break
        case STEP_QUICKLIST_NODE:
          if (!this.#passQuicklistNode(bytes, end, full)) return false
          break
        case STEP_MODULE_ID:
          if (!this.#readLength(bytes, this.position, end)) return false
          this.moduleHi = length.hi
          this.moduleLo = length.lo
          this.position = length.next
          break
        case STEP_MODULE_ITEMS: {
          const passed = this.#passModuleItem(bytes, end, full)
          if (passed === MODULE_MORE) return false
          if (passed === MODULE_ITEM) continue
          break
        }
        default:
          throw new Error(`value grammar: unknown step ${program[this.#step]}`)
      }
      this.#step += STEP_WIDTH
    }
  }

  /** Passes what is at hand of a string nobody looks at. @returns false if more of it has to come. */
  #passSkipped(end: number): boolean {
    const count = Math.min(this.#skip, end - this.position)
    this.position += count
    this.#skip -= count
    return this.#skip === 0
  }

  /** Reads a length at `at` into `#length`; `position` stays. @returns false if more bytes are needed. */
  #readLength(bytes: Uint8Array, at: number, end: number): boolean {
    const result = readLength(bytes, at, end, this.#length)
    if (result === READ_MORE) return false
    if (result === READ_BAD || this.#length.encoded) this.#fail('RDB_BAD_LENGTH', 'not a length', at)
    return true
  }

  /**
   * Passes the string at `at` with its content; on false `position` is unchanged, unless the content is being skipped or
   * gathered, in which case the step counts as passed.
   */
  #passString(bytes: Uint8Array, at: number, end: number, full: boolean, kind: number): boolean {
    const string = this.#string
    const result: ReadResult = readStringHeader(bytes, at, end, string)
    if (result === READ_MORE) return false
    if (result !== READ_OK) this.#fail('RDB_BAD_LENGTH', 'not a string', at)
    if (this.#origin + string.end > this.#bytesMax) {
      this.#fail('RDB_BAD_LENGTH', `a string of ${string.end - string.start} bytes is longer than the snapshot`, at)
    }
    if (string.kind === STRING_INT) {
      // A packed value has a header: it can never be an integer.
      if (kind !== BLOB_TEXT) this.#fail('RDB_BAD_VALUE', `a ${BLOB_NAMES[kind]} is stored as an integer`, at)
      this.position = string.end
      return true
    }
    if (kind === BLOB_TEXT && string.kind === STRING_RAW) {
      if (string.end <= end) {
        this.position = string.end
      } else {
        this.#skip = string.end - end
        this.position = end
      }
      return true
    }
    if (this.#isOutline && string.end <= end) {
      this.position = string.end
      return true
    }
    const decodedBytes = string.kind === STRING_LZF ? string.length : -1
    if (kind !== BLOB_TEXT && string.length > BLOB_BYTES_MAX) {
      this.#fail('RDB_BAD_LENGTH', `a ${BLOB_NAMES[kind]} of ${string.length} bytes`, at)
    }
    if (string.end <= end) {
      if (decodedBytes >= 0 && kind !== BLOB_TEXT && this.#unpack(bytes, at, kind)) {
        this.position = string.end
        return true
      }
      this.#check(bytes, string.start, string.end, kind, decodedBytes, this.#origin + string.start)
      this.position = string.end
      return true
    }
    if (!full) return false
    this.#gathering = true
    this.#gathered = 0
    this.#gatherBytes = string.end - string.start
    this.#gatherKind = kind
    this.#gatherDecodedBytes = decodedBytes
    this.position = string.start
    return true
  }

  /** Copies what is at hand of the string being gathered, and checks it when it is whole. */
  #gather(bytes: Uint8Array, end: number): boolean {
    const count = Math.min(this.#gatherBytes - this.#gathered, end - this.position)
    const needed = this.#gathered + count
    if (needed > this.#gatherBuffer.length) {
      const grown = new Uint8Array(Math.min(this.#gatherBytes, Math.max(2 * needed, 1 << 16)))
      grown.set(this.#gatherBuffer.subarray(0, this.#gathered))
      this.#gatherBuffer = grown
    }
    this.#gatherBuffer.set(bytes.subarray(this.position, this.position + count), this.#gathered)
    this.#gathered = needed
    this.position += count
    if (needed < this.#gatherBytes) return false
    this.#gathering = false
    const offset = this.#origin + this.position - needed
    this.#check(this.#gatherBuffer, 0, needed, this.#gatherKind, this.#gatherDecodedBytes, offset)
    if (this.#gatherBuffer.length > BUFFER_BYTES_KEPT) this.#gatherBuffer = new Uint8Array(0)
    return true
  }

  /**
   * After `walk` has passed a value in one call: the same value with its compressed blobs as plain strings, if it had any and
   * is short. It begins at the `used` that the target has now; the caller moves that.
   * @param bytes those that were walked
   * @returns its length, 0 if there is none.
   */
  takeUnpacked(bytes: Uint8Array): number {
    return this.#unpacker.finish(bytes, this.position)
  }

  /** Checks the compressed blob in `#string`, whose header is at `at`, by unpacking it. @returns false: it is not unpacked. */
  #unpack(bytes: Uint8Array, at: number, kind: number): boolean {
    const count = this.#unpacker.add(bytes, at, this.#string, kind)
    if (count === UNPACK_OFF) return false
    if (count < 0) {
      const what = count === UNPACK_BAD_COMPRESSION ? 'compression' : BLOB_NAMES[kind]!
      this.#fail('RDB_BAD_VALUE', `malformed ${what}`, this.#string.start)
    }
    this.elements += count
    return true
  }

  /** Checks a whole string that may be compressed; `offset` is that of `start` in the value. */
  #check(bytes: Uint8Array, start: number, end: number, kind: number, decodedBytes: number, offset: number): void {
    let count: number
    if (decodedBytes < 0) {
      count = checkBlob(kind, bytes, start, end)
    } else {
      // Checked without writing first: no length is believed before the content bears it out.
      if (!lzfCheck(bytes, start, end, decodedBytes)) this.#failAt('RDB_BAD_VALUE', 'malformed compression', offset)
      if (kind === BLOB_TEXT) return
      if (this.#decodeBuffer.length < decodedBytes) {
        this.#decodeBuffer = new Uint8Array(Math.max(decodedBytes, 1 << 16))
      }
      lzfDecompress(bytes, start, end, this.#decodeBuffer, 0, decodedBytes)
      count = checkBlob(kind, this.#decodeBuffer, 0, decodedBytes)
      if (this.#decodeBuffer.length > BUFFER_BYTES_KEPT) this.#decodeBuffer = new Uint8Array(0)
    }
    if (count >= 0) {
      this.elements += count
      return
    }
    // In a compressed one the position means nothing in the file: say where the string starts.
    const position = decodedBytes < 0 ? offset + (-1 - count - start) : offset
    this.#failAt('RDB_BAD_VALUE', `malformed ${BLOB_NAMES[kind]}`, position)
  }

  #passDoubleText(bytes: Uint8Array, end: number): boolean {
    const at = this.position
    if (at >= end) return false
    const length = bytes[at]!
    if (length === 253) this.#fail('RDB_BAD_VALUE', 'a score is not a number')
    if (length > 253) {
      this.position = at + 1
      return true
    }
    if (at + 1 + length > end) return false
    if (Number.isNaN(parseDoubleText(bytes, at + 1, at + 1 + length))) {
      this.#fail('RDB_BAD_VALUE', 'a score is not a number')
    }
    this.position = at + 1 + length
    return true
  }

  #passQuicklistNode(bytes: Uint8Array, end: number, full: boolean): boolean {
    if (!this.#readLength(bytes, this.position, end)) return false
    const container = this.#length.value
    const next = this.#length.next
    if (container === 1) {
      if (!this.#passString(bytes, next, end, full, BLOB_TEXT)) return false
      this.elements++
      return true
    }
    if (container !== 2) this.#fail('RDB_BAD_VALUE', `a list node of kind ${container}`)
    return this.#passString(bytes, next, end, full, BLOB_LISTPACK)
  }

  #passModuleItem(bytes: Uint8Array, end: number, full: boolean): number {
    if (!this.#readLength(bytes, this.position, end)) return MODULE_MORE
    const opcode = this.#length.value
    const next = this.#length.next
    switch (opcode) {
      case 0:
        this.position = next
        return MODULE_END
      case 1:
      case 2:
        if (!this.#readLength(bytes, next, end)) return MODULE_MORE
        this.position = this.#length.next
        return MODULE_ITEM
      case 3:
      case 4: {
        const size = opcode === 3 ? 4 : 8
        if (next + size > end) return MODULE_MORE
        this.position = next + size
        return MODULE_ITEM
      }
      case 5:
        return this.#passString(bytes, next, end, full, BLOB_TEXT) ? MODULE_ITEM : MODULE_MORE
      default:
        return this.#fail('RDB_BAD_VALUE', `a module item of kind ${opcode}`)
    }
  }

  #fail(code: ErrorCode, message: string, at: number = this.position): never {
    throw new ValueFault(code, message, this.#origin + at)
  }

  #failAt(code: ErrorCode, message: string, valueOffset: number): never {
    throw new ValueFault(code, message, valueOffset)
  }
}

const MODULE_MORE = 0
const MODULE_ITEM = 1
const MODULE_END = 2

/** Do the 8 bytes at `at` (little-endian) hold a double that is not a number? */
function isNaNBits(bytes: Uint8Array, at: number): boolean {
  const hi = readInt32(bytes, at + 4) & 0x7fffffff
  return hi > 0x7ff00000 || (hi === 0x7ff00000 && readInt32(bytes, at) !== 0)
}

/** A double as C prints it. @returns NaN for anything else. */
export function parseDoubleText(bytes: Uint8Array, start: number, end: number): number {
  let text = ''
  for (let at = start; at < end; at++) text += String.fromCharCode(bytes[at]!)
  const value = Number(text)
  if (!Number.isNaN(value)) return text.trim() === '' ? Number.NaN : value
  const infinite = /^([+-]?)inf(inity)?$/i.exec(text)
  if (infinite === null) return Number.NaN
  return infinite[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
}
