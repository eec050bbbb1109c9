/** Running commands over a dataset that this thread only reads, so that each reply, or the replies of several together, are of one moment. */
import { type AttemptedRead, READ_ATTEMPTS_MS_MAX, type SharedKeyspace } from '../keyspace/shared-keyspace.ts'
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
  repliedRead.begin(context, work)
  context.keyspace.attempt(repliedRead, READ_ATTEMPTS_MS_MAX)
}

/** A read that writes into a reply. One instance serves all reads of a thread: there is one attempt at a time. */
class RepliedRead implements AttemptedRead {
  #context!: SharedReadContext
  #work!: () => void
  // As they were before.
  #length = 0
  #errorCount = 0
  #lastError = ''
  #hits = 0
  #misses = 0

  begin(context: SharedReadContext, work: () => void): void {
    const { keyspace, reply } = context
    this.#context = context
    this.#work = work
    this.#length = reply.length
    this.#errorCount = reply.errorCount
    this.#lastError = reply.lastError
    this.#hits = keyspace.hits
    this.#misses = keyspace.misses
  }

  run(): void {
    this.#context.nowMs = Date.now()
    this.#work()
  }

  undo(): void {
    const { keyspace, reply } = this.#context
    reply.length = this.#length
    reply.errorCount = this.#errorCount
    reply.lastError = this.#lastError
    keyspace.hits = this.#hits
    keyspace.misses = this.#misses
  }
}

const repliedRead = new RepliedRead()
