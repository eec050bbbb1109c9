/**
 * Transactions in an I/O thread. MULTI begins one here; reads are queued here; EXEC runs them as one read, of one moment.
 * As soon as anything else comes, all of it goes to the link thread, which is told that it need not answer what was
 * answered here, and continues.
 *
 * ```
 * MULTI      -> +OK       a queue of its own
 * a read     -> +QUEUED
 * EXEC       -> the replies       all reads in one attempt; when that fails: hand over, EXEC is forwarded
 * DISCARD    -> +OK       forgotten
 * otherwise  hand over: MULTI and the queue are forwarded, marked as answered; then the command is
 * ```
 */
import { argIs, runSharedRead } from '@understudy/core/internal'
import type { CommandEntry } from '@understudy/core/internal'
import { CLIENT_WATCHES } from '../clients/connection-flags.ts'
import { queuedArgs, type QueueFacts, TransactionQueue } from '../clients/transaction.ts'
import type { IoSession } from './io-session.ts'

export const TRANSACTION_COMMANDS = ['multi', 'exec', 'discard'] as const
type TransactionCommand = (typeof TRANSACTION_COMMANDS)[number]

/** A longer queue is the link thread's. */
const QUEUE_BYTES_MAX: number = 64 * 1024

/** What one connection has queued. */
export class ReadTransaction implements QueueFacts {
  readonly queue: TransactionQueue<CommandEntry> = new TransactionQueue()
  /** MULTI and the commands as they came. */
  readonly sources: Buffer[] = []
  sourceBytes = 0

  get count(): number {
    return this.queue.count
  }

  get argumentBytes(): number {
    return this.queue.argumentBytes
  }

  get heldBytes(): number {
    return this.queue.heldBytes + this.sourceBytes
  }

  get isFull(): boolean {
    return this.sourceBytes > QUEUE_BYTES_MAX
  }

  /** Keeps what the decoder has found last. */
  keepSource({ decoder }: IoSession): void {
    const source = Buffer.from(decoder.sourceBytes.subarray(decoder.sourceStart, decoder.sourceEnd))
    this.sources.push(source)
    this.sourceBytes += source.length
  }
}

/** Which of the commands about transactions was found? */
export function transactionCommand({ decoder }: IoSession): TransactionCommand | undefined {
  if (decoder.count !== 1) return undefined
  return TRANSACTION_COMMANDS.find((name) => argIs(decoder, 0, name.toUpperCase()))
}

/** @returns false: it has to be forwarded. */
export function beginOrDiscard(session: IoSession, command: 'multi' | 'discard'): boolean {
  const { transaction, reply } = session
  if ((command === 'multi') === (transaction !== undefined)) return false
  if (command === 'discard') session.transaction = undefined
  else {
    if ((session.flags & CLIENT_WATCHES) !== 0) return false
    session.transaction = new ReadTransaction()
    session.transaction.keepSource(session)
  }
  reply.ok()
  return true
}

/** Queues a read. @returns false: there is no room for more here. */
export function queueRead(session: IoSession, transaction: ReadTransaction, entry: CommandEntry): boolean {
  if (transaction.isFull) return false
  transaction.queue.add(entry, session.decoder)
  transaction.keepSource(session)
  session.entry = entry
  session.reply.simple('QUEUED')
  return true
}

/**
 * Runs the queued reads as one. @returns for each the text of its error, if it had one.
 * @throws as `runSharedRead`; nothing is replied then.
 */
export function runQueuedReads(session: IoSession, { queue }: ReadTransaction): (string | undefined)[] {
  const { reply } = session
  const errors: (string | undefined)[] = Array.from({ length: queue.count })
  session.args = queuedArgs
  try {
    runSharedRead(session, () => {
      reply.array(queue.count)
      for (const [index, entry] of queue.entries.entries()) {
        const before = reply.errorCount
        queue.read(index, queuedArgs)
        entry.read!(session)
        errors[index] = reply.errorCount === before ? undefined : reply.lastError
      }
    })
  } finally {
    session.args = session.decoder
  }
  return errors
}
