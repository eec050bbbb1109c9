/**
 * Snapshots by way of a file, written by a thread from a pin while the server goes on (docs/pins.md). Replicas read the file at
 * their own pace, once it is complete, and may join as long as it is there. It is removed when nobody reads it any more.
 */
import { rmSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock, Logger, RdbChunkOptions, SnapshotRules } from '@understudy/core/internal'
import type { SavedFile, SnapshotPool, SnapshotPreamble } from '@understudy/rdb-worker'
import type { Snapshot, SnapshotReader, SnapshotRequest, SnapshotSource } from './snapshot-source.ts'

const PIECE_BYTES: number = 128 * 1024

export interface SpoolPorts {
  readonly pool: Pick<SnapshotPool, 'spoolFile'>
  readonly clock: Clock
  readonly logger: Logger
  /** Directory of the file (`dir`). Read at every snapshot, as the rest. */
  readonly directory: () => string
  /** What it says beside the keys; of the moment, and so of the position. */
  readonly preamble: () => SnapshotPreamble
  /** rdbcompression, rdbchecksum, and what is told of the use of keys. */
  readonly rules: () => RdbChunkOptions & Omit<SnapshotRules, 'rdbVersion'>
}

export class SpooledSnapshots implements SnapshotSource {
  readonly #ports: SpoolPorts
  #count = 0

  constructor(ports: SpoolPorts) {
    this.#ports = ports
  }

  begin(request: SnapshotRequest): Snapshot {
    const { clock, logger, directory } = this.#ports
    const path = join(directory(), `temp-replica-${process.pid}-${++this.#count}.rdb`)
    const beganMs = clock.monotonicMs()
    const file = new SpoolFile(path, this.#write(path, request))
    file.ready.then(
      (byteLength) => {
        const seconds = ((clock.monotonicMs() - beganMs) / 1000).toFixed(3)
        logger.notice(`Snapshot for replicas written: ${byteLength} bytes in ${seconds} seconds`)
      },
      // Every replica that waits for it is told; with none there is nobody to tell.
      () => {},
    )
    return file
  }

  #write(path: string, request: SnapshotRequest): Promise<SavedFile> {
    const { pool, preamble, rules } = this.#ports
    const { aux, libraries } = preamble()
    return pool.spoolFile(
      { aux, libraries: request.filter.functions ? libraries : [] },
      { ...rules(), path, hasKeys: request.filter.data, rdbVersion: request.rdbVersion },
    )
  }
}

/** A snapshot in a file. */
class SpoolFile implements Snapshot {
  readonly ready: Promise<number>
  isJoinable = true
  readonly #path: string

  constructor(path: string, written: Promise<SavedFile>) {
    this.#path = path
    this.ready = written.then(({ bytes }) => bytes)
    this.ready.catch(() => {
      this.isJoinable = false
    })
  }

  open(): SnapshotReader {
    return new SpoolReader(this.#path)
  }

  /** The name goes at once, or when it is written; who has opened it reads on. */
  close(): void {
    this.ready.then(
      () => rmSync(this.#path, { force: true }),
      () => {},
    )
  }
}

class SpoolReader implements SnapshotReader {
  readonly #opened: Promise<FileHandle>
  #position = 0

  constructor(path: string) {
    this.#opened = open(path, 'r')
  }

  async read(): Promise<Buffer | undefined> {
    const file = await this.#opened
    const piece = Buffer.allocUnsafe(PIECE_BYTES)
    const { bytesRead } = await file.read(piece, 0, piece.length, this.#position)
    this.#position += bytesRead
    return bytesRead === 0 ? undefined : piece.subarray(0, bytesRead)
  }

  close(): void {
    void this.#opened.then(
      (file) => file.close(),
      () => {},
    )
  }
}
