/**
 * Snapshots by way of a file, each written in one go: while that lasts the link thread does nothing else, as with SAVE. It
 * stands in for a source that writes while the server goes on, behind the same port (`snapshot-source.ts`); until there is
 * one, every full resync below is logged with the time it took. Replicas read the file at their own pace, and may join as
 * long as it is there. It is removed when nobody reads it any more.
 */
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type Clock,
  type Keyspace,
  type Logger,
  type RdbChunkOptions,
  RdbFileWriter,
  type SnapshotRules,
  writeDataset,
} from '@understudy/core/internal'
import type { SnapshotPreamble } from '@understudy/rdb-worker'
import type { Snapshot, SnapshotReader, SnapshotRequest, SnapshotSource } from './snapshot-source.ts'

const PIECE_BYTES: number = 128 * 1024

export interface SpoolPorts {
  readonly keyspace: Keyspace
  readonly clock: Clock
  readonly logger: Logger
  /** Directory of the file (`dir`). Read at every snapshot, as the rest. */
  readonly directory: () => string
  /** What it says beside the keys; of the moment, and so of the position. */
  readonly preamble: () => SnapshotPreamble
  /** rdbcompression, rdbchecksum, and what is told of the use of keys. */
  readonly rules: () => RdbChunkOptions & Pick<SnapshotRules, 'access'>
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
    let file: SpoolFile
    try {
      file = new SpoolFile(path, this.#write(path, request))
    } catch (error) {
      return new FailedSnapshot(error)
    }
    const seconds = ((clock.monotonicMs() - beganMs) / 1000).toFixed(3)
    logger.notice(
      `Snapshot for replicas written: ${file.byteLength} bytes in ${seconds} seconds, in which no client was served`,
    )
    return file
  }

  /** @returns its length in bytes. @throws RdbVersionError, and the system's errors; the file is gone then. */
  #write(path: string, request: SnapshotRequest): number {
    const { keyspace, preamble, rules } = this.#ports
    const descriptor = openSync(path, 'wx', 0o600)
    try {
      const sink = (bytes: Uint8Array, start: number, end: number): void => writeAll(descriptor, bytes, start, end)
      const writer = new RdbFileWriter(sink, { ...rules(), rdbVersion: request.rdbVersion })
      const { aux, libraries } = preamble()
      writer.begin(aux, request.filter.functions ? libraries : [])
      if (request.filter.data) writeDataset(keyspace, writer)
      writer.end()
      return writer.writtenBytes
    } catch (error) {
      rmSync(path, { force: true })
      throw error
    } finally {
      closeSync(descriptor)
    }
  }
}

function writeAll(descriptor: number, bytes: Uint8Array, start: number, end: number): void {
  for (let at = start; at < end;) at += writeSync(descriptor, bytes, at, end - at)
}

/** A snapshot in a file. */
class SpoolFile implements Snapshot {
  readonly isJoinable = true
  readonly ready: Promise<number>
  readonly byteLength: number
  readonly #path: string

  constructor(path: string, byteLength: number) {
    this.#path = path
    this.byteLength = byteLength
    this.ready = Promise.resolve(byteLength)
  }

  open(): SnapshotReader {
    return new SpoolReader(this.#path)
  }

  /** The name goes at once; who has opened it reads on. */
  close(): void {
    rmSync(this.#path, { force: true })
  }
}

/** What could not be written. */
class FailedSnapshot implements Snapshot {
  readonly isJoinable = false
  readonly ready: Promise<never>
  readonly #error: unknown

  constructor(error: unknown) {
    this.#error = error
    this.ready = Promise.reject(error)
    // Every replica that waits for it is told; with none there is nobody to tell.
    this.ready.catch(() => {})
  }

  open(): SnapshotReader {
    throw this.#error
  }

  close(): void {}
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
