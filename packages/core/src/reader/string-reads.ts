/**
 * The string at a key as it looks now: text, a Buffer, or where it lies. The lookups of one attempt of the embedded reader,
 * which makes the attempts and validates them (keyspace-reader.ts); nothing here is worth anything before.
 */
import { KeyspaceError } from '../errors.ts'
import { hashKey, hashOrder, hashTag } from '../keyspace/key-hash.ts'
import { FLAG_CHUNKED, FLAG_EXPIRE } from '../keyspace/layout.ts'
import type { SharedKeyspace } from '../keyspace/shared-keyspace.ts'
import { copyBytes } from '../memory/copy-bytes.ts'
import { WRONG_TYPE } from '../resp/error-replies.ts'
import { BorrowedValue } from './borrowed-value.ts'
import type { ReadArguments } from './read-arguments.ts'

// What becomes of a value that was found.
export const AS_TEXT = 0
export const AS_BUFFER = 1
export const AS_VIEW = 2
export type StringForm = typeof AS_TEXT | typeof AS_BUFFER | typeof AS_VIEW
export type StringRead = string | Buffer | BorrowedValue

/** Buffers of at most this length share a slab. */
const SLAB_VALUE_BYTES_MAX = 1024
const SLAB_BYTES = 32 * 1024

/** Not in Node's types, and twice as quick as toString() for short text; it takes any bytes as `this`. */
const { utf8Slice } = Buffer.prototype as unknown as {
  readonly utf8Slice: (this: Uint8Array, start: number, end: number) => string
}

/** The keys are the arguments of a call; they are hashed once in each attempt. */
export class StringReads {
  /** Database to look in. */
  db = 0
  readonly #keyspace: SharedKeyspace
  readonly #args: ReadArguments
  readonly #borrowed = new BorrowedValue()
  /** One time for all keys of an attempt; -1: the clock was not asked yet. */
  #nowMs = -1
  // Of the keys of one call: their hashes, and what was touched.
  #order = new Int32Array(16)
  #tag = new Int32Array(16)
  #near = new Int32Array(16)
  #slab: Buffer = Buffer.alloc(0)
  #slabView: DataView = new DataView(new ArrayBuffer(0))
  #slabUsed = 0

  constructor(keyspace: SharedKeyspace, args: ReadArguments) {
    this.#keyspace = keyspace
    this.#args = args
  }

  /** Begins an attempt. @param nowMs its time; -1: to be taken when a key with a time to live is met. */
  begin(nowMs: number): void {
    this.#nowMs = nowMs
  }

  /** Hashes the only key. */
  hashOnly(): void {
    const { bytes, end } = this.#args
    hashKey(this.#keyspace.generation.seed, bytes, 0, end[0]!)
    this.#order[0] = hashOrder
    this.#tag[0] = hashTag
  }

  /** Hashes all keys and brings nearer what their lookups need, so that their cache misses overlap. */
  touchAll(): void {
    const { bytes, count, start, end } = this.#args
    const keyspace = this.#keyspace
    const { seed } = keyspace.generation
    if (count > this.#order.length) {
      this.#order = new Int32Array(count)
      this.#tag = new Int32Array(count)
      this.#near = new Int32Array(count)
    }
    for (let i = 0; i < count; i++) {
      hashKey(seed, bytes, start[i]!, end[i]!)
      this.#order[i] = hashOrder
      this.#tag[i] = hashTag
      this.#near[i] = keyspace.touchSlot(this.db, hashOrder, hashTag)
    }
    for (let i = 0; i < count; i++) this.#near[i] = keyspace.touchRecord(this.#order[i]!, this.#near[i]!)
  }

  /** The string at the key of argument `index`, which was hashed, as it looks now. @param strict is another type an error? Else it is absent. */
  valueOf(index: number, form: StringForm, strict: boolean): StringRead | undefined {
    const { bytes, start, end } = this.#args
    const keyspace = this.#keyspace
    if (!keyspace.lookupHashed(this.db, this.#order[index]!, this.#tag[index]!, bytes, start[index]!, end[index]!)) {
      return undefined
    }
    const { entry } = keyspace
    if ((entry.flags & FLAG_EXPIRE) !== 0 && entry.expireAtMs >= 0) {
      if (this.#nowMs === -1) this.#nowMs = Date.now()
      if (this.#nowMs > entry.expireAtMs) return undefined
    }
    if (entry.rdbType !== 0) {
      if (!strict) return undefined
      throw new KeyspaceError('WRONG_TYPE', WRONG_TYPE)
    }
    keyspace.markAccess()
    const isChunked = (entry.flags & FLAG_CHUNKED) !== 0
    if (form === AS_BUFFER) return isChunked ? entry.toBuffer() : this.#copyOut(entry.start, entry.start + entry.length)
    if (form === AS_TEXT) {
      if (isChunked) return entry.toBuffer().toString()
      return utf8Slice.call(entry.bytes, entry.start, entry.start + entry.length)
    }
    const { generation } = keyspace
    return isChunked
      ? this.#borrowed.pointAtCopy(generation, entry.toBuffer())
      : this.#borrowed.point(generation, entry)
  }

  /** A Buffer of the bytes of `entry`; short ones share a slab, as Node's own do. */
  #copyOut(start: number, end: number): Buffer {
    const { entry } = this.#keyspace
    const length = end - start
    if (length > SLAB_VALUE_BYTES_MAX) return entry.toBuffer()
    if (this.#slabUsed + length > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
      this.#slabView = new DataView(this.#slab.buffer, this.#slab.byteOffset, SLAB_BYTES)
      this.#slabUsed = 0
    }
    const at = this.#slabUsed
    copyBytes(entry.bytes, entry.view, start, end, this.#slab, this.#slabView, at)
    this.#slabUsed = at + ((length + 7) & ~7)
    return this.#slab.subarray(at, at + length)
  }
}
