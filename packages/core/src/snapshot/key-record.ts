/**
 * One key as it stands in a snapshot: time to live, how it was used, type, name, value. It reads `keyspace.entry` and what hangs
 * below it and nothing else, so any thread that may look a key up may write it, to any target; what it wrote is only good while
 * the shard was left alone (docs/consistency.md).
 *
 * Source: redis 7.0 rdb.c rdbSaveKeyValuePair().
 */
import { RdbVersionError } from '../errors.ts'
import type { KeyspaceReads } from '../keyspace/keyspace-reads.ts'
import { RDB_OPCODE_EXPIRETIME_MS, RDB_OPCODE_FREQ, RDB_OPCODE_IDLE } from '../object-codec/rdb-opcodes.ts'
import { rdbVersionFor } from '../object-codec/rdb-types.ts'
import type { RdbWriter } from '../object-codec/rdb-writer.ts'
import { printableBytes } from '../printable-bytes.ts'
import { writeRecordKey } from '../values/record-strings.ts'
import { snapshotType, writeStoredValue } from '../values/stored-value.ts'

/** What every key of one snapshot is written by. */
export interface SnapshotRules {
  /** RDB version of the target: 10, 11 or 12. */
  readonly rdbVersion: number
  /** What is told of the use of keys: 'idle' under an LRU policy, 'frequency' under an LFU policy, else nothing. */
  readonly access: 'none' | 'idle' | 'frequency'
  /** rdb-key-save-delay: microseconds to sleep per key; left out or 0: none. */
  readonly keyDelayMicros?: number
}

/** The rule for a `maxmemory-policy`, as in redis 7.0. */
export function toldAccess(maxmemoryPolicy: string): SnapshotRules['access'] {
  if (maxmemoryPolicy.endsWith('-lru')) return 'idle'
  return maxmemoryPolicy.endsWith('-lfu') ? 'frequency' : 'none'
}

/**
 * Writes the key that `keyspace.entry` describes. O(bytes of the value); no more memory than `out` takes.
 * @throws RdbVersionError for a value that the target's version does not know; nothing was written then.
 */
export function writeKeyRecord(keyspace: KeyspaceReads, out: RdbWriter, rules: SnapshotRules): void {
  const { entry, access } = keyspace
  const rdbType = snapshotType(keyspace, rules.rdbVersion)
  const neededVersion = rdbVersionFor(rdbType)
  if (neededVersion > rules.rdbVersion) {
    const key = entry.keyToBuffer()
    throw new RdbVersionError(printableBytes(key, 0, key.length), neededVersion, rules.rdbVersion)
  }
  if (entry.expireAtMs !== -1) {
    out.byte(RDB_OPCODE_EXPIRETIME_MS)
    out.int64(BigInt(entry.expireAtMs))
  }
  if (rules.access === 'idle') {
    out.byte(RDB_OPCODE_IDLE)
    out.count(access.idleSeconds(entry))
  } else if (rules.access === 'frequency') {
    out.byte(RDB_OPCODE_FREQ)
    out.byte(access.frequency(entry))
  }
  out.byte(rdbType)
  writeRecordKey(entry, out)
  writeStoredValue(keyspace, rdbType, out)
}
