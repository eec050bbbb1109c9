/**
 * A snapshot from its first byte to its checksum, into a sink: what surrounds the keys. It knows no file and no socket, and does
 * not choose the keys: `dataset.ts` gives it all of a keyspace.
 *
 *   begin()      REDIS00vv, AUX fields, function libraries
 *   selectDb()   SELECTDB, RESIZEDB       any number of times
 *   key()        one record               any number of times
 *   end()        EOF, checksum
 *
 * Source: redis 7.0 rdb.c rdbSaveRio(); docs/formats/rdb.md.
 */
import { KeyDelay, sleepHere } from '../key-delay.ts'
import type { KeyspaceReads } from '../keyspace/keyspace-reads.ts'
import { type RdbByteSink, RdbChunks, type RdbChunkOptions } from '../object-codec/rdb-chunks.ts'
import {
  RDB_OPCODE_AUX,
  RDB_OPCODE_EOF,
  RDB_OPCODE_FUNCTION2,
  RDB_OPCODE_RESIZEDB,
  RDB_OPCODE_SELECTDB,
} from '../object-codec/rdb-opcodes.ts'
import type { AuxField } from './aux-fields.ts'
import { type SnapshotRules, writeKeyRecord } from './key-record.ts'

export type RdbFileOptions = SnapshotRules & RdbChunkOptions

export class RdbFileWriter {
  readonly #rules: SnapshotRules
  readonly #out: RdbChunks
  readonly #delay: KeyDelay | undefined

  constructor(sink: RdbByteSink, options: RdbFileOptions) {
    this.#rules = options
    this.#out = new RdbChunks(sink, options)
    const { keyDelayMicros = 0 } = options
    if (keyDelayMicros !== 0) this.#delay = new KeyDelay(keyDelayMicros, sleepHere)
  }

  /** Bytes so far, those on their way to the sink included. */
  get writtenBytes(): number {
    return this.#out.writtenBytes
  }

  /** @param libraries texts of function libraries */
  begin(aux: readonly AuxField[], libraries: Iterable<Uint8Array>): void {
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
    this.#delay?.pause()
  }

  /** All is written, and with the sink, when this returns. */
  end(): void {
    this.#out.byte(RDB_OPCODE_EOF)
    this.#out.end()
  }
}
