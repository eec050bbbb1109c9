/** The value of the record that the last lookup found, as the codec of values reads it. */
import type { Entry } from '../keyspace/entry.ts'
import type { ValueSource } from '../object-codec/value-source.ts'

/** Borrowed: valid until the next lookup or change. */
export function entrySource(entry: Entry): ValueSource {
  return {
    lengthBytes: entry.length,
    copy: (offset, target, at, count) => entry.copy(offset, offset + count, target, at),
  }
}
