/**
 * Snapshots of this node on its disk: when one is due, what became of the last one, and what that means for writes. How a file
 * is written is rdb-worker's; SHUTDOWN is shutdown.ts.
 *
 *   SAVE, SHUTDOWN        now, in this thread: nobody is served meanwhile
 *   BGSAVE, save points   beside the writer, by `Snapshots`
 *
 * Source: redis 7.0 rdb.c rdbSave(), server.c serverCron(), writeCommandsDeniedByDiskError().
 */
import { join } from 'node:path'
import {
  type AuxField,
  type Clock,
  type Keyspace,
  type Logger,
  RDB_VERSION_DEFAULT,
  RDB_VERSION_WRITTEN_MAX,
  type RdbLoadResult,
  ReplicaError,
} from '@understudy/core/internal'
import {
  type FileCalls,
  saveFile,
  type SavedFile,
  type SaveFileOptions,
  type SnapshotPreamble,
  type Snapshots,
} from '@understudy/rdb-worker'
import type { Config } from '../config/config.ts'
import { fromByteString } from '../config/directive.ts'
import { temporaryPath } from '../temporary-path.ts'
import { keepOldFile } from './kept-file.ts'
import { snapshotRules } from './snapshot-facts.ts'

/** A background save that failed is tried again by save points after so long. */
const RETRY_MS = 5000
/** Files of Valkey 8 and 9 come as data that redis 7.2's version can hold, field TTLs apart. */
const RDB_VERSION_OF_VALKEY = 11

export interface PersistencePorts {
  readonly config: Config
  readonly clock: Clock
  readonly logger: Logger
  readonly keyspace: Keyspace
  /** What a file says beside the keys, of the moment. */
  readonly preamble: () => SnapshotPreamble
  readonly snapshots: Snapshots
  /** Whether a client's writes are refused has changed, perhaps. */
  readonly onOutcome: () => void
  /** The snapshot that a start loads is another one. @param aux what it says beside the keys */
  readonly onSaved?: (aux: readonly AuxField[]) => void
  /** Default: node's. */
  readonly calls?: FileCalls
}

/** What was known of a snapshot when it was taken. */
interface SavedSnapshot {
  /** `keyspace.dirty`. */
  readonly changes: number
  readonly aux: SnapshotPreamble['aux']
  readonly path: string
}

interface BackgroundSave {
  readonly startedMs: number
  /** `keyspace.dirty` that the snapshot has. */
  readonly changes: number
  /** Its data are not those of this node any more, or a newer file has them. */
  isUnwanted: boolean
}

export type BackgroundStart = 'started' | 'scheduled' | 'busy'

export class Persistence {
  /** Milliseconds since 1970 of the last snapshot; the start of the process counts as one. */
  lastSaveMs: number
  /** Why the last save failed; empty: it did not. */
  fault = ''
  /** Snapshots written since the start. */
  saves = 0
  /** Of the last background save; -1: there was none. */
  lastBackgroundSeconds = -1

  readonly #ports: PersistencePorts
  /** `keyspace.dirty` that the last snapshot has. */
  #savedChanges = 0
  /** A background save was asked for inside a transaction, and begins behind it. */
  #isScheduled = false
  #background: BackgroundSave | undefined
  /** When the last background save began, monotonic. */
  #triedAtMs = Number.NEGATIVE_INFINITY
  /** `keyspace.dirty` when this node began as a primary without data while the file may have some; undefined: it has had them, or kept them. */
  #emptySince: number | undefined
  /** RDB version of files: that of the data that came, or that they needed last time. */
  #rdbVersion = RDB_VERSION_DEFAULT

  constructor(ports: PersistencePorts) {
    this.#ports = ports
    this.lastSaveMs = ports.clock.wallMs()
  }

  /** RDB version of the files that are written. */
  get rdbVersion(): number {
    return this.#rdbVersion
  }

  /** rdb_changes_since_last_save. */
  get changes(): number {
    return this.#ports.keyspace.dirty - this.#savedChanges
  }

  /** Nothing was written since this node began empty: the file that is there is worth more. */
  get hasNothing(): boolean {
    return this.#emptySince === this.#ports.keyspace.dirty
  }

  get isSaving(): boolean {
    return this.#background !== undefined
  }

  /** Seconds that the background save under way has taken, -1: there is none. */
  get backgroundSeconds(): number {
    if (this.#background === undefined) return -1
    return Math.floor((this.#ports.clock.monotonicMs() - this.#background.startedMs) / 1000)
  }

  /** Are clients' writes to be refused because they might not survive (stop-writes-on-bgsave-error)? */
  get stopsWrites(): boolean {
    const { config } = this.#ports
    return this.fault !== '' && config.get('stop-writes-on-bgsave-error') && config.get('save').length > 0
  }

  /**
   * Data came whole. Files are of their version from now on, so that whoever made them can read ours. A snapshot of the data before
   * gets no name when this returns: it could take that of the file in which these came.
   * @param isFile they are what the file of this node has; else no file has them
   */
  noteLoaded({ summary, keyCount }: RdbLoadResult, isFile: boolean): void {
    this.#giveUpBackground()
    const version = summary.family === 'valkey' ? RDB_VERSION_OF_VALKEY : summary.version
    this.#rdbVersion = Math.min(Math.max(version, RDB_VERSION_DEFAULT), RDB_VERSION_WRITTEN_MAX)
    this.#savedChanges = this.#ports.keyspace.dirty - (isFile ? 0 : keyCount)
    this.#emptySince = undefined
  }

  /** A node whose data never came, or were dropped for others that did not come, is a primary now. What the file has it does not have. */
  beganEmpty(): void {
    const { keyspace, logger } = this.#ports
    this.#emptySince = keyspace.dirty
    this.#savedChanges = keyspace.dirty
    logger.warning(
      `This node has no data and is an empty primary now. What there is as ${this.#path} stays while nothing is written here, and is ` +
        'kept under another name when this node saves',
    )
  }

  /** The file that a start loads has the data of now, though it was not saved: a full resync brought it. */
  noteFile(): void {
    this.#savedChanges = this.#ports.keyspace.dirty
  }

  /** Saves now; this thread does nothing else meanwhile. @returns false when it failed, which was logged */
  save(): boolean {
    const { keyspace, calls } = this.#ports
    const { dirty } = keyspace
    // At the end of the process: an older one must not take the name of this one.
    this.#giveUpBackground()
    try {
      const options = this.#options('')
      const preamble = this.#ports.preamble()
      this.#keepOldFile(options.path)
      const saved = saveFile(keyspace, preamble, { ...options, ...(calls === undefined ? {} : { calls }) })
      this.#saved(saved, { changes: dirty, aux: preamble.aux, path: options.path })
      this.#ports.logger.notice('DB saved on disk')
      return true
    } catch (error) {
      this.#failed(error)
      return false
    }
  }

  /** Saves beside the writer, at once unless a transaction is being executed. The outcome is logged, and to be seen in INFO. */
  saveInBackground(): BackgroundStart {
    const { clock, keyspace, logger } = this.#ports
    if (this.#background !== undefined) return 'busy'
    this.#isScheduled = keyspace.counters.isOpen
    if (this.#isScheduled) return 'scheduled'
    const background = { startedMs: clock.monotonicMs(), changes: keyspace.dirty, isUnwanted: false }
    this.#background = background
    this.#triedAtMs = background.startedMs
    logger.notice('Background saving started')
    const preamble = this.#ports.preamble()
    const options = this.#options('bg-')
    this.#saveBeside(preamble, options).then(
      (saved) => {
        this.#backgroundEnded(background)
        // It had its name already when it was given up.
        if (background.isUnwanted) return logger.notice('Background saving given up')
        this.#saved(saved, { changes: background.changes, aux: preamble.aux, path: options.path })
        logger.notice('Background saving terminated with success')
      },
      (error: unknown) => {
        this.#backgroundEnded(background)
        // Not by this: the process ends.
        const isAborted = error instanceof ReplicaError && error.code === 'RDB_ABORTED'
        if (background.isUnwanted || isAborted) logger.notice('Background saving given up')
        else this.#failed(error)
      },
    )
    return 'started'
  }

  /**
   * FLUSHALL was carried out, here or by the stream. What is being saved is gone. With save points the file is to be empty, too, or a
   * restart would bring everything back. It may say that it is of a little before: what comes since is then asked for and applied
   * again, FLUSHALL included.
   */
  datasetFlushed(): void {
    this.#giveUpBackground()
    if (this.#ports.config.get('save').length > 0) this.save()
  }

  /** Called often: saves in the background when a save point is reached. */
  tick(): void {
    const { clock, config, logger } = this.#ports
    if (this.#background !== undefined) return
    if (this.#isScheduled) {
      this.saveInBackground()
      return
    }
    const { changes } = this
    const nowMs = clock.wallMs()
    const due = config
      .get('save')
      .find((point) => changes >= point.changes && nowMs - this.lastSaveMs > point.seconds * 1000)
    if (due === undefined || (this.fault !== '' && clock.monotonicMs() - this.#triedAtMs <= RETRY_MS)) return
    logger.notice(`${due.changes} changes in ${due.seconds} seconds. Saving...`)
    this.saveInBackground()
  }

  /** The file that a start loads. */
  get #path(): string {
    const { config } = this.#ports
    return join(config.get('dir'), fromByteString(config.get('dbfilename')))
  }

  /** @param kind of the temporary file */
  #options(kind: string): SaveFileOptions {
    const { config } = this.#ports
    return {
      path: this.#path,
      temporaryPath: temporaryPath(config.get('dir'), kind, fromByteString(config.get('dbfilename'))),
      rdbVersion: this.#rdbVersion,
      ...snapshotRules(config),
      syncsAsItGrows: config.get('rdb-save-incremental-fsync'),
    }
  }

  async #saveBeside(preamble: SnapshotPreamble, options: SaveFileOptions): Promise<SavedFile> {
    this.#keepOldFile(options.path)
    return await this.#ports.snapshots.saveFile(preamble, options)
  }

  /** @throws ReplicaError FILE_FAILED */
  #keepOldFile(path: string): void {
    if (this.#emptySince === undefined) return
    const { clock, logger } = this.#ports
    const keptPath = keepOldFile(path, clock.wallMs())
    this.#emptySince = undefined
    if (keptPath !== undefined) logger.warning(`${path} has data that this node never had: it is kept as ${keptPath}`)
  }

  /** redis 7.0 rdb.c killRDBChild(). When this returns, no file gets its name from what is being saved. */
  #giveUpBackground(): void {
    if (this.#background === undefined || this.#background.isUnwanted) return
    this.#background.isUnwanted = true
    this.#ports.snapshots.cancel()
  }

  #backgroundEnded({ startedMs }: BackgroundSave): void {
    this.#background = undefined
    this.lastBackgroundSeconds = Math.floor((this.#ports.clock.monotonicMs() - startedMs) / 1000)
  }

  #saved({ rdbVersion }: SavedFile, { changes, aux, path }: SavedSnapshot): void {
    const { clock, logger, onOutcome, onSaved } = this.#ports
    if (rdbVersion > this.#rdbVersion) {
      logger.notice(
        `The snapshot has RDB version ${rdbVersion}: version ${this.#rdbVersion} cannot hold all of the data`,
      )
      this.#rdbVersion = rdbVersion
    }
    this.lastSaveMs = clock.wallMs()
    this.#savedChanges = changes
    this.saves++
    this.fault = ''
    // CONFIG SET may have moved it meanwhile.
    if (path === this.#path) onSaved?.(aux)
    onOutcome()
  }

  #failed(error: unknown): void {
    if (!(error instanceof ReplicaError)) throw error
    const { logger, onOutcome } = this.#ports
    this.fault = error.message
    logger.warning(`The snapshot could not be saved: ${error.message}`)
    onOutcome()
  }
}
