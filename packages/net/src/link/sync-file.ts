/**
 * The file to which the snapshot of a full resync is also written (`repl-diskless-load disabled`): its name, what became of it, and
 * its end when nothing else needs it. The writing itself is the loader's.
 */
import { unlink } from 'node:fs'
import { join } from 'node:path'
import type { Clock, Logger, RdbLoadOptions, RdbLoadResult } from '@understudy/core/internal'
import type { ReplicaLinkConfig } from './replica-link-ports.ts'

export class SyncFile {
  /** Why the last snapshot was not kept; empty: it was, or did not have to be. */
  fault = ''
  readonly #config: ReplicaLinkConfig
  readonly #clock: Clock
  readonly #logger: Logger
  /** Of the snapshot in progress. */
  #path: string | undefined

  constructor(config: ReplicaLinkConfig, clock: Clock, logger: Logger) {
    this.#config = config
    this.#clock = clock
    this.#logger = logger
  }

  /** Is the snapshot that was loaded last in the file that a start loads? */
  get isKept(): boolean {
    return this.#path !== undefined && this.fault === '' && !this.#config.deleteSyncFiles
  }

  /** A snapshot begins. @returns what the loader is to write; undefined: nothing */
  begin(isWanted: boolean): RdbLoadOptions['file'] {
    const { directory, dbFileName } = this.#config
    this.#path = isWanted ? join(directory, dbFileName) : undefined
    if (this.#path === undefined) return undefined
    return { path: this.#path, temporaryPath: join(directory, `temp-${this.#clock.wallMs()}.${process.pid}.rdb`) }
  }

  /** The snapshot is loaded. */
  end({ fileFault }: RdbLoadResult): void {
    const path = this.#path
    if (path === undefined) return
    this.fault = fileFault ?? ''
    if (fileFault !== undefined) {
      this.#logger.warning(
        `The snapshot was loaded, but not kept as ${path}: ${fileFault}. A file of that name is the one from before`,
      )
    } else if (this.#config.deleteSyncFiles) {
      this.#delete(path)
    }
  }

  #delete(path: string): void {
    unlink(path, (error) => {
      if (error === null) this.#logger.notice(`Removed '${path}': rdb-del-sync-files is on and nothing else needs it`)
      else this.#logger.warning(`Cannot remove the synchronization's file '${path}': ${error.message}`)
    })
  }
}
