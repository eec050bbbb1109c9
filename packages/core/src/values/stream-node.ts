/**
 * One node of a stream: a listpack with a master entry, exactly as Redis lays it out, so that snapshots take and give it
 * as it is. This file reads it, as a cursor over its entries in both directions; `stream-node-store.ts` keeps and changes
 * it. Follows redis 7.0 t_stream.c streamAppendItem(), streamIteratorGetID().
 *
 *   master   | live entries | deleted entries | fields | field … | 0 |
 *   entry    | flags | ms - node's | sequence - node's | fields, field, value …  | items in this entry |
 *            with SAME_FIELDS: the master's fields, and here only values
 *
 * Safe on arbitrary bytes: positions never leave `start … end`, and an entry that makes no sense ends the node.
 */
import { NO_BYTES, NO_VIEW, noteViewHolder, type ViewHolder } from '../memory/view-holders.ts'
import { STREAM_ENTRY_DELETED, STREAM_ENTRY_SAME_FIELDS } from '../object-codec/blob-check.ts'
import { INTEGER_TEXT_BYTES_MAX, writeInt64 } from '../encoding/integer.ts'
import { PackedItem } from '../encoding/packed-item.ts'
import { LISTPACK_HEADER_BYTES, listpackFirst, listpackRead } from '../encoding/listpack.ts'
import { listpackPrevious, listpackSkip } from '../encoding/listpack-edit.ts'
import { StreamId } from '../encoding/stream-id.ts'
import type { ReplyEncoder } from '../resp/encoder.ts'

/** Items before the master's fields, and behind them. */
export const MASTER_ITEMS = 4
/** Items of an entry beside its values: flags, two differences, and the count at its end. */
export const ENTRY_ITEMS = 4

const digits = new Uint8Array(INTEGER_TEXT_BYTES_MAX)
const digitsView = new DataView(digits.buffer)

/** Gets fields and values: bytes borrowed until it returns. */
export interface FieldVisitor {
  text(bytes: Uint8Array, start: number, end: number): void
}

export class StreamNodeReader implements ViewHolder {
  /** The listpack: `bytes[start .. end)`. */
  bytes!: Uint8Array
  start = 0
  end = 0
  /** ID of the node. */
  readonly nodeId: StreamId = new StreamId()
  liveEntries = 0
  deletedEntries = 0
  /** Where the two counts stand. */
  countsAt = 0
  countsEnd = 0
  masterFields = 0
  masterFieldsAt = 0
  /** Position of the first entry. */
  entriesAt = 0

  /** The entry of the cursor: after `next()` or `previous()` returned true. */
  readonly id: StreamId = new StreamId()
  flags = 0
  flagsAt = 0
  fieldCount = 0
  /** First value, or with own fields the first field. */
  contentAt = 0

  /** Where `next()` goes on, and where `previous()` does: behind the entry before. */
  #nextAt = 0
  #previousAt = 0
  readonly #item = new PackedItem()
  /** Over `bytes`. */
  #view!: DataView
  // The integer that was read last.
  #lo = 0
  #hi = 0

  constructor() {
    noteViewHolder(this)
  }

  letGo(): void {
    this.bytes = NO_BYTES
    this.#view = NO_VIEW
  }

  /**
   * Opens a node; the cursor stands before its first entry. `nodeId` has to be set.
   * @returns false when the bytes are no node.
   */
  open(bytes: Uint8Array, start: number, end: number): boolean {
    if (bytes !== this.bytes) this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.bytes = bytes
    this.start = start
    this.end = end
    this.#nextAt = this.#previousAt = this.entriesAt = end - 1
    if (end - start < LISTPACK_HEADER_BYTES + 1) return false
    let at = listpackFirst(start)
    this.countsAt = at
    at = this.#read(at)
    this.liveEntries = this.#number()
    at = this.#read(at)
    this.deletedEntries = this.#number()
    this.countsEnd = at
    at = this.#read(at)
    this.masterFields = this.#number()
    this.masterFieldsAt = at
    for (let field = 0; field <= this.masterFields && at >= 0; field++) at = this.#skip(at)
    if (at < 0) return false
    this.entriesAt = this.#nextAt = at
    // Before the first entry there is none.
    this.#previousAt = at
    return true
  }

  /** Puts the cursor behind the last entry. */
  toEnd(): void {
    this.#nextAt = this.#previousAt = this.end - 1
  }

  /** Puts the cursor before the first entry. */
  toStart(): void {
    this.#nextAt = this.#previousAt = this.entriesAt
  }

  /** Puts the cursor before the entry at `at`, which was one of this node's. */
  toEntry(at: number): void {
    this.#nextAt = this.#previousAt = at
  }

  get deleted(): boolean {
    return (this.flags & STREAM_ENTRY_DELETED) !== 0
  }

  get sameFields(): boolean {
    return (this.flags & STREAM_ENTRY_SAME_FIELDS) !== 0
  }

  /** The next entry, deleted or not. */
  next(): boolean {
    const from = this.#nextAt
    if (from < 0 || from >= this.end - 1) return false
    let at = this.#header(from)
    const items = this.sameFields ? this.fieldCount : this.fieldCount * 2
    // The values, and the number of items behind them.
    for (let item = 0; item <= items && at >= 0; item++) at = this.#skip(at)
    this.#previousAt = from
    this.#nextAt = at
    return at >= 0
  }

  /** The entry before, deleted or not. */
  previous(): boolean {
    const behind = this.#previousAt
    if (behind <= this.entriesAt || behind > this.end - 1) return false
    let at = listpackPrevious(this.bytes, this.start, behind)
    if (at < this.entriesAt || this.#read(at) < 0) return false
    for (let items = this.#number(); items > 0 && at >= this.entriesAt; items--) {
      at = listpackPrevious(this.bytes, this.start, at)
    }
    if (at < this.entriesAt || this.#header(at) < 0) return false
    this.#previousAt = at
    this.#nextAt = behind
    return true
  }

  /** Shows the fields and values of the entry, one after the other. */
  visitFields(visitor: FieldVisitor): void {
    let fieldAt = this.sameFields ? this.masterFieldsAt : this.contentAt
    let valueAt = this.contentAt
    for (let field = 0; field < this.fieldCount; field++) {
      const afterField = this.#visit(fieldAt, visitor)
      if (this.sameFields) {
        fieldAt = afterField
        valueAt = this.#visit(valueAt, visitor)
      } else {
        fieldAt = valueAt = this.#visit(afterField, visitor)
      }
      if (fieldAt < 0 || valueAt < 0) return
    }
  }

  /** Replies the fields and values of the entry, as one array. */
  replyFields(reply: ReplyEncoder): void {
    reply.array(this.fieldCount * 2)
    let fieldAt = this.sameFields ? this.masterFieldsAt : this.contentAt
    let valueAt = this.contentAt
    for (let field = 0; field < this.fieldCount; field++) {
      const afterField = this.#reply(fieldAt, reply)
      if (this.sameFields) {
        fieldAt = afterField
        valueAt = this.#reply(valueAt, reply)
      } else {
        fieldAt = valueAt = this.#reply(afterField, reply)
      }
    }
  }

  /** Is the master's field at `at` this text? @returns the position of the next field, or -1. */
  matchField(at: number, bytes: Uint8Array, start: number, end: number): number {
    const item = this.#item
    const next = this.#read(at)
    if (next < 0) return -1
    let own = this.bytes
    let from = item.start
    let to = item.end
    if (item.isInteger) {
      own = digits
      from = 0
      to = writeInt64(item.lo, item.hi, digits, 0)
    }
    if (to - from !== end - start) return -1
    for (let i = start; i < end; i++) if (own[from++] !== bytes[i]) return -1
    return next
  }

  /** Reads flags, ID and number of fields of the entry at `at`. @returns where its content begins, -1 when malformed. */
  #header(at: number): number {
    this.flagsAt = at
    const flagsEnd = this.#integer(at)
    this.flags = this.#lo
    const msEnd = this.#integer(flagsEnd)
    const msLo = this.#lo
    const msHi = this.#hi
    let to = this.#integer(msEnd)
    this.id.setSum(this.nodeId, msLo, msHi, this.#lo, this.#hi)
    this.fieldCount = this.masterFields
    if (!this.sameFields) {
      to = this.#integer(to)
      this.fieldCount = this.#hi === 0 && this.#lo >= 0 ? Math.min(this.#lo, this.end - this.start) : 0
    }
    this.contentAt = to
    return to
  }

  /**
   * Reads the integer at `at` into the registers: entries are full of them, so this is quicker than `listpackRead()` and looks
   * no further than it has to. @returns the position of the next item, -1 when it is none.
   */
  #integer(at: number): number {
    const { bytes } = this
    if (at < 0 || at >= this.end - 1) return -1
    const first = bytes[at]!
    if (first < 0x80) {
      this.#lo = first
      this.#hi = 0
      return at + 2
    }
    let next = at + 3
    if (first >= 0xc0 && first < 0xe0) this.#lo = (((first & 0x1f) << 27) | (bytes[at + 1]! << 19)) >> 19
    else if (first === 0xf1) {
      this.#lo = ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 24)) >> 16
      next = at + 4
    } else if (first === 0xf2) {
      this.#lo = ((bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >> 8
      next = at + 5
    } else if (first === 0xf3 || first === 0xf4) {
      this.#lo = bytes[at + 1]! | (bytes[at + 2]! << 8) | (bytes[at + 3]! << 16) | (bytes[at + 4]! << 24)
      next = at + 6
    } else return -1
    this.#hi = this.#lo >> 31
    if (first === 0xf4) {
      this.#hi = bytes[at + 5]! | (bytes[at + 6]! << 8) | (bytes[at + 7]! << 16) | (bytes[at + 8]! << 24)
      next = at + 10
    }
    return next < this.end ? next : -1
  }

  /** Number in the item just read; no more than could be in the node. */
  #number(): number {
    const item = this.#item
    if (!item.isInteger || item.hi !== 0 || item.lo < 0) return 0
    return Math.min(item.lo, this.end - this.start)
  }

  #read(at: number): number {
    if (at < 0 || at >= this.end - 1) return -1
    return listpackRead(this.bytes, at, this.end, this.#item)
  }

  #skip(at: number): number {
    if (at < 0 || at >= this.end - 1) return -1
    const next = listpackSkip(this.bytes, at)
    return next > at && next < this.end ? next : -1
  }

  #visit(at: number, visitor: FieldVisitor): number {
    const item = this.#item
    const next = this.#read(at)
    if (next < 0) return -1
    if (item.isInteger) visitor.text(digits, 0, writeInt64(item.lo, item.hi, digits, 0))
    else visitor.text(this.bytes, item.start, item.end)
    return next
  }

  #reply(at: number, reply: ReplyEncoder): number {
    const item = this.#item
    const next = this.#read(at)
    if (next < 0) {
      // Only torn memory: the reply keeps its shape, and is thrown away.
      reply.bulk(digits, 0, 0)
      return -1
    }
    if (item.isInteger) reply.bulk(digits, 0, writeInt64(item.lo, item.hi, digits, 0), digitsView)
    else reply.bulk(this.bytes, item.start, item.end, this.#view)
    return next
  }
}
