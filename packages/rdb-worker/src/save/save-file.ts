/**
 * A keyspace as a snapshot file, in one go: the caller's thread does nothing else until the file is on the disk. SAVE and
 * SHUTDOWN do so in the writer's thread; beside the writer it is done from a pin (snapshot-pool.ts).
 */
import {
  type AuxField,
  type KeyspaceReads,
  RDB_VERSION_WRITTEN_MAX,
  type RdbChunkOptions,
  RdbFileWriter,
  RdbVersionError,
  type SnapshotRules,
  writeDataset,
} from '@understudy/core/saving'
import { type FileCalls, SnapshotFile } from '../file/snapshot-file.ts'

/** What a file says beside the keys. */
export interface SnapshotPreamble {
  /** AUX fields, in order. */
  readonly aux: readonly AuxField[]
  /** Texts of function libraries. */
  readonly libraries: Iterable<Uint8Array>
}

export interface SaveFileOptions extends SnapshotRules, RdbChunkOptions {
  readonly path: string
  /** Beside `path`: the name until the file is whole. */
  readonly temporaryPath: string
  /** `rdb-save-incremental-fsync`: sync as the file grows, so that the last sync is short. */
  readonly syncsAsItGrows: boolean
  /** Default: node's. */
  readonly calls?: FileCalls
}

/** Takes snapshots while writes go on. */
export interface Snapshots {
  /** As `saveFile`, of the data at the time of the call; rejects with what that throws. */
  saveFile(preamble: SnapshotPreamble, options: SaveFileOptions): Promise<SavedFile>
  /** Gives up what is under way: when this returns, no file gets its name from it any more. */
  cancel(): void
}

export interface SavedFile {
  readonly keys: number
  readonly bytes: number
  /** That of the options, or the lowest that knows all values. */
  readonly rdbVersion: number
}

/**
 * Writes the file under its temporary name, syncs it, gives it its name, and syncs the directory. Nothing may change the keyspace
 * meanwhile. A value that `options.rdbVersion` does not know makes the file one of the version that does: a node must be able to
 * keep what it holds.
 * @throws ReplicaError FILE_FAILED; a file of that name is the one from before then, and the temporary one is gone.
 */
export function saveFile(keyspace: KeyspaceReads, preamble: SnapshotPreamble, options: SaveFileOptions): SavedFile {
  let { rdbVersion } = options
  for (;;) {
    try {
      return writeFile(keyspace, preamble, { ...options, rdbVersion })
    } catch (error) {
      if (!(error instanceof RdbVersionError) || error.neededVersion > RDB_VERSION_WRITTEN_MAX) throw error
      rdbVersion = error.neededVersion
    }
  }
}

function writeFile(keyspace: KeyspaceReads, preamble: SnapshotPreamble, options: SaveFileOptions): SavedFile {
  const { path, temporaryPath, syncsAsItGrows, calls, rdbVersion } = options
  const file = new SnapshotFile(temporaryPath, { syncsAsItGrows, ...(calls === undefined ? {} : { calls }) })
  try {
    const writer = new RdbFileWriter((bytes, start, end) => file.write(bytes, start, end), options)
    writer.begin(preamble.aux, preamble.libraries)
    const keys = writeDataset(keyspace, writer)
    writer.end()
    file.complete()
    file.rename(path)
    return { keys, bytes: writer.writtenBytes, rdbVersion }
  } finally {
    file.discard()
  }
}
