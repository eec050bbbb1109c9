/** DEBUG DIGEST of a keyspace or of a generation that was loaded. */
import { DatasetDigest, digestKey, digestText, type GenerationTransfer, Keyspace } from '@understudy/core/internal'

export function keyspaceDigest(keyspace: Keyspace): string {
  const digest = new DatasetDigest()
  for (let db = 0; db < keyspace.databaseCount; db++) {
    keyspace.forEach(db, (entry) => {
      const source = {
        lengthBytes: entry.length,
        copy: (offset: number, target: Uint8Array, at: number, count: number) =>
          entry.copy(offset, offset + count, target, at),
      }
      digest.add(db, digestKey(entry.keyToBuffer(), entry.rdbType, source, entry.expireAtMs !== -1))
    })
  }
  return digestText(digest.value())
}

/** A keyspace that has taken over a loaded generation. */
export function adopt(generation: GenerationTransfer, hashSeed: Uint8Array, databaseCount: number = 16): Keyspace {
  const keyspace = new Keyspace({ databaseCount, hashSeed })
  keyspace.adopt(generation)
  return keyspace
}
