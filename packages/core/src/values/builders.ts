/**
 * From the bytes behind a key in a snapshot to a form, by RDB type. A type without a builder is held as those bytes.
 *
 * New type: its builder here, its form in forms.ts, docs/formats, a fixture in test/fixtures/rdb.
 */
import { lzfDecompress } from '../encoding/lzf.ts'
import {
  RDB_TYPE_HASH,
  RDB_TYPE_HASH_LISTPACK,
  RDB_TYPE_HASH_LISTPACK_EX,
  RDB_TYPE_HASH_LISTPACK_EX_PRE_GA,
  RDB_TYPE_HASH_METADATA,
  RDB_TYPE_HASH_METADATA_PRE_GA,
  RDB_TYPE_HASH_ZIPLIST,
  RDB_TYPE_HASH_ZIPMAP,
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
} from '../object-codec/rdb-types.ts'
import { READ_OK } from '../object-codec/rdb-length.ts'
import { readStringHeader, STRING_LZF, STRING_RAW, StringSlot } from '../object-codec/string-codec.ts'
import { bytesSource, type ValueSource } from '../object-codec/value-source.ts'
import { PACKED_BYTES_MAX } from './form-numbers.ts'
import { formOf } from './forms.ts'
import { buildHash, packedHashFlags } from './hash-form.ts'
import { buildList, LIST_RDB_TYPES } from './list-form.ts'
import { shortenScores } from './score-shortening.ts'
import { buildSet, packedIntsetFlags } from './set-form.ts'
import { buildStream } from './stream-build.ts'
import type { EncodingThresholds } from './thresholds.ts'
import type { ValueBuild } from './value-build.ts'
import { buildZset, packedZsetFlags } from './zset-form.ts'

/** Builds a value of bytes that were walked, so are well-formed. May throw ValueFault for what the walk cannot see. */
export type BuildValue = (rdbType: number, source: ValueSource, build: ValueBuild) => void

/**
 * May a packed blob be kept as it is, as the form of the same number?
 * @returns the record's flags (FLAG_LARGE_ENCODING or 0), or -1: not, BuildValue must do it.
 */
export type PackedRule = (bytes: Uint8Array, start: number, end: number, thresholds: EncodingThresholds) => number

const BUILDERS: (BuildValue | undefined)[] = []
for (const rdbType of [
  RDB_TYPE_HASH,
  RDB_TYPE_HASH_ZIPMAP,
  RDB_TYPE_HASH_ZIPLIST,
  RDB_TYPE_HASH_LISTPACK,
  RDB_TYPE_HASH_METADATA_PRE_GA,
  RDB_TYPE_HASH_LISTPACK_EX_PRE_GA,
  RDB_TYPE_HASH_METADATA,
  RDB_TYPE_HASH_LISTPACK_EX,
]) {
  BUILDERS[rdbType] = buildHash
}
for (const rdbType of [RDB_TYPE_SET, RDB_TYPE_SET_INTSET, RDB_TYPE_SET_LISTPACK]) BUILDERS[rdbType] = buildSet
for (const rdbType of LIST_RDB_TYPES) BUILDERS[rdbType] = buildList
for (const rdbType of [RDB_TYPE_STREAM_LISTPACKS, RDB_TYPE_STREAM_LISTPACKS_2, RDB_TYPE_STREAM_LISTPACKS_3]) {
  BUILDERS[rdbType] = buildStream
}

for (const rdbType of [RDB_TYPE_ZSET, RDB_TYPE_ZSET_ZIPLIST, RDB_TYPE_ZSET_2, RDB_TYPE_ZSET_LISTPACK])
  BUILDERS[rdbType] = buildZset

const PACKED_RULES: (PackedRule | undefined)[] = []
PACKED_RULES[RDB_TYPE_HASH_LISTPACK] = packedHashFlags
PACKED_RULES[RDB_TYPE_SET_INTSET] = packedIntsetFlags
PACKED_RULES[RDB_TYPE_ZSET_LISTPACK] = packedZsetFlags

const slot = new StringSlot()
const decoded: Uint8Array = new Uint8Array(PACKED_BYTES_MAX)
const shortened: Uint8Array = new Uint8Array(PACKED_BYTES_MAX)

/** Is the value of this RDB type made into a form? Otherwise it is held as its bytes. */
export function hasBuilder(rdbType: number): boolean {
  return BUILDERS[rdbType] !== undefined
}

/** Makes the value of `bytes[start .. end)` in `region`; the result is in `build`. See `hasBuilder`. */
export function buildValue(rdbType: number, bytes: Uint8Array, start: number, end: number, build: ValueBuild): void {
  const rule = PACKED_RULES[rdbType]
  if (rule !== undefined && readStringHeader(bytes, start, end, slot) === READ_OK) {
    if (slot.kind === STRING_RAW && slot.end - slot.start <= PACKED_BYTES_MAX) {
      const flags = rule(bytes, slot.start, slot.end, build.thresholds)
      if (flags >= 0) {
        keepPacked(rdbType, flags, bytes, slot.start, slot.end, build)
        return
      }
    } else if (
      slot.kind === STRING_LZF &&
      slot.length <= PACKED_BYTES_MAX &&
      lzfDecompress(bytes, slot.start, slot.end, decoded, 0, slot.length)
    ) {
      const { length } = slot
      const flags = rule(decoded, 0, length, build.thresholds)
      if (flags >= 0) {
        keepPacked(rdbType, flags, decoded, 0, length, build)
        return
      }
    }
  }
  buildFromSource(rdbType, bytesSource(bytes, start, end), build)
}

/** Leaves a packed blob as the result: as it is, but for scores that can be shorter. */
function keepPacked(
  rdbType: number,
  flags: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  build: ValueBuild,
): void {
  const length = rdbType === RDB_TYPE_ZSET_LISTPACK ? shortenScores(bytes, start, end, shortened) : -1
  if (length < 0) build.packed(rdbType, flags, bytes, start, end)
  else build.packed(rdbType, flags, shortened, 0, length)
}

/** As `buildValue`, for bytes that are not in one piece. */
export function buildFromSource(rdbType: number, source: ValueSource, build: ValueBuild): void {
  try {
    BUILDERS[rdbType]!(rdbType, source, build)
  } catch (error) {
    if (build.isLarge) formOf(build.form).free(build.large)
    throw error
  }
}
