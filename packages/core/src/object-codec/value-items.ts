/**
 * The items of a stored value of any type but string and module, in the order of its bytes, whatever the encoding. For
 * work that is done seldom (DEBUG DIGEST, export, conversions), not for commands.
 */
import { intsetCheck, intsetRead } from '../encoding/intset.ts'
import { LISTPACK_HEADER_BYTES, listpackFirst, listpackRead } from '../encoding/listpack.ts'
import { INTEGER_TEXT_BYTES_MAX, writeInt64 } from '../encoding/integer.ts'
import { PackedItem } from '../encoding/packed-item.ts'
import { ZIPLIST_HEADER_BYTES, ziplistFirst, ziplistRead } from '../encoding/ziplist.ts'
import { zipmapFirst, zipmapRead } from '../encoding/zipmap.ts'
import { viewOf } from '../memory/copy-bytes.ts'
import { STREAM_ENTRY_DELETED, STREAM_ENTRY_SAME_FIELDS } from './blob-check.ts'
import { readInt64 } from './rdb-length.ts'
import {
  RDB_TYPE_HASH,
  RDB_TYPE_HASH_LISTPACK,
  RDB_TYPE_HASH_LISTPACK_EX,
  RDB_TYPE_HASH_LISTPACK_EX_PRE_GA,
  RDB_TYPE_HASH_METADATA,
  RDB_TYPE_HASH_METADATA_PRE_GA,
  RDB_TYPE_HASH_ZIPLIST,
  RDB_TYPE_HASH_ZIPMAP,
  RDB_TYPE_LIST,
  RDB_TYPE_LIST_QUICKLIST,
  RDB_TYPE_LIST_QUICKLIST_2,
  RDB_TYPE_LIST_ZIPLIST,
  RDB_TYPE_SET,
  RDB_TYPE_SET_INTSET,
  RDB_TYPE_SET_LISTPACK,
  RDB_TYPE_STREAM_LISTPACKS,
  RDB_TYPE_STREAM_LISTPACKS_2,
  RDB_TYPE_STREAM_LISTPACKS_3,
  RDB_TYPE_ZSET,
  RDB_TYPE_ZSET_2,
  RDB_TYPE_ZSET_LISTPACK,
  RDB_TYPE_ZSET_ZIPLIST,
} from './rdb-types.ts'
import { SourceReader } from './value-source.ts'
import type { ValueSource } from './value-source.ts'
import { parseDoubleText, ValueFault } from './value-walker.ts'

/**
 * Gets the items. Lists and sets: `text` each. Sorted sets: `text`, `score`. Hashes: `fieldTtl` if the field has one (ms
 * since 1970), `text` (field), `text` (value). Streams: `entry`, then `text` for each field and value; groups are not shown.
 * Bytes are borrowed until the call returns.
 */
export interface ItemVisitor {
  text(bytes: Uint8Array, start: number, end: number): void
  score(value: number): void
  fieldTtl(expireAtMs: number): void
  entry(ms: bigint, sequence: bigint): void
}

/** No visitor may call this itself. @throws ValueFault if the bytes are not what the type needs */
export function visitItems(rdbType: number, source: ValueSource, visitor: ItemVisitor): void {
  walk.run(rdbType, source, visitor)
}

const NOBODY: ItemVisitor = { text() {}, score() {}, fieldTtl() {}, entry() {} }

class ItemWalk {
  readonly #reader: SourceReader = new SourceReader()
  #visitor: ItemVisitor = NOBODY
  readonly #item: PackedItem = new PackedItem()
  readonly #other: PackedItem = new PackedItem()
  readonly #digits: Uint8Array = new Uint8Array(INTEGER_TEXT_BYTES_MAX)

  run(rdbType: number, source: ValueSource, visitor: ItemVisitor): void {
    this.#reader.open(source)
    this.#visitor = visitor
    try {
      this.#visit(rdbType)
    } finally {
      this.#reader.close()
      this.#visitor = NOBODY
    }
  }

  #visit(rdbType: number): void {
    const reader = this.#reader
    switch (rdbType) {
      case RDB_TYPE_LIST:
      case RDB_TYPE_SET:
        for (let left = reader.length().value; left > 0; left--) this.#string()
        return
      case RDB_TYPE_ZSET:
        for (let left = reader.length().value; left > 0; left--) {
          this.#string()
          this.#visitor.score(this.#doubleText())
        }
        return
      case RDB_TYPE_ZSET_2:
        for (let left = reader.length().value; left > 0; left--) {
          this.#string()
          const at = reader.fixed(8)
          this.#visitor.score(viewOf(reader.bytes).getFloat64(at, true))
        }
        return
      case RDB_TYPE_HASH:
        for (let left = reader.length().value; left > 0; left--) {
          this.#string()
          this.#string()
        }
        return
      case RDB_TYPE_HASH_METADATA:
      case RDB_TYPE_HASH_METADATA_PRE_GA: {
        const earliest = rdbType === RDB_TYPE_HASH_METADATA ? this.#minExpire() - 1 : 0
        for (let left = reader.length().value; left > 0; left--) {
          const ttl = reader.length().value
          if (ttl !== 0) this.#visitor.fieldTtl(earliest + ttl)
          this.#string()
          this.#string()
        }
        return
      }
      case RDB_TYPE_HASH_LISTPACK_EX:
      case RDB_TYPE_HASH_LISTPACK_EX_PRE_GA:
        if (rdbType === RDB_TYPE_HASH_LISTPACK_EX) this.#minExpire()
        this.#listpackTriples(reader.string())
        return
      case RDB_TYPE_HASH_ZIPMAP:
        this.#zipmap(reader.string())
        return
      case RDB_TYPE_LIST_ZIPLIST:
      case RDB_TYPE_HASH_ZIPLIST:
        this.#ziplist(reader.string(), false)
        return
      case RDB_TYPE_ZSET_ZIPLIST:
        this.#ziplist(reader.string(), true)
        return
      case RDB_TYPE_HASH_LISTPACK:
      case RDB_TYPE_SET_LISTPACK:
        this.#listpack(reader.string(), false)
        return
      case RDB_TYPE_ZSET_LISTPACK:
        this.#listpack(reader.string(), true)
        return
      case RDB_TYPE_SET_INTSET:
        this.#intset(reader.string())
        return
      case RDB_TYPE_LIST_QUICKLIST:
        for (let left = reader.length().value; left > 0; left--) this.#ziplist(reader.string(), false)
        return
      case RDB_TYPE_LIST_QUICKLIST_2:
        for (let left = reader.length().value; left > 0; left--) {
          if (reader.length().value === 1) this.#string()
          else this.#listpack(reader.string(), false)
        }
        return
      case RDB_TYPE_STREAM_LISTPACKS:
      case RDB_TYPE_STREAM_LISTPACKS_2:
      case RDB_TYPE_STREAM_LISTPACKS_3:
        for (let left = reader.length().value; left > 0; left--) this.#streamNode()
        return
      default:
        throw new ValueFault('RDB_BAD_TYPE', `values of type ${rdbType} have no items`, 0)
    }
  }

  #string(): void {
    const reader = this.#reader
    reader.readString()
    this.#visitor.text(reader.text, reader.textStart, reader.textEnd)
  }

  #packed(bytes: Uint8Array, item: PackedItem): void {
    if (!item.isInteger) {
      this.#visitor.text(bytes, item.start, item.end)
      return
    }
    this.#visitor.text(this.#digits, 0, writeInt64(item.lo, item.hi, this.#digits, 0))
  }

  #packedScore(bytes: Uint8Array, item: PackedItem): void {
    this.#visitor.score(item.isInteger ? item.toNumber() : parseDoubleText(bytes, item.start, item.end))
  }

  #doubleText(): number {
    const reader = this.#reader
    const lengthAt = reader.fixed(1)
    const length = reader.bytes[lengthAt]!
    if (length === 253) return Number.NaN
    if (length === 254) return Number.POSITIVE_INFINITY
    if (length === 255) return Number.NEGATIVE_INFINITY
    const at = reader.fixed(length)
    return parseDoubleText(reader.bytes, at, at + length)
  }

  #minExpire(): number {
    const at = this.#reader.fixed(8)
    return readInt64(this.#reader.bytes, at)
  }

  #next(next: number): number {
    return next < 0 ? this.#reader.fail('malformed item') : next
  }

  #listpack(bytes: Uint8Array, scores: boolean): void {
    this.#require(bytes, LISTPACK_HEADER_BYTES + 1)
    const last = bytes.length - 1
    for (let at = listpackFirst(0), index = 0; at < last; index++) {
      at = this.#next(listpackRead(bytes, at, bytes.length, this.#item))
      if (scores && index % 2 === 1) this.#packedScore(bytes, this.#item)
      else this.#packed(bytes, this.#item)
    }
  }

  /** Field, value, TTL: the TTL is shown first, so it is looked up ahead. */
  #listpackTriples(bytes: Uint8Array): void {
    this.#require(bytes, LISTPACK_HEADER_BYTES + 1)
    const item = this.#item
    const last = bytes.length - 1
    for (let at = listpackFirst(0); at < last;) {
      const valueAt = this.#next(listpackRead(bytes, at, bytes.length, item))
      const ttlAt = this.#next(listpackRead(bytes, valueAt, bytes.length, item))
      const next = this.#next(listpackRead(bytes, ttlAt, bytes.length, item))
      if (item.toNumber() !== 0) this.#visitor.fieldTtl(item.toNumber())
      listpackRead(bytes, at, bytes.length, item)
      this.#packed(bytes, item)
      listpackRead(bytes, valueAt, bytes.length, item)
      this.#packed(bytes, item)
      at = next
    }
  }

  #ziplist(bytes: Uint8Array, scores: boolean): void {
    this.#require(bytes, ZIPLIST_HEADER_BYTES + 1)
    const last = bytes.length - 1
    for (let at = ziplistFirst(0), index = 0; at < last; index++) {
      at = this.#next(ziplistRead(bytes, at, bytes.length, this.#item))
      if (scores && index % 2 === 1) this.#packedScore(bytes, this.#item)
      else this.#packed(bytes, this.#item)
    }
  }

  #zipmap(bytes: Uint8Array): void {
    this.#require(bytes, 2)
    const last = bytes.length - 1
    for (let at = zipmapFirst(0); at < last;) {
      at = this.#next(zipmapRead(bytes, at, bytes.length, this.#item, this.#other))
      this.#packed(bytes, this.#item)
      this.#packed(bytes, this.#other)
    }
  }

  #intset(bytes: Uint8Array): void {
    const count = this.#next(intsetCheck(bytes, 0, bytes.length))
    for (let index = 0; index < count; index++) {
      intsetRead(bytes, 0, bytes.length, index, this.#item)
      this.#packed(bytes, this.#item)
    }
  }

  /** See `blob-check.ts` for the layout of a node. */
  #streamNode(): void {
    const reader = this.#reader
    const id = reader.string()
    if (id.length !== 16) reader.fail('the ID of a stream node is not 16 bytes long')
    const view = new DataView(id.buffer, id.byteOffset, 16)
    const nodeMs = view.getBigUint64(0)
    const nodeSequence = view.getBigUint64(8)
    const bytes = reader.string()
    this.#require(bytes, LISTPACK_HEADER_BYTES + 1)
    const item = this.#item
    let at = listpackFirst(0)
    const last = bytes.length - 1
    const read = (): void => {
      if (at >= last) reader.fail('malformed stream node')
      at = this.#next(listpackRead(bytes, at, bytes.length, item))
    }
    const integer = (): number => {
      read()
      return item.toNumber()
    }
    let left = integer()
    left += integer()
    const masterFields = integer()
    const masterAt = at
    for (let field = 0; field <= masterFields; field++) read()
    for (; left > 0; left--) {
      const flags = integer()
      read()
      const ms = BigInt.asUintN(64, nodeMs + item.toBigInt())
      read()
      const sequence = BigInt.asUintN(64, nodeSequence + item.toBigInt())
      const sameFields = (flags & STREAM_ENTRY_SAME_FIELDS) !== 0
      const shown = (flags & STREAM_ENTRY_DELETED) === 0
      if (shown) this.#visitor.entry(ms, sequence)
      const fields = sameFields ? masterFields : integer()
      let fieldAt = masterAt
      for (let field = 0; field < fields; field++) {
        if (sameFields) fieldAt = this.#next(listpackRead(bytes, fieldAt, bytes.length, item))
        else read()
        if (shown) this.#packed(bytes, item)
        read()
        if (shown) this.#packed(bytes, item)
      }
      read() // items before, for walking backwards
    }
  }

  #require(bytes: Uint8Array, count: number): void {
    if (bytes.length < count) this.#reader.fail('a packed value is shorter than its header')
  }
}

const walk = new ItemWalk()
