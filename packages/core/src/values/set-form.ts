/**
 * Sets: an intset, a listpack of members, or a table of elements without values.
 *
 *   descriptor   0 owner, bits   1 … 5 root of the table   6, 7 unused
 *
 * redis 7.0 knows 'intset' and 'hashtable' only: a listpack is how we hold a small hashtable, and a table whose
 * LARGE_REPORTS_PACKED is set is an intset there (set-max-intset-entries above what we hold packed).
 */
import { INTSET_HEADER_BYTES, intsetCount } from '../encoding/intset.ts'
import {
  intsetCreate,
  intsetInsert,
  intsetSearch,
  intsetWiden,
  intsetWidth,
  intsetWidthFor,
} from '../encoding/intset-edit.ts'
import { LISTPACK_END, listpackFirst, listpackRead } from '../encoding/listpack.ts'
import {
  LISTPACK_EMPTY_BYTES,
  listpackCreate,
  listpackItemBytes,
  listpackWriteHeader,
  listpackWriteItem,
} from '../encoding/listpack-edit.ts'
import { parseInt64 } from '../encoding/integer.ts'
import { RDB_TYPE_SET, RDB_TYPE_SET_LISTPACK } from '../object-codec/rdb-types.ts'
import { type ItemVisitor, visitItems } from '../object-codec/value-items.ts'
import type { ValueSource } from '../object-codec/value-source.ts'
import { ValueFault } from '../object-codec/value-walker.ts'
import { TABLE_POSITIONS } from '../keyspace/table-move.ts'
import { ElementTable } from './element-table.ts'
import {
  FORM_INTSET,
  FORM_SET_LISTPACK,
  FORM_SET_TABLE,
  LARGE_REPORTS_PACKED,
  PACKED_BYTES_MAX,
  PACKED_LARGE_ENCODING_BYTES_MAX,
} from './form-numbers.ts'
import { copyTable } from './hash-form.ts'
import { PackedPlaces } from './packed-places.ts'
import { writeRecordKey } from './record-strings.ts'
import { packedItem, readListpackText, textBytes, textEnd, textStart } from './item-text.ts'
import type { EncodingThresholds } from './thresholds.ts'
import type { ValueBuild } from './value-build.ts'
import type { ValueForm } from './value-form.ts'

/** Offset of the table's root in the descriptor. */
export const SET_ROOT = 1
export const SET_DESCRIPTOR_WORDS = 8

const NO_VALUE: Uint8Array = new Uint8Array(0)
const table = new ElementTable()
const built = new ElementTable()

export const setTableForm: ValueForm = {
  form: FORM_SET_TABLE,
  descriptorWords: SET_DESCRIPTOR_WORDS,

  count(value) {
    return table.open(value, SET_ROOT).count
  },

  encodingName(value) {
    return (value.bits & LARGE_REPORTS_PACKED) === 0 ? 'hashtable' : 'intset'
  },

  visitItems(value, visitor) {
    table.open(value, SET_ROOT).forEach((element) => {
      const key = element.keyToBuffer()
      visitor.text(key, 0, key.length)
    })
  },

  snapshotType: () => RDB_TYPE_SET,

  serialize(value, _rdbType, out) {
    out.count(table.open(value, SET_ROOT).count)
    table.forEach((element) => writeRecordKey(element, out))
  },

  footprint(value, samples) {
    return table.open(value, SET_ROOT).footprint(samples)
  },

  copy(value, target, descriptor) {
    copyTable(value, SET_ROOT, target, descriptor)
  },

  free(value) {
    table.open(value, SET_ROOT).free()
  },

  move(value, mover, at) {
    at.position = table.open(value, SET_ROOT).movePage(at.position, mover, true)
    return at.position === TABLE_POSITIONS
  },

  visitBlocks(value, visit) {
    table.open(value, SET_ROOT).visitBlocks(visit)
  },
}

/** See `PackedRule`: redis 7.0 makes a hashtable of an intset with more integers. */
export function packedIntsetFlags(
  bytes: Uint8Array,
  start: number,
  _end: number,
  thresholds: EncodingThresholds,
): number {
  return intsetCount(bytes, start) <= thresholds.setMaxIntsetEntries ? 0 : -1
}

const packing: Uint8Array = new Uint8Array(PACKED_BYTES_MAX)
const packingView: DataView = new DataView(packing.buffer)
const integers: Uint8Array = new Uint8Array(PACKED_BYTES_MAX)

/** Makes a set of any RDB type. */
export function buildSet(rdbType: number, source: ValueSource, build: ValueBuild): void {
  builder.begin(build)
  visitItems(rdbType, source, builder)
  // A listpack was written by redis 7.2, for a set that is no intset.
  builder.finish(rdbType !== RDB_TYPE_SET_LISTPACK)
}

/** Bytes of an item of a listpack, at least. */
const ITEM_BYTES_MIN = 2

class SetBuilder implements ItemVisitor {
  #build!: ValueBuild
  /** Of the listpack in `packing`, which has its header and end byte when it is finished. */
  #length: number = LISTPACK_EMPTY_BYTES
  readonly #places: PackedPlaces = new PackedPlaces(PACKED_BYTES_MAX / ITEM_BYTES_MIN)
  #table: ElementTable | undefined
  #members = 0
  #allIntegers = true

  begin(build: ValueBuild): void {
    this.#build = build
    this.#length = LISTPACK_EMPTY_BYTES
    this.#table = undefined
    this.#members = 0
    this.#allIntegers = true
    this.#places.begin(build.region.seed)
    listpackCreate(packing, 0)
  }

  text(bytes: Uint8Array, start: number, end: number): void {
    this.#members++
    if (this.#allIntegers && !parseInt64(bytes, start, end)) this.#allIntegers = false
    if (this.#table === undefined) {
      if (this.#length + listpackItemBytes(bytes, start, end) <= PACKED_BYTES_MAX) {
        const at = this.#length - 1
        if (!this.#places.note(packing, bytes, start, end, at)) throw memberTwice()
        this.#length = listpackWriteItem(bytes, start, end, packing, at, packingView) + 1
        return
      }
      this.#beginTable()
    }
    addMember(this.#table!, bytes, start, end)
  }

  fieldTtl(): void {}

  score(): void {}

  entry(): void {}

  #beginTable(): void {
    this.#table = built.open(this.#build.beginLarge(FORM_SET_TABLE, 0), SET_ROOT)
    fillSetTable(this.#table, packing, 0, this.#length)
  }

  finish(mayBeIntset: boolean): void {
    const build = this.#build
    const isIntset = mayBeIntset && this.#allIntegers && this.#members <= build.thresholds.setMaxIntsetEntries
    if (this.#table === undefined && isIntset) {
      const length = intsetOfListpack(packing, this.#length, integers)
      if (length > 0) {
        build.packed(FORM_INTSET, 0, integers, 0, length)
        return
      }
      this.#beginTable()
    }
    if (this.#table === undefined && this.#length > PACKED_LARGE_ENCODING_BYTES_MAX) this.#beginTable()
    if (this.#table === undefined) {
      packing[this.#length - 1] = LISTPACK_END
      listpackWriteHeader(packing, 0, this.#length, this.#members)
      build.packed(FORM_SET_LISTPACK, 0, packing, 0, this.#length)
    } else if (isIntset) build.large.setBits(LARGE_REPORTS_PACKED)
  }
}

const builder = new SetBuilder()

/** Makes an intset in `target` of the integers in a listpack, no two of which are equal. @returns its length in bytes, 0 if it does not fit. */
function intsetOfListpack(bytes: Uint8Array, end: number, target: Uint8Array): number {
  let length = intsetCreate(target, 0)
  let count = 0
  for (let at = listpackFirst(0); at < end - 1;) {
    at = listpackRead(bytes, at, end, packedItem)
    const { lo, hi } = packedItem
    const width = Math.max(intsetWidth(target, 0), intsetWidthFor(lo, hi))
    if (INTSET_HEADER_BYTES + (count + 1) * width > target.length) return 0
    if (width !== intsetWidth(target, 0)) intsetWiden(target, 0, width)
    intsetInsert(target, 0, -1 - intsetSearch(target, 0, lo, hi), lo, hi)
    count++
    length = INTSET_HEADER_BYTES + count * width
  }
  return length
}

function memberTwice(): ValueFault {
  return new ValueFault('RDB_BAD_VALUE', 'a member comes twice', 0)
}

function addMember(target: ElementTable, bytes: Uint8Array, start: number, end: number): void {
  if (target.find(bytes, start, end)) throw memberTwice()
  target.insert(bytes, start, end, NO_VALUE, 0, 0, -1)
}

/** Puts all members of a listpack into an empty table. */
export function fillSetTable(target: ElementTable, bytes: Uint8Array, start: number, end: number): void {
  const last = end - 1
  for (let at = listpackFirst(start); at < last;) {
    at = readListpackText(bytes, at, end)
    if (at < 0) break
    if (!target.find(textBytes, textStart, textEnd)) target.insert(textBytes, textStart, textEnd, NO_VALUE, 0, 0, -1)
  }
}
