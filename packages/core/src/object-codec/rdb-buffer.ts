/** What is written, in one piece that grows: payloads of DUMP, and records that are handed over whole. */
import { KeyspaceError } from '../errors.ts'
import { RdbWriter } from './rdb-writer.ts'
import type { ValueSource } from './value-source.ts'

const FIRST_BYTES = 4096
/** Longest value that is written in one piece. */
const WRITTEN_BYTES_MAX = 2 ** 30

export class RdbBuffer extends RdbWriter {
  /** @param compress may strings be compressed (`rdbcompression`)? */
  constructor(compress: boolean = true) {
    super(new Uint8Array(FIRST_BYTES), compress, Number.POSITIVE_INFINITY)
  }

  /** What was written; borrowed until more is. */
  source(): ValueSource {
    const { bytes, length } = this
    return {
      lengthBytes: length,
      copy(offset, target, at, count) {
        target.set(bytes.subarray(offset, offset + count), at)
      },
    }
  }

  /** @throws KeyspaceError KEYSPACE_VALUE_TOO_BIG beyond 1 GiB. */
  protected override makeRoom(count: number): void {
    const needed = this.length + count
    if (needed > WRITTEN_BYTES_MAX) {
      throw new KeyspaceError('KEYSPACE_VALUE_TOO_BIG', `the value is too long for DUMP: more than ${needed} bytes`)
    }
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, needed))
    grown.set(this.bytes.subarray(0, this.length))
    this.bytes = grown
    this.view = new DataView(grown.buffer)
  }
}
