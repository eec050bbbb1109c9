/**
 * What OBJECT ENCODING says of a value: the encoding redis 7.0 would hold it in after loading these bytes, with its
 * default thresholds. Small collections that were written in plain form come back in packed form.
 *
 * Source: redis 7.0 rdb.c rdbLoadObject(), object.c tryObjectEncoding().
 */
import { INTEGER_TEXT_BYTES_MAX, parseInteger } from '../encoding/integer.ts'
import { countElements } from './element-count.ts'
import {
  RDB_TYPE_HASH,
  RDB_TYPE_HASH_LISTPACK,
  RDB_TYPE_HASH_ZIPLIST,
  RDB_TYPE_HASH_ZIPMAP,
  RDB_TYPE_SET,
  RDB_TYPE_SET_INTSET,
  RDB_TYPE_STRING,
  RDB_TYPE_ZSET,
  RDB_TYPE_ZSET_2,
  RDB_TYPE_ZSET_LISTPACK,
  RDB_TYPE_ZSET_ZIPLIST,
  rdbTypeFacts,
} from './rdb-types.ts'
import { visitItems } from './value-items.ts'
import type { ValueSource } from './value-source.ts'

const SET_MAX_INTSET_ENTRIES = 512
const HASH_MAX_LISTPACK_ENTRIES = 512
const ZSET_MAX_LISTPACK_ENTRIES = 128
const MAX_LISTPACK_VALUE_BYTES = 64
/** Longer strings are 'raw' (object.c OBJ_ENCODING_EMBSTR_SIZE_LIMIT). */
const EMBSTR_BYTES_MAX = 44

function isInteger(bytes: Uint8Array, start: number, end: number): boolean {
  return !Number.isNaN(parseInteger(bytes, start, end))
}

/**
 * @param value for type string the decoded string, else the bytes of the value in a snapshot
 * @param raw was the string left 'raw' by the command that made it (APPEND …)?
 */
export function encodingName(rdbType: number, value: ValueSource, raw: boolean): string {
  switch (rdbType) {
    case RDB_TYPE_STRING:
      return stringEncoding(value, raw)
    case RDB_TYPE_SET:
      if (countElements(rdbType, value) > SET_MAX_INTSET_ENTRIES) return 'hashtable'
      return itemsFit(rdbType, value, isInteger) ? 'intset' : 'hashtable'
    case RDB_TYPE_SET_INTSET:
      return countElements(rdbType, value) > SET_MAX_INTSET_ENTRIES ? 'hashtable' : 'intset'
    case RDB_TYPE_HASH:
      if (countElements(rdbType, value) > HASH_MAX_LISTPACK_ENTRIES) return 'hashtable'
      return itemsFit(rdbType, value, isShort) ? 'listpack' : 'hashtable'
    case RDB_TYPE_HASH_ZIPMAP:
      if (countElements(rdbType, value) > HASH_MAX_LISTPACK_ENTRIES) return 'hashtable'
      return itemsFit(rdbType, value, isShort) ? 'listpack' : 'hashtable'
    case RDB_TYPE_HASH_ZIPLIST:
    case RDB_TYPE_HASH_LISTPACK:
      return countElements(rdbType, value) > HASH_MAX_LISTPACK_ENTRIES ? 'hashtable' : 'listpack'
    case RDB_TYPE_ZSET:
    case RDB_TYPE_ZSET_2:
      if (countElements(rdbType, value) > ZSET_MAX_LISTPACK_ENTRIES) return 'skiplist'
      return itemsFit(rdbType, value, isShort) ? 'listpack' : 'skiplist'
    case RDB_TYPE_ZSET_ZIPLIST:
    case RDB_TYPE_ZSET_LISTPACK:
      return countElements(rdbType, value) > ZSET_MAX_LISTPACK_ENTRIES ? 'skiplist' : 'listpack'
    default:
      return rdbTypeFacts(rdbType)?.encodingName ?? 'unknown'
  }
}

function stringEncoding(value: ValueSource, raw: boolean): string {
  if (raw || value.lengthBytes > EMBSTR_BYTES_MAX) return 'raw'
  if (value.lengthBytes > INTEGER_TEXT_BYTES_MAX) return 'embstr'
  const text = new Uint8Array(value.lengthBytes)
  value.copy(0, text, 0, text.length)
  return isInteger(text, 0, text.length) ? 'int' : 'embstr'
}

function isShort(_bytes: Uint8Array, start: number, end: number): boolean {
  return end - start <= MAX_LISTPACK_VALUE_BYTES
}

function itemsFit(
  rdbType: number,
  value: ValueSource,
  fits: (bytes: Uint8Array, start: number, end: number) => boolean,
): boolean {
  let all = true
  visitItems(rdbType, value, {
    text(bytes, start, end) {
      if (all && !fits(bytes, start, end)) all = false
    },
    score: () => {},
    fieldTtl: () => {},
    entry: () => {},
  })
  return all
}
