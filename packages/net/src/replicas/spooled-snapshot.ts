/**
 * Snapshots by way of a file, written by a thread from a pin while the server goes on (docs/pins.md). Replicas read the file at
 * their own pace, once it is complete, and may join as long as it is there. It is removed when nobody reads it any more.
 */
import { rmSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type Clock,
  type Keyspace,
  type LibraryStore,
  type Logger,
  snapshotAux,
  type SnapshotPosition,
  type SnapshotRules,
} from '@understudy/core/internal'
import type { SavedFile, SnapshotPool } from '@understudy/rdb-worker'
import type { Snapshot, SnapshotReader, SnapshotRequest, SnapshotSource } from './snapshot-source.ts'

const PIECE_BYTES: number = 128 * 1024

export interface SpoolPorts {
  readonly pool: Pick<SnapshotPool, 'spoolFile'>
  readonly keyspace: Keyspace
  readonly libraries: LibraryStore
  readonly clock: Clock
  readonly logger: Logger
  /** Directory of the file (`dir`). Read at every snapshot, as the rest. */
  readonly directory: () => string
  readonly redisVersion: () => string
  /** rdbcompression, rdbchecksum. */
  readonly compresses: () => boolean
  readonly hasChecksum: () => boolean
  readonly access: () => SnapshotRules['access']
}

export class SpooledSnapshots implements SnapshotSource {
  readonly #ports: SpoolPorts
  #count = 0

  constructor(ports: SpoolPorts) {
    this.#ports = ports
  }

  begin(request: SnapshotRequest, position: SnapshotPosition): Snapshot {
    const { clock, logger, directory } = this.#ports
    const path = join(directory(), `temp-replica-${process.pid}-${++this.#count}.rdb`)
    const beganMs = clock.monotonicMs()
    const file = new SpoolFile(path, this.#write(path, request, position))
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

  #write(path: string, request: SnapshotRequest, position: SnapshotPosition): Promise<SavedFile> {
    const { pool, keyspace, libraries, clock, redisVersion, compresses, hasChecksum, access } = this.#ports
    const facts = { redisVersion: redisVersion(), wallMs: clock.wallMs(), usedBytes: keyspace.usedBytes, position }
    const codes = request.filter.functions ? Array.from(libraries.libraries, ({ code }) => code) : []
    return pool.spoolFile(
      { aux: snapshotAux(facts), libraries: codes },
      {
        path,
        hasKeys: request.filter.data,
        rdbVersion: request.rdbVersion,
        access: access(),
        compress: compresses(),
        checksum: hasChecksum(),
      },
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
