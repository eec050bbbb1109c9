/**
 * Where everything stands in a segment of the stream log (docs/formats/stream-log.md draws it). Little-endian.
 *
 *     byte 0           4           8
 *     ┌────────────┬───────────┬──────────┬──────────┬── …
 *     │ magic u32  │ version   │ record   │ record   │
 *     │ "USLG"     │ u32       │ history  │          │
 *     └────────────┴───────────┴──────────┴──────────┴── …
 *
 *     record   0          4          8          12           20           20 + length
 *              ┌──────────┬──────────┬──────────┬────────────┬───────────────┐
 *              │ CRC-32   │ kind u32 │ length   │ offset u64 │ payload       │
 *              │ of rest  │          │ u32      │            │               │
 *              └──────────┴──────────┴──────────┴────────────┴───────────────┘
 */
import { REPLID_LENGTH } from '../replication/replication-id.ts'

/** 'USLG' read as a little-endian u32. */
export const STREAM_LOG_MAGIC = 0x474c5355
export const STREAM_LOG_VERSION = 1
export const SEGMENT_HEADER_BYTES = 8

export const RECORD_HEADER_BYTES = 20
export const RECORD_KIND_AT = 4
export const RECORD_LENGTH_AT = 8
export const RECORD_OFFSET_AT = 12

/** Whose bytes follow. The first record of each segment is one. */
export const RECORD_HISTORY = 1
/** Bytes of the applied stream. */
export const RECORD_BYTES = 2

/** Most bytes of the stream in one record: what a torn tail can cost. */
export const RECORD_PAYLOAD_MAX: number = 256 * 1024

/** Payload of a history record: flags u32, count u32, then `count` entries, the id of now first. */
export const HISTORY_FLAGS_AT = 0
export const HISTORY_COUNT_AT = 4
export const HISTORY_ENTRIES_AT = 8
/** Set: what stands in segments before does not go on here. */
export const HISTORY_FLAG_NEW_RUN = 1
/** Entry: replid, 40 ASCII characters, and the number of the first byte that is no longer its own, u64; 0 for the id of now. */
export const HISTORY_ENTRY_BYTES: number = REPLID_LENGTH + 8
