/**
 * Where the parts of a stream lie. All blocks belong to the region named in the descriptor; docs/formats/stream.md draws
 * them together.
 *
 *   descriptor   0 owner and bits   1 root block
 *
 *   root block   words 0…3 last ID   4…7 first ID   8…11 greatest deleted ID   12, 13 entries ever added
 *                14…18 index of the nodes, by ID, weight = live entries     19…23 index of the groups, by name
 *                24 flags
 *   node         words 0…3 ID   4 bytes of its listpack   5 room for it in this block, 0: it lies in chunks
 *                then the listpack, or one word: root of the chunks (keyspace/node-value.ts)
 *   group        words 0…3 last delivered ID   4, 5 entries read, -1: unknown   6…10 index of its pending entries, by ID
 *                11…15 index of its consumers, by name   16 length of the name   17 root of a long name's chunks
 *                then the name, unless it is long
 *   consumer     words 0, 1 seen time   2, 3 active time, -1: none   4…8 index of its pending entries, by ID
 *                9 length of the name   10 root of a long name's chunks   11 former block, 0: none   12 always 0
 *                then the name, unless it is long
 *   former       block of a consumer that was moved, while pending entries name it: words 0…3 the smallest ID that may
 *                12 the consumer's block now
 *   pending      words 0…3 ID   4, 5 time of delivery   6, 7 deliveries   8 consumer, or its former block
 *
 * IDs are four words (encoding/stream-id.ts); times are milliseconds since 1970, low and high word.
 */

export const D_ROOT = 1
export const STREAM_DESCRIPTOR_WORDS = 2

export const R_LAST = 0
export const R_FIRST = 4
export const R_MAX_DELETED = 8
export const R_ADDED = 12
export const R_NODES = 14
export const R_GROUPS = 19
export const R_FLAGS = 24
export const ROOT_BLOCK_WORDS = 25
export const ROOT_BLOCK_BYTES: number = ROOT_BLOCK_WORDS * 4

/** Root flag: the stream came from a server that keeps active times of consumers (Redis 7.2). */
export const STREAM_HAS_ACTIVE_TIMES = 1

export const N_ID = 0
export const N_BYTES = 4
export const N_ROOM = 5
export const N_CHUNKS = 6
export const STREAM_NODE_HEADER_BYTES = 24
/** A node whose listpack lies in chunks. */
export const CHUNKED_NODE_BYTES = 28

export const G_LAST = 0
export const G_READ = 4
export const G_PENDING = 6
export const G_CONSUMERS = 11
export const G_NAME = 16
export const GROUP_HEADER_BYTES = 72

export const K_SEEN = 0
export const K_ACTIVE = 2
export const K_PENDING = 4
export const K_NAME = 9
export const K_FORMER = 11
export const CONSUMER_HEADER_BYTES = 52

export const F_UNTOLD = 0
export const F_NOW = 12

export const P_ID = 0
export const P_TIME = 4
export const P_COUNT = 6
export const P_CONSUMER = 8
export const PENDING_BYTES = 36

/** Longer names of groups and consumers lie in chunks. */
export const INLINE_NAME_BYTES_MAX = 8192
