/**
 * Hashes with field TTLs as Valkey 9 writes them, rewritten as Redis 7.4 does, so that nothing behind the scanner has to
 * know two forms. Follows valkey 9.0 rdb.c (RDB_TYPE_HASH_2) and redis 7.4 rdb.c (RDB_TYPE_HASH_METADATA).
 *
 *   Valkey: | count | field | value | expire at, ms, i64 LE, -1 = never | …
 *   Redis:  | earliest expiry, ms, i64 LE | count | 0 = never, or expire at - earliest + 1 | field | value | …
 */
import { LengthSlot, readInt32, readInt64, readLength, writeLength } from './rdb-length.ts'
import { FIELD_EXPIRE_AT_MS_MAX, ValueFault } from './value-walker.ts'
import { readStringHeader, StringSlot } from './string-codec.ts'

const length = new LengthSlot()
const string = new StringSlot()

/**
 * Converts the walked (so well-formed) value `bytes[start .. end)`.
 * @returns new bytes: the value of an RDB_TYPE_HASH_METADATA.
 * @throws ValueFault RDB_BAD_VALUE for a TTL that Redis cannot hold
 */
export function convertValkeyHash(bytes: Uint8Array, start: number, end: number): Uint8Array {
  readLength(bytes, start, end, length)
  const count = length.value
  const first = length.next
  let earliest = Number.POSITIVE_INFINITY
  for (let at = first, left = count; left > 0; left--) {
    at = pairEnd(bytes, at, end)
    const expireAtMs = readExpiry(bytes, at, start)
    if (expireAtMs >= 0 && expireAtMs < earliest) earliest = expireAtMs
    at += 8
  }
  if (earliest === Number.POSITIVE_INFINITY) earliest = 0
  // A TTL takes at most 9 bytes where Valkey's took 8; `count` pairs stand in `bytes`, so this is bounded by its length.
  const converted = new Uint8Array(8 + (first - start) + (end - first) + count)
  for (let i = 0; i < 4; i++) {
    converted[i] = earliest >>> (8 * i)
    converted[4 + i] = Math.floor(earliest / 0x100000000) >>> (8 * i)
  }
  converted.set(bytes.subarray(start, first), 8)
  let to = 8 + (first - start)
  for (let at = first, left = count; left > 0; left--) {
    const next = pairEnd(bytes, at, end)
    const expireAtMs = readExpiry(bytes, next, start)
    to = writeLength(expireAtMs < 0 ? 0 : expireAtMs - earliest + 1, converted, to)
    converted.set(bytes.subarray(at, next), to)
    to += next - at
    at = next + 8
  }
  return converted.subarray(0, to)
}

function pairEnd(bytes: Uint8Array, at: number, end: number): number {
  readStringHeader(bytes, at, end, string)
  readStringHeader(bytes, string.end, end, string)
  return string.end
}

/** -1 for never. */
function readExpiry(bytes: Uint8Array, at: number, start: number): number {
  if (readInt32(bytes, at) === -1 && readInt32(bytes, at + 4) === -1) return -1
  const expireAtMs = readInt64(bytes, at)
  if (expireAtMs < 0 || expireAtMs > FIELD_EXPIRE_AT_MS_MAX) {
    throw new ValueFault('RDB_BAD_VALUE', 'a field TTL is out of range', at - start)
  }
  return expireAtMs
}
