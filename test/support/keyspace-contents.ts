/**
 * Everything a dataset holds, as text to compare: by database and key the form, flags, time to live and the bytes that a snapshot
 * would have. For any way of reading it: the writer's, another thread's, a pin.
 */
import { createHash } from 'node:crypto'
import { type Entry, formOf, type KeyspaceReads, RDB_VERSION_WRITTEN_MAX, RdbBuffer } from '@understudy/core/internal'

export type KeyspaceContents = Map<string, string>

/** `database key` to what `valueOf` says, for all keys. */
export function contentsOf(keyspace: KeyspaceReads): KeyspaceContents {
  const contents: KeyspaceContents = new Map()
  for (let db = 0; db < keyspace.databaseCount; db++) {
    keyspace.forEach(db, (entry) => {
      const name = `${db} ${entry.keyToBuffer().toString('latin1')}`
      if (contents.has(name)) throw new Error(`key '${name}' comes twice`)
      contents.set(name, valueOf(keyspace, entry))
    })
  }
  return contents
}

/** What is at the key of `entry`. */
export function valueOf(keyspace: KeyspaceReads, entry: Entry): string {
  const { rdbType, flags, expireAtMs } = entry
  const facts = `${rdbType} ${flags} ${expireAtMs}`
  if (!entry.isLarge) return `${facts} ${entry.length} ${digestOf(entry.toBuffer())}`
  const out = new RdbBuffer(false)
  const form = formOf(rdbType)
  const large = keyspace.openLarge()
  const snapshotType = form.snapshotType(large, RDB_VERSION_WRITTEN_MAX)
  form.serialize(large, snapshotType, out)
  return `${facts} ${form.count(large)} ${snapshotType} ${digestOf(out.bytes.subarray(0, out.length))}`
}

function digestOf(bytes: Uint8Array): string {
  return bytes.length <= 40 ? Buffer.from(bytes).toString('latin1') : createHash('sha1').update(bytes).digest('hex')
}
