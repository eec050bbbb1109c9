/**
 * Looks at a snapshot in a file without loading it: the scanner's checks of structure, values and checksum, and what it found
 * by the way. What only a load can notice, a key that comes twice, is not noticed.
 */
import { RdbError, ReplicaError } from '@understudy/core/loading'
import type { ErrorCode, RdbSummary } from '@understudy/core/loading'
import { lengthOfFile, scanFile } from '../scan/scan-file.ts'
import { RdbScanner } from '../scan/scanner.ts'
import { ScanWindow } from '../scan/window.ts'
import { CountingSink } from './counting-sink.ts'
import type { DatabaseCounts } from './counting-sink.ts'

export interface SnapshotFault {
  readonly code: ErrorCode
  readonly message: string
  /** Where in the file; -1: the file itself cannot be read. */
  readonly byteOffset: number
  /** Of the key being read, printable; undefined between keys. */
  readonly key: string | undefined
}

export interface SnapshotReport {
  /** Of the file; 0 if it cannot be read. */
  readonly fileBytes: number
  /** What was found, up to the fault if there is one; undefined: not even a header. */
  readonly summary: RdbSummary | undefined
  readonly databases: readonly DatabaseCounts[]
  /** The first that was met. */
  readonly fault: SnapshotFault | undefined
}

/** Reads the whole file; blocks the calling thread. @param onProgress called about once a MiB */
export function checkSnapshotFile(
  path: string,
  onProgress?: (doneBytes: number, totalBytes: number, keys: number) => void,
): SnapshotReport {
  const fileBytes = lengthOfFile(path)
  const sink = new CountingSink()
  const scanner = new RdbScanner(sink, { verifyChecksum: true, totalBytes: fileBytes })
  const window = new ScanWindow(scanner)
  let fault: SnapshotFault | undefined
  try {
    scanFile(path, scanner, window, (totalBytes) => onProgress?.(scanner.consumedBytes, totalBytes, scanner.keyCount))
  } catch (error) {
    if (!(error instanceof ReplicaError)) throw error
    const { byteOffset, key } = error instanceof RdbError ? error : { byteOffset: -1, key: undefined }
    fault = { code: error.code, message: error.message, byteOffset, key }
  }
  const summary = scanner.summary()
  if (fault === undefined && summary.byteCount < fileBytes) fault = trailingBytes(summary.byteCount, fileBytes)
  return { fileBytes, summary: summary.version > 0 ? summary : undefined, databases: sink.databases, fault }
}

/** A load stops at the end of the snapshot, as Redis does; half of somebody's data may stand behind it. */
function trailingBytes(byteOffset: number, fileBytes: number): SnapshotFault {
  const { message } = new RdbError(
    'RDB_TRAILING_BYTES',
    `${fileBytes - byteOffset} bytes stand behind the end of the snapshot, and no load reads them`,
    byteOffset,
  )
  return { code: 'RDB_TRAILING_BYTES', message, byteOffset, key: undefined }
}
