/** An inserter that ends its thread when 13 databases are there, throws a bug for 14, and is the usual one otherwise. */
import { BulkWriter } from '@understudy/core/internal'
import { insert as usual } from '../../packages/rdb-worker/dist/loader-worker.js'

/** @param {Parameters<typeof usual>[0]} task */
export async function insert(task) {
  const usualPut = Object.getOwnPropertyDescriptor(BulkWriter.prototype, 'putHashed')
  BulkWriter.prototype.putHashed = function (...entry) {
    if (this.databaseCount === 13) process.exit(3)
    if (this.databaseCount === 14) throw new TypeError('a bug in the inserter')
    usualPut?.value.apply(this, entry)
  }
  try {
    await usual(task)
  } finally {
    // The thread may insert for the next snapshot.
    if (usualPut !== undefined) Object.defineProperty(BulkWriter.prototype, 'putHashed', usualPut)
  }
}
