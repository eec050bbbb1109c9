/**
 * What is written, out through one chunk of memory: whenever it is full it goes to the sink, and its checksum is taken on the
 * way. Snapshots of any size are written with the memory of a chunk and two pieces.
 */
import { strict as assert } from 'node:assert'
import { Crc64 } from '../encoding/crc64.ts'
import { RdbWriter } from './rdb-writer.ts'

/** Takes `bytes[start .. end)`, which are the writer's again when it returns. What it throws ends the snapshot. */
export type RdbByteSink = (bytes: Uint8Array, start: number, end: number) => void

export interface RdbChunkOptions {
  /** `rdbcompression` */
  readonly compress: boolean
  /** `rdbchecksum` */
  readonly checksum: boolean
  /** Bytes of a chunk. Default 256 KiB. */
  readonly chunkBytes?: number
}

const CHUNK_BYTES: number = 256 << 10
const CHUNK_BYTES_MIN = 128

export class RdbChunks extends RdbWriter {
  readonly #sink: RdbByteSink
  readonly #crc: Crc64 | undefined
  #sunkBytes = 0

  constructor(sink: RdbByteSink, { compress, checksum, chunkBytes = CHUNK_BYTES }: RdbChunkOptions) {
    assert.ok(chunkBytes >= CHUNK_BYTES_MIN)
    // Half a chunk: then a string and its length fit, however it is written.
    super(new Uint8Array(chunkBytes), compress, chunkBytes >>> 1)
    this.#sink = sink
    this.#crc = checksum ? new Crc64() : undefined
  }

  /** Bytes written so far, those in the chunk included. */
  get writtenBytes(): number {
    return this.#sunkBytes + this.length
  }

  /** Hands the chunk at hand to the sink. */
  flush(): void {
    const { bytes, length } = this
    if (length === 0) return
    this.#crc?.update(bytes, 0, length)
    this.#sunkBytes += length
    this.length = 0
    this.#sink(bytes, 0, length)
  }

  /** Writes the checksum of all before it, or eight zeros for none, and hands over the last chunk. */
  end(): void {
    this.flush()
    this.bytes.fill(0, 0, CHECKSUM_BYTES)
    this.#crc?.write(this.bytes, 0)
    this.length = CHECKSUM_BYTES
    this.flush()
  }

  protected override makeRoom(): void {
    this.flush()
  }
}

const CHECKSUM_BYTES = 8
