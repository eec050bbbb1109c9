/** Writes snapshots for tests, byte by byte, with any value and any mistake one wants in it. */
import { crc64, writeLength } from '@understudy/core/internal'

export class RdbBuilder {
  readonly #parts: Uint8Array[] = []

  constructor(magic = 'REDIS0010') {
    this.raw(Buffer.from(magic))
  }

  raw(...parts: (Uint8Array | number)[]): this {
    for (const part of parts) this.#parts.push(typeof part === 'number' ? Uint8Array.of(part) : part)
    return this
  }

  length(value: number): this {
    const target = new Uint8Array(9)
    return this.raw(target.subarray(0, writeLength(value, target, 0)))
  }

  string(value: string | Uint8Array): this {
    const bytes = typeof value === 'string' ? Buffer.from(value) : value
    return this.length(bytes.length).raw(bytes)
  }

  selectDb(db: number): this {
    return this.raw(254).length(db)
  }

  aux(name: string, value: string): this {
    return this.raw(250).string(name).string(value)
  }

  expireAtMs(value: bigint): this {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(value)
    return this.raw(252, bytes)
  }

  /** Type, key and the value's bytes as given. */
  entry(rdbType: number, key: string | Uint8Array, ...value: (Uint8Array | number)[]): this {
    return this.raw(rdbType)
      .string(key)
      .raw(...value)
  }

  text(key: string | Uint8Array, value: string | Uint8Array): this {
    return this.raw(0).string(key).string(value)
  }

  /** Without EOF: what was written so far. */
  bytes(): Buffer {
    return Buffer.concat(this.#parts)
  }

  /** With EOF and checksum. */
  end(): Buffer {
    this.raw(255)
    const checksum = Buffer.alloc(8)
    checksum.writeBigUInt64LE(crc64(this.bytes()))
    return this.raw(checksum).bytes()
  }
}
