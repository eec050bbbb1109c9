/**
 * Name and value of a record, of a key or of an element, as strings of a snapshot: where they stand, or node by node.
 */
import type { Entry } from '../keyspace/entry.ts'
import type { RdbWriter } from '../object-codec/rdb-writer.ts'

/** The key's name, a field's, or a member. */
export function writeRecordKey(entry: Entry, out: RdbWriter): void {
  if (entry.isLongKey) out.stringOf(entry.keyNodes())
  else out.string(entry.bytes, entry.start - entry.keyLength, entry.start)
}

/** The value of a string or of a field. */
export function writeRecordString(entry: Entry, out: RdbWriter): void {
  if (entry.isChunked) out.stringOf(entry.nodes())
  else out.string(entry.bytes, entry.start, entry.start + entry.length)
}
