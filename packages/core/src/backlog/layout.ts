/**
 * Where everything stands in the backlog's shared memory. Not a file format: it lives as long as the process, and it is
 * written down (docs/formats/backlog.md) because threads that were built at different times may read it.
 *
 *     byte 0           4           8            16          24           32          128                128 + capacity
 *     ┌────────────┬───────────┬────────────┬───────────┬────────────┬────────── … ─┬───────────────────────┐
 *     │ magic u32  │ retired   │ capacity   │ lost      │ end        │ zero         │ ring                  │
 *     │ + version  │ i32       │ i64 bytes  │ i64 bytes │ i64 bytes  │              │ byte n at n % capacity│
 *     └────────────┴───────────┴────────────┴───────────┴────────────┴──────────────┴───────────────────────┘
 *
 * `lost` and `end` are counts of stream bytes: the ring holds those after the first `lost` up to `end`. In Redis' words:
 * repl_backlog_first_byte_offset = lost + 1, master_repl_offset = end, repl_backlog_histlen = end - lost.
 */

/** 'USBL' read as a little-endian u32, plus the layout's version in the int that follows in the docs' numbering. */
export const BACKLOG_MAGIC = 0x4c425355
export const BACKLOG_VERSION = 1

/** Int32 slots. */
export const SLOT_MAGIC = 0
/** Version in the low 16 bits; RETIRED is set once, when the ring has been replaced by another. */
export const SLOT_STATE = 1
export const STATE_VERSION_MASK = 0xffff
export const STATE_RETIRED = 0x10000

/** BigInt64 slots. */
export const SLOT_CAPACITY = 1
export const SLOT_LOST = 2
export const SLOT_END = 3

/** The ring begins on its own cache lines (two of 64 bytes: adjacent-line prefetch). */
export const RING_START_BYTES = 128

export interface BacklogViews {
  readonly ints: Int32Array
  readonly longs: BigInt64Array
  readonly ring: Uint8Array
  /** The same bytes as `ring`. */
  readonly ringView: DataView
}

export function backlogViews(shared: SharedArrayBuffer): BacklogViews {
  return {
    ints: new Int32Array(shared, 0, RING_START_BYTES / 4),
    longs: new BigInt64Array(shared, 0, RING_START_BYTES / 8),
    ring: new Uint8Array(shared, RING_START_BYTES, shared.byteLength - RING_START_BYTES),
    ringView: new DataView(shared, RING_START_BYTES, shared.byteLength - RING_START_BYTES),
  }
}
