/** Running commands over a dataset that this thread only reads, so that each reply, or the replies of several together, are of one moment. */
import { READ_ATTEMPTS_MS_MAX, type SharedKeyspace } from '../keyspace/shared-keyspace.ts'
import type { ReadContext } from './command.ts'

/** A context of commands in a thread that only reads. */
export interface SharedReadContext extends ReadContext {
  readonly keyspace: SharedKeyspace
}

/**
 * Runs `work`, which calls the `read` of one command or of several (a transaction of reads), until all it looked at was of one
 * moment of the stream. `context.nowMs` is set: one time for all keys. What an attempt wrote into `context.reply` is taken back
 * before the next one and before an error; `work` must leave no other traces.
 * @throws NeedsWriter, ReadTooLong: the commands have to be run on the writer's thread. See `SharedKeyspace.attempt`.
 */
export function runSharedRead(context: SharedReadContext, work: () => void): void {
  const { keyspace, reply } = context
  const { length, errorCount, lastError } = reply
  const { hits, misses } = keyspace
  keyspace.attempt(
    () => {
      context.nowMs = Date.now()
      work()
    },
    () => {
      reply.length = length
      reply.errorCount = errorCount
      reply.lastError = lastError
      keyspace.hits = hits
      keyspace.misses = misses
    },
    READ_ATTEMPTS_MS_MAX,
  )
}
