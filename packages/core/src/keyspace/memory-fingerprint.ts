/**
 * Do two threads write the memory they share in the same way? A worker thread reads its modules when it starts, which may be
 * months after the program did; an update in place has changed them by then. A loader that hashes or lays out otherwise
 * than the link role would build a generation that looks whole and in which keys are not found again: the data would
 * differ from the primary's without a word. So whoever builds memory for another thread compares fingerprints first.
 *
 * The fingerprint is what the code does: a few hundred keys are written into a small generation of its own, and its memory
 * is hashed word by word.
 */
import { DEFAULT_THRESHOLDS } from '../values/thresholds.ts'
import type { EncodingThresholds } from '../values/thresholds.ts'
import { AccessBits } from './access-bits.ts'
import { BulkWriter } from './bulk-writer.ts'
import { Generation } from './generation.ts'
import {
  RDB_TYPE_HASH,
  RDB_TYPE_LIST,
  RDB_TYPE_SET,
  RDB_TYPE_STRING,
  RDB_TYPE_ZSET_2,
} from '../object-codec/rdb-types.ts'

/** Fixed: what depends on it, and on nothing else, must come out equal. */
const SEED: Uint8Array = Uint8Array.from({ length: 16 }, (_, i) => 11 + 17 * i)
const SEGMENT_BYTES_MAX: number = 1 << 18
const ACCESS_CLOCK = 0x1234
/** Their bytes repeat after 256; the lengths tell them apart. */
const HASHED_KEYS = 120
const CROWDED_KEYS = 250
/** Values become large early, so that few elements do: what is compared is how the forms are laid out. */
const THRESHOLDS: EncodingThresholds = {
  ...DEFAULT_THRESHOLDS,
  hashMaxListpackEntries: 16,
  setMaxIntsetEntries: 16,
  zsetMaxListpackEntries: 16,
  listMaxListpackSize: 16,
}
/** More than any type holds packed, and more than one page or node of a large form. */
const ELEMENTS = 200
const TYPES: readonly (readonly [rdbType: number, hasValue: boolean])[] = [
  [RDB_TYPE_LIST, false],
  [RDB_TYPE_SET, false],
  [RDB_TYPE_ZSET_2, true],
  [RDB_TYPE_HASH, true],
]
const EXPIRE_AT_MS = 1_900_000_000_123

let known: string | undefined

/** Eight hexadecimal digits; any thread. Made once per thread, which takes 20 to 40 ms in cold code: a thread that serves asks at its start. */
export function memoryFingerprint(): string {
  known ??= makeFingerprint()
  return known
}

function makeFingerprint(): string {
  const generation = Generation.create({ databaseCount: 1, hashSeed: SEED, segmentBytesMax: SEGMENT_BYTES_MAX })
  const access = new AccessBits()
  access.clock = ACCESS_CLOCK
  const writer = new BulkWriter(generation, THRESHOLDS, access)
  const bytes = Uint8Array.from({ length: 40_000 }, (_, i) => i * 7)
  const put = (at: number, keyBytes: number, valueBytes: number, expireAtMs: number): void =>
    writer.put(0, RDB_TYPE_STRING, bytes, at, at + keyBytes, bytes, 100, 100 + valueBytes, expireAtMs, -1, -1)
  for (let i = 0; i < HASHED_KEYS; i++) put(i, 2 + (i % 30), (i * 3) % 90, i % 7 === 0 ? EXPIRE_AT_MS + i : -1)
  put(HASHED_KEYS, 8000, 10, -1)
  put(HASHED_KEYS, 9000, 10, -1)
  put(HASHED_KEYS, 12, 30_000, -1)
  // All in the first shard, so that its pages are split and its directory grows.
  for (let i = 0; i < CROWDED_KEYS; i++) {
    const order = Math.imul(i, 0x9e3779b1) >>> 6
    writer.putHashed(order, Math.imul(i, 0x85ebca6b), 0, RDB_TYPE_STRING, bytes, i, i + 40, bytes, 0, 5, -1, -1, -1)
  }
  for (const [rdbType, hasValue] of TYPES) {
    const value = encodeElements(rdbType, hasValue)
    writer.put(0, rdbType, bytes, rdbType, rdbType + 60, value, 0, value.length, -1, -1, -1)
  }
  writer.flush()
  let hash = hashWords(generation.control, 0)
  for (const region of generation.regions) for (const words of region.memory.i32) hash = hashWords(words, hash)
  return (hash >>> 0).toString(16).padStart(8, '0')
}

/** A value of the snapshot's plain form: a count, then each element, with what belongs to it, if `hasValue`. */
function encodeElements(rdbType: number, hasValue: boolean): Uint8Array {
  // A length of 14 bits, elements of two bytes, scores of eight.
  const out = [0x40 | (ELEMENTS >>> 8), ELEMENTS & 0xff]
  for (let i = 0; i < ELEMENTS; i++) {
    out.push(2, i & 0xff, 65 + (i >>> 8))
    if (rdbType === RDB_TYPE_ZSET_2) out.push(0, 0, 0, 0, 0, i & 0xff, 0x40 + (i >>> 8), 0x40)
    else if (hasValue) out.push(1, i & 0xff)
  }
  return Uint8Array.from(out)
}

function hashWords(words: Int32Array, before: number): number {
  let hash = before
  for (let i = 0; i < words.length; i++) hash = (Math.imul(hash ^ words[i]!, 0x01000193) + (hash >>> 15)) | 0
  return hash
}
