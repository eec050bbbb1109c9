/** What a load is asked for, looked at before a thread is: there, a wrong seed would only make a generation that nobody can use. */
import { isUint8Array } from 'node:util/types'
import { HASH_SEED_BYTES, ReplicaError } from '@understudy/core/loading'
import type { RdbLoadOptions } from '@understudy/core/loading'

/** @throws ReplicaError BAD_ARGUMENT */
export function checkLoadOptions({
  databaseCount,
  hashSeed,
}: Pick<RdbLoadOptions, 'databaseCount' | 'hashSeed'>): void {
  if (!Number.isSafeInteger(databaseCount) || databaseCount < 1) {
    throw new ReplicaError('BAD_ARGUMENT', 'databaseCount is a whole number from 1 on')
  }
  if (!isUint8Array(hashSeed) || hashSeed.length !== HASH_SEED_BYTES) {
    throw new ReplicaError('BAD_ARGUMENT', `hashSeed is a Uint8Array of ${HASH_SEED_BYTES} bytes`)
  }
}
