/**
 * Snapshots for replicas by way of a file: written in a thread of its own while the node goes on, read by each replica at its own
 * pace, and removed when nobody reads it any more. Replicas may join as long as it is there. What has no keys (redis-cli
 * --replica asks for that, and --functions-rdb) needs no file.
 */
import { type FileHandle, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type Clock,
  type Logger,
  type RdbChunkOptions,
  RdbFileWriter,
  type SnapshotRules,
} from '@understudy/core/internal'
import type { SavedFile, SnapshotPreamble, Snapshots } from '@understudy/rdb-worker'
import type { Snapshot, SnapshotReader, SnapshotRequest, SnapshotSource } from './snapshot-source.ts'

const PIECE_BYTES: number = 128 * 1024

export interface SpoolPorts {
  readonly snapshots: Pick<Snapshots, 'saveFile'>
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
    const { clock, logger, directory, preamble, rules, snapshots } = this.#ports
    if (!request.filter.data) return new KeylessSnapshot(request, preamble(), rules())
    const path = join(directory(), `temp-replica-${process.pid}-${++this.#count}.rdb`)
    const beganMs = clock.monotonicMs()
    const saved = snapshots.saveFile(preamble(), {
      ...rules(),
      rdbVersion: request.rdbVersion,
      keepsVersion: true,
      path,
      temporaryPath: `${path}.part`,
      syncsAsItGrows: false,
    })
    return new SpoolFile(path, saved, ({ keys, bytes }) => {
      const seconds = ((clock.monotonicMs() - beganMs) / 1000).toFixed(3)
      logger.notice(`Snapshot for replicas written: ${keys} keys, ${bytes} bytes in ${seconds} seconds`)
    })
  }
}

/** A snapshot in a file, or on its way there. */
class SpoolFile implements Snapshot {
  readonly isJoinable = true
  readonly ready: Promise<number>
  readonly #path: string

  constructor(path: string, saved: Promise<SavedFile>, onSaved: (file: SavedFile) => void) {
    this.#path = path
    this.ready = saved.then((file) => {
      onSaved(file)
      return file.bytes
    })
  }

  open(): SnapshotReader {
    return new SpoolReader(this.#path)
  }

  /** The name goes as soon as there is one; who has opened the file reads on. */
  close(): void {
    const remove = (): void => void rm(this.#path, { force: true }).catch(() => {})
    this.ready.then(remove, remove)
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

/** A snapshot that says where the data are, and perhaps which functions there are. */
class KeylessSnapshot implements Snapshot {
  readonly isJoinable = true
  readonly ready: Promise<number>
  readonly #bytes: Buffer

  constructor(
    request: SnapshotRequest,
    { aux, libraries }: SnapshotPreamble,
    rules: RdbChunkOptions & Pick<SnapshotRules, 'access'>,
  ) {
    const chunks: Uint8Array[] = []
    const writer = new RdbFileWriter((bytes, start, end) => chunks.push(bytes.slice(start, end)), {
      ...rules,
      rdbVersion: request.rdbVersion,
    })
    writer.begin(aux, request.filter.functions ? libraries : [])
    writer.end()
    this.#bytes = Buffer.concat(chunks)
    this.ready = Promise.resolve(this.#bytes.length)
  }

  open(): SnapshotReader {
    const pieces = [Buffer.from(this.#bytes)]
    return { read: () => Promise.resolve(pieces.pop()), close: () => {} }
  }

  close(): void {}
}
