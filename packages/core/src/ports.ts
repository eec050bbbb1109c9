/**
 * What core asks of the world, and the world of core: the only way outward. `rdb-worker` implements `RdbLoader`, `net`
 * implements the transport, tests implement all of them in memory.
 */
import type { GenerationTransfer } from './keyspace/generation.ts'
import type { RdbFamily } from './object-codec/rdb-types.ts'
import type { EncodingThresholds } from './values/thresholds.ts'

/** Time, passed in so that tests own it. */
export interface Clock {
  /** Milliseconds on a clock that never jumps: time-outs. */
  monotonicMs(): number
  /** Milliseconds since 1970: expiry. */
  wallMs(): number
}

export interface Logger {
  debug(message: string): void
  verbose(message: string): void
  notice(message: string): void
  warning(message: string): void
}

/**
 * Receives the entries of a snapshot in file order. Implemented by the keyspace's bulk writer, and by tests.
 *
 * `bytes[start .. end)` arguments are borrowed until the next `flush()` returns: an implementation may put entries
 * off to insert them in batches, and the caller must not overwrite the bytes before it has called `flush()`.
 */
export interface RdbSink {
  /** Databases that exist: a SELECTDB at or beyond it is refused by the scanner. */
  readonly databaseCount: number
  /**
   * Present: the sink checks the structure of values itself, perhaps in another thread. The scanner then only finds where the
   * value of a `put` ends, and says here, before the put, at which byte of the snapshot it begins; the sink sets it back to -1.
   * -1 at a put, and values that come in pieces: the value is checked.
   */
  uncheckedAt?: number
  /** RESIZEDB: how many keys (and keys with a TTL) to expect in `db`. A hint; hostile values must do no harm. */
  resizeHint(db: number, keys: number, expires: number): void
  /**
   * One whole entry. `rdbType` is the value type byte of the file. For strings (type 0) the value is the decoded string
   * (integers as decimal text, LZF undone); for every other type the value's bytes as they stand in the file
   * after the key, in which packed blobs that were compressed may be plain strings instead (see `uncheckedAt`). `expireAtMs` is -1 for none; `idleSeconds` and `freq` are -1 when the file does not tell.
   */
  put(
    db: number,
    rdbType: number,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
    expireAtMs: number,
    idleSeconds: number,
    freq: number,
  ): void
  /** An entry whose value comes in pieces (longer than the scanner's window): begin, any number of appends, end or drop. */
  begin(
    db: number,
    rdbType: number,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    expireAtMs: number,
    idleSeconds: number,
    freq: number,
  ): void
  append(bytes: Uint8Array, start: number, end: number): void
  end(): void
  /** Instead of `end()`: the value has no elements, so there is no such key. */
  drop(): void
  /** No bytes are borrowed any more when this returns. What was put is inserted, or on its way in another thread. */
  flush(): void
}

/** What stands in a snapshot beside the keys. */
export interface RdbSummary {
  /** Which magic the header has. */
  family: RdbFamily
  /** RDB version of the header. */
  version: number
  /** AUX fields in file order: repl-id, repl-offset, repl-stream-db, redis-ver … */
  aux: [name: string, value: string][]
  /** FUNCTION2 payloads (library sources), kept for FUNCTION DUMP and for replicas below. */
  functions: Uint8Array[]
  /** Keys taken, by value type byte. */
  keysByType: Record<number, number>
  /** What RESIZEDB said: keys by database, in file order. */
  announcedKeys: [db: number, keys: number][]
  /** Keys of modules that were skipped whole, by module name. */
  skippedModules: Record<string, number>
  /** Keys without elements, dropped as redis 7.0 drops them. */
  emptyKeysDropped: number
  /** MODULE_AUX sections skipped. */
  skippedModuleAux: number
  /** Metadata of modules attached to keys (redis 8.6) that were skipped; the keys were taken. */
  skippedKeyMeta: number
  /** False when the file carries no checksum (eight zero bytes, or a version below 5). */
  checksumVerified: boolean
  /** Length of the snapshot in bytes, magic and checksum included. */
  byteCount: number
}

export interface RdbLoadResult {
  generation: GenerationTransfer
  summary: RdbSummary
  /** Keys inserted in all. */
  keyCount: number
  /** Why there is no `file`; the data are right all the same. */
  fileFault?: string
}

export interface RdbLoadOptions {
  /** 'length': `byteLength` bytes are the snapshot. 'mark': it ends by itself and `endMark` (40 bytes) must follow. */
  framing: { kind: 'length'; byteLength: number } | { kind: 'mark'; endMark: Uint8Array }
  /** Databases of the new generation. */
  databaseCount: number
  /** Seed of the key hash (16 bytes): the same in all generations of a process, so that SCANs survive a swap. */
  hashSeed: Uint8Array
  verifyChecksum: boolean
  /**
   * Also write the bytes to a file of this path, fsynced as it grows. It is complete and on the disk when `result` resolves, and the
   * caller's to name or to remove from then on; with any other end it is gone. A disk that fails costs the file, not the load
   * (`fileFault`). Left out: nothing touches the disk.
   */
  file?: string
  /** When values change their encoding (hash-max-listpack-entries …); Redis' defaults when left out. */
  encodings?: EncodingThresholds
  /** Keys keep how frequently they are used (an LFU policy), not when they were used last. */
  tracksFrequency?: boolean
  /** Microseconds to sleep per key, for tests that need a slow load (key-load-delay); negative: that many keys per µs. */
  keyLoadDelayMicros?: number
  /** Old data are served meanwhile: the loaders leave the processors to whoever serves them. */
  givesWay?: boolean
}

/** A snapshot being loaded from bytes that the caller receives. All methods are called on the caller's thread. */
export interface RdbLoad {
  /**
   * The next free contiguous bytes (shared memory; receive straight into it), at most `limit` of them when given.
   * Undefined while full: stop reading the socket until `onSpace` is called.
   */
  writable(limit?: number): Uint8Array | undefined
  /** `count` bytes were put at the start of what `writable()` returned. */
  produced(count: number): void
  /** Called once each time space appears after `writable()` returned undefined. */
  onSpace: (() => void) | undefined
  /**
   * More comes than one thread loads. A load begins with one: it takes less processor time in all, which whoever sends the snapshot may
   * need. Harmless to repeat.
   */
  useAllThreads(): void
  /** No more bytes will come. With missing bytes this makes the load fail with RDB_TRUNCATED. */
  end(): void
  /** Give up: `result` rejects with RDB_ABORTED, unless everything was loaded already. Harmless after the end. */
  abort(): void
  /** Bytes of the snapshot parsed so far, and keys inserted. */
  progress(): { loadedBytes: number; loadedKeys: number }
  /**
   * Resolves when all bytes were checked and inserted (and the file is complete); rejects with an RdbError, of `loadFile` also
   * with a FILE_FAILED ReplicaError, never with anything else. A worker that dies rejects with RDB_WORKER_FAILED.
   */
  readonly result: Promise<RdbLoadResult>
  /**
   * After `result` resolved with framing 'mark': bytes received behind the end mark, in pieces, in order; they belong to the stream. Views of
   * the load's memory, which nobody writes to any more.
   */
  leftover(): Uint8Array[]
}

export interface RdbLoader {
  /** Starts to load what the caller is going to receive. @throws ReplicaError BAD_ARGUMENT for no databases, or a seed of another length */
  load(options: RdbLoadOptions): RdbLoad
  /** Loads a file (dir/dbfilename at start). `onProgress` is called a few times a second. @throws as `load` does, by its promise */
  loadFile(
    path: string,
    options: Omit<RdbLoadOptions, 'framing' | 'file'>,
    onProgress?: (loadedBytes: number, totalBytes: number, loadedKeys: number) => void,
  ): Promise<RdbLoadResult>
  /** Stops the worker threads. */
  close(): Promise<void>
}
