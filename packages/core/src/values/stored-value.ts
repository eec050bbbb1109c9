/**
 * The value of `keyspace.entry`, whatever its form: its encoding's name, its elements, its bytes in snapshots and for DUMP. For commands that
 * serve all types; those of one type look themselves.
 */
import { listpackFirst } from '../encoding/listpack.ts'
import { listpackCount } from '../encoding/listpack-edit.ts'
import { FLAG_LARGE_ENCODING, FLAG_TEXT } from '../keyspace/layout.ts'
import type { Entry } from '../keyspace/entry.ts'
import type { KeyspaceReads } from '../keyspace/keyspace-reads.ts'
import { confirmRead } from '../keyspace/read-guard.ts'
import { encodingName } from '../object-codec/encoding-name.ts'
import {
  RDB_TYPE_HASH,
  RDB_TYPE_SET,
  RDB_TYPE_STRING,
  RDB_TYPE_ZSET_2,
  RDB_VERSION_WRITTEN_MAX,
  rdbTypeFacts,
  type ValueTypeName,
} from '../object-codec/rdb-types.ts'
import { RdbBuffer } from '../object-codec/rdb-buffer.ts'
import type { RdbWriter } from '../object-codec/rdb-writer.ts'
import { type ItemVisitor, visitItems } from '../object-codec/value-items.ts'
import type { ValueSource } from '../object-codec/value-source.ts'
import {
  FORM_HASH_LISTPACK,
  FORM_INTSET,
  FORM_LIST_LISTPACK,
  FORM_SET_LISTPACK,
  FORM_ZSET_LISTPACK,
  isPackedForm,
} from './form-numbers.ts'
import { formOf } from './forms.ts'
import { writePackedList } from './list-node-snapshot.ts'
import { readListpackText, textBytes, textEnd, textStart } from './item-text.ts'
import { packedScore } from './packed-scores.ts'
import { writeRecordString } from './record-strings.ts'

/**
 * The bytes of the value of `entry` as the codec reads them; borrowed until the next lookup or change. Its length is confirmed: memory
 * may be taken for it.
 */
export function entrySource(entry: Entry): ValueSource {
  confirmRead(entry.length)
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
    case FORM_LIST_LISTPACK:
      return 'quicklist'
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
    const out = new RdbBuffer(false)
    writePackedValue(entry, out)
    visitItems(rdbType, out.source(), visitor)
  } else visitItems(rdbType, entrySource(entry), visitor)
}

/**
 * The RDB type as which a snapshot of version `rdbVersion` gets the value of `entry`. It may be one that needs a later version
 * (`rdbVersionFor`): there is no other for such a value.
 */
export function snapshotType(keyspace: KeyspaceReads, rdbVersion: number): number {
  const { entry } = keyspace
  const { rdbType } = entry
  if (entry.isLarge) return formOf(rdbType).snapshotType(keyspace.openLarge(), rdbVersion)
  // redis 7.0 has no listpacks of sets. What Redis would hold in its large encoding is to be so when it is read again.
  if (rdbType === FORM_SET_LISTPACK) return RDB_TYPE_SET
  if ((entry.flags & FLAG_LARGE_ENCODING) === 0) return rdbType
  if (rdbType === FORM_HASH_LISTPACK) return RDB_TYPE_HASH
  return rdbType === FORM_ZSET_LISTPACK ? RDB_TYPE_ZSET_2 : rdbType
}

/** Writes the value of `entry` as it stands behind its key in a snapshot. @param rdbType what `snapshotType` said */
export function writeStoredValue(keyspace: KeyspaceReads, rdbType: number, out: RdbWriter): void {
  const { entry } = keyspace
  if (entry.isLarge) formOf(entry.rdbType).serialize(keyspace.openLarge(), rdbType, out)
  else if (entry.isString) writeRecordString(entry, out)
  else if (rdbType !== entry.rdbType) writePackedItems(entry, rdbType, out)
  else if (isPackedForm(rdbType)) writePackedValue(entry, out)
  else out.rawOf(entrySource(entry))
}

/** A packed value as it is. */
function writePackedValue({ rdbType, bytes, start, length }: Entry, out: RdbWriter): void {
  if (rdbType === FORM_LIST_LISTPACK) writePackedList(bytes, start, start + length, out)
  else out.string(bytes, start, start + length)
}

/** A packed value in the plain form of its type. */
function writePackedItems({ bytes, start, length }: Entry, rdbType: number, out: RdbWriter): void {
  const end = start + length
  const items = listpackCount(bytes, start)
  out.count(rdbType === RDB_TYPE_SET ? items : items / 2)
  for (let at = listpackFirst(start), isScore = false; at < end - 1; isScore = !isScore) {
    if (isScore && rdbType === RDB_TYPE_ZSET_2) out.double(packedScore(bytes, at))
    const next = readListpackText(bytes, at, end)
    if (next < 0) return
    if (!isScore || rdbType !== RDB_TYPE_ZSET_2) out.string(textBytes, textStart, textEnd)
    at = next
  }
}

/** A value as it stands behind a key in a snapshot; strings decoded. */
export interface SnapshotValue {
  readonly rdbType: number
  readonly source: ValueSource
}

/** The value of `entry` for DUMP, as the lowest version of Redis from 7.0 on that knows it reads it. */
export function snapshotValue(keyspace: KeyspaceReads): SnapshotValue {
  const { entry } = keyspace
  if (entry.isString) return { rdbType: RDB_TYPE_STRING, source: entrySource(entry) }
  const rdbType = snapshotType(keyspace, RDB_VERSION_WRITTEN_MAX)
  const out = new RdbBuffer()
  writeStoredValue(keyspace, rdbType, out)
  return { rdbType, source: out.source() }
}
