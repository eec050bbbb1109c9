/** DEBUG DIGEST of a keyspace or of a generation that was loaded. */
import { datasetDigest, type GenerationTransfer, Keyspace } from '@understudy/core/internal'

export function keyspaceDigest(keyspace: Keyspace): string {
  return datasetDigest(keyspace)
}

/** A keyspace that has taken over a loaded generation. */
export function adopt(generation: GenerationTransfer, hashSeed: Uint8Array, databaseCount: number = 16): Keyspace {
  const keyspace = new Keyspace({ databaseCount, hashSeed })
  keyspace.adopt(generation)
  return keyspace
}
