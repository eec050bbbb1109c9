/**
 * The file to which the snapshot of one full resync is also written (`repl-diskless-load disabled`). Until the data are adopted it has
 * a temporary name: the file that a start loads is that of the data in memory, whatever becomes of the resync. The writing itself is
 * the loader's.
 *
 *     the loader writes, under temporaryPath ──┬─► keep()      takes the name that a start loads
 *                                              └─► discard()   is gone
 *
 * Source: redis 7.0 replication.c readSyncBulkPayload().
 */
import { close, constants, openSync, renameSync, unlink } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Clock, Logger, RdbLoadResult } from '@understudy/core/internal'
import { fileFailure } from '@understudy/rdb-worker'
import { errorText } from '../error-text.ts'
import { syncDirectory } from '../sync-directory.ts'
import { temporaryPath } from '../temporary-path.ts'
import type { ReplicaLinkConfig } from './replica-link-ports.ts'

export class SyncFile {
  /** Where the loader is to write. */
  readonly temporaryPath: string
  /** Why it was not kept; empty: it was, or did not have to be. */
  fault = ''
  readonly #path: string
  readonly #config: ReplicaLinkConfig
  readonly #logger: Logger

  constructor(config: ReplicaLinkConfig, clock: Clock, logger: Logger) {
    const { directory, dbFileName } = config
    this.#config = config
    this.#logger = logger
    this.#path = join(directory, dbFileName)
    this.temporaryPath = temporaryPath(directory, `${clock.wallMs()}.`, dbFileName)
  }

  /** Is it, once kept, the file that a start loads? */
  get isKept(): boolean {
    const { directory, dbFileName, deleteSyncFiles } = this.#config
    // CONFIG SET may have moved that one meanwhile.
    return this.#path === join(directory, dbFileName) && this.fault === '' && !deleteSyncFiles
  }

  /** Its data are in place: it takes the name in this call, and the name gets to the disk behind it. */
  keep({ fileFault }: RdbLoadResult): void {
    this.fault = fileFault ?? this.#rename()
    if (this.fault !== '') {
      this.#logger.warning(
        `The snapshot was loaded, but not kept as ${this.#path}: ${this.fault}. A file of that name is the one from before`,
      )
    } else if (this.#config.deleteSyncFiles) this.#delete()
    else void this.#syncName()
  }

  /** The loader has written it, and its data are not wanted. */
  discard(): void {
    // It may be gone, or never have been made.
    unlink(this.temporaryPath, () => {})
  }

  /** @returns why it could not be; empty: it was */
  #rename(): string {
    const old = openIfThere(this.#path)
    try {
      renameSync(this.temporaryPath, this.#path)
      return ''
    } catch (error) {
      this.discard()
      return fileFailure(`cannot rename ${this.temporaryPath} to`, this.#path, error).message
    } finally {
      // The blocks of a large file are given back with its last descriptor: not in this thread.
      if (old !== undefined) close(old)
    }
  }

  async #syncName(): Promise<void> {
    try {
      await syncDirectory(dirname(this.#path))
    } catch (error) {
      this.fault = errorText(error)
      this.#logger.warning(
        `The snapshot was kept as ${this.#path}, but a crash may bring back the one from before: ${this.fault}`,
      )
    }
  }

  #delete(): void {
    unlink(this.#path, (error) => {
      if (error === null)
        this.#logger.notice(`Removed '${this.#path}': rdb-del-sync-files is on and nothing else needs it`)
      else this.#logger.warning(`Cannot remove the synchronization's file '${this.#path}': ${error.message}`)
    })
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch {
    return undefined
  }
}
