/**
 * One walk through the data of a moment, in a thread of its own, for any number of targets that want the same: those that take the
 * snapshot as it is made, and those that have to be told its length first, who read it from a file. This is the side of the thread
 * that asked for it; `write-pass.ts` is the other one.
 */
import type { MessagePort } from 'node:worker_threads'
import type { RdbChunkOptions, SnapshotRules } from '@understudy/core/saving'
import { fromRecord } from '../messages.ts'
import { LiveReaders } from './live-readers.ts'
import type { PassResult } from './write-pass.ts'
import { type PieceMemory, PieceReader } from './snapshot-pieces.ts'
import type { SnapshotReader } from './snapshot-reader.ts'
import { type SpoolFile, spoolReader, type WholeSpool } from './spool-file.ts'

export interface PassOptions extends SnapshotRules, Omit<RdbChunkOptions, 'chunkBytes'> {
  /** False: a snapshot without keys. */
  readonly hasKeys: boolean
  /** Are there readers that take it as it is made? */
  readonly isLive: boolean
  /** Present: it also goes into a file, which has this name for a moment. */
  readonly spoolPath?: string
}

export interface PassParts {
  readonly pieces: PieceMemory
  /** A message on it, of any content, means: a piece more. */
  readonly port: MessagePort
  /** Present when there is to be one. */
  readonly spool: Promise<SpoolFile> | undefined
  readonly written: Promise<PassResult>
}

export class SnapshotPass {
  /**
   * What was written, when all is.
   * @throws ReplicaError RDB_VERSION_TOO_LOW for a value that the version does not know, RDB_ABORTED when nobody wanted it any more,
   * FILE_FAILED when it was for a file alone, RDB_WORKER_FAILED
   */
  readonly written: Promise<PassResult>
  /** Does it take a thread, or wait for one? */
  isUnderWay = true
  readonly #pieces: PieceReader
  readonly #live: LiveReaders | undefined
  readonly #spool: Promise<WholeSpool> | undefined
  #fileReaders = 0
  #close: () => void = () => {}

  constructor({ pieces, port, spool, written }: PassParts) {
    this.written = written
    this.#pieces = new PieceReader(pieces)
    const live = pieces.slots > 0 ? new LiveReaders(this.#pieces) : undefined
    this.#live = live
    port.on('message', () => live?.moved())
    written
      .then(
        () => live?.end(),
        (fault: unknown) => live?.fail(fault),
      )
      .finally(() => {
        this.isUnderWay = false
        port.close()
      })
    if (spool === undefined) return
    this.#spool = Promise.all([spool, written]).then(([file, { bytes, fileFault }]) => {
      if (fileFault !== undefined) throw fromRecord(fileFault)
      return { file, byteLength: bytes }
    })
    // Nobody may be there to hear of it.
    this.#spool.catch(() => {})
    const closed = new Promise<void>((resolve) => {
      this.#close = resolve
    })
    // Who writes it has to be done as well.
    void Promise.allSettled([written, closed])
      .then(async () => (await spool).release())
      .catch(() => {})
  }

  /** Does its thread wait for readers? */
  get isHeldUp(): boolean {
    return this.isUnderWay && this.#live?.areBehind === true
  }

  /**
   * For one more target, which reads at its own pace. @param needsLength it has to be told the length before the first byte
   * @returns undefined when it cannot have all of it: it is for others, or its beginning is gone
   */
  open(needsLength: boolean): SnapshotReader | undefined {
    const live = needsLength ? undefined : this.#live?.open()
    if (live !== undefined || this.#spool === undefined) return live
    this.#countFileReaders(1)
    return spoolReader(this.#spool, () => this.#countFileReaders(-1))
  }

  /** Nobody will open it any more, and all readers are closed: gives up what is not written yet. */
  close(): void {
    this.#pieces.giveUp()
    this.#close()
  }

  #countFileReaders(more: number): void {
    this.#fileReaders += more
    this.#live?.fileIsWanted(this.#fileReaders > 0)
  }
}
