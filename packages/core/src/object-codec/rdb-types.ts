/**
 * The value types of snapshots and DUMP payloads, and the facts about each that do not need its bytes. Numbers and names
 * as in redis 7.4 rdb.h; Valkey's own types collide with them from 22 on and get numbers of ours above a byte.
 *
 * New type: a row here, its grammar in value-grammar.ts, its items in digest.ts, docs/formats/rdb.md, fixtures.
 */

export const RDB_TYPE_STRING = 0
export const RDB_TYPE_LIST = 1
export const RDB_TYPE_SET = 2
export const RDB_TYPE_ZSET = 3
export const RDB_TYPE_HASH = 4
export const RDB_TYPE_ZSET_2 = 5
export const RDB_TYPE_MODULE_PRE_GA = 6
export const RDB_TYPE_MODULE_2 = 7
export const RDB_TYPE_HASH_ZIPMAP = 9
export const RDB_TYPE_LIST_ZIPLIST = 10
export const RDB_TYPE_SET_INTSET = 11
export const RDB_TYPE_ZSET_ZIPLIST = 12
export const RDB_TYPE_HASH_ZIPLIST = 13
export const RDB_TYPE_LIST_QUICKLIST = 14
export const RDB_TYPE_STREAM_LISTPACKS = 15
export const RDB_TYPE_HASH_LISTPACK = 16
export const RDB_TYPE_ZSET_LISTPACK = 17
export const RDB_TYPE_LIST_QUICKLIST_2 = 18
export const RDB_TYPE_STREAM_LISTPACKS_2 = 19
export const RDB_TYPE_SET_LISTPACK = 20
export const RDB_TYPE_STREAM_LISTPACKS_3 = 21
export const RDB_TYPE_HASH_METADATA_PRE_GA = 22
export const RDB_TYPE_HASH_LISTPACK_EX_PRE_GA = 23
export const RDB_TYPE_HASH_METADATA = 24
export const RDB_TYPE_HASH_LISTPACK_EX = 25
/**
 * Valkey's type 22 (valkey 9.0 rdb.h RDB_TYPE_HASH_2), a number of ours. It never leaves the scanner or `decodeRestore`:
 * `convertValkeyHash` makes an `RDB_TYPE_HASH_METADATA` of it.
 */
export const RDB_TYPE_VALKEY_HASH_2: number = 256 + 22

/** Highest RDB version with the magic REDIS that is read: redis 8.10's. Types that came after 12 are refused by name. */
export const RDB_VERSION_MAX = 16
/** The version that is written when nothing needs a later one: redis 7.0's. */
export const RDB_VERSION_DEFAULT = 10
/** The highest that is written: redis 7.4's, which knows all that is held. */
export const RDB_VERSION_WRITTEN_MAX = 12
/** The versions with the magic VALKEY that are read: valkey 9.0's and 9.2's. */
export const VALKEY_RDB_VERSION_MIN = 80
export const VALKEY_RDB_VERSION_MAX = 81

/** What TYPE answers. */
export type ValueTypeName = 'string' | 'list' | 'set' | 'zset' | 'hash' | 'stream' | 'module'

export interface RdbTypeFacts {
  readonly typeName: ValueTypeName
  /** What OBJECT ENCODING says of a value of this type as redis 7.2 holds it after loading; strings depend on the value. */
  readonly encodingName: string
  /** The lowest RDB version that knows the type. */
  readonly sinceVersion: number
  /** Are keys without elements dropped while loading? (redis 7.0 rdb.c, RDB_LOAD_ERR_EMPTY_KEY.) */
  readonly droppedWhenEmpty: boolean
}

/** Type numbers that DEBUG DIGEST mixes in (redis 7.0 server.h OBJ_STRING …). */
export const DIGEST_TYPE_NUMBERS: Readonly<Record<ValueTypeName, number>> = {
  string: 0,
  list: 1,
  set: 2,
  zset: 3,
  hash: 4,
  module: 5,
  stream: 6,
}

/** A type that is not here is refused. */
const RDB_TYPE_FACTS: Readonly<Record<number, RdbTypeFacts>> = {
  [RDB_TYPE_STRING]: facts('string', 'raw', 1, false),
  [RDB_TYPE_LIST]: facts('list', 'quicklist', 1, true),
  [RDB_TYPE_SET]: facts('set', 'hashtable', 1, true),
  [RDB_TYPE_ZSET]: facts('zset', 'skiplist', 1, true),
  [RDB_TYPE_HASH]: facts('hash', 'hashtable', 1, true),
  [RDB_TYPE_ZSET_2]: facts('zset', 'skiplist', 8, true),
  [RDB_TYPE_MODULE_2]: facts('module', 'raw', 8, false),
  [RDB_TYPE_HASH_ZIPMAP]: facts('hash', 'listpack', 1, true),
  [RDB_TYPE_LIST_ZIPLIST]: facts('list', 'quicklist', 1, true),
  [RDB_TYPE_SET_INTSET]: facts('set', 'intset', 1, true),
  [RDB_TYPE_ZSET_ZIPLIST]: facts('zset', 'listpack', 1, true),
  [RDB_TYPE_HASH_ZIPLIST]: facts('hash', 'listpack', 4, true),
  [RDB_TYPE_LIST_QUICKLIST]: facts('list', 'quicklist', 7, true),
  [RDB_TYPE_STREAM_LISTPACKS]: facts('stream', 'stream', 9, false),
  [RDB_TYPE_HASH_LISTPACK]: facts('hash', 'listpack', 10, true),
  [RDB_TYPE_ZSET_LISTPACK]: facts('zset', 'listpack', 10, true),
  [RDB_TYPE_LIST_QUICKLIST_2]: facts('list', 'quicklist', 10, true),
  [RDB_TYPE_STREAM_LISTPACKS_2]: facts('stream', 'stream', 10, false),
  [RDB_TYPE_SET_LISTPACK]: facts('set', 'listpack', 11, true),
  [RDB_TYPE_STREAM_LISTPACKS_3]: facts('stream', 'stream', 11, false),
  [RDB_TYPE_HASH_METADATA_PRE_GA]: facts('hash', 'hashtable', 12, true),
  [RDB_TYPE_HASH_LISTPACK_EX_PRE_GA]: facts('hash', 'listpackex', 12, true),
  [RDB_TYPE_HASH_METADATA]: facts('hash', 'hashtable', 12, true),
  [RDB_TYPE_HASH_LISTPACK_EX]: facts('hash', 'listpackex', 12, true),
  [RDB_TYPE_VALKEY_HASH_2]: facts('hash', 'hashtable', VALKEY_RDB_VERSION_MIN, true),
  // Our own large forms (values/form-numbers.ts): in records, never in a file.
  64: facts('hash', 'hashtable', 12, true),
  65: facts('set', 'hashtable', 12, true),
  66: facts('zset', 'skiplist', 12, true),
  67: facts('list', 'quicklist', 12, true),
  68: facts('stream', 'stream', 12, false),
}
/** Type bytes from here on are numbers of ours. */
const FORM_NUMBERS_FIRST = 64

function facts(
  typeName: ValueTypeName,
  encodingName: string,
  sinceVersion: number,
  droppedWhenEmpty: boolean,
): RdbTypeFacts {
  return { typeName, encodingName, sinceVersion, droppedWhenEmpty }
}

/** Facts about a value type, or undefined for one that is not supported. Do not call it per key. */
export function rdbTypeFacts(rdbType: number): RdbTypeFacts | undefined {
  return RDB_TYPE_FACTS[rdbType]
}

/** Who wrote the bytes: the two families share the types up to 21 and use the numbers above it differently. */
export type RdbFamily = 'redis' | 'valkey'

/** Our number for type byte `typeByte` in a snapshot of `family`, or -1 if that family's version here has no such type. */
export function rdbTypeOf(family: RdbFamily, typeByte: number): number {
  if (family === 'valkey' && typeByte > RDB_TYPE_STREAM_LISTPACKS_3) {
    return typeByte === 22 ? RDB_TYPE_VALKEY_HASH_2 : -1
  }
  return typeByte < FORM_NUMBERS_FIRST && RDB_TYPE_FACTS[typeByte] !== undefined ? typeByte : -1
}

/** Is a snapshot, or a payload with this version in its footer, one that can be read? */
export function isKnownRdbVersion(family: RdbFamily, version: number): boolean {
  return family === 'valkey'
    ? version >= VALKEY_RDB_VERSION_MIN && version <= VALKEY_RDB_VERSION_MAX
    : version >= 1 && version <= RDB_VERSION_MAX
}

/** The lowest RDB version from redis 7.0's on that knows the type: that of a DUMP, or needed for a snapshot. */
export function rdbVersionFor(rdbType: number): number {
  return LATER_VERSIONS.get(rdbType) ?? RDB_VERSION_DEFAULT
}

/** Of the types that redis 7.0 does not know. */
const LATER_VERSIONS: ReadonlyMap<number, number> = new Map(
  Object.entries(RDB_TYPE_FACTS)
    .map(([rdbType, { sinceVersion }]) => [Number(rdbType), sinceVersion] as const)
    .filter(([, sinceVersion]) => sinceVersion > RDB_VERSION_DEFAULT),
)
