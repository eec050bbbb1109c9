/**
 * Public door of @understudy/core: what an embedding application may use. Reading the dataset in any thread that was
 * given a `ReaderHandle`, and the errors to match by `code`.
 */
export { BorrowedValue } from './reader/borrowed-value.ts'
export { KeyspaceReader } from './reader/keyspace-reader.ts'
export type { KeyspaceReaderOptions, Name, ScanOptions, StreamEntry } from './reader/keyspace-reader.ts'
export type { ReaderHandle } from './keyspace/readers.ts'
export type { Clock, Logger } from './ports.ts'
export { ConfigError, ERROR_CODES, KeyspaceError, LinkError, ProtocolError, RdbError, ReplicaError } from './errors.ts'
export type { ErrorCode, ReplicaErrorOptions } from './errors.ts'
