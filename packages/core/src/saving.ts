/**
 * A fourth door, for `rdb-worker`: what the threads that save snapshots read. They start while a replica waits for its
 * first byte, and commands, links and clients would more than double the modules that are read first.
 */
export * from './errors.ts'
export * from './keyspace/memory-fingerprint.ts'
export * from './keyspace/pinned-keyspace.ts'
export * from './memory/copy-range.ts'
export * from './memory/untouched-memory.ts'
export * from './object-codec/rdb-types.ts'
export * from './snapshot/dataset.ts'
export * from './snapshot/rdb-file-writer.ts'
export type * from './keyspace/keyspace-reads.ts'
export type * from './keyspace/pin-board.ts'
export type * from './object-codec/rdb-chunks.ts'
export type * from './snapshot/aux-fields.ts'
export type * from './snapshot/key-record.ts'
