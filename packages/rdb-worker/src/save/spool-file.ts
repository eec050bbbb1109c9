/** A keyspace as a file that is read once and then goes: for who is to be told its length, or reads slower than it is written. */
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import {
  type KeyspaceReads,
  type RdbChunkOptions,
  RdbFileWriter,
  type SnapshotRules,
  writeDataset,
} from '@understudy/core/internal'
import { fileFailure } from '../file/file-failure.ts'
import type { SavedFile, SnapshotPreamble } from './save-file.ts'

export interface SpoolOptions extends SnapshotRules, RdbChunkOptions {
  /** Must not exist. */
  readonly path: string
  /** False: a snapshot without keys. */
  readonly hasKeys: boolean
}

/**
 * Writes the file; it is not synced. @throws RdbVersionError for a value that `rdbVersion` does not know, ReplicaError FILE_FAILED;
 * the file is gone then.
 */
export function spoolFile(keyspace: KeyspaceReads, preamble: SnapshotPreamble, options: SpoolOptions): SavedFile {
  const { path, hasKeys, rdbVersion } = options
  const onDisk = <Result>(action: string, run: () => Result): Result => {
    try {
      return run()
    } catch (error) {
      throw fileFailure(action, path, error)
    }
  }
  const descriptor = onDisk('cannot create', () => openSync(path, 'wx', 0o600))
  let isWhole = false
  try {
    const writer = new RdbFileWriter((bytes, start, end) => {
      onDisk('cannot write', () => {
        for (let at = start; at < end;) at += writeSync(descriptor, bytes, at, end - at)
      })
    }, options)
    writer.begin(preamble.aux, preamble.libraries)
    const keys = hasKeys ? writeDataset(keyspace, writer) : 0
    writer.end()
    isWhole = true
    return { keys, bytes: writer.writtenBytes, rdbVersion }
  } finally {
    closeSync(descriptor)
    if (!isWhole) rmSync(path, { force: true })
  }
}
