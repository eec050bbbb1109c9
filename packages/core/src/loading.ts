/**
 * A third door, for `rdb-worker`: what the threads that load snapshots read. They start while a snapshot is waiting, and
 * commands, links and clients would more than double the modules that are read first.
 */
export * from './encoding/crc64.ts'
export * from './encoding/lzf.ts'
export * from './encoding/packed-item.ts'
export * from './errors.ts'
export * from './keyspace/bulk-writer.ts'
export * from './keyspace/generation.ts'
export * from './keyspace/key-hash.ts'
export * from './keyspace/layout.ts'
export * from './keyspace/memory-fingerprint.ts'
export * from './limits.ts'
export * from './memory/copy-bytes.ts'
export * from './object-codec/rdb-length.ts'
export * from './object-codec/rdb-names.ts'
export * from './object-codec/rdb-types.ts'
export * from './object-codec/string-codec.ts'
export * from './object-codec/valkey-hash.ts'
export * from './object-codec/value-grammar.ts'
export * from './object-codec/value-walker.ts'
export type * from './ports.ts'
export * from './values/thresholds.ts'
