/**
 * An inserter whose thread ends in the middle of the work, as if it had been killed: with 13 databases, after up to 4080 keys: how many
 * depends on the hash's seed. Otherwise the usual one.
 */
import { BulkWriter } from '@understudy/core/internal'
import { insert as usual } from '../../packages/rdb-worker/dist/loader-worker.js'

/** @param {Parameters<typeof usual>[0]} task */
export async function insert(task) {
  const usualPut = Object.getOwnPropertyDescriptor(BulkWriter.prototype, 'putHashed')
  let keys = 0
  BulkWriter.prototype.putHashed = function (...entry) {
    if (this.databaseCount === 13 && keys++ === 16 * (this.generation.seed.lane0 & 255)) process.exit(3)
    usualPut?.value.apply(this, entry)
  }
  try {
    await usual(task)
  } finally {
    if (usualPut !== undefined) Object.defineProperty(BulkWriter.prototype, 'putHashed', usualPut)
  }
}
