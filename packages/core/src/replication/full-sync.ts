/**
 * How a snapshot is framed on the wire. Only the header is read here; the snapshot's own bytes go to an RdbLoad.
 *
 *     \n \n …  $<length>\r\n   <length> bytes                              then the stream
 *     \n \n …  $EOF:<mark>\r\n  bytes, as many as the RDB has   <mark>      then the stream
 *     -error\r\n
 *
 * Source: redis 7.0 replication.c readSyncBulkPayload().
 */
import { SNAPSHOT_BYTES_MAX } from './limits.ts'

export const END_MARK_LENGTH = 40

export type SnapshotFraming = { kind: 'length'; byteLength: number } | { kind: 'mark'; endMark: Uint8Array }

export type SnapshotHeader =
  | { readonly kind: 'keep-alive' }
  | { readonly kind: 'framing'; readonly framing: SnapshotFraming }
  | { readonly kind: 'error'; readonly text: string }
  | { readonly kind: 'garbage' }

/** @param line without CR LF, one character per byte. */
export function parseSnapshotHeader(line: string): SnapshotHeader {
  if (line === '') return { kind: 'keep-alive' }
  if (line.startsWith('-')) return { kind: 'error', text: line.slice(1) }
  if (line.startsWith('$EOF:') && line.length === 5 + END_MARK_LENGTH) {
    return { kind: 'framing', framing: { kind: 'mark', endMark: Buffer.from(line.slice(5), 'latin1') } }
  }
  if (/^\$\d{1,16}$/.test(line)) {
    const byteLength = Number(line.slice(1))
    if (byteLength <= SNAPSHOT_BYTES_MAX) return { kind: 'framing', framing: { kind: 'length', byteLength } }
  }
  return { kind: 'garbage' }
}
