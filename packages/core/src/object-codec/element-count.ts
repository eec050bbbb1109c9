/** How many elements a stored value has: LLEN, SCARD, ZCARD, HLEN, XLEN of a value nobody has decoded. */
import { listpackHeaderCount } from '../encoding/listpack.ts'
import { ziplistHeaderCount } from '../encoding/ziplist.ts'
import { intsetCount } from '../encoding/intset.ts'
import { LengthSlot, readLength } from './rdb-length.ts'
import {
  RDB_TYPE_HASH,
  RDB_TYPE_HASH_LISTPACK,
  RDB_TYPE_HASH_METADATA,
  RDB_TYPE_HASH_METADATA_PRE_GA,
  RDB_TYPE_HASH_ZIPLIST,
  RDB_TYPE_LIST,
  RDB_TYPE_LIST_ZIPLIST,
  RDB_TYPE_SET,
  RDB_TYPE_SET_INTSET,
  RDB_TYPE_SET_LISTPACK,
  RDB_TYPE_ZSET,
  RDB_TYPE_ZSET_2,
  RDB_TYPE_ZSET_LISTPACK,
  RDB_TYPE_ZSET_ZIPLIST,
} from './rdb-types.ts'
import { readStringHeader, STRING_RAW, StringSlot } from './string-codec.ts'
import { valueGrammar } from './value-grammar.ts'
import type { ValueSource } from './value-source.ts'
import { ValueFault, ValueWalker } from './value-walker.ts'

const HEAD_BYTES = 32
const WINDOW_BYTES = 1 << 16

/**
 * Number of elements of a value that was checked when it was stored; fields and members count once. O(1) for the plain
 * forms and for packed values that are not compressed and know their count; else the value is walked.
 * @throws ValueFault if the bytes are not what the type needs
 */
export function countElements(rdbType: number, value: ValueSource): number {
  const told = headerCount(rdbType, value)
  return told >= 0 ? told : walkValue(rdbType, value).elements
}

function headerCount(rdbType: number, value: ValueSource): number {
  const head = new Uint8Array(Math.min(HEAD_BYTES, value.lengthBytes))
  value.copy(0, head, 0, head.length)
  switch (rdbType) {
    case RDB_TYPE_LIST:
    case RDB_TYPE_SET:
    case RDB_TYPE_ZSET:
    case RDB_TYPE_ZSET_2:
    case RDB_TYPE_HASH:
    case RDB_TYPE_HASH_METADATA_PRE_GA:
      return plainCount(head, 0)
    case RDB_TYPE_HASH_METADATA:
      return plainCount(head, 8)
    case RDB_TYPE_LIST_ZIPLIST:
      return packedCount(head, ziplistHeaderCount)
    case RDB_TYPE_ZSET_ZIPLIST:
    case RDB_TYPE_HASH_ZIPLIST:
      return half(packedCount(head, ziplistHeaderCount))
    case RDB_TYPE_SET_LISTPACK:
      return packedCount(head, listpackHeaderCount)
    case RDB_TYPE_ZSET_LISTPACK:
    case RDB_TYPE_HASH_LISTPACK:
      return half(packedCount(head, listpackHeaderCount))
    case RDB_TYPE_SET_INTSET:
      return packedCount(head, intsetCount)
    default:
      return -1
  }
}

function half(count: number): number {
  return count < 0 ? -1 : count / 2
}

function plainCount(head: Uint8Array, at: number): number {
  const length = new LengthSlot()
  readLength(head, at, head.length, length)
  return length.value
}

function packedCount(head: Uint8Array, read: (bytes: Uint8Array, start: number) => number): number {
  const string = new StringSlot()
  readStringHeader(head, 0, head.length, string)
  return string.kind === STRING_RAW ? read(head, string.start) : -1
}

/**
 * Walks and checks a whole value.
 * @returns its walker: `elements`, `passedBytes` (where the value ends)
 * @throws ValueFault
 */
export function walkValue(rdbType: number, value: ValueSource): ValueWalker {
  const walker = new ValueWalker()
  walker.begin(valueGrammar(rdbType), value.lengthBytes)
  const window = new Uint8Array(Math.min(WINDOW_BYTES, value.lengthBytes))
  let taken = 0
  let kept = 0
  for (;;) {
    const count = Math.min(window.length - kept, value.lengthBytes - taken)
    value.copy(taken, window, kept, count)
    taken += count
    const end = kept + count
    const full = end === window.length && taken < value.lengthBytes
    if (walker.walk(window, 0, end, full)) return walker
    if (taken === value.lengthBytes) throw new ValueFault('RDB_BAD_VALUE', 'the value ends too early', taken)
    window.copyWithin(0, walker.position, end)
    kept = end - walker.position
  }
}
