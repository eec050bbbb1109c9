/**
 * All keys of a keyspace into a snapshot, in one go: nothing changes meanwhile, and the thread does nothing else. For SAVE, which
 * blocks, and for tests.
 */
import type { KeyspaceReads } from '../keyspace/keyspace-reads.ts'
import type { RdbFileWriter } from './rdb-file-writer.ts'

/**
 * Writes all databases, between `begin()` and `end()`. Keys whose time has come are written as well: they are the primary's to
 * expire. @returns how many keys. @throws see `RdbFileWriter.key`, and what the sink throws
 */
export function writeDataset(keyspace: KeyspaceReads, writer: RdbFileWriter): number {
  let keys = 0
  for (let db = 0; db < keyspace.databaseCount; db++) {
    const size = keyspace.size(db)
    if (size === 0) continue
    writer.selectDb(db, size, keyspace.expires(db))
    keyspace.forEach(db, () => writer.key(keyspace))
    keys += size
  }
  return keys
}
