/** A keyspace as the bytes of a snapshot, in this thread, and the chunks in which they came. */
import {
  type KeyspaceReads,
  type RdbFileOptions,
  RdbFileWriter,
  type SnapshotFacts,
  snapshotAux,
  writeDataset,
} from '@understudy/core/internal'

export const FACTS: SnapshotFacts = {
  redisVersion: '7.0.15',
  wallMs: 1_700_000_000_000,
  usedBytes: 4711,
  streamDb: undefined,
  position: undefined,
}

export interface SnapshotBytesOptions extends Partial<RdbFileOptions> {
  readonly facts?: SnapshotFacts
  readonly libraries?: readonly Uint8Array[]
}

export interface SnapshotBytes {
  readonly bytes: Buffer
  readonly chunkLengths: readonly number[]
  readonly keys: number
}

/** @throws RdbVersionError */
export function snapshotBytes(keyspace: KeyspaceReads, options: SnapshotBytesOptions = {}): SnapshotBytes {
  const chunks: Uint8Array[] = []
  const { facts = FACTS, libraries = [], ...file } = options
  const writer = new RdbFileWriter((bytes, start, end) => chunks.push(bytes.slice(start, end)), {
    rdbVersion: 12,
    access: 'none',
    compress: true,
    checksum: true,
    ...file,
  })
  writer.begin(snapshotAux(facts), libraries)
  const keys = writeDataset(keyspace, writer)
  writer.end()
  const bytes = Buffer.concat(chunks)
  if (writer.writtenBytes !== bytes.length)
    throw new Error(`${writer.writtenBytes} bytes counted, ${bytes.length} came`)
  return { bytes, chunkLengths: chunks.map(({ length }) => length), keys }
}
