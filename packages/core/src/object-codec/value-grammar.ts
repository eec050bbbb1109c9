/**
 * How the bytes of every value type are laid out behind the key: one small program per type, run by `ValueWalker`. Data,
 * no code that touches bytes. Follows redis 7.4 rdb.c rdbLoadObject().
 *
 *   count  n      read a length; run the steps up to the matching `again` that many times
 *   string        one string, any encoding
 *   blob   kind   one string whose decoded content is a packed value to be checked
 */
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
  RDB_TYPE_MODULE_2,
  RDB_TYPE_SET,
  RDB_TYPE_SET_INTSET,
  RDB_TYPE_SET_LISTPACK,
  RDB_TYPE_STREAM_LISTPACKS,
  RDB_TYPE_STREAM_LISTPACKS_2,
  RDB_TYPE_STREAM_LISTPACKS_3,
  RDB_TYPE_STRING,
  RDB_TYPE_VALKEY_HASH_2,
  RDB_TYPE_ZSET,
  RDB_TYPE_ZSET_2,
  RDB_TYPE_ZSET_LISTPACK,
  RDB_TYPE_ZSET_ZIPLIST,
} from './rdb-types.ts'

/** Kinds of packed values; `blob-check.ts` knows what is right for each. */
export const BLOB_ZIPLIST = 0
export const BLOB_ZIPLIST_PAIRS = 1
export const BLOB_LISTPACK = 2
export const BLOB_LISTPACK_PAIRS = 3
/** Field, value, absolute TTL in ms or 0. */
export const BLOB_LISTPACK_TRIPLES = 4
export const BLOB_INTSET = 5
export const BLOB_ZIPMAP = 6
/** Entries of a stream. */
export const BLOB_STREAM = 7
/** Not packed: only its compression is checked. */
export const BLOB_TEXT = 8

export const STEP_DONE = 0
/** One string. */
export const STEP_STRING = 1
/** One string that holds a packed value of kind `argument`; its items are added to the value's elements. */
export const STEP_BLOB = 2
/** A length that starts a loop. Argument 1: it is the value's number of elements. */
export const STEP_COUNT = 3
/** End of a loop. */
export const STEP_AGAIN = 4
/** A length. Argument 1: it is the value's number of elements. */
export const STEP_LENGTH = 5
/** `argument` bytes that are not looked at. */
export const STEP_FIXED = 6
/** A double as text: 253 nan, 254 inf, 255 -inf, or a length and that many characters. */
export const STEP_DOUBLE_TEXT = 7
/** A double in 8 bytes, little-endian; nan is refused. */
export const STEP_DOUBLE = 8
/** A node of a quicklist of listpacks: container 1 and a string, or container 2 and a listpack. */
export const STEP_QUICKLIST_NODE = 9
/** A plain string of exactly 16 bytes: the ID a stream node starts with. */
export const STEP_STREAM_ID = 10
/** A module's ID, kept in the walker. */
export const STEP_MODULE_ID = 11
/** A module's data: items, each with an opcode, up to opcode 0. */
export const STEP_MODULE_ITEMS = 12
/** A length that is a time in ms: beyond 2^48 it is refused. */
export const STEP_TTL = 13
/** 8 bytes, little-endian: a time in ms, beyond 2^48 refused. */
export const STEP_MIN_EXPIRE = 14

/** Numbers per step in a program: the step, its argument, where a loop goes on when it is over. */
export const STEP_WIDTH = 3

type Step = readonly [step: number, argument?: number]

function program(steps: readonly Step[]): Int32Array {
  const code = new Int32Array((steps.length + 1) * STEP_WIDTH)
  const open: number[] = []
  for (const [index, [step, argument = 0]] of steps.entries()) {
    const at = index * STEP_WIDTH
    code[at] = step
    code[at + 1] = argument
    if (step === STEP_COUNT) open.push(at)
    if (step === STEP_AGAIN) code[open.pop()! + 2] = at + STEP_WIDTH
  }
  if (open.length > 0) throw new Error('a loop of a value grammar has no end')
  code[steps.length * STEP_WIDTH] = STEP_DONE
  return code
}

const ELEMENTS = 1

function loop(...steps: readonly Step[]): Step[] {
  return [[STEP_COUNT], ...steps, [STEP_AGAIN]]
}

function elements(...steps: readonly Step[]): Step[] {
  return [[STEP_COUNT, ELEMENTS], ...steps, [STEP_AGAIN]]
}

const PENDING_ENTRY: readonly Step[] = [[STEP_FIXED, 16], [STEP_FIXED, 8], [STEP_LENGTH]]

/** @param version 1, 2 or 3: what came with redis 5.0, 7.0 and 7.2. */
function stream(version: number): Step[] {
  return [
    ...loop([STEP_STREAM_ID], [STEP_BLOB, BLOB_STREAM]),
    [STEP_LENGTH, ELEMENTS],
    // Last ID; then, from version 2 on, first ID, greatest deleted ID and entries ever added.
    ...Array.from({ length: version === 1 ? 2 : 7 }, (): Step => [STEP_LENGTH]),
    // Groups: name, last delivered ID, from version 2 on entries read, pending entries, consumers.
    ...loop(
      [STEP_STRING],
      ...Array.from({ length: version === 1 ? 2 : 3 }, (): Step => [STEP_LENGTH]),
      ...loop(...PENDING_ENTRY),
      // Consumers: name, seen time, from version 3 on active time, IDs of pending entries.
      ...loop([STEP_STRING], [STEP_FIXED, version === 3 ? 16 : 8], ...loop([STEP_FIXED, 16])),
    ),
  ]
}

const PROGRAMS: Readonly<Record<number, Int32Array>> = {
  [RDB_TYPE_STRING]: program([[STEP_STRING]]),
  [RDB_TYPE_LIST]: program(elements([STEP_STRING])),
  [RDB_TYPE_SET]: program(elements([STEP_STRING])),
  [RDB_TYPE_ZSET]: program(elements([STEP_STRING], [STEP_DOUBLE_TEXT])),
  [RDB_TYPE_HASH]: program(elements([STEP_STRING], [STEP_STRING])),
  [RDB_TYPE_ZSET_2]: program(elements([STEP_STRING], [STEP_DOUBLE])),
  [RDB_TYPE_MODULE_2]: program([[STEP_MODULE_ID], [STEP_MODULE_ITEMS]]),
  [RDB_TYPE_HASH_ZIPMAP]: program([[STEP_BLOB, BLOB_ZIPMAP]]),
  [RDB_TYPE_LIST_ZIPLIST]: program([[STEP_BLOB, BLOB_ZIPLIST]]),
  [RDB_TYPE_SET_INTSET]: program([[STEP_BLOB, BLOB_INTSET]]),
  [RDB_TYPE_ZSET_ZIPLIST]: program([[STEP_BLOB, BLOB_ZIPLIST_PAIRS]]),
  [RDB_TYPE_HASH_ZIPLIST]: program([[STEP_BLOB, BLOB_ZIPLIST_PAIRS]]),
  [RDB_TYPE_LIST_QUICKLIST]: program(loop([STEP_BLOB, BLOB_ZIPLIST])),
  [RDB_TYPE_STREAM_LISTPACKS]: program(stream(1)),
  [RDB_TYPE_HASH_LISTPACK]: program([[STEP_BLOB, BLOB_LISTPACK_PAIRS]]),
  [RDB_TYPE_ZSET_LISTPACK]: program([[STEP_BLOB, BLOB_LISTPACK_PAIRS]]),
  [RDB_TYPE_LIST_QUICKLIST_2]: program(loop([STEP_QUICKLIST_NODE])),
  [RDB_TYPE_STREAM_LISTPACKS_2]: program(stream(2)),
  [RDB_TYPE_SET_LISTPACK]: program([[STEP_BLOB, BLOB_LISTPACK]]),
  [RDB_TYPE_STREAM_LISTPACKS_3]: program(stream(3)),
  [RDB_TYPE_HASH_METADATA_PRE_GA]: program(elements([STEP_TTL], [STEP_STRING], [STEP_STRING])),
  [RDB_TYPE_HASH_LISTPACK_EX_PRE_GA]: program([[STEP_BLOB, BLOB_LISTPACK_TRIPLES]]),
  [RDB_TYPE_HASH_METADATA]: program([[STEP_MIN_EXPIRE], ...elements([STEP_TTL], [STEP_STRING], [STEP_STRING])]),
  [RDB_TYPE_HASH_LISTPACK_EX]: program([[STEP_MIN_EXPIRE], [STEP_BLOB, BLOB_LISTPACK_TRIPLES]]),
  [RDB_TYPE_VALKEY_HASH_2]: program(elements([STEP_STRING], [STEP_STRING], [STEP_FIXED, 8])),
}

/** MODULE_AUX, which is no value but is walked like one: module ID, opcode 2, when, items. */
export const MODULE_AUX_GRAMMAR: Int32Array = program([
  [STEP_MODULE_ID],
  [STEP_LENGTH],
  [STEP_LENGTH],
  [STEP_MODULE_ITEMS],
])

/** KEY_META, walked like a value: classes of metadata, each a class in 4 bytes and items (redis 8.6 keymeta.c). */
export const KEY_META_GRAMMAR: Int32Array = program(loop([STEP_FIXED, 4], [STEP_MODULE_ITEMS]))

/** The program of a type that `rdbTypeOf` knows. */
export function valueGrammar(rdbType: number): Int32Array {
  return PROGRAMS[rdbType]!
}
