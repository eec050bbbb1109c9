/**
 * The string at a key as it looks now: text, a Buffer, or where it lies. The lookups of one attempt of the embedded reader,
 * which makes the attempts and validates them (keyspace-reader.ts); nothing here is worth anything before.
 */
import { markAsUntransferable } from 'node:worker_threads'
import { KeyspaceError } from '../errors.ts'
import { FLAG_CHUNKED, FLAG_EXPIRE } from '../keyspace/layout.ts'
import type { SharedKeyspace } from '../keyspace/shared-keyspace.ts'
import { KEYS_AHEAD_MAX } from '../limits.ts'
import { copyBytes } from '../memory/copy-bytes.ts'
import { WRONG_TYPE } from '../resp/error-replies.ts'
import { BorrowedValue } from './borrowed-value.ts'
import type { ReadArguments } from './read-arguments.ts'
import { textOf } from './text-of.ts'

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

/** The constructor that Buffer.subarray() ends in, half of whose time is the way there: its instances are Buffers like any other. */
const SlabBuffer = (
  Buffer as unknown as {
    readonly [Symbol.species]: new (memory: ArrayBuffer, byteOffset: number, length: number) => Buffer
  }
)[Symbol.species]

/** The keys are the arguments of a call. */
export class StringReads {
  /** Database to look in. */
  db = 0
  readonly #keyspace: SharedKeyspace
  readonly #args: ReadArguments
  readonly #borrowed = new BorrowedValue()
  /** One time for all keys of an attempt; -1: the clock was not asked yet. */
  #nowMs = -1
  #slabMemory = new ArrayBuffer(0)
  #slab = new Uint8Array(this.#slabMemory)
  #slabView = new DataView(this.#slabMemory)
  #slabUsed = 0

  constructor(keyspace: SharedKeyspace, args: ReadArguments) {
    this.#keyspace = keyspace
    this.#args = args
  }

  /** The view that was given is valid no more. */
  letGo(): void {
    this.#borrowed.letGo()
  }

  /** Begins an attempt. @param nowMs its time; -1: to be taken when a key with a time to live is met. */
  begin(nowMs: number): void {
    this.#nowMs = nowMs
  }

  /** The string at the only key as it looks now. @throws KeyspaceError WRONG_TYPE */
  valueOfOnly(form: StringForm): StringRead | undefined {
    const { bytes, end } = this.#args
    if (!this.#keyspace.lookup(this.db, bytes, 0, end[0]!)) return undefined
    return this.#found(form, true)
  }

  /** The strings at all keys as they look now, into `values`; undefined for a key of another type. */
  valuesOfAll(form: StringForm, values: (StringRead | undefined)[]): void {
    const { bytes, count, start, end } = this.#args
    const keyspace = this.#keyspace
    for (let i = 0; i < count; i++) {
      const touched = i % KEYS_AHEAD_MAX
      if (touched === 0) keyspace.touchKeys(this.db, bytes, start, end, i, Math.min(count - i, KEYS_AHEAD_MAX))
      const isFound = keyspace.lookupTouched(touched, this.db, bytes, start[i]!, end[i]!)
      values.push(isFound ? this.#found(form, false) : undefined)
    }
  }

  /** What the lookup found. @param strict is another type an error? Else it is absent. */
  #found(form: StringForm, strict: boolean): StringRead | undefined {
    const keyspace = this.#keyspace
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
      if (isChunked) {
        const bytes = entry.toBuffer()
        return textOf(bytes, 0, bytes.length)
      }
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
      this.#slabMemory = new ArrayBuffer(SLAB_BYTES)
      // Whoever transfers one of the Buffers would take the others away; as with Node's own pool it is copied then.
      markAsUntransferable(this.#slabMemory)
      this.#slab = new Uint8Array(this.#slabMemory)
      this.#slabView = new DataView(this.#slabMemory)
      this.#slabUsed = 0
    }
    const at = this.#slabUsed
    copyBytes(entry.bytes, entry.view, start, end, this.#slab, this.#slabView, at)
    this.#slabUsed = at + ((length + 7) & ~7)
    return new SlabBuffer(this.#slabMemory, at, length)
  }
}
