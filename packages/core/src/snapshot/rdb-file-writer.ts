/**
 * A snapshot from its first byte to its checksum, into a sink: what surrounds the keys. It knows no file and no socket, and does
 * not choose the keys: `dataset.ts` gives it all of a keyspace.
 *
 *   begin()      REDIS00vv, AUX fields, function libraries
 *   selectDb()   SELECTDB, RESIZEDB       any number of times
 *   key()        one record               any number of times
 *   end()        EOF, checksum
 *
 * Source: redis 7.0 rdb.c rdbSaveRio(), rdbSaveInfoAuxFields(); docs/formats/rdb.md.
 */
import type { KeyspaceReads } from '../keyspace/keyspace-reads.ts'
import { type RdbByteSink, RdbChunks, type RdbChunkOptions } from '../object-codec/rdb-chunks.ts'
import {
  RDB_OPCODE_AUX,
  RDB_OPCODE_EOF,
  RDB_OPCODE_FUNCTION2,
  RDB_OPCODE_RESIZEDB,
  RDB_OPCODE_SELECTDB,
} from '../object-codec/rdb-opcodes.ts'
import { type SnapshotRules, writeKeyRecord } from './key-record.ts'

/** Where in which history of replication the data are. */
export interface SnapshotPosition {
  readonly replid: string
  readonly offset: number
  /** Database that the stream had selected. */
  readonly db: number
}

/** What the AUX fields tell. */
export interface SnapshotFacts {
  /** The version that this server says it has. */
  readonly redisVersion: string
  /** Milliseconds since 1970. */
  readonly wallMs: number
  readonly usedBytes: number
  /** Undefined for data that belong to no history. */
  readonly position: SnapshotPosition | undefined
}

/** The AUX fields, in the order in which Redis writes them. */
export function snapshotAux(facts: SnapshotFacts): [name: string, value: string][] {
  const { redisVersion, wallMs, usedBytes, position } = facts
  return [
    ['redis-ver', redisVersion],
    ['redis-bits', '64'],
    ['ctime', String(Math.floor(wallMs / 1000))],
    ['used-mem', String(usedBytes)],
    ...(position === undefined
      ? []
      : ([
          ['repl-stream-db', String(position.db)],
          ['repl-id', position.replid],
          ['repl-offset', String(position.offset)],
        ] satisfies [string, string][])),
    ['aof-base', '0'],
  ]
}

export type RdbFileOptions = SnapshotRules & RdbChunkOptions

export class RdbFileWriter {
  readonly #rules: SnapshotRules
  readonly #out: RdbChunks

  constructor(sink: RdbByteSink, options: RdbFileOptions) {
    this.#rules = options
    this.#out = new RdbChunks(sink, options)
  }

  /** Bytes so far, those on their way to the sink included. */
  get writtenBytes(): number {
    return this.#out.writtenBytes
  }

  /** @param libraries texts of function libraries */
  begin(aux: readonly (readonly [name: string, value: string])[], libraries: Iterable<Uint8Array>): void {
    const out = this.#out
    const magic = Buffer.from(`REDIS${String(this.#rules.rdbVersion).padStart(4, '0')}`)
    out.raw(magic, 0, magic.length)
    for (const field of aux) {
      out.byte(RDB_OPCODE_AUX)
      for (const text of field) {
        const bytes = Buffer.from(text)
        out.string(bytes, 0, bytes.length)
      }
    }
    for (const library of libraries) {
      out.byte(RDB_OPCODE_FUNCTION2)
      out.string(library, 0, library.length)
    }
  }

  /** The keys that follow are in `db`. @param keys @param expires how many there are in all, and with a time to live: hints */
  selectDb(db: number, keys: number, expires: number): void {
    const out = this.#out
    out.byte(RDB_OPCODE_SELECTDB)
    out.count(db)
    out.byte(RDB_OPCODE_RESIZEDB)
    out.count(keys)
    out.count(expires)
  }

  /** The key that `keyspace.entry` describes. @throws see `writeKeyRecord` */
  key(keyspace: KeyspaceReads): void {
    writeKeyRecord(keyspace, this.#out, this.#rules)
  }

  /** All is written, and with the sink, when this returns. */
  end(): void {
    this.#out.byte(RDB_OPCODE_EOF)
    this.#out.end()
  }
}
