/**
 * The names of value types, for people: reports count by them, and a refusal says what was met. Names are those of rdb.h
 * without RDB_TYPE_ (redis 8.10, valkey 9.2); types that are known by name alone are refused by it.
 */
import { RDB_TYPE_MODULE_PRE_GA } from './rdb-types.ts'
import type { RdbFamily } from './rdb-types.ts'

const COMMON_NAMES: readonly (string | undefined)[] = [
  'STRING',
  'LIST',
  'SET',
  'ZSET',
  'HASH',
  'ZSET_2',
  'MODULE_PRE_GA',
  'MODULE_2',
  undefined,
  'HASH_ZIPMAP',
  'LIST_ZIPLIST',
  'SET_INTSET',
  'ZSET_ZIPLIST',
  'HASH_ZIPLIST',
  'LIST_QUICKLIST',
  'STREAM_LISTPACKS',
  'HASH_LISTPACK',
  'ZSET_LISTPACK',
  'LIST_QUICKLIST_2',
  'STREAM_LISTPACKS_2',
  'SET_LISTPACK',
  'STREAM_LISTPACKS_3',
]

type Row = readonly [name: string, since: string]

/** From the first number on that the families use differently: name, and who wrote it first. */
const FAMILY_ROWS: Readonly<Record<RdbFamily, readonly Row[]>> = {
  redis: [
    ['HASH_METADATA_PRE_GA', 'Redis 7.4'],
    ['HASH_LISTPACK_EX_PRE_GA', 'Redis 7.4'],
    ['HASH_METADATA', 'Redis 7.4'],
    ['HASH_LISTPACK_EX', 'Redis 7.4'],
    ['STREAM_LISTPACKS_4', 'Redis 8.6'],
    ['STREAM_LISTPACKS_5', 'Redis 8.8'],
    ['ARRAY', 'Redis 8.8'],
    ['HASH_TMPL_LP', 'Redis 8.10'],
    ['HASH_TMPL_LP_REF', 'Redis 8.10'],
    ['HASH_TMPL_ARRAY', 'Redis 8.10'],
    ['HASH_TMPL_ARRAY_REF', 'Redis 8.10'],
    ['GCRA', 'Redis 8.8'],
  ],
  valkey: [
    ['HASH_2', 'Valkey 9.0'],
    ['PATH_HASH', 'Valkey 9.2'],
  ],
}

function familyRow(family: RdbFamily, typeByte: number): Row | undefined {
  return FAMILY_ROWS[family][typeByte - COMMON_NAMES.length]
}

/** What the type byte means in a snapshot of that family; undefined if nobody is known to write it. */
export function rdbTypeName(family: RdbFamily, typeByte: number): string | undefined {
  return COMMON_NAMES[typeByte] ?? familyRow(family, typeByte)?.[0]
}

/** Why a snapshot with such a type cannot be loaded: for a type byte that `rdbTypeOf` refuses. */
export function refusedTypeText(family: RdbFamily, typeByte: number): string {
  if (typeByte === RDB_TYPE_MODULE_PRE_GA) {
    return `unknown value type ${typeByte}: a module value of a Redis 4.0 release candidate, which cannot be skipped`
  }
  const row = familyRow(family, typeByte)
  if (row === undefined) return `unknown value type ${typeByte}`
  const [name, since] = row
  return `value type ${typeByte} (${name}, of ${since}) is not supported`
}
