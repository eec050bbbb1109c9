/** Seeded damage to an RDB: bit flips, wrong lengths, lost, doubled and foreign bytes; with the checksum put right, or not. */
import { crc64 } from '@understudy/core/internal'
import type { SeededRandom } from './seeded-random.ts'

const MAGIC_BYTES = 9
const CRC_BYTES = 8

const KINDS = [
  'flip',
  'overwrite',
  'length',
  'remove',
  'insert',
  'double',
  'truncate',
  'swap',
  'zeros',
  'checksum',
] as const

export interface DamagedRdb {
  readonly bytes: Buffer
  readonly kind: (typeof KINDS)[number]
}

/** Lengths that are much more than there is: 2^32 − 1, about 2^63, 512 MiB. */
const HUGE_LENGTHS = [
  [0x80, 0xff, 0xff, 0xff, 0xff],
  [0x81, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0x80, 0x20, 0x00, 0x00, 0x00],
  [0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
]

export function damageRdb(source: Uint8Array, random: SeededRandom): DamagedRdb {
  const kind = random.pick(KINDS)
  let bytes = Buffer.from(source)
  const place = (): number => random.int(random.chance(0.02) ? 0 : MAGIC_BYTES, bytes.length - CRC_BYTES - 1)
  const run = (at: number): number => Math.min(at + random.int(1, 40), bytes.length - CRC_BYTES)
  switch (kind) {
    case 'flip':
      for (let i = random.int(1, 4); i > 0; i--) bytes[place()]! ^= 1 << random.int(0, 7)
      break
    case 'overwrite': {
      const at = place()
      random.bytes(run(at) - at).copy(bytes, at)
      break
    }
    case 'length': {
      const at = place()
      Buffer.from(random.pick(HUGE_LENGTHS)).copy(bytes, at, 0)
      break
    }
    case 'remove': {
      const at = place()
      bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(run(at))])
      break
    }
    case 'insert': {
      const at = place()
      bytes = Buffer.concat([bytes.subarray(0, at), random.bytes(random.int(1, 40)), bytes.subarray(at)])
      break
    }
    case 'double': {
      const at = place()
      const end = Math.min(at + random.int(1, 4000), bytes.length - CRC_BYTES)
      bytes = Buffer.concat([bytes.subarray(0, end), bytes.subarray(at, end), bytes.subarray(end)])
      break
    }
    case 'truncate':
      bytes = bytes.subarray(0, random.int(0, bytes.length - 1))
      break
    case 'swap': {
      const [a, b] = [place(), place()]
      const byte = bytes[a]!
      bytes[a] = bytes[b]!
      bytes[b] = byte
      break
    }
    case 'zeros': {
      const at = place()
      bytes.fill(0, at, run(at))
      break
    }
    case 'checksum':
      bytes[bytes.length - random.int(1, CRC_BYTES)]! ^= 1 << random.int(0, 7)
  }
  // With a right checksum only what stands before it can tell.
  if (kind !== 'truncate' && kind !== 'checksum' && random.chance(0.6)) writeChecksum(bytes)
  return { bytes, kind }
}

/** The last eight bytes become the checksum of all before them. */
export function writeChecksum(rdb: Buffer): void {
  rdb.writeBigUInt64LE(crc64(rdb, 0, rdb.length - CRC_BYTES), rdb.length - CRC_BYTES)
}
