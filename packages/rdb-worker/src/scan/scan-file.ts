/** A file read into the scanner's window, from its first byte to the end of the snapshot. Blocks the thread it runs in. */
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { fileFailure } from '../file/file-failure.ts'
import type { RdbScanner } from './scanner.ts'
import type { ScanWindow } from './window.ts'

/**
 * @param beforePiece called before each piece is read, with the file's length; ends the scan by throwing
 * @throws RdbError; ReplicaError FILE_FAILED when the file cannot be read
 */
export function scanFile(
  path: string,
  scanner: RdbScanner,
  window: ScanWindow,
  beforePiece: (totalBytes: number) => void,
): void {
  // To open a pipe that nobody writes to would never return.
  const descriptor = attempt(path, () => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK))
  try {
    const stats = attempt(path, () => fstatSync(descriptor))
    if (!stats.isFile()) throw fileFailure('cannot read', path, 'not a file')
    while (!scanner.finished) {
      beforePiece(stats.size)
      const target = window.writable()
      const count = attempt(path, () => readSync(descriptor, target, 0, target.length, null))
      if (count === 0) window.finish()
      window.advance(count)
    }
  } finally {
    closeSync(descriptor)
  }
}

/** Length of a file; 0 when it cannot be told: whoever reads it is told why. */
export function lengthOfFile(path: string): number {
  try {
    return statSync(path).size
  } catch {
    return 0
  }
}

function attempt<Result>(path: string, run: () => Result): Result {
  try {
    return run()
  } catch (error) {
    throw fileFailure('cannot read', path, error)
  }
}
