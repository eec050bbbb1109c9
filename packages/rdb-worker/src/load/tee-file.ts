/**
 * A snapshot written to a file while it is loaded: under a temporary name, synced as it grows so that the last sync is
 * short, renamed when all of it was found right. Blocking calls: it lives in a loader's thread.
 */
import { closeSync, fsyncSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileFailure } from './file-failure.ts'

/** As redis 7.0 replication.c REPL_MAX_WRITTEN_BEFORE_FSYNC. */
const SYNC_EVERY_BYTES: number = 8 << 20

export class TeeFile {
  readonly #path: string
  readonly #temporaryPath: string
  #descriptor: number | undefined
  #unsyncedBytes = 0
  #hasName = false

  /** @throws ReplicaError FILE_FAILED, as all methods do */
  constructor(path: string, temporaryPath: string) {
    this.#path = path
    this.#temporaryPath = temporaryPath
    this.#descriptor = attempt('cannot create', temporaryPath, () => openSync(temporaryPath, 'w', 0o644))
  }

  write(bytes: Uint8Array, start: number, end: number): void {
    const descriptor = this.#descriptor!
    attempt('cannot write', this.#temporaryPath, () => {
      for (let at = start; at < end;) at += writeSync(descriptor, bytes, at, end - at)
      this.#unsyncedBytes += end - start
      if (this.#unsyncedBytes >= SYNC_EVERY_BYTES) {
        fsyncSync(descriptor)
        this.#unsyncedBytes = 0
      }
    })
  }

  /** Gives the file its name. It is complete and on the disk when this returns. */
  complete(): void {
    const descriptor = this.#descriptor!
    attempt('cannot write', this.#temporaryPath, () => fsyncSync(descriptor))
    this.#close()
    attempt(`cannot rename ${this.#temporaryPath} to`, this.#path, () => renameSync(this.#temporaryPath, this.#path))
    this.#hasName = true
    attempt('cannot sync', dirname(this.#path), () => {
      const directory = openSync(dirname(this.#path), 'r')
      try {
        fsyncSync(directory)
      } finally {
        closeSync(directory)
      }
    })
  }

  /** Removes what has not got its name. Never throws; harmless after `complete()`. */
  discard(): void {
    if (this.#hasName) return
    try {
      if (this.#descriptor !== undefined) this.#close()
      unlinkSync(this.#temporaryPath)
    } catch {
      // What failed before is the error to tell; this one could only hide it.
    }
  }

  #close(): void {
    const descriptor = this.#descriptor!
    this.#descriptor = undefined
    closeSync(descriptor)
  }
}

function attempt<Result>(action: string, path: string, run: () => Result): Result {
  try {
    return run()
  } catch (error) {
    throw fileFailure(action, path, error)
  }
}
