/** Writes the pieces of a segment of the stream log into buffers. It knows no file. Layout: layout.ts. */
import { crc32 } from 'node:zlib'
import { REPLID_LENGTH, type StreamHistory } from '../replication/replication-id.ts'
import {
  HISTORY_COUNT_AT,
  HISTORY_ENTRIES_AT,
  HISTORY_ENTRY_BYTES,
  HISTORY_FLAG_NEW_RUN,
  HISTORY_FLAGS_AT,
  RECORD_BYTES,
  RECORD_HEADER_BYTES,
  RECORD_HISTORY,
  RECORD_KIND_AT,
  RECORD_LENGTH_AT,
  RECORD_OFFSET_AT,
  SEGMENT_HEADER_BYTES,
  STREAM_LOG_MAGIC,
  STREAM_LOG_VERSION,
} from './layout.ts'

/** What a history record says. */
export interface LoggedHistory {
  /** Number of the last byte before it. */
  readonly offset: number
  /** What stands in segments before does not go on here. */
  readonly beginsRun: boolean
  readonly history: StreamHistory
}

/** The beginning of a segment: its header, and whose bytes follow. */
export function encodeSegmentStart(logged: LoggedHistory): Buffer {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES)
  header.writeUInt32LE(STREAM_LOG_MAGIC, 0)
  header.writeUInt32LE(STREAM_LOG_VERSION, 4)
  return Buffer.concat([header, encodeHistory(logged)])
}

/** A record that says whose the bytes behind it are. */
export function encodeHistory({ offset, beginsRun, history }: LoggedHistory): Buffer {
  const ids = [{ replid: history.replid, endsBefore: 0 }, ...history.past]
  const length = HISTORY_ENTRIES_AT + ids.length * HISTORY_ENTRY_BYTES
  const record = Buffer.alloc(RECORD_HEADER_BYTES + length)
  record.writeUInt32LE(beginsRun ? HISTORY_FLAG_NEW_RUN : 0, RECORD_HEADER_BYTES + HISTORY_FLAGS_AT)
  record.writeUInt32LE(ids.length, RECORD_HEADER_BYTES + HISTORY_COUNT_AT)
  let at = RECORD_HEADER_BYTES + HISTORY_ENTRIES_AT
  for (const { replid, endsBefore } of ids) {
    record.write(replid, at, REPLID_LENGTH, 'latin1')
    record.writeBigUInt64LE(BigInt(endsBefore), at + REPLID_LENGTH)
    at += HISTORY_ENTRY_BYTES
  }
  seal(record, RECORD_HISTORY, offset, length)
  return record
}

/**
 * Makes a record of bytes of the stream that stand in `buffer` behind the room for a record's header.
 * @param offset number of the last byte before them. @returns the record, a part of `buffer`
 */
export function sealBytes(buffer: Buffer, offset: number, length: number): Buffer {
  const record = buffer.subarray(0, RECORD_HEADER_BYTES + length)
  seal(record, RECORD_BYTES, offset, length)
  return record
}

function seal(record: Buffer, kind: number, offset: number, length: number): void {
  record.writeUInt32LE(kind, RECORD_KIND_AT)
  record.writeUInt32LE(length, RECORD_LENGTH_AT)
  record.writeBigUInt64LE(BigInt(offset), RECORD_OFFSET_AT)
  record.writeUInt32LE(crc32(record.subarray(RECORD_KIND_AT)), 0)
}
