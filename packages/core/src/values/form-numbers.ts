/**
 * The form of a value: the type byte of its record. Numbers only; docs/formats/record.md draws them.
 *
 *   0              string
 *   11 16 … 18 20  packed: the raw intset or listpack, always inline, numbered as the type that a snapshot has it in
 *   64 …           large: an inline descriptor of a few words; the elements are in blocks of their own
 *
 * A form follows from bytes, not from Redis' thresholds: what OBJECT ENCODING says is a bit beside it (FLAG_LARGE_ENCODING
 * of a packed value, LARGE_REPORTS_PACKED of a large one).
 */
import {
  RDB_TYPE_HASH_LISTPACK,
  RDB_TYPE_LIST_QUICKLIST_2,
  RDB_TYPE_SET_INTSET,
  RDB_TYPE_SET_LISTPACK,
  RDB_TYPE_ZSET_LISTPACK,
} from '../object-codec/rdb-types.ts'

/** Packed forms, by the names of what they hold. */
export const FORM_INTSET: number = RDB_TYPE_SET_INTSET
export const FORM_HASH_LISTPACK: number = RDB_TYPE_HASH_LISTPACK
export const FORM_ZSET_LISTPACK: number = RDB_TYPE_ZSET_LISTPACK
export const FORM_SET_LISTPACK: number = RDB_TYPE_SET_LISTPACK
export const FORM_LIST_LISTPACK: number = RDB_TYPE_LIST_QUICKLIST_2

/** The smallest number of a large form. */
export const FORM_FIRST = 64
export const FORM_HASH_TABLE = 64
export const FORM_SET_TABLE = 65
export const FORM_ZSET = 66
export const FORM_LIST = 67
export const FORM_STREAM = 68

/** Longest packed value: fits a block beside every key that stands in its record. */
export const PACKED_BYTES_MAX = 8000
/**
 * Longest packed value that Redis would hold in its large encoding: searching it byte by byte has a price, but up to here
 * a page of a table (1 KiB) and a record per element cost more.
 */
export const PACKED_LARGE_ENCODING_BYTES_MAX = 4096

/**
 * Longest listpack that is put together for a snapshot when Redis would hold a large value packed. What is longer is written in
 * the plain form of its type, and large where it is read.
 */
export const WRITTEN_LISTPACK_BYTES_MAX: number = 1 << 20

export const DESCRIPTOR_WORDS_MAX = 16
/** Bit of a descriptor's first word: Redis would still hold the value in its packed encoding. */
export const LARGE_REPORTS_PACKED = 1

/** Bytes of the value of a record with such a descriptor: the words begin at the first multiple of four. */
export function descriptorBytes(words: number): number {
  return 4 * words + 3
}

const PACKED_FORMS: readonly number[] = [
  FORM_INTSET,
  FORM_HASH_LISTPACK,
  FORM_ZSET_LISTPACK,
  FORM_LIST_LISTPACK,
  FORM_SET_LISTPACK,
]

/** Are records of this type packed values? */
export function isPackedForm(form: number): boolean {
  return PACKED_FORMS.includes(form)
}

export function isListForm(form: number): boolean {
  return form === FORM_LIST || form === FORM_LIST_LISTPACK
}

export function isHashForm(form: number): boolean {
  return form === FORM_HASH_TABLE || form === FORM_HASH_LISTPACK
}

export function isSetForm(form: number): boolean {
  return form === FORM_SET_TABLE || form === FORM_INTSET || form === FORM_SET_LISTPACK
}

export function isZsetForm(form: number): boolean {
  return form === FORM_ZSET || form === FORM_ZSET_LISTPACK
}
