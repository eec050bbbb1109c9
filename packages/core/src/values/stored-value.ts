/**
 * The value of `keyspace.entry`, whatever its form: its encoding's name, its elements, its bytes for DUMP. For commands that
 * serve all types; those of one type look themselves.
 */
import { FLAG_LARGE_ENCODING, FLAG_TEXT } from '../keyspace/layout.ts'
import type { Entry } from '../keyspace/entry.ts'
import type { KeyspaceReads } from '../keyspace/keyspace-reads.ts'
import { encodingName } from '../object-codec/encoding-name.ts'
import {
  RDB_TYPE_HASH,
  RDB_TYPE_SET,
  RDB_TYPE_STRING,
  RDB_TYPE_ZSET_2,
  rdbTypeFacts,
  type ValueTypeName,
} from '../object-codec/rdb-types.ts'
import { RdbWriter } from '../object-codec/rdb-writer.ts'
import { type ItemVisitor, visitItems } from '../object-codec/value-items.ts'
import type { ValueSource } from '../object-codec/value-source.ts'
import { isPackedForm } from './builders.ts'
import { FORM_HASH_LISTPACK, FORM_INTSET, FORM_SET_LISTPACK, FORM_ZSET_LISTPACK } from './form-numbers.ts'
import { formOf } from './forms.ts'

/** The bytes of the value of `entry` as the codec reads them; borrowed until the next lookup or change. */
export function entrySource(entry: Entry): ValueSource {
  return {
    lengthBytes: entry.length,
    copy: (offset, target, at, count) => entry.copy(offset, offset + count, target, at),
  }
}

export function storedTypeName(rdbType: number): ValueTypeName {
  return rdbTypeFacts(rdbType)?.typeName ?? 'module'
}

/** What OBJECT ENCODING says of the value of `entry`. */
export function storedEncoding(keyspace: KeyspaceReads): string {
  const { entry } = keyspace
  const { rdbType } = entry
  if (entry.isLarge) return formOf(rdbType).encodingName(keyspace.openLarge())
  if (!isPackedForm(rdbType)) {
    const name = encodingName(rdbType, entrySource(entry), entry.isRaw)
    return name === 'int' && (entry.flags & FLAG_TEXT) !== 0 ? 'embstr' : name
  }
  const isLargeThere = (entry.flags & FLAG_LARGE_ENCODING) !== 0
  switch (rdbType) {
    case FORM_INTSET:
      return 'intset'
    case FORM_HASH_LISTPACK:
      return isLargeThere ? 'hashtable' : 'listpack'
    case FORM_ZSET_LISTPACK:
      return isLargeThere ? 'skiplist' : 'listpack'
    default:
      // A set that is no intset: redis 7.0 has nothing between.
      return 'hashtable'
  }
}

/** Shows the elements of the value of `entry`, which is no string. */
export function visitStoredItems(keyspace: KeyspaceReads, visitor: ItemVisitor): void {
  const { entry } = keyspace
  const { rdbType } = entry
  if (entry.isLarge) formOf(rdbType).visitItems(keyspace.openLarge(), visitor)
  else if (isPackedForm(rdbType)) {
    const out = new RdbWriter(false)
    out.rawString(entry.bytes, entry.start, entry.start + entry.length)
    visitItems(rdbType, writtenSource(out), visitor)
  } else visitItems(rdbType, entrySource(entry), visitor)
}

/** A value as it stands behind a key in a snapshot; strings decoded. */
export interface SnapshotValue {
  readonly rdbType: number
  readonly source: ValueSource
}

/** The value of `entry` as redis 7.0 would read it, for DUMP. @param compress may strings be compressed? */
export function snapshotValue(keyspace: KeyspaceReads, compress: boolean = true): SnapshotValue {
  const { entry } = keyspace
  const { rdbType } = entry
  if (rdbType === RDB_TYPE_STRING) return { rdbType, source: entrySource(entry) }
  if (entry.isLarge) {
    const out = new RdbWriter(compress)
    const written = formOf(rdbType).serialize(keyspace.openLarge(), out)
    return { rdbType: written, source: writtenSource(out) }
  }
  if (!isPackedForm(rdbType)) return { rdbType, source: entrySource(entry) }
  const out = new RdbWriter(compress)
  if (rdbType === FORM_SET_LISTPACK || (entry.flags & FLAG_LARGE_ENCODING) !== 0) return packedAsPlain(keyspace, out)
  out.string(entry.bytes, entry.start, entry.start + entry.length)
  return { rdbType, source: writtenSource(out) }
}

/**
 * A packed value in the plain form of its type: sets, of which Redis has no listpacks before 7.2, and what Redis would hold in its
 * large encoding, so that it does after RESTORE.
 */
function packedAsPlain(keyspace: KeyspaceReads, out: RdbWriter): SnapshotValue {
  const { rdbType } = keyspace.entry
  let items = 0
  visitStoredItems(keyspace, { text: () => items++, score: () => {}, fieldTtl: () => {}, entry: () => {} })
  out.count(rdbType === FORM_HASH_LISTPACK ? items / 2 : items)
  visitStoredItems(keyspace, {
    text: (bytes, start, end) => out.string(bytes, start, end),
    score: (value) => out.double(value),
    fieldTtl: () => {},
    entry: () => {},
  })
  const written = rdbType === FORM_HASH_LISTPACK ? RDB_TYPE_HASH : RDB_TYPE_ZSET_2
  return { rdbType: rdbType === FORM_SET_LISTPACK ? RDB_TYPE_SET : written, source: writtenSource(out) }
}

function writtenSource(out: RdbWriter): ValueSource {
  const { bytes, length } = out
  return {
    lengthBytes: length,
    copy(offset, target, at, count) {
      target.set(bytes.subarray(offset, offset + count), at)
    },
  }
}
