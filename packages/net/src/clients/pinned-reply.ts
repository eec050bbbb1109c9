/** A long reply that is made in this thread, from a pin, and sent a piece at a time. */
import { SliceBounds, type SlicedReply } from '@understudy/core/internal'
import { collectGarbageSoon } from '../server/collect-garbage.ts'
import type { Connection } from './connection.ts'
import type { LongReplyWork } from './long-replies.ts'

/** A piece, but for the item that was begun. With that, slabs are still of a size that is kept (`slabs.ts`). */
const PIECE_BYTES: number = 128 * 1024

const slice = new SliceBounds()

export class PinnedReply implements LongReplyWork {
  readonly #reply: SlicedReply

  /** Owns the reply. */
  constructor(reply: SlicedReply) {
    this.#reply = reply
  }

  get isBroken(): boolean {
    return this.#reply.isBroken
  }

  step(connection: Connection, endMs: number): boolean {
    const { host } = connection
    const { encoder } = host
    let isComplete: boolean
    try {
      isComplete = this.#reply.write(encoder, slice.begin(PIECE_BYTES, endMs))
    } catch (error) {
      encoder.clear()
      throw error
    }
    // It counts what it will show before it shows anything: then there is nothing to be sent yet.
    if (!connection.sendPiece(isComplete) && !isComplete) host.longReplies.wake(connection)
    return isComplete
  }

  close(): void {
    // A dataset that was replaced meanwhile, and held in memory by this pin alone.
    if (this.#reply.keyspace.isRetired) collectGarbageSoon()
    this.#reply.close()
  }
}
