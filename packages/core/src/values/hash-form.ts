/**
 * Hashes: a listpack of fields and values, or a table of elements.
 *
 *   descriptor   0 owner, bits   1 … 5 root of the table   6, 7 unused
 *
 * Fields with a time to live (redis 7.4, valkey 9) exist only in tables. OBJECT ENCODING names Redis' encoding: a table whose
 * LARGE_REPORTS_PACKED is set is a 'listpack' there ('listpackex' with times to live), a listpack whose record has
 * FLAG_LARGE_ENCODING a 'hashtable'.
 */
import { FLAG_LARGE_ENCODING } from '../keyspace/layout.ts'
import type { Entry } from '../keyspace/entry.ts'
import { listpackFirst } from '../encoding/listpack.ts'
import {
  LISTPACK_EMPTY_BYTES,
  listpackAppend,
  listpackCount,
  LISTPACK_ITEM_BYTES_MORE,
  listpackCreate,
  listpackItemBytes,
} from '../encoding/listpack-edit.ts'
import type { RdbWriter } from '../object-codec/rdb-writer.ts'
import {
  RDB_TYPE_HASH,
  RDB_TYPE_HASH_LISTPACK,
  RDB_TYPE_HASH_METADATA,
  RDB_TYPE_HASH_ZIPLIST,
} from '../object-codec/rdb-types.ts'
import { type ItemVisitor, visitItems } from '../object-codec/value-items.ts'
import type { ValueSource } from '../object-codec/value-source.ts'
import { ValueFault } from '../object-codec/value-walker.ts'
import type { RegionWriter } from '../keyspace/region-writer.ts'
import { TABLE_POSITIONS } from '../keyspace/table-move.ts'
import { ElementTable } from './element-table.ts'
import {
  FORM_HASH_LISTPACK,
  FORM_HASH_TABLE,
  LARGE_REPORTS_PACKED,
  PACKED_BYTES_MAX,
  PACKED_LARGE_ENCODING_BYTES_MAX,
  WRITTEN_LISTPACK_BYTES_MAX,
} from './form-numbers.ts'
import { ItemCopy } from './item-copy.ts'
import { readListpackText, textBytes, textEnd, textStart } from './item-text.ts'
import { LargeValue } from './large-value.ts'
import { writeRecordKey, writeRecordString } from './record-strings.ts'
import type { EncodingThresholds } from './thresholds.ts'
import type { ValueBuild } from './value-build.ts'
import type { ValueForm } from './value-form.ts'

/** Offset of the table's root in the descriptor. */
export const HASH_ROOT = 1
export const HASH_DESCRIPTOR_WORDS = 8

/** Of whole values: copies, digests, builds. Commands have one of their own. */
const table = new ElementTable()
const built = new ElementTable()
const copied = new LargeValue()

export const hashTableForm: ValueForm = {
  form: FORM_HASH_TABLE,
  descriptorWords: HASH_DESCRIPTOR_WORDS,

  count(value) {
    return table.open(value, HASH_ROOT).count
  },

  encodingName(value) {
    if ((value.bits & LARGE_REPORTS_PACKED) === 0) return 'hashtable'
    return table.open(value, HASH_ROOT).expires > 0 ? 'listpackex' : 'listpack'
  },

  visitItems(value, visitor) {
    table.open(value, HASH_ROOT).forEach((element) => {
      if (element.expireAtMs !== -1) visitor.fieldTtl(element.expireAtMs)
      const key = element.keyToBuffer()
      visitor.text(key, 0, key.length)
      visitElementValue(element, visitor)
    })
  },

  snapshotType(value) {
    table.open(value, HASH_ROOT)
    if (table.expires > 0) return RDB_TYPE_HASH_METADATA
    const isListpack = (value.bits & LARGE_REPORTS_PACKED) !== 0 && packedBytesMax() <= WRITTEN_LISTPACK_BYTES_MAX
    return isListpack ? RDB_TYPE_HASH_LISTPACK : RDB_TYPE_HASH
  },

  serialize(value, rdbType, out) {
    table.open(value, HASH_ROOT)
    if (rdbType === RDB_TYPE_HASH_METADATA) return serializeWithTimes(out)
    if (rdbType === RDB_TYPE_HASH_LISTPACK) return serializePacked(out)
    out.count(table.count)
    table.forEach((element) => {
      writeRecordKey(element, out)
      writeRecordString(element, out)
    })
  },

  footprint(value, samples) {
    return table.open(value, HASH_ROOT).footprint(samples)
  },

  copy(value, target, descriptor) {
    copyTable(value, HASH_ROOT, target, descriptor)
  },

  free(value) {
    table.open(value, HASH_ROOT).free()
  },

  move(value, mover, at) {
    at.position = table.open(value, HASH_ROOT).movePage(at.position, mover, true)
    return at.position === TABLE_POSITIONS
  },

  visitBlocks(value, visit) {
    table.open(value, HASH_ROOT).visitBlocks(visit)
  },
}

/** Copies the table of a value whose descriptor is nothing but a table; when memory ends, nothing is left behind. */
export function copyTable(value: LargeValue, root: number, target: RegionWriter, descriptor: Int32Array): void {
  try {
    table.open(value, root).copyTo(target, descriptor, root)
  } catch (error) {
    descriptor[0] = target.index
    table.open(copied.open(value.regions, value.lazyFree, value.form, descriptor, 0), root).free()
    throw error
  }
}

function visitElementValue(element: Entry, visitor: ItemVisitor): void {
  const value = element.toBuffer()
  visitor.text(value, 0, value.length)
}

/** No fewer bytes than all fields and values of `table` take in a listpack. */
function packedBytesMax(): number {
  let bytes = LISTPACK_EMPTY_BYTES
  table.forEach(({ keyLength, length }) => (bytes += keyLength + length + 2 * LISTPACK_ITEM_BYTES_MORE))
  return bytes
}

/** RDB_TYPE_HASH_LISTPACK, which the table is only for us. */
function serializePacked(out: RdbWriter): void {
  const listpack = new Uint8Array(packedBytesMax())
  let total = listpackCreate(listpack, 0)
  table.forEach((element) => {
    const field = element.keyToBuffer()
    const value = element.toBuffer()
    listpackAppend(listpack, 0, field, 0, field.length)
    total = listpackAppend(listpack, 0, value, 0, value.length)
  })
  out.string(listpack, 0, total)
}

/** RDB_TYPE_HASH_METADATA: the earliest time, then 0 or the time since it for each field. */
function serializeWithTimes(out: RdbWriter): void {
  let earliest = Number.POSITIVE_INFINITY
  table.forEach(({ expireAtMs }) => {
    if (expireAtMs !== -1 && expireAtMs < earliest) earliest = expireAtMs
  })
  out.int64(BigInt(earliest))
  out.count(table.count)
  table.forEach((element) => {
    out.count(element.expireAtMs === -1 ? 0 : element.expireAtMs - earliest + 1)
    writeRecordKey(element, out)
    writeRecordString(element, out)
  })
}

/** See `PackedRule`: redis 7.0 looks at the number of fields only when it loads a listpack. */
export function packedHashFlags(bytes: Uint8Array, start: number, end: number, thresholds: EncodingThresholds): number {
  if (listpackCount(bytes, start) / 2 <= thresholds.hashMaxListpackEntries) return 0
  return end - start <= PACKED_LARGE_ENCODING_BYTES_MAX ? FLAG_LARGE_ENCODING : -1
}

const packing: Uint8Array = new Uint8Array(PACKED_BYTES_MAX)

/** Makes a hash of any RDB type: packed while it is short, then a table. */
export function buildHash(rdbType: number, source: ValueSource, build: ValueBuild): void {
  builder.begin(build)
  try {
    visitItems(rdbType, source, builder)
    builder.finish(rdbType === RDB_TYPE_HASH_LISTPACK || rdbType === RDB_TYPE_HASH_ZIPLIST)
  } finally {
    builder.release()
  }
}

class HashBuilder implements ItemVisitor {
  #build!: ValueBuild
  #length: number = LISTPACK_EMPTY_BYTES
  #table: ElementTable | undefined
  #fields = 0
  #longest = 0
  #expireAtMs = -1
  readonly #field = new ItemCopy()
  /** What comes next belongs to `#field`. */
  #hasField = false

  begin(build: ValueBuild): void {
    this.#build = build
    this.#length = LISTPACK_EMPTY_BYTES
    this.#table = undefined
    this.#fields = 0
    this.#longest = 0
    this.#expireAtMs = -1
    this.#hasField = false
    listpackCreate(packing, 0)
  }

  fieldTtl(expireAtMs: number): void {
    this.#expireAtMs = expireAtMs
    if (this.#table === undefined) this.#beginTable()
  }

  text(bytes: Uint8Array, start: number, end: number): void {
    this.#longest = Math.max(this.#longest, end - start)
    this.#hasField = !this.#hasField
    if (this.#hasField) {
      this.#field.take(bytes, start, end)
      return
    }
    const { bytes: field, length: fieldLength } = this.#field
    this.#fields++
    if (this.#table === undefined) {
      const added = listpackItemBytes(field, 0, fieldLength) + listpackItemBytes(bytes, start, end)
      if (this.#length + added <= PACKED_BYTES_MAX) {
        listpackAppend(packing, 0, field, 0, fieldLength)
        this.#length = listpackAppend(packing, 0, bytes, start, end)
        return
      }
      this.#beginTable()
    }
    addToTable(this.#table!, field, 0, fieldLength, bytes, start, end, this.#expireAtMs)
    this.#expireAtMs = -1
  }

  score(): void {}

  entry(): void {}

  release(): void {
    this.#field.release()
  }

  #beginTable(): void {
    const value = this.#build.beginLarge(FORM_HASH_TABLE, 0)
    this.#table = built.open(value, HASH_ROOT)
    fillHashTable(this.#table, packing, 0, this.#length)
  }

  /** @param isPacked the encoding was packed: only the number of fields may make it large (redis 7.0 rdb.c). */
  finish(isPacked: boolean): void {
    const { thresholds, large } = this.#build
    const isSmall =
      this.#fields <= thresholds.hashMaxListpackEntries &&
      (isPacked || this.#longest <= thresholds.hashMaxListpackValue)
    if (this.#table === undefined && !isSmall && this.#length > PACKED_LARGE_ENCODING_BYTES_MAX) this.#beginTable()
    if (this.#table === undefined) {
      this.#build.packed(FORM_HASH_LISTPACK, isSmall ? 0 : FLAG_LARGE_ENCODING, packing, 0, this.#length)
    } else if (isSmall) large.setBits(LARGE_REPORTS_PACKED)
  }
}

const builder = new HashBuilder()

/** Adds a field that must not be there yet. @throws ValueFault when it is. */
function addToTable(
  target: ElementTable,
  field: Uint8Array,
  fieldStart: number,
  fieldEnd: number,
  value: Uint8Array,
  start: number,
  end: number,
  expireAtMs: number,
): void {
  if (target.find(field, fieldStart, fieldEnd)) throw new ValueFault('RDB_BAD_VALUE', 'a field comes twice', 0)
  target.insert(field, fieldStart, fieldEnd, value, start, end, expireAtMs)
}

const fieldDigits: Uint8Array = new Uint8Array(32)

/** Puts all pairs of a listpack into an empty table. */
export function fillHashTable(target: ElementTable, bytes: Uint8Array, start: number, end: number): void {
  const last = end - 1
  for (let at = listpackFirst(start); at < last;) {
    at = readListpackText(bytes, at, end)
    if (at < 0) break
    let field = textBytes
    let fieldStart = textStart
    let fieldEnd = textEnd
    if (field !== bytes) {
      // The next item may need the register's digits.
      fieldDigits.set(field.subarray(fieldStart, fieldEnd))
      field = fieldDigits
      fieldEnd -= fieldStart
      fieldStart = 0
    }
    at = readListpackText(bytes, at, end)
    if (at < 0) break
    // Twice the same field: as in the listpack, the first one counts.
    if (!target.find(field, fieldStart, fieldEnd)) {
      target.insert(field, fieldStart, fieldEnd, textBytes, textStart, textEnd, -1)
    }
  }
}

/** Fields of a packed hash. */
export function packedHashCount(bytes: Uint8Array, start: number): number {
  return listpackCount(bytes, start) >>> 1
}
