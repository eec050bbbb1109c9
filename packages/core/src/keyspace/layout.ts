/**
 * Where everything lies: the control block of a generation, the table pages and the records. Constants and drawings
 * only; `docs/formats/record.md` explains them at length.
 *
 * Control block: one SharedArrayBuffer of int32 words.
 *
 *   0 magic  1 layout version  2 shards  3 databases  4 retired  5 reader waiting  6 generation number  7 changes of memory
 *   8…11 hash seed  12…15 applied offset and its time  16…20 replication ID
 *   32 …                     database -> table (SWAPDB exchanges two entries)
 *   counters                 one per shard, 32 words (128 bytes, two cache lines: neighbours are fetched together) apart
 *   roots                    per table and shard, 8 words:
 *                            0 directory  1 directory depth  2 keys  3 keys with a TTL  4 pages  5…7 unused
 *
 * Table of one database in one shard: extendible hashing. The bits of `hashOrder` below the shard's six choose a
 * directory entry, the entry a page, `hashTag` a place in the page from which probing goes on linearly.
 *
 *   page: 1,024 bytes = 128 slots of two words
 *     slot 0      [ local depth:16 | count:16 ] [ overflow page, only at the greatest depth ]
 *     slot 1…127  [ window:12 | tag:20 ]        [ record address, 0 = empty ]
 *
 * `window` holds the 12 bits of hashOrder that the next splits of this page need, so only the split from depth 11 to 12
 * (beyond 20 M keys) has to read the keys. An entry of a directory that is 0 stands for a page without keys at the
 * directory's own depth.
 *
 * Record: one block of the arena.
 *
 *   word 0   [ key length:16 | flags:8 | RDB type:8 ]
 *   word 1   [ access:18 | value length:14 ]       (value length of inline values)
 *   EXPIRE   two words: milliseconds since 1970, low and high
 *   LONGKEY  two words: key length, root of the key's nodes (key length in word 0 is 0)
 *   CHUNKED  four words: value length low and high, root of the value's nodes, region that owns the nodes
 *   the key's bytes (unless LONGKEY), the value's bytes (unless CHUNKED)
 */
import { strict as assert } from 'node:assert'
import { BLOCK_BYTES_MAX, REGION_BITS, SHARD_BITS, SHARD_COUNT } from '../limits.ts'

export const CONTROL_MAGIC = 0x55_47_45_4e
export const CONTROL_LAYOUT_VERSION = 5
export const C_MAGIC = 0
export const C_VERSION = 1
export const C_SHARDS = 2
export const C_DATABASES = 3
/** 1 once another generation has taken over: readers move on. Written by the link role, read by all. */
export const C_RETIRED = 4
/** Requests of readers that the writer stay out for a moment, and whether it does: readers-turn.ts. */
export const C_READERS_TURN = 5
export const C_NUMBER = 6
/** Counts segments added, grown and dropped: readers whose views are older make them anew. Written by the writer, before it uses the memory. */
export const C_MEMORY_CHANGES = 7
/** Four words: the 16 bytes of the hash seed. */
export const C_SEED = 8
/**
 * Where in the replication stream the data are: the applied offset, and the wall clock (ms since 1970) when it got there, each a low
 * and a high word. Low words change inside of any unit, high words and the replication ID in units that enter all shards.
 */
export const C_OFFSET_LOW = 12
export const C_OFFSET_HIGH = 13
export const C_APPLIED_LOW = 14
export const C_APPLIED_HIGH = 15
/** 20 bytes. */
export const C_REPLID = 16
/** 1 while what is here is nobody's dataset: this node was never synced, or dropped its data for a full resync. Changed in units that enter all shards. */
export const C_NO_DATASET = 21
/** End of the position's words. */
export const C_POSITION_END = 22
export const C_DATABASE_MAP = 32

export const COUNTER_STRIDE = 32
export const ROOT_WORDS = 8
export const ROOT_DIRECTORY = 0
export const ROOT_DEPTH = 1
export const ROOT_KEYS = 2
export const ROOT_EXPIRES = 3
export const ROOT_PAGES = 4
/** Words of a root that mean something: all that the root of a table of elements has. */
export const ROOT_WORDS_USED = 5

/** Word index of shard 0's counter. */
export function countersAt(databases: number): number {
  return C_DATABASE_MAP + Math.ceil(databases / COUNTER_STRIDE) * COUNTER_STRIDE
}

/** Word index of the first root. */
export function rootsAt(databases: number): number {
  return countersAt(databases) + SHARD_COUNT * COUNTER_STRIDE
}

export function controlWords(databases: number): number {
  return rootsAt(databases) + databases * SHARD_COUNT * ROOT_WORDS
}

export const PAGE_BYTES = 1024
export const PAGE_SLOTS = 128
/** From a record's beginning to where the next cache line has begun and one of the usual size has not ended. */
export const NEXT_LINE_WORDS = 12
/** Of a cache line. */
export const LINE_WORDS = 16
/** A fuller page is split: probe sequences stay short. */
export const PAGE_KEYS_MAX = 112
/** Two pages that differ in their last bit and have no more keys together become one; far enough below a split. */
export const PAGE_KEYS_MERGED_MAX = 72
/** Directory depth at which a full page gets an overflow page instead of splitting (2^24 pages a shard). */
export const DIRECTORY_DEPTH_MAX = 24
/** Keys per page that a table of known size aims at. */
export const PAGE_KEYS_PLANNED = 100

export const FLAG_EXPIRE = 1
export const FLAG_CHUNKED = 2
export const FLAG_LONG_KEY = 4
/** The string was made by a command that leaves it 'raw' in OBJECT ENCODING (APPEND, SETRANGE, SETBIT …). */
export const FLAG_RAW = 8
/** The same bit of a packed value: Redis would hold it in its large encoding (hashtable, skiplist), and we say so. */
export const FLAG_LARGE_ENCODING = 8

/** The string is no integer for OBJECT ENCODING, whatever it looks like: what INCRBYFLOAT leaves is 'embstr'. */
export const FLAG_TEXT = 16
/** Flags that tell of the value, which a copy has as well. */
export const VALUE_FLAGS: number = FLAG_RAW | FLAG_LARGE_ENCODING | FLAG_TEXT

/** Bits of a record's second word that tell the length of an inline value; those above tell how it is used. */
export const VALUE_LENGTH_BITS = 14
export const VALUE_LENGTH_MASK: number = 2 ** VALUE_LENGTH_BITS - 1
assert.ok(BLOCK_BYTES_MAX - 8 <= VALUE_LENGTH_MASK)

/** Bytes before the key. */
export function headerBytes(flags: number): number {
  return 8 + ((flags & FLAG_EXPIRE) << 3) + ((flags & FLAG_CHUNKED) << 3) + ((flags & FLAG_LONG_KEY) << 1)
}

/** The slot of its page at which a search for a key begins; slot 0 is the header. Takes the word that a slot keeps of a tag, too. */
export function homeSlot(tag: number): number {
  const home = tag & (PAGE_SLOTS - 1)
  return home === 0 ? 1 : home
}

/** Directory entry of a hash at a depth: the bits below the shard's. */
export function directoryIndex(order: number, depth: number): number {
  return depth === 0 ? 0 : (order << SHARD_BITS) >>> (32 - depth)
}

/** Bits of hashOrder in a slot, and the first of them (below the shard's) for a page of this local depth. */
export const WINDOW_BITS = 12
export function windowStart(depth: number): number {
  return depth < WINDOW_BITS ? 0 : WINDOW_BITS
}

/** The bits of `order` that pages of this local depth keep in their slots. */
export function windowOf(order: number, depth: number): number {
  return ((order << SHARD_BITS) >>> (32 - WINDOW_BITS - windowStart(depth))) & 0xfff
}

/** The bits of hashTag in a slot. */
export const SLOT_TAG_MASK = 0x000f_ffff
export const SLOT_TAG_BITS = 20

/** Shard of a hash. */
export function shardOf(order: number): number {
  return order >>> (32 - SHARD_BITS)
}

/** Region that holds a shard's memory. */
export function regionOf(shard: number): number {
  return shard >>> (SHARD_BITS - REGION_BITS)
}
