/**
 * The dataset of one moment as the bytes of an RDB snapshot, for an embedder: to upload, to encrypt, to load somewhere else
 * (`loadIterable` of @understudy/rdb-worker). It is made by a thread while the server goes on, as fast as it is read, and never in
 * memory as a whole.
 *
 *   const snapshot = server.snapshot()
 *   for await (const piece of snapshot) await upload(piece)
 */
import { ReplicaError, type SnapshotPosition } from '@understudy/core/internal'
import type { SnapshotPass, SnapshotReader } from '@understudy/rdb-worker'

export interface DatasetSnapshotOptions {
  /** RDB version: 10 (redis 7.0), 11 (7.2, Valkey 8), 12 (7.4). Default 10. */
  readonly rdbVersion?: number
}

/**
 * Belongs to the thread of the server. Until it is read to its end or closed, what changes in the dataset is kept twice, and a thread waits
 * for it: of a server at most four may be open at a time.
 */
export class DatasetSnapshot implements AsyncIterable<Buffer> {
  /** Where in the history of replication the data are; undefined for data of no history, which no replica could go on from. */
  readonly position: SnapshotPosition | undefined
  readonly #pass: Pick<SnapshotPass, 'open' | 'close' | 'isUnderWay'>
  readonly #reader: SnapshotReader
  #isClosed = false

  constructor(pass: Pick<SnapshotPass, 'open' | 'close' | 'isUnderWay'>, position: SnapshotPosition | undefined) {
    this.position = position
    this.#pass = pass
    this.#reader = pass.open(false)!
  }

  /**
   * Its bytes in pieces of at most 256 KiB, which are the caller's. Once; leaving the loop closes it.
   * @throws ReplicaError RDB_VERSION_TOO_LOW for a value that the version does not know, RDB_WORKER_FAILED, RDB_ABORTED
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    try {
      for (;;) {
        const piece = await this.#reader.read()
        // The end of the bytes must not look like the end of the snapshot.
        if (this.#isClosed) throw new ReplicaError('RDB_ABORTED', 'the snapshot was closed before its end was read')
        if (piece === undefined) return
        yield Buffer.from(piece)
      }
    } finally {
      this.close()
    }
  }

  /** Is a thread at it, which waits for who reads it? */
  get isOpen(): boolean {
    return !this.#isClosed && this.#pass.isUnderWay
  }

  /** Gives up what was not read. Harmless at any time. */
  close(): void {
    this.#isClosed = true
    this.#reader.close()
    this.#pass.close()
  }
}
