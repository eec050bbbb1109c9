/**
 * Every operating fault the engine can report, as one base class and a closed list of codes.
 *
 * Three kinds of failure are kept apart: bugs (`assert`, they crash), operating faults (the classes here; one place
 * decides whether to retry, resync or stop) and mistakes of clients (bytes from `resp/error-replies.ts`, never thrown).
 * Callers compare `code`, never the message or the class: two copies of this package may be loaded side by side.
 */

/** Stable codes. Once released a code is never renamed or reused. */
export const ERROR_CODES = [
  // bytes from a peer
  'PROTOCOL_BAD_LENGTH',
  'PROTOCOL_UNEXPECTED_BYTE',
  'PROTOCOL_TOO_BIG',
  // the link to the primary
  'LINK_CONNECT_FAILED',
  'LINK_CLOSED',
  'LINK_TIMEOUT',
  'LINK_AUTH_FAILED',
  'LINK_BAD_REPLY',
  'LINK_REFUSED',
  'LINK_TRY_LATER',
  'LINK_TLS_FAILED',
  // snapshots
  'RDB_BAD_MAGIC',
  'RDB_BAD_VERSION',
  'RDB_VERSION_TOO_LOW',
  'RDB_BAD_OPCODE',
  'RDB_BAD_TYPE',
  'RDB_BAD_LENGTH',
  'RDB_BAD_VALUE',
  'RDB_BAD_CHECKSUM',
  'RDB_BAD_END_MARK',
  'RDB_TRUNCATED',
  'RDB_TRAILING_BYTES',
  'RDB_DUPLICATE_KEY',
  'RDB_ABORTED',
  'RDB_WORKER_FAILED',
  // the keyspace
  'KEYSPACE_OUT_OF_MEMORY',
  'KEYSPACE_VALUE_TOO_BIG',
  'KEYSPACE_BAD_DATABASE',
  'KEYSPACE_READ_ONLY',
  'PIN_BROKEN',
  'PIN_LIMIT',
  'NOT_READY',
  // the backlog
  'BACKLOG_OVERRUN',
  // reads inside of an application
  'WRONG_TYPE',
  'BAD_ARGUMENT',
  // configuration and files
  'CONFIG_UNKNOWN_DIRECTIVE',
  'CONFIG_BAD_VALUE',
  'CONFIG_SYNTAX',
  'FILE_FAILED',
  'STREAM_LOG_BAD_VERSION',
] as const

export type ErrorCode = (typeof ERROR_CODES)[number]

export interface ReplicaErrorOptions {
  /** May the same attempt succeed later without anybody changing anything? */
  readonly retryable?: boolean
  readonly cause?: unknown
}

/** Base of every operating fault. */
export class ReplicaError extends Error {
  readonly code: ErrorCode
  readonly retryable: boolean

  constructor(code: ErrorCode, message: string, options: ReplicaErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = new.target.name
    this.code = code
    this.retryable = options.retryable ?? false
  }
}

/** Bytes that are not RESP. `byteOffset` counts from the first byte of the connection or buffer that was parsed. */
export class ProtocolError extends ReplicaError {
  readonly byteOffset: number

  constructor(code: ErrorCode, message: string, byteOffset: number) {
    super(code, `${message} (at byte ${byteOffset})`)
    this.byteOffset = byteOffset
  }
}

/** The link to the primary failed or was refused. */
export class LinkError extends ReplicaError {}

/** A snapshot that cannot be loaded. `byteOffset` counts from the first byte of the magic. */
export class RdbError extends ReplicaError {
  readonly byteOffset: number
  /** Opcode or value type byte being read, or -1 before the first one. */
  readonly opcode: number
  /** Printable form of the key being read, when one was. */
  readonly key: string | undefined

  constructor(code: ErrorCode, message: string, byteOffset: number, opcode = -1, key?: string) {
    super(code, `${message} (at byte ${byteOffset}${key === undefined ? '' : `, key '${key}'`})`)
    this.byteOffset = byteOffset
    this.opcode = opcode
    this.key = key
  }
}

/** A key cannot be written into a snapshot of the version that was asked for. */
export class RdbVersionError extends ReplicaError {
  /** Printable form of the key. */
  readonly key: string
  /** The lowest RDB version that can hold it. */
  readonly neededVersion: number

  constructor(key: string, neededVersion: number, rdbVersion: number) {
    super('RDB_VERSION_TOO_LOW', `key '${key}' needs RDB version ${neededVersion}, and the target reads ${rdbVersion}`)
    this.key = key
    this.neededVersion = neededVersion
  }
}

/** A directive that is unknown, malformed or out of range. */
export class ConfigError extends ReplicaError {}

/** The keyspace cannot take what it was given. */
export class KeyspaceError extends ReplicaError {}

/**
 * Is this how Node says that something does not fit: a string beyond 512 MiB, a buffer that cannot be allocated, a Map of 2^24 entries? Such a
 * failure is an operating fault of the request that caused it, not a bug.
 */
export function isSizeFault(error: unknown): error is Error {
  if (!(error instanceof Error)) return false
  if ('code' in error && error.code === 'ERR_STRING_TOO_LONG') return true
  return error instanceof RangeError && SIZE_FAULT.test(error.message)
}

const SIZE_FAULT =
  /^Invalid string length|^(Map|Set) maximum size exceeded|^Array buffer allocation failed|^Invalid (typed )?array (buffer )?length|"size" is out of range/
