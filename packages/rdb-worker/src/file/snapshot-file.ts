/**
 * A snapshot on its way to the disk: under a temporary name, synced as it grows so that the last sync is short. What is saved gets its
 * name when all of it is there; what is received is named by whoever takes the data. Blocking calls: it lives in a loader's thread, or in
 * one that is to wait.
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
  readonly #temporaryPath: string
  readonly #syncsAsItGrows: boolean
  readonly #calls: FileCalls
  #descriptor: number | undefined
  #unsyncedBytes = 0
  #hasName = false

  /** @throws ReplicaError FILE_FAILED, as all methods do, or what a call threw that is one already */
  constructor(temporaryPath: string, options: SnapshotFileOptions = {}) {
    const { syncsAsItGrows = true, calls = NODE_CALLS } = options
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

  /** All of it is there: it is on the disk when this returns, under its temporary name. */
  complete(): void {
    attempt('cannot write', this.#temporaryPath, () => {
      this.#calls.fsyncSync(this.#descriptor!)
      this.#close()
    })
  }

  /** It is complete, and takes the place of the file that has this name, which is beside it. On the disk when this returns. */
  rename(path: string): void {
    const calls = this.#calls
    attempt(`cannot rename ${this.#temporaryPath} to`, path, () => calls.renameSync(this.#temporaryPath, path))
    this.#hasName = true
    attempt('cannot sync', dirname(path), () => {
      const directory = calls.openSync(dirname(path), 'r')
      try {
        calls.fsyncSync(directory)
      } finally {
        calls.closeSync(directory)
      }
    })
  }

  /** Removes what has not got its name. Never throws; harmless after `rename()`. */
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
