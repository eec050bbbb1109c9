/**
 * Every bound of the engine, with its unit and its reason; the relations among them are asserted when this file loads.
 */
import { strict as assert } from 'node:assert'

/** Shards of a generation. More shards disturb readers less; each costs about 8 KiB when empty. A power of two. */
export const SHARD_COUNT = 64
export const SHARD_BITS = 6

/**
 * Regions of a generation: the shards of one region share an arena. A few regions keep their views in the CPU's nearest
 * cache (64 of them cost 50 ns a lookup), and let as many loaders work without locks.
 */
export const REGION_COUNT = 8
export const REGION_BITS = 3

/** Largest segment: a run less than 2 GiB. Its length, too, stays below 2^31, where V8 keeps numbers in 32-bit registers, and `<<` their sign. */
export const SEGMENT_BYTES_MAX: number = 2 ** 31 - 65_536
/** The first segment of a region, and the run that it lacks; the next ones are four times as long. */
export const FIRST_SEGMENT_BYTES: number = 2 ** 27
/** Address units are 8 bytes and 28 bits name a unit inside a segment, so 4 bits are left for the segment. */
export const SEGMENTS_PER_REGION_MAX = 16

/** Unit in which segments are cut: one run holds blocks of one size class, or is part of a span. */
export const RUN_BYTES = 65_536
/** Largest block of a size class, and the length of a node of a chunked value. Small enough to copy in one slice. */
export const BLOCK_BYTES_MAX = 16_384

/** Longest value the keyspace takes: two index levels of 4,096 entries over nodes of 16 KiB would allow 256 GiB. */
export const VALUE_BYTES_MAX: number = 2 ** 36

/** Default of proto-max-bulk-len: longest string a client may make. */
export const PROTO_MAX_BULK_BYTES: number = 512 * 1024 * 1024
/** Default of hll-sparse-max-bytes. */
export const HLL_SPARSE_BYTES_MAX = 3000

/** Keys of a command that are touched together before they are looked up: about as many misses as a core has under way at once. */
export const KEYS_AHEAD_MAX = 16
/** Requests of a client that are found together before the first is run, so that their keys are touched together. */
export const REQUESTS_AHEAD_MAX = 32
/** Commands of the stream that are found together before the first is applied, so that their keys are touched together, too. */
export const COMMANDS_AHEAD_MAX = 64
/** Names of keys that clients of a replica have given a time to live, for nobody but the replica to look after. */
export const OWN_EXPIRING_KEYS_MAX: number = 2 ** 20
/** One slice of our own extra work (growing, freeing, copying), milliseconds. */
export const SLICE_MS_MAX = 2

assert.equal(1 << SHARD_BITS, SHARD_COUNT)
assert.equal(1 << REGION_BITS, REGION_COUNT)
assert.equal((SEGMENT_BYTES_MAX + RUN_BYTES) / 8, 2 ** 28)
assert.equal(FIRST_SEGMENT_BYTES * 4 * 4, SEGMENT_BYTES_MAX + RUN_BYTES)
assert.equal(RUN_BYTES % BLOCK_BYTES_MAX, 0)
// Keys are touched by tables of that length (keyspace/lookups-ahead.ts).
assert.ok(Math.max(KEYS_AHEAD_MAX, REQUESTS_AHEAD_MAX) <= COMMANDS_AHEAD_MAX)
