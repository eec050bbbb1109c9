/** Runs the scanner over bytes in the test's own thread. */
import type { RdbSummary } from '@understudy/core/internal'
import { RdbScanner, ScanWindow } from '@understudy/rdb-worker'
import { MemorySink } from './memory-sink.ts'

export interface ScanRun {
  readonly sink: MemorySink
  readonly summary: RdbSummary
  readonly keyCount: number
}

export interface ScanRunOptions {
  readonly verifyChecksum?: boolean
  readonly windowBytes?: number
  readonly databaseCount?: number
  readonly totalBytes?: number
}

/** @throws RdbError */
export function scanPieces(pieces: readonly Uint8Array[], options: ScanRunOptions = {}): ScanRun {
  const sink = new MemorySink(options.databaseCount ?? 16)
  const { totalBytes, verifyChecksum = true } = options
  const scanner = new RdbScanner(sink, { verifyChecksum, ...(totalBytes === undefined ? {} : { totalBytes }) })
  const window = new ScanWindow(scanner, options.windowBytes)
  for (const piece of pieces) window.write(piece, 0, piece.length)
  window.finish()
  return { sink, summary: scanner.summary(), keyCount: scanner.keyCount }
}

export function scanBytes(bytes: Uint8Array, options: ScanRunOptions = {}): ScanRun {
  return scanPieces([bytes], options)
}
