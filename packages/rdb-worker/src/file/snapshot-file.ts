/**
 * A snapshot on its way to the disk: under a temporary name, synced as it grows so that the last sync is short, renamed when all
 * of it is there. For what is received and loaded, and for what is saved. Blocking calls: it lives in a loader's thread, or in one
 * that is to wait.
 */
import { closeSync, fsyncSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { ReplicaError } from '@understudy/core/loading'
import { fileFailure } from './file-failure.ts'

/** As redis 7.0 replication.c REPL_MAX_WRITTEN_BEFORE_FSYNC. */
const SYNC_EVERY_BYTES: number = 8 << 20

/** What is asked of the system; tests have one that fails. */
export interface FileCalls {
  openSync(path: string, flags: string, mode?: number): number
  writeSync(descriptor: number, bytes: Uint8Array, offset: number, length: number): number
  fsyncSync(descriptor: number): void
  closeSync(descriptor: number): void
  renameSync(from: string, to: string): void
  unlinkSync(path: string): void
}

export const NODE_CALLS: FileCalls = { openSync, writeSync, fsyncSync, closeSync, renameSync, unlinkSync }

export interface SnapshotFileOptions {
  /** False: only when it is complete. Default true. */
  readonly syncsAsItGrows?: boolean
  /** Default: node's. */
  readonly calls?: FileCalls
}

export class SnapshotFile {
  readonly #path: string
  readonly #temporaryPath: string
  readonly #syncsAsItGrows: boolean
  readonly #calls: FileCalls
  #descriptor: number | undefined
  #unsyncedBytes = 0
  #hasName = false

  /** @throws ReplicaError FILE_FAILED, as all methods do, or what a call threw that is one already */
  constructor(path: string, temporaryPath: string, options: SnapshotFileOptions = {}) {
    const { syncsAsItGrows = true, calls = NODE_CALLS } = options
    this.#path = path
    this.#temporaryPath = temporaryPath
    this.#syncsAsItGrows = syncsAsItGrows
    this.#calls = calls
    this.#descriptor = attempt('cannot create', temporaryPath, () => calls.openSync(temporaryPath, 'w', 0o644))
  }

  write(bytes: Uint8Array, start: number, end: number): void {
    const calls = this.#calls
    const descriptor = this.#descriptor!
    attempt('cannot write', this.#temporaryPath, () => {
      for (let at = start; at < end;) at += calls.writeSync(descriptor, bytes, at, end - at)
      this.#unsyncedBytes += end - start
      if (this.#syncsAsItGrows && this.#unsyncedBytes >= SYNC_EVERY_BYTES) {
        calls.fsyncSync(descriptor)
        this.#unsyncedBytes = 0
      }
    })
  }

  /** Gives the file its name. It is complete and on the disk when this returns. */
  complete(): void {
    const calls = this.#calls
    attempt('cannot write', this.#temporaryPath, () => {
      calls.fsyncSync(this.#descriptor!)
      this.#close()
    })
    attempt(`cannot rename ${this.#temporaryPath} to`, this.#path, () =>
      calls.renameSync(this.#temporaryPath, this.#path),
    )
    this.#hasName = true
    attempt('cannot sync', dirname(this.#path), () => {
      const directory = calls.openSync(dirname(this.#path), 'r')
      try {
        calls.fsyncSync(directory)
      } finally {
        calls.closeSync(directory)
      }
    })
  }

  /** Removes what has not got its name. Never throws; harmless after `complete()`. */
  discard(): void {
    if (this.#hasName) return
    try {
      if (this.#descriptor !== undefined) this.#close()
    } catch {
      // What failed before is the error to tell; this one could only hide it.
    }
    try {
      this.#calls.unlinkSync(this.#temporaryPath)
    } catch {
      // The same.
    }
  }

  #close(): void {
    const descriptor = this.#descriptor!
    this.#descriptor = undefined
    this.#calls.closeSync(descriptor)
  }
}

function attempt<Result>(action: string, path: string, run: () => Result): Result {
  try {
    return run()
  } catch (error) {
    // Calls of ours may refuse for other reasons than the system has.
    throw error instanceof ReplicaError ? error : fileFailure(action, path, error)
  }
}
