/**
 * The bounds of the replication link, in one place with the reason for each, and their relations asserted on load.
 */
import assert from 'node:assert/strict'

/** One command, or one MULTI … EXEC group, is held whole until it is complete: this is the most it may take. */
export const STREAM_UNIT_BYTES_MAX: number = 1024 * 1024 * 1024
/** First size of the stream's input buffer, and the size it falls back to when a large command has gone by. */
export const STREAM_BUFFER_BYTES: number = 1024 * 1024
/** The socket gets at most this much room at a time: one read must not be more than one turn's budget. */
export const STREAM_READ_BYTES_MAX: number = 256 * 1024
/** With less room than this the buffer is compacted or grown before the next read. */
export const STREAM_READ_BYTES_MIN: number = 64 * 1024
/** Longest `*<count>` or `$<length>` line, CRLF excluded. */
export const LENGTH_LINE_BYTES_MAX = 24
/** What the link may apply or receive in one turn of the event loop before others get theirs. */
export const TURN_BYTES_MAX: number = 256 * 1024
export const TURN_MS_MAX = 2
/** Longest line of a handshake reply or of a snapshot's header. Redis 7.0 reads into 1024 bytes (syncReadLine). */
export const REPLY_LINE_BYTES_MAX = 1024
/** A snapshot's declared length beyond this is taken for garbage (2^53 - 1 is what a JavaScript number counts). */
export const SNAPSHOT_BYTES_MAX: number = Number.MAX_SAFE_INTEGER
/** Smallest backlog, as in redis 7.0 config.c (repl-backlog-size >= 1 byte is rounded up to 16 KiB). */
export const BACKLOG_BYTES_MIN: number = 16 * 1024
/** Largest backlog: ring positions are kept below 2^31 so that copying stays in small-integer arithmetic. */
export const BACKLOG_BYTES_MAX: number = 2 * 1024 * 1024 * 1024 - 64 * 1024

// Every index into the input buffer must stay below 2^31 (Int32Array positions), also while the buffer doubles.
assert(STREAM_UNIT_BYTES_MAX + 2 * STREAM_READ_BYTES_MAX < 2 ** 31)
assert(STREAM_READ_BYTES_MIN <= STREAM_READ_BYTES_MAX && STREAM_READ_BYTES_MAX < STREAM_BUFFER_BYTES)
assert(STREAM_READ_BYTES_MAX <= TURN_BYTES_MAX)
