/**
 * A keyspace as a snapshot for several targets at once, in one go, in the thread that does nothing else: piece by piece to those who take
 * it as it is made, into a file for the others, or both. A disk that fails costs the file only; who takes it live goes on.
 */
import { writeSync } from 'node:fs'
import {
  type KeyspaceReads,
  type RdbChunkOptions,
  RdbFileWriter,
  ReplicaError,
  type SnapshotRules,
  writeDataset,
} from '@understudy/core/saving'
import type { MessagePort } from 'node:worker_threads'
import { fileFailure } from '../file/file-failure.ts'
import { type ErrorRecord, toRecord } from '../messages.ts'
import type { SavedFile, SnapshotPreamble } from './save-file.ts'
import { PIECE_BYTES_MAX, type PieceMemory, PieceWriter } from './snapshot-pieces.ts'

export interface PassOrder {
  readonly rules: SnapshotRules & Omit<RdbChunkOptions, 'chunkBytes'>
  readonly hasKeys: boolean
  readonly pieces: PieceMemory
  /** Gets a message for each piece. */
  readonly port: MessagePort
  /** An open file, written from its beginning; its path is for what is said of it. */
  readonly file: { readonly descriptor: number; readonly path: string } | undefined
}

export interface PassResult extends SavedFile {
  /** Why the file does not have it. */
  readonly fileFault?: ErrorRecord
}

/**
 * @throws RdbVersionError for a value that the version does not know, ReplicaError FILE_FAILED when the file was all that it was for,
 * RDB_ABORTED when it was given up
 */
export function writePass(keyspace: KeyspaceReads, preamble: SnapshotPreamble, order: PassOrder): PassResult {
  const { rules, hasKeys, pieces, port } = order
  const isLive = pieces.slots > 0
  const out = new PieceWriter(pieces, () => port.postMessage(undefined))
  let { file } = order
  let fileFault: ErrorRecord | undefined
  const sink = (bytes: Uint8Array, start: number, end: number): void => {
    if (out.isGivenUp) throw new ReplicaError('RDB_ABORTED', 'the snapshot is not wanted any more')
    if (file !== undefined) {
      try {
        for (let at = start; at < end;) at += writeSync(file.descriptor, bytes, at, end - at)
      } catch (error) {
        const failure = fileFailure('cannot write', file.path, error)
        if (!isLive) throw failure
        file = undefined
        fileFault = toRecord(failure, 0)
      }
    }
    if (isLive) out.write(bytes, start, end)
  }
  const writer = new RdbFileWriter(sink, { ...rules, chunkBytes: PIECE_BYTES_MAX })
  writer.begin(preamble.aux, preamble.libraries)
  const keys = hasKeys ? writeDataset(keyspace, writer) : 0
  writer.end()
  const { rdbVersion } = rules
  return { keys, bytes: writer.writtenBytes, rdbVersion, ...(fileFault === undefined ? {} : { fileFault }) }
}
